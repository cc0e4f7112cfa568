package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

//go:embed migrations/*.sql
var migrations embed.FS

// SchemaVersion is the number of the newest migration that this binary has.
var SchemaVersion = func() int {
	names, _ := fs.Glob(migrations, "migrations/*.sql")
	return len(names)
}()

// ensureSchema refuses a file that this binary may not write, and applies the
// migrations that it lacks.
func (s *Store) ensureSchema(ctx context.Context) error {
	var version, tables, ours int
	var sqliteVersion string
	// One statement sees one moment: another process may be making the schema
	// meanwhile.
	err := s.whileBusy(ctx, func() error {
		return s.reader.QueryRowContext(ctx, `
			SELECT user_version,
			       sqlite_version(),
			       (SELECT count(*) FROM sqlite_schema),
			       (SELECT count(*)
			          FROM sqlite_schema
			         WHERE type = 'table'
			           AND name IN ('meta', 'flow_run', 'attempt', 'event'))
			  FROM pragma_user_version`).Scan(&version, &sqliteVersion, &tables, &ours)
	})
	if err != nil {
		return s.openError(err)
	}
	if versionNumber(sqliteVersion) < oldestSQLite {
		return &Error{Code: Unsupported, Message: fmt.Sprintf(
			"SQLite %s can corrupt a file that several processes write; 3.51.3 is the first that does not", sqliteVersion)}
	}
	switch {
	case (version == 0 && tables > 0) || (version > 0 && ours < 4):
		// Other programs number their schemas, too.
		return s.openError(errors.New("it holds another program's tables"))
	case version == SchemaVersion:
		return nil
	case version > SchemaVersion:
		return s.checkNewer(ctx, version)
	}
	s.newFile = version == 0
	return s.migrate(ctx)
}

func (s *Store) openError(err error) error {
	var known *Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if mended := s.storageError(err); errors.As(mended, &known) {
		return mended
	}
	return &Error{
		Code: Unsupported, Message: fmt.Sprintf("cannot read %s as a runnel database: %v", s.path, err),
		Hint: []string{"name another file with --db or RUNNEL_DB"},
	}
}

// checkNewer allows a file with a newer schema as long as its oldest writer
// is not newer than this binary: migrations only add.
func (s *Store) checkNewer(ctx context.Context, version int) error {
	var text string
	err := s.reader.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'oldest_writer'").Scan(&text)
	if err != nil {
		return s.openError(err)
	}
	if oldest, err := strconv.Atoi(text); err != nil || oldest > SchemaVersion {
		return &Error{
			Code: Unsupported, Message: fmt.Sprintf(
				"%s has schema %d, which this runnel (schema %d) is too old to write", s.path, version, SchemaVersion),
			Hint: []string{"use the newer runnel that wrote it"},
		}
	}
	return nil
}

// migrate applies what is missing, each migration in a transaction of its own.
// Two processes that open a new file at once both come here: the version is
// read again inside the transaction.
func (s *Store) migrate(ctx context.Context) error {
	for done := false; !done; {
		err := s.update(ctx, func(t *tx) error {
			var version int
			if err := t.s.writer.QueryRowContext(t.ctx, "PRAGMA user_version").Scan(&version); err != nil {
				return err
			}
			if done = version >= SchemaVersion; done {
				return nil
			}
			return applyMigration(t.ctx, t.s.writer, version+1)
		})
		if err != nil {
			return fmt.Errorf("bring the schema up to date: %w", err)
		}
	}
	return nil
}

func applyMigration(ctx context.Context, conn *sql.Conn, number int) error {
	names, err := fs.Glob(migrations, fmt.Sprintf("migrations/%04d_*.sql", number))
	if err != nil || len(names) != 1 {
		return fmt.Errorf("find migration %d: %d files, %w", number, len(names), err)
	}
	text, err := migrations.ReadFile(names[0])
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, string(text)); err != nil {
		return fmt.Errorf("apply %s: %w", names[0], err)
	}
	// PRAGMA takes no parameters.
	_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", number))
	return err
}
