package store

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// LogsBeside is where the logs of a backup lie.
func LogsBeside(backup string) string { return backup + ".logs.tar" }

// BackupLogs writes the logs as a tar beside a backup, and gives how many. It
// comes after the backup, so that each attempt of that has its log.
func (s *Store) BackupLogs(ctx context.Context, backup string, force bool) (count int, err error) {
	to, err := filepath.Abs(LogsBeside(backup))
	if err != nil {
		return 0, err
	}
	file, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.part")
	if err != nil {
		return 0, New(to).storageError(err)
	}
	archive := tar.NewWriter(file)
	err = eachLog(ctx, filepath.Join(s.Folder(), "logs"), func(name string) error {
		added, err := addLog(archive, s.LogPath(name), name)
		if added {
			count++
		}
		return err
	})
	err = errors.Join(err, archive.Close(), file.Chmod(0o600), file.Sync(), file.Close())
	if err != nil {
		return 0, errors.Join(New(to).storageError(err), os.Remove(file.Name()))
	}
	_, err = place(file.Name(), to, force)
	return count, err
}

// logFile is a log's name below the folder of logs, as logName makes it.
var logFile = lazily(`^\d{4}-\d\d-\d\d/[0-9a-f-]{36}\.\d+(\.on_[a-z]+\.[a-z_]+)?\.log$`)

// eachLog calls for every log, by its name below the folder.
func eachLog(ctx context.Context, folder string, call func(name string) error) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // no logs yet, or pruned meanwhile
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(folder, path)
		if name = filepath.ToSlash(name); err != nil || entry.IsDir() || !logFile().MatchString(name) {
			return err
		}
		return call(name)
	})
}

// addLog takes what a log holds now: it may be growing.
func addLog(archive *tar.Writer, path, name string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // pruned meanwhile
	}
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	header := &tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}
	if err := archive.WriteHeader(header); err != nil {
		return false, err
	}
	_, err = io.CopyN(archive, file, info.Size())
	return err == nil, err
}

// logsAside is where the logs lie that only the database knows which a restore kept.
func logsAside(kept string) string { return kept + ".logs" }

// setLogsAside moves the logs of what came after the backup to beside the database
// that was kept: a later attempt of the same number would find its own there
// already. So with those that the backup itself, a database that was kept, has.
func (s *Store) setLogsAside(ctx context.Context, part string, r Restored) (err error) {
	pool, err := openPool(part, readerPragmas(), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	kept := r.Kept
	if kept == "" {
		kept = s.keptName()
	}
	return eachLog(ctx, s.LogPath(""), func(name string) error {
		_, known, err := logOf(ctx, pool, name)
		if err != nil {
			return err
		}
		if _, other := os.Lstat(filepath.Join(logsAside(r.From), name)); known && other != nil {
			return nil
		}
		aside := filepath.Join(logsAside(kept), name)
		if err := makeFolder(filepath.Dir(aside)); err != nil {
			return err
		}
		return s.storageError(os.Rename(s.LogPath(name), aside))
	})
}

// restoreLogs puts back the logs beside a backup: those that were set aside with it,
// and those of its tar. What is there stays: a log only grows, so ours is the newer.
func (s *Store) restoreLogs(backup string) (count int, err error) {
	err = eachLog(context.Background(), logsAside(backup), func(name string) error {
		put, err := putLogBack(filepath.Join(logsAside(backup), name), s.LogPath(name))
		if put {
			count++
		}
		return err
	})
	if err != nil {
		return count, err
	}
	n, err := s.unpackLogs(backup)
	return count + n, err
}

// putLogBack copies a log, unless it is there. It stays with the database that was
// kept, for the next time.
func putLogBack(from, to string) (bool, error) {
	file, err := os.Open(from)
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // only read
	return unpack(file, to)
}

// unpackLogs unpacks the tar beside a backup.
func (s *Store) unpackLogs(backup string) (count int, err error) {
	file, err := os.Open(LogsBeside(backup))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // only read
	for archive := tar.NewReader(file); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return count, nil
		}
		if err != nil {
			return count, err
		}
		if !logFile().MatchString(header.Name) {
			continue // no log: nothing of ours
		}
		written, err := unpack(archive, s.LogPath(header.Name))
		if err != nil {
			return count, err
		}
		if written {
			count++
		}
	}
}

func unpack(from io.Reader, path string) (bool, error) {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return false, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = io.Copy(file, from)
	return true, New(path).storageError(errors.Join(err, file.Close()))
}
