package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"runnel/discover"
	"runnel/store"
)

// overlay lays the flags over an entry, as it is deployed and as it is saved.
func (j *deployJob) overlay(e *discover.Entry, flow discover.Flow) error {
	c := j.c
	override(&e.WorkPool.Name, c.Pool)
	override(&e.WorkPool.WorkQueueName, c.WorkQueue)
	overridePointer(&e.Description, c.Description)
	overridePointer(&e.Version, c.Version)
	overridePointer(&e.EnforceParameterSchema, c.EnforceSchema)
	overridePointer(&e.Paused, c.Paused)
	if c.Tag != nil {
		e.Tags = &c.Tag
	}
	if c.ConcurrencyLimit != nil || c.CollisionStrategy != nil {
		e.Concurrency = c.concurrency(e.Concurrency)
	}
	if _, err := lengthOrNone("--max-late", c.MaxLate); err != nil {
		return err
	}
	if _, err := lengthOrNone("--jitter", c.Jitter); err != nil {
		return err
	}
	overridePointer(&e.Retries, c.Retries)
	overridePointer(&e.RetriesOnCrash, c.RetriesOnCrash)
	overridePointer(&e.RetryJitterFactor, c.RetryJitter)
	if c.RetryDelay != nil {
		e.RetryDelaySeconds = c.RetryDelay
	}
	if err := overlayTimeout(e, c.Timeout); err != nil {
		return err
	}
	overrideText(&e.Catchup, c.Catchup)
	overrideText(&e.MaxLate, c.MaxLate)
	overrideText(&e.Jitter, c.Jitter)
	if err := overlayHooks(e, c.hookFlags); err != nil {
		return err
	}
	if err := j.overlaySchedules(e); err != nil {
		return err
	}
	if err := j.overlayValues(e, flow); err != nil {
		return err
	}
	return j.overlayPull(e)
}

// overlayTimeout lays --timeout over an entry; 0 says that there is none.
func overlayTimeout(e *discover.Entry, text *string) error {
	if text == nil {
		return nil
	}
	var seconds float64
	if *text != "none" {
		limit, err := parseDuration("--timeout", *text)
		if err != nil {
			return err
		}
		seconds = limit.Seconds()
	}
	e.TimeoutSeconds = &seconds
	return nil
}

func override(field *string, value string) {
	if value != "" {
		*field = value
	}
}

func overrideText(field, value *string) {
	if value != nil {
		*field = *value
	}
}

func overridePointer[T any](field **T, value *T) {
	if value != nil {
		*field = value
	}
}

// concurrency is the limit as the flags change it.
func (c deployCmd) concurrency(file *discover.Concurrency) *discover.Concurrency {
	var out discover.Concurrency
	if file != nil {
		out = *file
	}
	overridePointer(&out.Limit, c.ConcurrencyLimit)
	overrideText(&out.CollisionStrategy, c.CollisionStrategy)
	return &out
}

func (j *deployJob) overlaySchedules(e *discover.Entry) error {
	specs, err := j.c.specs()
	if err != nil || specs == nil {
		return err
	}
	list := make([]discover.ScheduleEntry, len(*specs))
	for i, spec := range *specs {
		list[i] = scheduleEntry(spec)
	}
	e.Schedules = &list
	return nil
}

// scheduleEntry is a schedule as the project file has it: scheduleSpec, backwards.
func scheduleEntry(s store.ScheduleSpec) discover.ScheduleEntry {
	e := discover.ScheduleEntry{
		Cron: s.Cron, DayOr: s.DayOr, RRule: s.RRule, Timezone: s.Timezone,
		Slug: s.Slug, Active: s.Active, Parameters: s.Parameters, Replaces: s.Replaces,
	}
	if s.Interval != 0 {
		e.Interval = strconv.FormatFloat(s.Interval.Seconds(), 'f', -1, 64)
	}
	if s.AnchorDate != nil {
		e.AnchorDate = s.AnchorDate.Format(time.RFC3339Nano)
	}
	return e
}

// overlayValues adds parameters and job variables to those of the file.
func (j *deployJob) overlayValues(e *discover.Entry, flow discover.Flow) error {
	if j.given == nil && (len(j.c.Param) > 0 || j.c.Params != "") { // once: stdin is read by it
		schema, err := store.ParseParameterSchema(flow.Parameters)
		if err != nil {
			return fmt.Errorf("read the parameters of %s: %w", flow.Entrypoint, err)
		}
		if j.given, err = j.parameters(schema, j.c.Param, j.c.Params); err != nil {
			return err
		}
	}
	if j.given != nil {
		e.Parameters = store.Values(e.Parameters).Over(j.given)
	}
	if len(j.c.JobVariable) == 0 {
		return nil
	}
	variables, err := jobVariables(textEnv(e.WorkPool.JobVariables), j.c.JobVariable)
	e.WorkPool.JobVariables = variables
	return err
}

// wishOf is what the store is to make of an order: its entry, with nothing left
// to fill in, under the flags.
func (j *deployJob) wishOf(o order, e discover.Entry) (w store.Wish, err error) {
	if err := j.overlay(&e, o.flow); err != nil {
		return w, err
	}
	if err := j.fillFlags(&e, o); err != nil {
		return w, err
	}
	w = store.Wish{
		FlowName: o.flow.FlowName, Name: e.Name, Entrypoint: o.flow.Entrypoint, Kind: o.flow.Kind, Path: o.root,
		ParameterSchema: o.flow.Parameters, Docstring: o.flow.Description, DefaultVersion: j.version(o, e.Pull),
		Description: e.Description, Version: e.Version, EnforceParameterSchema: e.EnforceParameterSchema,
		Pool: e.WorkPool.Name, Queue: e.WorkPool.WorkQueueName, Paused: e.Paused, Tags: e.Tags,
		Parameters: e.Parameters, JobVariables: textEnv(e.WorkPool.JobVariables), Shown: e.Shown,
		PullSteps: pullSteps(e.Pull), Built: j.built(o), Hooks: hookChange(e),
	}
	if j.file != nil {
		w.ProjectFile = j.file.Path
	}
	j.tries(&w, e, o.flow)
	if err := j.timing(&w, e); err != nil {
		return w, err
	}
	if c := e.Concurrency; c != nil {
		w.ConcurrencyLimit, w.NoConcurrencyLimit = c.Limit, c.Limit == nil && c.CollisionStrategy == ""
		if c.CollisionStrategy != "" {
			w.CollisionStrategy = &c.CollisionStrategy
		}
	}
	schema, err := store.ParseParameterSchema(o.flow.Parameters)
	if err != nil {
		return w, fmt.Errorf("read the parameters of %s: %w", o.flow.Entrypoint, err)
	}
	w.Parameters = typed(schema, w.Parameters, e.Shown)
	if err := checkScript(o.flow, schema, w.Parameters); err != nil {
		return w, err
	}
	w.Interpreter, err = j.python(o, e, w.JobVariables)
	return w, err
}

// fromEnv is a value that came from the environment whole.
var fromEnv = lazily(`^\{\{ \$\w+ \}\}$`)

// typed reads what came from the environment, which knows text only, as a value
// on the command line is read: by what the parameter wants.
func typed(schema store.ParameterSchema, values store.Values, shown map[string]string) store.Values {
	out := values
	for name, raw := range values {
		var text string
		if !fromEnv().MatchString(shown["parameters."+name]) || json.Unmarshal(raw, &text) != nil {
			continue
		}
		if _, value, err := schema.Parse(name + "=" + text); err == nil {
			out = out.Over(store.Values{name: value})
		}
	}
	return out
}

// tries are the retries and the timeout: the file's, else the decorator's, and
// which of them are the file's.
func (j *deployJob) tries(w *store.Wish, e discover.Entry, flow discover.Flow) {
	w.Retries, w.RetryDelays, w.TimeoutSeconds = flowBudget(flow)
	if e.Retries != nil {
		w.Retries = *e.Retries
	}
	if e.RetryDelaySeconds != nil {
		w.RetryDelays = e.RetryDelaySeconds
	}
	w.RetriesOnCrash, w.RetryJitter = crashBudget(flow)
	overridePointer(&w.RetriesOnCrash, e.RetriesOnCrash)
	overridePointer(&w.RetryJitter, e.RetryJitterFactor)
	if e.TimeoutSeconds != nil {
		w.TimeoutSeconds = e.TimeoutSeconds
		if *e.TimeoutSeconds == 0 {
			w.TimeoutSeconds = nil
		}
	}
	for name, sets := range map[string]bool{
		"retries": e.Retries != nil, "retry_delay_seconds": e.RetryDelaySeconds != nil,
		"retry_jitter_factor": e.RetryJitterFactor != nil, "retries_on_crash": e.RetriesOnCrash != nil,
		"timeout_seconds": e.TimeoutSeconds != nil,
	} {
		if sets {
			w.SetTries = append(w.SetTries, name)
		}
	}
	said := func(option string) bool { return slices.Contains(w.SetTries, option) }
	if list := untold(flow, said); list != nil {
		j.notes.about(leftOut, list...)
	}
}

// python is the interpreter: the entry's own word counts where no job variable
// names one. A path is relative to the order's root.
func (j *deployJob) python(o order, e discover.Entry, variables store.Values) (string, error) {
	place := "work_pool.job_variables.python"
	if _, named := variables["python"]; e.Python != "" && !named && o.flow.Kind == discover.KindPython {
		place = "python"
		path := e.Python
		if strings.Contains(path, "/") && !filepath.IsAbs(path) {
			path = filepath.Join(o.root, path)
		}
		raw, err := json.Marshal(path)
		if err != nil {
			return "", err
		}
		variables = store.Values{"python": raw}
	}
	if _, named := variables["python"]; !named && o.flow.Kind == discover.KindPython {
		return j.sharedPython(o)
	}
	path, err := j.interpreter(project{o.root}, o.flow, variables)
	if _, named := variables["python"]; err != nil && named && e.Line > 0 {
		message := strings.TrimPrefix(err.Error(), "job variable python: ")
		return "", &discover.ProjectError{Problems: []discover.Problem{e.At(place, message, hintOf(err))}}
	}
	return path, err
}

// sharedPython is the interpreter of all flows of a root that name none.
func (j *deployJob) sharedPython(o order) (path string, err error) {
	path, known := j.pythons[o.root]
	if known {
		return path, nil
	}
	if path, err = j.interpreter(project{o.root}, o.flow, nil); err != nil {
		return "", err
	}
	if j.pythons == nil {
		j.pythons = map[string]string{}
	}
	j.pythons[o.root] = path
	return path, nil
}

// version is the commit that runs clone or that a clean checkout has, else a
// hash of the flow's file.
func (j *deployJob) version(o order, pull discover.Steps) string {
	if o.source != nil {
		return shortCommit(o.source.commit)
	}
	if j.fromGit != nil && j.fromGit.version != "" {
		return j.fromGit.version
	}
	if commit := j.cloned(o.root, pull); commit != "" {
		return commit
	}
	commit, known := j.commits[o.root]
	if !known {
		commit = discover.GitVersion(j.ctx, o.root)
		if j.commits == nil {
			j.commits = map[string]string{}
		}
		j.commits[o.root] = commit
	}
	if commit != "" {
		return commit
	}
	return j.reader(o.root).Version(o.flow.File)
}

// reader reads the flows below a root, each file once.
func (j *deployJob) reader(root string) *discover.Reader {
	if j.readers == nil {
		j.readers = map[string]*discover.Reader{}
	}
	if j.readers[root] == nil {
		j.readers[root] = discover.NewReader(root)
	}
	return j.readers[root]
}
