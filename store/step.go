package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Step is one step of a build, push or pull section.
type Step struct {
	Name      string   `json:"name"`
	ID        string   `json:"id,omitempty"`       // by which later steps ask for its outputs
	Requires  []string `json:"requires,omitempty"` // kept: packages that Prefect would install
	Arguments Values   `json:"arguments"`
	// Shown is what a reader sees in place of an argument's value, by its path
	// ("env.TOKEN"): values from the environment are stored, and not shown.
	Shown map[string]string `json:"shown,omitempty"`
}

// The steps that runnel runs.
const (
	GitClone               = "git_clone"
	SetWorkingDirectory    = "set_working_directory"
	RunShellScript         = "run_shell_script"
	PipInstallRequirements = "pip_install_requirements"
)

// stepKind is what one step takes and hands on.
type stepKind struct {
	arguments map[string]stepArgument
	needs     string // the argument that must be there
	outputs   []string
}

// stepArgument is an argument's check, in words and in code.
type stepArgument struct {
	want  string
	holds func(json.RawMessage) bool
}

var (
	stepText = stepArgument{"a text", is[string]}
	stepFlag = stepArgument{"true or false", is[bool]}
	stepList = stepArgument{"a list of texts", is[[]string]}
	stepEnv  = stepArgument{"names with values", isStepEnv}
	// A token, a "user:password", or an object that names them.
	stepLogin = stepArgument{"a text, or token or username and password", isStepLogin}
)

var stepKinds = map[string]stepKind{
	GitClone: {
		arguments: map[string]stepArgument{
			"repository": stepText, "branch": stepText, "commit_sha": stepText,
			"include_submodules": stepFlag, "access_token": stepText, "credentials": stepLogin,
			"directories": stepList, "clone_directory_name": stepText, "writable": stepFlag,
		},
		needs: "repository", outputs: []string{"directory"},
	},
	SetWorkingDirectory: {
		arguments: map[string]stepArgument{"directory": stepText},
		needs:     "directory", outputs: []string{"directory"},
	},
	RunShellScript: {
		arguments: map[string]stepArgument{
			"script": stepText, "directory": stepText, "env": stepEnv, "stream_output": stepFlag,
			"expand_env_vars": stepFlag, "shell": stepFlag,
		},
		needs: "script", outputs: []string{"stdout", "stderr"},
	},
	PipInstallRequirements: {
		arguments: map[string]stepArgument{
			"requirements_file": stepText, "directory": stepText, "stream_output": stepFlag,
		},
		outputs: []string{"stdout", "stderr"},
	},
}

func isStepEnv(raw json.RawMessage) bool {
	var env map[string]any
	if json.Unmarshal(raw, &env) != nil {
		return false
	}
	for _, value := range env {
		switch value.(type) {
		case map[string]any, []any:
			return false
		}
	}
	return true
}

func isStepLogin(raw json.RawMessage) bool {
	var login map[string]string
	if json.Unmarshal(raw, &login) != nil {
		return is[string](raw)
	}
	for name := range login {
		if !slices.Contains([]string{"token", "username", "password"}, name) {
			return false
		}
	}
	return login["token"] != "" || login["password"] != ""
}

// CheckStep refuses a step that is not known, and arguments that are missing,
// unknown or of another kind. A text that holds a template may become anything.
func CheckStep(step Step) error {
	kind, found := stepKinds[step.Name]
	if !found {
		e := invalid("no step %q", step.Name)
		e.Hint = []string{"the steps that runnel runs: " + strings.Join(slices.Sorted(maps.Keys(stepKinds)), ", ")}
		return e
	}
	for _, name := range slices.Sorted(maps.Keys(step.Arguments)) {
		argument, known := kind.arguments[name]
		if !known {
			e := invalid("%s takes no argument %q", step.Name, name)
			e.Hint = []string{"its arguments: " + strings.Join(slices.Sorted(maps.Keys(kind.arguments)), ", ")}
			return e
		}
		if raw := step.Arguments[name]; !HasTemplate(raw) && !argument.holds(raw) {
			var hint []string
			if is[float64](raw) && argument.holds(json.RawMessage(`""`)) { // such as a commit of digits alone
				hint = []string{"write it in quotes"}
			}
			return badArgument(step.Name, name, "is not "+argument.want, hint...)
		}
	}
	if _, given := step.Arguments[kind.needs]; kind.needs != "" && !given {
		return invalid("%s needs %s", step.Name, kind.needs)
	}
	return checkClone(step, func(raw json.RawMessage) bool { return !HasTemplate(raw) })
}

// checkLogins is CheckLogin of each.
func checkLogins(steps []Step) error {
	for i, step := range steps {
		if err := CheckLogin(step); err != nil {
			return fmt.Errorf("pull step %d: %w", i+1, err)
		}
	}
	return nil
}

// checkPullSteps holds each step, and that what its templates ask for can be
// there when the run starts.
func checkPullSteps(steps []Step, built []string) error {
	outputs := map[string]bool{}
	for _, name := range built {
		outputs[name] = true
	}
	for i, step := range steps {
		if err := CheckStep(step); err != nil {
			return fmt.Errorf("pull step %d: %w", i+1, err)
		}
		for _, name := range slices.Sorted(maps.Keys(step.Arguments)) {
			asked, err := templatesIn(step.Arguments[name])
			if err != nil {
				return invalid("pull step %d: %s: %v", i+1, name, err)
			}
			for _, template := range asked {
				if _, _, ok := VariableOf(template); !ok && !outputs[template] {
					return noTemplate(i, step, name, template)
				}
			}
		}
		for _, output := range stepKinds[step.Name].outputs {
			outputs[output] = true
			outputs[step.ID+"."+output] = true
		}
	}
	return nil
}

func noTemplate(i int, step Step, argument, template string) error {
	e := invalid("pull step %d: %s: nothing fills in {{ %s }} of %s", i+1, step.Name, template, argument)
	e.Hint = []string{"a pull step has {{ prefect.variables.NAME }}, {{ prefect.blocks.secret.NAME }} and {{ ID.OUTPUT }} of the steps before it"}
	return e
}

// MarshalJSON shows the step: of hidden values what stands for them.
func (s Step) MarshalJSON() ([]byte, error) {
	type plain Step
	return plainJSON(plain(s.Masked()))
}

// Masked is the step as a reader sees it.
func (s Step) Masked() Step {
	shown := s
	shown.Shown = nil
	shown.Arguments = Values{}
	for name, raw := range s.Arguments {
		var tree any
		if len(s.Shown) > 0 && json.Unmarshal(raw, &tree) == nil {
			if hidden, changed := s.hide(tree, name); changed {
				raw, _ = plainJSON(hidden)
			}
		}
		shown.Arguments[name] = raw
	}
	return shown
}

// hide puts what is shown in place of what is not, by path.
func (s Step) hide(tree any, path string) (_ any, changed bool) {
	if shown, hidden := s.Shown[path]; hidden {
		return shown, true
	}
	switch v := tree.(type) {
	case []any:
		for i := range v {
			inner, did := s.hide(v[i], fmt.Sprintf("%s[%d]", path, i))
			v[i], changed = inner, changed || did
		}
	case map[string]any:
		for key := range v {
			inner, did := s.hide(v[key], path+"."+key)
			v[key], changed = inner, changed || did
		}
	}
	return tree, changed
}

// storedStep is a step as the file keeps it, hidden values included.
type storedStep Step

// storedSteps is the column's text, nil where there are none.
func storedSteps(steps []Step) (*string, error) {
	if len(steps) == 0 {
		return nil, nil
	}
	stored := make([]storedStep, len(steps))
	for i, s := range steps {
		stored[i] = storedStep(s)
	}
	raw, err := plainJSON(stored)
	text := string(raw)
	return &text, err
}

func readSteps(raw text) (steps []Step, err error) {
	steps = []Step{}
	if len(raw) == 0 {
		return steps, nil
	}
	var stored []storedStep
	if err := json.Unmarshal(raw, &stored); err != nil {
		return nil, fmt.Errorf("read pull steps: %w", err)
	}
	for _, s := range stored {
		steps = append(steps, Step(s))
	}
	return steps, nil
}

// sameSteps compares the values, hidden ones too.
func sameSteps(a, b []Step) bool {
	before, errBefore := storedSteps(a)
	after, errAfter := storedSteps(b)
	if before == nil || after == nil {
		return errBefore == nil && errAfter == nil && before == after
	}
	return string(compact(json.RawMessage(*before))) == string(compact(json.RawMessage(*after)))
}
