package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// oldestSQLite is the first release without the WAL-reset bug, which corrupts
// a file that two connections write and checkpoint at once.
const oldestSQLite = 3_051_003

// busyTimeout is SQLite's own waiting, in milliseconds. Opening, recovery and
// reads can be BUSY too, so every connection has it.
const busyTimeout = 10_000

// walLimit is the size in bytes that the write-ahead log is cut back to.
const walLimit = 64 << 20

// synchronous is a variable for one reader: the proof of what a power cut
// leaves, whose control is a build with OFF.
var synchronous = "FULL"

// Pragmas stand in the DSN: one that is sent through database/sql reaches one
// pooled connection only.
func readerPragmas() []string {
	return []string{fmt.Sprintf("busy_timeout(%d)", busyTimeout), "query_only(1)"}
}

// newFilePragma has its effect before the first table only. In a file that has
// some it is a write, with its wait for the lock and its sync, at every opening.
const newFilePragma = "auto_vacuum(INCREMENTAL)"

func writerPragmas(newFile bool) []string {
	pragmas := []string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout),
		"journal_mode(WAL)",
		"synchronous(" + synchronous + ")",
		"foreign_keys(1)",
		fmt.Sprintf("journal_size_limit(%d)", walLimit),
	}
	if newFile {
		pragmas = slices.Insert(pragmas, 1, newFilePragma)
	}
	if runtime.GOOS == "darwin" {
		pragmas = append(pragmas, "fullfsync(1)")
	}
	return pragmas
}

func openPool(path string, pragmas []string, size int) (*sql.DB, error) {
	values := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	// As a URI, so that a path with a question mark or a percent sign is itself.
	dsn := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: values.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// begin waits for the write lock.
func (s *Store) begin(ctx context.Context) error {
	t := &tx{s: s, ctx: context.WithoutCancel(ctx)}
	return s.whileBusy(ctx, func() error {
		_, err := t.exec("BEGIN IMMEDIATE")
		return s.storageError(err)
	})
}

// whileBusy repeats a call that other processes keep from its lock: flat and
// jittered, for as long as this store waits. SQLite's own timeout is not
// enough for opening: where waiting could be a deadlock, as between two that
// turn a new file to WAL, it answers BUSY at once.
func (s *Store) whileBusy(ctx context.Context, call func() error) error {
	deadline := time.Now().Add(s.giveUp)
	for {
		err := call()
		if !isBusy(err) {
			return err
		}
		if !s.Patient && time.Now().After(deadline) {
			return s.busyError()
		}
		pause := 500*time.Microsecond + time.Duration(rand.Int64N(int64(time.Millisecond)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// busyError names who holds the write lock, where the kernel tells.
func (s *Store) busyError() error {
	e := &Error{
		Code:    Busy,
		Message: fmt.Sprintf("another process has been writing to %s for %s", s.path, s.giveUp),
		Hint:    []string{"try again; if it stays so, look for a stopped process that has the file open"},
	}
	if pid, command := lockHolder(s.path); pid != 0 {
		e.Message += fmt.Sprintf(": process %d (%s)", pid, command)
		e.Hint = []string{fmt.Sprintf("see what it does: ps -o pid,stat,etime,args -p %d", pid)}
	}
	return e
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// isUnique is true for a broken UNIQUE index.
func isUnique(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
}

// versionNumber turns "3.51.3" into 3051003, SQLite's own numbering.
func versionNumber(version string) int {
	number := 0
	for _, part := range strings.SplitN(version, ".", 3) {
		n, _ := strconv.Atoi(part)
		number = number*1000 + n
	}
	return number
}
