package store

import (
	"context"
	"testing"
)

// TestAClaimSeesWhatChangedSinceTheLast: what was changed between two claims, by this
// process or by another, holds for the second.
func TestAClaimSeesWhatChangedSinceTheLast(t *testing.T) {
	s := open(t)
	insertRuns(t, s, deploy(t, s, nil), 20, Scheduled)
	other := New(s.Path())
	must(t, other.Open(context.Background()))
	defer other.Close() //nolint:errcheck // what it wrote is seen
	worker := registered(t, s)
	claimed := func() int {
		result, err := s.Claim(context.Background(), Round{Worker: worker, Owners: owners(1)})
		must(t, err)
		return len(result.Claimed)
	}
	claimed() // the first touches its queues
	for _, c := range []struct{ what, stop, lift string }{
		{"pool", "UPDATE work_pool SET is_paused = 1", "UPDATE work_pool SET is_paused = 0"},
		{"its limit", "UPDATE work_pool SET concurrency_limit = 1", "UPDATE work_pool SET concurrency_limit = NULL"},
		{"queue", "UPDATE work_queue SET is_paused = 1", "UPDATE work_queue SET is_paused = 0"},
		{"deployment", "UPDATE deployment SET operator_paused = 1", "UPDATE deployment SET operator_paused = 0"},
	} {
		for name, by := range map[string]*Store{"this process": s, "another": other} {
			if claimed() != 1 || s.seen == nil {
				t.Fatalf("nothing is claimed, or nothing kept, before the %s", c.what)
			}
			change(t, by, c.stop)
			if n := claimed(); n != 0 {
				t.Errorf("%d claimed, the %s was stopped by %s", n, c.what, name)
			}
			change(t, by, c.lift)
		}
	}
	if claimed() != 1 {
		t.Error("nothing is claimed when all is lifted")
	}
	seen := s.seen
	if claimed(); s.seen != seen {
		t.Error("nobody wrote, and the pool was read again")
	}
}

// TestWhatAClaimThatFailedHasSeenIsForgotten: its transaction never was.
func TestWhatAClaimThatFailedHasSeenIsForgotten(t *testing.T) {
	s := open(t)
	insertRuns(t, s, deploy(t, s, nil), 2, Scheduled)
	round := Round{Worker: registered(t, s), Owners: owners(1)}
	for range 2 {
		_, err := s.Claim(context.Background(), round)
		must(t, err)
	}
	s.fault = func(string) error { return context.Canceled }
	if _, err := s.Claim(context.Background(), round); err == nil || s.seen != nil {
		t.Errorf("%v, and what it has seen is %v", err, s.seen)
	}
}

// registered is a worker whose queues are known to be polled once it has claimed.
func registered(t *testing.T, s *Store) Worker {
	t.Helper()
	w, err := s.RegisterWorker(context.Background(), Worker{ID: NewID(), Name: "w", WorkPoolName: "p", Host: "h", PID: 1, Proof: "p"})
	must(t, err)
	return w
}
