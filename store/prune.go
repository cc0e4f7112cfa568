package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Retention says which ended runs are kept. A run is pruned when it ended
// longer ago than that and is none of its deployment's newest.
type Retention struct {
	Off         bool  `json:"off"` // nothing is pruned
	KeepSeconds int64 `json:"keep_seconds"`
	KeepLast    int   `json:"keep_last"` // runs of each deployment
}

// Keep is how long a run is kept after its end.
func (r Retention) Keep() time.Duration { return time.Duration(r.KeepSeconds) * time.Second }

// DefaultRetention is what workers hold to until told otherwise.
var DefaultRetention = Retention{KeepSeconds: 90 * 24 * 3600, KeepLast: 100}

// Pruned is what was deleted, or would be.
type Pruned struct {
	Runs     int64 `json:"runs"`
	Events   int64 `json:"events"`
	Attempts int64 `json:"attempts"`
	Logs     int64 `json:"logs"`
	LogBytes int64 `json:"log_bytes"`
	Freed    int64 `json:"freed_bytes"` // given back to the disk, of the file
}

func (p *Pruned) add(other Pruned) {
	p.Runs += other.Runs
	p.Events += other.Events
	p.Attempts += other.Attempts
	p.Logs += other.Logs
	p.LogBytes += other.LogBytes
}

// What keeps pruning out of everybody's way: how long a batch holds the write
// lock, how long it stays away (longer than a waiting writer's next try), and
// the pages that one transaction gives back.
const (
	pruneHold  = 2 * time.Millisecond
	prunePause = 3 * time.Millisecond
	vacuumStep = 16
)

// Retention reads the policy that workers hold to.
func (s *Store) Retention(ctx context.Context) (r Retention, err error) {
	var value string
	err = s.reader.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'retention'").Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return DefaultRetention, nil
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(value), &r)
}

// SetRetention changes the policy that workers hold to.
func (s *Store) SetRetention(ctx context.Context, r Retention) error {
	if err := r.check(); err != nil {
		return err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.update(ctx, func(t *tx) error {
		_, err := t.exec(`
			INSERT INTO meta (key, value)
			VALUES ('retention', ?1)
			    ON CONFLICT (key) DO UPDATE SET value = ?1`, string(value))
		return err
	})
}

func (r Retention) check() error {
	if r.KeepSeconds < 0 || r.KeepLast < 0 {
		return invalid("what is kept cannot be less than nothing")
	}
	return nil
}

// Prune deletes the ended runs that a retention does not keep, with their
// events, attempts and logs, and gives the space back. It works in many small
// transactions, and may be stopped by ctx between any two.
//
// It has a connection of its own: whoever shares this store does not wait for
// it, and its commits need no sync, since what a power cut brings back is
// pruned again.
func (s *Store) Prune(ctx context.Context, r Retention) (p Pruned, err error) {
	if err := r.check(); err != nil || r.Off {
		return p, err
	}
	own := New(s.path)
	own.Clock, own.Patient, own.relaxed = s.Clock, true, true
	if err := own.Open(ctx); err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	if err := makeFolder(own.trash()); err != nil {
		return p, err
	}
	own.emptyTrash()
	cutoff := own.Clock().Add(-r.Keep())
	err = own.prunable(ctx, r, cutoff, func(ids []ID) error {
		for len(ids) > 0 {
			n, batch, err := own.pruneBatch(ctx, ids, cutoff)
			if err != nil {
				return err
			}
			p.add(batch)
			ids = ids[n:]
			own.emptyTrash()
			if err := pause(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	p.Freed, err = own.giveBack(ctx)
	return p, err
}

// PreviewPrune counts what Prune would delete. It changes nothing.
func (s *Store) PreviewPrune(ctx context.Context, r Retention) (p Pruned, err error) {
	if err := r.check(); err != nil || r.Off {
		return p, err
	}
	err = s.prunable(ctx, r, s.Clock().Add(-r.Keep()), func(ids []ID) error {
		for _, id := range ids {
			one, _, err := weigh(ctx, s.reader, s, id)
			if err != nil {
				return err
			}
			p.add(one)
		}
		return nil
	})
	return p, err
}

// prunePage is how many ids are read at once.
const prunePage = 200

// prunable calls with the ids that a retention does not keep, a page each. It
// walks an index of deployments and ids, past nothing that is kept. What never
// had a deployment, or outlived it, goes by its age alone.
func (s *Store) prunable(ctx context.Context, r Retention, cutoff time.Time, call func([]ID) error) error {
	deployments, err := collect(ctx, s.reader, scanID, "SELECT id FROM deployment")
	if err != nil {
		return err
	}
	for _, deployment := range append(deployments, ID{}) {
		before := firstID(cutoff)
		if !deployment.IsZero() && r.KeepLast > 0 {
			oldest, err := s.oldestKept(ctx, deployment, r.KeepLast)
			if err != nil {
				return err
			}
			if bytes.Compare(oldest[:], before[:]) < 0 {
				before = oldest
			}
		}
		if err := s.prunableOf(ctx, deployment, before, cutoff, call); err != nil {
			return err
		}
	}
	return nil
}

// oldestKept is the n-th newest run of a deployment; the zero id, before which
// there is none, where it has fewer.
func (s *Store) oldestKept(ctx context.Context, deployment ID, n int) (id ID, err error) {
	id, err = scanID(s.reader.QueryRowContext(ctx, `
		SELECT id
		  FROM flow_run
		 WHERE deployment_id = ?
		 ORDER BY id DESC
		 LIMIT 1
		OFFSET ?`, deployment, n-1))
	if errors.Is(err, sql.ErrNoRows) {
		return ID{}, nil
	}
	return id, err
}

const selectPrunable = `
	SELECT id
	  FROM flow_run
	 WHERE deployment_id IS ?1
	   AND id > ?2
	   AND id < ?3
	   AND state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')
	   AND end_time < ?4
	 ORDER BY id
	 LIMIT ?5`

func (s *Store) prunableOf(ctx context.Context, deployment, before ID, cutoff time.Time, call func([]ID) error) error {
	for after := (ID{}); ; {
		ids, err := collect(ctx, s.reader, scanID, selectPrunable, deployment, after[:], before[:], micros(cutoff), prunePage)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := call(ids); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
}

// pruneBatch deletes runs, as many as its time allows, and at least one.
func (s *Store) pruneBatch(ctx context.Context, ids []ID, cutoff time.Time) (done int, p Pruned, err error) {
	err = s.update(ctx, func(t *tx) error {
		start := time.Now()
		for _, id := range ids {
			if done > 0 && time.Since(start) > pruneHold {
				break
			}
			one, err := t.pruneRun(id, cutoff)
			if err != nil {
				return fmt.Errorf("prune run %s: %w", id, err)
			}
			p.add(one)
			done++
		}
		return nil
	})
	return done, p, err
}

// pruneRun deletes a run, if it still has ended. Its logs go to the trash under
// the lock, where no retry can begin, and from the disk after the commit.
func (t *tx) pruneRun(id ID, cutoff time.Time) (p Pruned, err error) {
	var gone bool
	err = t.QueryRowContext(t.ctx, `
		SELECT count(*) = 0
		  FROM flow_run
		 WHERE id = ?
		   AND state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')
		   AND end_time < ?`, id, micros(cutoff)).Scan(&gone)
	if err != nil || gone {
		return p, err
	}
	p, logs, err := weigh(t.ctx, t, t.s, id)
	if err != nil {
		return p, err
	}
	for _, log := range logs {
		if err := t.s.toTrash(log); err != nil {
			return p, err
		}
	}
	// Events and attempts go with it.
	_, err = t.exec("DELETE FROM flow_run WHERE id = ?", id)
	return p, err
}

// weigh counts a run and what hangs on it, and gives its logs.
func weigh(ctx context.Context, q querier, s *Store, id ID) (p Pruned, logs []string, err error) {
	p.Runs = 1
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM event WHERE run_id = ?", id).Scan(&p.Events); err != nil {
		return p, nil, err
	}
	logs, err = names(ctx, q, "SELECT log FROM attempt WHERE run_id = ?", id)
	p.Attempts = int64(len(logs))
	if err == nil {
		var more []string
		more, err = names(ctx, q, selectHookLogs, id)
		logs = append(logs, more...)
	}
	for _, log := range logs {
		if info, err := os.Stat(s.LogPath(log)); err == nil {
			p.Logs++
			p.LogBytes += info.Size()
		}
	}
	return p, logs, err
}

func (s *Store) trash() string { return filepath.Join(s.Folder(), "pruned") }

// toTrash takes a log out of its place, and the folder of a day whose last it was.
func (s *Store) toTrash(log string) error {
	path := s.LogPath(log)
	if err := os.Rename(path, filepath.Join(s.trash(), filepath.Base(log))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	day := filepath.Base(filepath.Dir(path))
	if day < s.Clock().UTC().Add(-48*time.Hour).Format(time.DateOnly) { // today's may be about to get one
		_ = os.Remove(filepath.Dir(path)) // it stays while it holds a log
	}
	return nil
}

// emptyTrash deletes what pruned runs left, also what an earlier one, stopped
// after its commit, did not come to. The folder stays: another one may be about
// to move a log into it.
func (s *Store) emptyTrash() {
	entries, _ := os.ReadDir(s.trash())
	for _, entry := range entries {
		_ = os.Remove(filepath.Join(s.trash(), entry.Name()))
	}
}

// giveBack returns the file's free pages to the disk, a few a transaction, and
// gives their bytes.
func (s *Store) giveBack(ctx context.Context) (freed int64, err error) {
	for {
		var step int64
		err := s.update(ctx, func(t *tx) error {
			before, err := t.freeBytes()
			if err != nil || before == 0 {
				return err
			}
			if _, err := t.s.writer.ExecContext(t.ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumStep)); err != nil {
				return err
			}
			after, err := t.freeBytes()
			step = before - after
			return err
		})
		freed += step
		if err != nil || step <= 0 { // a file that was made by other means may give nothing back
			return freed, errors.Join(err, s.Checkpoint(ctx))
		}
		if err := pause(ctx); err != nil {
			return freed, err
		}
	}
}

// freeBytes is the part of the file that holds nothing.
func (t *tx) freeBytes() (n int64, err error) {
	err = t.s.writer.QueryRowContext(t.ctx, `
		SELECT freelist_count * page_size
		  FROM pragma_freelist_count, pragma_page_size`).Scan(&n)
	return n, err
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(prunePause):
		return nil
	}
}
