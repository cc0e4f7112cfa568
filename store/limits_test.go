package store

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what a pool's runs should be, kept the slow and simple way.
type model struct {
	t       *testing.T
	s       *Store
	now     *time.Time
	pool    string
	runs    []*modelRun
	limits  map[string]*int // by what: "pool", "worker w1", "queue q1", "deployment d1"
	paused  map[string]bool
	retries int
}

type modelRun struct {
	id                      ID
	deployment, queue       string
	state                   StateType
	name                    string
	due                     time.Time
	attempt, failures, lost int
	fence                   int64
	worker                  string
	owner                   Owner
}

var (
	modelQueues      = []string{"q1", "q2", "q3"} // of priority 1, 1, 2
	modelWorkers     = []string{"w1", "w2"}
	modelDeployments = []string{"d1", "d2"}
)

func newModel(t *testing.T, s *Store, now *time.Time, pool string) *model {
	for _, d := range modelDeployments {
		deploy(t, s, func(w *Wish) { w.FlowName, w.Name, w.Pool, w.Queue, w.Retries = pool, d, pool, "q1", 2 })
	}
	for _, q := range modelQueues {
		deploy(t, s, func(w *Wish) { w.FlowName, w.Name, w.Pool, w.Queue = pool, "makes-"+q, pool, q })
	}
	change(t, s, `UPDATE work_queue SET priority = iif(name = 'q3', 2, 1)`)
	return &model{t: t, s: s, now: now, pool: pool, limits: map[string]*int{}, paused: map[string]bool{}, retries: 2}
}

func (m *model) live(match func(*modelRun) bool) (n int) {
	for _, r := range m.runs {
		if r.state.Live() && match(r) {
			n++
		}
	}
	return n
}

// room is true where one more run of d in q by w is within every limit.
func (m *model) room(r *modelRun, worker string) bool {
	within := func(what string, match func(*modelRun) bool) bool {
		limit := m.limits[what]
		return limit == nil || m.live(match) < *limit
	}
	return within("pool", func(*modelRun) bool { return true }) &&
		within("worker "+worker, func(o *modelRun) bool { return o.worker == worker }) &&
		within("queue "+r.queue, func(o *modelRun) bool { return o.queue == r.queue }) &&
		within("deployment "+r.deployment, func(o *modelRun) bool { return o.deployment == r.deployment })
}

// pick is the run that a claim must take next, nil for none.
func (m *model) pick(worker string) *modelRun {
	var best *modelRun
	priority := func(r *modelRun) int {
		if r.queue == "q3" {
			return 2
		}
		return 1
	}
	for _, r := range m.runs {
		if r.state != Scheduled || r.due.After(*m.now) || m.paused["pool"] || m.paused["queue "+r.queue] ||
			m.paused["deployment "+r.deployment] || !m.room(r, worker) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(priority(r), priority(best)), r.due.Compare(best.due),
			slices.Compare(r.id[:], best.id[:])) < 0 {
			best = r
		}
	}
	return best
}

func (m *model) create(rt *rapid.T) {
	r := &modelRun{
		deployment: rapid.SampledFrom(modelDeployments).Draw(rt, "deployment"),
		queue:      rapid.SampledFrom(modelQueues).Draw(rt, "queue"), state: Scheduled, name: "Scheduled",
		due: m.now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(rt, "due")) * time.Second),
	}
	r.id = create(m.t, m.s, m.pool+"/"+r.deployment, func(n *NewRun) { n.Queue, n.At = r.queue, r.due }).ID
	m.runs = append(m.runs, r)
}

func (m *model) claim(rt *rapid.T) {
	worker := rapid.SampledFrom(modelWorkers).Draw(rt, "worker")
	slots := owners(rapid.IntRange(0, 4).Draw(rt, "slots"))
	result, err := m.s.Claim(context.Background(), Round{
		Owners: slots,
		Worker: Worker{Name: worker, WorkPoolName: m.pool, ConcurrencyLimit: m.limits["worker "+worker]},
	})
	must(m.t, err)
	for i, c := range result.Claimed {
		want := m.pick(worker)
		if want == nil || want.id != c.Run.ID {
			rt.Fatalf("claim %d of %s took %s, the model %+v", i, worker, c.Run.ID, want)
		}
		want.state, want.name, want.worker, want.owner = Running, "Running", worker, slots[i]
		want.attempt++
		want.fence++
		if c.Attempt != want.attempt || c.Run.Fence != want.fence {
			rt.Fatalf("attempt %d, fence %d; the model %+v", c.Attempt, c.Run.Fence, want)
		}
	}
	left := m.pick(worker)
	if len(result.Claimed) < len(slots) && left != nil {
		rt.Fatalf("a slot stayed free, and %+v was due", left)
	}
	if result.More != (left != nil) {
		rt.Fatalf("more is %v, and what is left is %+v", result.More, left)
	}
}

// one draws a run in one of the states; the action is skipped where none is.
func (m *model) one(rt *rapid.T, states ...StateType) *modelRun {
	var some []*modelRun
	for _, r := range m.runs {
		if slices.Contains(states, r.state) {
			some = append(some, r)
		}
	}
	if len(some) == 0 {
		rt.Skip("no such run")
	}
	return some[rapid.IntRange(0, len(some)-1).Draw(rt, "run")]
}

func (m *model) end(rt *rapid.T) {
	r := m.one(rt, Running, Cancelling)
	state := rapid.SampledFrom([]StateType{Completed, Failed, Crashed}).Draw(rt, "end")
	end := End{Run: r.id, Attempt: r.attempt, Fence: r.fence, State: NewState(state, "x")}
	settle := rapid.Bool().Draw(rt, "settle")
	if settle {
		must(m.t, m.s.Settle(context.Background(), end, "test"))
		r.fence++
	} else {
		must(m.t, m.s.End(context.Background(), end, "slot"))
	}
	switch {
	case r.state == Cancelling:
		state = Cancelled
	case state == Failed && r.failures < m.retries:
		r.failures++
		r.lost = 0
		r.due = *m.now
		r.state, r.name = Scheduled, NameAwaitingRetry
		return
	}
	r.state, r.name = state, stateNames[state]
}

func (m *model) cancel(rt *rapid.T) {
	r := m.one(rt, Scheduled, Running, Cancelling)
	_, err := m.s.Cancel(context.Background(), r.id, "enough", "test")
	must(m.t, err)
	if r.state == Scheduled {
		r.state, r.name = Cancelled, "Cancelled"
		r.fence++
		return
	}
	r.state, r.name = Cancelling, "Cancelling"
}

func (m *model) putBack(rt *rapid.T) {
	r := m.one(rt, Running, Cancelling)
	must(m.t, m.s.PutBack(context.Background(), byID(m.t, m.s, r.id), "lost", "test"))
	r.fence++
	r.lost++
	switch {
	case r.state == Cancelling:
		r.state, r.name = Cancelled, "Cancelled"
	case r.lost == maxLostStarts:
		r.state, r.name = Crashed, "Crashed"
	default:
		r.state, r.name = Scheduled, "Scheduled"
		r.attempt--
	}
}

func (m *model) adopt(rt *rapid.T) {
	r := m.one(rt, Running, Cancelling)
	r.owner = owners(1)[0]
	_, err := m.s.Adopt(context.Background(), byID(m.t, m.s, r.id), r.owner, "test")
	must(m.t, err)
	r.fence++
}

func (m *model) limit(rt *rapid.T) {
	kind := rapid.SampledFrom([]string{"pool", "queue", "deployment", "worker"}).Draw(rt, "what")
	var limit *int
	if n := rapid.IntRange(0, 4).Draw(rt, "limit"); n < 4 {
		limit = &n
	}
	switch kind {
	case "pool":
		change(m.t, m.s, "UPDATE work_pool SET concurrency_limit = ? WHERE name = ?", limit, m.pool)
		m.limits["pool"] = limit
	case "queue":
		q := rapid.SampledFrom(modelQueues).Draw(rt, "queue")
		change(m.t, m.s, "UPDATE work_queue SET concurrency_limit = ? WHERE name = ?", limit, q)
		m.limits["queue "+q] = limit
	case "deployment":
		d := rapid.SampledFrom(modelDeployments).Draw(rt, "deployment")
		if limit != nil && *limit == 0 {
			*limit = 1
		}
		change(m.t, m.s, "UPDATE deployment SET concurrency_limit = ? WHERE name = ?", limit, d)
		m.limits["deployment "+d] = limit
	case "worker": // the next worker of that name starts with another limit
		m.limits["worker "+rapid.SampledFrom(modelWorkers).Draw(rt, "worker")] = limit
	}
}

func (m *model) pause(rt *rapid.T) {
	what := rapid.SampledFrom([]string{"pool", "queue q1", "queue q3", "deployment d1"}).Draw(rt, "what")
	paused := !m.paused[what] && rapid.IntRange(0, 2).Draw(rt, "pause") == 0
	m.paused[what] = paused
	var kind, name string
	if n, _ := fmt.Sscan(what, &kind, &name); n == 2 && kind == "queue" {
		change(m.t, m.s, "UPDATE work_queue SET is_paused = ? WHERE name = ?", paused, name)
	} else if kind == "deployment" {
		change(m.t, m.s, "UPDATE deployment SET operator_paused = ? WHERE name = ?", paused, name)
	} else {
		change(m.t, m.s, "UPDATE work_pool SET is_paused = ? WHERE name = ?", paused, m.pool)
	}
}

func (m *model) check(rt *rapid.T) {
	for _, r := range m.runs {
		got := byID(m.t, m.s, r.id)
		if name := got.State.Name; name != r.name && (name != NameLate || r.name != "Scheduled") {
			rt.Fatalf("run %s is %s, the model has %s", r.id, name, r.name)
		}
		if got.RunCount != r.attempt || got.Fence != r.fence || !got.Due.Equal(r.due) {
			rt.Fatalf("run %s: attempt %d, fence %d, due %v; the model %+v", r.id, got.RunCount, got.Fence, got.Due, r)
		}
		if r.state.Live() && (got.Owner != r.owner || got.WorkerName != r.worker) {
			rt.Fatalf("run %s: owner %v, worker %s; the model %+v", r.id, got.Owner, got.WorkerName, r)
		}
	}
	// The state on the row is the newest of the history.
	if n := number(m.t, m.s, `
		SELECT count(*)
		  FROM flow_run r
		 WHERE state_type <> (SELECT e.state_type FROM event e WHERE e.run_id = r.id ORDER BY e.id DESC LIMIT 1)`); n != 0 {
		rt.Fatalf("%d runs are not what their history says", n)
	}
	// One attempt is open where the run is live, and none where it is not.
	if n := number(m.t, m.s, `
		SELECT count(*)
		  FROM flow_run r
		 WHERE (state_type IN ('PENDING', 'RUNNING', 'CANCELLING'))
		    <> (SELECT count(*) FROM attempt a WHERE a.run_id = r.id AND a.end_time IS NULL)`); n != 0 {
		rt.Fatalf("%d runs have open attempts that they should not have, or lack one", n)
	}
}

// TestLimitsHoldWhateverHappens plays random sequences of what can happen to
// the runs of a pool, beside a model that knows the rules the simple way.
func TestLimitsHoldWhateverHappens(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		must(t, checks.Value.Set("15")) // slow under the race detector; ask for more by the flag
	}
	s := open(t)
	now := freeze(s)
	pools := 0
	rapid.Check(t, func(rt *rapid.T) {
		pools++
		change(t, s, "DELETE FROM flow_run")
		m := newModel(t, s, now, fmt.Sprintf("p%d", pools))
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create, "create more": m.create, "claim": m.claim, "claim more": m.claim, "end": m.end,
			"cancel": m.cancel, "put back": m.putBack, "adopt": m.adopt, "limit": m.limit, "pause": m.pause,
			"wait": func(rt *rapid.T) { *now = now.Add(time.Duration(rapid.IntRange(1, 3).Draw(rt, "s")) * time.Second) },
			"":     m.check,
		})
	})
}

func TestALoweredLimitHoldsForNewClaims(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	for range 5 {
		create(t, s, "nightly", nil)
	}
	running := claim(t, s, 3, nil).Claimed
	change(t, s, "UPDATE work_pool SET concurrency_limit = 2")
	for i, want := range []int{0, 0, 1} { // 3, 2 and 1 of them run still
		if got := len(claim(t, s, 3, nil).Claimed); got != want {
			t.Errorf("with %d running under a limit of 2, %d were claimed, want %d", 3-i, got, want)
		}
		must(t, s.End(ctx, endOf(running[i], NewState(Completed, "")), "slot"))
	}
}

func TestAWorkersLimitCountsWhatAnEarlierOneOfItsNameLeft(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	deploy(t, s, func(w *Wish) { w.Name, w.Pool = "elsewhere", "p2" })
	for range 4 {
		create(t, s, "nightly", nil)
	}
	create(t, s, "elsewhere", nil)
	limited := func(r *Round) { r.Worker.ConcurrencyLimit = ptr(3) }
	claim(t, s, 2, limited)
	claim(t, s, 1, func(r *Round) { r.Worker.WorkPoolName = "p2" }) // of the same name, in another pool
	if got := len(claim(t, s, 4, limited).Claimed); got != 1 {
		t.Errorf("two run still, the limit is 3, and %d were claimed", got)
	}
	if got := len(claim(t, s, 4, func(r *Round) { limited(r); r.Worker.Name = "another" }).Claimed); got != 1 {
		t.Errorf("another worker claimed %d, want the last one", got)
	}
}

func TestEachLimitHoldsWithinOneClaim(t *testing.T) {
	ctx := context.Background()
	for what, limit := range map[string]string{
		"pool":       "UPDATE work_pool SET concurrency_limit = 2",
		"queue":      "UPDATE work_queue SET concurrency_limit = 2",
		"deployment": "UPDATE deployment SET concurrency_limit = 2",
		"worker":     "SELECT 1",
	} {
		s := open(t)
		insertRuns(t, s, deploy(t, s, nil), 5, Scheduled)
		change(t, s, limit)
		round := func(r *Round) {
			if what == "worker" {
				r.Worker.ConcurrencyLimit = ptr(2)
			}
		}
		claimed := claim(t, s, 5, round).Claimed
		if len(claimed) != 2 {
			t.Errorf("%s: with a limit of 2, %d were claimed at once", what, len(claimed))
		}
		if again := claim(t, s, 5, round).Claimed; len(again) != 0 {
			t.Errorf("%s: when full, %d were claimed", what, len(again))
		}
		_, err := s.Cancel(ctx, claimed[0].Run.ID, "enough", "test") // it runs still
		must(t, err)
		if again := claim(t, s, 5, round).Claimed; len(again) != 0 {
			t.Errorf("%s: beside one that is Cancelling, %d were claimed", what, len(again))
		}
		must(t, s.End(ctx, endOf(claimed[1], NewState(Completed, "")), "slot"))
		if again := claim(t, s, 5, round).Claimed; len(again) != 1 {
			t.Errorf("%s: one slot is free, and %d were claimed", what, len(again))
		}
	}
}
