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
	if err := checkFileSystem(existing(folder)); err != nil {
		return false, err
	}
	if err := makeFolder(folder); err != nil {
		return false, folderError(folder, err)
	}
	KillPoint("file.making")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		KillPoint("file.made")
		// SQLite gives the WAL and the shared memory the mode of the file.
		return true, errors.Join(file.Chmod(0o600), file.Close())
	}
	if !errors.Is(err, fs.ErrExist) {
		return false, folderError(folder, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if info.IsDir() {
		return false, &Error{
			Code: Unsupported, Message: fmt.Sprintf("%s is a folder, not a database file", path),
			Hint: []string{"name a file: --db " + filepath.Join(path, "runnel.db")},
		}
	}
	return false, checkOwner(path, info)
}

// realPath follows symbolic links: the locks that prove life, the sockets and
// the logs lie beside the database, and must be the same by whatever name it
// is opened.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	// The file is yet to be made, perhaps its folder, too.
	folder := existing(filepath.Dir(path))
	real, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return path, nil // what is wrong with it is said when it is opened
	}
	return filepath.Join(real, path[len(folder):]), nil
}

// existing is the nearest folder, upwards, that is there.
func existing(folder string) string {
	for {
		if _, err := os.Stat(folder); err == nil || filepath.Dir(folder) == folder {
			return folder
		}
		folder = filepath.Dir(folder)
	}
}

// makeFolder makes what is missing of a path, each part 0700 whatever the umask.
func makeFolder(folder string) error {
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(folder); parent != folder {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return os.MkdirAll(folder, 0o700) // made meanwhile, or no folder: then this says so
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(folder, 0o700); err != nil { //nolint:gosec // a folder needs its x
		return err
	}
	return syncFolder(filepath.Dir(folder))
}

func folderError(folder string, err error) error {
	return &Error{
		Code: Unsupported, Message: fmt.Sprintf("cannot keep a database in %s: %v", folder, err),
		Hint: []string{"name another file with --db or RUNNEL_DB"},
	}
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
