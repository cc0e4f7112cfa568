package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOnlyTheNextTickIsARow(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, d := everyHour(t, s, func(w *Wish) {
		w.Schedules = &[]ScheduleSpec{{Cron: "0 * * * *", Slug: "h", Parameters: Values{"top": raw("9")}}}
		w.Parameters, w.Tags = Values{"top": raw("5")}, ptr([]string{"a"})
	})
	runs, err := s.Runs(ctx, RunFilter{})
	must(t, err)
	if len(runs) != 1 {
		t.Fatalf("%d rows", len(runs))
	}
	run := runs[0]
	if run.CreatedBy != BySchedule || *run.ScheduleSlug != "h" || run.ScheduledFor.Format("15:04") != "01:00" ||
		!run.ExpectedStartTime.Equal(*run.ScheduledFor) || string(run.Parameters["top"]) != "9" || !slices.Equal(run.Tags, []string{"a"}) {
		t.Errorf("the tick is %+v", run)
	}
	if next := d.Schedules[0].Next; next == nil || !next.Equal(*run.ScheduledFor) {
		t.Errorf("the schedule's next is %v", next)
	}
	*now = run.ScheduledFor.Add(-time.Microsecond)
	if result := claim(t, s, 1, nil); len(result.Claimed) != 0 || !result.Next.Equal(*run.ScheduledFor) {
		t.Errorf("early: %+v", result)
	}
	*now = *run.ScheduledFor
	c := claimOne(t, s)
	if c.PreviousTick.Format("15:04") != "00:00" || c.NextTick.Format("15:04") != "02:00" {
		t.Errorf("around it: %v, %v", c.PreviousTick, c.NextTick)
	}
	if runs, err = s.Runs(ctx, RunFilter{States: []string{"scheduled"}}); err != nil || len(runs) != 1 || runs[0].ScheduledFor.Format("15:04") != "02:00" {
		t.Errorf("then waits %v, %v", runs, err)
	}
}

// Whatever is deleted or pruned, and though the clock is set back an hour, no
// tick comes again.
func TestADeletedTickNeverFiresAgain(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, _ := everyHour(t, s, nil)
	*now = now.Add(31 * time.Minute)
	must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Completed, "")), "slot"))
	change(t, s, "DELETE FROM flow_run WHERE state_type = 'COMPLETED'")
	change(t, s, "DELETE FROM flow_run WHERE state_type = 'SCHEDULED'") // the tick of 02:00
	_, err := s.Replan(ctx)
	must(t, err)
	*now = now.Add(-time.Hour)
	for range 3 {
		apply(t, s, func(w *Wish) { w.Tags = ptr([]string{now.String()}) })
		_, err := s.PauseDeployment(ctx, "nightly", true)
		must(t, err)
		_, err = s.PauseDeployment(ctx, "nightly", false)
		must(t, err)
		*now = now.Add(55 * time.Minute)
		wantTicks(t, s, now.Format("15:04"), "", "")
	}
	*now = now.Add(15 * time.Minute)
	wantTicks(t, s, now.Format("15:04"), "03:00", "")
}

func TestACancelledTickIsFollowedByTheNext(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, d := everyHour(t, s, nil)
	runs, err := s.Runs(ctx, RunFilter{})
	must(t, err)
	_, err = s.Cancel(ctx, runs[0].ID, "no", "operator")
	must(t, err)
	*now = now.Add(2 * time.Hour)
	wantTicks(t, s, "cancelled", "02:00", "")
	if said, err := s.Replan(ctx); err != nil || len(said) > 0 {
		t.Errorf("replan: %v, %v", said, err)
	}
	_, _, err = s.DeleteDeployment(ctx, d.FullName)
	must(t, err)
	if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'SCHEDULED'"); n != 0 {
		t.Error("a tick of a deleted deployment waits")
	}
}

// A schedule that is changed moves its tick and leaves no second one; what was
// due before the change stays.
func TestAChangedScheduleMovesItsTick(t *testing.T) {
	s := open(t)
	now, _ := everyHour(t, s, nil)
	waiting := func() (list []string) {
		runs, err := s.Runs(context.Background(), RunFilter{States: []string{"scheduled", "late"}})
		must(t, err)
		for _, r := range runs {
			list = append(list, *r.ScheduleSlug+" "+r.ScheduledFor.Format("15:04"))
		}
		return list
	}
	expect := func(want ...string) {
		t.Helper()
		if got := waiting(); !slices.Equal(got, want) {
			t.Errorf("at %s wait %v, want %v", now.Format("15:04"), got, want)
		}
	}
	expect("h 01:00")
	apply(t, s, scheduled(ScheduleSpec{Cron: "20 * * * *", Slug: "h"}))
	expect("h 01:20")
	apply(t, s, scheduled(ScheduleSpec{Cron: "20 * * * *", Slug: "new", Replaces: "h"}))
	expect("new 01:20")
	*now = now.Add(2 * time.Hour) // 01:20 and 02:20 are due
	apply(t, s, scheduled(ScheduleSpec{Cron: "40 * * * *", Slug: "new"}))
	expect("new 02:20")
	*now = now.Add(time.Minute)
	wantTicks(t, s, "what was due", "02:20", "01:20-01:20 1 late")
	expect("new 02:40")
	apply(t, s, scheduled(ScheduleSpec{Cron: "40 * * * *", Slug: "new", Active: ptr(false)}))
	expect()
	apply(t, s, scheduled(ScheduleSpec{Cron: "40 * * * *", Slug: "new", Active: ptr(true)}))
	expect("new 02:40")
	*now = now.Add(15 * time.Minute)
	apply(t, s, scheduled())
	expect()
	if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'CANCELLED' AND state_message = 'its schedule was removed'"); n != 1 {
		t.Error("the tick that was due when its schedule went is not a cancelled run")
	}
}

func TestATicksRunSaysWhatItsDeploymentSays(t *testing.T) {
	ctx, s := context.Background(), open(t)
	everyHour(t, s, nil)
	apply(t, s, func(w *Wish) { w.Parameters, w.Queue, w.Jitter = Values{"top": raw("7")}, "fast", ptr(20*time.Minute) })
	runs, err := s.Runs(ctx, RunFilter{})
	must(t, err)
	d, err := s.Deployment(ctx, "nightly")
	must(t, err)
	jitter := d.Schedules[0].Schedule().Jitter(d.ID, *runs[0].ScheduledFor, 20*time.Minute)
	if len(runs) != 1 || string(runs[0].Parameters["top"]) != "7" || runs[0].WorkQueueName != "fast" ||
		jitter == 0 || !runs[0].ExpectedStartTime.Equal(runs[0].ScheduledFor.Add(jitter)) {
		t.Errorf("the tick is %+v", runs)
	}
}

func TestADecisionOfAWrongClockIsSetBackAndSaid(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, _ := everyHour(t, s, nil)
	right := *now
	*now = now.AddDate(1, 0, 0)
	clockTimes(t, s)
	*now = right.Add(23 * time.Hour)
	said, err := s.Replan(ctx)
	must(t, err)
	if len(said) != 1 || !strings.Contains(said[0], "schedule h of hello/nightly had been decided up to 2027-03-01T00:00:00Z") {
		t.Fatalf("said %q", said)
	}
	*now = now.Add(31 * time.Minute)
	if got := clockTimes(t, s); !slices.Equal(got, []string{"00:00"}) {
		t.Errorf("started %v", got)
	}
	// Within a day it is left: nothing comes twice.
	*now = now.Add(23 * time.Hour)
	clockTimes(t, s)
	*now = now.Add(-23 * time.Hour)
	if said, err = s.Replan(ctx); err != nil || len(said) != 0 {
		t.Errorf("said %q, %v", said, err)
	}
	*now = now.Add(22 * time.Hour)
	if got := clockTimes(t, s); len(got) != 0 {
		t.Errorf("came again: %v", got)
	}
}

func TestSchedulesAreMadePausedAndDeleted(t *testing.T) {
	ctx, s := context.Background(), open(t)
	everyHour(t, s, nil)
	made, warnings, err := s.CreateSchedule(ctx, "nightly", ScheduleSpec{Cron: "0 5 31 * *"})
	must(t, err)
	if made.Slug != "cron-0-5-31" || made.Next == nil || len(warnings) != 1 {
		t.Errorf("made %+v, %q", made, warnings)
	}
	_, _, err = s.CreateSchedule(ctx, "nightly", ScheduleSpec{Cron: "0 5 * * *", Slug: "h"})
	wantError(t, err, Conflict, `hello/nightly has a schedule "h" already`)
	_, _, err = s.CreateSchedule(ctx, "nightly", ScheduleSpec{Cron: "0 5 * * *", Parameters: Values{"to": raw("1")}})
	wantError(t, err, Invalid, `no parameter "to"`)
	second, warnings, err := s.CreateSchedule(ctx, "nightly", ScheduleSpec{Cron: "0 5 31 * *"})
	must(t, err)
	if second.Slug != "cron-0-5-31-2" || !slices.Contains(warnings, "schedules cron-0-5-31 and cron-0-5-31-2 are the same: each tick makes two runs") {
		t.Errorf("an equal one is %s, %q", second.Slug, warnings)
	}
	paused, err := s.PauseSchedule(ctx, "nightly", "h", true)
	must(t, err)
	if !paused.OperatorPaused || paused.Next != nil {
		t.Errorf("paused %+v", paused)
	}
	if c := apply(t, s, func(w *Wish) { w.Tags = ptr([]string{"x"}) }); !slices.Equal(c.Kept, []string{"schedule h paused by an operator"}) {
		t.Errorf("kept %q", c.Kept)
	}
	resumed, err := s.PauseSchedule(ctx, "nightly", "h", false)
	must(t, err)
	if resumed.OperatorPaused || resumed.Next == nil {
		t.Errorf("resumed %+v", resumed)
	}
	_, err = s.DeleteSchedule(ctx, "nightly", "g")
	wantError(t, err, NotFound, `schedule "g" of hello/nightly`)
	_, err = s.DeleteSchedule(ctx, "nightly", "h")
	must(t, err)
	if list, err := s.Schedules(ctx, "nightly"); err != nil || len(list) != 2 {
		t.Errorf("left %v, %v", list, err)
	}
}

func TestEqualSchedulesAreWarnedOf(t *testing.T) {
	cron := ScheduleSpec{Cron: "0 5 * * *"}
	other, off := cron, cron
	other.Parameters, off.Active = Values{"top": raw("9")}, ptr(false)
	for want, specs := range map[int][]ScheduleSpec{0: {cron, other, off}, 1: {cron, other, cron}} {
		if c := apply(t, open(t), scheduled(specs...)); len(c.Warnings) != want {
			t.Errorf("%d warnings are %q", want, c.Warnings)
		}
	}
}

func TestABackfillMakesEachTickOnce(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, _ := everyHour(t, s, nil)
	*now = now.Add(31 * time.Minute)
	clockTimes(t, s) // 01:00
	*now = now.Add(3*time.Hour + 5*time.Minute)
	window := Backfill{Deployment: "nightly", From: now.Add(-4*time.Hour - 6*time.Minute), To: now.Add(24 * time.Hour), CreatedBy: "test"}
	const first = "[00:00 new 01:00 exists 02:00 new late 03:00 new late 04:00 waiting]"
	const again = "[00:00 waiting 01:00 exists 02:00 waiting late 03:00 waiting late 04:00 waiting]"
	for i, want := range []string{first, first, again} {
		window.DryRun = i == 0
		ticks, err := s.Backfill(ctx, window)
		must(t, err)
		var got []string
		for _, tick := range ticks {
			got = append(got, strings.TrimSpace(tick.At.Format("15:04")+" "+tick.Action+" "+tick.Dropped))
		}
		if text := fmt.Sprint(got); text != want {
			t.Errorf("%d: %s, want %s", i, text, want)
		}
	}
	if n := number(t, s, "SELECT count(*) FROM flow_run WHERE created_by = 'test' AND due <= ?", micros(*now)); n != 3 {
		t.Errorf("%d runs were made, want 3", n)
	}
	started := clockTimes(t, s)
	slices.Sort(started)
	if fmt.Sprint(started) != "[00:00 02:00 03:00 04:00]" {
		t.Errorf("started %v", started)
	}
	sound(t, s)
	for what, b := range map[string]Backfill{
		"it ends before it begins":  {Deployment: "nightly", From: *now, To: now.Add(-time.Hour)},
		`no schedule "x"`:           {Deployment: "nightly", Slug: "x", From: now.Add(-time.Hour), To: *now},
		"a concurrency limit of -1": {Deployment: "nightly", LimitConcurrent: -1, From: now.Add(-time.Hour), To: *now},
		"more than 10000 ticks":     {Deployment: "nightly", From: now.AddDate(-9, 0, 0), To: *now},
	} {
		if _, err := s.Backfill(ctx, b); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v, want %q", err, what)
		}
	}
}

// What a schedule ran is known without the run; what a definition never had to
// run is not taken for it.
func TestABackfillMakesNoSecondRunOfADeletedOne(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, _ := everyHour(t, s, nil)
	*now = now.Add(31 * time.Minute)
	clockTimes(t, s)              // 01:00
	*now = now.Add(2 * time.Hour) // 02:00 is dropped, 03:00 runs
	clockTimes(t, s)
	change(t, s, "DELETE FROM flow_run WHERE state_type = 'COMPLETED'")
	expect := func(want string) {
		t.Helper()
		var got []string
		ticks, err := s.Backfill(ctx, Backfill{Deployment: "nightly", From: now.Add(-4 * time.Hour), To: *now, DryRun: true})
		must(t, err)
		for _, tick := range ticks {
			got = append(got, tick.At.Format("15:04")+" "+tick.Action)
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s, want %s", text, want)
		}
	}
	expect("00:00 new, 01:00 deleted, 02:00 new, 03:00 deleted")
	apply(t, s, scheduled(ScheduleSpec{Cron: "20 0-2 * * *", Slug: "h"}))
	expect("00:20 new, 01:20 new, 02:20 new")
}

func TestABackfillWithALimitRunsSoManyAtOnce(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, _ := everyHour(t, s, nil)
	_, err := s.Backfill(ctx, Backfill{Deployment: "nightly", From: now.Add(-10 * time.Hour), To: *now, LimitConcurrent: 2})
	must(t, err)
	if n := len(claim(t, s, 8, nil).Claimed); n != 2 {
		t.Errorf("%d run at once", n)
	}
}

func BenchmarkNextTick(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkNextTick(b, n) })
	}
}

// BenchmarkIdleLook is what a worker does once a second while nothing is due.
func BenchmarkIdleLook(b *testing.B) {
	ctx := context.Background()
	s, _ := manySchedules(b, 10_000)
	for b.Loop() {
		if _, err := s.NextDue(ctx, Worker{WorkPoolName: "p"}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Replan(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkNextTick claims one tick a round of one of n schedules.
func benchmarkNextTick(b *testing.B, n int) {
	ctx := context.Background()
	s, now := manySchedules(b, n)
	var ends []End
	b.ResetTimer()
	for b.Loop() {
		round := Round{Worker: Worker{Name: "w", WorkPoolName: "p"}, Owners: owners(1), Ends: ends}
		next, err := s.NextDue(ctx, round.Worker)
		if err != nil {
			b.Fatal(err)
		}
		if next.After(*now) {
			*now = next
		}
		result, err := s.Claim(ctx, round)
		if err != nil || len(result.Claimed) != 1 {
			b.Fatal(err, len(result.Claimed))
		}
		ends = []End{endOf(result.Claimed[0], NewState(Completed, ""))}
	}
}

// manySchedules is a store with n active schedules, and its clock.
func manySchedules(b *testing.B, n int) (*Store, *time.Time) {
	b.Helper()
	ctx := context.Background()
	s := New(b.TempDir() + "/runnel.db")
	if err := s.Open(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	s.Clock = func() time.Time { return now }
	var wishes []Wish
	for i := range n {
		w := wish(scheduled(ScheduleSpec{Cron: fmt.Sprintf("%d %d * * *", i%60, i/60%24)}))
		w.Name = fmt.Sprint("d", i)
		wishes = append(wishes, w)
	}
	if _, err := s.Deploy(ctx, wishes, DeployOptions{CreatePools: true}); err != nil {
		b.Fatal(err)
	}
	if _, err := s.writer.ExecContext(ctx, "PRAGMA synchronous = OFF"); err != nil {
		b.Fatal(err)
	}
	return s, &now
}
