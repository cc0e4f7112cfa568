package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The collision strategies: what a claim does with a run whose deployment is full.
const (
	Enqueue   = "ENQUEUE"    // it waits
	CancelNew = "CANCEL_NEW" // it is cancelled
	Replace   = "REPLACE"    // the running one is cancelled, then it starts
)

// Deployment is a flow with how, where and with which parameters it runs.
type Deployment struct {
	ID                     ID              `json:"id"`
	Name                   string          `json:"name"`
	FlowName               string          `json:"flow_name"`
	FlowID                 ID              `json:"flow_id"`
	FullName               string          `json:"full_name"`
	Entrypoint             string          `json:"entrypoint"`
	Kind                   string          `json:"kind"`
	Path                   string          `json:"path"`        // the project root
	Interpreter            string          `json:"interpreter"` // absolute; empty for a script
	Description            string          `json:"description"`
	Version                string          `json:"version"`
	Tags                   []string        `json:"tags"`
	Parameters             Values          `json:"parameters"`
	ParameterSchema        json.RawMessage `json:"parameter_openapi_schema"`
	EnforceParameterSchema bool            `json:"enforce_parameter_schema"`
	JobVariables           Values          `json:"job_variables"`
	PullSteps              []Step          `json:"pull_steps"`
	WorkPoolName           string          `json:"work_pool_name"`
	WorkQueueName          string          `json:"work_queue_name"`
	// Paused is what the flags or the file say, OperatorPaused what a person
	// said afterwards: both must allow.
	Paused            bool      `json:"paused"`
	OperatorPaused    bool      `json:"operator_paused"`
	ConcurrencyLimit  *int      `json:"concurrency_limit"`
	CollisionStrategy string    `json:"collision_strategy"`
	Retries           int       `json:"retries"`
	RetryDelaySeconds []float64 `json:"retry_delay_seconds"`
	RetryJitterFactor float64   `json:"retry_jitter_factor"`
	TimeoutSeconds    *float64  `json:"timeout_seconds"`
	RetriesOnCrash    int       `json:"retries_on_crash"`
	// SetByHand names those of the five before that are not the flow's own.
	SetByHand []string `json:"-"`
	// Schedules are in the order of their slugs.
	Schedules      []DeploymentSchedule `json:"schedules"`
	Catchup        string               `json:"catchup"`          // latest, all or none
	MaxLateSeconds *float64             `json:"max_late_seconds"` // null: any
	JitterSeconds  *float64             `json:"jitter_seconds"`   // null: none
	Hooks
	ProjectFile string `json:"project_file"` // "" where flags made it
	// Shown is what Masked puts in place of hidden values, by their path.
	Shown   map[string]string `json:"-"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated"`
	queueID ID
	built   []string // Wish.Built
}

const selectDeployment = `
	SELECT d.id,
	       d.name,
	       f.name,
	       f.id,
	       d.entrypoint,
	       d.kind,
	       d.path,
	       d.interpreter,
	       d.description,
	       d.version,
	       d.tags,
	       d.parameters,
	       d.parameter_schema,
	       d.enforce_parameter_schema,
	       d.job_variables,
	       d.pull_steps,
	       coalesce(p.name, ''),
	       coalesce(q.name, ''),
	       d.work_queue_id,
	       d.paused,
	       d.operator_paused,
	       d.concurrency_limit,
	       d.collision_strategy,
	       d.retries,
	       d.retry_delay_seconds,
	       d.timeout_seconds,
	       d.retries_on_crash,
	       d.retry_jitter_factor,
	       d.catchup,
	       d.max_late_seconds,
	       d.jitter_seconds,
	       d.hooks,
	       coalesce(d.project_file, ''),
	       d.shown,
	       d.set_by_hand,
	       d.created,
	       d.updated
	  FROM deployment d
	  JOIN flow f ON f.id = d.flow_id
	  LEFT JOIN work_queue q ON q.id = d.work_queue_id
	  LEFT JOIN work_pool p ON p.id = q.work_pool_id`

func scanDeployment(r row) (d Deployment, err error) {
	var tags, parameters, variables, steps, delays, hooks, shown, byHand text
	var limit sql.NullInt64
	var created, updated int64
	err = r.Scan(&d.ID, &d.Name, &d.FlowName, &d.FlowID, &d.Entrypoint, &d.Kind, &d.Path, &d.Interpreter,
		&d.Description, &d.Version, &tags, &parameters, (*text)(&d.ParameterSchema), &d.EnforceParameterSchema,
		&variables, &steps, &d.WorkPoolName, &d.WorkQueueName, &d.queueID, &d.Paused, &d.OperatorPaused, &limit,
		&d.CollisionStrategy, &d.Retries, &delays, &d.TimeoutSeconds, &d.RetriesOnCrash, &d.RetryJitterFactor, &d.Catchup,
		&d.MaxLateSeconds, &d.JitterSeconds, &hooks, &d.ProjectFile, &shown, &byHand, &created, &updated)
	if err != nil {
		return d, err
	}
	if d.PullSteps, err = readSteps(steps); err != nil {
		return d, err
	}
	if d.Hooks, err = readHooks(hooks); err != nil {
		return d, err
	}
	d.FullName = d.FlowName + "/" + d.Name
	d.ConcurrencyLimit = intOrNil(limit)
	d.Created, d.Updated = instant(created), instant(updated)
	return d, errors.Join(json.Unmarshal(tags, &d.Tags), json.Unmarshal(parameters, &d.Parameters),
		json.Unmarshal(variables, &d.JobVariables), json.Unmarshal(delays, &d.RetryDelaySeconds), json.Unmarshal(shown, &d.Shown),
		json.Unmarshal(byHand, &d.SetByHand))
}

// Deployments lists all, by flow and name.
func (s *Store) Deployments(ctx context.Context) ([]Deployment, error) {
	list, err := collect(ctx, s.reader, scanDeployment, selectDeployment+" ORDER BY f.name, d.name")
	if err != nil {
		return nil, err
	}
	return list, addSchedules(ctx, s.reader, list)
}

// Deployment reads one by "flow/name", or by "name" alone where it is unique.
func (s *Store) Deployment(ctx context.Context, target string) (Deployment, error) {
	d, err := deploymentByName(ctx, s.reader, target)
	if err != nil {
		return d, err
	}
	return d, withSchedules(ctx, s.reader, &d)
}

func deploymentByName(ctx context.Context, q querier, target string) (d Deployment, err error) {
	var found []Deployment
	if flow, name, full := strings.Cut(target, "/"); full {
		found, err = collect(ctx, q, scanDeployment, selectDeployment+" WHERE f.name = ? AND d.name = ?", flow, name)
	} else {
		found, err = collect(ctx, q, scanDeployment, selectDeployment+" WHERE d.name = ? ORDER BY f.name", target)
	}
	switch {
	case err != nil:
		return d, err
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		e := &Error{Code: Ambiguous, Message: fmt.Sprintf("%d deployments are called %q", len(found), target)}
		for _, d := range found {
			e.Hint = append(e.Hint, Quote(d.FullName))
		}
		return d, e
	}
	return d, deploymentNotFound(ctx, q, target)
}

func deploymentNotFound(ctx context.Context, q querier, target string) error {
	known, err := names(ctx, q, `
		SELECT f.name || '/' || d.name
		  FROM deployment d
		  JOIN flow f ON f.id = d.flow_id
		 ORDER BY 1`)
	if err != nil {
		return err
	}
	e := notFound("deployment", target, known)
	switch {
	case len(known) == 0:
		e.Hint = append(e.Hint, "there are none yet; make one: runnel deploy")
	case len(e.Hint) == 0:
		e.Hint = append(e.Hint, "list them: runnel deployment ls")
	}
	return e
}

// PauseDeployment sets the operator's pause, which no redeploy lifts.
func (s *Store) PauseDeployment(ctx context.Context, target string, paused bool) (d Deployment, err error) {
	err = s.update(ctx, func(t *tx) error {
		if d, err = deploymentByName(t.ctx, t, target); err != nil {
			return err
		}
		if err := withSchedules(t.ctx, t, &d); err != nil {
			return err
		}
		before := d
		d.Schedules = slices.Clone(d.Schedules)
		d.OperatorPaused = paused
		// Resuming says that it shall run: the file's own pause goes with it.
		if !paused {
			d.Paused = false
		}
		if _, err := t.exec("UPDATE deployment SET operator_paused = ?, paused = ?, updated = ? WHERE id = ?",
			d.OperatorPaused, d.Paused, t.now, d.ID); err != nil {
			return err
		}
		return t.putSchedules(before, d)
	})
	return d, err
}

// DeleteDeployment removes a deployment. Its runs that wait are cancelled;
// the history of the others stays.
func (s *Store) DeleteDeployment(ctx context.Context, target string) (d Deployment, cancelled int, err error) {
	err = s.update(ctx, func(t *tx) error {
		if d, err = deploymentByName(t.ctx, t, target); err != nil {
			return err
		}
		cancelled, err = t.deleteDeployment(d)
		return err
	})
	return d, cancelled, err
}

// deleteDeployment says how many waiting runs it cancelled.
func (t *tx) deleteDeployment(d Deployment) (cancelled int, err error) {
	if err := withSchedules(t.ctx, t, &d); err != nil {
		return 0, err
	}
	for _, s := range d.Schedules {
		if err := t.removeSchedule(d, s); err != nil {
			return 0, err
		}
	}
	waiting, err := collect(t.ctx, t, scanID, `
		SELECT id
		  FROM flow_run INDEXED BY flow_run_due
		 WHERE state_type = 'SCHEDULED'
		   AND deployment_id = ?`, d.ID)
	if err != nil {
		return 0, err
	}
	for _, id := range waiting {
		if _, err := t.cancel(id, "its deployment was deleted", "operator"); err != nil {
			return 0, err
		}
	}
	_, err = t.exec("DELETE FROM deployment WHERE id = ?", d.ID)
	return len(waiting), err
}

func scanID(r row) (id ID, err error) { return id, r.Scan(&id) }
