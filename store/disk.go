package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// MayPass is true for an error that the disk, or what this process may still
// open and write, is to blame for: the same call works when that is mended.
func MayPass(err error) bool {
	var known *Error
	if errors.As(err, &known) {
		return known.Code == DiskFull || known.Code == Disk || known.Code == Busy
	}
	switch primaryCode(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY:
		return true
	}
	return false
}

// primaryCode is SQLite's own, without the detail above its lowest byte; 0
// where the error is not SQLite's.
func primaryCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// storageError makes an error of the machinery one line that names the disk
// and says what to do. SQLite keeps the system's word to itself, so it is
// asked again, by a write of our own.
func (s *Store) storageError(err error) error {
	switch primaryCode(err) {
	case sqlite3.SQLITE_FULL:
		return s.diskFull()
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		cause := s.probe()
		if isNoSpace(cause) {
			return s.diskFull()
		}
		if cause == nil {
			cause = err
		}
		return &Error{
			Code: Disk, Message: fmt.Sprintf("cannot use %s%s: %v", s.path, mounted(s.path), cause),
			Hint: []string{"nothing was changed; mend it, then repeat the command (limits: ulimit -a; the disk: df, mount)"},
		}
	}
	if errors.Is(err, os.ErrPermission) {
		return &Error{Code: Unsupported, Message: err.Error()}
	}
	return err
}

func (s *Store) diskFull() *Error {
	return &Error{
		Code: DiskFull, Message: fmt.Sprintf("the disk of %s is full%s", s.path, mounted(s.path)),
		Hint: []string{"free some space, then repeat the command: nothing was changed"},
	}
}

// probe writes a page beside the database, behind the size that its files
// have, and gives what the system says to that.
func (s *Store) probe() error {
	var size int64
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(s.path + suffix); err == nil {
			size = max(size, info.Size())
		}
	}
	file, err := os.CreateTemp(filepath.Dir(s.path), ".runnel-probe-")
	if err == nil {
		_, err = file.WriteAt(make([]byte, 4096), size)
		err = errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err // the name of the probe would mislead
	}
	return err
}
