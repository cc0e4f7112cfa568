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

// parametersOf reads those of a deployment; nil where none is given.
func (a *app) parametersOf(d store.Deployment, args []string, object string) (store.Values, error) {
	if len(args) == 0 && object == "" {
		return nil, nil
	}
	schema, err := store.ParseParameterSchema(d.ParameterSchema)
	if err != nil {
		return nil, fmt.Errorf("read the parameters of %s: %w", d.FullName, err)
	}
	return a.parameters(schema, args, object)
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

// jobVariables sets each argument in a copy of the variables.
func jobVariables(variables store.Values, args []string) (store.Values, error) {
	if len(args) == 0 {
		return nil, nil
	}
	values := store.Values{}.Over(variables)
	for _, arg := range args {
		if err := values.ParseJobVariable(arg); err != nil {
			return nil, err
		}
	}
	return values, nil
}
