package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// endedRuns makes runs of a deployment that ended, each with a log.
func endedRuns(t *testing.T, s *Store, deployment string, n int) (ids []ID) {
	t.Helper()
	for range n {
		create(t, s, deployment, nil)
		c := claimOne(t, s)
		writeLog(t, s, c.Log, "output of it\n")
		must(t, s.End(context.Background(), endOf(c, NewState(Completed, "")), "slot"))
		ids = append(ids, c.Run.ID)
	}
	return ids
}

func logsOf(t *testing.T, s *Store) int {
	t.Helper()
	n := 0
	must(t, eachLog(context.Background(), filepath.Join(s.Folder(), "logs"), func(string) error { n++; return nil }))
	return n
}

func countRows(t *testing.T, s *Store, table string) (n int) {
	t.Helper()
	must(t, s.reader.QueryRowContext(context.Background(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func TestPruneKeepsWhatHasNotEndedAndTheLastOfEach(t *testing.T) {
	s, ctx := open(t), context.Background()
	now := freeze(s)
	deploy(t, s, nil)
	other := deploy(t, s, func(w *Wish) { w.Name = "other" })
	old := endedRuns(t, s, "nightly", 8)
	endedRuns(t, s, "other", 3)
	waiting := create(t, s, "nightly", nil)
	entrypoint, err := s.StartJob(ctx, "hello", Job{Entrypoint: "a.py:b", Kind: "python"}, NewRun{}, owners(1)[0])
	must(t, err)
	must(t, s.End(ctx, endOf(entrypoint, NewState(Failed, "no")), "slot"))
	running := claimOne(t, s)
	if running.Run.ID != waiting.ID {
		t.Fatal("another run was claimed")
	}
	create(t, s, "other", nil)
	*now = now.Add(100 * 24 * time.Hour)
	young := endedRuns(t, s, "other", 1) // takes the waiting one first
	keep := Retention{KeepSeconds: 90 * 24 * 3600, KeepLast: 3}
	preview, err := s.PreviewPrune(ctx, keep)
	must(t, err)
	if countRows(t, s, "flow_run") != 8+3+1+1+2 {
		t.Fatalf("%d runs after a preview", countRows(t, s, "flow_run"))
	}
	p, err := s.Prune(ctx, keep)
	must(t, err)
	preview.Freed = p.Freed
	// Of nightly 9 runs, 3 are kept; of other 5, 3; the entrypoint's went by its age.
	if p != preview || p.Runs != 6+2+1 || p.Attempts != 9 || p.Logs != 8 || p.Events != 9*4 {
		t.Errorf("%+v, and the preview said %+v", p, preview)
	}
	for _, id := range append(old[6:], running.Run.ID, young[0]) {
		if _, err := s.RunByID(ctx, id); err != nil {
			t.Errorf("run %s is gone: %v", id, err)
		}
	}
	if n := countRows(t, s, "attempt"); n != countRows(t, s, "flow_run")-1 { // one waits
		t.Errorf("%d attempts of %d runs", n, countRows(t, s, "flow_run"))
	}
	if n := logsOf(t, s); n != 4 {
		t.Errorf("%d logs are left", n)
	}
	if entries, _ := os.ReadDir(s.trash()); len(entries) > 0 {
		t.Errorf("the trash holds %v", entries)
	}
	// What lives is not pruned at any setting.
	*now = now.Add(time.Second)
	p, err = s.Prune(ctx, Retention{})
	must(t, err)
	if _, err := s.RunByID(ctx, running.Run.ID); err != nil || countRows(t, s, "flow_run") != 2 {
		t.Errorf("%d runs are left, %v, %+v", countRows(t, s, "flow_run"), err, p)
	}
	if _, err := s.Deployment(ctx, other.FullName); err != nil {
		t.Error(err)
	}
}

// TestAPrunedTickStaysDecided: the schedule, not the run, is what remembers it.
func TestAPrunedTickStaysDecided(t *testing.T) {
	s, ctx := open(t), context.Background()
	now := freeze(s)
	d := deploy(t, s, nil)
	addSchedule(t, s, d, "hourly", *now)
	id := endedRuns(t, s, "nightly", 1)[0]
	change(t, s, "UPDATE flow_run SET schedule_slug = 'hourly', scheduled_for = ? WHERE id = ?", micros(*now), id)
	*now = now.Add(time.Hour)
	p, err := s.Prune(ctx, Retention{})
	must(t, err)
	var decided int64
	must(t, s.reader.QueryRowContext(ctx, "SELECT decided FROM schedule").Scan(&decided))
	if p.Runs != 1 || decided < micros(now.Add(-time.Hour)) {
		t.Errorf("%+v, decided up to %s", p, instant(decided))
	}
}

func TestPruneGivesSpaceBackInSmallSteps(t *testing.T) {
	s, ctx := openDurable(t), context.Background()
	now := freeze(s)
	d := deploy(t, s, nil)
	insertRuns(t, s, d, 5000, Completed)
	must(t, s.Checkpoint(ctx))
	before := sizeOnDisk(s.Path())
	*now = now.Add(time.Hour)
	base := dataVersion(t, s)
	p, err := s.Prune(ctx, Retention{KeepLast: 10})
	must(t, err)
	after := sizeOnDisk(s.Path())
	if p.Runs != 4990 || after > before/4 || p.Freed < before/2 {
		t.Errorf("%+v; %d bytes, then %d", p, before, after)
	}
	if dataVersion(t, s) == base {
		t.Error("nothing was written by a connection of its own")
	}
	// A stopped one leaves whole runs, and goes on where it was.
	insertRuns(t, s, d, 2000, Completed)
	*now = now.Add(time.Hour)
	stopped, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	first, err := s.Prune(stopped, Retention{})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	second, err := s.Prune(ctx, Retention{})
	must(t, err)
	if n := countRows(t, s, "flow_run"); n != 0 || second.Runs > 2010 {
		t.Errorf("%d runs are left; %d, then %d were deleted", n, first.Runs, second.Runs)
	}
}

func dataVersion(t *testing.T, s *Store) (n int) {
	t.Helper()
	must(t, s.writer.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&n))
	return n
}

// TestALogIsPrunedAfterAKill: one that was moved and not yet deleted is
// deleted by the next.
func TestALogIsPrunedAfterAKill(t *testing.T) {
	s, ctx := open(t), context.Background()
	deploy(t, s, nil)
	endedRuns(t, s, "nightly", 1)
	must(t, os.MkdirAll(s.trash(), 0o700))
	must(t, os.WriteFile(filepath.Join(s.trash(), "x.1.log"), []byte("x"), 0o600))
	_, err := s.Prune(ctx, DefaultRetention)
	must(t, err)
	if entries, _ := os.ReadDir(s.trash()); len(entries) > 0 {
		t.Errorf("the trash holds %v", entries)
	}
	if logsOf(t, s) != 1 {
		t.Error("a log that is kept is gone")
	}
}

func TestRetentionIsKept(t *testing.T) {
	s, ctx := open(t), context.Background()
	r, err := s.Retention(ctx)
	if err != nil || r != DefaultRetention {
		t.Errorf("%+v, %v", r, err)
	}
	for _, want := range []Retention{{KeepSeconds: 3600, KeepLast: 7}, {Off: true}} {
		must(t, s.SetRetention(ctx, want))
		if r, err := s.Retention(ctx); err != nil || r != want {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if s.SetRetention(ctx, Retention{KeepSeconds: -1}) == nil || s.SetRetention(ctx, Retention{KeepLast: -1}) == nil {
		t.Error("less than nothing was accepted")
	}
	deploy(t, s, nil)
	endedRuns(t, s, "nightly", 1)
	if p, err := s.Prune(ctx, Retention{Off: true}); err != nil || p.Runs != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestPruneWalksPastNothingThatIsKept: an hour's look costs the same whatever
// is kept.
func TestPruneWalksPastNothingThatIsKept(t *testing.T) {
	s := open(t)
	d := deploy(t, s, nil)
	insertRuns(t, s, d, 3000, Completed)
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			change(t, s, "ANALYZE")
		}
		id := NewID()
		plan := explain(t, s, selectPrunable, d.ID, id[:], id[:], 0, prunePage)
		want := "SEARCH flow_run USING INDEX flow_run_by_deployment (deployment_id=? AND id>? AND id<?)\n"
		if plan != want {
			t.Errorf("answered by %s", plan)
		}
	}
}

func TestInfoMeasures(t *testing.T) {
	s, ctx := open(t), context.Background()
	deploy(t, s, nil)
	endedRuns(t, s, "nightly", 14)
	i, err := s.Info(ctx)
	must(t, err)
	rows := map[string]int64{}
	for _, table := range i.Tables {
		rows[table.Name] = table.Rows
		if table.Bytes < 4096 {
			t.Errorf("%s has %d bytes", table.Name, table.Bytes)
		}
	}
	if rows["flow_run"] != 14 || rows["event"] != 14*4 || rows["attempt"] != 14 || rows["deployment"] != 1 {
		t.Errorf("%v", rows)
	}
	if i.LogFiles != 14 || i.LogBytes != 14*13 || i.LogGrowthADay != 14*13 || i.RunsADay != 14 || i.GrowthADay <= 0 {
		t.Errorf("%+v", i)
	}
	if i.Bytes != sizeOnDisk(s.Path()) || i.SQLite == "" || i.Schema != SchemaVersion {
		t.Errorf("%+v", i)
	}
}

// BenchmarkPrune tells how long a batch holds the write lock.
func BenchmarkPrune(b *testing.B) {
	withEnded(b, func(b *testing.B, s *Store, d Deployment) {
		own := New(s.Path())
		own.relaxed = true
		if err := own.Open(context.Background()); err != nil {
			b.Fatal(err)
		}
		defer own.Close() //nolint:errcheck // a benchmark's
		var worst time.Duration
		runs := int64(0)
		for b.Loop() {
			b.StopTimer()
			insertRuns(b, s, d, 200, Completed)
			ids, err := collect(context.Background(), s.reader, scanID, "SELECT id FROM flow_run ORDER BY id LIMIT 200")
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			start := time.Now()
			_, p, err := own.pruneBatch(context.Background(), ids, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			worst, runs = max(worst, time.Since(start)), runs+p.Runs
		}
		b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
		b.ReportMetric(float64(runs)/float64(b.N), "runs/op")
	})
}
