package store

// What a claim takes: due runs of a pool by queue priority, then due time,
// then id, within every limit. What is in use is counted from the rows in the
// claiming transaction; there is no counter to leak.

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// chooser holds what one claim may still take.
type chooser struct {
	t *tx
	*poolSeen
	worker     string
	until      int64 // runs that are due by then
	free       int   // of pool and worker together; the owners are counted apart
	queues     []*queueCursor
	unseen     bool // one of them is new, and no heartbeat has told that it is polled
	candidates map[ID]*candidate
	running    map[ID]int // live runs by deployment
	blocked    []string   // deployments that this claim can take nothing of, in hex
	offer      func(int, Claimed)
}

// candidate is a deployment that a claim has met.
type candidate struct {
	d    Deployment
	free int
}

func (d *candidate) paused() bool { return d.d.Paused || d.d.OperatorPaused }

// queueCursor walks the due runs of one queue, a page at a time.
type queueCursor struct {
	id       ID
	priority int
	free     int
	due      int64 // the last that was read
	lastID   ID
	page     []dueRun
	size     int // of the next page
	ended    bool
}

type dueRun struct {
	due            int64
	id, deployment ID
	settled        bool // it is no tick that shall not run any more
}

// claimPage is how many due runs of a queue are read at once. The first page
// has what the slots can take, and a few more; each next one twice as many.
const claimPage = 64

func (t *tx) claim(r Round, result *RoundResult) error {
	c, err := t.newChooser(r.Worker)
	if err != nil {
		return err
	}
	c.offer = r.Offer
	if t.keep = c.poolSeen; c.unseen {
		t.keep = nil
		if err := t.touchQueues(r.Worker.ID); err != nil {
			return err
		}
	}
	for _, q := range c.queues {
		q.size = min(len(r.Owners)+4, claimPage)
	}
	if c.until = t.now; !r.Until.IsZero() {
		c.until = min(t.now, micros(r.Until))
	}
	if err := c.collideFull(result); err != nil {
		return err
	}
	if err := c.claimAll(r.Owners, result); err != nil {
		return err
	}
	result.Next, err = c.next()
	return err
}

func (t *tx) newChooser(w Worker) (*chooser, error) {
	seen, err := t.see(w.WorkPoolName)
	if err != nil {
		return nil, err
	}
	c := &chooser{t: t, poolSeen: seen, worker: w.Name, candidates: map[ID]*candidate{}, running: map[ID]int{}}
	return c, c.count(w)
}

// count reads every live run once, and leaves what is free.
func (c *chooser) count(w Worker) error {
	type use struct {
		queue, deployment ID
		worker            string
		n                 int
	}
	uses, err := collect(c.t.ctx, c.t, func(r row) (u use, err error) {
		return u, r.Scan(&u.queue, &u.deployment, &u.worker, &u.n)
	}, `
		SELECT work_queue_id, deployment_id, coalesce(worker_name, ''), count(*)
		  FROM flow_run INDEXED BY flow_run_live
		 WHERE state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
		 GROUP BY 1, 2, 3`)
	if err != nil {
		return fmt.Errorf("count what runs: %w", err)
	}
	inQueue := map[ID]int{}
	byWorker := 0
	for _, u := range uses {
		inQueue[u.queue] += u.n
		c.running[u.deployment] += u.n
		if u.worker == w.Name && slices.ContainsFunc(c.all, func(q WorkQueue) bool { return q.ID == u.queue }) {
			byWorker += u.n
		}
	}
	inPool := 0
	for _, q := range c.all {
		inPool += inQueue[q.ID]
		polled := len(w.Queues) == 0 || slices.Contains(w.Queues, q.Name)
		c.unseen = c.unseen || polled && q.LastPolled == nil
		if polled && !q.IsPaused {
			c.queues = append(c.queues, &queueCursor{
				id: q.ID, priority: q.Priority,
				free: left(q.ConcurrencyLimit, inQueue[q.ID]), due: math.MinInt64,
			})
		}
	}
	c.free = min(left(c.pool.ConcurrencyLimit, inPool), left(w.ConcurrencyLimit, byWorker))
	if c.pool.IsPaused {
		c.free = 0
	}
	return nil
}

// left is what a limit leaves; a lowered limit may be exceeded by what runs.
func left(limit *int, used int) int {
	if limit == nil {
		return math.MaxInt
	}
	return max(0, *limit-used)
}

// claimAll gives each owner a run while there are any to take.
func (c *chooser) claimAll(owners []Owner, result *RoundResult) error {
	for c.free > 0 {
		queue, run, err := c.best(result)
		if err != nil || run == nil {
			return err
		}
		if len(result.Claimed) == len(owners) {
			result.More = true
			return nil
		}
		if err := c.take(queue, run, owners[len(result.Claimed)], result); err != nil {
			return err
		}
	}
	return nil
}

func (c *chooser) take(queue *queueCursor, due *dueRun, owner Owner, result *RoundResult) error {
	run, err := scanRun(c.t.QueryRowContext(c.t.ctx, selectRun+" WHERE r.id = ?", due.id))
	if err != nil {
		return err
	}
	claimed, err := c.t.start(run, owner, c.worker)
	if err != nil {
		return err
	}
	claimed.Pool, claimed.Hooks = c.variables, c.pool.Any()
	if d := c.candidates[due.deployment]; d != nil {
		claimed.Deployment, claimed.Hooks = &d.d, claimed.Hooks || d.d.Any()
		d.free--
		if err := c.nextTick(d, &claimed, result); err != nil {
			return err
		}
	}
	queue.page = queue.page[1:]
	queue.free--
	c.free--
	if c.offer != nil {
		c.offer(len(result.Claimed), claimed)
	}
	result.Claimed = append(result.Claimed, claimed)
	return nil
}

// nextTick makes the tick after one that was claimed.
func (c *chooser) nextTick(d *candidate, claimed *Claimed, result *RoundResult) error {
	run := claimed.Run
	if run.ScheduleSlug == nil {
		return nil
	}
	s, err := c.t.advance(d.d, run)
	if err != nil {
		return err
	}
	if s.Next != nil && s.due(d.d, micros(*s.Next)) <= c.until {
		result.More = true // one more that was missed and shall run
	}
	if tick, ok := s.when.Previous(*run.ScheduledFor); ok {
		claimed.PreviousTick = &tick
	}
	if tick, ok := s.when.Next(*run.ScheduledFor); ok {
		claimed.NextTick = &tick
	}
	return nil
}

// best is the next run in order whose every limit allows it, nil for none.
// What it passes over is left, cancelled or replaced as its deployment says.
func (c *chooser) best(result *RoundResult) (*queueCursor, *dueRun, error) {
	var found *queueCursor
	for _, q := range c.queues {
		// The queues are in order of priority: a lower one is not looked at
		// while a higher one has something.
		if found != nil && q.priority > found.priority {
			break
		}
		if err := c.settleHead(q, result); err != nil {
			return nil, nil, err
		}
		if len(q.page) > 0 && (found == nil || q.page[0].before(found.page[0])) {
			found = q
		}
	}
	if found == nil {
		return nil, nil, nil
	}
	return found, &found.page[0], nil
}

func (r dueRun) before(other dueRun) bool {
	if r.due != other.due {
		return r.due < other.due
	}
	return string(r.id[:]) < string(other.id[:])
}

// settleHead moves a cursor to the first run that may be taken.
func (c *chooser) settleHead(q *queueCursor, result *RoundResult) error {
	for q.free > 0 {
		if err := c.fill(q); err != nil || len(q.page) == 0 {
			return err
		}
		d, err := c.candidate(q.page[0].deployment)
		if err != nil {
			return err
		}
		if d != nil && (d.paused() || (d.free == 0 && d.d.CollisionStrategy == Enqueue)) {
			c.passOver(q)
			continue
		}
		gone, err := c.settleTick(d, &q.page[0])
		switch {
		case err != nil:
			return err
		case gone:
			q.page = q.page[1:]
			continue
		case d == nil || d.free > 0:
			return nil
		}
		if err := c.collide(d, q.page[0].id, result); err != nil {
			return err
		}
		q.page = q.page[1:]
	}
	q.page = nil
	return nil
}

// settleTick drops the ticks of a schedule that a due run stands for and that
// shall not run any more; the run is then the one that shall. It is true where
// none is left.
func (c *chooser) settleTick(d *candidate, run *dueRun) (gone bool, err error) {
	if d == nil || run.settled {
		return false, nil
	}
	run.settled = true
	s, err := scanSchedule(c.t.QueryRowContext(c.t.ctx, selectSchedule+`
		  JOIN flow_run r ON r.deployment_id = s.deployment_id
		                 AND r.schedule_slug = s.slug
		                 AND r.scheduled_for = s.next
		 WHERE r.id = ?`, run.id))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil // not a tick, or not one that waits for its turn
	}
	if err != nil {
		return false, err
	}
	if dropped, err := c.t.settle(d.d, &s); err != nil || !dropped {
		return false, err
	}
	if s.Next == nil || s.due(d.d, micros(*s.Next)) > c.until {
		return true, nil
	}
	run.due = s.due(d.d, micros(*s.Next))
	return false, c.t.QueryRowContext(c.t.ctx, `
		SELECT id
		  FROM flow_run INDEXED BY flow_run_tick
		 WHERE deployment_id = ?
		   AND schedule_slug = ?
		   AND scheduled_for = ?`, d.d.ID, s.Slug, micros(*s.Next)).Scan(&run.id)
}

// passOver leaves out the deployment of a queue's head for the rest of the
// claim: a backlog of thousands is not read run by run.
func (c *chooser) passOver(q *queueCursor) {
	id := q.page[0].deployment
	if name := hex.EncodeToString(id[:]); !slices.Contains(c.blocked, name) {
		c.blocked = append(c.blocked, name)
	}
	q.page = slices.DeleteFunc(q.page, func(r dueRun) bool { return r.deployment == id })
}

func (c *chooser) candidate(id ID) (*candidate, error) {
	if id.IsZero() {
		return nil, nil
	}
	if known, found := c.candidates[id]; found {
		return known, nil
	}
	d, err := c.deployment(c.t, id)
	if err != nil {
		return nil, err
	}
	c.candidates[id] = &candidate{d: d, free: left(d.ConcurrencyLimit, c.running[id])}
	return c.candidates[id], nil
}

// collideFull lets due runs collide where a full pool, worker or queue keeps
// the claim from looking at them: the next free slot would start what
// CANCEL_NEW refuses, and REPLACE would wait for what it replaces.
func (c *chooser) collideFull(result *RoundResult) error {
	full := slices.DeleteFunc(slices.Clone(c.queues), func(q *queueCursor) bool { return c.free > 0 && q.free > 0 })
	if c.pool.IsPaused || len(full) == 0 {
		return nil
	}
	for id := range c.running {
		d, err := c.candidate(id)
		if err != nil {
			return err
		}
		if d == nil || d.free > 0 || d.paused() || d.d.CollisionStrategy == Enqueue {
			continue
		}
		for _, q := range full {
			if err := c.collideWaiting(d, q, result); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *chooser) collideWaiting(d *candidate, q *queueCursor, result *RoundResult) error {
	waiting, err := collect(c.t.ctx, c.t, scanID, `
		SELECT id
		  FROM flow_run INDEXED BY flow_run_due
		 WHERE state_type = 'SCHEDULED'
		   AND work_queue_id = ?
		   AND due <= ?
		   AND deployment_id = ?
		 ORDER BY due, id
		 LIMIT ?`, q.id, c.until, d.d.ID, claimPage)
	for _, id := range waiting {
		run := dueRun{id: id}
		gone := false
		if err == nil {
			gone, err = c.settleTick(d, &run)
		}
		if err == nil && !gone {
			err = c.collide(d, run.id, result)
		}
	}
	return err
}

// collide is what happens to a due run whose deployment is full. One that
// waits for its next try is not new: it neither gives way nor pushes.
func (c *chooser) collide(d *candidate, id ID, result *RoundResult) error {
	if d.d.CollisionStrategy == Enqueue {
		return nil
	}
	var attempt int
	if err := c.t.QueryRowContext(c.t.ctx, "SELECT attempt FROM flow_run WHERE id = ?", id).Scan(&attempt); err != nil || attempt > 0 {
		return err
	}
	switch d.d.CollisionStrategy {
	case CancelNew:
		_, err := c.t.cancel(id, fmt.Sprintf("the deployment's limit of %d was reached (CANCEL_NEW)", *d.d.ConcurrencyLimit), "worker "+c.worker)
		return err
	case Replace:
		return c.replace(d, result)
	}
	return nil
}

// replace cancels the oldest running run of a full deployment, one at a time:
// while one is on its way out, no further one is.
func (c *chooser) replace(d *candidate, result *RoundResult) error {
	var oldest ID
	var state StateType
	err := c.t.QueryRowContext(c.t.ctx, `
		SELECT id,
		       state_type
		  FROM flow_run INDEXED BY flow_run_live
		 WHERE state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
		   AND deployment_id = ?
		 ORDER BY state_type = 'CANCELLING' DESC, start_time, id
		 LIMIT 1`, d.d.ID).Scan(&oldest, &state)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil || state == Cancelling {
		return err
	}
	owner, err := c.t.cancel(oldest, "replaced by a newer run (REPLACE)", "worker "+c.worker)
	result.Ring = append(result.Ring, owner)
	return err
}

const selectDue = `
	SELECT due, id, deployment_id, scheduled_for IS NULL
	  FROM flow_run INDEXED BY flow_run_due
	 WHERE state_type = 'SCHEDULED'
	   AND work_queue_id = ?1
	   AND due <= ?2
	   AND (due, id) > (?3, ?4)
	 ORDER BY due, id
	 LIMIT ?5`

// selectDueOfOthers is the same without the deployments that are full. It goes
// from one deployment to the next by the index, and reads a page of each: what
// it costs grows with the deployments that wait, not with their runs.
const selectDueOfOthers = `
	WITH RECURSIVE waiting (deployment) AS (
		SELECT min(deployment_id)
		  FROM flow_run INDEXED BY flow_run_waiting
		 WHERE state_type = 'SCHEDULED'
		   AND work_queue_id = ?1
		   AND deployment_id > x''
		 UNION ALL
		SELECT (SELECT min(r.deployment_id)
		          FROM flow_run r INDEXED BY flow_run_waiting
		         WHERE r.state_type = 'SCHEDULED'
		           AND r.work_queue_id = ?1
		           AND r.deployment_id > deployment)
		  FROM waiting
		 WHERE deployment IS NOT NULL
	)
	SELECT r.due, r.id, r.deployment_id, r.scheduled_for IS NULL
	  FROM waiting w
	  JOIN flow_run r ON r.id IN (SELECT o.id
	                                FROM flow_run o INDEXED BY flow_run_waiting
	                               WHERE o.state_type = 'SCHEDULED'
	                                 AND o.work_queue_id = ?1
	                                 AND o.deployment_id IS w.deployment
	                                 AND o.due <= ?2
	                                 AND (o.due, o.id) > (?3, ?4)
	                               ORDER BY o.due, o.id
	                               LIMIT ?5)
	 WHERE w.deployment IS NULL
	    OR w.deployment NOT IN (SELECT unhex(value) FROM json_each(?6))
	 ORDER BY r.due, r.id
	 LIMIT ?5`

// fill reads the next page of a queue when the last is used up.
func (c *chooser) fill(q *queueCursor) (err error) {
	if len(q.page) > 0 || q.ended {
		return nil
	}
	query, args := selectDue, []any{q.id, c.until, q.due, q.lastID[:], q.size}
	if len(c.blocked) > 0 {
		query, args = selectDueOfOthers, append(args, asJSON(c.blocked))
	}
	q.page, err = collect(c.t.ctx, c.t, func(r row) (d dueRun, err error) {
		return d, r.Scan(&d.due, &d.id, &d.deployment, &d.settled)
	}, query, args...)
	if err != nil {
		return fmt.Errorf("look for due runs: %w", err)
	}
	q.ended = len(q.page) < q.size
	q.size = min(2*q.size, claimPage)
	if n := len(q.page); n > 0 {
		q.due, q.lastID = q.page[n-1].due, q.page[n-1].id
	}
	return nil
}

// next is when the next run of the queues falls due that is not due yet.
func (c *chooser) next() (at time.Time, err error) {
	for _, q := range c.queues {
		var due sql.NullInt64
		err := c.t.QueryRowContext(c.t.ctx, `
			SELECT min(due)
			  FROM flow_run INDEXED BY flow_run_due
			 WHERE state_type = 'SCHEDULED'
			   AND work_queue_id = ?
			   AND due > ?`, q.id, c.t.now).Scan(&due)
		if err != nil {
			return at, err
		}
		if due.Valid && (at.IsZero() || due.Int64 < micros(at)) {
			at = instant(due.Int64)
		}
	}
	return at, nil
}

const selectNextDue = `
	SELECT min((SELECT min(r.due)
	              FROM flow_run r INDEXED BY flow_run_due
	             WHERE r.state_type = 'SCHEDULED'
	               AND r.work_queue_id = q.id))
	  FROM work_queue q
	  JOIN work_pool p ON p.id = q.work_pool_id
	 WHERE p.name = ?1
	   AND (?2 = '[]' OR q.name IN (SELECT value FROM json_each(?2)))`

// NextDue is when the next run of a worker's queues is, or was, due; zero:
// none waits. It only reads.
func (s *Store) NextDue(ctx context.Context, w Worker) (time.Time, error) {
	var due sql.NullInt64
	err := s.reader.QueryRowContext(ctx, selectNextDue, w.WorkPoolName, asJSON(w.Queues)).Scan(&due)
	if err != nil || !due.Valid {
		return time.Time{}, err
	}
	return instant(due.Int64), nil
}
