package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// queueOf sets the priority and limit of a queue, which a deploy makes.
func setQueue(t *testing.T, s *Store, name string, priority int) {
	t.Helper()
	change(t, s, "UPDATE work_queue SET priority = ? WHERE name = ?", priority, name)
}

func claimedNames(result RoundResult) (names []string) {
	for _, c := range result.Claimed {
		names = append(names, c.Run.Name)
	}
	return names
}

func TestAClaimTakesByPriorityThenDueThenID(t *testing.T) {
	s := open(t)
	now := freeze(s)
	for _, queue := range []string{"low", "high", "high-too"} {
		deploy(t, s, func(w *Wish) { w.Name, w.Queue = "in-"+queue, queue })
	}
	setQueue(t, s, "low", 5)
	setQueue(t, s, "high", 2)
	setQueue(t, s, "high-too", 2)
	make := func(name, queue string, ago time.Duration) {
		create(t, s, "hello/in-"+queue, func(n *NewRun) { n.Name, n.At = name, now.Add(-ago) })
	}
	make("low-oldest", "low", time.Hour)
	make("b", "high", 2*time.Minute)
	make("c", "high-too", time.Minute)
	make("d", "high", time.Minute) // as due as c, made later
	make("a", "high-too", 3*time.Minute)
	make("future", "high", -time.Minute)
	if got := claimedNames(claim(t, s, 9, nil)); !slices.Equal(got, []string{"a", "b", "c", "d", "low-oldest"}) {
		t.Errorf("claimed in the order %v", got)
	}
}

// Runs of equal due times: the id decides where a page ends.
func TestAClaimReadsManyPages(t *testing.T) {
	s := open(t)
	d := deploy(t, s, nil)
	const n = 2*claimPage + 3
	insertRuns(t, s, d, n, Scheduled)
	claimed := claim(t, s, n+1, nil).Claimed
	if len(claimed) != n {
		t.Errorf("claimed %d of %d", len(claimed), n)
	}
	for i := range claimed[1:] {
		if a, b := claimed[i].Run.ID, claimed[i+1].Run.ID; string(a[:]) >= string(b[:]) {
			t.Fatalf("%s was claimed before %s", a, b)
		}
	}
}

func TestABacklogHoldsUpNobodyBehindIt(t *testing.T) {
	for what, hold := range map[string]string{
		"full":   "UPDATE deployment SET concurrency_limit = 1 WHERE name = 'held'",
		"paused": "UPDATE deployment SET operator_paused = 1 WHERE name = 'held'",
	} {
		s := open(t)
		held := deploy(t, s, func(w *Wish) { w.Name = "held" })
		create(t, s, "held", nil)
		claimOne(t, s)
		insertRuns(t, s, held, 2*claimPage+3, Scheduled)
		deploy(t, s, func(w *Wish) { w.Name = "behind" })
		create(t, s, "behind", func(n *NewRun) { n.Name = "last" })
		change(t, s, hold)
		if got := claimedNames(claim(t, s, 9, nil)); !slices.Equal(got, []string{"last"}) {
			t.Errorf("behind the backlog of a deployment that is %s, claimed %v", what, got)
		}
	}
}

func TestARunThatIsDueBeforeTheEpochIsClaimed(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", func(n *NewRun) { n.At = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) })
	claimOne(t, s)
}

func TestMoreAndNextTellWhatIsLeft(t *testing.T) {
	s := open(t)
	now := freeze(s)
	deploy(t, s, nil)
	later := now.Add(time.Hour)
	create(t, s, "nightly", func(n *NewRun) { n.At = later.Add(time.Hour) })
	create(t, s, "nightly", func(n *NewRun) { n.At = later })
	create(t, s, "nightly", nil)
	create(t, s, "nightly", nil)
	result := claim(t, s, 1, nil)
	if len(result.Claimed) != 1 || !result.More || !result.Next.Equal(later) {
		t.Errorf("with a due run left: %d claimed, more %v, next %v", len(result.Claimed), result.More, result.Next)
	}
	if result = claim(t, s, 0, nil); !result.More {
		t.Error("without a slot, a due run is more")
	}
	if result = claim(t, s, 9, nil); len(result.Claimed) != 1 || result.More || !result.Next.Equal(later) {
		t.Errorf("with slots left: %d claimed, more %v, next %v", len(result.Claimed), result.More, result.Next)
	}
	next, err := s.NextDue(context.Background(), Worker{WorkPoolName: "p"})
	must(t, err)
	if !next.Equal(later) {
		t.Errorf("next due %v, want %v", next, later)
	}
	next, err = s.NextDue(context.Background(), Worker{WorkPoolName: "p", Queues: []string{"other"}})
	must(t, err)
	if !next.IsZero() {
		t.Errorf("next due of a queue that is not there: %v", next)
	}
}

func TestMoreIsNotSaidOfWhatALimitHolds(t *testing.T) {
	s := open(t)
	deploy(t, s, func(w *Wish) { w.ConcurrencyLimit = ptr(1) })
	create(t, s, "nightly", nil)
	create(t, s, "nightly", nil)
	claimOne(t, s)
	if result := claim(t, s, 0, nil); result.More {
		t.Error("a further slot could not take a run of a full deployment")
	}
}

func TestUntilLeavesWhatFellDueLater(t *testing.T) {
	s := open(t)
	now := freeze(s)
	deploy(t, s, nil)
	create(t, s, "nightly", func(n *NewRun) { n.Name = "before" })
	started := *now
	*now = now.Add(time.Second)
	create(t, s, "nightly", func(n *NewRun) { n.Name = "after" })
	result := claim(t, s, 9, func(r *Round) { r.Until = started })
	if got := claimedNames(result); !slices.Equal(got, []string{"before"}) {
		t.Errorf("claimed %v", got)
	}
}

func TestNoClaimRecordsEndsAndTakesNothing(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	waits := create(t, s, "nightly", nil)
	result := claim(t, s, 9, func(r *Round) {
		r.NoClaim, r.Ends = true, []End{endOf(c, NewState(Completed, ""))}
		r.Pids = []Pid{{Run: c.Run.ID, Attempt: 1, PID: 42}}
	})
	if len(result.Claimed) != 0 {
		t.Errorf("claimed %v", claimedNames(result))
	}
	wantState(t, s, c.Run.ID, "Completed")
	wantState(t, s, waits.ID, "Scheduled")
	attempts, err := s.Attempts(context.Background(), c.Run.ID)
	must(t, err)
	if len(attempts) != 1 || attempts[0].PID == nil || *attempts[0].PID != 42 {
		t.Errorf("the attempt: %+v", attempts)
	}
}

func TestAnEndFreesItsSlotInTheSameRound(t *testing.T) {
	s := open(t)
	deploy(t, s, func(w *Wish) { w.ConcurrencyLimit = ptr(1) })
	create(t, s, "nightly", nil)
	second := create(t, s, "nightly", nil)
	c := claimOne(t, s)
	result := claim(t, s, 1, func(r *Round) { r.Ends = []End{endOf(c, NewState(Completed, ""))} })
	if len(result.Claimed) != 1 || result.Claimed[0].Run.ID != second.ID {
		t.Errorf("claimed %v", claimedNames(result))
	}
}

func TestWhatIsPausedStartsNothing(t *testing.T) {
	for what, pause := range map[string]string{
		"pool":                "UPDATE work_pool SET is_paused = 1",
		"queue":               "UPDATE work_queue SET is_paused = 1",
		"deployment":          "UPDATE deployment SET paused = 1",
		"operator's":          "UPDATE deployment SET operator_paused = 1",
		"deployment and full": "UPDATE deployment SET paused = 1, concurrency_limit = 1, collision_strategy = 'CANCEL_NEW'",
	} {
		s := open(t)
		deploy(t, s, nil)
		if what == "deployment and full" {
			create(t, s, "nightly", nil)
			claimOne(t, s)
		}
		run := create(t, s, "nightly", nil)
		change(t, s, pause)
		if result := claim(t, s, 3, nil); len(result.Claimed) != 0 || result.More {
			t.Errorf("%s: claimed %v, more %v", what, claimedNames(result), result.More)
		}
		wantState(t, s, run.ID, "Scheduled")
	}
}

func TestAWorkerOfSomeQueuesLeavesTheOthers(t *testing.T) {
	s := open(t)
	deploy(t, s, func(w *Wish) { w.Name, w.Queue = "a", "qa" })
	deploy(t, s, func(w *Wish) { w.Name, w.Queue = "b", "qb" })
	create(t, s, "a", func(n *NewRun) { n.Name = "in-a" })
	create(t, s, "b", func(n *NewRun) { n.Name = "in-b" })
	result := claim(t, s, 3, func(r *Round) { r.Worker.Queues = []string{"qb"} })
	if got := claimedNames(result); !slices.Equal(got, []string{"in-b"}) {
		t.Errorf("claimed %v", got)
	}
}

func TestAClaimWritesWhatItSays(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, func(w *Wish) { w.JobVariables = Values{"nice": raw("5")} })
	change(t, s, `UPDATE work_pool SET job_variables = '{"env":{"A":"1"}}'`)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	run := byID(t, s, c.Run.ID)
	if run.State.Type != Running || run.Owner != c.Run.Owner || run.Fence != c.Run.Fence || run.Fence != 1 ||
		run.RunCount != 1 || run.WorkerName != "w" || run.StartTime == nil {
		t.Errorf("the row is %+v,\nthe claim said %+v", run, c.Run)
	}
	if string(c.Pool["env"]) != `{"A":"1"}` || string(c.Deployment.JobVariables["nice"]) != "5" {
		t.Errorf("job variables of the pool %s, of the deployment %v", c.Pool["env"], c.Deployment.JobVariables)
	}
	attempts, err := s.Attempts(ctx, run.ID)
	must(t, err)
	if len(attempts) != 1 || attempts[0].Log != c.Log || c.Log != fmt.Sprintf("%s/%s.1.log", run.StartTime.Format(time.DateOnly), run.ID) {
		t.Errorf("log %q, attempts %+v", c.Log, attempts)
	}
}

func TestARunOfAnEntrypointIsOwnedFromTheStart(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	job := Job{Entrypoint: "x.py:f", Kind: "python", Retries: 1, RetryDelaySeconds: []float64{0}}
	c, err := s.StartJob(ctx, "x", job, NewRun{}, owners(1)[0])
	must(t, err)
	wantState(t, s, c.Run.ID, "Running")
	must(t, s.End(ctx, endOf(c, NewState(Failed, "no")), "slot"))
	run := wantState(t, s, c.Run.ID, NameAwaitingRetry)
	if result := claim(t, s, 3, nil); len(result.Claimed) != 0 {
		t.Error("a worker claimed a run whose command waits for it")
	}
	w, err := s.Waits(ctx, run)
	must(t, err)
	if w.For != WaitCommand {
		t.Errorf("it waits for %q", w.For)
	}
	again, err := s.StartAgain(ctx, run.ID, owners(1)[0])
	must(t, err)
	must(t, s.End(ctx, endOf(again, NewState(Failed, "no")), "slot"))
	wantState(t, s, run.ID, "Failed")
	_, err = s.StartJob(ctx, "x", job, NewRun{Parameters: Values{"nope": raw("1")}}, owners(1)[0])
	wantError(t, err, Invalid, `no parameter "nope"`)
	if n := number(t, s, "SELECT count(*) FROM flow_run"); n != 1 {
		t.Errorf("a refused run left a row: %d", n)
	}
}
