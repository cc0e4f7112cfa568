package store

import (
	"context"
	"testing"
	"time"
)

func TestARetryByHandKeepsTheEndsAndStartsTheBudgetsAnew(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, func(w *Wish) { w.Retries = 1 })
	id := create(t, s, "nightly", nil).ID
	fail := func() { must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Failed, "no")), "slot")) }
	if _, err := s.Retry(ctx, id, "test"); err == nil {
		t.Error("a run that waits was retried")
	}
	fail()
	fail()
	wantState(t, s, id, "Failed")
	run, err := s.Retry(ctx, id, "test")
	must(t, err)
	if run.State.Name != NameAwaitingRetry || run.EndTime != nil || run.RunCount != 2 {
		t.Errorf("retried: %+v", run)
	}
	fail()
	wantState(t, s, id, NameAwaitingRetry) // of the new budget
	fail()
	run = wantState(t, s, id, "Failed")
	attempts, err := s.Attempts(ctx, id)
	must(t, err)
	if len(attempts) != 4 || run.RunCount != 4 {
		t.Fatalf("%d attempts, run count %d", len(attempts), run.RunCount)
	}
	for _, a := range attempts {
		if a.StateType == nil || *a.StateType != Failed {
			t.Errorf("attempt %d ended %v", a.Attempt, a.StateType)
		}
	}
}

func TestALateEndOfTheAttemptBeforeARetryByHandChangesNothing(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	id := create(t, s, "nightly", nil).ID
	c := claimOne(t, s)
	must(t, s.Settle(ctx, endOf(c, NewState(Crashed, "gone")), "test"))
	_, err := s.Retry(ctx, id, "test")
	must(t, err)
	before := history(t, s, id)
	if err := s.End(ctx, endOf(c, NewState(Completed, "late")), "slot"); err != ErrSuperseded {
		t.Errorf("a late end answers %v", err)
	}
	if after := history(t, s, id); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// The jitter lies between nothing and the factor, differs from attempt to
// attempt, and is the same when the same end is written again.
func TestJitterStaysWithinItsFactor(t *testing.T) {
	b := budget{retries: 1, delays: []float64{10}, jitter: 0.5}
	var low, high time.Duration = time.Hour, 0
	for i := range 1000 {
		e := End{Run: NewID(), Attempt: i % 3}
		d := b.delay(0, e)
		if d != b.delay(0, e) {
			t.Fatal("the same attempt waits two times")
		}
		low, high = min(low, d), max(high, d)
	}
	if low < 10*time.Second || low > 10500*time.Millisecond || high > 15*time.Second || high < 14500*time.Millisecond {
		t.Errorf("delays from %v to %v", low, high)
	}
	b.jitter = 0
	if d := b.delay(0, End{Run: NewID()}); d != 10*time.Second {
		t.Errorf("without jitter %v", d)
	}
}

func TestCancelRunsLeavesOutWhatHasEnded(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	running := claimOf(t, s)
	ended := claimOf(t, s)
	must(t, s.End(ctx, endOf(ended, NewState(Completed, "")), "slot"))
	waiting := create(t, s, "nightly", nil)
	ring, err := s.CancelRuns(ctx, []ID{running.Run.ID, ended.Run.ID, waiting.ID, NewID()}, "enough", "test", true)
	must(t, err)
	if len(ring) != 1 || ring[0].Proof != running.Run.Owner.Proof {
		t.Errorf("to ring: %v", ring)
	}
	if run := wantState(t, s, running.Run.ID, "Cancelling"); !run.ForceStop {
		t.Error("it has its grace")
	}
	wantState(t, s, ended.Run.ID, "Completed")
	if run := wantState(t, s, waiting.ID, "Cancelled"); run.ForceStop {
		t.Error("a run without a process was forced")
	}
}

// claimOf makes a run and claims it.
func claimOf(t *testing.T, s *Store) Claimed {
	t.Helper()
	create(t, s, "nightly", nil)
	return claimOne(t, s)
}
