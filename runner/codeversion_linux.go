package runner

import (
	"os"
	"syscall"
	"time"
)

// fileVersion tells one content of a file from the next: whoever writes a file
// can set the time of its content, and not that of its inode.
type fileVersion struct {
	device, inode uint64
	size          int64
	inodeChanged  int64 // ns
}

func (v fileVersion) changed() time.Time { return time.Unix(0, v.inodeChanged) }

// versionOf knows none where the file system counts whole seconds, as some do:
// two writes within one look alike.
func versionOf(info os.FileInfo) (fileVersion, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Ctim.Nsec == 0 {
		return fileVersion{}, false
	}
	return fileVersion{uint64(stat.Dev), stat.Ino, stat.Size, stat.Ctim.Nano()}, true //nolint:unconvert // not so wide on every machine
}
