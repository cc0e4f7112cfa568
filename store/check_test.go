package store

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// busyFile has runs in every way of ending, waiting and going on.
func busyFile(t *testing.T) *Store {
	t.Helper()
	ctx, s := context.Background(), open(t)
	deploy(t, s, func(w *Wish) { w.Retries = 1 })
	end := func(c Claimed, state StateType) { must(t, s.End(ctx, endOf(c, NewState(state, "x")), "slot")) }
	end(claimOf(t, s), Completed)
	again := claimOf(t, s)
	end(again, Failed)
	end(claimOne(t, s), Failed)
	_, err := s.Retry(ctx, again.Run.ID, "test")
	must(t, err)
	end(claimOne(t, s), Crashed)
	lost := claimOf(t, s)
	must(t, s.PutBack(ctx, lost.Run, "lost", "test"))
	adopted := claimOne(t, s)
	_, err = s.Adopt(ctx, adopted.Run, owners(1)[0], "test")
	must(t, err)
	must(t, s.Settle(ctx, End{Run: adopted.Run.ID, Attempt: 1, Fence: adopted.Run.Fence + 1, State: NewState(Crashed, "gone")}, "test"))
	cancelled := claimOf(t, s)
	_, err = s.Cancel(ctx, cancelled.Run.ID, "enough", "test")
	must(t, err)
	end(cancelled, Cancelled)
	_, err = s.Cancel(ctx, create(t, s, "nightly", nil).ID, "enough", "test")
	must(t, err)
	claimOf(t, s)
	stopping := claimOf(t, s)
	_, err = s.Cancel(ctx, stopping.Run.ID, "enough", "test")
	must(t, err)
	create(t, s, "nightly", nil)
	return s
}

func TestCheckFindsNothingInAFileThatIsSound(t *testing.T) {
	s := busyFile(t)
	sound(t, s)
	report, err := s.Check(context.Background())
	must(t, err)
	if report.Runs != 8 || report.Attempts != 8 || report.Events < 30 {
		t.Errorf("it looked at %d runs, %d attempts, %d events", report.Runs, report.Attempts, report.Events)
	}
}

// Each way of breaking the file behind the rules' back is named by its rule.
func TestCheckNamesEachViolation(t *testing.T) {
	const someRun = "(SELECT id FROM flow_run WHERE state_type = "
	for name, c := range map[string]struct{ rule, statement, says string }{
		"a state that no event told":   {RuleHistory, "UPDATE flow_run SET state_type = 'FAILED', state_name = 'Failed' WHERE id = " + someRun + "'COMPLETED')", "its history ends in COMPLETED"},
		"a history with a hole":        {RuleHistory, "DELETE FROM event WHERE state_type = 'PENDING' AND run_id = " + someRun + "'COMPLETED')", "goes from SCHEDULED to RUNNING"},
		"no history":                   {RuleHistory, "DELETE FROM event WHERE run_id = " + someRun + "'COMPLETED')", "it has no history"},
		"a history without its start":  {RuleHistory, "DELETE FROM event WHERE state_type = 'SCHEDULED' AND run_id = " + someRun + "'COMPLETED')", "it begins with PENDING"},
		"an attempt too many":          {RuleHistory, "UPDATE flow_run SET attempt = attempt + 1 WHERE state_type = 'COMPLETED'", "it counts 2 attempts, and its history 1"},
		"an attempt lost":              {RuleAttempts, "DELETE FROM attempt WHERE run_id = " + someRun + "'COMPLETED')", "it has 0 attempts, and counts 1"},
		"an attempt under a wrong one": {RuleAttempts, "UPDATE attempt SET attempt = 7 WHERE run_id = " + someRun + "'RUNNING')", "attempt 7 stands in the place of attempt 1"},
		"an end that did not happen":   {RuleAttempts, "UPDATE attempt SET end_time = 1, state_type = 'FAILED', state_name = 'Failed' WHERE run_id = " + someRun + "'RUNNING')", "its attempt 1 has ended"},
		"an owner that was shut out":   {RuleFence, "UPDATE flow_run SET fence = fence + 1 WHERE state_type = 'RUNNING'", "has the fence 1, and the run 2"},
		"a row without its parent":     {RuleIntegrity, "DELETE FROM flow", "points at no row of flow"},
		"a hook of no end": {RuleHooks, `INSERT INTO hook (run_id, attempt, event, origin, argv, state_type, state_name, state_message, state_time, created, updated)
			SELECT id, 1, 'on_crash', 'work_pool', '[]', 'CRASHED', 'Crashed', '', 1, 1, 1 FROM flow_run WHERE state_type = 'COMPLETED'`, "on_crash is of an end that it never had"},
		"a hook that nobody told of": {RuleHooks, `INSERT INTO hook (run_id, attempt, event, origin, argv, state_type, state_name, state_message, state_time, ended, created, updated)
			SELECT id, 1, 'on_completion', 'work_pool', '[]', 'COMPLETED', 'Completed', '', 1, 1, 1, 1 FROM flow_run WHERE state_type = 'COMPLETED'`, "does not tell of each hook"},
		"a hook that changed a state": {RuleHistory, `INSERT INTO event (run_id, id, time, state_type, state_name, attempt, who)
			SELECT id, x'ffffffffffffffffffffffffffffffff', 1, 'FAILED', 'Failed', 1, 'hook' FROM flow_run WHERE state_type = 'COMPLETED'`, "goes from COMPLETED to FAILED"},
		"a tick both ways": {RuleTicks, `INSERT INTO dropped_tick
			SELECT randomblob(16), deployment_id, 's', 1, 9, 3, 'test', 1, 1 FROM flow_run LIMIT 1`, "counts as dropped, too"},
	} {
		t.Run(name, func(t *testing.T) {
			s := busyFile(t)
			change(t, s, "UPDATE flow_run SET schedule_slug = 's', scheduled_for = 5, created_by = 'schedule' WHERE id = (SELECT min(id) FROM flow_run)")
			_, err := s.writer.ExecContext(context.Background(), "PRAGMA foreign_keys = OFF")
			must(t, err)
			change(t, s, c.statement)
			report, err := s.Check(context.Background())
			must(t, err)
			for _, v := range report.Violations {
				if v.Rule == c.rule && strings.Contains(v.Message, c.says) {
					return
				}
			}
			t.Errorf("%q is not among %+v", c.says, report.Violations)
		})
	}
}

func TestCheckFindsALogOfNoAttempt(t *testing.T) {
	s := busyFile(t)
	log := s.LogPath(filepath.Join("2026-11-23", NewID().String()+".1.log"))
	must(t, os.MkdirAll(filepath.Dir(log), 0o700))
	must(t, os.WriteFile(log, nil, 0o600))
	report, err := s.Check(context.Background())
	must(t, err)
	if len(report.Violations) != 1 || report.Violations[0].Rule != RuleLogs || report.Violations[0].Thing != log {
		t.Errorf("found %+v", report.Violations)
	}
}

// A history is in the order in which it happened, wherever the clocks of its
// writers stood: here the first step was written by one that was a year ahead.
func TestTheHistoryKeepsItsOrderWhenTheClockIsSetBack(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	run := create(t, s, "nightly", nil)
	change(t, s, "DROP TRIGGER event_is_final")
	change(t, s, "UPDATE event SET id = ?", firstID(time.Now().AddDate(1, 0, 0)))
	must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Completed, "")), "slot"))
	events, err := s.Events(ctx, run.ID)
	must(t, err)
	var order []StateType
	for i, e := range events {
		order = append(order, e.State)
		if i > 0 && (e.ID[6]>>4 != 7 || e.ID[8]>>6 != 2) {
			t.Errorf("%s is no UUIDv7", e.ID)
		}
	}
	if want := []StateType{Scheduled, Pending, Running, Completed}; !slices.Equal(order, want) {
		t.Errorf("the history reads %v, want %v", order, want)
	}
	sound(t, s)
}
