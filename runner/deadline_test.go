//go:build unix

package runner

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"runnel/store"
)

// TestATimeoutCountsTheTimeAwake: a slot that adopts an attempt goes by the
// clock that stood still while the machine slept, as the slot before it did,
// and wherever the wall clock was set.
func TestATimeoutCountsTheTimeAwake(t *testing.T) {
	about := func(what string, at time.Time, want time.Duration) {
		t.Helper()
		if left := time.Until(at); left > want || left < want-time.Minute {
			t.Errorf("%s: %s are left, want %s", what, left, want)
		}
	}
	begun := time.Now().Add(-3 * time.Hour)
	first := &attempt{job: Job{Folder: t.TempDir(), Timeout: time.Hour}, deadline: time.Now().Add(time.Hour)}
	check(t, first.keepDeadline())
	second := &attempt{job: Job{Folder: first.job.Folder, Timeout: time.Hour, Started: begun}}
	about("begun three hours ago by the wall clock, all of them asleep", second.adoptedDeadline(), time.Hour)

	file := filepath.Join(first.job.Folder, deadlineFile)
	check(t, os.Remove(file))
	about("an older slot kept none", second.adoptedDeadline(), -2*time.Hour)
	second.job.Timeout = 0
	if at := second.adoptedDeadline(); !at.IsZero() {
		t.Errorf("a run without a timeout ends at %s", at)
	}
	check(t, second.keepDeadline())
	if _, err := os.Stat(file); err == nil {
		t.Error("a run without a timeout keeps a deadline")
	}
}

// TestAFlowsOwnLogIsNotKept: a file of its own that has the name of the spare log.
func TestAFlowsOwnLogIsNotKept(t *testing.T) {
	folder := t.TempDir()
	w := newWorkplace(folder, store.NewID())
	w.warm()
	defer w.remove()
	log, err := w.createLog(filepath.Join(folder, "logs", "one.log"))
	check(t, err)
	check(t, log.Close())
	put(t, filepath.Join(w.folder, spareLogFile), "of the flow")
	w.look()
	w.readyLog()
	if w.putAway(true); w.folder != "" || isThere(w.spare) {
		t.Errorf("%q is kept", w.folder)
	}
}

// TestAWorkplaceIsKept: what an attempt with a timeout leaves is cleared, and only
// what is not known makes the slot part with the folder.
func TestAWorkplaceIsKept(t *testing.T) {
	folder := t.TempDir()
	w := newWorkplace(folder, store.NewID())
	w.warm()
	defer w.remove()
	next := filepath.Join(folder, "runs", "one")
	check(t, os.MkdirAll(filepath.Dir(next), 0o700))
	after := func(follows bool, names ...string) {
		t.Helper()
		check(t, w.become(next))
		for _, name := range names {
			put(t, filepath.Join(next, name), "1")
		}
		w.look()
		w.readyLog()
		w.putAway(follows)
	}
	after(false, parametersFile, outcomeFile, processFile, deadlineFile)
	holds := func(path string) {
		t.Helper()
		left, err := readNames(path)
		check(t, err)
		slices.Sort(left)
		if want := []string{spareLogFile, parametersFile, stderrFifo, stdoutFifo}; w.folder != path || !slices.Equal(left, want) {
			t.Errorf("%q holds %q, want %q", w.folder, left, want)
		}
	}
	holds(w.spare)
	old := time.Now().Add(-2 * staleAfter)
	check(t, os.Chtimes(w.spare, old, old))
	check(t, w.become(next))
	sweepAttempts(filepath.Dir(next), nil)
	if !isThere(next) {
		t.Error("a folder that an attempt has just been given is swept")
	}
	check(t, w.become(w.spare))
	after(true, outcomeFile)
	holds(next)
	next = filepath.Join(folder, "runs", "two")
	for _, follows := range []bool{true, false} {
		after(follows, "unknown")
		if w.folder != "" || isThere(w.spare) || isThere(next) {
			t.Errorf("a folder that holds something unknown is kept: %q", w.folder)
		}
	}
}

// TestTheFirstReasonToStopStays: a run that took too long and is cancelled while
// it has its grace ends TimedOut.
func TestTheFirstReasonToStopStays(t *testing.T) {
	a := &attempt{}
	a.stopFor(byTimeout)
	a.hear(toSlot{Cancel: true}, true)
	if state := a.stoppedState(StopReport{}); state.Name != store.NameTimedOut {
		t.Errorf("timed out, then cancelled: %s", state.Name)
	}
}
