package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// wish makes the store's wishes of the orders, and names all that is wrong in
// any of them at once.
func (j *deployJob) wish() error {
	j.wishes = nil
	var problems []discover.Problem
	full := map[string]int{}
	if j.file != nil {
		if err := j.openLookup(); err != nil {
			return err
		}
	}
	for i := range j.orders {
		o := &j.orders[i]
		e, bad := o.entry, []discover.Problem(nil)
		if j.file != nil {
			e, bad = j.resolve(o, j.lookupAfter(*o))
			bad = append(bad, j.stepProblems(e)...)
		}
		if len(bad) == 0 {
			w, err := j.wishOf(*o, e)
			if bad, err = o.blame(err); err != nil {
				return err
			}
			if len(bad) > 0 {
				problems = append(problems, j.nameFlags(bad)...)
				continue
			}
			if before, twice := full[w.FlowName+"/"+w.Name]; twice && j.file != nil {
				bad = append(bad, e.At("name", fmt.Sprintf("%s/%s is on line %d already", w.FlowName, w.Name, before), "give one of them another name"))
			}
			full[w.FlowName+"/"+w.Name] = e.Line
			j.wishes = append(j.wishes, w)
		}
		problems = append(problems, bad...)
	}
	if len(problems) > 0 {
		return j.refuse(unique(problems))
	}
	return nil
}

// unique leaves out what an anchor or the file's own steps bring in many times.
func unique(problems []discover.Problem) (out []discover.Problem) {
	said := map[string]bool{}
	for _, p := range problems {
		key := fmt.Sprint(p.Line, p.Column, p.Message)
		if !said[key] {
			said[key] = true
			out = append(out, p)
		}
	}
	return out
}

// resolve fills an order's entry and finds its flow.
func (j *deployJob) resolve(o *order, lookup discover.Lookup) (discover.Entry, []discover.Problem) {
	lookup.Replaced = j.c.replaced()
	e, problems := o.entry.Resolve(lookup)
	if j.opened == nil {
		unknownVariables(&e)
	}
	if len(problems) > 0 || o.flow.Entrypoint != "" {
		return e, problems
	}
	flow, root, err := j.locate(e)
	if err != nil {
		return e, []discover.Problem{entrypointProblem(e, err)}
	}
	o.flow, o.root = flow, root
	if e.FlowName != nil && *e.FlowName != "" && *e.FlowName != flow.FlowName {
		j.notes.about("flow_name differs from the flow's own name, which counts", fmt.Sprintf("%s (%s)", *e.FlowName, flow.FlowName))
	}
	return e, nil
}

// unknownVariable is a text with a variable that another machine will fill in.
var unknownVariable = lazily(`"([^"]*\{\{ prefect\.variables\.[^"]*)"`)

// unknownVariables marks the parameters that cannot be checked here.
func unknownVariables(e *discover.Entry) {
	for name, raw := range e.Parameters {
		if found := unknownVariable().FindSubmatch(raw); found != nil && e.Shown["parameters."+name] == "" {
			e.Shown["parameters."+name] = string(found[1])
		}
	}
}

// entrypointProblem puts what is wrong with an entrypoint where the file has it.
func entrypointProblem(e discover.Entry, err error) discover.Problem {
	_, err = found(discover.Flow{}, err)
	return e.At("entrypoint", err.Error(), hintOf(err))
}

// blame gives an error that a user can mend its place in the file. What is
// wrong with the line itself, or with the machine, stays an error.
func (o order) blame(err error) ([]discover.Problem, error) {
	var known *store.Error
	var placed *discover.ProjectError
	switch {
	case errors.As(err, &placed):
		return placed.Problems, nil
	case err != nil && o.entry.Line > 0 && errors.As(err, &known) && known.Code == store.Invalid:
		return []discover.Problem{wishProblem(o.entry, err)}, nil
	}
	return nil, err
}

// replaced are the paths of an entry that the flags take the place of.
func (c deployCmd) replaced() (paths []string) {
	for path, given := range map[string]bool{
		"work_pool.name":            c.Pool != "",
		"work_pool.work_queue_name": c.WorkQueue != "",
		"description":               c.Description != nil,
		"version":                   c.Version != nil,
		"tags":                      c.Tag != nil,
		"paused":                    c.Paused != nil,
		"enforce_parameter_schema":  c.EnforceSchema != nil,
		"schedules":                 c.setsSchedules(),
		"schedule":                  c.setsSchedules(),
		"catchup":                   c.Catchup != nil,
		"max_late":                  c.MaxLate != nil,
		"jitter":                    c.Jitter != nil,
		"timeout_seconds":           c.Timeout != nil,
		store.OnFailure:             c.OnFailure != nil,
		store.OnCrash:               c.OnCrash != nil,
		store.OnCompletion:          c.OnCompletion != nil,
		store.OnLate:                c.OnLate != nil,
		"hook_timeout_seconds":      c.HookTimeout != nil,
		"pull":                      c.pullsFromGit() != nil,
		"build":                     c.noBuild(),
		"push":                      c.noBuild(),
	} {
		if given {
			paths = append(paths, path)
		}
	}
	for _, arg := range c.Param {
		name, _, _ := strings.Cut(arg, "=")
		paths = append(paths, "parameters."+strings.TrimSuffix(name, ":"))
	}
	return paths
}

func (c deployCmd) setsSchedules() bool {
	specs, err := c.specs()
	return err == nil && specs != nil
}

func (c deployCmd) noBuild() bool { return c.Build != nil && !*c.Build }

// openLookup opens the database where templates may ask for its variables. One
// that is not there is not made for that.
func (j *deployJob) openLookup() error {
	if !j.hasDatabase() {
		return nil
	}
	_, err := j.store()
	return err
}

// lookup is what templates are filled from.
func (j *deployJob) lookup() discover.Lookup {
	env := map[string]string{}
	for _, pair := range j.Environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	l := discover.Lookup{
		Env:     func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		Pending: !j.c.noBuild(),
	}
	switch {
	case j.opened != nil:
		l.Variable, l.Secret = j.variable, j.secret
	case j.c.DryRun:
		// Which variables there are is for the machine to say that has them.
		l.Variable = func(name string) (json.RawMessage, bool) {
			return jsonText("{{ prefect.variables." + name + " }}"), true
		}
		l.Secret = func(string) (string, bool) { return "", true }
	}
	return l
}

// lookupAfter is lookup with what the steps of an order have handed on.
func (j *deployJob) lookupAfter(o order) discover.Lookup {
	l := j.lookup()
	for i, done := range j.outputs {
		if j.orders[i].entry.Index == o.entry.Index {
			l.Step, l.Bare, l.Pending, l.Held = done.Step, done.Bare, false, j.holds
		}
	}
	return l
}

func (j *deployJob) variable(name string) (json.RawMessage, bool) {
	v, err := j.opened.Variable(j.ctx, name)
	return v.Value, err == nil && !v.IsSecret
}

func (j *deployJob) secret(name string) (string, bool) {
	text, err := j.opened.Secret(j.ctx, name)
	return text, err == nil
}
