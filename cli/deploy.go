package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"runnel/discover"
	"runnel/runner"
	"runnel/store"
)

type deployCmd struct {
	Entrypoint        string   `arg:"" optional:"" help:"path/to/file.py:function, or a script's path."`
	Name              string   `short:"n" placeholder:"NAME" help:"The deployment's name."`
	Pool              string   `short:"p" env:"RUNNEL_POOL" placeholder:"NAME" help:"Its work pool."`
	WorkQueue         string   `short:"q" placeholder:"NAME" help:"Its work queue (default: default)."`
	Description       *string  `short:"d" placeholder:"TEXT" help:"What it does (default: the docstring)."`
	Tag               []string `short:"t" sep:"none" placeholder:"TAG" help:"A tag; repeatable."`
	Param             []string `sep:"none" placeholder:"NAME=VALUE" help:"A parameter's value; repeatable. NAME:=JSON is always JSON."`
	Params            string   `placeholder:"JSON" help:"Parameters as a JSON object, @FILE, or - for stdin."`
	JobVariable       []string `sep:"none" placeholder:"NAME=VALUE" help:"A job variable, such as env.HOME=/x; repeatable (-jv)."`
	Version           *string  `placeholder:"TEXT" help:"Default: the commit of a clean checkout, else a hash of the file."`
	ConcurrencyLimit  *int     `placeholder:"N" help:"At most so many of its runs at once (-cl)."`
	CollisionStrategy *string  `placeholder:"WORD" help:"When the limit is reached: ENQUEUE, CANCEL_NEW, REPLACE."`
	EnforceSchema     *bool    `name:"enforce-parameter-schema" negatable:"" help:"Refuse parameters that the signature does not allow (default: yes)."`
	Paused            *bool    `negatable:"" help:"Start nothing until it is resumed."`
	Root              string   `type:"path" placeholder:"DIR" help:"The project root (default: the nearest folder with .git, pyproject.toml, runnel.yaml or prefect.yaml)."`
	CreatePools       bool     `help:"Make a work pool that is missing."`
	DryRun            bool     `help:"Print the plan and change nothing."`
	Output            string   `short:"o" enum:"table,json,yaml" default:"table" placeholder:"FORMAT" help:"How to print the plan: table, json, yaml."`
}

// Help ends with examples.
func (deployCmd) Help() string {
	return "Examples:\n  runnel deploy flows/report.py:folder_report -n nightly -p my-process-pool\n" +
		"  runnel deploy flows/report.py:folder_report -n nightly -p my-process-pool --param top=5 -t reports --dry-run"
}

func (c deployCmd) Run(a *app) error {
	if err := c.missing(); err != nil {
		return err
	}
	project, err := a.project(c.Root)
	if err != nil {
		return err
	}
	flow, err := a.readEntrypoint(project, c.Entrypoint)
	if err != nil {
		return err
	}
	wish, err := c.wish(a, project, flow)
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	plan, err := s.Deploy(a.ctx, []store.Wish{wish}, store.DeployOptions{DryRun: c.DryRun, CreatePools: c.CreatePools})
	if err != nil {
		return err
	}
	if c.Output != "table" {
		return a.printObject(plan, outputFlag{Output: c.Output})
	}
	a.printPlan(project, wish, plan, s)
	if line := prefectLine(flow, wish.JobVariables); line != "" {
		a.say("prefect: %s", line)
	}
	if !c.DryRun {
		return a.afterDeploy(s, wish)
	}
	return nil
}

// missing lists at once all that a deployment lacks, with the flag that gives it.
func (c deployCmd) missing() error {
	var hints []string
	if c.Entrypoint == "" {
		hints = append(hints, "the entrypoint: runnel deploy flows/report.py:folder_report …  (find them: runnel discover)")
	}
	if c.Name == "" {
		hints = append(hints, "the deployment's name: -n NAME")
	}
	if c.Pool == "" {
		hints = append(hints, "the work pool: -p NAME  (list them: runnel work-pool ls)")
	}
	if strings.Contains(c.Pool, "=") {
		return &exitError{
			code: exitUsage, message: fmt.Sprintf("-p names the work pool here, and %q looks like a parameter", c.Pool),
			hint: []string{"a parameter is: --param " + store.Quote(c.Pool)},
		}
	}
	if len(hints) == 0 {
		return nil
	}
	return &exitError{code: exitUsage, message: "this is missing:", hint: hints}
}

func (c deployCmd) wish(a *app, project project, flow discover.Flow) (store.Wish, error) {
	w := store.Wish{
		FlowName: flow.FlowName, Name: c.Name, Entrypoint: flow.Entrypoint, Kind: flow.Kind, Path: project.root,
		ParameterSchema: flow.Parameters, Docstring: flow.Description, DefaultVersion: a.defaultVersion(project, flow),
		Description: c.Description, Version: c.Version, EnforceParameterSchema: c.EnforceSchema,
		Pool: c.Pool, Queue: c.WorkQueue, ConcurrencyLimit: c.ConcurrencyLimit,
		CollisionStrategy: c.CollisionStrategy, Paused: c.Paused,
	}
	if c.Tag != nil {
		w.Tags = &c.Tag
	}
	w.Retries, w.RetryDelays, w.TimeoutSeconds = flowBudget(flow)
	schema, err := store.ParseParameterSchema(flow.Parameters)
	if err != nil {
		return w, fmt.Errorf("read the parameters of %s: %w", flow.Entrypoint, err)
	}
	if w.Parameters, err = a.parameters(schema, c.Param, c.Params); err != nil {
		return w, err
	}
	if w.JobVariables, err = jobVariables(c.JobVariable); err != nil {
		return w, err
	}
	if err := checkScript(flow, schema, w.Parameters); err != nil {
		return w, err
	}
	w.Interpreter, err = a.interpreter(project, flow, w.JobVariables)
	return w, err
}

// checkScript refuses two parameters that would be one variable.
func checkScript(flow discover.Flow, schema store.ParameterSchema, parameters store.Values) error {
	if flow.Kind != discover.KindScript {
		return nil
	}
	all := store.Values{}
	for name := range schema.Properties {
		all[name] = json.RawMessage("0")
	}
	if _, err := runner.ScriptVariables(all.Over(parameters)); err != nil {
		return &exitError{code: exitRefused, message: err.Error()}
	}
	return nil
}

// flowBudget reads the literal retries, delays and timeout of a decorator or
// a script's block.
func flowBudget(flow discover.Flow) (retries int, delays []float64, timeout *float64) {
	if n, ok := flow.Options["retries"].Number(); ok && n > 0 {
		retries = int(n)
	}
	if n, ok := flow.Options["timeout_seconds"].Number(); ok && n > 0 {
		timeout = &n
	}
	delay := flow.Options["retry_delay_seconds"]
	if n, ok := delay.Number(); ok && n > 0 {
		delays = []float64{n}
	}
	if list, ok := delay.Value.([]any); ok && delay.Literal {
		for _, item := range list {
			if n, ok := (discover.Option{Literal: true, Value: item}).Number(); ok {
				delays = append(delays, n)
			}
		}
	}
	return retries, delays, timeout
}

// parameters reads --params, then each -p over it.
func (a *app) parameters(schema store.ParameterSchema, args []string, object string) (store.Values, error) {
	if len(args) == 0 && object == "" {
		return nil, nil
	}
	text, err := a.text(object)
	if err != nil {
		return nil, err
	}
	values, err := store.ParseValues([]byte(text))
	if err != nil {
		e := usage("--params: %s is no JSON object", clip(text, 100))
		if problem := json.Unmarshal([]byte(text), new(any)); problem != nil {
			e.message += ": " + problem.Error()
		}
		e.hint = []string{`such as {"top": 3}`}
		return nil, e
	}
	for _, arg := range args {
		name, value, err := schema.Parse(arg)
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

// text gives the argument itself, what @FILE holds, or stdin for "-".
func (a *app) text(arg string) (string, error) {
	switch {
	case arg == "-":
		b, err := io.ReadAll(a.In)
		return string(b), err
	case strings.HasPrefix(arg, "@"):
		path := arg[1:]
		if !filepath.IsAbs(path) {
			path = filepath.Join(a.Dir, path)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return "", &exitError{code: exitUsage, message: "--params: " + err.Error()}
		}
		return string(b), nil
	}
	return arg, nil
}

func jobVariables(args []string) (store.Values, error) {
	if len(args) == 0 {
		return nil, nil
	}
	values := store.Values{}
	for _, arg := range args {
		if err := values.ParseJobVariable(arg); err != nil {
			return nil, err
		}
	}
	return values, nil
}
