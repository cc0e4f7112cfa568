package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// fields are what a plan compares, in the order that it prints them.
var fields = []struct {
	name string
	get  func(Deployment) any
}{
	{"entrypoint", func(d Deployment) any { return d.Entrypoint }},
	{"path", func(d Deployment) any { return d.Path }},
	{"interpreter", func(d Deployment) any { return d.Interpreter }},
	{"work_pool", func(d Deployment) any { return d.WorkPoolName }},
	{"work_queue", func(d Deployment) any { return d.WorkQueueName }},
	{"description", func(d Deployment) any { return d.Description }},
	{"version", func(d Deployment) any { return d.Version }},
	{"tags", func(d Deployment) any { return d.Tags }},
	{"parameters", func(d Deployment) any { return d.Parameters }},
	{"parameter_schema", func(d Deployment) any { return d.ParameterSchema }},
	{"enforce_parameter_schema", func(d Deployment) any { return d.EnforceParameterSchema }},
	{"job_variables", func(d Deployment) any { return d.JobVariables }},
	{"pull_steps", func(d Deployment) any { return d.PullSteps }},
	{"paused", func(d Deployment) any { return d.Paused }},
	{"concurrency_limit", func(d Deployment) any { return plain(d.ConcurrencyLimit) }},
	{"collision_strategy", func(d Deployment) any { return d.CollisionStrategy }},
	{"retries", func(d Deployment) any { return d.Retries }},
	{"retry_delay_seconds", func(d Deployment) any { return d.RetryDelaySeconds }},
	{"retries_on_crash", func(d Deployment) any { return d.RetriesOnCrash }},
	{"retry_jitter_factor", func(d Deployment) any { return d.RetryJitterFactor }},
	{"timeout_seconds", func(d Deployment) any { return plain(d.TimeoutSeconds) }},
	{"schedules", func(d Deployment) any { return scheduleLines(d.Schedules) }},
	{"catchup", func(d Deployment) any { return d.Catchup }},
	{"max_late_seconds", func(d Deployment) any { return plain(d.MaxLateSeconds) }},
	{"jitter_seconds", func(d Deployment) any { return plain(d.JitterSeconds) }},
	{OnFailure, func(d Deployment) any { return d.OnFailure }},
	{OnCrash, func(d Deployment) any { return d.OnCrash }},
	{OnCompletion, func(d Deployment) any { return d.OnCompletion }},
	{OnLate, func(d Deployment) any { return d.OnLate }},
	{"hook_timeout_seconds", func(d Deployment) any { return plain(d.HookTimeoutSeconds) }},
	{"project_file", func(d Deployment) any { return d.ProjectFile }},
}

func plain[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func diff(old, next Deployment, isNew bool) []FieldChange {
	changes := []FieldChange{}
	shownOld, shownNext := old.Masked(), next.Masked()
	for _, f := range fields {
		before, after := f.get(old), f.get(next)
		if same(before, after) {
			continue
		}
		before, after = f.get(shownOld), f.get(shownNext)
		if isNew {
			before = nil
		}
		changes = append(changes, FieldChange{Field: f.name, Old: before, New: after, Hidden: same(before, after)})
	}
	return changes
}

// same compares what a reader sees: JSON that differs in its spaces, in the
// order of its keys or in how it escapes is the same.
func same(a, b any) bool {
	switch before := a.(type) {
	case []Step:
		return sameSteps(before, b.([]Step))
	case string, bool, int, float64:
		return a == b
	case []string:
		after, _ := b.([]string)
		return slices.Equal(before, after)
	case Values:
		if after, _ := b.(Values); len(before) != len(after) {
			return false
		}
	case json.RawMessage: // what is wanted is compact, what is there may be older
		after, _ := b.(json.RawMessage)
		return bytes.Equal(before, after) || len(before) > 0 && bytes.Equal(compact(before), after)
	}
	if reflect.DeepEqual(a, b) {
		return true
	}
	before, errBefore := json.Marshal(a)
	after, errAfter := json.Marshal(b)
	return errBefore == nil && errAfter == nil && bytes.Equal(compact(before), compact(after))
}

// kept names the pauses of an operator, which a deploy leaves.
func kept(d Deployment) (list []string) {
	if d.OperatorPaused {
		list = append(list, "paused by an operator")
	}
	for _, s := range d.Schedules {
		if s.OperatorPaused {
			list = append(list, fmt.Sprintf("schedule %s paused by an operator", s.Slug))
		}
	}
	return list
}
