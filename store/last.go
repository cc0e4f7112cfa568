package store

import "context"

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
