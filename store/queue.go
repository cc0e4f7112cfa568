package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// DefaultQueue is the queue that every pool has.
const DefaultQueue = "default"

// PolledLately is how fresh a queue's last poll must be for it to be healthy
// (Prefect's is a minute, too).
const PolledLately = time.Minute

// WorkQueue orders and limits runs within a pool.
type WorkQueue struct {
	ID               ID         `json:"id"`
	Name             string     `json:"name"`
	WorkPoolName     string     `json:"work_pool_name"`
	Description      string     `json:"description"`
	Priority         int        `json:"priority"` // 1 is highest
	IsPaused         bool       `json:"is_paused"`
	ConcurrencyLimit *int       `json:"concurrency_limit"`
	LastPolled       *time.Time `json:"last_polled"`
	Status           string     `json:"status"`
	Late             int        `json:"late"`
	// Healthy is polled lately and nothing late, as Prefect has it.
	Healthy bool      `json:"healthy"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	poolID  ID
}

const selectQueue = `
	SELECT q.id,
	       q.name,
	       q.work_pool_id,
	       p.name,
	       q.description,
	       q.priority,
	       q.is_paused,
	       q.concurrency_limit,
	       q.last_polled,
	       q.created,
	       q.updated
	  FROM work_queue q
	  JOIN work_pool p ON p.id = q.work_pool_id`

func scanQueue(r row) (q WorkQueue, err error) {
	var limit, polled sql.NullInt64
	var created, updated int64
	err = r.Scan(&q.ID, &q.Name, &q.poolID, &q.WorkPoolName, &q.Description, &q.Priority, &q.IsPaused,
		&limit, &polled, &created, &updated)
	q.ConcurrencyLimit, q.LastPolled = intOrNil(limit), instantOrNil(polled)
	q.Created, q.Updated = instant(created), instant(updated)
	return q, err
}

// WorkQueues lists the queues of a pool, or of all with "", by pool, priority
// and name.
func (s *Store) WorkQueues(ctx context.Context, pool string) ([]WorkQueue, error) {
	if pool != "" {
		if _, err := poolByName(ctx, s.reader, pool); err != nil {
			return nil, err
		}
	}
	queues, err := collect(ctx, s.reader, scanQueue, selectQueue+`
		 WHERE ?1 = '' OR p.name = ?1
		 ORDER BY p.name, q.priority, q.name`, pool)
	for i := range queues {
		if err == nil {
			err = s.addQueueStatus(ctx, &queues[i])
		}
	}
	return queues, err
}

// WorkQueue reads one queue of a pool.
func (s *Store) WorkQueue(ctx context.Context, pool, name string) (WorkQueue, error) {
	p, err := poolByName(ctx, s.reader, pool)
	if err != nil {
		return WorkQueue{}, err
	}
	q, err := queueByName(ctx, s.reader, p, name)
	if err == nil {
		err = s.addQueueStatus(ctx, &q)
	}
	return q, err
}

func (s *Store) addQueueStatus(ctx context.Context, q *WorkQueue) (err error) {
	polled := q.LastPolled != nil && s.Clock().Sub(*q.LastPolled) < PolledLately
	q.Status = readiness(q.IsPaused, polled)
	q.Late, err = s.countLate(ctx, "?", q.ID)
	q.Healthy = polled && q.Late == 0
	return err
}

func queueByName(ctx context.Context, db querier, pool WorkPool, name string) (WorkQueue, error) {
	q, err := scanQueue(db.QueryRowContext(ctx, selectQueue+" WHERE q.work_pool_id = ? AND q.name = ?", pool.ID, name))
	if !errors.Is(err, sql.ErrNoRows) {
		return q, err
	}
	known, err := names(ctx, db, "SELECT name FROM work_queue WHERE work_pool_id = ? ORDER BY priority, name", pool.ID)
	if err != nil {
		return q, err
	}
	e := notFound("work queue", name, known)
	e.Message += fmt.Sprintf(" in the work pool %q", pool.Name)
	return q, e
}

// SplitQueue reads "pool/queue"; a name alone is of the given pool.
func SplitQueue(pool, word string) (inPool, name string) {
	if before, after, full := strings.Cut(word, "/"); full && pool == "" {
		return before, after
	}
	return pool, word
}

// ensureQueue gives the queue of that name, making it with the lowest
// priority of its pool.
func (t *tx) ensureQueue(pool ID, name string) (id ID, made bool, err error) {
	if err := checkPlainName("work queue", name); err != nil {
		return id, false, err
	}
	err = t.QueryRowContext(t.ctx, "SELECT id FROM work_queue WHERE work_pool_id = ? AND name = ?", pool, name).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, false, err
	}
	id = NewID()
	_, err = t.exec(`
		INSERT INTO work_queue (id, work_pool_id, name, priority, created, updated)
		VALUES (?1, ?2, ?3, (SELECT coalesce(max(priority), 0) + 1 FROM work_queue WHERE work_pool_id = ?2), ?4, ?4)`, id, pool, name, t.now)
	if err != nil {
		return id, false, fmt.Errorf("create work queue: %w", err)
	}
	return id, true, nil
}
