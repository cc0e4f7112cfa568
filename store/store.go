// Package store keeps deployments, work pools and flow runs in one SQLite
// file, and holds the rules for changing them. Every exported method that
// changes something is one transaction; every rule stands here, so that no
// command can go round it.
package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"time"
)

// Store is one process's view of the database file. New gives it its
// defaults; fields may be changed until Open.
type Store struct {
	// Clock gives the time that a transaction writes; time.Now.
	Clock func() time.Time
	// Patient makes a writer wait for the write lock for ever instead of
	// giving up after giveUp. Workers and slots are patient.
	Patient bool
	// Alive says whether the process behind a proof lives.
	Alive Alive
	// Stopped says whether it was stopped, by SIGSTOP; nil: never.
	Stopped Alive
	// Created is true when Open made the file.
	Created bool

	path    string
	giveUp  time.Duration
	newFile bool // it had no tables when it was opened
	relaxed bool // its commits need not survive a power cut
	reader  *readers

	mu     sync.Mutex // held by the transaction under way
	pool   *sql.DB    // of one connection, the writer's
	writer *sql.Conn
	stmts  map[string]*sql.Stmt // the writer's, prepared once
	seen   *poolSeen            // by the claim that wrote last; nil: another change came after it

	fault func(point string) error // the tests' seam; nil outside of them
}

// New gives a store on the database file at path, not yet open.
func New(path string) *Store {
	return &Store{
		Clock:  time.Now,
		Alive:  func(string) bool { return true },
		path:   path,
		giveUp: 10 * time.Second,
		stmts:  map[string]*sql.Stmt{},
	}
}

// Path is the database file.
func (s *Store) Path() string { return s.path }

// Folder is where the files beside the database live: logs, locks, sockets.
// It is named after the file, so that two databases in one folder keep apart.
func (s *Store) Folder() string {
	return filepath.Join(filepath.Dir(s.path), filepath.Base(s.path)+".d")
}

// LogPath is the full path of an attempt's log.
func (s *Store) LogPath(log string) string { return filepath.Join(s.Folder(), "logs", log) }

// Open checks that the file can keep the promises (owner, file system,
// SQLite's version), makes it where it is missing, and brings its schema up
// to date. It changes nothing when it refuses.
func (s *Store) Open(ctx context.Context) error {
	path, err := realPath(s.path)
	if err != nil {
		return err
	}
	s.path = path
	if s.Created, err = prepareFile(path); err != nil {
		return err
	}
	pool, err := openPool(path, readerPragmas(), 4)
	if err != nil {
		return err
	}
	s.reader = &readers{DB: pool}
	if err := s.ensureSchema(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// Close lets go of the file. A store that was never opened may be closed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	clear(s.stmts)
	// The reader goes first, so that the writer, where there is one, is the
	// last to close and moves the WAL into the file.
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close(), s.pool.Close())
	}
	s.reader, s.writer, s.pool, s.seen = nil, nil, nil, nil
	return errors.Join(errs...)
}

// openWriter opens the one writer connection at its first use: a command that
// only reads never pays for it. The caller holds mu.
func (s *Store) openWriter(ctx context.Context) error {
	if s.writer != nil {
		return nil
	}
	pool, err := openPool(s.path, writerPragmas(s.newFile), 1)
	if err != nil {
		return err
	}
	var conn *sql.Conn
	err = s.whileBusy(ctx, func() (err error) {
		conn, err = pool.Conn(context.WithoutCancel(ctx))
		return err
	})
	if err == nil {
		// Opening may wait by SQLite's own means; from here on the waiting is
		// ours, flat, since SQLite's growing backoff starves old waiters.
		_, err = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = 0")
	}
	if err == nil && s.relaxed {
		_, err = conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA synchronous = NORMAL")
	}
	if err != nil {
		return errors.Join(s.openError(err), pool.Close())
	}
	s.pool, s.writer = pool, conn
	return nil
}

// tx is a write transaction with its clock frozen, so that all rows it writes
// carry one time.
type tx struct {
	s   *Store
	ctx context.Context
	now int64 // microseconds UTC
	// seen is what the claim just before has seen, keep what the next one may take
	// from this.
	seen, keep *poolSeen
}

// update runs fn in one IMMEDIATE transaction. The waiting for the lock ends
// with ctx; once begun, the change is not cancelled halfway.
func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole := context.WithoutCancel(ctx)
	if err := s.openWriter(ctx); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	t := &tx{s: s, ctx: whole, now: micros(s.Clock()), seen: s.seen}
	s.seen = nil
	err := fn(t)
	if err == nil {
		err = s.at("commit")
	}
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err != nil {
		// A failed COMMIT may have ended the transaction already; then there
		// is nothing to roll back, and that error says nothing new.
		_, _ = s.writer.ExecContext(whole, "ROLLBACK")
		return s.storageError(err)
	}
	s.seen = t.keep
	return s.at("committed")
}

// errDryRun rolls a transaction back on purpose.
var errDryRun = errors.New("dry run")

// rehearse runs fn in a transaction that is always rolled back.
func (s *Store) rehearse(ctx context.Context, fn func(*tx) error) error {
	err := s.update(ctx, func(t *tx) error {
		if err := fn(t); err != nil {
			return err
		}
		return errDryRun
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
}

// Checkpoint moves what the write-ahead log holds into the file, as far as no
// reader needs it. It waits for nobody.
func (s *Store) Checkpoint(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openWriter(ctx); err != nil {
		return err
	}
	_, err := s.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	if isBusy(err) {
		return nil
	}
	return s.storageError(err)
}

func (s *Store) at(point string) error {
	KillPoint("store." + point)
	if s.fault == nil {
		return nil
	}
	return s.fault(point)
}

// stmt gives the prepared form of a query whose text never varies.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if prepared, ok := t.s.stmts[query]; ok {
		return prepared, nil
	}
	prepared, err := t.s.writer.PrepareContext(t.ctx, query)
	if err == nil {
		t.s.stmts[query] = prepared
	}
	return prepared, err
}

// exec changes rows and says how many.
func (t *tx) exec(query string, args ...any) (int64, error) {
	prepared, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	result, err := prepared.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// QueryContext makes a transaction a querier.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	prepared, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return prepared.QueryContext(ctx, args...)
}

// QueryRowContext makes a transaction a querier.
func (t *tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	prepared, err := t.stmt(query)
	if err != nil {
		// The row must carry the error: asking again gives it.
		return t.s.writer.QueryRowContext(ctx, query, args...)
	}
	return prepared.QueryRowContext(ctx, args...)
}

// querier is what reads: the reader pool, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect reads all rows of a query through scan.
func collect[T any](ctx context.Context, q querier, scan func(row) (T, error), query string, args ...any) (list []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	list = []T{}
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

// row is one row to scan, of a query or of QueryRow.
type row interface{ Scan(dest ...any) error }

// micros is a time as the file keeps it: microseconds UTC.
func micros(t time.Time) int64 { return t.UnixMicro() }

// instant is the reverse of micros.
func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }

// instantOrNil reads a nullable time.
func instantOrNil(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	t := instant(us.Int64)
	return &t
}
