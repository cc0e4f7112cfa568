//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// checkOwner refuses a file of another user, for root too: files that root
// makes beside it would lock its owner out.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	owner := strconv.Itoa(int(stat.Uid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	return &Error{
		Code: Unsupported, Message: fmt.Sprintf("%s belongs to the user %s", path, owner),
		Hint: []string{fmt.Sprintf("work as its owner: sudo -u %s runnel …", owner)},
	}
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// mounted is where the disk of a path is mounted, in brackets.
func mounted(path string) string {
	at := existing(filepath.Dir(path))
	device, err := deviceOf(at)
	for err == nil && at != filepath.Dir(at) {
		up, upErr := deviceOf(filepath.Dir(at))
		if upErr != nil || up != device {
			break
		}
		at = filepath.Dir(at)
	}
	return fmt.Sprintf(" (it is mounted at %s)", at)
}

func deviceOf(path string) (uint64, error) {
	var stat syscall.Stat_t
	err := syscall.Stat(path, &stat)
	return uint64(stat.Dev), err //nolint:unconvert // signed on macOS
}

// syncFolder makes what was made in a folder outlast a power cut. SQLite does
// it for the database's own.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // a file system that has no such call
		return errors.Join(err, folder.Close())
	}
	return folder.Close()
}
