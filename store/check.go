package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// Violation is something in the file that no sequence of our writes leaves.
type Violation struct {
	Rule    string `json:"rule"`
	Thing   string `json:"thing"` // what it is about: a run's id, a path, a table
	Message string `json:"message"`
}

// Report is what a check of the file found, and how much it looked at.
type Report struct {
	Runs       int         `json:"runs"`
	Attempts   int         `json:"attempts"`
	Events     int         `json:"events"`
	Violations []Violation `json:"violations"`
}

// The rules that a file is checked against.
const (
	RuleIntegrity = "integrity" // of the file, its indexes, CHECKs and references
	RuleHistory   = "history"   // replays, step by step, to the run's state
	RuleAttempts  = "attempts"  // are numbered without a gap, and ended but for a live one
	RuleFence     = "fence"     // an owner's is the run's; none is ahead of it
	RuleTicks     = "ticks"     // a tick made a run or was dropped, never both
	RuleLogs      = "logs"      // every log is of an attempt or a hook
	RuleHooks     = "hooks"     // a hook is of an end that its run had
)

// Check verifies the file against its invariants. It reads, a page at a time,
// and may run beside anything else.
func (s *Store) Check(ctx context.Context) (r Report, err error) {
	r.Violations = []Violation{}
	for _, part := range []func(context.Context, *Report) error{s.checkFile, s.checkRuns, s.checkTicks, s.checkHooks, s.checkLogs} {
		if err := part(ctx, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *Report) add(rule, thing, format string, args ...any) {
	r.Violations = append(r.Violations, Violation{rule, thing, fmt.Sprintf(format, args...)})
}

// checkFile asks SQLite, which knows of pages, indexes, CHECKs and references.
func (s *Store) checkFile(ctx context.Context, r *Report) error {
	lines, err := names(ctx, s.reader, "PRAGMA integrity_check")
	if err != nil {
		return err
	}
	for _, line := range lines {
		if line != "ok" {
			r.add(RuleIntegrity, "file", "%s", line)
		}
	}
	broken, err := collect(ctx, s.reader, func(r row) (v Violation, err error) {
		var parent string
		err = r.Scan(&v.Thing, &parent)
		v.Rule, v.Message = RuleIntegrity, "a row points at no row of "+parent
		return v, err
	}, `SELECT "table", parent FROM pragma_foreign_key_check`)
	r.Violations = append(r.Violations, broken...)
	return err
}

// checkPage is how many runs are read in one snapshot.
const checkPage = 500

// checkedRun is what the check wants of a run.
type checkedRun struct {
	id       ID
	state    State
	attempt  int
	fence    int64
	events   []Event
	attempts []checkedAttempt
}

type checkedAttempt struct {
	number int
	fence  int64
	state  sql.NullString // NULL until it has ended
	name   sql.NullString
}

func (s *Store) checkRuns(ctx context.Context, r *Report) error {
	var last ID
	for {
		page, err := s.runsToCheck(ctx, last)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, run := range page {
			r.Runs++
			r.Events += len(run.events)
			r.Attempts += len(run.attempts)
			run.check(r)
		}
		last = page[len(page)-1].id
	}
}

// runsToCheck reads a page of runs with all that belongs to them, as of one
// moment.
func (s *Store) runsToCheck(ctx context.Context, after ID) (page []*checkedRun, err error) {
	conn, err := s.reader.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// A deferred transaction: the DSN's own would take the write lock.
	if _, err := conn.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
		return nil, err
	}
	defer func() {
		_, end := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, end)
	}()
	page, err = collect(ctx, conn, func(r row) (*checkedRun, error) {
		c := &checkedRun{}
		return c, r.Scan(&c.id, &c.state.Type, &c.state.Name, &c.state.Message, &c.attempt, &c.fence)
	}, `
		SELECT id, state_type, state_name, state_message, attempt, fence
		  FROM flow_run
		 WHERE id > ?
		 ORDER BY id
		 LIMIT ?`, after[:], checkPage)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	return page, fillChecked(ctx, conn, page)
}

func fillChecked(ctx context.Context, q querier, page []*checkedRun) error {
	byID := make(map[ID]*checkedRun, len(page))
	for _, run := range page {
		byID[run.id] = run
	}
	first, last := page[0].id, page[len(page)-1].id
	_, err := collect(ctx, q, func(r row) (_ struct{}, err error) {
		var id ID
		var e Event
		if err = r.Scan(&id, &e.State, &e.Name, &e.Message, &e.Attempt, &e.Who); err == nil && byID[id] != nil {
			byID[id].events = append(byID[id].events, e)
		}
		return struct{}{}, err
	}, "SELECT run_id, state_type, state_name, message, attempt, who FROM event WHERE run_id BETWEEN ? AND ? ORDER BY run_id, id", first, last)
	if err != nil {
		return err
	}
	_, err = collect(ctx, q, func(r row) (_ struct{}, err error) {
		var id ID
		var a checkedAttempt
		if err = r.Scan(&id, &a.number, &a.fence, &a.state, &a.name); err == nil && byID[id] != nil {
			byID[id].attempts = append(byID[id].attempts, a)
		}
		return struct{}{}, err
	}, "SELECT run_id, attempt, fence, state_type, state_name FROM attempt WHERE run_id BETWEEN ? AND ? ORDER BY run_id, attempt", first, last)
	return err
}

func (c *checkedRun) check(r *Report) {
	before := len(r.Violations)
	c.replay(r)
	if len(r.Violations) == before { // what follows from a broken history says nothing new
		c.checkAttempts(r)
	}
}

// replay takes the history step by step, by the table of transitions.
func (c *checkedRun) replay(r *Report) {
	thing := c.id.String()
	if len(c.events) == 0 {
		r.add(RuleHistory, thing, "it has no history")
		return
	}
	c.events = withoutHooks(c.events)
	attempt := 0
	var state StateType
	for i, e := range c.events {
		adopted := e.State == state && state.Live()
		switch {
		case i == 0 && e.State != Scheduled:
			r.add(RuleHistory, thing, "it begins with %s", e.State)
		case i > 0 && !adopted && !MayFollow(state, e.State):
			r.add(RuleHistory, thing, "step %d goes from %s to %s", i+1, state, e.State)
		}
		if e.State == Pending {
			attempt++
		}
		if e.Attempt != attempt {
			r.add(RuleHistory, thing, "step %d, to %s, is of attempt %d, where attempt %d is due", i+1, e.State, e.Attempt, attempt)
		}
		if e.State == Scheduled && state.Live() && e.Name != NameAwaitingRetry {
			attempt-- // it was put back: the number is free again
		}
		state = e.State
	}
	last := c.events[len(c.events)-1]
	if last.State != c.state.Type || last.Name != c.state.Name {
		r.add(RuleHistory, thing, "it is %s (%s), and its history ends in %s (%s)", c.state.Type, c.state.Name, last.State, last.Name)
	} else if attempt != c.attempt {
		r.add(RuleHistory, thing, "it counts %d attempts, and its history %d", c.attempt, attempt)
	}
}

// withoutHooks leaves out what tells of hooks and changes no state.
func withoutHooks(events []Event) (steps []Event) {
	for i, e := range events {
		if i > 0 && e.Who == HookWho && e.State == events[i-1].State {
			continue
		}
		steps = append(steps, e)
	}
	return steps
}

func (c *checkedRun) checkAttempts(r *Report) {
	thing := c.id.String()
	if len(c.attempts) != c.attempt {
		r.add(RuleAttempts, thing, "it has %d attempts, and counts %d", len(c.attempts), c.attempt)
		return
	}
	for i, a := range c.attempts {
		live := i == len(c.attempts)-1 && c.state.Type.Live()
		switch {
		case a.number != i+1:
			r.add(RuleAttempts, thing, "attempt %d stands in the place of attempt %d", a.number, i+1)
		case live && a.state.Valid:
			r.add(RuleAttempts, thing, "it is %s, and its attempt %d has ended", c.state.Type, a.number)
		case !live && !a.state.Valid:
			r.add(RuleAttempts, thing, "it is %s, and its attempt %d has not ended", c.state.Type, a.number)
		case live && a.fence != c.fence, a.fence > c.fence:
			r.add(RuleFence, thing, "attempt %d has the fence %d, and the run %d", a.number, a.fence, c.fence)
		}
	}
	c.checkEnd(r)
}

// checkEnd holds a run that ended with its attempt to that attempt's end.
func (c *checkedRun) checkEnd(r *Report) {
	n := len(c.events)
	if n < 2 || len(c.attempts) == 0 || !c.state.Type.Terminal() || !c.events[n-2].State.Live() {
		return
	}
	a := c.attempts[len(c.attempts)-1]
	if a.state.String != string(c.state.Type) || a.name.String != c.state.Name {
		r.add(RuleAttempts, c.id.String(), "it is %s, and its last attempt ended %s", c.state.Name, a.name.String)
	}
}

// checkTicks looks for instants that made a run and stand in a dropped span.
func (s *Store) checkTicks(ctx context.Context, r *Report) error {
	both, err := collect(ctx, s.reader, func(r row) (v Violation, err error) {
		var id ID
		var slug string
		var at int64
		err = r.Scan(&id, &slug, &at)
		return Violation{RuleTicks, id.String(), fmt.Sprintf("its tick %s of the schedule %q counts as dropped, too", instant(at), slug)}, err
	}, `
		SELECT r.id, r.schedule_slug, r.scheduled_for
		  FROM dropped_tick t
		  JOIN flow_run r ON r.deployment_id = t.deployment_id
		                 AND r.schedule_slug = t.schedule_slug
		                 AND r.scheduled_for BETWEEN t.first AND t.last
		 WHERE r.created_by = 'schedule'`) // what was dropped, a backfill may make
	r.Violations = append(r.Violations, both...)
	return err
}

// checkHooks looks for hooks of an end that never was, and for ended ones of
// which the history does not tell.
func (s *Store) checkHooks(ctx context.Context, r *Report) error {
	broken, err := collect(ctx, s.reader, func(r row) (v Violation, err error) {
		var id ID
		err = r.Scan(&id, &v.Message)
		v.Rule, v.Thing = RuleHooks, id.String()
		return v, err
	}, `
		SELECT h.run_id, h.event || ' is of an end that it never had'
		  FROM hook h
		 WHERE h.event <> 'on_late'
		   AND NOT EXISTS (SELECT 1
		                     FROM event e
		                    WHERE e.run_id = h.run_id
		                      AND e.attempt = h.attempt
		                      AND e.state_type = h.state_type)
		 UNION ALL
		SELECT h.run_id, 'its history does not tell of each hook that has ended'
		  FROM hook h
		 WHERE h.ended IS NOT NULL
		 GROUP BY h.run_id
		HAVING count(*) <> (SELECT count(*)
		                      FROM event e
		                     WHERE e.run_id = h.run_id
		                       AND e.who = ?)`, HookWho)
	r.Violations = append(r.Violations, broken...)
	return err
}

// checkLogs looks for logs of no attempt: deleting a run takes its logs along,
// and a start that is taken back has made none.
func (s *Store) checkLogs(ctx context.Context, r *Report) error {
	folder := s.LogPath("")
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".log") {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		of, known, err := logOf(ctx, s.reader, filepath.ToSlash(relative))
		if err == nil && !known {
			r.add(RuleLogs, path, "it is the log of no %s", of)
		}
		return err
	})
}

// logOf tells whether a log, by its name below the folder, is that of an attempt or
// of a hook that a database knows. Somebody else's file is none of its business.
func logOf(ctx context.Context, q querier, name string) (of string, known bool, err error) {
	run, number, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".log"), ".")
	id, err := ParseID(run)
	if err != nil {
		return "", true, nil
	}
	of = "attempt"
	query := "SELECT count(*) > 0 FROM attempt WHERE run_id = ? AND attempt = CAST(? AS INTEGER)"
	if strings.Contains(number, ".") {
		of, number, query = "hook", name, "SELECT count(*) > 0 FROM hook WHERE run_id = ? AND log = ?"
	}
	err = q.QueryRowContext(ctx, query, id, number).Scan(&known)
	return of, known, err
}
