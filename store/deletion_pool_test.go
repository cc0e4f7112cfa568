package store

import (
	"context"
	"testing"
	"time"
)

// A pool with deployments that have schedules is deleted: their waiting ticks
// are cancelled and none comes after them, until they are deployed to another
// pool: then those between are caught up, and none comes twice.
func TestDeletingAPoolStopsTheSchedulesOfItsDeployments(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now := freeze(s)
	every := []ScheduleSpec{{Slug: "s", Interval: time.Hour}}
	deploy(t, s, func(w *Wish) { w.Schedules, w.Catchup = &every, ptr(CatchupAll) })
	waiting := func() int64 {
		return number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'SCHEDULED'")
	}
	if n := waiting(); n != 1 {
		t.Fatalf("%d ticks wait", n)
	}
	touched, err := s.DeleteWorkPool(ctx, "p", "test")
	must(t, err)
	if touched.Waiting != 1 || len(touched.Deployments) != 1 {
		t.Errorf("it touched %+v", touched)
	}
	if n := waiting(); n != 0 {
		t.Errorf("without a pool %d ticks wait", n)
	}
	*now = now.Add(5 * time.Hour)
	_, err = s.Replan(ctx)
	must(t, err)
	if n := waiting(); n != 0 {
		t.Errorf("a look made %d ticks that nobody can take", n)
	}
	sound(t, s)
	_, err = s.CreateWorkPool(ctx, WorkPool{Name: "p"})
	must(t, err)
	deploy(t, s, func(w *Wish) { w.Schedules, w.Catchup = &every, ptr(CatchupAll) })
	var ticks []time.Time
	for range 10 {
		for _, c := range claim(t, s, 1, nil).Claimed {
			ticks = append(ticks, *c.Run.ScheduledFor)
		}
	}
	first := now.Truncate(time.Hour).Add(-3 * time.Hour) // the one before was cancelled
	for i, tick := range ticks {
		if want := first.Add(time.Duration(i) * time.Hour); !tick.Equal(want) {
			t.Errorf("run %d is of the tick %s, want %s", i, tick, want)
		}
	}
	if len(ticks) != 4 || waiting() != 1 {
		t.Errorf("deployed again, %d ticks ran and %d wait", len(ticks), waiting())
	}
	sound(t, s)
}
