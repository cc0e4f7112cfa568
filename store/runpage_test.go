package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fillList makes 40 runs of two deployments, of several states and tags, an
// hour apart around now, and as many ended ones at one instant.
func fillList(t *testing.T, s *Store) {
	t.Helper()
	deploy(t, s, nil)
	d := deploy(t, s, func(w *Wish) { w.FlowName, w.Pool = "bye", "p2" })
	for i := range 40 {
		create(t, s, []string{"hello/nightly", "bye/nightly"}[i%2], func(n *NewRun) {
			n.At = s.Clock().Add(time.Duration(i-30) * time.Hour)
			n.Tags = []string{fmt.Sprint("t", i%3)}
		})
	}
	for range 8 {
		c := claimOne(t, s)
		must(t, s.End(context.Background(), endOf(c, NewState(Failed, "no")), "slot"))
	}
	insertRuns(t, s, d, 40, Completed)
}

func idsOf(runs []Run) (ids []ID) {
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestPagesGoThroughTheWholeList: page by page comes what one list has, once
// and in its order, and each page knows how many there are.
func TestPagesGoThroughTheWholeList(t *testing.T) {
	ctx, s := context.Background(), open(t)
	freeze(s)
	fillList(t, s)
	for _, f := range []RunFilter{
		{},
		{States: []string{"failed"}},
		{States: []string{"failed", "late", "COMPLETED"}},
		{Deployment: "hello/*"},
		{Deployment: "*/night*", States: []string{"scheduled"}},
		{Flow: "bye", Tags: []string{"t1"}},
		{Pool: "p2"},
		{Pool: "p2", Queue: "default", Ended: ptr(true)},
		{Queue: "default"},
		{Worker: "w"},
		{Since: s.Clock().Add(-9 * time.Hour)},
		{Since: s.Clock().Add(-9 * time.Hour), Until: s.Clock().Add(4 * time.Hour), Tags: []string{"t0"}},
		{Ended: ptr(false), Deployment: "hello/nightly"},
	} {
		all, err := s.Runs(ctx, f)
		must(t, err)
		if len(all) < 4 {
			t.Errorf("%+v finds only %d runs", f, len(all))
		}
		var paged []Run
		for f.Limit = 3; ; {
			p, err := s.RunPage(ctx, f)
			must(t, err)
			if p.Total != len(all) || p.More {
				t.Errorf("%+v: a page tells of %d runs (more: %t), and there are %d", f, p.Total, p.More, len(all))
			}
			paged = append(paged, p.Runs...)
			if f.After = p.Next; f.After == nil {
				break
			}
		}
		if !slices.Equal(idsOf(paged), idsOf(all)) {
			t.Errorf("%+v: the pages have %d runs, the list %d, or others", f, len(paged), len(all))
		}
	}
}

// TestTheListIsInTheOrderOfTime holds every list to what has begun or is due,
// newest first, and what waits for its time behind it.
func TestTheListIsInTheOrderOfTime(t *testing.T) {
	ctx, s := context.Background(), open(t)
	freeze(s)
	fillList(t, s)
	runs, err := s.Runs(ctx, RunFilter{})
	must(t, err)
	if len(runs) != 80 {
		t.Fatalf("%d runs", len(runs))
	}
	waits := func(r Run) bool { return r.ExpectedStartTime.After(s.Clock()) }
	for i := range runs[1:] {
		a, b := runs[i], runs[i+1]
		if waits(a) && !waits(b) || waits(a) == waits(b) && a.ExpectedStartTime.Before(b.ExpectedStartTime) {
			t.Errorf("%s comes before %s", a.ExpectedStartTime, b.ExpectedStartTime)
		}
	}
}

// TestAPageLooksAtSoManyRuns: one that finds little among many says where to go
// on, and the whole list finds it.
func TestAPageLooksAtSoManyRuns(t *testing.T) {
	ctx, s := context.Background(), open(t)
	d := deploy(t, s, nil)
	wanted := create(t, s, "nightly", func(n *NewRun) { n.Tags = []string{"rare"} })
	insertRuns(t, s, d, maxLook+500, Completed)
	f := RunFilter{Tags: []string{"rare"}, Limit: 20}
	p, err := s.RunPage(ctx, f)
	must(t, err)
	if len(p.Runs) != 0 || !p.More || p.Next == nil {
		t.Fatalf("%+v", p)
	}
	f.After = p.Next
	if p, err = s.RunPage(ctx, f); err != nil || len(p.Runs) != 1 || p.Runs[0].ID != wanted.ID || p.Next != nil {
		t.Errorf("%+v, %v", p, err)
	}
	f.After = nil
	if all, err := s.Runs(ctx, f); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	// An index that knows of few is walked whole.
	f.States = []string{"scheduled"}
	if p, err = s.RunPage(ctx, f); err != nil || len(p.Runs) != 1 || p.Total != 1 || p.More {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestRunsAreFoundByParameter(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	for _, parameters := range []string{
		`{"top":3,"who":"3","db":{"host":"a","port":1}}`, `{"top":3.0}`, `{"top":"x y","a.b":true}`, `{"list":[1,2],"none":null}`,
	} {
		r := create(t, s, "nightly", nil)
		change(t, s, "UPDATE flow_run SET parameters = ? WHERE id = ?", parameters, r.ID)
	}
	for parameter, want := range map[string]int{
		"top=3": 2, "top=3.0": 2, "top=4": 0, "who=3": 1, "who:=3": 0, `who:="3"`: 1, "top=x y": 1, "top=x": 0,
		"db.host=a": 1, "db.port=1": 1, `db={"port":1, "host":"a"}`: 0, `db={"host": "a", "port": 1}`: 1,
		"a.b=true": 1, "list=[1, 2]": 1, "none=null": 1, "nope=1": 0, "nope=null": 0,
	} {
		runs, err := s.Runs(ctx, RunFilter{Parameters: []string{parameter}})
		if err != nil || len(runs) != want {
			t.Errorf("--param %s finds %d runs, not %d (%v)", parameter, len(runs), want, err)
		}
	}
	_, err := s.Runs(ctx, RunFilter{Parameters: []string{"top"}})
	wantError(t, err, Invalid, `"top" is no parameter`)
	_, err = s.Runs(ctx, RunFilter{Deployment: "nope/*"})
	wantError(t, err, NotFound, `no deployment "nope/*"`)
	_, err = s.Runs(ctx, RunFilter{Queue: "defult"})
	wantError(t, err, NotFound, `no work queue "defult"`, `"default"`)
}

// TestWhatMatchesIsDecidedWhereItIsChanged: what an earlier look has shown may
// have ended since, and what was made since was not agreed to.
func TestWhatMatchesIsDecidedWhereItIsChanged(t *testing.T) {
	ctx, s := context.Background(), open(t)
	d := deploy(t, s, nil)
	var made []Run
	for range 3 {
		made = append(made, create(t, s, "nightly", nil))
	}
	f := RunFilter{Deployment: "nightly", Before: s.Clock()}
	_, err := s.Cancel(ctx, made[0].ID, "alone", "test")
	must(t, err)
	later := create(t, s, "nightly", nil)
	c, err := s.CancelMatching(ctx, f, "all", "test", false)
	if err != nil || len(c.IDs) != 2 {
		t.Fatalf("cancelled %d, %v", len(c.IDs), err)
	}
	if r, err := s.RunByID(ctx, later.ID); err != nil || r.State.Type != Scheduled {
		t.Errorf("what was made later is %s (%v)", r.State.Type, err)
	}
	if c, err = s.RetryMatching(ctx, f, "test"); err != nil || len(c.IDs) != 3 || !slices.Equal(c.Pools, []string{"p"}) {
		t.Errorf("retried %+v, %v", c, err)
	}
	if c, err = s.DeleteMatching(ctx, f); err != nil || len(c.IDs) != 0 {
		t.Errorf("deleted %+v of what waits, %v", c, err)
	}
	insertRuns(t, s, d, 3*changeAtOnce, Completed)
	if c, err = s.DeleteMatching(ctx, RunFilter{States: []string{"completed"}}); err != nil || len(c.IDs) != 3*changeAtOnce {
		t.Errorf("deleted %d, %v", len(c.IDs), err)
	}
	_, _, err = s.DeleteDeployment(ctx, "nightly") // cancels what waits
	must(t, err)
	c, err = s.RetryMatching(ctx, RunFilter{}, "test")
	if err != nil || len(c.IDs) != 0 || len(c.Left) != 4 {
		t.Errorf("retried %+v, %v", c, err)
	}
}

// TestOnlyWhatWasCommittedCounts: the second transaction of three fails, and
// what it had done by then is undone.
func TestOnlyWhatWasCommittedCounts(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		state StateType
		event string
		do    func(*Store) (Changed, error)
	}{
		"cancel": {Scheduled, "UPDATE", func(s *Store) (Changed, error) {
			return s.CancelMatching(ctx, RunFilter{}, "all", "test", false)
		}},
		"retry":  {Completed, "UPDATE", func(s *Store) (Changed, error) { return s.RetryMatching(ctx, RunFilter{}, "test") }},
		"delete": {Completed, "DELETE", func(s *Store) (Changed, error) { return s.DeleteMatching(ctx, RunFilter{}) }},
	} {
		s := open(t)
		insertRuns(t, s, deploy(t, s, nil), 3*changeAtOnce, c.state)
		change(t, s, fmt.Sprintf("UPDATE flow_run SET name = 'stays' WHERE id IN (SELECT id FROM flow_run ORDER BY expected_start_time DESC, id DESC LIMIT 1 OFFSET %d)", changeAtOnce+5))
		change(t, s, "CREATE TRIGGER refuse BEFORE "+c.event+" ON flow_run WHEN OLD.name = 'stays' BEGIN SELECT RAISE(ABORT, 'refused'); END")
		done, err := c.do(s)
		if err == nil || !strings.Contains(err.Error(), "refused") || len(done.IDs) != changeAtOnce {
			t.Errorf("%s: %d are said to be done, %v", name, len(done.IDs), err)
		}
		left := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = ?", c.state)
		if left != 2*changeAtOnce {
			t.Errorf("%s: %d are left", name, left)
		}
	}
}

func TestParametersNameTheirLayer(t *testing.T) {
	ctx, s := context.Background(), open(t)
	schema := `{"type":"object","properties":{
		"a":{"type":"integer","default":1,"position":0},"b":{"type":"integer","position":1},
		"c":{"type":"integer","position":2},"d":{"type":"integer","position":3}},"required":["b","c","d"]}`
	deploy(t, s, func(w *Wish) {
		w.ParameterSchema = []byte(schema)
		w.Parameters = Values{"b": []byte("2"), "c": []byte("2"), "d": []byte("2")}
		w.Schedules = &[]ScheduleSpec{{Interval: time.Hour, Slug: "s", Parameters: Values{"c": []byte("3")}}}
	})
	shown := func(r Run) (text string) {
		list, err := s.ParametersOf(ctx, r)
		must(t, err)
		for _, p := range list {
			text += fmt.Sprintf("%s=%s %s, ", p.Name, p.Value, p.From)
		}
		return text
	}
	run := create(t, s, "nightly", func(n *NewRun) { n.Parameters = Values{"d": []byte("4")} })
	if got := shown(run); got != "a=1 default, b=2 deployment, c=2 deployment, d=4 run, " {
		t.Error(got)
	}
	ticks, err := s.Runs(ctx, RunFilter{Since: s.Clock()})
	must(t, err)
	if got := shown(ticks[0]); len(ticks) != 1 || got != "a=1 default, b=2 deployment, c=3 schedule, d=2 deployment, " {
		t.Error(len(ticks), got)
	}
	change(t, s, "UPDATE flow_run SET parameter_sources = '{}'") // an older binary made it
	if got := shown(run); got != "a=1 default, b=2 , c=2 , d=4 , " {
		t.Error(got)
	}
}
