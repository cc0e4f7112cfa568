package store

import (
	"errors"
	"io/fs"
	"syscall"
)

// The file's own access list is Windows' way; nothing is checked beyond it.
func checkOwner(string, fs.FileInfo) error { return nil }

func checkFileSystem(string) error { return nil }

func lockHolder(string) (int, string) { return 0, "" }

// Windows' own numbers: ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.Errno(39)) || errors.Is(err, syscall.Errno(112))
}

func mounted(string) string { return "" }

func syncFolder(string) error { return nil }
