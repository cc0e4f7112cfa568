package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openAt opens the file at path and closes it at once.
func openAt(path string) (created bool, err error) {
	s := New(path)
	err = s.Open(context.Background())
	return s.Created, errors.Join(err, s.Close())
}

// foreign makes a file by SQLite's own means.
func foreign(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	for _, statement := range statements {
		_, err := db.Exec(statement)
		must(t, err)
	}
	must(t, db.Close())
	return path
}

func TestANewFileIsMadeOnceWithItsSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a?b%20c #d", "runnel.db") // no character of a path is special
	for i := range 2 {
		created, err := openAt(path)
		must(t, err)
		if created != (i == 0) {
			t.Errorf("opened %d times: created %v", i+1, created)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	s := New(path)
	must(t, s.Open(context.Background()))
	if n := number(t, s, "SELECT user_version FROM pragma_user_version"); n != int64(SchemaVersion) {
		t.Errorf("schema %d, want %d", n, SchemaVersion)
	}
	must(t, s.Close())
	must(t, s.Close()) // again
	must(t, New(path).Close())
}

func TestProcessesThatMakeTheFileAtOnceAllOpenIt(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "runnel.db")
		var processes []*process
		for range 4 {
			processes = append(processes, play(t, "open", path))
		}
		for _, p := range processes {
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("opening a new file beside others: %v", err)
			}
		}
		// In one process the race is the closest.
		path = filepath.Join(t.TempDir(), "runnel.db")
		failures := make(chan error)
		for range 4 {
			go func() {
				s := New(path)
				err := s.Open(context.Background())
				failures <- errors.Join(err, s.Close())
			}()
		}
		for range 4 {
			if err := <-failures; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestWhatIsNoDatabaseOfOursIsRefusedAndLeftAlone(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	must(t, os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600))
	for name, c := range map[string]struct{ path, says string }{
		"another program's":              {foreign(t, "CREATE TABLE flow (id)"), "another program's tables"},
		"another program's, numbered":    {foreign(t, "CREATE TABLE meta (key, value)", fmt.Sprint("PRAGMA user_version = ", SchemaVersion)), "another program's tables"},
		"another program's, numbered on": {foreign(t, "CREATE TABLE x (y)", "PRAGMA user_version = 99"), "another program's tables"},
		"a text":                         {text, "file is not a database"},
		"a folder":                       {t.TempDir(), "is a folder, not a database file"},
		"under a file":                   {filepath.Join(text, "runnel.db"), "not a directory"},
	} {
		before, _ := os.ReadFile(c.path)
		_, err := openAt(c.path)
		wantError(t, err, Unsupported, c.says, "--db")
		if after, _ := os.ReadFile(c.path); string(after) != string(before) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestANewerSchemaIsOpenedWhereItsOldestWriterAllows(t *testing.T) {
	s := open(t)
	change(t, s, "ALTER TABLE flow_run ADD COLUMN later TEXT NOT NULL DEFAULT 'x'")
	change(t, s, fmt.Sprint("PRAGMA user_version = ", SchemaVersion+1))
	other := New(s.Path())
	must(t, other.Open(context.Background()))
	deploy(t, other, nil)
	create(t, other, "nightly", nil)
	claimOne(t, other)
	must(t, other.Close())
	if n := number(t, s, "SELECT user_version FROM pragma_user_version"); n != int64(SchemaVersion+1) {
		t.Errorf("an older binary made the schema %d", n)
	}
	change(t, s, "UPDATE meta SET value = ? WHERE key = 'oldest_writer'", fmt.Sprint(SchemaVersion+1))
	_, err := openAt(s.Path())
	wantError(t, err, Unsupported, fmt.Sprintf("has schema %d", SchemaVersion+1), "too old to write", "newer runnel")
}

func TestEachMigrationIsOneTransaction(t *testing.T) {
	s := New(filepath.Join(t.TempDir(), "runnel.db"))
	cut := errors.New("cut")
	s.fault = func(string) error { return cut }
	if err := s.Open(context.Background()); !errors.Is(err, cut) {
		t.Fatalf("error %v", err)
	}
	_, err := openAt(s.Path())
	must(t, err)
}

func TestADatabaseIsOneByWhateverNameItIsOpened(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	link, folder := filepath.Join(dir, "link.db"), filepath.Join(dir, "folder")
	must(t, os.Symlink(s.Path(), link))
	must(t, os.Symlink(filepath.Dir(s.Path()), folder))
	for _, path := range []string{link, filepath.Join(folder, "runnel.db")} {
		other := New(path)
		must(t, other.Open(context.Background()))
		if other.Folder() != s.Folder() {
			t.Errorf("by %s its locks lie in %s, else in %s", path, other.Folder(), s.Folder())
		}
		must(t, other.Close())
	}
	fresh := New(filepath.Join(folder, "new", "fresh.db"))
	must(t, fresh.Open(context.Background()))
	if want := filepath.Join(filepath.Dir(s.Path()), "new", "fresh.db"); fresh.Path() != want {
		t.Errorf("a new file's path is %s, want %s", fresh.Path(), want)
	}
	must(t, fresh.Close())
}

func TestEveryConnectionHasItsPragmas(t *testing.T) {
	s := openDurable(t)
	// Two readers at once are two connections.
	for range 2 {
		conn, err := s.reader.Conn(context.Background())
		must(t, err)
		defer conn.Close() //nolint:errcheck // a test's
		var n int          // opened before the file had its mode, a connection learns it by reading
		must(t, conn.QueryRowContext(context.Background(), "SELECT count(*) FROM flow").Scan(&n))
		checkPragmas(t, conn, map[string]string{"busy_timeout": "10000", "query_only": "1", "journal_mode": "wal"})
		if _, err := conn.ExecContext(context.Background(), "DELETE FROM flow_run"); err == nil {
			t.Error("a reader may write")
		}
	}
	checkPragmas(t, s.writer, map[string]string{
		"busy_timeout": "0", // once open, the waiting is our own
		"synchronous":  "2", "foreign_keys": "1", "journal_mode": "wal", "auto_vacuum": "2",
		"journal_size_limit": fmt.Sprint(walLimit), "query_only": "0",
	})
}

func checkPragmas(t *testing.T, conn *sql.Conn, want map[string]string) {
	t.Helper()
	for name, value := range want {
		var got string
		must(t, conn.QueryRowContext(context.Background(), "PRAGMA "+name).Scan(&got))
		if got != value {
			t.Errorf("PRAGMA %s is %s, want %s", name, got, value)
		}
	}
}

func TestSQLiteIsNewEnough(t *testing.T) {
	s := open(t)
	var version string
	must(t, s.reader.QueryRowContext(context.Background(), "SELECT sqlite_version()").Scan(&version))
	if versionNumber(version) < oldestSQLite {
		t.Errorf("SQLite %s", version)
	}
	for text, want := range map[string]int{"3.51.3": 3_051_003, "3.9.0": 3_009_000, "4": 4} {
		if got := versionNumber(text); got != want {
			t.Errorf("%s is number %d, want %d", text, got, want)
		}
	}
	if versionNumber("3.51.2") >= oldestSQLite {
		t.Error("3.51.2 would be taken")
	}
}

// What is only read costs no writer.
func TestReadingOpensNoWriter(t *testing.T) {
	path := open(t).Path()
	s := New(path)
	must(t, s.Open(context.Background()))
	_, err := s.Runs(context.Background(), RunFilter{Limit: 20})
	must(t, err)
	if s.writer != nil {
		t.Error("a read opened the writer")
	}
	must(t, s.Close())
}
