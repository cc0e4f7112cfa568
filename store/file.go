package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// prepareFile makes the folder and an empty file where there is none, with
// modes of its own choosing and never by umask, which flows inherit. It
// refuses a file that another user owns and a disk that cannot lock.
func prepareFile(path string) (created bool, err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return false, folderError(folder, err)
	}
	if err := checkFileSystem(folder); err != nil {
		return false, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		// SQLite gives the WAL and the shared memory the mode of the file.
		return true, file.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return false, folderError(folder, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if info.IsDir() {
		return false, &Error{Code: Unsupported, Message: fmt.Sprintf("%s is a folder, not a database file", path),
			Hint: []string{"name a file: --db " + filepath.Join(path, "runnel.db")}}
	}
	return false, checkOwner(path, info)
}

func folderError(folder string, err error) error {
	return &Error{Code: Unsupported, Message: fmt.Sprintf("cannot keep a database in %s: %v", folder, err),
		Hint: []string{"name another file with --db or RUNNEL_DB"}}
}

// networkError is the refusal of a disk on which locks are not locks.
func networkError(folder, kind string) error {
	return &Error{
		Code: Unsupported,
		Message: fmt.Sprintf("%s is on a network file system (%s), where locks do not hold what runnel promises",
			folder, kind),
		Hint: []string{"put the database on a local disk: export RUNNEL_DB=/var/tmp/runnel/runnel.db"},
	}
}
