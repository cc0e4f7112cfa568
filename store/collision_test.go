package store

import (
	"context"
	"testing"
	"time"
)

// collide makes a full deployment with the strategy, and one more due run.
func collide(t *testing.T, s *Store, strategy string) (running Claimed, waiting Run) {
	t.Helper()
	deploy(t, s, func(w *Wish) { w.ConcurrencyLimit, w.CollisionStrategy = ptr(1), &strategy })
	create(t, s, "nightly", nil)
	running = claimOne(t, s)
	return running, create(t, s, "nightly", nil)
}

func TestEnqueueWaits(t *testing.T) {
	s := open(t)
	running, waiting := collide(t, s, Enqueue)
	claim(t, s, 2, nil)
	wantState(t, s, running.Run.ID, "Running")
	wantState(t, s, waiting.ID, "Scheduled")
}

func TestCancelNewCancelsWhatCollides(t *testing.T) {
	s := open(t)
	running, waiting := collide(t, s, CancelNew)
	claim(t, s, 2, nil)
	wantState(t, s, running.Run.ID, "Running")
	run := wantState(t, s, waiting.ID, "Cancelled")
	if run.State.Message != "the deployment's limit of 1 was reached (CANCEL_NEW)" {
		t.Errorf("message: %s", run.State.Message)
	}
}

func TestReplaceCancelsTheRunningOneThenStartsTheNew(t *testing.T) {
	ctx, s := context.Background(), open(t)
	running, waiting := collide(t, s, Replace)
	result := claim(t, s, 2, nil)
	if len(result.Claimed) != 0 || len(result.Ring) != 1 || result.Ring[0] != running.Run.Owner {
		t.Fatalf("claimed %v, rings %v", claimedNames(result), result.Ring)
	}
	wantState(t, s, running.Run.ID, "Cancelling")
	wantState(t, s, waiting.ID, "Scheduled")
	if result = claim(t, s, 2, nil); len(result.Claimed) != 0 || len(result.Ring) != 0 {
		t.Error("while one is on its way out, nothing more happens")
	}
	must(t, s.End(ctx, endOf(running, NewState(Cancelled, "stopped")), "slot"))
	claimOne(t, s)
	wantState(t, s, running.Run.ID, "Cancelled")
	wantState(t, s, waiting.ID, "Running")
}

func TestReplaceCancelsTheOldestOfSeveral(t *testing.T) {
	s := open(t)
	now := freeze(s)
	deploy(t, s, func(w *Wish) { w.ConcurrencyLimit, w.CollisionStrategy = ptr(2), ptr(Replace) })
	var claims []Claimed
	for range 2 {
		create(t, s, "nightly", nil)
		claims = append(claims, claimOne(t, s))
		*now = now.Add(time.Second)
	}
	create(t, s, "nightly", nil)
	create(t, s, "nightly", nil)
	claim(t, s, 2, nil)
	wantState(t, s, claims[0].Run.ID, "Cancelling")
	wantState(t, s, claims[1].Run.ID, "Running")
}

// A claim looks at no run that it could not start; what collides must be seen
// all the same, or the next free slot would start it.
func TestStrategiesHoldWhereAnotherLimitIsFull(t *testing.T) {
	for what, fill := range map[string]string{
		"pool":  "UPDATE work_pool SET concurrency_limit = 1",
		"queue": "UPDATE work_queue SET concurrency_limit = 1",
	} {
		s := open(t)
		_, waiting := collide(t, s, CancelNew)
		change(t, s, fill)
		claim(t, s, 1, nil)
		if run := byID(t, s, waiting.ID); run.State.Type != Cancelled {
			t.Errorf("full %s: CANCEL_NEW left it %s", what, run.State.Name)
		}
		s = open(t)
		running, _ := collide(t, s, Replace)
		change(t, s, fill)
		if result := claim(t, s, 1, nil); len(result.Ring) != 1 {
			t.Errorf("full %s: REPLACE rings %v", what, result.Ring)
		}
		wantState(t, s, running.Run.ID, "Cancelling")
	}
}

// A run that has started once is not new: its next try waits for its turn.
func TestANextTryNeitherGivesWayNorPushes(t *testing.T) {
	for _, strategy := range []string{CancelNew, Replace} {
		ctx, s := context.Background(), open(t)
		now := freeze(s)
		deploy(t, s, func(w *Wish) {
			w.ConcurrencyLimit, w.CollisionStrategy, w.Retries, w.RetryDelays = ptr(1), &strategy, 1, []float64{60}
		})
		create(t, s, "nightly", nil)
		first := claimOne(t, s)
		must(t, s.End(ctx, endOf(first, NewState(Failed, "no")), "slot"))
		create(t, s, "nightly", nil)
		second := claimOne(t, s)
		*now = now.Add(2 * time.Minute)
		claim(t, s, 2, nil)
		if run := byID(t, s, first.Run.ID); run.State.Name != NameAwaitingRetry {
			t.Errorf("%s: the next try is %s (%s)", strategy, run.State.Name, run.State.Message)
		}
		wantState(t, s, second.Run.ID, "Running")
	}
}
