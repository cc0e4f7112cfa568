package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver

	"runnel/store"
)

const (
	poolName   = "bench"
	flowName   = "bench"
	deployName = "true"
	deployment = flowName + "/" + deployName
)

// newDatabase makes a file with a pool and a deployment of /bin/true.
func (b *bench) newDatabase(name string) (path string, err error) {
	path = filepath.Join(b.folder, name, "runnel.db")
	return path, b.withStore(path, func(s *store.Store) error {
		if _, err := s.CreateWorkPool(b.ctx, store.WorkPool{Name: poolName, Type: "process"}); err != nil {
			return err
		}
		return b.deploy(s, deployName, "/bin/true", nil)
	})
}

func (b *bench) deploy(s *store.Store, name, program string, variables store.Values) error {
	_, err := s.Deploy(b.ctx, []store.Wish{{
		FlowName: flowName, Name: name, Entrypoint: program, Kind: "script", Path: b.folder,
		ParameterSchema: []byte(`{"type":"object","properties":{}}`), Pool: poolName, JobVariables: variables,
	}}, store.DeployOptions{})
	return err
}

func (b *bench) withStore(path string, use func(*store.Store) error) error {
	s := store.New(path)
	if err := s.Open(b.ctx); err != nil {
		return err
	}
	return errors.Join(use(s), s.Close())
}

// Runs are made in SQL: through the store's own transactions a million would
// take an hour. ?1 is how many, ?2 the millisecond of the first, ?3 the
// milliseconds from one to the next. The ids are UUIDv7 in the order of time.
const (
	sequence = `
		WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1),
		     t AS (SELECT i, ?2 + i * ?3 AS at, printf('%08x', (i * 2654435761) & 4294967295) AS x FROM n)`
	runID  = `unhex(printf('%012x7%03x8%07x', at, i & 4095, i >> 12) || x)`
	runRow = `
		INSERT INTO flow_run (id, tail, name, flow_id, deployment_id, deployment_name, work_queue_id,
		                      state_type, state_name, state_time, expected_start_time, due, start_time, end_time,
		                      attempt, fence, worker_name, created_by, created, updated)`
	runTail  = `substr(x, 8, 1) || substr(x, 7, 1) || substr(x, 6, 1) || substr(x, 5, 1) || substr(x, 4, 1) || substr(x, 3, 1) || substr(x, 2, 1) || substr(x, 1, 1)`
	runOwner = `d.flow_id, d.id, 'bench/' || d.name, d.work_queue_id`
	runFrom  = `
	  FROM t
	  JOIN deployment d ON d.name = `
)

const endedRuns = sequence + runRow + `
	SELECT ` + runID + `, ` + runTail + `, 'amber-otter-' || i % 5000, ` + runOwner + `,
	       'COMPLETED', 'Completed', at * 1000, at * 1000, at * 1000, at * 1000, at * 1000 + 900,
	       1, 1, 'host-1', 'command', at * 1000, at * 1000 + 900` + runFrom + `'true'`

// dueRuns are runs of one deployment that wait.
func dueRuns(deployment string) string {
	return sequence + runRow + dueRow + runFrom + "'" + deployment + "'"
}

const dueRow = `
	SELECT ` + runID + `, ` + runTail + `, 'amber-otter-' || i % 5000, ` + runOwner + `,
	       'SCHEDULED', 'Scheduled', at * 1000, at * 1000, at * 1000, NULL, NULL,
	       0, 0, NULL, 'command', at * 1000, at * 1000`

const attempts = `
	INSERT INTO attempt (run_id, attempt, fence, log, pid, start_time, end_time, state_type, state_name, message,
	                     exit_code, user_time, system_time, max_rss)
	SELECT id, 1, 1, '2026-11-23/00000000-0000-0000-0000-000000000000.1.log', 4711, start_time, end_time, 'COMPLETED',
	       'Completed', '', 0, 400, 500, 2000000
	  FROM flow_run
	 WHERE state_type = 'COMPLETED'`

// events gives each run the history that its state asks for.
const events = `
	INSERT INTO event (run_id, id, time, state_type, state_name, attempt, who)
	SELECT r.id, CAST(substr(r.id, 1, 15) || unhex(printf('%02x', k.n)) AS BLOB), r.created, k.type, k.name, min(k.n, 1), 'worker host-1'
	  FROM flow_run r
	  JOIN (SELECT 0 AS n, 'SCHEDULED' AS type, 'Scheduled' AS name UNION ALL SELECT 1, 'PENDING', 'Pending'
	        UNION ALL SELECT 2, 'RUNNING', 'Running' UNION ALL SELECT 3, 'COMPLETED', 'Completed') k
	    ON k.n = 0 OR r.state_type = 'COMPLETED'
	 WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.run_id = r.id)`

// fill makes runs, ended or due, in a file that nobody else has open.
func (b *bench) fill(path, runs string, n int, first, step int64) (err error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF",
		"PRAGMA cache_size = -200000", "BEGIN",
	} {
		if _, err := db.ExecContext(b.ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if _, err := db.ExecContext(b.ctx, runs, n, first, step); err != nil {
		return fmt.Errorf("make runs: %w", err)
	}
	rest := []string{events, "COMMIT", "PRAGMA journal_mode = WAL"}
	if runs == endedRuns {
		rest = append([]string{attempts}, rest...)
	}
	for _, statement := range rest {
		if _, err := db.ExecContext(b.ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// countRuns counts the runs of which a condition holds.
func (b *bench) countRuns(path, condition string) (n int, err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return n, db.QueryRowContext(b.ctx, "SELECT count(*) FROM flow_run r WHERE "+condition).Scan(&n)
}

// fileSize is the database's size in bytes, its write-ahead log included.
func fileSize(path string) (sum int64) {
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
