package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Backfill is which ticks of a past window shall have a run.
type Backfill struct {
	Deployment string    // as Store.Deployment reads it
	From, To   time.Time // from From on, before To and not after now
	Slug       string    // of one schedule; "": of all
	// LimitConcurrent, more than 0, puts the runs into the pool's queue
	// BackfillQueue and lets so many of that queue run at once.
	LimitConcurrent int
	DryRun          bool
	CreatedBy       string
}

// BackfillQueue is where runs of a backfill with a limit wait.
const BackfillQueue = "backfill"

// What a backfill does with a tick.
const (
	BackfillNew    = "new"     // it gets a run
	BackfillExists = "exists"  // it has its run
	BackfillWaits  = "waiting" // its own run waits, made by the schedule
	BackfillGone   = "deleted" // it had its run, which was deleted
)

// BackfillTick is one tick of the window.
type BackfillTick struct {
	At     time.Time `json:"at"`
	Slug   string    `json:"schedule_slug"`
	Action string    `json:"action"`
	// Dropped is why it became no run in its time, "" where it did not.
	Dropped string `json:"dropped,omitempty"`
	Run     *Run   `json:"flow_run"` // null in a dry run of a new one, and of a deleted one
}

// maxBackfill bounds the runs that one backfill makes, in one transaction.
const maxBackfill = 10_000

// Backfill makes the runs of past ticks, each with its logical time, once: a
// tick that has or had a run gets no second one.
func (s *Store) Backfill(ctx context.Context, b Backfill) (ticks []BackfillTick, err error) {
	transact := s.update
	if b.DryRun {
		transact = s.rehearse
	}
	err = transact(ctx, func(t *tx) error {
		ticks, err = t.backfill(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ticks, nil
}

func (t *tx) backfill(b Backfill) ([]BackfillTick, error) {
	ticks := []BackfillTick{}
	if !b.From.Before(b.To) {
		return nil, invalid("a backfill from %s to %s: it ends before it begins",
			b.From.UTC().Format(time.RFC3339), b.To.UTC().Format(time.RFC3339))
	}
	d, err := deploymentByName(t.ctx, t, b.Deployment)
	if err != nil {
		return nil, err
	}
	schedules, err := t.backfilled(&d, b.Slug)
	if err != nil {
		return nil, err
	}
	queue, err := t.backfillQueue(d, b)
	if err != nil {
		return nil, err
	}
	for i := range schedules {
		s := &schedules[i]
		// What is due is decided first, or it would be dropped and run.
		if _, err := t.settle(d, s); err != nil {
			return nil, err
		}
		if ticks, err = t.backfillOne(d, *s, b, queue, ticks); err != nil {
			return nil, err
		}
	}
	return ticks, nil
}

func (t *tx) backfilled(d *Deployment, slug string) ([]DeploymentSchedule, error) {
	if err := withSchedules(t.ctx, t, d); err != nil {
		return nil, err
	}
	if slug != "" || len(d.Schedules) == 0 {
		i, err := indexOfSlug(*d, slug)
		if err != nil && slug == "" {
			return nil, conflict("%s has no schedule, so no ticks to make runs of", d.FullName)
		}
		if err != nil {
			return nil, err
		}
		return d.Schedules[i : i+1], nil
	}
	return d.Schedules, nil
}

func (t *tx) backfillQueue(d Deployment, b Backfill) (ID, error) {
	if b.LimitConcurrent == 0 {
		return t.runQueue(d, "")
	}
	if b.LimitConcurrent < 0 {
		return ID{}, invalid("a concurrency limit of %d: it is 1 or more", b.LimitConcurrent)
	}
	if _, err := t.runQueue(d, ""); err != nil {
		return ID{}, err
	}
	pool, err := poolByName(t.ctx, t, d.WorkPoolName)
	if err != nil {
		return ID{}, err
	}
	queue, _, err := t.ensureQueue(pool.ID, BackfillQueue)
	if err != nil {
		return ID{}, err
	}
	_, err = t.exec("UPDATE work_queue SET concurrency_limit = ?, updated = ? WHERE id = ?", b.LimitConcurrent, t.now, queue)
	return queue, err
}

func (t *tx) backfillOne(d Deployment, s DeploymentSchedule, b Backfill, queue ID, ticks []BackfillTick) ([]BackfillTick, error) {
	at := b.From.Add(-time.Microsecond)
	for {
		tick, more := s.when.Next(at)
		if !more || !tick.Before(b.To) || micros(tick) > t.now {
			return ticks, nil
		}
		one, err := t.backfillTick(d, s, tick, queue, b)
		if err != nil {
			return nil, err
		}
		if ticks = append(ticks, one); len(ticks) > maxBackfill {
			e := invalid("a backfill of more than %d ticks at once", maxBackfill)
			e.Hint = []string{fmt.Sprintf("take less: up to %s there are %d", tick.Format(time.RFC3339), maxBackfill)}
			return nil, e
		}
		at = tick
	}
}

func (t *tx) backfillTick(d Deployment, s DeploymentSchedule, tick time.Time, queue ID, b Backfill) (one BackfillTick, err error) {
	one = BackfillTick{At: tick, Slug: s.Slug, Action: BackfillNew}
	if one.Dropped, err = t.droppedWhy(s, micros(tick)); err != nil {
		return one, err
	}
	run, err := scanRun(t.QueryRowContext(t.ctx, selectRun+`
		 WHERE r.deployment_id = ?
		   AND r.schedule_slug = ?
		   AND r.scheduled_for = ?`, d.ID, s.Slug, micros(tick)))
	if err == nil {
		one.Action, one.Run = BackfillExists, &run
		if run.State.Type == Scheduled && run.RunCount == 0 {
			one.Action = BackfillWaits
		}
		return one, nil
	}
	// Since the definition holds, all up to what is decided was run or dropped.
	if at := micros(tick); one.Dropped == "" && s.since < at && at <= s.decided {
		one.Action = BackfillGone
	}
	if !errors.Is(err, sql.ErrNoRows) || b.DryRun || one.Action == BackfillGone {
		return one, ignoreNoRows(err)
	}
	parameters, sources := s.layered(d)
	run, err = t.insertRun(newRun{
		flow: d.FlowID, deployment: d.ID, deploymentName: d.FullName, queue: queue,
		parameters: parameters, sources: sources, tags: d.Tags, due: t.now, createdBy: b.CreatedBy,
		slug: s.Slug, tick: micros(tick),
	}, NewState(Scheduled, "backfill"))
	one.Run = &run
	return one, err
}

// droppedWhy is the reason of a dropped tick, "" of one that was not.
func (t *tx) droppedWhy(s DeploymentSchedule, tick int64) (reason string, err error) {
	err = t.QueryRowContext(t.ctx, `
		SELECT reason
		  FROM dropped_tick
		 WHERE deployment_id = ?
		   AND schedule_slug = ?
		   AND first <= ?3
		   AND last >= ?3
		 ORDER BY first DESC
		 LIMIT 1`, s.DeploymentID, s.Slug, tick).Scan(&reason)
	return reason, ignoreNoRows(err)
}

func ignoreNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
