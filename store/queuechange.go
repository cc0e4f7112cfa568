package store

import (
	"context"
	"errors"
	"fmt"
)

// QueueChange is what of a work queue shall be another. What is nil is kept.
type QueueChange struct {
	Description      *string
	Priority         *int
	ConcurrencyLimit *int
	NoLimit          bool
}

// CreateWorkQueue makes a queue in a pool. Without a priority it is the lowest
// of the pool; one that is taken moves those below it down.
func (s *Store) CreateWorkQueue(ctx context.Context, pool string, q WorkQueue, priority *int) (WorkQueue, error) {
	if err := errors.Join(checkPlainName("work queue", q.Name), checkLimit(q.ConcurrencyLimit), checkPriority(priority)); err != nil {
		return q, err
	}
	err := s.update(ctx, func(t *tx) error {
		p, err := poolByName(t.ctx, t, pool)
		if err != nil {
			return err
		}
		return t.createQueue(p, q, priority)
	})
	if err != nil {
		return q, err
	}
	return s.WorkQueue(ctx, pool, q.Name)
}

func (t *tx) createQueue(p WorkPool, q WorkQueue, priority *int) error {
	_, err := queueByName(t.ctx, t, p, q.Name)
	var known *Error
	if err == nil {
		e := conflict("the work pool %q has a queue %q already", p.Name, q.Name)
		e.Hint = []string{"see it: runnel work-queue inspect " + p.Name + "/" + q.Name}
		return e
	}
	if !errors.As(err, &known) || known.Code != NotFound {
		return err
	}
	id, _, err := t.ensureQueue(p.ID, q.Name)
	if err == nil && priority != nil {
		err = t.setPriority(p.ID, id, *priority)
	}
	if err != nil {
		return err
	}
	_, err = t.exec("UPDATE work_queue SET description = ?, concurrency_limit = ?, is_paused = ? WHERE id = ?",
		q.Description, q.ConcurrencyLimit, q.IsPaused, id)
	return err
}

func checkPriority(n *int) error {
	if n != nil && *n < 1 {
		return invalid("a priority of %d: it is 1 or more, and 1 is the highest", *n)
	}
	return nil
}

// setPriority gives a queue its place. Those that stand there and right below
// it move down by one, as far as the next gap.
func (t *tx) setPriority(pool, queue ID, priority int) error {
	_, err := t.exec(`
		UPDATE work_queue
		   SET priority = priority + 1, updated = ?4
		 WHERE work_pool_id = ?1
		   AND id <> ?2
		   AND priority >= ?3
		   AND priority < (SELECT min(free.n)
		                     FROM (SELECT ?3 AS n
		                            UNION ALL
		                           SELECT priority + 1
		                             FROM work_queue
		                            WHERE work_pool_id = ?1
		                              AND id <> ?2
		                              AND priority >= ?3) free
		                    WHERE free.n NOT IN (SELECT priority
		                                           FROM work_queue
		                                          WHERE work_pool_id = ?1
		                                            AND id <> ?2))`, pool, queue, priority, t.now)
	if err != nil {
		return fmt.Errorf("make room for the priority: %w", err)
	}
	_, err = t.exec("UPDATE work_queue SET priority = ?, updated = ? WHERE id = ?", priority, t.now, queue)
	return err
}

// UpdateWorkQueue changes a queue, all of it or nothing.
func (s *Store) UpdateWorkQueue(ctx context.Context, pool, name string, c QueueChange) (WorkQueue, error) {
	err := s.changeQueue(ctx, pool, name, func(t *tx, q WorkQueue) error {
		set(&q.Description, c.Description)
		if c.ConcurrencyLimit != nil || c.NoLimit {
			q.ConcurrencyLimit = c.ConcurrencyLimit
		}
		if err := errors.Join(checkLimit(q.ConcurrencyLimit), checkPriority(c.Priority)); err != nil {
			return err
		}
		if c.Priority != nil {
			if err := t.setPriority(q.poolID, q.ID, *c.Priority); err != nil {
				return err
			}
		}
		_, err := t.exec("UPDATE work_queue SET description = ?, concurrency_limit = ?, updated = ? WHERE id = ?",
			q.Description, q.ConcurrencyLimit, t.now, q.ID)
		return err
	})
	if err != nil {
		return WorkQueue{}, err
	}
	return s.WorkQueue(ctx, pool, name)
}

// PauseWorkQueue stops a queue from starting runs, or lets it go on.
func (s *Store) PauseWorkQueue(ctx context.Context, pool, name string, paused bool) (WorkQueue, error) {
	err := s.changeQueue(ctx, pool, name, func(t *tx, q WorkQueue) error {
		_, err := t.exec("UPDATE work_queue SET is_paused = ?, updated = ? WHERE id = ?", paused, t.now, q.ID)
		return err
	})
	if err != nil {
		return WorkQueue{}, err
	}
	return s.WorkQueue(ctx, pool, name)
}

func (s *Store) changeQueue(ctx context.Context, pool, name string, change func(*tx, WorkQueue) error) error {
	return s.update(ctx, func(t *tx) error {
		p, err := poolByName(t.ctx, t, pool)
		if err != nil {
			return err
		}
		q, err := queueByName(t.ctx, t, p, name)
		if err != nil {
			return err
		}
		return change(t, q)
	})
}

// TouchedByQueue is what deleting a work queue would reach.
func (s *Store) TouchedByQueue(ctx context.Context, pool, name string) (Touched, error) {
	q, err := s.WorkQueue(ctx, pool, name)
	if err == nil && q.Name == DefaultQueue {
		err = defaultStays(pool)
	}
	if err != nil {
		return Touched{}, err
	}
	return s.HeldByQueue(ctx, q)
}

// HeldByQueue is what pausing a queue holds.
func (s *Store) HeldByQueue(ctx context.Context, q WorkQueue) (Touched, error) {
	return touched(ctx, s.reader, "?1", q.ID)
}

func defaultStays(pool string) error {
	e := conflict("the queue %q of a work pool cannot be deleted", DefaultQueue)
	e.Hint = []string{"pause it: runnel work-queue pause " + pool + "/" + DefaultQueue}
	return e
}

// DeleteWorkQueue removes a queue. What belongs to it goes to the pool's
// default queue: no run is lost, and none changes its pool.
func (s *Store) DeleteWorkQueue(ctx context.Context, pool, name string) (done Touched, err error) {
	err = s.changeQueue(ctx, pool, name, func(t *tx, q WorkQueue) error {
		if q.Name == DefaultQueue {
			return defaultStays(pool)
		}
		if done, err = touched(t.ctx, t, "?1", q.ID); err != nil {
			return err
		}
		other, _, err := t.ensureQueue(q.poolID, DefaultQueue)
		if err != nil {
			return err
		}
		for _, statement := range []string{
			"UPDATE deployment SET work_queue_id = ? WHERE work_queue_id = ?",
			"UPDATE flow_run SET work_queue_id = ? WHERE work_queue_id = ?",
		} {
			if _, err := t.exec(statement, other, q.ID); err != nil {
				return err
			}
		}
		_, err = t.exec("DELETE FROM work_queue WHERE id = ?", q.ID)
		return err
	})
	return done, err
}

// FindQueue gives the queue that a word on the command line means:
// "pool/queue", a queue of the given pool, or a name that only one pool has.
func (s *Store) FindQueue(ctx context.Context, pool, word string) (WorkQueue, error) {
	pool, name := SplitQueue(pool, word)
	if pool != "" {
		return s.WorkQueue(ctx, pool, name)
	}
	queues, err := s.WorkQueues(ctx, "")
	if err != nil {
		return WorkQueue{}, err
	}
	var found []WorkQueue
	var known, full []string
	for _, q := range queues {
		known = append(known, q.Name)
		if q.Name == name {
			found, full = append(found, q), append(full, q.WorkPoolName+"/"+q.Name)
		}
	}
	switch len(found) {
	case 0:
		e := notFound("work queue", name, known)
		e.Hint = append(e.Hint, "list them: runnel work-queue ls")
		return WorkQueue{}, e
	case 1:
		return found[0], nil
	}
	return WorkQueue{}, &Error{Code: Ambiguous, Message: fmt.Sprintf("%d work pools have a queue %q: say --pool", len(found), name), Hint: full}
}
