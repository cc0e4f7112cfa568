package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestTheSchemaDefendsTheStates tries every state with and without an end and an
// owner, and what is no state.
func TestTheSchemaDefendsTheStates(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	run := create(t, s, "nightly", nil)
	states := []StateType{Scheduled, Pending, Running, Cancelling, Paused, Completed, Failed, Crashed, Cancelled, "DONE", ""}
	for i, state := range states {
		for _, end := range []any{nil, 1} {
			for _, owner := range []any{nil, "proof"} {
				err := tryChange(s, "UPDATE flow_run SET state_type = ?, end_time = ?, owner_proof = ? WHERE id = ?", state, end, owner, run.ID)
				_, known := stateNames[state]
				want := known && state.Terminal() == (end != nil) && state.Live() == (owner != nil)
				if (err == nil) != want {
					t.Errorf("%q, ended %v, owned %v: %v", state, end != nil, owner != nil, err)
				}
			}
		}
		err := tryChange(s, "INSERT INTO attempt (run_id, attempt, fence, log, start_time, end_time, state_type) VALUES (?, ?, 1, '', 1, 1, ?)",
			run.ID, 1+i, state)
		if (err == nil) != state.Terminal() {
			t.Errorf("an attempt that ended %q: %v", state, err)
		}
	}
	if n := number(t, s, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); n != 0 {
		t.Errorf("%d rows of the check are not ok", n)
	}
}

// TestARunIsChangedWithoutTablesOfItsOwn counts the tables that SQLite makes, and
// throws away, to change one row: a list of more than two in a CHECK is one each.
func TestARunIsChangedWithoutTablesOfItsOwn(t *testing.T) {
	s := open(t)
	d := deploy(t, s, nil)
	insertRuns(t, s, d, 1, Scheduled)
	w := Worker{Name: "w", WorkPoolName: "p"}
	result, err := s.Claim(context.Background(), Round{Worker: w, Owners: owners(1)})
	must(t, err)
	_, err = s.Claim(context.Background(), Round{Worker: w, Ends: []End{endOf(result.Claimed[0], NewState(Completed, ""))}})
	must(t, err)
	seen := 0
	for query := range s.stmts {
		query = strings.TrimSpace(query)
		table := ""
		for _, begin := range []string{"UPDATE flow_run", "UPDATE attempt", "INSERT INTO attempt", "INSERT OR IGNORE INTO event"} {
			if strings.HasPrefix(query, begin) {
				table = begin
			}
		}
		if table == "" {
			continue
		}
		seen++
		// The index of live runs has such a list, and older workers name it so: it is
		// asked for the row as it was and as it becomes.
		limit := 0
		if table == "UPDATE flow_run" {
			limit = 2
		}
		if n := tablesMade(t, s, query); n > limit {
			t.Errorf("%d tables are made by %s", n, query)
		}
	}
	if seen != 5 {
		t.Errorf("%d statements that change a run, want 5", seen)
	}
}

// tablesMade counts them in a statement's own program; a trigger's, which follows
// its first Halt with one of a program more, mostly does not run.
func tablesMade(t *testing.T, s *Store, query string) (n int) {
	t.Helper()
	arguments := make([]any, 20)
	for !strings.Contains(query, fmt.Sprint("?", len(arguments))) && strings.Count(query, "?") != len(arguments) {
		arguments = arguments[1:]
	}
	operations, err := collect(context.Background(), s.writer, func(r row) (op string, err error) {
		var rest [7]any
		return op, r.Scan(&rest[0], &op, &rest[1], &rest[2], &rest[3], &rest[4], &rest[5], &rest[6])
	}, "EXPLAIN "+query, arguments...)
	must(t, err)
	for i, op := range operations {
		if op == "Init" && i > 0 {
			return n // a trigger's program begins
		}
		if op == "OpenEphemeral" {
			n++
		}
	}
	return n
}
