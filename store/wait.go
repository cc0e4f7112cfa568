package store

import (
	"context"
	"slices"
)

// Wait is the thing that a Scheduled run waits for.
type Wait struct {
	For   string // one of the words below
	Name  string // of the thing
	Limit int
}

// What a run may wait for, the nearest first.
const (
	WaitTime             = "its time"
	WaitCommand          = "its command"
	WaitPoolGone         = "its pool"
	WaitPoolPaused       = "the paused work pool"
	WaitQueuePaused      = "the paused work queue"
	WaitDeploymentPaused = "the paused deployment"
	WaitWorker           = "a worker"
	WaitPoolLimit        = "the work pool"
	WaitQueueLimit       = "the work queue"
	WaitDeploymentLimit  = "the deployment"
	WaitWorkerLimit      = "the worker"
	WaitClaim            = "the next look"
)

// Waits tells what a Scheduled run waits for. It reads, and changes nothing.
func (s *Store) Waits(ctx context.Context, r Run) (Wait, error) {
	switch {
	case r.Job != nil:
		return Wait{For: WaitCommand}, nil
	case r.WorkPoolName == "":
		return Wait{For: WaitPoolGone}, nil
	case r.Due.After(s.Clock()):
		return Wait{For: WaitTime}, nil
	}
	pool, err := s.WorkPool(ctx, r.WorkPoolName)
	if err != nil {
		return Wait{}, err
	}
	queue, err := s.WorkQueue(ctx, r.WorkPoolName, r.WorkQueueName)
	if err != nil {
		return Wait{}, err
	}
	if w, waits := pausedWait(pool, queue); waits {
		return w, nil
	}
	if w, err := s.deploymentWait(ctx, r); err != nil || w.For != "" {
		return w, err
	}
	return s.capacityWait(ctx, pool, queue)
}

// QueueWaits tells what any run of a queue would wait for now.
func (s *Store) QueueWaits(ctx context.Context, pool WorkPool, queue WorkQueue) (Wait, error) {
	if w, waits := pausedWait(pool, queue); waits {
		return w, nil
	}
	return s.capacityWait(ctx, pool, queue)
}

func pausedWait(pool WorkPool, queue WorkQueue) (Wait, bool) {
	switch {
	case pool.IsPaused:
		return Wait{For: WaitPoolPaused, Name: pool.Name}, true
	case queue.IsPaused:
		return Wait{For: WaitQueuePaused, Name: queue.Name}, true
	}
	return Wait{}, false
}

func (s *Store) deploymentWait(ctx context.Context, r Run) (Wait, error) {
	if r.DeploymentID == nil {
		return Wait{}, nil
	}
	d, err := scanDeployment(s.reader.QueryRowContext(ctx, selectDeployment+" WHERE d.id = ?", *r.DeploymentID))
	if err != nil {
		return Wait{}, err
	}
	if d.Paused || d.OperatorPaused {
		return Wait{For: WaitDeploymentPaused, Name: d.FullName}, nil
	}
	if d.ConcurrencyLimit == nil {
		return Wait{}, nil
	}
	live, err := s.countLive(ctx, "deployment_id = ?", d.ID)
	if err == nil && live >= *d.ConcurrencyLimit {
		return Wait{For: WaitDeploymentLimit, Name: d.FullName, Limit: *d.ConcurrencyLimit}, nil
	}
	return Wait{}, err
}

// capacityWait looks for a worker of the queue, then for what is full.
func (s *Store) capacityWait(ctx context.Context, pool WorkPool, queue WorkQueue) (Wait, error) {
	workers, err := s.Workers(ctx, pool.Name)
	if err != nil {
		return Wait{}, err
	}
	workers = slices.DeleteFunc(workers, func(w Worker) bool {
		return w.Status != Online || (len(w.Queues) > 0 && !slices.Contains(w.Queues, queue.Name))
	})
	if len(workers) == 0 {
		return Wait{For: WaitWorker, Name: queue.Name}, nil
	}
	inPool, err := s.countLive(ctx, "work_queue_id IN (SELECT id FROM work_queue WHERE work_pool_id = ?)", pool.ID)
	if err != nil {
		return Wait{}, err
	}
	inQueue, err := s.countLive(ctx, "work_queue_id = ?", queue.ID)
	switch {
	case err != nil:
		return Wait{}, err
	case left(pool.ConcurrencyLimit, inPool) == 0:
		return Wait{For: WaitPoolLimit, Name: pool.Name, Limit: *pool.ConcurrencyLimit}, nil
	case left(queue.ConcurrencyLimit, inQueue) == 0:
		return Wait{For: WaitQueueLimit, Name: queue.Name, Limit: *queue.ConcurrencyLimit}, nil
	}
	full := !slices.ContainsFunc(workers, func(w Worker) bool { return left(w.ConcurrencyLimit, w.Running) > 0 })
	if full {
		return Wait{For: WaitWorkerLimit, Name: workers[0].Name, Limit: *workers[0].ConcurrencyLimit}, nil
	}
	return Wait{For: WaitClaim}, nil
}

func (s *Store) countLive(ctx context.Context, condition string, id ID) (n int, err error) {
	err = s.reader.QueryRowContext(ctx, `
		SELECT count(*)
		  FROM flow_run INDEXED BY flow_run_live
		 WHERE state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
		   AND `+condition, id).Scan(&n)
	return n, err
}
