package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// JobVariables are what a process pool knows; each layer (pool, deployment,
// run) overrides the one before, env name by name.
type JobVariables struct {
	// Env goes over the worker's environment; null drops a variable.
	Env map[string]*string `json:"env"`
	// WorkingDir replaces the project root as the process's folder.
	WorkingDir string `json:"working_dir"`
	// Python is the interpreter's path.
	Python string `json:"python"`
	// Prefect is which package `import prefect` finds: auto, builtin, installed.
	Prefect string `json:"prefect"`
	// StreamOutput shows the run's output in the worker's terminal.
	StreamOutput *bool `json:"stream_output"`
	// Nice is added to the process's priority, as by nice(1).
	Nice int `json:"nice"`
	// GraceSeconds is how long SIGTERM has before SIGKILL.
	GraceSeconds *float64 `json:"grace_seconds"`
}

// JobVariable is one that a pool's type knows, in words and as a check.
type JobVariable struct {
	Name        string `json:"name"`
	Type        string `json:"type"` // what its value is
	Description string `json:"description"`

	holds func(json.RawMessage) bool
}

// ProcessVariables are the job variables of a process pool, in the order that
// people look for them.
var ProcessVariables = []JobVariable{
	{"env", "an object of strings (null drops a variable)", "goes over the worker's environment", is[map[string]*string]},
	{"working_dir", "a string", "the process's folder, in place of the project root", is[*string]},
	{"python", "a string", "the interpreter's path, in place of the recorded one", is[*string]},
	{"prefect", `"auto", "builtin" or "installed"`, "which package `import prefect` finds", isPrefect},
	{"stream_output", "a boolean", "shows the output in the worker's terminal", is[*bool]},
	{"nice", "an integer from -20 to 19", "is added to the process's priority, as by nice(1)", isNice},
	{"grace_seconds", "a number, 0 or more", "how long SIGTERM has before SIGKILL", isGrace},
}

func processVariable(name string) (JobVariable, bool) {
	i := slices.IndexFunc(ProcessVariables, func(v JobVariable) bool { return v.Name == name })
	if i < 0 {
		return JobVariable{}, false
	}
	return ProcessVariables[i], true
}

func is[T any](raw json.RawMessage) bool {
	var v T
	return json.Unmarshal(raw, &v) == nil
}

func isPrefect(raw json.RawMessage) bool {
	var s string
	return json.Unmarshal(raw, &s) == nil && slices.Contains([]string{"", "auto", "builtin", "installed"}, s)
}

func isNice(raw json.RawMessage) bool {
	var n int
	return json.Unmarshal(raw, &n) == nil && n >= -20 && n <= 19
}

func isGrace(raw json.RawMessage) bool {
	var n float64
	return json.Unmarshal(raw, &n) == nil && n >= 0
}

// CheckJobVariables refuses a known variable of a wrong type, and names those
// that the process type does not know: they are kept, and ignored at a run. What
// a template stands for is known when a run starts, and checked then.
func CheckJobVariables(v Values) (unknown []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		known, found := processVariable(name)
		if !found {
			unknown = append(unknown, name)
			continue
		}
		if !HasTemplate(v[name]) && !known.holds(v[name]) {
			return nil, invalid("job variable %q: %s is not %s", name, shorten(string(v[name])), known.Type)
		}
	}
	return unknown, nil
}

// ParseJobVariable adds one "name=value" of a command line to v: dots reach
// into objects (env.HOME=/x), a whole JSON object adds its keys.
func (v Values) ParseJobVariable(arg string) error {
	if strings.HasPrefix(strings.TrimSpace(arg), "{") {
		object, err := ParseValues([]byte(arg))
		if err != nil {
			return invalid("job variables %s: %v", shorten(arg), err)
		}
		return v.Add(object)
	}
	name, value, found := strings.Cut(arg, "=")
	if !found || name == "" {
		return invalid("%q is no job variable: name=value is wanted", arg)
	}
	if key, nested := strings.CutPrefix(name, "env."); nested {
		if key == "" {
			return invalid("%q names no variable: env.NAME=value is wanted", arg)
		}
		return v.setEnv(key, value)
	}
	raw := quoteJSON(value)
	known, found := processVariable(name)
	if json.Valid([]byte(value)) && !(found && known.Type == "a string") {
		raw = json.RawMessage(value)
	}
	v[name] = raw
	return nil
}

// Add adds an object's job variables; its env adds to the env that is there.
func (v Values) Add(object Values) error {
	env, both := object["env"]
	before, found := v["env"]
	maps.Copy(v, object)
	if !both || !found {
		return nil
	}
	lower, err := readEnv(before)
	if err != nil {
		return err
	}
	upper, err := readEnv(env)
	if err != nil {
		return err
	}
	maps.Copy(lower, upper)
	v["env"], err = json.Marshal(lower)
	return err
}

// change is Add, but that null removes a job variable.
func (v Values) change(by Values) error {
	if err := v.Add(by); err != nil {
		return err
	}
	maps.DeleteFunc(v, func(_ string, raw json.RawMessage) bool { return string(raw) == "null" })
	return nil
}

func readEnv(raw json.RawMessage) (map[string]*string, error) {
	env := map[string]*string{}
	if err := json.Unmarshal(raw, &env); err != nil {
		return nil, invalid("job variable %q: %s is not %s", "env", shorten(string(raw)), ProcessVariables[0].Type)
	}
	if env == nil { // it was null
		env = map[string]*string{}
	}
	return env, nil
}

func (v Values) setEnv(key, value string) error {
	env := map[string]*string{}
	if raw, found := v["env"]; found {
		var err error
		if env, err = readEnv(raw); err != nil {
			return err
		}
	}
	env[key] = &value
	if value == "null" {
		env[key] = nil // as JSON has it: the variable is dropped
	}
	raw, err := json.Marshal(env)
	v["env"] = raw
	return err
}

// MergeJobVariables lays the layers over each other, the last on top. What
// the process type does not know is left out.
func MergeJobVariables(layers ...Values) (j JobVariables, err error) {
	env := map[string]*string{}
	for _, layer := range layers {
		known := Values{}
		for name, raw := range layer {
			if _, found := processVariable(name); found {
				known[name] = raw
			}
		}
		raw, err := json.Marshal(known)
		if err != nil {
			return j, err
		}
		if err := json.Unmarshal(raw, &j); err != nil {
			return j, fmt.Errorf("read job variables: %w", err)
		}
		maps.Copy(env, j.Env)
		j.Env = nil
	}
	j.Env = env
	return j, nil
}
