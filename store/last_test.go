package store

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestLastRuns(t *testing.T) {
	s := open(t)
	a := deploy(t, s, nil)
	b := deploy(t, s, func(w *Wish) { w.Name = "b" })
	deploy(t, s, func(w *Wish) { w.Name = "never" })
	register(t, s, "w", nil)
	create(t, s, a.FullName, nil)
	first := claimOne(t, s)
	must(t, s.End(context.Background(), endOf(first, NewState(Completed, "")), "slot"))
	create(t, s, b.FullName, nil)
	failed := claimOne(t, s)
	must(t, s.End(context.Background(), endOf(failed, NewState(Failed, "no")), "slot"))
	create(t, s, b.FullName, func(n *NewRun) { n.At = s.Clock().Add(time.Hour) })
	last, err := s.LastRuns(context.Background())
	must(t, err)
	if len(last) != 2 || last[a.ID].ID != first.Run.ID || last[b.ID].ID != failed.Run.ID {
		t.Errorf("%d deployments have a last run: %v", len(last), last)
	}
	one, found, err := s.LastRun(context.Background(), b.ID)
	if err != nil || !found || one.ID != failed.Run.ID {
		t.Errorf("the last run of one is %s, %v", one.Name, err)
	}
	if _, found, err := s.LastRun(context.Background(), NewID()); err != nil || found {
		t.Errorf("of none there is one, or an error: %v", err)
	}
}

// TestNextRun: of what waits in any queue it is the one that is due first, and
// none of what has begun.
func TestNextRun(t *testing.T) {
	s := open(t)
	d := deploy(t, s, nil)
	register(t, s, "w", nil)
	_, err := s.CreateWorkQueue(context.Background(), "p", WorkQueue{Name: "side"}, nil)
	must(t, err)
	want := func(id ID) {
		t.Helper()
		r, found, err := s.NextRun(context.Background(), d.ID)
		if err != nil || found != (id != ID{}) || r.ID != id {
			t.Errorf("the next run is %s %v, %v; want %v", r.Name, found, err, id)
		}
	}
	want(ID{})
	create(t, s, d.FullName, nil)
	claimOne(t, s)
	want(ID{})
	later := create(t, s, d.FullName, func(n *NewRun) { n.At = s.Clock().Add(2 * time.Hour) })
	want(later.ID)
	sooner := create(t, s, d.FullName, func(n *NewRun) { n.At, n.Queue = s.Clock().Add(time.Hour), "side" })
	want(sooner.ID)
	plan := explain(t, s, selectNext, d.ID)
	if !strings.Contains(plan, "SEARCH n USING") || strings.Contains(plan, "SCAN r") || strings.Contains(plan, "SCAN n") {
		t.Errorf("the next run is found so:\n%s", plan)
	}
}

// TestLastRunsSeek: with 100,000 runs it is a seek for each deployment.
func TestLastRunsSeek(t *testing.T) {
	s := open(t)
	insertRuns(t, s, deploy(t, s, nil), 3000, Completed)
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			change(t, s, "ANALYZE")
		}
		plan := explain(t, s, selectLast)
		if !strings.Contains(plan, "SEARCH l USING INDEX flow_run_by_deployment (deployment_id=?)") ||
			!strings.HasPrefix(plan, "SEARCH r USING INDEX sqlite_autoindex_flow_run_1 (id=?)") ||
			strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("the last runs are found so:\n%s", plan)
		}
	}
}
