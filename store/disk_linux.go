package store

import (
	"fmt"
	"syscall"
)

// localMagic names the common file systems (statfs(2)).
var localMagic = map[uint32]string{
	0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs", 0x01021994: "tmpfs",
	0x794c7630: "overlay", 0xf2f52010: "f2fs",
}

// DiskOf looks at the file system that a folder is on.
func DiskOf(folder string) (FileSystem, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return FileSystem{}, err
	}
	magic := uint32(stat.Type) //nolint:gosec // bits, not a number
	kind := localMagic[magic]
	if kind == "" {
		kind = fmt.Sprintf("type %#x", magic)
	}
	size := int64(stat.Frsize)
	return FileSystem{Kind: kind, Free: int64(stat.Bavail) * size, Total: int64(stat.Blocks) * size}, nil //nolint:gosec // no disk is so large
}
