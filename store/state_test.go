package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheSchemaAdmitsThePrefectStatesAndNoOthers(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	id := create(t, s, "nightly", nil).ID
	for _, state := range StateTypes {
		var end, proof any
		if state.Terminal() {
			end = 1
		}
		if state.Live() {
			proof = "x"
		}
		change(t, s, "UPDATE flow_run SET state_type = ?, end_time = ?, owner_proof = ? WHERE id = ?", state, end, proof, id)
	}
	if err := tryChange(s, "UPDATE flow_run SET state_type = 'LATE', end_time = NULL WHERE id = ?", id); err == nil {
		t.Error("a tenth state was let in")
	}
	if len(StateTypes) != 9 {
		t.Errorf("%d state types", len(StateTypes))
	}
}

func TestTheSchemaHoldsWhatTheStatesMean(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	must(t, s.End(context.Background(), endOf(c, NewState(Completed, "")), "slot"))
	job := c.Run
	for what, statement := range map[string]string{
		"terminal without an end":      "UPDATE flow_run SET state_type = 'FAILED' WHERE state_type = 'SCHEDULED'",
		"an end that is not terminal":  "UPDATE flow_run SET end_time = 1 WHERE state_type = 'SCHEDULED'",
		"running without an owner":     "UPDATE flow_run SET state_type = 'RUNNING' WHERE state_type = 'SCHEDULED'",
		"an owner of what waits":       "UPDATE flow_run SET owner_proof = 'x' WHERE state_type = 'SCHEDULED'",
		"half a tick":                  "UPDATE flow_run SET schedule_slug = 'x'",
		"neither deployment nor job":   "UPDATE flow_run SET deployment_name = NULL",
		"parameters that are no map":   "UPDATE flow_run SET parameters = '[]'",
		"tags that are no list":        "UPDATE flow_run SET tags = '{}'",
		"text for a time":              "UPDATE flow_run SET due = 'tomorrow'",
		"a flow that is not there":     "UPDATE flow_run SET flow_id = x'00'",
		"a changed end":                "UPDATE attempt SET state_type = 'FAILED'",
		"an end that is taken back":    "UPDATE attempt SET end_time = NULL, state_type = NULL",
		"a changed history":            "UPDATE event SET message = 'it was not so'",
		"a second attempt of a number": "INSERT INTO attempt SELECT * FROM attempt",
		"a pool's limit below 0":       "UPDATE work_pool SET concurrency_limit = -1",
		"a deployment's limit of 0":    "UPDATE deployment SET concurrency_limit = 0",
		"a strategy of one's own":      "UPDATE deployment SET collision_strategy = 'FIGHT'",
		"a queue's priority of 0":      "UPDATE work_queue SET priority = 0",
		"a pool of a taken name":       "INSERT INTO work_pool (id, name, type, created, updated) VALUES (x'01', 'p', 'process', 0, 0)",
		"a nameless flow":              "UPDATE flow SET name = ''",
	} {
		if err := tryChange(s, statement); err == nil || !strings.Contains(err.Error(), "constraint failed") &&
			!strings.Contains(err.Error(), "final") && !strings.Contains(err.Error(), "appended") && !strings.Contains(err.Error(), "datatype") {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantState(t, s, job.ID, "Completed")
}

func TestATickAndAKeyMakeAtMostOneRun(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	other := deploy(t, s, func(w *Wish) { w.Name = "other" })
	a, b := create(t, s, "nightly", nil), create(t, s, "nightly", nil)
	tick := "UPDATE flow_run SET schedule_slug = 'daily', scheduled_for = 7 WHERE id = ?"
	change(t, s, tick, a.ID)
	if err := tryChange(s, tick, b.ID); !isUnique(err) {
		t.Errorf("a second run of one tick: %v", err)
	}
	change(t, s, tick, create(t, s, other.FullName, nil).ID)

	keyed := NewRun{Deployment: "nightly", IdempotencyKey: "k", Parameters: Values{"top": raw("1")}}
	first, existed, err := s.CreateRun(ctx, keyed)
	must(t, err)
	if existed {
		t.Error("the first run of a key existed")
	}
	keyed.Parameters = Values{"top": raw("2")}
	again, existed, err := s.CreateRun(ctx, keyed)
	must(t, err)
	if !existed || again.ID != first.ID || string(again.Parameters["top"]) != "1" {
		t.Errorf("the second of a key: existed %v, %s with %v", existed, again.ID, again.Parameters)
	}
	if err := tryChange(s, "UPDATE flow_run SET idempotency_key = 'k' WHERE id = ?", b.ID); !isUnique(err) {
		t.Errorf("a second run of one key: %v", err)
	}
}

// Every step of the table is one that the rows can take, and the table says
// no more than the design's picture.
func TestTheTableOfStepsIsThePicture(t *testing.T) {
	var steps []string
	for _, from := range StateTypes {
		for _, to := range StateTypes {
			if MayFollow(from, to) {
				steps = append(steps, string(from)+" "+string(to))
			}
		}
	}
	want := []string{
		"SCHEDULED PENDING", "SCHEDULED CANCELLED",
		"PENDING SCHEDULED", "PENDING RUNNING", "PENDING CRASHED", "PENDING CANCELLED",
		"RUNNING SCHEDULED", "RUNNING CANCELLING", "RUNNING COMPLETED", "RUNNING FAILED", "RUNNING CRASHED", "RUNNING CANCELLED",
		"CANCELLING CANCELLED",
		"COMPLETED SCHEDULED", "FAILED SCHEDULED", "CRASHED SCHEDULED", "CANCELLED SCHEDULED",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("the steps are\n%s", strings.Join(steps, "\n"))
	}
	for _, state := range StateTypes {
		if NewState(state, "").Name == "" {
			t.Errorf("%s has no name", state)
		}
		if state.Terminal() && state.Live() {
			t.Errorf("%s is both ended and live", state)
		}
	}
}

func TestTimesMayRunBackwards(t *testing.T) {
	s := open(t)
	now := freeze(s)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	c := claimOne(t, s)
	*now = now.Add(-time.Hour)
	must(t, s.End(context.Background(), endOf(c, NewState(Completed, "")), "slot"))
	wantState(t, s, c.Run.ID, "Completed")
}

func TestATransactionWritesOneTime(t *testing.T) {
	s := open(t)
	ticks := 0
	start := time.Now().Truncate(time.Second)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	s.Clock = func() time.Time { ticks++; return start.Add(time.Duration(ticks) * time.Minute) }
	c := claimOne(t, s)
	run := c.Run
	for what, at := range map[string]int64{
		"event":   number(t, s, "SELECT max(time) FROM event WHERE run_id = ?", run.ID),
		"attempt": number(t, s, "SELECT start_time FROM attempt WHERE run_id = ?", run.ID),
		"updated": number(t, s, "SELECT updated FROM flow_run WHERE id = ?", run.ID),
	} {
		if at != micros(run.State.Timestamp) {
			t.Errorf("%s at %v, the state since %v", what, instant(at), run.State.Timestamp)
		}
	}
}

func TestWhatARunWaitsFor(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name    string
		arrange func(*testing.T, *Store)
		want    Wait
	}{
		{"nobody polls", nil, Wait{For: WaitWorker, Name: "default"}},
		{"a worker of another queue", func(t *testing.T, s *Store) { register(t, s, "w", nil, "other") }, Wait{For: WaitWorker, Name: "default"}},
		{"a worker that drains", func(t *testing.T, s *Store) {
			must(t, s.DrainWorker(ctx, register(t, s, "w", nil).ID))
		}, Wait{For: WaitWorker, Name: "default"}},
		{"the next look", func(t *testing.T, s *Store) { register(t, s, "w", nil) }, Wait{For: WaitClaim}},
		{"paused pool", func(t *testing.T, s *Store) { change(t, s, "UPDATE work_pool SET is_paused = 1") }, Wait{For: WaitPoolPaused, Name: "p"}},
		{"paused queue", func(t *testing.T, s *Store) { change(t, s, "UPDATE work_queue SET is_paused = 1") }, Wait{For: WaitQueuePaused, Name: "default"}},
		{"paused deployment", func(t *testing.T, s *Store) {
			_, err := s.PauseDeployment(ctx, "nightly", true)
			must(t, err)
		}, Wait{For: WaitDeploymentPaused, Name: "hello/nightly"}},
		{"full deployment", func(t *testing.T, s *Store) { full(t, s, "UPDATE deployment SET concurrency_limit = 1", nil) }, Wait{WaitDeploymentLimit, "hello/nightly", 1}},
		{"full pool", func(t *testing.T, s *Store) { full(t, s, "UPDATE work_pool SET concurrency_limit = 1", nil) }, Wait{WaitPoolLimit, "p", 1}},
		{"full queue", func(t *testing.T, s *Store) { full(t, s, "UPDATE work_queue SET concurrency_limit = 1", nil) }, Wait{WaitQueueLimit, "default", 1}},
		{"full worker", func(t *testing.T, s *Store) { full(t, s, "", ptr(1)) }, Wait{WaitWorkerLimit, "w", 1}},
		{"its time", func(t *testing.T, s *Store) {
			change(t, s, "UPDATE flow_run SET due = due + 3600000000 WHERE name = 'waits'")
		}, Wait{For: WaitTime}},
		{"its pool", func(t *testing.T, s *Store) { change(t, s, "DELETE FROM work_pool") }, Wait{For: WaitPoolGone}},
	} {
		s := open(t)
		deploy(t, s, nil)
		run := create(t, s, "nightly", func(n *NewRun) { n.Name = "waits" })
		if c.arrange != nil {
			c.arrange(t, s)
		}
		w, err := s.Waits(ctx, byID(t, s, run.ID))
		must(t, err)
		if w != c.want {
			t.Errorf("%s: it waits for %+v, want %+v", c.name, w, c.want)
		}
	}
}

func register(t *testing.T, s *Store, name string, limit *int, queues ...string) Worker {
	t.Helper()
	w, err := s.RegisterWorker(context.Background(), Worker{
		ID: NewID(), Name: name, WorkPoolName: "p", Queues: queues,
		ConcurrencyLimit: limit, Host: "here", PID: 1, Proof: "proof of " + name,
	})
	must(t, err)
	return w
}

// full lets another run start, then sets a limit that it fills.
func full(t *testing.T, s *Store, limit string, ofWorker *int) {
	t.Helper()
	register(t, s, "w", ofWorker)
	create(t, s, "nightly", func(n *NewRun) { n.At = s.Clock().Add(-time.Hour) })
	claimOne(t, s)
	if limit != "" {
		change(t, s, limit)
	}
}

func TestWorkersAreListedAsTheyAre(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now := freeze(s)
	deploy(t, s, nil)
	deploy(t, s, func(w *Wish) { w.Name, w.Queue = "b", "qb" })
	gone := register(t, s, "gone", nil)
	*now = now.Add(time.Second)
	here := register(t, s, "here", ptr(4), "default")
	s.Alive = func(proof string) bool { return proof == here.Proof }
	create(t, s, "nightly", nil)
	claim(t, s, 1, func(r *Round) { r.Worker.Name = "here" })
	workers, err := s.Workers(ctx, "p")
	must(t, err)
	var text []string
	for _, w := range workers {
		text = append(text, fmt.Sprint(w.Name, " ", w.Status, " ", w.Running))
	}
	if !slices.Equal(text, []string{"here ONLINE 1", "gone OFFLINE 0"}) {
		t.Errorf("the workers are %q", text)
	}
	*now = now.Add(2 * PolledLately)
	must(t, s.Heartbeat(ctx, here.ID))
	for name, want := range map[string]string{"default": StatusReady, "qb": StatusNotReady} {
		q, err := s.WorkQueue(ctx, "p", name)
		must(t, err)
		if q.Status != want {
			t.Errorf("queue %s is %s, want %s", name, q.Status, want)
		}
	}
	must(t, s.EndWorker(ctx, here.ID))
	bells, err := s.Bells(ctx, "p")
	must(t, err)
	if len(bells) != 1 || bells[0] != gone.ID {
		t.Errorf("bells of %v", bells)
	}
	pool, err := s.WorkPool(ctx, "p")
	must(t, err)
	if pool.Status != StatusNotReady || pool.Workers != 0 {
		t.Errorf("the pool is %s with %d workers", pool.Status, pool.Workers)
	}
	*now = now.Add(2 * keepWorkers)
	register(t, s, "new", nil)
	if workers, err = s.Workers(ctx, ""); err != nil || len(workers) != 1 {
		t.Errorf("workers long gone are listed still: %v, %v", workers, err)
	}
}
