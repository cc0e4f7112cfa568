package store

import "syscall"

// DiskOf looks at the file system that a folder is on.
func DiskOf(folder string) (FileSystem, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return FileSystem{}, err
	}
	size := int64(stat.Bsize)
	return FileSystem{Free: int64(stat.Bavail) * size, Total: int64(stat.Blocks) * size}, nil //nolint:gosec // no disk is so large
}
