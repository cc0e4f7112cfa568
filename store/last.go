package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// lastOf seeks the newest run of a deployment: nothing is read of its history
// but the runs that wait behind the one that is wanted.
const lastOf = `(SELECT l.id
	   FROM flow_run l INDEXED BY flow_run_by_deployment
	  WHERE l.deployment_id = d.id
	    AND (l.state_type <> 'SCHEDULED' OR l.attempt > 0)
	  ORDER BY l.id DESC
	  LIMIT 1)`

const selectLast = selectRun + " WHERE r.id IN (SELECT " + lastOf + " FROM deployment d)"

// LastRuns gives the newest run of each deployment that has begun or ended, by
// the deployment's id.
func (s *Store) LastRuns(ctx context.Context) (map[ID]Run, error) {
	runs, err := collect(ctx, s.reader, s.read, selectLast)
	last := map[ID]Run{}
	for _, r := range runs {
		last[*r.DeploymentID] = r
	}
	return last, err
}

// LastRun gives the newest run of one deployment that has begun or ended; ok is
// false where there is none.
func (s *Store) LastRun(ctx context.Context, deployment ID) (r Run, ok bool, err error) {
	return found(s.read(s.reader.QueryRowContext(ctx, selectRun+
		" WHERE r.id IN (SELECT "+lastOf+" FROM deployment d WHERE d.id = ?)", deployment)))
}

// TickRun gives the run of a tick; ok is false where there is none.
func (s *Store) TickRun(ctx context.Context, deployment ID, slug string, tick time.Time) (r Run, ok bool, err error) {
	return found(s.read(s.reader.QueryRowContext(ctx, selectRun+`
		 WHERE r.deployment_id = ?
		   AND r.schedule_slug = ?
		   AND r.scheduled_for = ?`, deployment, slug, micros(tick))))
}

// found is a run that may not be there.
func found(r Run, err error) (Run, bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, false, nil
	}
	return r, err == nil, err
}
