package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// history is a run's rows as text, so that "changes nothing" can be compared.
func history(t *testing.T, s *Store, id ID) string {
	t.Helper()
	ctx := context.Background()
	events, err := s.Events(ctx, id)
	must(t, err)
	attempts, err := s.Attempts(ctx, id)
	must(t, err)
	run := byID(t, s, id)
	text := fmt.Sprintf("%v %d %d %v\n", run.State, run.Fence, run.RunCount, run.Owner)
	for _, e := range events {
		text += fmt.Sprintln(e.State, e.Name, e.Message, e.Attempt, e.Who)
	}
	for _, a := range attempts {
		text += fmt.Sprintln(a.Attempt, a.EndTime, a.StateType != nil, a.Message != nil)
	}
	return text
}

func TestALateEndChangesNothing(t *testing.T) {
	ctx := context.Background()
	takes := map[string]func(*testing.T, *Store, Run){
		"PutBack": func(t *testing.T, s *Store, r Run) { must(t, s.PutBack(ctx, r, "lost", "test")) },
		"PutBack and claimed again": func(t *testing.T, s *Store, r Run) {
			must(t, s.PutBack(ctx, r, "lost", "test"))
			claimOne(t, s)
		},
		"Adopt": func(t *testing.T, s *Store, r Run) {
			_, err := s.Adopt(ctx, r, owners(1)[0], "test")
			must(t, err)
		},
		"Settle": func(t *testing.T, s *Store, r Run) {
			must(t, s.Settle(ctx, End{Run: r.ID, Attempt: 1, Fence: r.Fence, State: NewState(Crashed, "gone")}, "test"))
		},
		"Settle while Cancelling": func(t *testing.T, s *Store, r Run) {
			_, err := s.Cancel(ctx, r.ID, "enough", "test")
			must(t, err)
			must(t, s.Settle(ctx, End{Run: r.ID, Attempt: 1, Fence: r.Fence, State: NewState(Crashed, "gone")}, "test"))
		},
		"third lost start": func(t *testing.T, s *Store, r Run) {
			change(t, s, "UPDATE flow_run SET lost_starts = 2 WHERE id = ?", r.ID)
			must(t, s.PutBack(ctx, r, "lost", "test"))
		},
		"cancelled while Pending": func(t *testing.T, s *Store, r Run) {
			change(t, s, "UPDATE flow_run SET state_type = 'PENDING', state_name = 'Pending' WHERE id = ?", r.ID)
			_, err := s.Cancel(ctx, r.ID, "enough", "test")
			must(t, err)
		},
	}
	for name, take := range takes {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			deploy(t, s, nil)
			create(t, s, "nightly", nil)
			c := claimOne(t, s)
			take(t, s, c.Run)
			before := history(t, s, c.Run.ID)
			late := endOf(c, NewState(Completed, "late"))
			if err := s.End(ctx, late, "slot"); !errors.Is(err, ErrSuperseded) {
				t.Errorf("a late End answers %v", err)
			}
			// Two who settle at once cannot be told from one who asks twice.
			if err := s.Settle(ctx, late, "other"); err != nil && !errors.Is(err, ErrSuperseded) {
				t.Errorf("a late Settle answers %v", err)
			}
			if err := s.PutBack(ctx, c.Run, "late", "other"); !errors.Is(err, ErrSuperseded) {
				t.Errorf("a late PutBack answers %v", err)
			}
			if _, err := s.Adopt(ctx, c.Run, owners(1)[0], "other"); !errors.Is(err, ErrSuperseded) {
				t.Errorf("a late Adopt answers %v", err)
			}
			result := claim(t, s, 0, func(r *Round) { r.Ends, r.NoClaim = []End{late}, true })
			if len(result.Superseded) != 1 {
				t.Error("a late end in a round is not named as superseded")
			}
			if after := history(t, s, c.Run.ID); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// TestALateLookAtADeletedRun: whoever still holds what it read changes nothing.
func TestALateLookAtADeletedRun(t *testing.T) {
	ctx := context.Background()
	s := open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	late := endOf(c, NewState(Completed, "late"))
	must(t, s.End(ctx, late, "slot"))
	must(t, s.DeleteRuns(ctx, []ID{c.Run.ID}))
	_, attempt := s.LiveAttempt(ctx, c.Run)
	_, adopt := s.Adopt(ctx, c.Run, owners(1)[0], "other")
	for what, err := range map[string]error{
		"LiveAttempt": attempt, "Adopt": adopt, "Settle": s.Settle(ctx, late, "other"),
		"PutBack": s.PutBack(ctx, c.Run, "lost", "other"),
	} {
		if !errors.Is(err, ErrSuperseded) {
			t.Errorf("%s answers %v", what, err)
		}
	}
}

func TestARepeatedEndIsDone(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(*Store, End) error{
		"End":    func(s *Store, e End) error { return s.End(ctx, e, "slot") },
		"Settle": func(s *Store, e End) error { return s.Settle(ctx, e, "test") },
	} {
		for _, state := range []State{NewState(Completed, ""), NewState(Failed, "no")} { // Failed goes on to a retry
			s := open(t)
			deploy(t, s, func(w *Wish) { w.Retries = 1 })
			create(t, s, "nightly", nil)
			c := claimOne(t, s)
			must(t, write(s, endOf(c, state)))
			before := history(t, s, c.Run.ID)
			if err := write(s, endOf(c, state)); err != nil {
				t.Errorf("%s of %s, repeated: %v", name, state.Name, err)
			}
			if after := history(t, s, c.Run.ID); after != before {
				t.Errorf("%s, repeated, changed\n%s\nto\n%s", name, before, after)
			}
		}
	}
}

func TestAnEndWhoseAnswerWasLostIsWrittenOnce(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	lost := errors.New("input/output error")
	for _, point := range []string{"commit", "committed"} {
		s.fault = func(p string) error {
			if p == point {
				return lost
			}
			return nil
		}
		if err := s.End(ctx, endOf(c, NewState(Completed, "")), "slot"); !errors.Is(err, lost) {
			t.Fatalf("at %s: %v", point, err)
		}
		s.fault = nil
		if ended := byID(t, s, c.Run.ID).State.Type == Completed; ended != (point == "committed") {
			t.Fatalf("after a fault at %s: ended %v", point, ended)
		}
	}
	must(t, s.End(ctx, endOf(c, NewState(Completed, "")), "slot"))
	if n := number(t, s, "SELECT count(*) FROM event WHERE state_type = 'COMPLETED'"); n != 1 {
		t.Errorf("%d ends in the history", n)
	}
}

func TestSettleRaisesTheFence(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	must(t, s.Settle(ctx, endOf(c, NewState(Crashed, "gone")), "test"))
	if run := byID(t, s, c.Run.ID); run.Fence != c.Run.Fence+1 {
		t.Errorf("fence %d, want %d", run.Fence, c.Run.Fence+1)
	}
}

func TestPutBackFreesTheAttemptAndTheThirdIsCrashed(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	id := create(t, s, "nightly", nil).ID
	for i := range 3 {
		c := claimOne(t, s)
		if c.Attempt != 1 {
			t.Fatalf("lost start %d: attempt %d, its number was not freed", i, c.Attempt)
		}
		must(t, s.PutBack(ctx, c.Run, "its slot was gone", "test"))
		run := byID(t, s, id)
		if run.Fence != c.Run.Fence+1 {
			t.Errorf("fence %d, want %d", run.Fence, c.Run.Fence+1)
		}
		if i < 2 && (run.State.Name != "Scheduled" || run.RunCount != 0 || run.StartTime != nil || run.Owner.Proof != "") {
			t.Errorf("put back: %+v", run)
		}
	}
	run := wantState(t, s, id, "Crashed")
	if run.State.Message != "its slot was gone (start 3 of 3)" {
		t.Errorf("message: %s", run.State.Message)
	}
}

func TestAPutBackOfALaterAttemptKeepsTheEarlier(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, func(w *Wish) { w.Retries = 1 })
	id := create(t, s, "nightly", nil).ID
	first := claimOne(t, s)
	must(t, s.End(ctx, endOf(first, NewState(Failed, "no")), "slot"))
	must(t, s.PutBack(ctx, claimOne(t, s).Run, "lost", "test"))
	run := byID(t, s, id)
	if run.RunCount != 1 || run.StartTime == nil || !run.StartTime.Equal(*first.Run.StartTime) {
		t.Errorf("after attempt 2 was put back: %d attempts, start %v", run.RunCount, run.StartTime)
	}
	if c := claimOne(t, s); c.Attempt != 2 {
		t.Errorf("attempt %d, want 2", c.Attempt)
	}
}

func TestCancellingEndsOnlyInCancelled(t *testing.T) {
	ctx := context.Background()
	for _, end := range []StateType{Completed, Failed, Crashed, Cancelled} {
		s := open(t)
		deploy(t, s, func(w *Wish) { w.Retries = 3 })
		create(t, s, "nightly", nil)
		c := claimOne(t, s)
		owner, err := s.Cancel(ctx, c.Run.ID, "enough", "operator")
		must(t, err)
		if owner != c.Run.Owner {
			t.Errorf("cancel says to ring %v", owner)
		}
		again, err := s.Cancel(ctx, c.Run.ID, "enough", "operator")
		must(t, err)
		if again != owner {
			t.Error("a second cancel rings again")
		}
		must(t, s.End(ctx, endOf(c, NewState(end, "how it really ended")), "slot"))
		run := wantState(t, s, c.Run.ID, "Cancelled")
		if !strings.HasPrefix(run.State.Message, "enough; ") || !strings.HasSuffix(run.State.Message, "how it really ended") {
			t.Errorf("%s while Cancelling: message %q", end, run.State.Message)
		}
		_, err = s.Cancel(ctx, c.Run.ID, "enough", "operator")
		wantError(t, err, Conflict, "has ended already: Cancelled")
	}
	s := open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	_, err := s.Cancel(ctx, c.Run.ID, "enough", "operator")
	must(t, err)
	must(t, s.PutBack(ctx, c.Run, "lost", "test"))
	if run := wantState(t, s, c.Run.ID, "Cancelled"); run.State.Message != "enough; it had not started" {
		t.Errorf("put back while Cancelling: message %q", run.State.Message)
	}
}

func TestCancellingAWaitingRunEndsIt(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	run := create(t, s, "nightly", nil)
	owner, err := s.Cancel(ctx, run.ID, "enough", "operator")
	must(t, err)
	if owner != (Owner{}) {
		t.Errorf("nobody is to be rung, not %v", owner)
	}
	wantState(t, s, run.ID, "Cancelled")
	if result := claim(t, s, 1, nil); len(result.Claimed) != 0 {
		t.Error("a cancelled run was claimed")
	}
}

func TestAnAdoptedRunGoesOnUnderTheNextFence(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	_, err := s.Cancel(ctx, c.Run.ID, "enough", "operator")
	must(t, err)
	heir := owners(1)[0]
	// c.Run was read before the cancel: the fence is the same.
	fence, err := s.Adopt(ctx, c.Run, heir, "test")
	must(t, err)
	events, err := s.Events(ctx, c.Run.ID)
	must(t, err)
	if last := events[len(events)-1]; last.State != Cancelling {
		t.Errorf("the history ends with %s, the run is Cancelling", last.State)
	}
	if run := byID(t, s, c.Run.ID); run.Owner != heir || run.Fence != fence || fence != c.Run.Fence+1 {
		t.Errorf("owner %v, fence %d", run.Owner, run.Fence)
	}
	end := endOf(c, NewState(Cancelled, "stopped"))
	end.Fence = fence
	for range 2 {
		must(t, s.End(ctx, end, "slot"))
	}
	wantState(t, s, c.Run.ID, "Cancelled")
}

// A flow writes its outcome itself: whatever it writes, the end of its run
// must not hold up those of others in the same round.
func TestAnEndThatIsNoneIsCrashed(t *testing.T) {
	s := open(t)
	deploy(t, s, func(w *Wish) { w.Retries = 1 })
	create(t, s, "nightly", nil)
	create(t, s, "nightly", nil)
	both := claim(t, s, 2, nil).Claimed
	claim(t, s, 0, func(r *Round) {
		r.Ends = []End{endOf(both[0], State{Type: "BANANA", Name: "Banana", Message: "odd"}), endOf(both[1], NewState(Completed, ""))}
	})
	if run := wantState(t, s, both[0].Run.ID, "Crashed"); !strings.Contains(run.State.Message, `"BANANA"`) {
		t.Errorf("message: %s", run.State.Message)
	}
	wantState(t, s, both[1].Run.ID, "Completed")
}
