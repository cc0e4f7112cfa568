package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// The reasons of an absence.
const (
	AbsentOff    = "off"    // no worker ran
	AbsentAsleep = "asleep" // its machine slept
)

// Absence is a time in which no worker polled a queue.
type Absence struct {
	First, Last time.Time
	Reason      string
}

func scanAbsence(r row) (a Absence, err error) {
	var first, last int64
	err = r.Scan(&first, &last, &a.Reason)
	a.First, a.Last = instant(first), instant(last)
	return a, err
}

// absences lists when nobody polled a queue, as far as it concerns a time.
func absences(ctx context.Context, q querier, queue ID, from, to int64) ([]Absence, error) {
	return collect(ctx, q, scanAbsence, `
		SELECT first,
		       last,
		       reason
		  FROM absence
		 WHERE work_queue_id = ?
		   AND last >= ?
		   AND first <= ?
		 ORDER BY first`, queue, from, to)
}

func (p *passing) readAbsences(from int64) (err error) {
	p.absences, err = absences(p.t.ctx, p.t, p.d.queueID, from, p.t.now)
	return err
}

// minAbsence is the shortest that is recorded: less explains nothing.
const minAbsence = time.Second

// keepAbsences is how long they can explain what was late.
const keepAbsences = 400 * 24 * time.Hour

// recordOff records how long the queues of a worker that begins were polled by
// nobody.
func (t *tx) recordOff(pool WorkPool, w Worker) error {
	others, err := collect(t.ctx, t, scanPoller, `
		SELECT proof,
		       queues
		  FROM worker
		 WHERE work_pool_id = ?
		   AND ended IS NULL
		   AND draining IS NULL`, pool.ID)
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(o Worker) bool { return !t.s.Alive(o.Proof) })
	queues, err := collect(t.ctx, t, scanQueue, selectQueue+" WHERE q.work_pool_id = ?", pool.ID)
	if err != nil {
		return err
	}
	for _, q := range queues {
		polled := func(w Worker) bool { return len(w.Queues) == 0 || slices.Contains(w.Queues, q.Name) }
		if !polled(w) || slices.ContainsFunc(others, polled) {
			continue
		}
		from := q.Created
		if q.LastPolled != nil {
			from = *q.LastPolled
		}
		if err := t.recordAbsence(q.ID, micros(from), t.now, AbsentOff); err != nil {
			return err
		}
	}
	for _, table := range []string{"absence", "pause"} {
		if _, err := t.exec("DELETE FROM "+table+" WHERE last < ?", t.now-keepAbsences.Microseconds()); err != nil {
			return err
		}
	}
	return nil
}

func scanPoller(r row) (w Worker, err error) {
	var queues text
	if err = r.Scan(&w.Proof, &queues); err == nil {
		err = json.Unmarshal(queues, &w.Queues)
	}
	return w, err
}

func (t *tx) recordAbsence(queue ID, from, to int64, reason string) error {
	if to-from < minAbsence.Microseconds() {
		return nil
	}
	_, err := t.exec(`
		INSERT INTO absence (id, work_queue_id, first, last, reason, created, updated)
		VALUES (?, ?, ?, ?, ?, ?6, ?6)`, NewID(), queue, from, to, reason, t.now)
	return err
}

// Slept records that the machine of a worker slept.
func (s *Store) Slept(ctx context.Context, worker ID, from, to time.Time) error {
	return s.update(ctx, func(t *tx) error {
		queues, err := collect(t.ctx, t, scanID, `
			SELECT id
			  FROM work_queue
			 WHERE work_pool_id = (SELECT work_pool_id FROM worker WHERE id = ?1)
			   AND `+polledByWorker, worker)
		for _, queue := range queues {
			if err == nil {
				err = t.recordAbsence(queue, micros(from), micros(to), AbsentAsleep)
			}
		}
		return err
	})
}

// Lateness is how long after its time a run started, or waits.
type Lateness struct {
	By time.Duration
	// Reason is an absence's, or "" where none explains it; From and To are
	// the absence.
	Reason   string
	From, To time.Time
}

// Lateness tells how late a run is, and which absence of workers explains most
// of it.
func (s *Store) Lateness(ctx context.Context, r Run) (l Lateness, err error) {
	until := s.Clock()
	switch {
	case r.StartTime != nil:
		until = *r.StartTime
	case r.EndTime != nil: // it never started
		until = *r.EndTime
	}
	l.By = max(0, until.Sub(r.ExpectedStartTime))
	var queue ID
	err = s.reader.QueryRowContext(ctx, "SELECT work_queue_id FROM flow_run WHERE id = ?", r.ID).Scan(&queue)
	if l.By == 0 || err != nil {
		return l, err
	}
	list, err := absences(ctx, s.reader, queue, micros(r.ExpectedStartTime), micros(until))
	longest := time.Duration(0)
	for _, a := range list {
		if covered := earlier(a.Last, until).Sub(later(a.First, r.ExpectedStartTime)); covered > longest {
			longest = covered
			l.Reason, l.From, l.To = a.Reason, a.First, a.Last
		}
	}
	return l, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
