package store

import (
	"context"
	"database/sql"
	"errors"
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

// selectNext seeks in each queue, since a backlog may be long.
const selectNext = selectRun + `
	 WHERE r.id IN (SELECT (SELECT n.id
	                          FROM flow_run n INDEXED BY flow_run_waiting
	                         WHERE n.state_type = 'SCHEDULED'
	                           AND n.work_queue_id = q.id
	                           AND n.deployment_id = ?
	                         ORDER BY n.due, n.id
	                         LIMIT 1)
	                  FROM work_queue q)
	 ORDER BY r.due, r.id
	 LIMIT 1`

// NextRun gives the waiting run of a deployment that is due first; ok is false
// where none waits.
func (s *Store) NextRun(ctx context.Context, deployment ID) (r Run, ok bool, err error) {
	return found(s.read(s.reader.QueryRowContext(ctx, selectNext, deployment)))
}

// found is a run that may not be there.
func found(r Run, err error) (Run, bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, false, nil
	}
	return r, err == nil, err
}
