package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// Run is one flow run. The JSON names are those of Prefect's REST API.
type Run struct {
	ID                ID              `json:"id"`
	Name              string          `json:"name"`
	FlowName          string          `json:"flow_name"`
	Deployment        *string         `json:"deployment"` // full name; null for a run of an entrypoint
	DeploymentID      *ID             `json:"deployment_id"`
	State             State           `json:"state"`
	Parameters        Values          `json:"parameters"`
	Tags              []string        `json:"tags"`
	JobVariables      Values          `json:"job_variables"`
	WorkPoolName      string          `json:"work_pool_name"`
	WorkQueueName     string          `json:"work_queue_name"`
	ExpectedStartTime time.Time       `json:"expected_start_time"`
	StartTime         *time.Time      `json:"start_time"`
	EndTime           *time.Time      `json:"end_time"`
	RunCount          int             `json:"run_count"` // attempts that were started
	IdempotencyKey    *string         `json:"idempotency_key"`
	TimeoutSeconds    *float64        `json:"timeout_seconds"`
	Retry             RetryPolicy     `json:"empirical_policy"` // what the run alone has
	ScheduledFor      *time.Time      `json:"scheduled_for"`    // the tick's instant
	ScheduleSlug      *string         `json:"schedule_slug"`    // whose tick it is
	WorkerName        string          `json:"worker_name"`
	CreatedBy         string          `json:"created_by"`
	Created           time.Time       `json:"created"`
	Updated           time.Time       `json:"updated"`
	Job               *Job            `json:"job,omitempty"`
	Result            json.RawMessage `json:"result,omitempty"` // of the newest attempt; by inspect
	Code              *Code           `json:"code,omitempty"`   // of the newest attempt; by inspect, diff and ls --wide

	Fence int64     `json:"-"`
	Owner Owner     `json:"-"`
	Due   time.Time `json:"-"`
	// The newest attempt's times, where they are not the run's own.
	attemptStart, attemptEnd *time.Time
	// ForceStop says that its process gets no grace.
	ForceStop bool `json:"-"`
}

// Job is what a run of an entrypoint starts, where no deployment says it.
type Job struct {
	Entrypoint        string          `json:"entrypoint"`
	Kind              string          `json:"kind"`
	Path              string          `json:"path"`
	Interpreter       string          `json:"interpreter"`
	ParameterSchema   json.RawMessage `json:"parameter_openapi_schema"`
	Retries           int             `json:"retries"`
	RetryDelaySeconds []float64       `json:"retry_delay_seconds"`
	RetriesOnCrash    int             `json:"retries_on_crash"`
	RetryJitterFactor float64         `json:"retry_jitter_factor"`
	TimeoutSeconds    *float64        `json:"timeout_seconds"`
}

// Owner is who holds a run: a kind ("slot"), a host and an opaque proof of
// life. Lease is for stores that several hosts share; zero here.
type Owner struct {
	Kind, Host, Proof string
}

// CROSS JOIN holds SQLite to this order: after an ANALYZE it would go through
// the few flows first, and look for the runs of each.
const selectRun = `
	SELECT r.id,
	       r.name,
	       f.name,
	       r.deployment_name,
	       r.deployment_id,
	       r.state_type,
	       r.state_name,
	       r.state_message,
	       r.state_time,
	       r.parameters,
	       r.tags,
	       r.job_variables,
	       coalesce(p.name, ''),
	       coalesce(q.name, ''),
	       r.expected_start_time,
	       r.due,
	       r.start_time,
	       r.end_time,
	       r.attempt,
	       r.idempotency_key,
	       r.timeout_seconds,
	       r.scheduled_for,
	       r.schedule_slug,
	       coalesce(r.worker_name, ''),
	       r.created_by,
	       r.created,
	       r.updated,
	       r.job,
	       r.fence,
	       coalesce(r.owner_kind, ''),
	       coalesce(r.owner_host, ''),
	       coalesce(r.owner_proof, ''),
	       r.empirical_policy,
	       r.force_stop,
	       CASE WHEN r.attempt > 1
	            THEN (SELECT a.start_time FROM attempt a WHERE a.run_id = r.id AND a.attempt = r.attempt)
	       END,
	       CASE WHEN r.attempt > 0 AND r.state_type = 'CANCELLED'
	            THEN (SELECT a.end_time FROM attempt a WHERE a.run_id = r.id AND a.attempt = r.attempt)
	       END
	  FROM flow_run r
	 CROSS JOIN flow f ON f.id = r.flow_id
	  LEFT JOIN work_queue q ON q.id = r.work_queue_id
	  LEFT JOIN work_pool p ON p.id = q.work_pool_id`

func scanRun(r row) (run Run, err error) {
	var deployment ID
	var stateTime, expected, due, created, updated int64
	var start, end, tick, attemptStart, attemptEnd sql.NullInt64
	var parameters, tags, variables, job, policy text
	err = r.Scan(&run.ID, &run.Name, &run.FlowName, &run.Deployment, &deployment, &run.State.Type,
		&run.State.Name, &run.State.Message, &stateTime, &parameters, &tags, &variables, &run.WorkPoolName,
		&run.WorkQueueName, &expected, &due, &start, &end, &run.RunCount, &run.IdempotencyKey,
		&run.TimeoutSeconds, &tick, &run.ScheduleSlug, &run.WorkerName, &run.CreatedBy, &created, &updated, &job, &run.Fence,
		&run.Owner.Kind, &run.Owner.Host, &run.Owner.Proof, &policy, &run.ForceStop, &attemptStart, &attemptEnd)
	if err != nil {
		return run, err
	}
	if !deployment.IsZero() {
		run.DeploymentID = &deployment
	}
	run.State.Timestamp, run.ExpectedStartTime, run.Due = instant(stateTime), instant(expected), instant(due)
	run.Created, run.Updated = instant(created), instant(updated)
	run.StartTime, run.EndTime, run.ScheduledFor = instantOrNil(start), instantOrNil(end), instantOrNil(tick)
	run.attemptStart, run.attemptEnd = instantOrNil(attemptStart), instantOrNil(attemptEnd)
	err = errors.Join(json.Unmarshal(parameters, &run.Parameters), json.Unmarshal(tags, &run.Tags),
		json.Unmarshal(variables, &run.JobVariables))
	if string(policy) != "{}" {
		err = errors.Join(err, json.Unmarshal(policy, &run.Retry))
	}
	if job != nil {
		run.Job = &Job{}
		err = errors.Join(err, json.Unmarshal(job, run.Job))
	}
	return run, err
}

// Took is how long the newest attempt took, or has taken by now; what lies
// between attempts does not count. ok is false where none was begun, or the
// next is waited for.
func (r Run) Took(now time.Time) (took time.Duration, ok bool) {
	if r.StartTime == nil || !r.State.Type.Live() && !r.State.Type.Terminal() {
		return 0, false
	}
	start, end := cmp.Or(r.attemptStart, r.StartTime), cmp.Or(r.attemptEnd, r.EndTime, &now)
	return end.Sub(*start), true
}

// read scans a run and shows it as a reader is told: a run that should have
// started is Late, though nothing has to be running for that to be true.
func (s *Store) read(r row) (Run, error) {
	run, err := scanRun(r)
	if run.State.Name == stateNames[Scheduled] && s.Clock().Sub(run.Due) > LateAfter {
		run.State.Name = NameLate
	}
	return run, err
}

// RunByID reads one run.
func (s *Store) RunByID(ctx context.Context, id ID) (Run, error) {
	return s.read(s.reader.QueryRowContext(ctx, selectRun+" WHERE r.id = ?", id))
}

// firstID is the smallest UUIDv7 of a millisecond: ids are in order of creation.
func firstID(at time.Time) ID {
	id := ID{6: 0x70, 8: 0x80}
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i)) //nolint:gosec // one byte at a time
	}
	return id
}

// LiveRuns lists every run that has an owner, oldest first.
func (s *Store) LiveRuns(ctx context.Context) ([]Run, error) {
	return collect(ctx, s.reader, scanRun, selectRun+`
		 WHERE r.state_type IN ('PENDING', 'RUNNING', 'CANCELLING')
		 ORDER BY r.id`)
}

// Attempt is one try of a run.
type Attempt struct {
	Attempt    int             `json:"attempt"`
	Log        string          `json:"log"` // relative to the folder of logs
	PID        *int            `json:"pid"`
	StartTime  time.Time       `json:"start_time"`
	EndTime    *time.Time      `json:"end_time"`
	StateType  *StateType      `json:"state_type"`
	StateName  *string         `json:"state_name"`
	Message    *string         `json:"message"`
	ExitCode   *int            `json:"exit_code"`
	Signal     *int            `json:"signal"`
	UserTime   *int64          `json:"user_time_us"`
	SystemTime *int64          `json:"system_time_us"`
	MaxRSS     *int64          `json:"max_rss_bytes"`
	Result     json.RawMessage `json:"result"`
	Code       *Code           `json:"code"` // null where it was not found out
}

const selectAttempt = `
	SELECT attempt, log, pid, start_time, end_time, state_type, state_name, message, exit_code,
	       signal, user_time, system_time, max_rss, result, code
	  FROM attempt
	 WHERE run_id = ?`

func scanAttempt(r row) (a Attempt, err error) {
	var start int64
	var end sql.NullInt64
	var code text
	err = r.Scan(&a.Attempt, &a.Log, &a.PID, &start, &end, &a.StateType, &a.StateName, &a.Message, &a.ExitCode,
		&a.Signal, &a.UserTime, &a.SystemTime, &a.MaxRSS, (*text)(&a.Result), &code)
	if err != nil {
		return a, err
	}
	a.StartTime, a.EndTime = instant(start), instantOrNil(end)
	a.Code, err = scanCode(code)
	return a, err
}

// Attempts lists the attempts of a run, oldest first.
func (s *Store) Attempts(ctx context.Context, run ID) ([]Attempt, error) {
	return collect(ctx, s.reader, scanAttempt, selectAttempt+" ORDER BY attempt", run)
}

// LiveAttempt is the attempt under way of a run as it was read; ErrSuperseded
// where the run was put back, ended or taken since then.
func (s *Store) LiveAttempt(ctx context.Context, run Run) (Attempt, error) {
	a, err := scanAttempt(s.reader.QueryRowContext(ctx,
		selectAttempt+" AND attempt = ? AND fence = ? AND end_time IS NULL", run.ID, run.RunCount, run.Fence))
	if errors.Is(err, sql.ErrNoRows) {
		return a, ErrSuperseded
	}
	return a, err
}
