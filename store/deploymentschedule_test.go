package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func cron(expr string) ScheduleSpec { return ScheduleSpec{Cron: expr} }

func scheduled(specs ...ScheduleSpec) func(*Wish) {
	return func(w *Wish) { w.Schedules = &specs }
}

func slugs(t *testing.T, s *Store) (list []string) {
	t.Helper()
	d, err := s.Deployment(context.Background(), "nightly")
	must(t, err)
	for _, one := range d.Schedules {
		list = append(list, one.Slug)
	}
	return list
}

func TestARedeployKeepsRemovesAndSetsSchedules(t *testing.T) {
	ctx, s := context.Background(), open(t)
	c := apply(t, s, scheduled(cron("30 2 * * *"), ScheduleSpec{Interval: time.Hour, Slug: "hourly"}))
	if !strings.Contains(fieldNames(c), "schedules") {
		t.Errorf("new: %s", fieldNames(c))
	}
	if got := slugs(t, s); !slices.Equal(got, []string{"cron-30-2", "hourly"}) {
		t.Errorf("slugs %v", got)
	}
	if c = apply(t, s, nil); c.Action != "=" {
		t.Errorf("absent keeps, but %+v", c.Fields)
	}
	if c = apply(t, s, scheduled(cron("30 02 * * *"), ScheduleSpec{Interval: time.Hour, Slug: "hourly"})); c.Action != "=" {
		t.Errorf("the same written otherwise changed %+v", c.Fields)
	}
	c = apply(t, s, scheduled(cron("30 2 * * *"), ScheduleSpec{Interval: 2 * time.Hour, Slug: "hourly"}))
	want := "[cron-30-2: every day at 02:30 (UTC) hourly: every hour (UTC)] -> [cron-30-2: every day at 02:30 (UTC) hourly: every 2 hours (UTC)]"
	if len(c.Fields) != 1 || textOf(c.Fields[0]) != want {
		t.Errorf("changed: %s", textOf(c.Fields[0]))
	}
	apply(t, s, scheduled())
	d, err := s.Deployment(ctx, "nightly")
	must(t, err)
	if len(d.Schedules) != 0 || d.Schedules == nil {
		t.Errorf("an empty list removes: %v", d.Schedules)
	}
}

func TestOneScheduleBeforeAndAfterIsTheSame(t *testing.T) {
	s := open(t)
	apply(t, s, scheduled(cron("30 2 * * *")))
	change(t, s, "UPDATE schedule SET operator_paused = 1")
	id := number(t, s, "SELECT count(*) FROM schedule")
	c := apply(t, s, scheduled(cron("0 5 * * *")))
	if got := slugs(t, s); !slices.Equal(got, []string{"cron-30-2"}) || id != 1 {
		t.Errorf("slugs %v", got)
	}
	if !slices.Equal(c.Kept, []string{"schedule cron-30-2 paused by an operator"}) {
		t.Errorf("kept %v", c.Kept)
	}
	// Its slug no longer says what it does; its definition still finds it.
	apply(t, s, scheduled(cron("0 7 * * *"), cron("0 5 * * *")))
	if got := slugs(t, s); !slices.Equal(got, []string{"cron-0-7", "cron-30-2"}) {
		t.Errorf("slugs %v", got)
	}
	if n := number(t, s, "SELECT count(*) FROM schedule WHERE operator_paused = 1 AND definition LIKE '%0 5 %'"); n != 1 {
		t.Error("the pause is gone")
	}
}

func TestReplacesRenames(t *testing.T) {
	s := open(t)
	a, b := cron("0 1 * * *"), cron("0 2 * * *")
	a.Slug, b.Slug = "a", "b"
	apply(t, s, scheduled(a, b))
	change(t, s, "UPDATE schedule SET operator_paused = 1 WHERE slug = 'a'")
	before := number(t, s, "SELECT rowid FROM schedule WHERE slug = 'a'")
	a.Slug, a.Replaces = "first", "a"
	for range 2 { // the file says it for ever
		apply(t, s, scheduled(a, b))
		if number(t, s, "SELECT rowid FROM schedule WHERE slug = 'first' AND operator_paused = 1") != before {
			t.Error("a rename made another schedule")
		}
	}
	// Two may change names with each other.
	a.Slug, a.Replaces, b.Slug, b.Replaces = "b", "first", "first", "b"
	apply(t, s, scheduled(a, b))
	if got := slugs(t, s); !slices.Equal(got, []string{"b", "first"}) {
		t.Errorf("slugs %v", got)
	}
}

func TestARefusedScheduleIsNamedAndChangesNothing(t *testing.T) {
	ctx, s := context.Background(), open(t)
	before := rows(t, s)
	required := raw(`{"properties": {"day": {"type": "string"}}, "required": ["day"]}`)
	for want, with := range map[string]func(*Wish){
		`hello/nightly: schedule 2: cron "61 * * * *"`:           scheduled(cron("0 1 * * *"), cron("61 * * * *")),
		`hello/nightly: schedule "x": cron "x"`:                  scheduled(ScheduleSpec{Cron: "x", Slug: "x"}),
		`hello/nightly: two schedules have the slug "x"`:         scheduled(ScheduleSpec{Cron: "0 1 * * *", Slug: "x"}, ScheduleSpec{Cron: "0 2 * * *", Slug: "x"}),
		`hello/nightly: schedule "cron-0-1": parameter "top": "`: scheduled(ScheduleSpec{Cron: "0 1 * * *", Parameters: Values{"top": raw(`"many"`)}}),
		`hello/nightly: schedule "cron-0-1": parameter "day"`: func(w *Wish) {
			scheduled(cron("0 1 * * *"))(w)
			w.ParameterSchema = required
		},
		`no catchup "some"`:            func(w *Wish) { w.Catchup = ptr("some") },
		`max_late of -60 seconds`:      func(w *Wish) { w.MaxLate = ptr(-time.Minute) },
		`jitter of -60 seconds`:        func(w *Wish) { w.Jitter = ptr(-time.Minute) },
		"retries on a crash of -1: it": func(w *Wish) { w.RetriesOnCrash = ptr(-1) },
	} {
		_, err := s.Deploy(ctx, []Wish{wish(with)}, DeployOptions{CreatePools: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if rows(t, s) != before {
			t.Fatalf("%q: a refused deploy wrote", want)
		}
	}
	// What was enough before a change of the flow is looked at again.
	apply(t, s, scheduled(cron("0 1 * * *")))
	_, err := s.Deploy(ctx, []Wish{wish(func(w *Wish) { w.ParameterSchema = required })}, DeployOptions{})
	wantError(t, err, Invalid, `schedule "cron-0-1"`, `"day"`)
}

func TestAPlanCarriesWarningsOfSchedules(t *testing.T) {
	c := apply(t, open(t), scheduled(cron("0 1 31 * *")))
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "31") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestCatchupMaxLateAndJitterAreKept(t *testing.T) {
	ctx, s := context.Background(), open(t)
	apply(t, s, func(w *Wish) {
		w.Catchup, w.MaxLate, w.Jitter = ptr(CatchupAll), ptr(time.Hour), ptr(time.Minute)
		w.RetriesOnCrash, w.SetTries, w.ProjectFile = ptr(2), []string{"retries_on_crash"}, "/p/runnel.yaml"
	})
	if c := apply(t, s, nil); c.Action != "=" {
		t.Errorf("absent keeps, but %+v", c.Fields)
	}
	d, err := s.Deployment(ctx, "nightly")
	must(t, err)
	if d.Catchup != CatchupAll || *d.MaxLateSeconds != 3600 || *d.JitterSeconds != 60 || d.RetriesOnCrash != 2 || d.ProjectFile != "/p/runnel.yaml" {
		t.Errorf("stored %+v", d)
	}
	c := apply(t, s, func(w *Wish) { w.MaxLate, w.Jitter = ptr(time.Duration(0)), ptr(time.Duration(0)) })
	if fieldNames(c) != "max_late_seconds jitter_seconds" || c.Fields[0].New != nil {
		t.Errorf("0 removes: %+v", c.Fields)
	}
}

func textOf(f FieldChange) string { return fmt.Sprint(f.Old, " -> ", f.New) }
