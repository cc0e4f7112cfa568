package store

import (
	"context"
	"errors"
	"slices"
)

// What is done to all runs of a filter is done to those that match in the
// transaction that changes them, whatever an earlier look has shown. Many go in
// several transactions, so that others write between.

// changeAtOnce is how many runs one transaction changes.
const changeAtOnce = 200

// Changed is what was done to the runs of a filter.
type Changed struct {
	IDs   []ID
	Ring  []Owner  // whom to tell of runs that are being cancelled
	Pools []string // whose workers have new work
	Left  []error  // why others were left as they are
}

// eachMatch calls change with the runs of a filter, some a transaction, and adds
// up what those did that were committed.
func (s *Store) eachMatch(ctx context.Context, f RunFilter, change func(*tx, *Changed, []ID) error) (done Changed, err error) {
	after, now := (*point)(nil), micros(s.Clock())
	for {
		var next *point
		c := done
		err = s.update(ctx, func(t *tx) error {
			q, err := s.runQuery(t.ctx, t.s.writer, f)
			if err != nil {
				return err
			}
			q.now = now // what waited for its time at first, does for this list
			points, on, err := q.next(t.ctx, after, changeAtOnce)
			if err != nil {
				return err
			}
			next = on
			ids := make([]ID, len(points))
			for i, p := range points {
				ids[i] = ID(p.id)
			}
			return change(t, &c, ids)
		})
		if err != nil {
			return done, err
		}
		if done, after = c, next; next == nil {
			return done, nil
		}
	}
}

// CancelMatching cancels all runs of a filter that have not ended.
func (s *Store) CancelMatching(ctx context.Context, f RunFilter, why, who string, force bool) (Changed, error) {
	ended := false
	f.Ended = &ended
	return s.eachMatch(ctx, f, func(t *tx, c *Changed, ids []ID) error {
		ring, err := t.cancelRuns(ids, why, who, force)
		c.IDs, c.Ring = append(c.IDs, ids...), append(c.Ring, ring...)
		return err
	})
}

// RetryRuns gives several runs that have ended a further attempt, all of them
// or none.
func (s *Store) RetryRuns(ctx context.Context, ids []ID, who string) (c Changed, err error) {
	err = s.update(ctx, func(t *tx) error {
		for _, id := range ids {
			run, err := t.retryByID(id, who, false)
			if err != nil {
				return err
			}
			c.retried(run)
		}
		return nil
	})
	return c, err
}

func (c *Changed) retried(run Run) {
	c.IDs = append(c.IDs, run.ID)
	if !slices.Contains(c.Pools, run.WorkPoolName) {
		c.Pools = append(c.Pools, run.WorkPoolName)
	}
}

// RetryMatching gives all runs of a filter that have ended a further attempt.
// One that cannot have it, since its deployment is gone say, is left.
func (s *Store) RetryMatching(ctx context.Context, f RunFilter, who string) (Changed, error) {
	ended := true
	f.Ended = &ended
	return s.eachMatch(ctx, f, func(t *tx, c *Changed, ids []ID) error {
		for _, id := range ids {
			run, err := t.retryByID(id, who, false)
			var known *Error
			if errors.As(err, &known) && known.Code == Conflict {
				c.Left = append(c.Left, err)
				continue
			}
			if err != nil {
				return err
			}
			c.retried(run)
		}
		return nil
	})
}

// DeleteMatching removes all runs of a filter that have ended, with their
// history and logs.
func (s *Store) DeleteMatching(ctx context.Context, f RunFilter) (Changed, error) {
	ended := true
	f.Ended = &ended
	return s.eachMatch(ctx, f, func(t *tx, c *Changed, ids []ID) error {
		c.IDs = append(c.IDs, ids...)
		return t.deleteRuns(ids)
	})
}
