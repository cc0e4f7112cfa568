package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// selectLast seeks one run for each deployment: nothing is read of its history
// but the runs that wait behind the one that is wanted.
const selectLast = selectRun + `
	 WHERE r.id IN (SELECT (SELECT l.id
	                          FROM flow_run l INDEXED BY flow_run_by_deployment
	                         WHERE l.deployment_id = d.id
	                           AND (l.state_type <> 'SCHEDULED' OR l.attempt > 0)
	                         ORDER BY l.id DESC
	                         LIMIT 1)
	                  FROM deployment d)`

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

// TickRun gives the run of a tick; ok is false where there is none.
func (s *Store) TickRun(ctx context.Context, deployment ID, slug string, tick time.Time) (r Run, ok bool, err error) {
	r, err = s.read(s.reader.QueryRowContext(ctx, selectRun+`
		 WHERE r.deployment_id = ?
		   AND r.schedule_slug = ?
		   AND r.scheduled_for = ?`, deployment, slug, micros(tick)))
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, false, nil
	}
	return r, err == nil, err
}
