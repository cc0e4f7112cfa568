package store

import (
	"context"
	"testing"
	"time"
)

func TestLoadsCountWhatRunsAndWaits(t *testing.T) {
	s, ctx := open(t), context.Background()
	deploy(t, s, func(w *Wish) { w.Name = "a" })
	deploy(t, s, func(w *Wish) { w.Name, w.Queue = "b", "slow" })
	create(t, s, "a", nil)
	claimOne(t, s)
	create(t, s, "a", nil)
	create(t, s, "b", nil)
	later := s.Clock().Add(time.Hour).Truncate(time.Microsecond)
	create(t, s, "b", func(n *NewRun) { n.At = later })
	pools, err := s.PoolLoads(ctx)
	must(t, err)
	if p := pools[0]; len(pools) != 1 || p.Running != 1 || p.Waiting != 2 || p.Next == nil || !p.Next.Equal(later) {
		t.Errorf("%+v", pools)
	}
	queue, err := s.WorkQueue(ctx, pools[0].Name, "slow")
	must(t, err)
	if l, err := s.QueueLoad(ctx, queue); err != nil || l.Running != 0 || l.Waiting != 1 || !l.Next.Equal(later) {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestRecentRunsAreTheLastThatBegan(t *testing.T) {
	s, ctx := open(t), context.Background()
	d := deploy(t, s, nil)
	var want []ID
	for range 4 {
		create(t, s, "nightly", nil)
		c := claimOne(t, s)
		must(t, s.End(ctx, endOf(c, NewState(Completed, "")), "slot"))
		want = append(want, c.Run.ID)
	}
	create(t, s, "nightly", nil) // has not begun
	recent, err := s.RecentRuns(ctx, 3)
	must(t, err)
	got := recent[d.ID]
	if len(got) != 3 || got[0].ID != want[1] || got[2].ID != want[3] || got[2].State != "Completed" {
		t.Errorf("%+v, want the last three of %v", got, want)
	}
}

// TestFailuresAreByTheirEnd: a run is made long before it fails where it waits,
// and a tick's always is.
func TestFailuresAreByTheirEnd(t *testing.T) {
	s, ctx := open(t), context.Background()
	deploy(t, s, nil)
	start := s.Clock()
	now := start
	s.Clock = func() time.Time { return now }
	for _, hours := range []int{0, 30, 2} {
		now = now.Add(time.Duration(hours) * time.Hour)
		create(t, s, "nightly", nil)
		must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Failed, "no")), "slot"))
	}
	create(t, s, "nightly", nil)
	waited := claimOne(t, s)
	now = now.Add(time.Hour)
	must(t, s.End(ctx, endOf(waited, NewState(Crashed, "x")), "slot"))
	runs, all, err := s.Failures(ctx, now.Add(-24*time.Hour), 2)
	must(t, err)
	if all != 3 || len(runs) != 2 || runs[0].ID != waited.Run.ID || !runs[1].EndTime.Before(*runs[0].EndTime) {
		t.Errorf("%d in all, %+v", all, runs)
	}
	if none, all, err := s.Failures(ctx, now.Add(time.Hour), 2); err != nil || all != 0 || none == nil {
		t.Error(none, all, err)
	}
}

func TestSleepsAreToldOnce(t *testing.T) {
	s, ctx := open(t), context.Background()
	deploy(t, s, nil)
	deploy(t, s, func(w *Wish) { w.Name, w.Queue = "b", "slow" })
	w := register(t, s, "w", nil)
	to := s.Clock().Truncate(time.Microsecond).UTC()
	from := to.Add(-3 * time.Hour)
	must(t, s.Slept(ctx, w.ID, from, to)) // of both queues
	sleeps, err := s.Sleeps(ctx, from)
	must(t, err)
	if len(sleeps) != 1 || sleeps[0] != (Sleep{from, to}) {
		t.Errorf("%+v", sleeps)
	}
	if sleeps, err = s.Sleeps(ctx, to.Add(time.Second)); err != nil || len(sleeps) != 0 {
		t.Error(sleeps, err)
	}
}

func TestAnUpdateKeepsWhatItDoesNotName(t *testing.T) {
	s, ctx := open(t), context.Background()
	before := deploy(t, s, func(w *Wish) {
		w.ParameterSchema = raw(`{"type":"object","properties":{"top":{"type":"integer"},"who":{"type":"string"}}}`)
		w.Parameters = Values{"top": raw("3"), "who": raw(`"you"`)}
		w.Shown = map[string]string{"parameters.who": "{{ $WHO }}", "parameters.top": "{{ $TOP }}"}
		w.Schedules = &[]ScheduleSpec{{Cron: "0 6 * * *", Slug: "six", Timezone: "Europe/Berlin"}}
		w.Retries = 2
	})
	change, err := s.UpdateDeployment(ctx, "nightly", DeploymentChange{Parameters: Values{"top": raw("5")}})
	must(t, err)
	if fieldNames(change) != "parameters" {
		t.Error(fieldNames(change))
	}
	after, err := s.Deployment(ctx, "nightly")
	must(t, err)
	shown := after.Masked().Parameters
	if string(shown["top"]) != "5" || string(shown["who"]) != `"{{ $WHO }}"` || string(after.Parameters["who"]) != `"you"` {
		t.Errorf("%s", shown.text())
	}
	if after.Version != before.Version || after.Retries != 2 || len(after.Schedules) != 1 || after.Schedules[0].Next == nil {
		t.Errorf("%+v", after)
	}
	_, err = s.UpdateDeployment(ctx, "nightly", DeploymentChange{Parameters: Values{"top": raw(`"x"`)}})
	wantError(t, err, Invalid, "top")
}

// TestAnUpdatedScheduleFiresNoTickTwice: what was decided stays so, whatever
// the rule is changed to.
func TestAnUpdatedScheduleFiresNoTickTwice(t *testing.T) {
	s, ctx := open(t), context.Background()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.Clock = func() time.Time { return now }
	deploy(t, s, func(w *Wish) { w.Schedules = &[]ScheduleSpec{{Interval: time.Hour, Slug: "h"}} })
	now = now.Add(time.Hour)
	tick := claimOne(t, s)
	_, _, err := s.UpdateSchedule(ctx, "nightly", "h", ScheduleSpec{Cron: "*/30 * * * *"})
	must(t, err)
	changed, _, err := s.UpdateSchedule(ctx, "nightly", "h", ScheduleSpec{Timezone: "Europe/Berlin", Parameters: Values{}})
	must(t, err)
	if !changed.Next.After(*tick.Run.ScheduledFor) || changed.Timezone != "Europe/Berlin" || changed.Kind != "cron" {
		t.Errorf("%+v after %s", changed, tick.Run.ScheduledFor)
	}
	if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'SCHEDULED'"); n != 1 {
		t.Errorf("%d ticks wait", n)
	}
	_, _, err = s.UpdateSchedule(ctx, "nightly", "h", ScheduleSpec{Timezone: "Nope/X"})
	wantError(t, err, Invalid, "Nope/X")
}
