package store

import (
	"context"
	"testing"
	"time"
)

func TestAFailedRunAwaitsItsRetryWithoutASlot(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now := freeze(s)
	deploy(t, s, func(w *Wish) { w.Retries, w.RetryDelays, w.ConcurrencyLimit = 3, []float64{10, 60}, ptr(1) })
	id := create(t, s, "nightly", nil).ID
	for i, delay := range []time.Duration{10 * time.Second, time.Minute, time.Minute} { // the last repeats
		c := claimOne(t, s)
		if c.Attempt != i+1 {
			t.Fatalf("attempt %d, want %d", c.Attempt, i+1)
		}
		must(t, s.End(ctx, endOf(c, NewState(Failed, "exited with 1")), "slot"))
		run := wantState(t, s, id, NameAwaitingRetry)
		if got := run.Due.Sub(*now); got != delay {
			t.Errorf("retry %d waits %v, want %v", i+1, got, delay)
		}
		if run.EndTime != nil || run.Owner.Proof != "" {
			t.Errorf("a run that awaits its retry has an end %v, an owner %v", run.EndTime, run.Owner)
		}
		if i == 0 { // it holds no slot of its deployment meanwhile
			other := create(t, s, "nightly", nil)
			between := claimOne(t, s)
			if between.Run.ID != other.ID {
				t.Fatal("the retry was claimed before it was due")
			}
			must(t, s.End(ctx, endOf(between, NewState(Completed, "")), "slot"))
		}
		*now = run.Due
	}
	c := claimOne(t, s)
	must(t, s.End(ctx, endOf(c, State{Type: Failed, Name: NameTimedOut, Message: "too long"}), "slot"))
	run := wantState(t, s, id, NameTimedOut)
	if run.RunCount != 4 || run.EndTime == nil {
		t.Errorf("after the last retry: %d attempts, end %v", run.RunCount, run.EndTime)
	}
	attempts, err := s.Attempts(ctx, id)
	must(t, err)
	for _, a := range attempts[:3] {
		if a.StateType == nil || *a.StateType != Failed {
			t.Errorf("attempt %d ended %v: its own end is kept", a.Attempt, a.StateType)
		}
	}
}

func TestCrashesHaveABudgetOfTheirOwn(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, func(w *Wish) { w.Retries = 5 })
	id := create(t, s, "nightly", nil).ID
	must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Crashed, "killed")), "slot"))
	wantState(t, s, id, "Crashed")

	change(t, s, "UPDATE deployment SET retries = 1, retries_on_crash = 1")
	id = create(t, s, "nightly", nil).ID
	for _, step := range []struct {
		end  StateType
		want string
	}{{Crashed, NameAwaitingRetry}, {Failed, NameAwaitingRetry}, {Crashed, "Crashed"}} {
		must(t, s.End(ctx, endOf(claimOne(t, s), NewState(step.end, "x")), "slot"))
		wantState(t, s, id, step.want)
	}
}

func TestLostStartsDoNotAddUpOverRetries(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, func(w *Wish) { w.Retries = 9 })
	id := create(t, s, "nightly", nil).ID
	for range 4 {
		must(t, s.PutBack(ctx, claimOne(t, s).Run, "lost", "test"))
		must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Failed, "no")), "slot"))
		wantState(t, s, id, NameAwaitingRetry)
	}
}

func TestARunWhoseDeploymentIsGoneIsNotRetried(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, func(w *Wish) { w.Retries = 3 })
	create(t, s, "nightly", nil)
	create(t, s, "nightly", nil)
	result := claim(t, s, 2, nil)
	waiting := create(t, s, "nightly", nil)
	_, cancelled, err := s.DeleteDeployment(ctx, "nightly")
	must(t, err)
	if cancelled != 1 {
		t.Errorf("%d runs were cancelled", cancelled)
	}
	wantState(t, s, waiting.ID, "Cancelled")
	must(t, s.End(ctx, endOf(result.Claimed[0], NewState(Failed, "no")), "slot"))
	wantState(t, s, result.Claimed[0].Run.ID, "Failed")
	must(t, s.PutBack(ctx, result.Claimed[1].Run, "its slot was gone", "test"))
	run := wantState(t, s, result.Claimed[1].Run.ID, "Crashed")
	if run.Deployment == nil || *run.Deployment != "hello/nightly" {
		t.Errorf("the history names its deployment: %v", run.Deployment)
	}
}

// TestTookIsOfTheNewestAttempt: what lies between attempts does not count, nor
// does what a run waited before it was cancelled.
func TestTookIsOfTheNewestAttempt(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now := freeze(s)
	deploy(t, s, func(w *Wish) { w.Retries, w.RetryDelays = 2, []float64{60} })
	id := create(t, s, "nightly", nil).ID
	took := func(want time.Duration, known bool) {
		t.Helper()
		run, err := s.RunByID(ctx, id)
		must(t, err)
		if got, ok := run.Took(*now); got != want || ok != known {
			t.Errorf("%s took %v, %v; want %v, %v", run.State.Name, got, ok, want, known)
		}
	}
	took(0, false)
	for _, length := range []time.Duration{3 * time.Second, 2 * time.Second} {
		c := claimOne(t, s)
		*now = now.Add(length)
		took(length, true)
		if got, ok := c.Run.Took(*now); got != length || !ok {
			t.Errorf("its owner knows of %v, %v", got, ok)
		}
		must(t, s.End(ctx, endOf(c, NewState(Failed, "exited with 1")), "slot"))
		took(0, false)
		*now = now.Add(time.Minute)
	}
	_, err := s.Cancel(ctx, id, "enough", "test")
	must(t, err)
	took(2*time.Second, true)
}
