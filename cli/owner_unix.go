//go:build unix

package cli

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownerOf is the user that a file belongs to, or who works here where there is
// no file yet.
func ownerOf(path string) string {
	if info, err := os.Stat(path); err == nil {
		if stat, known := info.Sys().(*syscall.Stat_t); known {
			return ownerName(int(stat.Uid))
		}
	}
	return ownerName(os.Geteuid())
}

func ownerName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}
