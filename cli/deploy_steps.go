package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"runnel/discover"
	"runnel/runner"
	"runnel/store"
)

// building is a row of build and push steps, with the orders that it is for:
// entries that share the file's own steps have them run once.
type building struct {
	build, push []discover.Step
	orders      []int
}

// buildings are the rows of steps that have to run before the deployments are
// made.
func (j *deployJob) buildings() (rows []building) {
	if j.c.noBuild() {
		return nil
	}
	at := map[string]int{}
	for i, o := range j.orders {
		build, push := o.entry.Build.List, o.entry.Push.List
		if len(build)+len(push) == 0 {
			continue
		}
		key := stepsKey(o.root, build, push)
		if _, known := at[key]; !known {
			at[key] = len(rows)
			rows = append(rows, building{build: build, push: push})
		}
		row := &rows[at[key]]
		row.orders = append(row.orders, i)
	}
	return rows
}

func stepsKey(root string, lists ...[]discover.Step) string {
	raw, err := json.Marshal(lists)
	if err != nil {
		return fmt.Sprintf("%p", lists) // arguments are JSON; else nothing is shared
	}
	return root + string(raw)
}

// listSteps prints the steps that the plan begins with.
func (j *deployJob) listSteps() {
	for _, row := range j.buildings() {
		for _, part := range []struct {
			name  string
			steps []discover.Step
		}{{"build", row.build}, {"push", row.push}} {
			for _, s := range part.steps {
				j.print("> %s: %s", part.name, stepText(s))
			}
		}
	}
}

// stepText is a step on one line, as the file has it.
func stepText(s discover.Step) string {
	text := s.Name
	for _, argument := range []string{"script", "repository", "directory", "requirements_file"} {
		if value := strings.TrimSpace(s.Text(argument)); value != "" {
			line, _, more := strings.Cut(value, "\n")
			if more {
				line += " …"
			}
			return text + " " + clip(clean(line), 60)
		}
	}
	return text
}

// build runs the build and push steps, and makes the wishes again with what
// they handed on.
func (j *deployJob) build() error {
	rows := j.buildings()
	if len(rows) == 0 {
		return nil
	}
	if !j.c.machine() && j.c.Output == "table" {
		j.header()
		j.listSteps()
	}
	ctx, stop := stoppable(j.ctx)
	defer stop()
	j.outputs = map[int]runner.StepOutputs{}
	for _, row := range rows {
		outputs, err := j.runSteps(ctx, row)
		if err != nil {
			return err
		}
		for _, i := range row.orders {
			j.outputs[i] = outputs
		}
	}
	return j.wish()
}

// runSteps runs one row. What its steps print is talk.
func (j *deployJob) runSteps(ctx context.Context, row building) (runner.StepOutputs, error) {
	s, err := j.store()
	if err != nil {
		return runner.StepOutputs{}, err
	}
	first := row.orders[0]
	list := slices.Concat(row.build, row.push)
	steps := make([]store.Step, len(list))
	for i, step := range list {
		steps[i] = storeStep(step)
	}
	outputs, err := runner.RunSteps(ctx, steps, runner.StepOptions{
		Dir: j.orders[first].root, Folder: s.Folder(), Env: j.Environ, Python: j.wishes[first].Interpreter, Stdout: j.Err, Stderr: j.Err,
		Fill: func(i int, done runner.StepOutputs) (store.Step, []string, error) { return j.fillStep(list[i], done) },
	})
	outputs.Release()
	var failed *runner.StepError
	switch {
	case ctx.Err() != nil && err != nil:
		return outputs, &exitError{code: exitInterrupted, message: "interrupted: nothing was deployed"}
	case errors.As(err, &failed):
		return outputs, &exitError{
			code: exitFailed, message: fmt.Sprintf("the step %s failed, so nothing was deployed: %v", failed.Step, failed.Err),
			hint: []string{"to leave the build and push steps out: --no-build"},
		}
	}
	return outputs, err
}

// fillStep gives a step as it runs, and the secrets in it.
func (j *deployJob) fillStep(s discover.Step, done runner.StepOutputs) (store.Step, []string, error) {
	lookup := j.lookup()
	lookup.Step, lookup.Bare, lookup.Pending = done.Step, done.Bare, false
	if j.held == nil {
		j.held = map[string]string{}
	}
	var secrets []string
	secret, env := lookup.Secret, lookup.Env
	lookup.Secret = func(name string) (string, bool) {
		value, ok := secret(name)
		if ok {
			secrets = append(secrets, value)
			j.held["prefect.blocks.secret."+name] = value
		}
		return value, ok
	}
	lookup.Env = func(name string) (string, bool) {
		value, ok := env(name)
		if ok {
			j.held["$"+name] = value
		}
		return value, ok
	}
	filled, problems := s.Resolve(lookup)
	if len(problems) > 0 {
		return store.Step{}, nil, j.refuse(problems)
	}
	return storeStep(filled), secrets, nil
}

// holds names what of the steps' secrets and environment an output holds, a
// secret first.
func (j *deployJob) holds(output string) (held string) {
	for name, value := range j.held {
		if runner.Holds(output, value) && name > held {
			held = name // a letter is behind $
		}
	}
	return held
}

// built names what the build and push steps of an order will hand on; nothing
// once they have run.
func (j *deployJob) built(o order) (names []string) {
	if j.outputs != nil || j.c.noBuild() {
		return nil
	}
	for _, s := range slices.Concat(o.entry.Build.List, o.entry.Push.List) {
		for _, output := range s.Outputs() {
			names = append(names, output)
			if s.ID != "" {
				names = append(names, s.ID+"."+output)
			}
		}
	}
	return names
}

// stepProblems are the arguments of an entry's steps that cannot be, as far as
// they are known before anything runs.
func (j *deployJob) stepProblems(e discover.Entry) (problems []discover.Problem) {
	replaced := j.c.replaced()
	look := func(part string, steps discover.Steps, checks ...func(store.Step) error) {
		if slices.Contains(replaced, part) {
			return
		}
		for _, s := range steps.List {
			for _, check := range checks {
				var bad *store.ArgumentError
				if err := check(storeStep(s)); errors.As(err, &bad) && !storeStep(s).Hides(bad.Argument) {
					problems = append(problems, s.At(bad.Argument, bad.Why, hintOf(err)))
				}
			}
		}
	}
	look("build", e.Build, store.CheckStep)
	look("push", e.Push, store.CheckStep)
	look("pull", e.Pull, store.CheckStep, store.CheckLogin)
	return problems
}

func storeStep(s discover.Step) store.Step {
	return store.Step{Name: s.Name, ID: s.ID, Requires: s.Requires, Arguments: s.Arguments, Shown: s.Shown}
}

// pullSteps are those of an entry; nil where it says nothing of them, so that
// what is deployed stays.
func pullSteps(pull discover.Steps) *[]store.Step {
	if pull.Origin == discover.StepsAbsent {
		return nil
	}
	steps := make([]store.Step, len(pull.List))
	for i, s := range pull.List {
		steps[i] = storeStep(s)
	}
	return &steps
}
