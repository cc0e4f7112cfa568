package store

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// explain is how SQLite would answer a query, a line a step.
func explain(t *testing.T, s *Store, query string, args ...any) string {
	t.Helper()
	rows, err := s.writer.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatalf("%v: %s", err, query)
	}
	defer rows.Close() //nolint:errcheck // a test's
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var step string
		must(t, rows.Scan(&id, &parent, &unused, &step))
		fmt.Fprintln(&plan, step)
	}
	must(t, rows.Err())
	return plan.String()
}

// growing is a step whose cost grows with the runs that have ended: a scan of
// them all, or of all that a deployment, a flow or a pool ever had. The partial
// indexes hold only what waits and what runs.
var growing = regexp.MustCompile(`(?m)^(SCAN (r|flow_run)\b.*|SEARCH (r|flow_run) USING.* flow_run_(by_deployment|at_(flow|deployment)) .*)$`)

var small = regexp.MustCompile(`USING (COVERING )?INDEX flow_run_(due|live)\b`)

func wantFlat(t *testing.T, query, plan string) {
	t.Helper()
	for _, step := range growing.FindAllString(plan, -1) {
		if !small.MatchString(step) {
			t.Errorf("%s\nis answered by\n%s\nand grows with the runs that have ended: %s", query, plan, step)
		}
	}
}

// playAll does once all that a worker and an operator do, so that every
// statement of the writer is prepared.
func playAll(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	deploy(t, s, func(w *Wish) {
		w.Name, w.ConcurrencyLimit, w.CollisionStrategy, w.Retries = "all", ptr(1), ptr(Replace), 1
	})
	w := register(t, s, "w", nil)
	must(t, s.Heartbeat(ctx, w.ID))
	create(t, s, "all", func(n *NewRun) { n.IdempotencyKey = "k" })
	first := claimOne(t, s)
	create(t, s, "all", nil)
	claim(t, s, 1, nil)
	change(t, s, "UPDATE work_pool SET concurrency_limit = 1")
	claim(t, s, 1, nil)
	must(t, s.End(ctx, endOf(first, NewState(Crashed, "x")), "slot"))
	must(t, s.PutBack(ctx, claimOne(t, s).Run, "lost", "test"))
	again := claimOne(t, s)
	must(t, s.End(ctx, endOf(again, NewState(Failed, "no")), "slot"))
	retry := claimOne(t, s)
	_, err := s.Adopt(ctx, retry.Run, owners(1)[0], "test")
	must(t, err)
	must(t, s.Settle(ctx, End{Run: retry.Run.ID, Attempt: 2, Fence: retry.Run.Fence + 1, State: NewState(Crashed, "x")}, "test"))
	create(t, s, "all", nil)
	_, _, err = s.DeleteDeployment(ctx, "all")
	must(t, err)
	change(t, s, "UPDATE work_pool SET concurrency_limit = NULL")
	must(t, s.EndWorker(ctx, w.ID))
	playSchedules(t, s)
}

// playSchedules is playAll for what concerns ticks.
func playSchedules(t *testing.T, s *Store) {
	t.Helper()
	ctx, clock := context.Background(), s.Clock
	defer func() { s.Clock = clock }()
	now := clock()
	s.Clock = func() time.Time { return now }
	every := ScheduleSpec{Interval: time.Hour, Slug: "a"}
	named := func(w *Wish) { w.Name, w.Schedules = "ticks", &[]ScheduleSpec{every} }
	deploy(t, s, named)
	for range 2 {
		now = now.Add(3*time.Hour + time.Minute)
		claim(t, s, 1, nil)
	}
	every.Slug, every.Replaces = "b", "a"
	deploy(t, s, named)
	for _, paused := range []bool{true, false} {
		_, err := s.PauseDeployment(ctx, "ticks", paused)
		must(t, err)
	}
	_, err := s.Backfill(ctx, Backfill{Deployment: "ticks", From: now.Add(-3 * time.Hour), To: now, LimitConcurrent: 1})
	must(t, err)
	change(t, s, "DELETE FROM flow_run WHERE schedule_slug = 'b' AND state_type = 'SCHEDULED'")
	_, err = s.Replan(ctx)
	must(t, err)
	now = now.Add(2 * time.Hour)
	_, err = s.DeleteSchedule(ctx, "ticks", "b")
	must(t, err)
}

// wantWalks holds a list to being read off indexes, in their order: nothing is
// sorted, and nothing is read that lies outside of the stretch.
func wantWalks(t *testing.T, s *Store, f RunFilter) {
	t.Helper()
	q, err := s.runQuery(context.Background(), s.reader, f)
	must(t, err)
	within := stretch{point{at: 1}, point{at: 2}}
	for _, w := range q.walks() {
		for _, rest := range [][]criterion{w.rest, nil} {
			query, args := walk{w.index, w.keys, rest}.sql(within, true, 20, 0)
			plan := explain(t, s, query, args...)
			search := regexp.MustCompile(`SEARCH r USING (COVERING )?INDEX ` + w.index + ` \([^\n]*\(expected_start_time,id\)>\(\?,\?\) AND \(expected_start_time,id\)<\(\?,\?\)\)`)
			if n := len(search.FindAllString(plan, -1)); n != len(w.keys) || strings.Contains(plan, "B-TREE") || strings.Contains(plan, "SCAN r") {
				t.Errorf("%s\nis answered by\n%s", query, plan)
			}
		}
	}
}

func TestNoStatementGrowsWithTheRunsThatHaveEnded(t *testing.T) {
	s := open(t)
	d := deploy(t, s, nil)
	insertRuns(t, s, d, 3000, Completed)
	insertRuns(t, s, d, 100, Failed)
	playAll(t, s)
	var pool ID
	must(t, s.reader.QueryRowContext(context.Background(), "SELECT id FROM work_pool").Scan(&pool))
	filters := []RunFilter{
		{},
		{States: []string{"completed"}},
		{States: []string{"completed", "failed", "late"}},
		{States: []string{"TimedOut"}},
		{Since: s.Clock()},
		{States: []string{"failed"}, Since: s.Clock()},
		{Deployment: d.FullName, Tags: []string{"t"}},
		{Deployment: "hello/*", Until: s.Clock()},
		{Flow: "hello", Parameters: []string{"top=3"}},
		{Pool: "p", Worker: "w"},
		{Queue: "default", Ended: ptr(true)},
	}
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			change(t, s, "ANALYZE")
		}
		if len(s.stmts) < 25 {
			t.Errorf("only %d statements were prepared", len(s.stmts))
		}
		for query := range s.stmts {
			if strings.HasPrefix(query, "DELETE FROM deployment") {
				continue // its whole history must forget it
			}
			wantFlat(t, query, explain(t, s, query, make([]any, strings.Count(query, "?"))...))
		}
		wantFlat(t, selectLoads, explain(t, s, selectLoads, 1))
		failures := "SELECT count(*) " + failedSince
		if plan := explain(t, s, failures, 1); !strings.Contains(plan, "flow_run_failed (end_time>?)") {
			t.Errorf("%s is answered by\n%s", failures, plan)
		}
		if plan := explain(t, s, selectRecent, 30); !strings.Contains(plan, "SEARCH l USING INDEX flow_run_by_deployment (deployment_id=?)") ||
			!strings.Contains(plan, "SEARCH r USING INDEX sqlite_autoindex_flow_run_1 (id=?)") {
			t.Errorf("%s is answered by\n%s", selectRecent, plan)
		}
		wantFlat(t, selectNextDue, explain(t, s, selectNextDue, "p", "[]"))
		for _, f := range filters {
			wantWalks(t, s, f)
		}
		for where, index := range map[string]string{
			" WHERE r.id = ?": "sqlite_autoindex_flow_run_1 (id=?)",
			" WHERE r.name = ? ORDER BY r.id DESC LIMIT 20":               "flow_run_by_name (name=?)",
			" WHERE r.state_type IN ('PENDING', 'RUNNING') ORDER BY r.id": "flow_run_at_state (state_type=?)",
			" WHERE r.flow_id = ? AND r.idempotency_key = ?":              "flow_run_idempotency (flow_id=? AND idempotency_key=?)",
		} {
			if plan := explain(t, s, selectRun+where, 1, 2); !strings.HasPrefix(plan, "SEARCH r USING INDEX "+index) {
				t.Errorf("%s is answered by\n%s", where, plan)
			}
		}
	}
}
