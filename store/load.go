package store

import (
	"context"
	"database/sql"
	"time"
)

// Load is what a work queue, or all queues of a pool, hold now.
type Load struct {
	Running int        `json:"running"`
	Waiting int        `json:"waiting"` // due and not started, the late ones among them
	Next    *time.Time `json:"next"`    // when the next run falls due
}

// PoolLoad is a work pool with what it holds.
type PoolLoad struct {
	WorkPool
	Load
}

// PoolLoads lists all work pools, by name.
func (s *Store) PoolLoads(ctx context.Context) ([]PoolLoad, error) {
	pools, err := s.WorkPools(ctx)
	if err != nil {
		return nil, err
	}
	queues, err := s.queueLoads(ctx)
	loads := make([]PoolLoad, len(pools))
	for i, p := range pools {
		loads[i].WorkPool = p
		for _, q := range queues {
			if q.pool == p.ID {
				loads[i].Load = loads[i].with(q.Load)
			}
		}
	}
	return loads, err
}

func (l Load) with(other Load) Load {
	l.Running += other.Running
	l.Waiting += other.Waiting
	if l.Next == nil || other.Next != nil && other.Next.Before(*l.Next) {
		l.Next = other.Next
	}
	return l
}

// QueueLoad is what one queue holds.
func (s *Store) QueueLoad(ctx context.Context, queue WorkQueue) (Load, error) {
	queues, err := s.queueLoads(ctx)
	for _, q := range queues {
		if q.queue == queue.ID {
			return q.Load, err
		}
	}
	return Load{}, err
}

type queueLoad struct {
	pool, queue ID
	Load
}

// queueLoads asks two partial indexes: what has ended costs nothing.
func (s *Store) queueLoads(ctx context.Context) ([]queueLoad, error) {
	return collect(ctx, s.reader, func(r row) (l queueLoad, err error) {
		var next sql.NullInt64
		err = r.Scan(&l.pool, &l.queue, &l.Running, &l.Waiting, &next)
		l.Next = instantOrNil(next)
		return l, err
	}, selectLoads, micros(s.Clock()))
}

const selectLoads = `
	SELECT q.work_pool_id,
	       q.id,
	       (SELECT count(*)
	          FROM flow_run r INDEXED BY flow_run_live
	         WHERE r.state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
	           AND r.work_queue_id = q.id),
	       (SELECT count(*)
	          FROM flow_run r INDEXED BY flow_run_due
	         WHERE r.state_type = 'SCHEDULED'
	           AND r.work_queue_id = q.id
	           AND r.due <= ?1),
	       (SELECT min(r.due)
	          FROM flow_run r INDEXED BY flow_run_due
	         WHERE r.state_type = 'SCHEDULED'
	           AND r.work_queue_id = q.id
	           AND r.due > ?1)
	  FROM work_queue q`

// RecentRun is a run as far as a bar of many shows it.
type RecentRun struct {
	ID    ID        `json:"id"`
	Type  StateType `json:"state_type"`
	State string    `json:"state_name"`
}

// RecentRuns gives the last runs of each deployment that have begun or ended,
// at most n of each, the oldest first.
func (s *Store) RecentRuns(ctx context.Context, n int) (map[ID][]RecentRun, error) {
	recent := map[ID][]RecentRun{}
	_, err := collect(ctx, s.reader, func(r row) (_ struct{}, err error) {
		var deployment ID
		var run RecentRun
		err = r.Scan(&deployment, &run.ID, &run.Type, &run.State)
		recent[deployment] = append(recent[deployment], run)
		return struct{}{}, err
	}, selectRecent, n)
	return recent, err
}

const selectRecent = `
	SELECT d.id,
	       r.id,
	       r.state_type,
	       r.state_name
	  FROM deployment d
	 CROSS JOIN flow_run r
	 WHERE r.id IN (SELECT l.id
	                  FROM flow_run l INDEXED BY flow_run_by_deployment
	                 WHERE l.deployment_id = d.id
	                   AND (l.state_type <> 'SCHEDULED' OR l.attempt > 0)
	                 ORDER BY l.id DESC
	                 LIMIT ?1)
	 ORDER BY d.id, r.id`

// Failures gives the runs that failed or crashed since, the newest end first
// and at most limit of them, and how many there are.
func (s *Store) Failures(ctx context.Context, since time.Time, limit int) (runs []Run, all int, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT count(*) "+failedSince, micros(since)).Scan(&all)
	if err != nil || all == 0 {
		return []Run{}, all, err
	}
	runs, err = collect(ctx, s.reader, s.read, selectRun+" WHERE r.id IN (SELECT r.id "+failedSince+
		" ORDER BY r.end_time DESC LIMIT ?2) ORDER BY r.end_time DESC", micros(since), limit)
	return runs, all, err
}

// Without the index's name SQLite reads all that ever failed.
const failedSince = "FROM flow_run r INDEXED BY flow_run_failed WHERE r.state_type IN ('FAILED', 'CRASHED') AND r.end_time >= ?1"

// Sleep is a stretch of time in which a machine of workers slept.
type Sleep struct{ From, To time.Time }

// Sleeps lists when machines slept since, the newest first.
func (s *Store) Sleeps(ctx context.Context, since time.Time) ([]Sleep, error) {
	return collect(ctx, s.reader, func(r row) (l Sleep, err error) {
		var from, to int64
		err = r.Scan(&from, &to)
		l.From, l.To = instant(from), instant(to)
		return l, err
	}, `
		SELECT DISTINCT first, last
		  FROM absence
		 WHERE reason = 'asleep'
		   AND last >= ?
		 ORDER BY first DESC`, micros(since))
}
