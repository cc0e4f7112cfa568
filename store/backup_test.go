package store

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeLog gives an attempt a log, as a slot would.
func writeLog(t *testing.T, s *Store, name, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(s.LogPath(name)), 0o700))
	must(t, os.WriteFile(s.LogPath(name), []byte(text), 0o600))
}

func TestABackupIsOneMomentWhileOthersWrite(t *testing.T) {
	s := openDurable(t)
	d := deploy(t, s, nil)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	begun := make(chan struct{})
	other := New(s.Path())
	must(t, other.Open(context.Background()))
	go func() {
		defer func() { stopped <- other.Close() }()
		for n := 0; ; n++ {
			// A run and its first event are one transaction.
			if _, _, err := other.CreateRun(context.Background(), NewRun{Deployment: d.FullName}); err != nil {
				stopped <- err
				return
			}
			if n == 20 {
				close(begun)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	<-begun
	for n := range 5 {
		to := filepath.Join(t.TempDir(), "backup")
		size, err := s.Backup(context.Background(), to, false)
		must(t, err)
		info, err := os.Stat(to)
		must(t, err)
		if info.Size() != size || info.Mode().Perm() != 0o600 {
			t.Errorf("%d bytes were told, %d are there, mode %o", size, info.Size(), info.Mode().Perm())
		}
		must(t, checkBackup(context.Background(), to))
		copied := New(to)
		must(t, copied.Open(context.Background()))
		var runs, events int
		must(t, copied.reader.QueryRowContext(context.Background(),
			"SELECT (SELECT count(*) FROM flow_run), (SELECT count(*) FROM event)").Scan(&runs, &events))
		if runs < 20 || runs != events {
			t.Errorf("backup %d has %d runs and %d events", n, runs, events)
		}
		must(t, copied.Close())
	}
	close(stop)
	must(t, <-stopped)
}

func TestABackupReplacesNothingUnasked(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	ctx := context.Background()
	folder := t.TempDir()
	to := filepath.Join(folder, "backup")
	must(t, os.WriteFile(to, []byte("precious"), 0o644))
	refused := func(what, to string, force bool) {
		t.Helper()
		var known *Error
		if _, err := s.Backup(ctx, to, force); !errors.As(err, &known) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a file that is there", to, false)
	refused("the database itself", s.Path(), true)
	refused("a folder", folder, true)
	refused("a folder that is not there", filepath.Join(folder, "no", "backup"), false)
	if text, err := os.ReadFile(to); err != nil || string(text) != "precious" {
		t.Errorf("the file was touched: %q, %v", text, err)
	}
	_, err := s.Backup(ctx, to, true)
	must(t, err)
	must(t, checkBackup(ctx, to))
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Backup(cancelled, filepath.Join(folder, "second"), false); err == nil {
		t.Error("a stopped backup was a success")
	}
	entries, err := os.ReadDir(folder)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
}

func backedUp(t *testing.T, s *Store) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "backup")
	_, err := s.Backup(context.Background(), to, false)
	must(t, err)
	return to
}

func TestARestoreLetsNothingFireAgain(t *testing.T) {
	s := open(t)
	now := freeze(s)
	d := deploy(t, s, nil)
	change(t, s, "UPDATE deployment SET retries_on_crash = 3")
	ctx := context.Background()
	addSchedule(t, s, d, "hourly", now.Add(-time.Hour))
	running := func() ID { create(t, s, "nightly", nil); return claimOne(t, s).Run.ID }()
	waiting := create(t, s, "nightly", nil)
	later := create(t, s, "nightly", func(n *NewRun) { n.At = now.Add(48 * time.Hour) })
	change(t, s, "UPDATE flow_run SET schedule_slug = 'hourly', scheduled_for = ? WHERE id = ?", micros(*now), waiting.ID)
	register(t, s, "w", nil)
	backup := backedUp(t, s)

	*now = now.Add(3 * time.Hour)
	lost := create(t, s, "nightly", nil) // after the backup
	must(t, s.Close())
	fresh := New(s.Path())
	fresh.Clock = s.Clock
	r, err := fresh.Restore(ctx, backup)
	must(t, err)
	if r.Crashed != 1 || r.Cancelled != 2 { // the one that ran would have been tried again
		t.Errorf("%+v", r)
	}
	must(t, fresh.Open(ctx))
	defer fresh.Close() //nolint:errcheck // a test's
	for id, want := range map[ID]StateType{running: Cancelled, waiting.ID: Cancelled, later.ID: Scheduled} {
		if run, err := fresh.RunByID(ctx, id); err != nil || run.State.Type != want {
			t.Errorf("%s is %s, not %s: %v", id, run.State.Type, want, err)
		}
	}
	if _, err := fresh.RunByID(ctx, lost.ID); err == nil {
		t.Error("a run that was made after the backup is there")
	}
	var decided int64
	must(t, fresh.reader.QueryRowContext(ctx, "SELECT decided FROM schedule").Scan(&decided))
	if decided != micros(*now) {
		t.Errorf("ticks are decided up to %s, not %s", instant(decided), now)
	}
	workers, err := fresh.Workers(ctx, "")
	must(t, err)
	if len(workers) != 1 || workers[0].Ended == nil {
		t.Errorf("the workers of the backup: %+v", workers)
	}
	// What it replaced can be had back, with what came after the backup.
	must(t, fresh.Close())
	undo, err := fresh.Restore(ctx, r.Kept)
	must(t, err)
	must(t, fresh.Open(ctx))
	if run, err := fresh.RunByID(ctx, lost.ID); err != nil || run.State.Type != Cancelled {
		t.Errorf("undone: %v, %v", run.State, err)
	}
	if undo.Kept == r.Kept || undo.Kept == "" {
		t.Errorf("kept as %q", undo.Kept)
	}
}

// addSchedule writes a schedule's row.
func addSchedule(t *testing.T, s *Store, d Deployment, slug string, decided time.Time) {
	t.Helper()
	change(t, s, `
		INSERT INTO schedule (id, deployment_id, slug, kind, definition, decided, decided_at, since, created, updated)
		VALUES (?1, ?2, ?3, 'interval', '{"interval":3600}', ?4, ?4, ?4, ?4, ?4)`, NewID(), d.ID, slug, micros(decided))
}

// TestARestoreIsSeenByWhoHasTheFileOpen: a reader, and a writer, of before go
// on with the new content, and no write-ahead log is left to spoil it.
func TestARestoreIsSeenByWhoHasTheFileOpen(t *testing.T) {
	s := openDurable(t)
	deploy(t, s, nil)
	backup := backedUp(t, s)
	for range 50 {
		create(t, s, "nightly", nil)
	}
	fresh := New(s.Path())
	_, err := fresh.Restore(context.Background(), backup)
	must(t, err)
	runs, err := s.Runs(context.Background(), RunFilter{})
	must(t, err)
	if len(runs) != 0 {
		t.Errorf("%d runs are still seen", len(runs))
	}
	create(t, s, "nightly", nil)
	must(t, checkBackup(context.Background(), s.Path()))
	left, err := filepath.Glob(s.Path() + ".*.part*")
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestARestoreTakesTheLogsAlong(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	ctx := context.Background()
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	writeLog(t, s, c.Log, "a line\n")
	backup := backedUp(t, s)
	n, err := s.BackupLogs(ctx, backup, false)
	must(t, err)
	if n != 1 {
		t.Errorf("%d logs", n)
	}
	addEvil(t, LogsBeside(backup))
	other := New(filepath.Join(t.TempDir(), "copy", "runnel.db"))
	r, err := other.Restore(ctx, backup)
	must(t, err)
	text, err := os.ReadFile(other.LogPath(c.Log))
	if err != nil || string(text) != "a line\n" || r.Logs != 1 || r.Kept != "" {
		t.Errorf("%q, %v, %+v", text, err, r)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(other.Path()), "evil")); err == nil {
		t.Error("a name led out of the folder of logs")
	}
}

// addEvil puts names into a tar that lead elsewhere.
func addEvil(t *testing.T, path string) {
	t.Helper()
	old, err := os.ReadFile(path)
	must(t, err)
	file, err := os.Create(path)
	must(t, err)
	archive := tar.NewWriter(file)
	for reader := tar.NewReader(strings.NewReader(string(old))); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		must(t, archive.WriteHeader(header))
		_, err = io.Copy(archive, reader)
		must(t, err)
	}
	for _, name := range []string{"../../evil", "/evil", "2026-01-01/../../../evil"} {
		must(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: 1}))
		_, err := archive.Write([]byte("x"))
		must(t, err)
	}
	must(t, errors.Join(archive.Close(), file.Close()))
}

func TestARestoreRefusesWhatIsNoBackup(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	ctx := context.Background()
	folder := t.TempDir()
	text, empty, foreign := filepath.Join(folder, "text"), filepath.Join(folder, "empty"), filepath.Join(folder, "foreign")
	must(t, os.WriteFile(text, []byte(strings.Repeat("no database. ", 1000)), 0o600))
	must(t, os.WriteFile(empty, nil, 0o600))
	pool, err := openPool(foreign, nil, 1)
	must(t, err)
	_, err = pool.Exec("CREATE TABLE other (x)")
	must(t, errors.Join(err, pool.Close()))
	damaged := backedUp(t, s)
	whole, err := os.ReadFile(damaged)
	must(t, err)
	copy(whole[len(whole)-2*4096:], strings.Repeat("x", 4096))
	must(t, os.WriteFile(damaged, whole, 0o600))
	before, err := s.Runs(ctx, RunFilter{})
	must(t, err)
	for _, from := range []string{text, empty, foreign, damaged, folder, filepath.Join(folder, "missing"), s.Path()} {
		var known *Error
		if r, err := New(s.Path()).Restore(ctx, from); !errors.As(err, &known) {
			t.Errorf("%s: %v, %+v", from, err, r)
		}
	}
	// Nor does it take the place of what is not ours.
	for _, to := range []string{text, foreign} {
		if r, err := New(to).Restore(ctx, backedUp(t, s)); err == nil {
			t.Errorf("%s was replaced: %+v", to, r)
		}
	}
	after, err := s.Runs(ctx, RunFilter{})
	must(t, err)
	if len(before) != len(after) {
		t.Error("a refused restore changed something")
	}
	entries, err := os.ReadDir(filepath.Dir(s.Path()))
	must(t, err)
	for _, entry := range entries {
		if strings.Contains(entry.Name(), "restore") || strings.Contains(entry.Name(), "part") {
			t.Errorf("left behind: %s", entry.Name())
		}
	}
}

// TestABrokenDatabaseIsReplaced: the files themselves are kept.
func TestABrokenDatabaseIsReplaced(t *testing.T) {
	s := openDurable(t)
	d := deploy(t, s, nil)
	backup := backedUp(t, s)
	must(t, s.Close())
	broken := []byte(strings.Repeat("broken! ", 1024))
	must(t, os.WriteFile(s.Path(), broken, 0o600))
	must(t, os.MkdirAll(s.Folder(), 0o700))
	r, err := New(s.Path()).Restore(context.Background(), backup)
	must(t, err)
	kept, err := os.ReadFile(r.Kept)
	if err != nil || string(kept) != string(broken) {
		t.Errorf("the broken file is not kept as it was: %v", err)
	}
	again := New(s.Path())
	must(t, again.Open(context.Background()))
	defer again.Close() //nolint:errcheck // a test's
	if _, err := again.Deployment(context.Background(), d.FullName); err != nil {
		t.Error(err)
	}
}
