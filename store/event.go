package store

import (
	"context"
	"fmt"
	"time"
)

// Event is one step of a run's history.
type Event struct {
	ID      ID        `json:"id"`
	Time    time.Time `json:"time"`
	State   StateType `json:"state_type"`
	Name    string    `json:"state_name"`
	Message string    `json:"message"`
	Attempt int       `json:"attempt"`
	Who     string    `json:"who"`
}

// addEvent appends to a run's history. Its order is that of the ids, which
// come from the clocks of several processes: one that would not be the last,
// after a clock was set back, is made so.
func (t *tx) addEvent(run ID, state State, attempt int, who string) error {
	return t.addEventAt(t.now, run, state, attempt, who)
}

func (t *tx) addEventAt(at int64, run ID, state State, attempt int, who string) error {
	id := NewID()
	for {
		// Without an id the row is ignored. A SELECT from the table itself would have
		// SQLite make a table to keep what it reads.
		n, err := t.exec(`
			INSERT OR IGNORE INTO event (run_id, id, time, state_type, state_name, message, attempt, who)
			VALUES (?1, iif(?2 <= (SELECT max(id) FROM event WHERE run_id = ?1), NULL, ?2), ?3, ?4, ?5, ?6, ?7, ?8)`,
			run, id, at, state.Type, state.Name, state.Message, attempt, who)
		if err != nil || n == 1 {
			return err
		}
		var last ID
		if err := t.QueryRowContext(t.ctx, "SELECT max(id) FROM event WHERE run_id = ?", run).Scan(&last); err != nil {
			return err
		}
		id = last.next()
	}
}

// StepEnd is how a pull step of an attempt ended.
type StepEnd struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
}

// addSteps puts the pull steps of an attempt into its history, each under the
// time when it ended. The run stays in its state.
func (t *tx) addSteps(e End, state State, who string) error {
	for _, step := range e.Steps {
		state.Message = step.Message
		if err := t.addEventAt(micros(step.Time), e.Run, state, e.Attempt, who); err != nil {
			return fmt.Errorf("record its steps: %w", err)
		}
	}
	return nil
}

// addStartEvents appends the two that a claim makes at once.
func (t *tx) addStartEvents(run ID, attempt int, who string) error {
	if err := t.addEvent(run, NewState(Pending, ""), attempt, who); err != nil {
		return err
	}
	return t.addEvent(run, NewState(Running, ""), attempt, who)
}

// Events is a run's whole history, oldest first.
func (s *Store) Events(ctx context.Context, run ID) ([]Event, error) {
	return collect(ctx, s.reader, func(r row) (e Event, err error) {
		var at int64
		err = r.Scan(&e.ID, &at, &e.State, &e.Name, &e.Message, &e.Attempt, &e.Who)
		e.Time = instant(at)
		return e, err
	}, `
		SELECT id, time, state_type, state_name, message, attempt, who
		  FROM event
		 WHERE run_id = ?
		 ORDER BY id`, run)
}
