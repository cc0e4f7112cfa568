package store

// poolSeen is what a claim reads of its pool beside the runs. It holds for the next
// claim where nobody has written in between: a busy worker writes most of what is
// written. What runs, and with it what is free, is counted anew by each.
type poolSeen struct {
	version     int64 // of the file, for this connection: another's commit changes it
	pool        WorkPool
	variables   Values
	all         []WorkQueue // by priority
	deployments map[ID]Deployment
}

// see reads a pool, or takes it as the claim just before has seen it.
func (t *tx) see(pool string) (*poolSeen, error) {
	var version int64
	if err := t.QueryRowContext(t.ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return nil, err
	}
	if t.seen != nil && t.seen.version == version && t.seen.pool.Name == pool {
		return t.seen, nil
	}
	p, err := poolByName(t.ctx, t, pool)
	if err != nil {
		return nil, err
	}
	seen := &poolSeen{version: version, pool: p, deployments: map[ID]Deployment{}}
	if seen.variables, err = ParseValues(p.JobVariables); err != nil {
		return nil, err
	}
	seen.all, err = collect(t.ctx, t, scanQueue, selectQueue+`
		 WHERE q.work_pool_id = ?
		 ORDER BY q.priority, q.name`, p.ID)
	return seen, err
}

// manySeen bounds the deployments that are kept, with their schemas and defaults.
const manySeen = 100

func (s *poolSeen) deployment(t *tx, id ID) (Deployment, error) {
	if d, found := s.deployments[id]; found {
		return d, nil
	}
	d, err := scanDeployment(t.QueryRowContext(t.ctx, selectDeployment+" WHERE d.id = ?", id))
	if err == nil && len(s.deployments) < manySeen {
		s.deployments[id] = d
	}
	return d, err
}
