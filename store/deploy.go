package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Wish is one deployment as the flags or the project file want it. What is nil
// is kept as it is, or gets its default in a new deployment.
type Wish struct {
	FlowName, Name, Entrypoint, Kind, Path, Interpreter string

	ParameterSchema json.RawMessage
	// Docstring is the description of a new deployment that is given none.
	Docstring string
	// DefaultVersion is the version where none is given. One that only
	// defaulted is no change by itself.
	DefaultVersion string
	Retries        int
	RetryDelays    []float64
	TimeoutSeconds *float64
	// SetTries names those of the tries (retries, timeout_seconds, …) that the
	// flags or the file set. The others are the flow's: they take the place of
	// what was the flow's before, and of nothing that was set.
	SetTries []string

	Description, Version   *string
	Tags                   *[]string
	Parameters             Values // nil keeps
	JobVariables           Values // nil keeps
	EnforceParameterSchema *bool
	Pool, Queue            string // "" keeps
	ConcurrencyLimit       *int
	NoConcurrencyLimit     bool // removes it
	CollisionStrategy      *string
	Paused                 *bool
	PullSteps              *[]Step // nil keeps, empty removes
	// Built names what build steps hand on that have not run yet, as in a dry
	// run: stdout, ID.stdout. Pull steps may ask for it.
	Built []string

	Schedules       *[]ScheduleSpec // nil keeps, empty removes
	Catchup         *string
	MaxLate, Jitter *time.Duration // 0 removes
	RetriesOnCrash  *int
	RetryJitter     *float64
	Hooks           HookChange
	ProjectFile     string // "" keeps
	// Shown has what to print in place of values that came from the environment
	// or a secret, by path as the project file has it: parameters.db.host.
	Shown map[string]string
}

// Change is what one wish does. Fields is empty for "=".
type Change struct {
	Action     string        `json:"action"` // "+" new, "~" changed, "=" same
	Deployment string        `json:"deployment"`
	Fields     []FieldChange `json:"fields"`
	// Kept names what somebody had set and the change leaves alone.
	Kept []string `json:"kept,omitempty"`
	// Unknown are the job variables that the pool's type does not know.
	Unknown []string `json:"unknown_job_variables,omitempty"`
	// AfterBuild are the fields in which something is only known when the build
	// steps have run. It is no change where the rest agrees.
	AfterBuild []string `json:"known_after_build,omitempty"`
	// Warnings name what is allowed but surely not meant.
	Warnings []string `json:"warnings,omitempty"`
}

// FieldChange is one field's old and new value. Old is null in a new deployment.
type FieldChange struct {
	Field string `json:"field"`
	Old   any    `json:"old"`
	New   any    `json:"new"`
	// Hidden is true where the value changed and what is shown of it did not.
	Hidden bool `json:"hidden,omitempty"`
}

// Plan is what a deploy does, or did.
type Plan struct {
	Changes []Change `json:"changes"`
	// Pools are those that had to be made.
	Pools []string `json:"created_work_pools,omitempty"`
	// Queues are those that had to be made, beside a pool's first: POOL/QUEUE.
	Queues []string `json:"created_work_queues,omitempty"`
	// Left are the deployments that came from the project file and are no
	// longer in it.
	Left    []string `json:"left_in_place,omitempty"`
	Applied bool     `json:"applied"`
}

// Same is true where a plan changes nothing.
func (p Plan) Same() bool {
	return len(p.Pools) == 0 && !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action != "=" })
}

// DeployOptions say how a plan is made.
type DeployOptions struct {
	DryRun      bool // plan only
	CreatePools bool // make the pools that are missing
	// File is the project file that the wishes are all of; "" where they are
	// some of it, or of none. What came from it and is no wish has left it.
	File  string
	Prune bool // delete what has left it
}

// Deploy makes or changes the deployments, all in one transaction or none.
func (s *Store) Deploy(ctx context.Context, wishes []Wish, o DeployOptions) (plan Plan, err error) {
	transact := s.update
	if o.DryRun {
		transact = s.rehearse
	}
	err = transact(ctx, func(t *tx) error {
		if err := t.ensurePools(wishes, o, &plan); err != nil {
			return err
		}
		if err := t.deployAll(wishes, &plan); err != nil {
			return err
		}
		return t.leftovers(wishes, o, &plan)
	})
	if err != nil {
		return Plan{}, err
	}
	plan.Applied = !o.DryRun
	return plan, nil
}

func (t *tx) deployAll(wishes []Wish, plan *Plan) error {
	known := &deploying{queues: map[[2]string]ID{}}
	if err := t.readExisting(wishes, known); err != nil {
		return err
	}
	done := map[[2]string]bool{}
	var wrong WishErrors // a transaction that fails may well go on until it knows all
	for i, w := range wishes {
		key := [2]string{w.FlowName, w.Name}
		if done[key] { // a second wish for it meets what the first made
			if err := t.readExisting(wishes[i:], known); err != nil {
				return err
			}
		}
		done[key] = true
		change, err := t.deploy(w, known)
		if err != nil {
			if err = wrong.add(i, err); err != nil {
				return &WishError{i, err}
			}
			continue
		}
		plan.Changes = append(plan.Changes, change)
	}
	plan.Queues = known.made
	return wrong.orNil()
}

func (t *tx) deploy(w Wish, known *deploying) (c Change, err error) {
	if err := errors.Join(checkFreeName("flow", w.FlowName), checkFreeName("deployment", w.Name)); err != nil {
		return c, err
	}
	old, isNew := known.asDeployed(w)
	next, err := t.wanted(old, isNew, w, known)
	if err != nil {
		return c, err
	}
	slugs, warnings, err := t.wantedSchedules(&next, w)
	if err != nil {
		return c, fmt.Errorf("%s: %w", next.FullName, err)
	}
	next.Shown = nameShown(shownAfter(old, w), slugs)
	compared, unknown := pending(w.Built).laidOver(next, old)
	c = Change{Action: "+", Deployment: next.FullName, Fields: diff(old, compared, isNew), Warnings: warnings, AfterBuild: unknown}
	if w.Version == nil && len(c.Fields) == 1 && c.Fields[0].Field == "version" {
		c.Fields = c.Fields[:0]
	}
	if c.Unknown, err = CheckJobVariables(next.JobVariables); err != nil {
		return c, next.hide(err)
	}
	if err := checkDeployment(next); err != nil {
		return c, next.hide(fmt.Errorf("%s: %w", next.FullName, err))
	}
	if w.PullSteps != nil { // those that were deployed before stay as they are
		if err := checkLogins(next.PullSteps); err != nil {
			return c, fmt.Errorf("%s: %w", next.FullName, err)
		}
	}
	if !isNew {
		c.Action = "~"
		if len(c.Fields) == 0 {
			c.Action = "="
		}
		c.Kept = append(kept(next), next.keptTries(w)...)
	}
	if c.Action == "=" {
		return c, t.markTries(old, next)
	}
	if err := t.putDeployment(&next, isNew); err != nil {
		return c, err
	}
	return c, t.putSchedules(old, next)
}

// wanted lays the wish over what is there: absent keeps, present sets.
func (t *tx) wanted(old Deployment, isNew bool, w Wish, known *deploying) (Deployment, error) {
	d := old
	d.Entrypoint, d.Kind, d.Path, d.Interpreter = w.Entrypoint, w.Kind, w.Path, w.Interpreter
	d.ParameterSchema = compact(w.ParameterSchema)
	d.layTries(w)
	if isNew || d.Description == "" {
		d.Description = w.Docstring
	}
	set(&d.Description, w.Description)
	d.Version = w.DefaultVersion
	set(&d.Version, w.Version)
	set(&d.Tags, w.Tags)
	d.Tags = mergeTags(d.Tags, nil)
	set(&d.EnforceParameterSchema, w.EnforceParameterSchema)
	set(&d.CollisionStrategy, w.CollisionStrategy)
	set(&d.Paused, w.Paused)
	set(&d.PullSteps, w.PullSteps)
	d.built = w.Built
	set(&d.Catchup, w.Catchup)
	setSeconds(&d.MaxLateSeconds, w.MaxLate)
	setSeconds(&d.JitterSeconds, w.Jitter)
	d.Hooks = d.Hooks.With(w.Hooks)
	if w.ProjectFile != "" {
		d.ProjectFile = w.ProjectFile
	}
	if w.ConcurrencyLimit != nil || w.NoConcurrencyLimit {
		d.ConcurrencyLimit = w.ConcurrencyLimit
	}
	if w.Parameters != nil {
		d.Parameters = w.Parameters
	}
	if w.JobVariables != nil {
		d.JobVariables = w.JobVariables
	}
	return d, t.place(&d, w, known)
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// setSeconds sets a field that is NULL where there is none.
func setSeconds(field **float64, value *time.Duration) {
	switch {
	case value == nil:
	case *value == 0:
		*field = nil
	default:
		seconds := value.Seconds()
		*field = &seconds
	}
}

// compact writes JSON without spaces, so that equal schemas compare equal.
func compact(raw json.RawMessage) json.RawMessage {
	v := any(map[string]any{})
	if len(raw) > 0 {
		read := json.NewDecoder(bytes.NewReader(raw))
		read.UseNumber() // a float64 would round a large integer
		if read.Decode(&v) != nil {
			return raw
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return b
}

// place finds the pool and queue of a deployment, and makes the queue.
func (t *tx) place(d *Deployment, w Wish, known *deploying) error {
	if w.Pool == "" && w.Queue == "" && !d.queueID.IsZero() {
		return nil
	}
	queue := w.Queue
	if w.Pool == "" {
		w.Pool = d.WorkPoolName
	}
	if queue == "" && (w.Pool == d.WorkPoolName || pending(w.Built).asks(w.Pool)) {
		queue = d.WorkQueueName
	}
	if queue == "" {
		queue = DefaultQueue
	}
	if w.Pool == "" {
		e := invalid("%s has no work pool", d.FullName)
		e.Hint = []string{"name one: --pool NAME, or in the project file: work_pool: {name: NAME}"}
		return e
	}
	d.WorkPoolName, d.WorkQueueName = w.Pool, queue
	if p := pending(w.Built); p.asks(w.Pool) || p.asks(queue) {
		d.queueID = ID{} // of a dry run: nobody sees it
		return nil
	}
	place := [2]string{w.Pool, queue}
	if d.queueID = known.queues[place]; !d.queueID.IsZero() {
		return nil
	}
	pool, err := poolByName(t.ctx, t, w.Pool)
	if err != nil {
		return err
	}
	// A queue that is missing is made: it changes nothing but the order.
	made := false
	d.queueID, made, err = t.ensureQueue(pool.ID, queue)
	if known.queues[place] = d.queueID; made {
		known.made = append(known.made, w.Pool+"/"+queue)
	}
	return err
}

func (t *tx) putDeployment(d *Deployment, isNew bool) error {
	if isNew {
		if err := t.insertDeployment(d); err != nil {
			return err
		}
	}
	steps, err := storedSteps(d.PullSteps)
	if err != nil {
		return err
	}
	_, err = t.exec(`
		UPDATE deployment
		   SET work_queue_id = ?, entrypoint = ?, kind = ?, path = ?, interpreter = ?, description = ?,
		       version = ?, tags = ?, parameters = ?, parameter_schema = ?, enforce_parameter_schema = ?,
		       job_variables = ?, paused = ?, concurrency_limit = ?, collision_strategy = ?, retries = ?,
		       retry_delay_seconds = ?, timeout_seconds = ?, pull_steps = ?, retries_on_crash = ?, retry_jitter_factor = ?,
		       catchup = ?, max_late_seconds = ?, jitter_seconds = ?, hooks = ?, project_file = ?, shown = ?, set_by_hand = ?, updated = ?
		 WHERE id = ?`,
		d.queueID, d.Entrypoint, d.Kind, d.Path, d.Interpreter, d.Description,
		d.Version, asJSON(d.Tags), d.Parameters.text(), string(d.ParameterSchema), d.EnforceParameterSchema,
		d.JobVariables.text(), d.Paused, d.ConcurrencyLimit, d.CollisionStrategy, d.Retries,
		asJSON(d.RetryDelaySeconds), d.TimeoutSeconds, steps, d.RetriesOnCrash, d.RetryJitterFactor,
		d.Catchup, d.MaxLateSeconds, d.JitterSeconds, d.Hooks.text(), orNull(d.ProjectFile), shownJSON(d.Shown), asJSON(d.SetByHand), t.now, d.ID)
	if err != nil {
		return fmt.Errorf("write deployment: %w", err)
	}
	return nil
}

func (t *tx) insertDeployment(d *Deployment) (err error) {
	d.ID = NewID()
	if d.FlowID, err = t.ensureFlow(d.FlowName); err != nil {
		return err
	}
	_, err = t.exec(`
		INSERT INTO deployment (id, flow_id, name, entrypoint, kind, path, created, updated)
		VALUES (?, ?, ?, ?, ?, ?, ?7, ?7)`, d.ID, d.FlowID, d.Name, d.Entrypoint, d.Kind, d.Path, t.now)
	if err != nil {
		return fmt.Errorf("create deployment: %w", err)
	}
	return nil
}

// ensureFlow gives the id of a flow, making it where it is new.
func (t *tx) ensureFlow(name string) (id ID, err error) {
	err = t.QueryRowContext(t.ctx, "SELECT id FROM flow WHERE name = ?", name).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	id = NewID()
	_, err = t.exec("INSERT INTO flow (id, name, created, updated) VALUES (?, ?, ?3, ?3)", id, name, t.now)
	return id, err
}

// asJSON writes a list whose elements always encode.
func asJSON[T any](list []T) string {
	if list == nil {
		list = []T{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(fmt.Sprintf("list: %v", err))
	}
	return string(b)
}
