package store

import (
	"context"
	"maps"
	"slices"
	"time"
)

// DeploymentChange is what of a deployment shall be another. What is nil is kept.
type DeploymentChange struct {
	Description        *string
	Tags               *[]string
	Pool, Queue        string
	ConcurrencyLimit   *int
	NoConcurrencyLimit bool
	CollisionStrategy  *string
	Catchup            *string
	MaxLate, Jitter    *time.Duration // 0 removes
	RetriesOnCrash     *int
	RetryJitter        *float64
	// Parameters go over those that are set; Unset takes some back to their default.
	Parameters Values
	Unset      []string
	// JobVariables go over those that are there; null removes one.
	JobVariables Values
	Hooks        HookChange
}

// UpdateDeployment changes what a deployment is set to, and nothing of its
// code. A redeploy that names the same sets it anew.
func (s *Store) UpdateDeployment(ctx context.Context, target string, c DeploymentChange) (change Change, err error) {
	err = s.update(ctx, func(t *tx) error {
		d, err := deploymentByName(t.ctx, t, target)
		if err != nil {
			return err
		}
		w, err := c.wish(d)
		if err != nil {
			return err
		}
		var plan Plan
		if err := t.deployAll([]Wish{w}, &plan); err != nil {
			return err
		}
		change = plan.Changes[0]
		return nil
	})
	return change, err
}

// wish is a deploy of what is there, with the change.
func (c DeploymentChange) wish(d Deployment) (Wish, error) {
	w := Wish{
		FlowName: d.FlowName, Name: d.Name, Entrypoint: d.Entrypoint, Kind: d.Kind, Path: d.Path, Interpreter: d.Interpreter,
		ParameterSchema: d.ParameterSchema, Docstring: d.Description, Version: &d.Version,
		Retries: d.Retries, RetryDelays: d.RetryDelaySeconds, TimeoutSeconds: d.TimeoutSeconds,
		Description: c.Description, Tags: c.Tags, Pool: c.Pool, Queue: c.Queue,
		ConcurrencyLimit: c.ConcurrencyLimit, NoConcurrencyLimit: c.NoConcurrencyLimit, CollisionStrategy: c.CollisionStrategy,
		Catchup: c.Catchup, MaxLate: c.MaxLate, Jitter: c.Jitter, RetriesOnCrash: &d.RetriesOnCrash, RetryJitter: &d.RetryJitterFactor,
		Hooks: c.Hooks, Shown: maps.Clone(d.Shown),
	}
	c.setTries(&w)
	c.Hooks.forget(w.Shown)
	if len(c.Parameters) > 0 || len(c.Unset) > 0 {
		if err := c.setParameters(&w, d); err != nil {
			return w, err
		}
	}
	if len(c.JobVariables) > 0 {
		w.JobVariables = d.JobVariables.Over(nil)
		if err := w.JobVariables.change(c.JobVariables); err != nil {
			return w, err
		}
		forget(w.Shown, shownJobVariables, slices.Collect(maps.Keys(c.JobVariables)))
	}
	return w, nil
}

func (c DeploymentChange) setTries(w *Wish) {
	if c.RetriesOnCrash != nil {
		w.RetriesOnCrash, w.SetTries = c.RetriesOnCrash, append(w.SetTries, "retries_on_crash")
	}
	if c.RetryJitter != nil {
		w.RetryJitter, w.SetTries = c.RetryJitter, append(w.SetTries, "retry_jitter_factor")
	}
}

func (c DeploymentChange) setParameters(w *Wish, d Deployment) error {
	w.Parameters = d.Parameters.Over(c.Parameters)
	for _, name := range c.Unset {
		if _, set := d.Parameters[name]; !set {
			e := notFound("parameter", name, slices.Sorted(maps.Keys(d.Parameters)))
			e.Message += " is set by " + d.FullName
			return e
		}
		delete(w.Parameters, name)
	}
	forget(w.Shown, shownParameters, append(slices.Collect(maps.Keys(c.Parameters)), c.Unset...))
	return nil
}

// forget drops the templates of values that are no longer theirs.
func forget(shown map[string]string, part string, names []string) {
	for _, name := range names {
		maps.DeleteFunc(shown, func(path, _ string) bool { return inside(path, part+"."+name) })
	}
}

// UpdateSchedule changes when a schedule fires (by a rule, or by a zone for the
// rule that it has), whether, and with which parameters, which go over its own.
// Its slug stays, and what was decided of it, so that no tick fires twice.
func (s *Store) UpdateSchedule(ctx context.Context, deployment, slug string, spec ScheduleSpec) (changed DeploymentSchedule, warnings []string, err error) {
	err = s.changeSchedules(ctx, deployment, func(t *tx, d *Deployment) error {
		i, err := indexOfSlug(*d, slug)
		if err != nil {
			return err
		}
		one := d.Schedules[i]
		if warnings, err = t.redefine(&one, spec); err != nil {
			return err
		}
		set(&one.Active, spec.Active)
		one.Parameters = one.Parameters.Over(spec.Parameters)
		others := slices.Delete(slices.Clone(d.Schedules), i, i+1)
		warnings = append(warnings, one.twins(others)...)
		d.Schedules[i] = one
		return checkDeployment(*d)
	})
	if err != nil {
		return changed, nil, err
	}
	changed, err = s.oneSchedule(ctx, deployment, slug)
	return changed, warnings, err
}

// redefine lets a schedule mean what the spec says of its times, if anything.
func (t *tx) redefine(one *DeploymentSchedule, spec ScheduleSpec) (warnings []string, err error) {
	switch {
	case spec.Cron != "" || spec.Interval != 0 || spec.RRule != "":
		spec.Slug = one.Slug
		list, warnings, err := t.normalise([]ScheduleSpec{spec})
		if err == nil {
			one.means(list[0])
		}
		return warnings, err
	case spec.Timezone != "":
		if _, err := LoadZone(spec.Timezone); err != nil {
			return nil, err
		}
		when, err := LoadSchedule(one.Kind, one.when.Definition, spec.Timezone)
		if err == nil {
			one.means(when)
		}
		return nil, err
	}
	return nil, nil
}
