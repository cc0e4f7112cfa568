package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// HeartbeatEvery is how often a worker says that it is there.
const HeartbeatEvery = 15 * time.Second

// The status words of a worker.
const (
	Online  = "ONLINE"
	Offline = "OFFLINE"
	// Stopped is one that lives and does nothing, after a SIGSTOP. Prefect has
	// no such word.
	Stopped = "STOPPED"
	// Draining is one that was told to stop: it takes no new runs, and ends with
	// those that it has.
	Draining = "DRAINING"
)

// Worker is one worker process, now or lately.
type Worker struct {
	ID               ID         `json:"id"`
	Name             string     `json:"name"`
	WorkPoolName     string     `json:"work_pool_name"`
	Queues           []string   `json:"work_queues"` // empty: all
	ConcurrencyLimit *int       `json:"concurrency_limit"`
	Host             string     `json:"host"`
	PID              int        `json:"pid"`
	Version          string     `json:"version"`
	Status           string     `json:"status"`
	Running          int        `json:"running"`
	Started          time.Time  `json:"started"`
	LastSeen         time.Time  `json:"last_heartbeat_time"`
	Ended            *time.Time `json:"ended"`
	draining         bool
	// Proof tells, by the runner's rules, whether the process is alive.
	Proof string `json:"-"`
}

// Alive decides whether the holder of a proof lives. Until the runner sets
// its own, which asks the kernel, every holder is taken to live.
type Alive func(proof string) bool

// RegisterWorker records a worker that has started in a pool. The rows of
// earlier workers that are gone are removed.
func (s *Store) RegisterWorker(ctx context.Context, w Worker) (Worker, error) {
	if err := checkFreeName("worker", w.Name); err != nil {
		return w, err
	}
	queues, err := json.Marshal(append([]string{}, w.Queues...))
	if err != nil {
		return w, err
	}
	err = s.update(ctx, func(t *tx) error {
		pool, err := poolByName(t.ctx, t, w.WorkPoolName)
		if err != nil {
			return err
		}
		if err := t.forgetWorkers(pool); err != nil {
			return err
		}
		if err := t.recordOff(pool, w); err != nil {
			return err
		}
		w.Started, w.LastSeen = instant(t.now), instant(t.now)
		_, err = t.exec(`
			INSERT INTO worker (id, name, work_pool_id, queues, concurrency_limit, host, pid, proof, version,
			                    started, last_seen, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?10, ?10, ?10, ?10)`,
			w.ID, w.Name, pool.ID, string(queues), w.ConcurrencyLimit, w.Host, w.PID, w.Proof, w.Version, t.now)
		if err != nil {
			return fmt.Errorf("register worker: %w", err)
		}
		return t.touchQueues(w.ID)
	})
	return w, err
}

// keepWorkers is how long a worker that is gone stays in `worker ls`.
const keepWorkers = 24 * time.Hour

func (t *tx) forgetWorkers(pool WorkPool) error {
	_, err := t.exec("DELETE FROM worker WHERE work_pool_id = ? AND last_seen < ?",
		pool.ID, t.now-keepWorkers.Microseconds())
	return err
}

// Heartbeat says that a worker and the queues that it polls are looked after.
func (s *Store) Heartbeat(ctx context.Context, worker ID) error {
	return s.update(ctx, func(t *tx) error {
		if _, err := t.exec("UPDATE worker SET last_seen = ?1, updated = ?1 WHERE id = ?2", t.now, worker); err != nil {
			return err
		}
		return t.touchQueues(worker)
	})
}

func (t *tx) touchQueues(worker ID) error {
	_, err := t.exec(`
		UPDATE work_queue
		   SET last_polled = ?2
		 WHERE work_pool_id = (SELECT work_pool_id FROM worker WHERE id = ?1 AND draining IS NULL)
		   AND `+polledByWorker, worker, t.now)
	return err
}

// polledByWorker is true of the queues that the worker ?1 polls.
const polledByWorker = `((SELECT queues FROM worker WHERE id = ?1) = '[]'
		        OR name IN (SELECT value FROM json_each((SELECT queues FROM worker WHERE id = ?1))))`

// DrainWorker records that a worker takes no new runs: from then on it polls
// nothing.
func (s *Store) DrainWorker(ctx context.Context, worker ID) error {
	return s.update(ctx, func(t *tx) error {
		if err := t.touchQueues(worker); err != nil {
			return err
		}
		_, err := t.exec("UPDATE worker SET draining = ?1, updated = ?1 WHERE id = ?2", t.now, worker)
		return err
	})
}

// EndWorker records that a worker has left.
func (s *Store) EndWorker(ctx context.Context, worker ID) error {
	return s.update(ctx, func(t *tx) error {
		_, err := t.exec("UPDATE worker SET ended = ?1, last_seen = ?1, updated = ?1 WHERE id = ?2", t.now, worker)
		return errors.Join(err, t.touchQueues(worker))
	})
}

// Workers lists the workers of a pool, or all with "", newest first.
func (s *Store) Workers(ctx context.Context, pool string) ([]Worker, error) {
	if pool != "" {
		if _, err := poolByName(ctx, s.reader, pool); err != nil {
			return nil, err
		}
	}
	workers, err := collect(ctx, s.reader, scanWorker, `
		SELECT w.id,
		       w.name,
		       p.name,
		       w.queues,
		       w.concurrency_limit,
		       w.host,
		       w.pid,
		       w.version,
		       w.proof,
		       w.started,
		       w.last_seen,
		       w.ended,
		       w.draining IS NOT NULL,
		       (SELECT count(*)
		          FROM flow_run r INDEXED BY flow_run_live
		         WHERE r.state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
		           AND r.worker_name = w.name
		           AND r.work_queue_id IN (SELECT id FROM work_queue WHERE work_pool_id = p.id))
		  FROM worker w
		  JOIN work_pool p ON p.id = w.work_pool_id
		 WHERE ?1 = '' OR p.name = ?1
		 ORDER BY w.started DESC`, pool)
	for i := range workers {
		workers[i].Status = s.workerStatus(workers[i])
	}
	return workers, err
}

func (s *Store) workerStatus(w Worker) string {
	switch {
	case w.Ended != nil || !s.Alive(w.Proof):
		return Offline
	case s.Stopped != nil && s.Stopped(w.Proof):
		return Stopped
	case w.draining:
		return Draining
	}
	return Online
}

func scanWorker(r row) (w Worker, err error) {
	var queues text
	var limit, ended sql.NullInt64
	var started, seen int64
	err = r.Scan(&w.ID, &w.Name, &w.WorkPoolName, &queues, &limit, &w.Host, &w.PID, &w.Version, &w.Proof,
		&started, &seen, &ended, &w.draining, &w.Running)
	if err != nil {
		return w, err
	}
	w.ConcurrencyLimit, w.Ended = intOrNil(limit), instantOrNil(ended)
	w.Started, w.LastSeen = instant(started), instant(seen)
	return w, json.Unmarshal(queues, &w.Queues)
}

// Bells gives the workers of a pool to wake when something changed for it.
// A worker that is gone may be among them: ringing it does no harm.
func (s *Store) Bells(ctx context.Context, pool string) ([]ID, error) {
	return collect(ctx, s.reader, func(r row) (id ID, err error) { return id, r.Scan(&id) }, `
		SELECT w.id
		  FROM worker w
		  JOIN work_pool p ON p.id = w.work_pool_id
		 WHERE w.ended IS NULL
		   AND p.name = ?`, pool)
}
