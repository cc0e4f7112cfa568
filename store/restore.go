package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Restored is what a restore did.
type Restored struct {
	Path      string `json:"path"`
	From      string `json:"from"`
	Kept      string `json:"kept"`      // where the old database is now; "": there was none
	Crashed   int    `json:"crashed"`   // runs that were live when the backup was made
	Cancelled int    `json:"cancelled"` // runs that were due since
	Logs      int    `json:"logs"`      // unpacked
}

// Restore puts a backup in the place of the database of a store that is not
// open, and keeps the old one aside. All that was due up to now counts as
// decided, since it may have run after the backup was made. The caller knows
// that no worker, slot or flow lives. It changes nothing when it refuses.
func (s *Store) Restore(ctx context.Context, from string) (r Restored, err error) {
	if s.path, err = realPath(s.path); err != nil {
		return r, err
	}
	r.Path = s.path
	if r.From, err = filepath.Abs(from); err != nil {
		return r, err
	}
	if sameFile(r.From, s.path) {
		return r, invalid("%s is the database itself: a backup is another file", r.From)
	}
	if err := checkBackup(ctx, r.From); err != nil {
		return r, err
	}
	if err := s.prepareRestore(); err != nil {
		return r, err
	}
	// All is made ready in a part file; the database changes in one step.
	part, err := s.copyInto(ctx, r.From, s.path)
	if err != nil {
		return r, err
	}
	defer func() {
		for _, ending := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(part + ending)
		}
	}()
	if err := s.settlePart(ctx, part, &r); err != nil {
		return r, err
	}
	if r.Kept, err = s.keepAside(ctx); err != nil {
		return r, err
	}
	if err := s.overwrite(ctx, part); err != nil {
		return r, err
	}
	err = s.setLogsAside(context.WithoutCancel(ctx), part, r)
	if err == nil {
		r.Logs, err = s.restoreLogs(r.From)
	}
	return r, err
}

// checkBackup refuses what is no whole runnel database.
func checkBackup(ctx context.Context, path string) (err error) {
	refuse := func(why any) error {
		return &Error{
			Code: Invalid, Message: fmt.Sprintf("cannot restore from %s: %v", path, why),
			Hint: []string{"name a file that runnel db backup wrote"},
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return refuse(err)
	}
	if info.IsDir() || info.Size() == 0 {
		return refuse("it holds no database")
	}
	pool, err := openPool(path, readerPragmas(), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var ours, version int
	var verdict string
	err = pool.QueryRowContext(ctx, `
		SELECT (SELECT count(*)
		          FROM sqlite_schema
		         WHERE type = 'table'
		           AND name IN ('meta', 'flow_run', 'attempt', 'event')),
		       user_version
		  FROM pragma_user_version`).Scan(&ours, &version)
	switch {
	case err != nil:
		return refuse(err)
	case ours < 4:
		return refuse("it is no database of runnel's")
	case version > SchemaVersion:
		return refuse(fmt.Sprintf("it has schema %d, and this runnel knows %d: use the newer one that wrote it", version, SchemaVersion))
	}
	if err := pool.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return refuse(err)
	}
	if verdict != "ok" {
		return refuse("it is damaged: " + verdict)
	}
	return nil
}

// prepareRestore makes the folder and, where there is none, an empty file.
func (s *Store) prepareRestore() error {
	_, err := prepareFile(s.path)
	return err
}

// Messages of what a restore ends.
const (
	restoredRunning = "it was running when the backup was made that the database was restored from; its end is in no record"
	restoredHook    = "not started: the database was restored from a backup, and it may have run meanwhile"
	restoredDue     = "it fell due before the database was restored from a backup, and may have run meanwhile"
)

// settlePart brings the copy's schema up to date, and lets nothing in it fire
// a second time.
func (s *Store) settlePart(ctx context.Context, part string, r *Restored) (err error) {
	copied := New(part)
	copied.Clock = s.Clock
	if err := copied.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	return copied.update(ctx, func(t *tx) error {
		if _, err := t.exec("UPDATE schedule SET decided = ?1, decided_at = ?1, since = ?1, updated = ?1 WHERE decided < ?1", t.now); err != nil {
			return err
		}
		if err := t.crashLive(r); err != nil {
			return err
		}
		if err := t.cancelDue(r); err != nil {
			return err
		}
		if err := t.dropHooks(restoredHook); err != nil {
			return err
		}
		_, err := t.exec("UPDATE worker SET ended = ?1, updated = ?1 WHERE ended IS NULL", t.now)
		return err
	})
}

// crashLive ends what was running, as after a restart of the machine.
func (t *tx) crashLive(r *Restored) error {
	live, err := collect(t.ctx, t, scanRun, selectRun+" WHERE r.state_type IN ('PENDING', 'RUNNING', 'CANCELLING')")
	if err != nil {
		return err
	}
	for _, run := range live {
		end := End{Run: run.ID, Attempt: run.RunCount, Fence: run.Fence, State: NewState(Crashed, restoredRunning)}
		_, err := t.endBy(end, "restore", run.Fence+1)
		if err := errors.Join(err, t.raiseFence(run)); err != nil {
			return err
		}
	}
	r.Crashed = len(live)
	return nil
}

// cancelDue cancels what waits and was due: that a retry of a run that just
// crashed is among it is meant.
func (t *tx) cancelDue(r *Restored) error {
	due, err := collect(t.ctx, t, func(row row) (id ID, err error) { return id, row.Scan(&id) }, `
		SELECT id
		  FROM flow_run
		 WHERE state_type = 'SCHEDULED'
		   AND (due <= ?1 OR scheduled_for <= ?1)`, t.now)
	if err != nil {
		return err
	}
	for _, id := range due {
		if _, err := t.cancel(id, restoredDue, "restore"); err != nil {
			return err
		}
	}
	r.Cancelled = len(due)
	return nil
}

// keepAside gives the old database another name: as a whole copy where it can
// be read, else the broken files themselves. "" where there was none.
func (s *Store) keepAside(ctx context.Context) (string, error) {
	info, err := os.Stat(s.path)
	if err != nil || info.Size() == 0 {
		return "", err
	}
	kept := s.keptName()
	err = s.checkOurs(ctx)
	if err == nil {
		var part string
		if part, err = s.copyInto(ctx, s.path, kept); err == nil {
			_, err = place(part, kept, false)
			return kept, err
		}
	}
	if _, ours := os.Stat(s.Folder()); !isBroken(err) || ours != nil {
		return "", err
	}
	for _, ending := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(s.path+ending, kept+ending); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	_, err = prepareFile(s.path)
	return kept, err
}

func (s *Store) keptName() string {
	name := s.path + ".before-restore-" + s.Clock().UTC().Format("20060102T150405")
	kept := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(kept); err != nil {
			return kept
		}
		kept = fmt.Sprintf("%s-%d", name, n)
	}
}

// checkOurs refuses to put a backup in the place of another program's file.
func (s *Store) checkOurs(ctx context.Context) (err error) {
	pool, err := openPool(s.path, readerPragmas(), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var foreign bool
	err = pool.QueryRowContext(ctx, `
		SELECT count(*) > 0 AND sum(name IN ('meta', 'flow_run', 'attempt', 'event')) < 4
		  FROM sqlite_schema
		 WHERE type = 'table'`).Scan(&foreign)
	if err == nil && foreign {
		err = s.openError(errors.New("it holds another program's tables"))
	}
	return err
}

// isBroken is true for a file that is damaged beyond reading.
func isBroken(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_CORRUPT
}

// overwrite writes the pages of part into the database as one transaction of
// SQLite's own: whoever has it open sees the old one or the new one. To rename
// a file over it would leave its log beside the new one, to be replayed there.
func (s *Store) overwrite(ctx context.Context, part string) (err error) {
	pool, err := openPool(s.path, writerPragmas(false), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return s.openError(err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	source := (&url.URL{Scheme: "file", OmitHost: true, Path: part}).String()
	if err := s.whileBusy(ctx, func() error { return copyPages(conn, source) }); err != nil {
		return fmt.Errorf("restore: %w", s.storageError(err))
	}
	_, err = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// copyPages is SQLite's backup, all pages in one step.
func copyPages(to *sql.Conn, source string) error {
	return to.Raw(func(driver any) error {
		restorer, known := driver.(interface {
			NewRestore(source string) (*sqlite.Backup, error)
		})
		if !known {
			return errors.New("this SQLite cannot restore")
		}
		backup, err := restorer.NewRestore(source)
		if err != nil {
			return err
		}
		_, err = backup.Step(-1)
		return errors.Join(err, backup.Finish())
	})
}
