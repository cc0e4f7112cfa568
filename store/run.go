package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
	ScheduledFor      *time.Time      `json:"scheduled_for"` // the tick's instant
	ScheduleSlug      *string         `json:"schedule_slug"` // whose tick it is
	WorkerName        string          `json:"worker_name"`
	CreatedBy         string          `json:"created_by"`
	Created           time.Time       `json:"created"`
	Updated           time.Time       `json:"updated"`
	Job               *Job            `json:"job,omitempty"`
	Result            json.RawMessage `json:"result,omitempty"` // of the newest attempt; by inspect

	Fence int64     `json:"-"`
	Owner Owner     `json:"-"`
	Due   time.Time `json:"-"`
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
	       coalesce(r.owner_proof, '')
	  FROM flow_run r
	 CROSS JOIN flow f ON f.id = r.flow_id
	  LEFT JOIN work_queue q ON q.id = r.work_queue_id
	  LEFT JOIN work_pool p ON p.id = q.work_pool_id`

func scanRun(r row) (run Run, err error) {
	var deployment ID
	var stateTime, expected, due, created, updated int64
	var start, end, tick sql.NullInt64
	var parameters, tags, variables, job text
	err = r.Scan(&run.ID, &run.Name, &run.FlowName, &run.Deployment, &deployment, &run.State.Type,
		&run.State.Name, &run.State.Message, &stateTime, &parameters, &tags, &variables, &run.WorkPoolName,
		&run.WorkQueueName, &expected, &due, &start, &end, &run.RunCount, &run.IdempotencyKey,
		&run.TimeoutSeconds, &tick, &run.ScheduleSlug, &run.WorkerName, &run.CreatedBy, &created, &updated, &job, &run.Fence,
		&run.Owner.Kind, &run.Owner.Host, &run.Owner.Proof)
	if err != nil {
		return run, err
	}
	if !deployment.IsZero() {
		run.DeploymentID = &deployment
	}
	run.State.Timestamp, run.ExpectedStartTime, run.Due = instant(stateTime), instant(expected), instant(due)
	run.Created, run.Updated = instant(created), instant(updated)
	run.StartTime, run.EndTime, run.ScheduledFor = instantOrNil(start), instantOrNil(end), instantOrNil(tick)
	err = errors.Join(json.Unmarshal(parameters, &run.Parameters), json.Unmarshal(tags, &run.Tags),
		json.Unmarshal(variables, &run.JobVariables))
	if job != nil {
		run.Job = &Job{}
		err = errors.Join(err, json.Unmarshal(job, run.Job))
	}
	return run, err
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

// RunFilter narrows a list of runs. Empty fields do not.
type RunFilter struct {
	States     []string // types or names, any case
	Deployment string   // full name, or name where it is unique
	Flow       string
	Pool       string
	Since      time.Time // created at or after
	Until      time.Time // created before
	Limit      int       // 0: all
}

// Runs lists runs, newest first.
func (s *Store) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	query, args, err := s.runsQuery(ctx, f)
	if err != nil {
		return nil, err
	}
	return collect(ctx, s.reader, s.read, query, args...)
}

func (s *Store) runsQuery(ctx context.Context, f RunFilter) (query string, args []any, err error) {
	where, given, err := s.runConditions(ctx, f)
	if err != nil {
		return "", nil, err
	}
	states, err := s.stateConditions(f.States)
	if err != nil {
		return "", nil, err
	}
	if len(states) == 0 {
		states = []condition{{"1", nil}}
	}
	page := " ORDER BY r.id DESC"
	if f.Limit > 0 {
		page += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	// The ids come first, by an index alone: each state walks its own, newest
	// first, and stops at the limit. In one query with the rest, SQLite sorts
	// every run that matches, and after an ANALYZE every run.
	var branches []string
	for _, state := range states {
		both := strings.Join(append(where[:len(where):len(where)], state.text), " AND ")
		branches = append(branches, "SELECT id FROM (SELECT r.id FROM flow_run r WHERE "+both+page+")")
		args = append(append(args, given...), state.args...)
	}
	return selectRun + " WHERE r.id IN (" + strings.Join(branches, " UNION ") + ")" + page, args, nil
}

// condition is a piece of SQL with what it binds.
type condition struct {
	text string
	args []any
}

func (s *Store) runConditions(ctx context.Context, f RunFilter) (where []string, args []any, err error) {
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Deployment != "" {
		d, err := s.Deployment(ctx, f.Deployment)
		if err != nil {
			return nil, nil, err
		}
		add("r.deployment_id = ?", d.ID)
	}
	if f.Flow != "" {
		add("r.flow_id = (SELECT id FROM flow WHERE name = ?)", f.Flow)
	}
	if f.Pool != "" {
		p, err := poolByName(ctx, s.reader, f.Pool)
		if err != nil {
			return nil, nil, err
		}
		add("r.work_queue_id IN (SELECT id FROM work_queue WHERE work_pool_id = ?)", p.ID)
	}
	if !f.Since.IsZero() {
		add("r.id >= ?", firstID(f.Since))
	}
	if !f.Until.IsZero() {
		add("r.id < ?", firstID(f.Until))
	}
	return where, args, nil
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

// stateConditions makes SQL of state types and names, Late among them. A name
// comes with its type, which has an index.
func (s *Store) stateConditions(states []string) (list []condition, err error) {
	for _, state := range states {
		switch name := stateName(state); name {
		case "":
			return nil, unknownState(state)
		case NameLate:
			list = append(list, condition{
				"r.state_type = 'SCHEDULED' AND r.state_name = 'Scheduled' AND r.due < ?",
				[]any{micros(s.Clock().Add(-LateAfter))},
			})
		case NameAwaitingRetry:
			list = append(list, condition{"r.state_type = 'SCHEDULED' AND r.state_name = ?", []any{name}})
		case NameTimedOut:
			list = append(list, condition{"r.state_type = 'FAILED' AND r.state_name = ?", []any{name}})
		default:
			list = append(list, condition{"r.state_type = ?", []any{name}})
		}
	}
	return list, nil
}

// stateName gives a type in capitals, another state's name, or "".
func stateName(text string) string {
	for _, t := range StateTypes {
		if strings.EqualFold(text, string(t)) {
			return string(t)
		}
	}
	for _, name := range []string{NameLate, NameAwaitingRetry, NameTimedOut} {
		if strings.EqualFold(text, name) {
			return name
		}
	}
	return ""
}

func unknownState(text string) error {
	known := []string{NameLate, NameAwaitingRetry, NameTimedOut}
	for _, t := range StateTypes {
		known = append(known, stateNames[t])
	}
	e := invalid("no state %q", text)
	if near := Nearest(text, known); near != "" {
		e.Hint = append(e.Hint, fmt.Sprintf("did you mean %q?", near))
	}
	e.Hint = append(e.Hint, "the states are: "+strings.Join(known, ", "))
	return e
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
}

// Attempts lists the attempts of a run, oldest first.
func (s *Store) Attempts(ctx context.Context, run ID) ([]Attempt, error) {
	return collect(ctx, s.reader, func(r row) (a Attempt, err error) {
		var start int64
		var end sql.NullInt64
		err = r.Scan(&a.Attempt, &a.Log, &a.PID, &start, &end, &a.StateType, &a.StateName, &a.Message, &a.ExitCode,
			&a.Signal, &a.UserTime, &a.SystemTime, &a.MaxRSS, (*text)(&a.Result))
		a.StartTime, a.EndTime = instant(start), instantOrNil(end)
		return a, err
	}, `
		SELECT attempt, log, pid, start_time, end_time, state_type, state_name, message, exit_code,
		       signal, user_time, system_time, max_rss, result
		  FROM attempt
		 WHERE run_id = ?
		 ORDER BY attempt`, run)
}
