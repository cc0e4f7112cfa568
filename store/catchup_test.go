package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyHour deploys an hourly schedule, at half past midnight.
func everyHour(t *testing.T, s *Store, with func(*Wish)) (*time.Time, Deployment) {
	t.Helper()
	now := time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC)
	s.Clock = func() time.Time { return now }
	d := deploy(t, s, func(w *Wish) {
		w.Schedules = &[]ScheduleSpec{{Cron: "0 * * * *", Slug: "h"}}
		if with != nil {
			with(w)
		}
	})
	beginWorker(t, s)
	return &now, d
}

func beginWorker(t *testing.T, s *Store) Worker {
	t.Helper()
	w, err := s.RegisterWorker(context.Background(), Worker{ID: NewID(), Name: "w", WorkPoolName: "p"})
	must(t, err)
	return w
}

// clockTimes lists the ticks that claims start until nothing is left, all
// ending at once.
func clockTimes(t *testing.T, s *Store) (started []string) {
	t.Helper()
	for more := true; more; {
		result := claim(t, s, 1, nil)
		for _, c := range result.Claimed {
			started = append(started, c.Run.ScheduledFor.Format("15:04"))
			must(t, s.End(context.Background(), endOf(c, NewState(Completed, "")), "slot"))
		}
		more = len(result.Claimed) > 0
	}
	return started
}

// droppedTicks lists the spans, oldest first.
func droppedTicks(t *testing.T, s *Store) (list []string) {
	t.Helper()
	spans, err := s.Dropped(context.Background(), DroppedFilter{})
	must(t, err)
	slices.Reverse(spans)
	for _, d := range spans {
		list = append(list, fmt.Sprintf("%s-%s %d %s", d.First.Format("15:04"), d.Last.Format("15:04"), d.Count, d.Reason))
	}
	return list
}

func wantTicks(t *testing.T, s *Store, what, started, dropped string) {
	t.Helper()
	if got := strings.Join(clockTimes(t, s), " "); got != started {
		t.Errorf("%s: started %q, want %q", what, got, started)
	}
	if got := strings.Join(droppedTicks(t, s), ", "); got != dropped {
		t.Errorf("%s: dropped %q, want %q", what, got, dropped)
	}
}

// Workers are gone from 00:30 to 05:40: 01:00 to 05:00 fell due.
func TestCatchupAfterANight(t *testing.T) {
	hour := time.Hour
	for _, c := range []struct {
		catchup          string
		maxLate          time.Duration
		at               string
		started, dropped string
	}{
		{CatchupLatest, 0, "05:40", "05:00", "01:00-04:00 4 host off"},
		{CatchupAll, 0, "05:40", "01:00 02:00 03:00 04:00 05:00", ""},
		{CatchupNone, 0, "05:40", "", "01:00-05:00 5 host off"},
		// Not missed, only late: no successor was due.
		{CatchupLatest, 0, "01:50", "01:00", ""},
		{CatchupNone, 0, "01:50", "01:00", ""},
		// In its time: a worker that is there takes it as fast.
		{CatchupNone, 0, "05:00", "05:00", "01:00-04:00 4 host off"},
		{CatchupLatest, hour / 2, "05:40", "", "01:00-05:00 5 host off"},
		{CatchupLatest, hour, "05:40", "05:00", "01:00-04:00 4 host off"},
		{CatchupAll, 2 * hour, "05:40", "04:00 05:00", "01:00-03:00 3 host off"},
		{CatchupNone, hour / 2, "01:50", "", "01:00-01:00 1 host off"},
	} {
		s := open(t)
		now, _ := everyHour(t, s, func(w *Wish) { w.Catchup, w.MaxLate = &c.catchup, &c.maxLate })
		at, err := time.Parse("15:04", c.at)
		must(t, err)
		*now = time.Date(2026, 3, 1, at.Hour(), at.Minute(), 0, 0, time.UTC)
		change(t, s, "UPDATE worker SET ended = last_seen")
		beginWorker(t, s)
		what := fmt.Sprintf("%s, max late %s, at %s", c.catchup, c.maxLate, c.at)
		wantTicks(t, s, what, c.started, c.dropped)
		if next := number(t, s, "SELECT next FROM schedule"); next != micros(now.Truncate(hour).Add(hour)) {
			t.Errorf("%s: the next tick is %s", what, instant(next))
		}
		if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'SCHEDULED'"); n != 1 {
			t.Errorf("%s: %d ticks wait", what, n)
		}
	}
}

func TestAFullDeploymentHoldsOneTickOrAll(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ catchup, started, dropped string }{
		{CatchupLatest, "03:00", "02:00-02:00 1 overlap"},
		{CatchupAll, "02:00 03:00", ""},
		{CatchupNone, "", "02:00-03:00 2 overlap"},
	} {
		s := open(t)
		now, _ := everyHour(t, s, func(w *Wish) { w.Catchup, w.ConcurrencyLimit = &c.catchup, ptr(1) })
		*now = now.Add(31 * time.Minute)
		first := claimOne(t, s)
		for range 9 { // nothing happens while it runs, however often one looks
			*now = now.Add(15 * time.Minute)
			claim(t, s, 2, nil)
		}
		if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'SCHEDULED'"); n != 1 {
			t.Errorf("%s: %d ticks wait", c.catchup, n)
		}
		must(t, s.End(ctx, endOf(first, NewState(Completed, "")), "slot"))
		wantTicks(t, s, c.catchup, c.started, c.dropped)
	}
}

func TestACollisionOfTicksGoesByTheNewestOne(t *testing.T) {
	s := open(t)
	now, _ := everyHour(t, s, func(w *Wish) { w.ConcurrencyLimit, w.CollisionStrategy = ptr(1), ptr(CancelNew) })
	*now = now.Add(31 * time.Minute)
	claimOne(t, s)
	*now = now.Add(3 * time.Hour) // all were asleep: 02:00, 03:00 and 04:00 fell due
	claim(t, s, 2, nil)
	claim(t, s, 2, nil)
	if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'CANCELLED'"); n != 1 {
		t.Errorf("%d ticks were cancelled, want the newest one", n)
	}
	if got := droppedTicks(t, s); !slices.Equal(got, []string{"02:00-03:00 2 overlap"}) {
		t.Errorf("dropped %v", got)
	}
}

// pausesOf are all the ways to pause the schedule of everyHour.
func pausesOf() map[string]func(*Store, bool) error {
	ctx := context.Background()
	return map[string]func(*Store, bool) error{
		"deployment": func(s *Store, p bool) error { _, err := s.PauseDeployment(ctx, "nightly", p); return err },
		"schedule":   func(s *Store, p bool) error { _, err := s.PauseSchedule(ctx, "nightly", "h", p); return err },
		"pool": func(s *Store, p bool) error {
			return tryChange(s, "UPDATE work_pool SET is_paused = ?, updated = ?", p, micros(s.Clock()))
		},
		"queue": func(s *Store, p bool) error {
			return tryChange(s, "UPDATE work_queue SET is_paused = ?, updated = ?", p, micros(s.Clock()))
		},
		"file": func(s *Store, p bool) error {
			_, err := s.Deploy(ctx, []Wish{wish(func(w *Wish) { w.Paused = &p })}, DeployOptions{})
			return err
		},
		"file's schedule": func(s *Store, p bool) error {
			spec := ScheduleSpec{Cron: "0 * * * *", Slug: "h", Active: ptr(!p)}
			_, err := s.Deploy(ctx, []Wish{wish(scheduled(spec))}, DeployOptions{})
			return err
		},
	}
}

func TestTicksOfAPauseAreDroppedAndNothingBursts(t *testing.T) {
	for what, pause := range pausesOf() {
		s := open(t)
		now, _ := everyHour(t, s, func(w *Wish) { w.Catchup = ptr(CatchupAll) })
		must(t, pause(s, true))
		*now = now.Add(5*time.Hour + 10*time.Minute)
		claim(t, s, 2, nil)
		must(t, pause(s, false))
		wantTicks(t, s, what, "", "01:00-05:00 5 paused")
		*now = now.Add(20 * time.Minute)
		wantTicks(t, s, what+", later", "06:00", "01:00-05:00 5 paused")
	}
}

// Workers are gone from 00:30 on, and two pauses fall into that time: what is
// due outside of them follows catchup.
func TestAPauseDropsOnlyItsOwnTicks(t *testing.T) {
	for what, pause := range pausesOf() {
		for _, c := range []struct{ catchup, started, dropped string }{
			{CatchupAll, "01:00 02:00 05:00", "03:00-04:00 2 paused, 06:00-06:00 1 paused"},
			{CatchupLatest, "", "01:00-02:00 2 late, 03:00-04:00 2 paused, 05:00-05:00 1 late, 06:00-06:00 1 paused"},
		} {
			s := open(t)
			now, _ := everyHour(t, s, func(w *Wish) { w.Catchup = &c.catchup })
			for _, hours := range []time.Duration{2, 1} { // 02:30 to 04:30, 05:30 to 06:30
				*now = now.Add(hours * time.Hour)
				must(t, pause(s, true))
				*now = now.Add(hours * time.Hour)
				must(t, pause(s, false))
			}
			wantTicks(t, s, what+", "+c.catchup, c.started, c.dropped)
		}
	}
}

func TestATickThatWaitsForRoomOutlastsAShortPause(t *testing.T) {
	for what, pause := range pausesOf() {
		s := open(t)
		now, _ := everyHour(t, s, func(w *Wish) { w.ConcurrencyLimit = ptr(1) })
		*now = now.Add(31 * time.Minute)
		first := claimOne(t, s)
		*now = now.Add(time.Hour)
		claim(t, s, 1, nil)
		must(t, pause(s, true))
		*now = now.Add(time.Minute)
		must(t, pause(s, false))
		must(t, s.End(context.Background(), endOf(first, NewState(Completed, "")), "slot"))
		wantTicks(t, s, what, "02:00", "")
	}
}

// A schedule that is changed or removed leaves no due tick undecided.
func TestWhatIsDueBehindAWaitingTickIsRecorded(t *testing.T) {
	for what, c := range map[string]struct {
		do      func(*Wish)
		started string
	}{
		"changed": {scheduled(ScheduleSpec{Cron: "20 * * * *", Slug: "h"}), "01:00"},
		"removed": {scheduled(), ""},
	} {
		s := open(t)
		now, _ := everyHour(t, s, func(w *Wish) { w.Catchup = ptr(CatchupAll) })
		*now = now.Add(2*time.Hour + 40*time.Minute)
		apply(t, s, c.do)
		wantTicks(t, s, what, c.started, "02:00-03:00 2 late")
	}
}

func TestDroppedSpansMergeWhereTheyMeet(t *testing.T) {
	s := open(t)
	now, _ := everyHour(t, s, func(w *Wish) { w.Catchup = ptr(CatchupNone) })
	for range 2 {
		change(t, s, "UPDATE worker SET ended = last_seen")
		*now = now.Add(2*time.Hour + 10*time.Minute)
		beginWorker(t, s)
		claim(t, s, 1, nil)
	}
	wantTicks(t, s, "twice", "", "01:00-04:00 4 host off")
	*now = now.Add(10 * time.Minute)
	wantTicks(t, s, "a run between", "05:00", "01:00-04:00 4 host off")
	change(t, s, "UPDATE worker SET ended = last_seen")
	*now = now.Add(2*time.Hour + 10*time.Minute)
	beginWorker(t, s)
	wantTicks(t, s, "and again", "", "01:00-04:00 4 host off, 06:00-07:00 2 host off")
}

// A year by the second is one leap, not thirty million steps.
func TestAVeryLongAbsenceIsOneSpan(t *testing.T) {
	s := open(t)
	now := time.Date(2026, 3, 1, 0, 0, 0, 500, time.UTC)
	s.Clock = func() time.Time { return now }
	deploy(t, s, scheduled(ScheduleSpec{Interval: time.Second}))
	start := now
	now = now.AddDate(1, 0, 0)
	result := claim(t, s, 1, nil)
	if len(result.Claimed) != 1 || !result.Claimed[0].Run.ScheduledFor.Equal(now.Truncate(time.Second)) {
		t.Fatalf("claimed %v", result.Claimed)
	}
	spans, err := s.Dropped(context.Background(), DroppedFilter{})
	must(t, err)
	if want := int(now.Sub(start).Seconds()) - 1; len(spans) != 1 || spans[0].Count != want || !spans[0].Last.Equal(now.Truncate(time.Second).Add(-time.Second)) {
		t.Errorf("spans %+v, want one of %d", spans, want)
	}
}

func TestARunThatNeverStartedIsNoLaterThanItsEnd(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, _ := everyHour(t, s, nil)
	runs, err := s.Runs(ctx, RunFilter{})
	must(t, err)
	*now = now.Add(40 * time.Minute)
	_, err = s.Cancel(ctx, runs[0].ID, "no", "test")
	must(t, err)
	*now = now.Add(20 * time.Hour)
	if late, err := s.Lateness(ctx, byID(t, s, runs[0].ID)); err != nil || late.By != 10*time.Minute {
		t.Errorf("%+v, %v", late, err)
	}
}

// A worker that was told to stop takes nothing, however long it goes on.
func TestADrainingWorkerExplainsLateness(t *testing.T) {
	for _, gone := range []bool{false, true} {
		ctx, s := context.Background(), open(t)
		now, _ := everyHour(t, s, nil)
		change(t, s, "UPDATE worker SET ended = last_seen")
		w := beginWorker(t, s)
		*now = now.Add(10 * time.Minute)
		from := *now
		must(t, s.DrainWorker(ctx, w.ID))
		*now = now.Add(30 * time.Minute)
		must(t, s.Heartbeat(ctx, w.ID))
		if gone {
			must(t, s.EndWorker(ctx, w.ID))
		}
		*now = now.Add(10 * time.Minute)
		beginWorker(t, s)
		late, err := s.Lateness(ctx, claimOne(t, s).Run)
		must(t, err)
		if late.By != 20*time.Minute || late.Reason != AbsentOff || !late.From.Equal(from) || !late.To.Equal(*now) {
			t.Errorf("the other one gone %v: %+v", gone, late)
		}
	}
}

func TestLatenessIsExplainedByAnAbsence(t *testing.T) {
	ctx, s := context.Background(), open(t)
	now, _ := everyHour(t, s, nil)
	w := beginWorker(t, s)
	*now = now.Add(31 * time.Minute)
	run := claimOne(t, s).Run
	late, err := s.Lateness(ctx, run)
	must(t, err)
	if late.By != time.Minute || late.Reason != "" {
		t.Errorf("a minute: %+v", late)
	}
	from := now.Add(10 * time.Minute)
	*now = now.Add(3*time.Hour + 20*time.Minute)
	must(t, s.Slept(ctx, w.ID, from, *now))
	run = claimOne(t, s).Run
	late, err = s.Lateness(ctx, run)
	must(t, err)
	if late.By != 21*time.Minute || late.Reason != AbsentAsleep || !late.From.Equal(from) || !late.To.Equal(*now) {
		t.Errorf("asleep: %+v", late)
	}
	if got := droppedTicks(t, s); !slices.Equal(got, []string{"02:00-03:00 2 host off"}) {
		t.Errorf("dropped %v", got)
	}
}
