package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	simulationSeed  = flag.Uint64("simulation", 0, "the seed of the simulated year; 0: a new one")
	simulationNotes = flag.Bool("simulation-notes", false, "say what happened to a deployment that lost a tick")
)

// world is a year of deployments, two workers and a clock that is stepped.
type world struct {
	t     *testing.T
	s     *Store
	rand  *rand.Rand
	now   time.Time     // as it is
	wrong time.Duration // what the clock adds to it
	right time.Time     // since when it adds nothing
	slug  int
	// What is known of each schedule, by deployment and slug.
	segments map[string][]segment
	runs     map[string]map[int64]map[ID]bool // ticks that became runs
	pauses   map[string][]pauseTime           // "": the pool's
	ends     []End
	running  []Claimed
	later    []promise
	notes    map[string][]string
	claims   int
}

// promise is something that happens at a time.
type promise struct {
	at time.Time
	do func()
}

// soon does something within some days.
func (w *world) soon(do func()) {
	w.later = append(w.later, promise{w.now.Add(time.Duration(w.rand.IntN(300)) * time.Hour), do})
}

// segment is what a schedule said, from an instant to another.
type segment struct {
	when     Schedule
	from, to int64 // after from, up to to
}

func key(deployment, slug string) string { return deployment + " " + slug }

// Each tick of a year becomes exactly one run, or lies in exactly one span of
// dropped ticks, whatever is deployed, paused, cancelled, deleted or killed,
// and wherever the clock is set.
func TestASimulatedYear(t *testing.T) {
	seed := *simulationSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay it: go test ./store -run TestASimulatedYear -args -simulation %d", seed)
	deployments, days := 1000, 365
	if raceEnabled || testing.Short() {
		deployments, days = 60, 365
	}
	w := &world{
		t: t, s: open(t), rand: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC),
		segments: map[string][]segment{}, runs: map[string]map[int64]map[ID]bool{}, pauses: map[string][]pauseTime{},
		notes: map[string][]string{},
	}
	w.s.Clock = func() time.Time { return w.now.Add(w.wrong) }
	w.register()
	for i := range deployments {
		w.redeploy(fmt.Sprint("d", i))
	}
	for end := w.now.AddDate(0, 0, days); w.now.Before(end); {
		w.hour(deployments)
	}
	w.calm(deployments)
	w.check()
	sound(t, w.s)
}

func (w *world) must(err error) {
	w.t.Helper()
	must(w.t, err)
}

func (w *world) register() {
	for _, name := range []string{"a", "b"} {
		if w.claims == 0 {
			_, _ = w.s.CreateWorkPool(context.Background(), WorkPool{Name: "p"})
		}
		_, err := w.s.RegisterWorker(context.Background(), Worker{ID: NewID(), Name: name, WorkPoolName: "p"})
		w.must(err)
	}
}

// hour lets an hour or more pass, and a few things happen.
func (w *world) hour(deployments int) {
	ctx := context.Background()
	w.now = w.now.Add(time.Duration(60+w.rand.IntN(120)) * time.Minute)
	w.later = slices.DeleteFunc(w.later, func(p promise) bool {
		if p.at.After(w.now) {
			return false
		}
		p.do()
		return true
	})
	for range w.rand.IntN(2 + deployments/400) {
		w.something("d" + fmt.Sprint(w.rand.IntN(deployments)))
	}
	switch w.rand.IntN(150) {
	case 0: // all of it is off
		w.now = w.now.Add(time.Duration(w.rand.IntN(60*60)) * time.Minute)
		w.register()
	case 1, 2:
		if w.wrong != 0 {
			w.wrong, w.right = 0, w.now
			break
		}
		if w.now.Sub(w.right) < 72*time.Hour {
			break // two steps of a day in one would be more than a day
		}
		w.wrong = []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour}[w.rand.IntN(4)]
	case 3:
		change(w.t, w.s, "UPDATE work_pool SET is_paused = 1, updated = ?", micros(w.s.Clock()))
		w.paused("", true)
		w.now = w.now.Add(time.Duration(w.rand.IntN(50)) * time.Hour)
		change(w.t, w.s, "UPDATE work_pool SET is_paused = 0, updated = ?", micros(w.s.Clock()))
		w.paused("", false)
	case 4: // prune
		for _, run := range w.all("CANCELLED") { // by CANCEL_NEW, say
			w.ran(run)
		}
		change(w.t, w.s, "DELETE FROM flow_run WHERE state_type IN ('COMPLETED', 'CANCELLED', 'CRASHED')")
	}
	w.work()
	said, err := w.s.Replan(ctx)
	w.must(err)
	if len(said) > 0 {
		w.t.Errorf("a clock that is a day wrong at most sets nothing back: %s", said)
	}
}

// work lets the workers claim, and ends what they ran.
func (w *world) work() {
	for more := true; more; {
		next, err := w.s.NextDue(context.Background(), Worker{WorkPoolName: "p"})
		w.must(err)
		if len(w.ends) == 0 && (next.IsZero() || next.After(w.s.Clock())) {
			return // as a worker does
		}
		w.claims++
		name := []string{"a", "b"}[w.rand.IntN(2)]
		result := claim(w.t, w.s, 1+w.rand.IntN(8), func(r *Round) {
			r.Worker.Name = name
			r.Ends, w.ends = w.ends, nil
		})
		for _, c := range result.Claimed {
			k, tick := key(*c.Run.Deployment, *c.Run.ScheduleSlug), *c.Run.ScheduledFor
			if w.runs[k][micros(tick)] == nil && w.inPause(k, tick) {
				w.t.Errorf("%s: the tick %s of a pause ran", k, tick)
			}
			w.ran(c.Run)
			if c.Run.ScheduledFor.After(w.s.Clock()) {
				w.t.Errorf("%s ran early", c.Run.ScheduledFor)
			}
			w.running = append(w.running, c)
		}
		w.running = slices.DeleteFunc(w.running, w.ended)
		more = result.More && len(result.Claimed) > 0
	}
}

// ended lets a run end, or go on, or its slot be killed before it began.
func (w *world) ended(c Claimed) bool {
	switch w.rand.IntN(12) {
	case 0:
		return false
	case 1:
		w.must(w.s.PutBack(context.Background(), byID(w.t, w.s, c.Run.ID), "its slot was gone", "test"))
	case 2:
		w.must(w.s.Settle(context.Background(), endOf(c, NewState(Crashed, "killed")), "test"))
	default:
		w.ends = append(w.ends, endOf(c, NewState(Completed, "")))
	}
	return true
}

func (w *world) ran(run Run) {
	k, tick := key(*run.Deployment, *run.ScheduleSlug), micros(*run.ScheduledFor)
	if w.runs[k] == nil {
		w.runs[k] = map[int64]map[ID]bool{}
	}
	if w.runs[k][tick] == nil {
		w.runs[k][tick] = map[ID]bool{}
	}
	w.runs[k][tick][run.ID] = true
}

// note keeps what happened to a deployment, for those who search a lost tick.
func (w *world) note(name, what string) {
	if !*simulationNotes {
		return
	}
	d, err := w.s.Deployment(context.Background(), name)
	if err != nil {
		return // before it is there
	}
	line := fmt.Sprintf("%s (wrong by %s) %s: %s paused %t %t", w.s.Clock().Format(time.DateTime), w.wrong, what, d.Catchup, d.Paused, d.OperatorPaused)
	for _, s := range d.Schedules {
		line += fmt.Sprintf("\n    %s %s: next %v, decided %s, paused %t", s.Slug, s.Description, s.Next, instant(s.decided).Format(time.DateTime), s.OperatorPaused)
	}
	w.notes[d.FullName] = append(w.notes[d.FullName], line)
}

// something happens to a deployment.
func (w *world) something(name string) {
	ctx := context.Background()
	w.note(name, "before")
	defer w.note(name, "after")
	d, err := w.s.Deployment(ctx, name)
	w.must(err)
	var one DeploymentSchedule
	if len(d.Schedules) > 0 {
		one = d.Schedules[w.rand.IntN(len(d.Schedules))]
	}
	switch n := w.rand.IntN(8); {
	case n == 0:
		_, err = w.s.PauseDeployment(ctx, name, true)
		w.soon(func() {
			w.note(name, "before resume")
			_, err := w.s.PauseDeployment(ctx, name, false)
			w.must(err)
			w.watch(name)
			w.note(name, "after resume")
		})
	case n == 1 && one.Slug != "":
		_, err = w.s.PauseSchedule(ctx, name, one.Slug, true)
		w.soon(func() {
			_, err := w.s.PauseSchedule(ctx, name, one.Slug, false)
			if e := (*Error)(nil); !errors.As(err, &e) || e.Code != NotFound { // it was removed meanwhile
				w.must(err)
			}
			w.watch(name)
		})
	case n == 2 && one.Next != nil:
		run := w.waiting(d, one)
		w.ran(run)
		_, err = w.s.Cancel(ctx, run.ID, "no", "test")
	case n == 3 && one.Next != nil:
		run := w.waiting(d, one)
		w.ran(run)
		change(w.t, w.s, "DELETE FROM flow_run WHERE id = ?", run.ID)
	case n == 4 && one.Slug != "":
		w.close(d, one, true)
		_, err = w.s.DeleteSchedule(ctx, name, one.Slug)
		w.cancelled(d, one.Slug)
	default:
		w.redeploy(name)
	}
	w.must(err)
	w.watch(name)
}

// watch notes which schedules of a deployment are paused.
func (w *world) watch(name string) {
	d, err := w.s.Deployment(context.Background(), name)
	w.must(err)
	for _, s := range d.Schedules {
		w.paused(key(d.FullName, s.Slug), !s.live(d))
	}
}

// paused notes the begin or the end of a pause.
func (w *world) paused(k string, is bool) {
	list, now := w.pauses[k], micros(w.s.Clock())
	lasts := len(list) > 0 && list[len(list)-1].last == math.MaxInt64
	switch {
	case is && !lasts:
		w.pauses[k] = append(list, pauseTime{now, math.MaxInt64})
	case !is && lasts:
		list[len(list)-1].last = now
	}
}

func (w *world) inPause(k string, tick time.Time) bool {
	return slices.ContainsFunc(slices.Concat(w.pauses[""], w.pauses[k]), func(p pauseTime) bool {
		return p.first <= micros(tick) && micros(tick) <= p.last
	})
}

func (w *world) waiting(d Deployment, s DeploymentSchedule) Run {
	run, err := scanRun(w.s.reader.QueryRowContext(context.Background(),
		selectRun+" WHERE r.deployment_id = ? AND r.schedule_slug = ? AND r.scheduled_for = ?", d.ID, s.Slug, micros(*s.Next)))
	w.must(err)
	return run
}

// cancelled remembers the runs that a removed schedule left behind.
func (w *world) cancelled(d Deployment, slug string) {
	list, err := collect(context.Background(), w.s.reader, scanRun,
		selectRun+" WHERE r.deployment_id = ? AND r.schedule_slug = ?", d.ID, slug)
	w.must(err)
	for _, run := range list {
		if run.State.Type != Scheduled {
			w.ran(run)
		}
	}
}

// close ends what a schedule said; what it says from here on is another segment.
func (w *world) close(d Deployment, s DeploymentSchedule, gone bool) {
	k := key(d.FullName, s.Slug)
	list := w.segments[k]
	to := micros(w.s.Clock())
	if gone {
		to = max(to, number(w.t, w.s, "SELECT decided FROM schedule WHERE id = ?", s.ID))
	}
	list[len(list)-1].to = to
}

// redeploy gives a deployment other schedules, or other settings.
func (w *world) redeploy(name string) {
	ctx := context.Background()
	w.note(name, "before redeploy")
	old, err := w.s.Deployment(ctx, name)
	if err != nil {
		old = Deployment{}
	}
	specs := []ScheduleSpec{}
	for _, s := range old.Schedules {
		switch w.rand.IntN(6) {
		case 0: // it goes
			w.close(old, s, true)
		case 1, 2: // it says something else
			specs = append(specs, w.spec(s.Slug))
		default:
			specs = append(specs, ScheduleSpec{Slug: s.Slug, Parameters: s.Parameters})
			specs[len(specs)-1].same(s)
		}
	}
	if len(specs) == 0 || w.rand.IntN(8) == 0 {
		w.slug++
		specs = append(specs, w.spec(fmt.Sprint("s", w.slug)))
	}
	d := deploy(w.t, w.s, func(wish *Wish) {
		wish.Name, wish.Schedules = name, &specs
		wish.Catchup = ptr(Catchups[w.rand.IntN(3)])
		wish.MaxLate = ptr(time.Duration(w.rand.IntN(3)) * 5 * time.Hour)
		wish.Jitter = ptr(time.Duration(w.rand.IntN(2)) * time.Hour)
		wish.Paused = ptr(w.rand.IntN(30) == 0)
		if w.rand.IntN(3) == 0 {
			wish.ConcurrencyLimit, wish.CollisionStrategy = ptr(1), ptr([]string{Enqueue, CancelNew}[w.rand.IntN(2)])
		}
	})
	if d.Paused {
		w.soon(func() { w.redeploy(name) })
	}
	for _, s := range old.Schedules {
		w.cancelled(old, s.Slug)
	}
	for _, s := range d.Schedules {
		w.begin(d, s)
	}
	w.watch(name)
}

// begin opens a segment where a schedule says something that it did not.
func (w *world) begin(d Deployment, s DeploymentSchedule) {
	k := key(d.FullName, s.Slug)
	list := w.segments[k]
	if n := len(list); n > 0 && list[n-1].when.Definition == s.when.Definition && list[n-1].when.Timezone == s.when.Timezone {
		return
	}
	decided := number(w.t, w.s, "SELECT decided FROM schedule WHERE id = ?", s.ID)
	if decided < micros(w.s.Clock()) {
		w.t.Fatalf("%s: decided up to %s only, at %s", k, instant(decided), w.s.Clock())
	}
	if n := len(list); n > 0 {
		list[n-1].to = decided
	}
	w.segments[k] = append(list, segment{when: s.when, from: decided, to: -1})
}

// same makes a spec of what a schedule says already.
func (s *ScheduleSpec) same(is DeploymentSchedule) {
	d := is.when.definition()
	s.Cron, s.RRule, s.Timezone, s.AnchorDate, s.DayOr = d.Cron, d.RRule, is.Timezone, d.Anchor, d.DayOr
	if d.Interval != "" {
		s.Interval, _ = ParseInterval(d.Interval.String())
	}
}

func (w *world) spec(slug string) ScheduleSpec {
	zone := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"}[w.rand.IntN(5)]
	spec := ScheduleSpec{Slug: slug, Timezone: zone}
	minute, hour := w.rand.IntN(60), w.rand.IntN(24)
	switch w.rand.IntN(5) {
	case 0:
		spec.Interval = time.Duration(300+w.rand.IntN(1700)) * time.Hour
	case 1:
		spec.Cron = fmt.Sprintf("%d %d 1-7 * %d", minute, hour, w.rand.IntN(7))
		spec.DayOr = ptr(false)
	case 2:
		spec.Cron = fmt.Sprintf("%d %d %d */2 *", minute, hour, 1+w.rand.IntN(31))
	case 3:
		spec.Cron = fmt.Sprintf("%d */12 15 * *", minute)
	default:
		spec.RRule = fmt.Sprintf("FREQ=WEEKLY;INTERVAL=9;BYDAY=MO,TH;BYHOUR=%d;BYMINUTE=%d;BYSECOND=0", hour, minute)
	}
	return spec
}

// calm sets the clock right, resumes all, and works off what is left.
func (w *world) calm(deployments int) {
	ctx := context.Background()
	w.wrong = 0
	w.now = w.now.Add(30 * time.Hour)
	change(w.t, w.s, "UPDATE work_pool SET is_paused = 0, updated = ?", micros(w.s.Clock()))
	for i := range deployments {
		d, err := w.s.PauseDeployment(ctx, fmt.Sprint("d", i), false)
		w.must(err)
		for _, s := range d.Schedules {
			if s.OperatorPaused {
				_, err = w.s.PauseSchedule(ctx, d.FullName, s.Slug, false)
				w.must(err)
			}
		}
		w.watch(d.FullName)
	}
	for range 50 {
		w.now = w.now.Add(time.Minute)
		w.work()
	}
}

func (w *world) check() {
	for _, state := range StateTypes {
		for _, run := range w.all(state) {
			w.ran(run)
		}
	}
	spans, err := w.s.Dropped(context.Background(), DroppedFilter{})
	w.must(err)
	dropped := map[string][]Dropped{}
	for _, d := range spans {
		k := key(d.Deployment, d.ScheduleSlug)
		dropped[k] = append(dropped[k], d)
	}
	ticks, ran, counted, reasons := 0, 0, 0, map[string]int{}
	for k, list := range w.segments {
		for _, seg := range list {
			n, r := w.checkSegment(k, seg, dropped[k])
			ticks, ran = ticks+n, ran+r
		}
	}
	for _, d := range spans {
		counted += d.Count
		reasons[d.Reason] += d.Count
	}
	if counted != ticks-ran {
		w.t.Errorf("of %d ticks %d ran, and the spans count %d", ticks, ran, counted)
	}
	w.t.Logf("%d ticks: %d runs, %d dropped in %d spans: %v; %d claims", ticks, ran, counted, len(spans), reasons, w.claims)
	if ran == 0 || len(reasons) < 3 {
		w.t.Errorf("too little happened: %v", reasons)
	}
}

func (w *world) all(state StateType) []Run {
	list, err := collect(context.Background(), w.s.reader, scanRun, selectRun+" WHERE r.state_type = ?", state)
	w.must(err)
	return list
}

// checkSegment counts the ticks of a segment, and those that became runs.
func (w *world) checkSegment(k string, seg segment, spans []Dropped) (ticks, ran int) {
	if seg.to == -1 {
		seg.to = micros(w.s.Clock())
	}
	for at := instant(seg.from); ; {
		tick, more := seg.when.Next(at)
		if !more || micros(tick) > seg.to {
			return ticks, ran
		}
		at = tick
		ticks++
		runs, in := len(w.runs[k][micros(tick)]), 0
		for _, s := range spans {
			if !tick.Before(s.First) && !tick.After(s.Last) {
				in++
				if s.Reason == DroppedPaused && !w.inPause(k, tick) {
					w.t.Errorf("%s: the tick %s was dropped as paused, and was not", k, tick)
				}
			}
		}
		if runs+in != 1 {
			w.t.Errorf("%s: the tick %s of %s has %d runs and lies in %d spans\n%s",
				k, tick, seg.when.Describe(), runs, in, strings.Join(w.notes[strings.Fields(k)[0]], "\n"))
		}
		if runs > 0 {
			ran++
		}
	}
}
