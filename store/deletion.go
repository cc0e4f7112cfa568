package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
)

// HasEnded is the refusal of what can only be done to a run that has not ended.
func HasEnded(r Run) error {
	return conflict("the run %s has ended already: %s", r.Name, r.State.Name)
}

// CancelRuns cancels several runs, in one transaction: what waits at once, of
// what runs the owners are to be rung. Those that have ended meanwhile are left
// out. With force, the processes get no grace.
func (s *Store) CancelRuns(ctx context.Context, ids []ID, why, who string, force bool) (ring []Owner, err error) {
	err = s.update(ctx, func(t *tx) error {
		ring, err = t.cancelRuns(ids, why, who, force)
		return err
	})
	return ring, err
}

func (t *tx) cancelRuns(ids []ID, why, who string, force bool) (ring []Owner, err error) {
	for _, id := range ids {
		owner, err := t.cancel(id, why, who)
		var known *Error
		if errors.Is(err, sql.ErrNoRows) || errors.As(err, &known) && known.Code == Conflict {
			continue
		}
		if err == nil && force {
			_, err = t.exec("UPDATE flow_run SET force_stop = 1 WHERE id = ? AND state_type = 'CANCELLING'", id)
		}
		if err != nil {
			return nil, err
		}
		if owner.Proof != "" {
			ring = append(ring, owner)
		}
	}
	return ring, nil
}

// DeleteRuns removes runs that have ended, with their history and logs, all of
// them or none.
func (s *Store) DeleteRuns(ctx context.Context, ids []ID) error {
	return s.update(ctx, func(t *tx) error { return t.deleteRuns(ids) })
}

// deleteRuns removes the logs, too, before the commit: a run whose log is gone
// says so, and a log whose run is gone nobody would ever remove.
func (t *tx) deleteRuns(ids []ID) error {
	var logs []string
	for _, id := range ids {
		run, err := scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", id))
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		if !run.State.Type.Terminal() {
			e := conflict("the run %s has not ended: it is %s", run.Name, run.State.Name)
			e.Hint = []string{"cancel it first: runnel flow-run cancel " + run.ID.Short()}
			return e
		}
		of, err := names(t.ctx, t, "SELECT log FROM attempt WHERE run_id = ?", id)
		if err != nil {
			return err
		}
		told, err := names(t.ctx, t, selectHookLogs, id)
		if err != nil {
			return err
		}
		logs = append(append(logs, of...), told...)
		if _, err := t.exec("DELETE FROM flow_run WHERE id = ?", id); err != nil {
			return err
		}
	}
	KillPoint("delete.logs")
	for _, log := range logs {
		if err := os.Remove(t.s.LogPath(log)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// TouchedByDeployment counts the runs of a deployment: those that wait, those
// that run, and all.
func (s *Store) TouchedByDeployment(ctx context.Context, d Deployment) (waiting, running, all int, err error) {
	err = s.reader.QueryRowContext(ctx, `
		SELECT count(*) FILTER (WHERE state_type = 'SCHEDULED'),
		       count(*) FILTER (WHERE state_type IN ('PENDING', 'RUNNING', 'CANCELLING')),
		       count(*)
		  FROM flow_run
		 WHERE deployment_id = ?`, d.ID).Scan(&waiting, &running, &all)
	return waiting, running, all, err
}

// DeleteDeploymentWithRuns removes a deployment, all its runs and their logs.
// It is refused while one of them runs.
func (s *Store) DeleteDeploymentWithRuns(ctx context.Context, target string) (d Deployment, runs int, err error) {
	err = s.update(ctx, func(t *tx) error {
		if d, err = deploymentByName(t.ctx, t, target); err != nil {
			return err
		}
		ids, err := collect(t.ctx, t, scanID, "SELECT id FROM flow_run WHERE deployment_id = ?", d.ID)
		if err != nil {
			return err
		}
		runs = len(ids)
		if _, err := t.deleteDeployment(d); err != nil {
			return err
		}
		return t.deleteRuns(ids)
	})
	return d, runs, err
}
