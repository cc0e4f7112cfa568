//go:build unix

package runner

import (
	"os"
	"path/filepath"
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
