package cli

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/store"
)

// looks are the commands that list and inspect. At 100,000 runs each may take
// twice what it takes at 1,000.
var looks = []string{
	"flow-run ls",
	"flow-run ls -o json",
	"flow-run ls --state Completed",
	"flow-run ls --state Failed --state Crashed --since 1000d",
	"flow-run ls --state TimedOut",
	"flow-run ls --deployment f/d3",
	"flow-run ls --deployment f/*",
	"flow-run ls --deployment f/d3 --state Failed",
	"flow-run ls --flow f",
	"flow-run ls --pool p",
	"flow-run ls --queue default",
	"flow-run ls --worker w2",
	"flow-run ls --worker nobody",
	"flow-run ls --tag t1",
	"flow-run ls --tag rare",
	"flow-run ls --param top=3",
	"flow-run ls --param top=rare",
	"flow-run ls --until 1000d",
	"flow-run inspect f/d3",
	"flow-run inspect name-7",
	"why f/d3",
	"deployment ls",
	"deployment inspect f/d3",
	"work-pool ls",
	"work-pool inspect p",
	"work-queue ls",
	"work-queue inspect default",
	"worker ls",
	"deployment schedule ls f/d3",
	"variable ls",
}

// fillRuns makes runs that have ended, of ten deployments, one in fifty Failed,
// with what belongs to a run.
var fillRuns = []string{
	`CREATE TEMP TABLE n AS
		WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
		SELECT i, 1700000000000 + i * 600 AS at, printf('%08x', (i * 2654435761) & 4294967295) AS x, iif(i % 50 = 0, 'FAILED', 'COMPLETED') AS type FROM n`,
	`INSERT INTO flow_run (id, tail, name, flow_id, deployment_id, deployment_name, work_queue_id, state_type, state_name,
	                       state_time, parameters, tags, expected_start_time, due, start_time, end_time, attempt, fence,
	                       worker_name, created_by, created, updated)
		SELECT unhex(printf('%012x7%03x8%07x', at, i & 4095, i >> 12) || x), x, 'name-' || i, d.flow_id, d.id, 'f/' || d.name, d.work_queue_id,
		       type, iif(type = 'FAILED', 'Failed', 'Completed'), at * 1000, '{"top":' || (i % 10) || ',"folder":"/var/log/some/folder"}',
		       '["t' || (i % 3) || '","etl"]', at * 1000, at * 1000, at * 1000, at * 1000 + 900, 1, 1, 'w' || (i % 4), 'command', at * 1000, at * 1000
		  FROM n
		  JOIN deployment d ON d.name = 'd' || (i % 10)`,
	`INSERT INTO attempt (run_id, attempt, fence, log, start_time, end_time, state_type, state_name, message, exit_code)
		SELECT id, 1, 1, 'none/' || name, start_time, end_time, state_type, state_name, '', 0 FROM flow_run`,
	`INSERT INTO event (run_id, id, time, state_type, state_name, attempt, who)
		SELECT r.id, CAST(substr(r.id, 1, 15) || unhex(printf('%02x', k.n)) AS BLOB), r.created, k.type, k.name, min(k.n, 1), 'worker w'
		  FROM flow_run r
		  JOIN (SELECT 0 AS n, 'SCHEDULED' AS type, 'Scheduled' AS name UNION ALL SELECT 1, 'PENDING', 'Pending'
		        UNION ALL SELECT 2, 'RUNNING', 'Running' UNION ALL SELECT 3, 'COMPLETED', 'Completed') k`,
}

func fileWithRuns(b *testing.B, runs int) string {
	path := filepath.Join(b.TempDir(), "runnel.db")
	s := store.New(path)
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(s.Open(ctx))
	var wishes []store.Wish
	for i := range 10 {
		wishes = append(wishes, store.Wish{FlowName: "f", Name: fmt.Sprint("d", i), Entrypoint: "f.py:f", Kind: "python", Path: "/tmp", Pool: "p"})
	}
	_, err := s.Deploy(ctx, wishes, store.DeployOptions{CreatePools: true})
	check(err)
	check(s.Close())
	db, err := sql.Open("sqlite", path)
	check(err)
	db.SetMaxOpenConns(1)
	for i, statement := range fillRuns {
		args := []any{runs}
		_, err := db.ExecContext(ctx, statement, args[:max(0, 1-i)]...)
		check(err)
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	check(err)
	check(db.Close())
	return path
}

// BenchmarkLooks runs each command as a process would, but for its start: it
// opens the file, answers and closes it.
func BenchmarkLooks(b *testing.B) {
	for _, runs := range []int{1_000, 100_000} {
		path := fileWithRuns(b, runs)
		for _, line := range looks {
			b.Run(fmt.Sprintf("%s/runs=%d", strings.ReplaceAll(line, " ", "_"), runs), func(b *testing.B) {
				best := time.Hour
				for range b.N {
					begun := time.Now()
					var talk strings.Builder
					streams := &IO{Out: io.Discard, Err: &talk, Width: 80, Height: 24, Env: func(string) string { return "" }, Clock: time.Now, Dir: "/"}
					if code := Main(streams, append([]string{"--db", path}, strings.Fields(line)...)); code != 0 {
						b.Fatalf("exit code %d: %s", code, talk.String())
					}
					best = min(best, time.Since(begun))
				}
				b.ReportMetric(float64(best.Microseconds()), "best-µs") // the mean is also of what else the machine does
			})
		}
	}
}
