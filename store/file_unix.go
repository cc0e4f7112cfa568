//go:build unix

package store

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
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
