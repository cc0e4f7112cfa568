package store

import (
	"context"
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

// addEvent appends to a run's history.
func (t *tx) addEvent(run ID, state State, attempt int, who string) error {
	_, err := t.exec(`
		INSERT INTO event (run_id, id, time, state_type, state_name, message, attempt, who)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, run, NewID(), t.now, state.Type, state.Name, state.Message, attempt, who)
	return err
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
