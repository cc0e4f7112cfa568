package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup copies the database, as it is at one moment, into a file of mode
// 0600, and gives its size. Workers go on meanwhile. A file that is there is
// replaced only by force; one that fails halfway leaves nothing.
func (s *Store) Backup(ctx context.Context, to string, force bool) (int64, error) {
	to, err := s.backupTarget(to, force)
	if err != nil {
		return 0, err
	}
	part, err := s.copyInto(ctx, s.path, to)
	if err != nil {
		return 0, err
	}
	return place(part, to, force)
}

// backupTarget refuses a place that a backup must not take.
func (s *Store) backupTarget(to string, force bool) (string, error) {
	to, err := filepath.Abs(to)
	if err != nil {
		return "", err
	}
	for _, own := range []string{s.path, s.path + "-wal", s.path + "-shm"} {
		if sameFile(to, own) {
			return "", invalid("%s is the database itself: a backup is another file", to)
		}
	}
	info, err := os.Stat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(to)); err != nil {
			return "", invalid("cannot write %s: %v", to, err)
		}
	case err != nil:
		return "", err
	case info.IsDir():
		e := invalid("%s is a folder: name the file to write", to)
		e.Hint = []string{"such as " + Quote(filepath.Join(to, "runnel-backup.db"))}
		return "", e
	case !force:
		return "", existsError(to)
	}
	return to, nil
}

func existsError(path string) error {
	e := conflict("%s is there already", path)
	e.Hint = []string{"replace it: --force"}
	return e
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	second, otherErr := os.Stat(b)
	return err == nil && otherErr == nil && os.SameFile(first, second)
}

// copyInto writes a database anew, whole and without its free pages, into a
// part file beside to. SQLite does it: to read the file by other means would
// drop the locks that this process has on it.
func (s *Store) copyInto(ctx context.Context, from, to string) (part string, err error) {
	file, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.part")
	if err != nil {
		return "", fmt.Errorf("write the backup: %w", New(to).storageError(err))
	}
	part = file.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
		return "", err
	}
	pool, err := openPool(from, []string{fmt.Sprintf("busy_timeout(%d)", busyTimeout)}, 1)
	if err != nil {
		return "", err
	}
	_, err = pool.ExecContext(ctx, "VACUUM INTO ?", part)
	if err := errors.Join(err, pool.Close()); err != nil {
		return "", New(to).storageError(err)
	}
	return part, syncFile(part)
}

// place gives a part file its name, and its size.
func place(part, to string, force bool) (int64, error) {
	err := claimName(to, force)
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(part))
	}
	info, err := os.Stat(to)
	if err != nil {
		return 0, err
	}
	return info.Size(), syncFile(filepath.Dir(to))
}

// claimName takes a free name for ourselves: two that write one backup at once
// shall not replace each other's.
func claimName(to string, force bool) error {
	if force {
		return nil
	}
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return existsError(to)
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// syncFile makes a file, or a folder's entries, survive a power cut.
func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(ignoreUnsupported(file.Sync()), file.Close())
}

// ignoreUnsupported passes what some systems answer to the sync of a folder.
func ignoreUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrInvalid) || errors.Is(err, os.ErrPermission) {
		return nil
	}
	return err
}
