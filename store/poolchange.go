package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// PoolChange is what of a work pool shall be another. What is nil is kept.
type PoolChange struct {
	Description      *string
	ConcurrencyLimit *int
	NoLimit          bool
	// JobVariables go over those that are there; null removes one.
	JobVariables Values
	Hooks        HookChange
}

// UpdateWorkPool changes a pool, all of it or nothing.
func (s *Store) UpdateWorkPool(ctx context.Context, name string, c PoolChange) (WorkPool, error) {
	err := s.update(ctx, func(t *tx) error {
		p, err := poolByName(t.ctx, t, name)
		if err != nil {
			return err
		}
		if err := c.apply(&p); err != nil {
			return err
		}
		_, err = t.exec("UPDATE work_pool SET description = ?, concurrency_limit = ?, job_variables = ?, hooks = ?, updated = ? WHERE id = ?",
			p.Description, p.ConcurrencyLimit, string(p.JobVariables), p.Hooks.text(), t.now, p.ID)
		return err
	})
	if err != nil {
		return WorkPool{}, err
	}
	return s.WorkPool(ctx, name)
}

func (c PoolChange) apply(p *WorkPool) (err error) {
	set(&p.Description, c.Description)
	if c.ConcurrencyLimit != nil || c.NoLimit {
		p.ConcurrencyLimit = c.ConcurrencyLimit
	}
	variables, err := ParseValues(p.JobVariables)
	if err != nil {
		return err
	}
	if err := variables.change(c.JobVariables); err != nil {
		return err
	}
	p.JobVariables = json.RawMessage(variables.text())
	p.Hooks = p.Hooks.With(c.Hooks)
	return p.check()
}

// PauseWorkPool stops a pool from starting runs, or lets it go on.
func (s *Store) PauseWorkPool(ctx context.Context, name string, paused bool) (WorkPool, error) {
	err := s.update(ctx, func(t *tx) error {
		p, err := poolByName(t.ctx, t, name)
		if err != nil {
			return err
		}
		_, err = t.exec("UPDATE work_pool SET is_paused = ?, updated = ? WHERE id = ?", paused, t.now, p.ID)
		return err
	})
	if err != nil {
		return WorkPool{}, err
	}
	return s.WorkPool(ctx, name)
}

// Touched is what the deletion of a pool or a queue reaches beyond itself.
type Touched struct {
	Deployments []string `json:"deployments"` // full names
	Waiting     int      `json:"waiting_runs"`
	Running     int      `json:"running_runs"`
	Workers     int      `json:"workers"`
}

// Nothing is true where nothing else is touched.
func (t Touched) Nothing() bool {
	return len(t.Deployments) == 0 && t.Waiting == 0 && t.Running == 0 && t.Workers == 0
}

const queuesOfPool = "SELECT id FROM work_queue WHERE work_pool_id = ?1"

// touched counts what belongs to some queues, given as SQL with one parameter.
func touched(ctx context.Context, q querier, queues string, id ID) (t Touched, err error) {
	t.Deployments, err = names(ctx, q, `
		SELECT f.name || '/' || d.name
		  FROM deployment d
		  JOIN flow f ON f.id = d.flow_id
		 WHERE d.work_queue_id IN (`+queues+`)
		 ORDER BY 1`, id)
	if err != nil {
		return t, err
	}
	err = q.QueryRowContext(ctx, `
		SELECT (SELECT count(*)
		          FROM flow_run INDEXED BY flow_run_due
		         WHERE state_type = 'SCHEDULED'
		           AND work_queue_id IN (`+queues+`)),
		       (SELECT count(*)
		          FROM flow_run INDEXED BY flow_run_live
		         WHERE state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
		           AND work_queue_id IN (`+queues+`))`, id).Scan(&t.Waiting, &t.Running)
	return t, err
}

// TouchedByPool is what deleting a work pool would reach.
func (s *Store) TouchedByPool(ctx context.Context, name string) (Touched, error) {
	p, err := s.WorkPool(ctx, name)
	if err != nil {
		return Touched{}, err
	}
	t, err := touched(ctx, s.reader, queuesOfPool, p.ID)
	t.Workers = p.Workers
	return t, err
}

// DeleteWorkPool removes a pool with its queues. Runs that wait in it are
// cancelled, those that run go on; its deployments have no pool from then on,
// and its workers end.
func (s *Store) DeleteWorkPool(ctx context.Context, name, who string) (done Touched, err error) {
	err = s.update(ctx, func(t *tx) error {
		p, err := poolByName(t.ctx, t, name)
		if err != nil {
			return err
		}
		if done, err = touched(t.ctx, t, queuesOfPool, p.ID); err != nil {
			return err
		}
		// First, or each tick that is cancelled would make the next one.
		if _, err := t.exec("UPDATE deployment SET work_queue_id = NULL WHERE work_queue_id IN ("+queuesOfPool+")", p.ID); err != nil {
			return err
		}
		if err := t.cancelWaiting(queuesOfPool, p.ID, fmt.Sprintf("its work pool %q was deleted", name), who); err != nil {
			return err
		}
		_, err = t.exec("DELETE FROM work_pool WHERE id = ?", p.ID)
		return err
	})
	return done, err
}

// cancelWaiting cancels the Scheduled runs of some queues.
func (t *tx) cancelWaiting(queues string, id ID, why, who string) error {
	waiting, err := collect(t.ctx, t, scanID, `
		SELECT id
		  FROM flow_run INDEXED BY flow_run_due
		 WHERE state_type = 'SCHEDULED'
		   AND work_queue_id IN (`+queues+`)`, id)
	for _, run := range waiting {
		if err == nil {
			_, err = t.cancel(run, why, who)
		}
	}
	return err
}

// Upcoming lists the runs of a pool, or of one queue of it, or of all pools,
// that are due by then, in the order in which workers take them: of what is due
// at the same time, or already, by the priority of its queue.
func (s *Store) Upcoming(ctx context.Context, pool, queue string, by time.Time) ([]Run, error) {
	if pool != "" {
		p, err := poolByName(ctx, s.reader, pool)
		if err == nil && queue != "" {
			_, err = queueByName(ctx, s.reader, p, queue)
		}
		if err != nil {
			return nil, err
		}
	}
	return collect(ctx, s.reader, s.read, selectRun+`
		 WHERE r.state_type = 'SCHEDULED'
		   AND r.due <= ?1
		   AND r.work_queue_id IN (SELECT q.id
		                             FROM work_queue q
		                             JOIN work_pool p ON p.id = q.work_pool_id
		                            WHERE (?2 = '' OR p.name = ?2)
		                              AND (?3 = '' OR q.name = ?3))
		 ORDER BY max(r.due, ?4), q.priority, r.due, r.id`, micros(by), pool, queue, micros(s.Clock()))
}
