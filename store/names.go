package store

import "context"

// The kinds of things that Names lists.
const (
	DeploymentNames = "deployment"
	FlowNames       = "flow"
	PoolNames       = "pool"
	QueueNames      = "queue"
	QueuePaths      = "pool/queue"
	RunNames        = "run"
	WorkerNames     = "worker"
)

// maxNames bounds a list that somebody completes a word from.
const maxNames = 200

// nameQueries give a name and a word about it, for the names that begin so.
var nameQueries = map[string]string{
	DeploymentNames: `
		SELECT f.name || '/' || d.name, d.entrypoint
		  FROM deployment d
		  JOIN flow f ON f.id = d.flow_id
		 WHERE substr(f.name || '/' || d.name, 1, length(?1)) = ?1
		 ORDER BY 1
		 LIMIT ?2`,
	FlowNames: `
		SELECT name, ''
		  FROM flow
		 WHERE substr(name, 1, length(?1)) = ?1
		 ORDER BY 1
		 LIMIT ?2`,
	PoolNames: `
		SELECT name, iif(is_paused, 'paused', type)
		  FROM work_pool
		 WHERE substr(name, 1, length(?1)) = ?1
		 ORDER BY 1
		 LIMIT ?2`,
	QueueNames: `
		SELECT DISTINCT name, ''
		  FROM work_queue
		 WHERE substr(name, 1, length(?1)) = ?1
		 ORDER BY 1
		 LIMIT ?2`,
	QueuePaths: `
		SELECT p.name || '/' || q.name, iif(q.is_paused, 'paused', '')
		  FROM work_queue q
		  JOIN work_pool p ON p.id = q.work_pool_id
		 WHERE substr(p.name || '/' || q.name, 1, length(?1)) = ?1
		 ORDER BY p.name, q.priority
		 LIMIT ?2`,
	// Of so many runs somebody means one of the newest.
	RunNames: `
		SELECT name, state_name || ' ' || coalesce(deployment_name, '')
		  FROM (SELECT id, name, state_name, deployment_name
		          FROM flow_run
		         ORDER BY id DESC
		         LIMIT 500)
		 WHERE substr(name, 1, length(?1)) = ?1
		 GROUP BY name
		 ORDER BY max(id) DESC
		 LIMIT ?2`,
	WorkerNames: `
		SELECT DISTINCT name, host
		  FROM worker
		 WHERE substr(name, 1, length(?1)) = ?1
		 ORDER BY 1
		 LIMIT ?2`,
}

// NameAndNote is a name, and a word that tells it from others.
type NameAndNote struct{ Name, Note string }

// Names lists the names of a kind that begin with a prefix: few of them, and
// quickly, for whoever completes a word.
func (s *Store) Names(ctx context.Context, kind, prefix string) ([]NameAndNote, error) {
	return collect(ctx, s.reader, func(r row) (n NameAndNote, err error) { return n, r.Scan(&n.Name, &n.Note) },
		nameQueries[kind], prefix, maxNames)
}
