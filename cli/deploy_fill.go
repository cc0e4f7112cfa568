package cli

import (
	"encoding/json"
	"maps"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// fillFlags fills the templates in the line's values, which overlay has laid over
// an entry, as those of the file are filled.
func (j *deployJob) fillFlags(e *discover.Entry, o order) error {
	maps.DeleteFunc(e.Shown, func(path, _ string) bool { return j.flagOf(path) != "" })
	flags, err := j.flagEntry(*e)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(flags)
	if err != nil || !strings.Contains(string(raw), "{{") {
		return err
	}
	if err := j.openLookup(); err != nil {
		return err
	}
	flags.Build, flags.Push = o.entry.Build, o.entry.Push // whose outputs they may ask for
	lookup := j.lookupAfter(o)
	lookup.Replaced = []string{"name", "entrypoint", "build", "push", "pull"}
	done, problems := flags.Resolve(lookup)
	if len(problems) > 0 {
		return &discover.ProjectError{Problems: j.nameFlags(problems)}
	}
	if j.opened == nil {
		unknownVariables(&done)
	}
	return putFilled(e, done)
}

// flagEntry is what of an entry comes from the line and may hold templates.
func (j *deployJob) flagEntry(e discover.Entry) (discover.Entry, error) {
	flags := discover.Entry{Description: j.c.Description, Version: j.c.Version, Parameters: j.given}
	if j.c.Tag != nil {
		flags.Tags = &j.c.Tag
	}
	if j.c.setsSchedules() {
		flags.Schedules = e.Schedules
	}
	if err := overlayHooks(&flags, j.c.hookFlags); err != nil {
		return flags, err
	}
	variables, err := jobVariables(nil, j.c.JobVariable)
	flags.WorkPool.JobVariables = variables
	return flags, err
}

// putFilled puts the line's values into an entry.
func putFilled(e *discover.Entry, done discover.Entry) error {
	overridePointer(&e.Description, done.Description)
	overridePointer(&e.Version, done.Version)
	overridePointer(&e.Tags, done.Tags)
	overridePointer(&e.Schedules, done.Schedules)
	layHooks(e, hookChange(done))
	e.Parameters = store.Values(e.Parameters).Over(done.Parameters)
	variables := store.Values{}.Over(e.WorkPool.JobVariables)
	if err := variables.Add(textEnv(done.WorkPool.JobVariables)); err != nil {
		return err
	}
	if len(variables) > 0 {
		e.WorkPool.JobVariables = variables
	}
	if e.Shown == nil {
		e.Shown = map[string]string{}
	}
	maps.Copy(e.Shown, done.Shown)
	return nil
}

// textEnv makes text of the numbers, true and false in env, as env.NAME=5 does:
// one may be written so, or be a variable that was filled in.
func textEnv(variables store.Values) store.Values {
	var env map[string]json.RawMessage
	if json.Unmarshal(variables["env"], &env) != nil {
		return variables // the store says what is wrong with it
	}
	changed := false
	for name, raw := range env {
		if text := string(raw); text != "null" && !strings.ContainsAny(text[:1], `"{[`) {
			env[name], changed = jsonText(text), true
		}
	}
	raw, err := json.Marshal(env)
	if err != nil || !changed {
		return variables
	}
	return variables.Over(store.Values{"env": raw})
}

// ofEntry is where an entry's path in the file ends.
var ofEntry = lazily(`^deployments\[\d+\]\.`)

// nameFlags gives what is wrong with a value of the line its flag as the place,
// not the line of the file that it stands in for.
func (j *deployJob) nameFlags(problems []discover.Problem) []discover.Problem {
	for i, p := range problems {
		if flag := j.flagOf(ofEntry().ReplaceAllString(p.Path, "")); flag != "" {
			problems[i] = discover.Problem{Path: flag, Message: p.Message, Hint: p.Hint}
		}
	}
	return problems
}

// flagOf is the flag that gives an entry's field; "" where none does.
func (j *deployJob) flagOf(path string) string {
	if rest, ok := strings.CutPrefix(path, "parameters."); ok {
		return j.paramFlag(firstName(rest))
	}
	if rest, ok := strings.CutPrefix(path, "work_pool.job_variables."); ok {
		return j.variableFlag(rest)
	}
	c := j.c
	for field, flag := range map[string]string{
		"work_pool.name":            flagIf(c.Pool != "", "--pool"),
		"work_pool.work_queue_name": flagIf(c.WorkQueue != "", "--work-queue"),
		"description":               flagIf(c.Description != nil, "--description"),
		"version":                   flagIf(c.Version != nil, "--version"),
		"tags":                      flagIf(c.Tag != nil, "--tag"),
		"schedule":                  flagIf(c.setsSchedules(), "--schedule"),
		"schedules":                 flagIf(c.setsSchedules(), "--schedule"),
		"concurrency_limit":         flagIf(c.ConcurrencyLimit != nil, "--concurrency-limit"),
		"retries":                   flagIf(c.Retries != nil, "--retries"),
		"retry_delay_seconds":       flagIf(c.RetryDelay != nil, "--retry-delay"),
		"retry_jitter_factor":       flagIf(c.RetryJitter != nil, "--retry-jitter"),
		"retries_on_crash":          flagIf(c.RetriesOnCrash != nil, "--retries-on-crash"),
		"timeout_seconds":           flagIf(c.Timeout != nil, "--timeout"),
		"max_late":                  flagIf(c.MaxLate != nil, "--max-late"),
		"jitter":                    flagIf(c.Jitter != nil, "--jitter"),
		store.OnFailure:             flagIf(c.OnFailure != nil, "--on-failure"),
		store.OnCrash:               flagIf(c.OnCrash != nil, "--on-crash"),
		store.OnCompletion:          flagIf(c.OnCompletion != nil, "--on-completion"),
		store.OnLate:                flagIf(c.OnLate != nil, "--on-late"),
		"hook_timeout_seconds":      flagIf(c.HookTimeout != nil, "--hook-timeout"),
	} {
		if path == field || firstName(path) == field {
			return flag
		}
	}
	return ""
}

func flagIf(given bool, flag string) string {
	if given {
		return flag
	}
	return ""
}

// firstName is a path up to its first part's end.
func firstName(path string) string {
	if end := strings.IndexAny(path, ".["); end >= 0 {
		return path[:end]
	}
	return path
}

func (j *deployJob) paramFlag(name string) string {
	switch {
	case hasParam(j.c.Param, name):
		return "--param " + name
	case j.given[name] != nil:
		return "--params"
	}
	return ""
}

func (j *deployJob) variableFlag(path string) string {
	for _, arg := range j.c.JobVariable {
		name, _, _ := strings.Cut(arg, "=")
		if path == name || strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+"[") {
			return "--job-variable " + name
		}
		object, err := store.ParseValues([]byte(arg))
		if err == nil && object[firstName(path)] != nil {
			return "--job-variable"
		}
	}
	return ""
}
