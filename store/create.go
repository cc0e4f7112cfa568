package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// NewRun is a run to be made of a deployment.
type NewRun struct {
	Deployment     string // as Store.Deployment reads it
	Name           string // "": two words
	Tags           []string
	Parameters     Values // over the deployment's
	JobVariables   Values // over the deployment's
	Queue          string // "": the deployment's
	At             time.Time
	IdempotencyKey string
	TimeoutSeconds *float64
	Retry          RetryPolicy // over the deployment's
	CreatedBy      string
}

// CreateRun makes a Scheduled run. With an idempotency key that the flow has
// seen, it makes nothing and gives the first run, and existed is true.
func (s *Store) CreateRun(ctx context.Context, n NewRun) (run Run, existed bool, err error) {
	err = s.update(ctx, func(t *tx) error {
		d, err := deploymentByName(t.ctx, t, n.Deployment)
		if err != nil {
			return err
		}
		if n.IdempotencyKey != "" {
			run, err = scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.flow_id = ? AND r.idempotency_key = ?",
				d.FlowID, n.IdempotencyKey))
			if existed = err == nil; existed || !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		run, err = t.createRun(d, n)
		return err
	})
	return run, existed, err
}

// createRun validates and inserts; every run of a deployment is made here.
func (t *tx) createRun(d Deployment, n NewRun) (Run, error) {
	parameters, sources := layered(layer{FromDeployment, d.Parameters}, layer{FromRun, n.Parameters})
	if err := checkParameters(d.ParameterSchema, d.EnforceParameterSchema, parameters); err != nil {
		return Run{}, err
	}
	if _, err := CheckJobVariables(n.JobVariables); err != nil {
		return Run{}, err
	}
	if err := errors.Join(checkTimeout(n.TimeoutSeconds), n.Retry.check()); err != nil {
		return Run{}, err
	}
	queue, err := t.runQueue(d, n.Queue)
	if err != nil {
		return Run{}, err
	}
	due := t.now
	if !n.At.IsZero() {
		due = micros(n.At)
	}
	state := NewState(Scheduled, "")
	r := newRun{
		flow: d.FlowID, deployment: d.ID, deploymentName: d.FullName, queue: queue, parameters: parameters, sources: sources,
		due: due, name: n.Name, tags: mergeTags(d.Tags, n.Tags), jobVariables: n.JobVariables,
		key: n.IdempotencyKey, timeout: n.TimeoutSeconds, createdBy: n.CreatedBy, retry: n.Retry,
	}
	return t.insertRun(r, state)
}

func checkParameters(rawSchema json.RawMessage, enforce bool, parameters Values) error {
	schema, err := ParseParameterSchema(rawSchema)
	if err != nil {
		return fmt.Errorf("read parameter schema: %w", err)
	}
	if !enforce {
		return nil
	}
	return schema.Validate(parameters, true)
}

func (t *tx) runQueue(d Deployment, name string) (ID, error) {
	if d.queueID.IsZero() {
		e := conflict("%s has no work pool: the one it had was deleted", d.FullName)
		e.Hint = []string{"deploy it again with --pool"}
		return ID{}, e
	}
	if name == "" {
		return d.queueID, nil
	}
	pool, err := poolByName(t.ctx, t, d.WorkPoolName)
	if err != nil {
		return ID{}, err
	}
	q, err := queueByName(t.ctx, t, pool, name)
	return q.ID, err
}

func mergeTags(tags, more []string) []string {
	merged := []string{}
	seen := map[string]bool{}
	for _, tag := range append(append([]string{}, tags...), more...) {
		if !seen[tag] {
			merged = append(merged, tag)
		}
		seen[tag] = true
	}
	return merged
}

// newRun is the row of a run before it has a history.
type newRun struct {
	flow, deployment, queue  ID
	deploymentName           string
	job                      *Job
	name, key, createdBy     string
	tags                     []string
	parameters, jobVariables Values
	sources                  string // which layer gave each parameter, as JSON
	due                      int64
	timeout                  *float64
	// whose tick it is, and which; "" and 0 for none
	slug  string
	tick  int64
	retry RetryPolicy
}

func (t *tx) insertRun(n newRun, state State) (Run, error) {
	id, err := t.insertRow(n, state)
	if err != nil {
		return Run{}, err
	}
	return scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", id))
}

func (t *tx) insertRow(n newRun, state State) (id ID, err error) {
	if n.name == "" {
		n.name = runName()
	}
	if err := checkFreeName("flow run", n.name); err != nil {
		return id, err
	}
	job, err := jobText(n.job)
	if err != nil {
		return id, err
	}
	tick := sql.NullInt64{Int64: n.tick, Valid: n.slug != ""}
	id = NewID()
	_, err = t.exec(`
		INSERT INTO flow_run (id, tail, name, flow_id, deployment_id, deployment_name, work_queue_id, job,
		                      state_type, state_name, state_message, state_time, parameters, tags, job_variables,
		                      idempotency_key, timeout_seconds, expected_start_time, due, created_by, schedule_slug, scheduled_for,
		                      created, updated, empirical_policy, parameter_sources)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18, ?19, ?20, ?21,
		        ?12, ?12, ?22, ?23)`,
		id, id.tail(), n.name, n.flow, n.deployment, orNull(n.deploymentName), n.queue, job,
		state.Type, state.Name, state.Message, t.now, n.parameters.text(), asJSON(n.tags), n.jobVariables.text(),
		orNull(n.key), n.timeout, n.due, n.createdBy, orNull(n.slug), tick, n.retry.text(), n.sources)
	if err != nil {
		return id, fmt.Errorf("create run: %w", err)
	}
	return id, t.addEvent(id, state, 0, n.createdBy)
}

func jobText(job *Job) (any, error) {
	if job == nil {
		return nil, nil
	}
	b, err := json.Marshal(job)
	return string(b), err
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
