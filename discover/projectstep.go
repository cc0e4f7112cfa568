package discover

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Step is one step of a build, push or pull section.
type Step struct {
	// Name is the short name, the same for every spelling: git_clone,
	// set_working_directory, run_shell_script, pip_install_requirements. Of a
	// step that is not run it is the last part of Written.
	Name      string                     `json:"name"`
	Written   string                     `json:"written"`
	ID        string                     `json:"id,omitempty"`
	Requires  []string                   `json:"requires,omitempty"` // kept: packages that Prefect would install
	Arguments map[string]json.RawMessage `json:"arguments"`
	// Unsupported is why runnel does not run the step; empty for one that it runs.
	Unsupported string `json:"unsupported,omitempty"`

	Line int `json:"-"`
	// Shown is as in Entry, by path in the arguments.
	Shown map[string]string `json:"shown,omitempty"`

	file, path string
	node       *yaml.Node
}

// stepSpec is a step that runnel runs.
type stepSpec struct {
	arguments []string // the first is required
	optional  bool     // the first is not required after all
	outputs   []string
}

// stepSpecs are the steps that runnel runs, with Prefect's arguments.
var stepSpecs = map[string]stepSpec{
	"git_clone": {
		arguments: []string{"repository", "branch", "commit_sha", "include_submodules", "access_token", "credentials", "directories", "clone_directory_name", "writable"},
		outputs:   []string{"directory"},
	},
	"set_working_directory": {arguments: []string{"directory"}, outputs: []string{"directory"}},
	"run_shell_script": {
		arguments: []string{"script", "directory", "env", "stream_output", "expand_env_vars", "shell"},
		outputs:   []string{"stdout", "stderr"},
	},
	"pip_install_requirements": {
		arguments: []string{"requirements_file", "directory", "stream_output"}, optional: true,
		outputs: []string{"stdout", "stderr"},
	},
}

// stepAliases are names of the time when deployments were called projects.
var stepAliases = map[string]string{"git_clone_project": "git_clone"}

// stepsNotRun are Prefect's own steps that runnel leaves to it.
var stepsNotRun = map[string]string{
	"pull_from_remote_storage": "runnel does not read remote storage; use git_clone, or run_shell_script with a tool of your own",
	"pull_with_block":          "runnel has no blocks; use git_clone, or run_shell_script with a tool of your own",
}

// stepModules are the homes of Prefect's own steps, new and old.
var stepModules = []string{"prefect.deployments.steps.", "prefect.projects.steps."}

// stepsRun tells of them whoever wrote another.
func stepsRun() string { return "runnel runs " + strings.Join(StepNames(), ", ") }

// StepNames lists the steps that runnel runs.
func StepNames() []string { return sortedNames(stepSpecs) }

// Outputs are the names of what a step hands to those after it: directory, stdout.
func (s Step) Outputs() []string { return stepSpecs[s.Name].outputs }

// Text is an argument as text; "" when it is absent or null.
func (s Step) Text(argument string) string {
	raw := s.Arguments[argument]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// shortStep makes git_clone of every spelling of it. ours says that the name is
// a step of Prefect's core or one without a module.
func shortStep(written string) (name string, ours bool) {
	name = written
	for _, module := range stepModules {
		if rest, ok := strings.CutPrefix(written, module); ok {
			name = rest[strings.LastIndexByte(rest, '.')+1:] // steps.utility.… is steps.… too
			ours = true
		}
	}
	ours = ours || !strings.Contains(written, ".")
	if alias, ok := stepAliases[name]; ok {
		name = alias
	}
	return name[strings.LastIndexByte(name, '.')+1:], ours
}

// steps reads a section: a list, one step without its dash, or null.
func (b *block) steps(key string) Steps {
	n := b.take(key)
	path := joinPath(b.path, key)
	switch {
	case n == nil:
		return Steps{}
	case isNull(n):
		return Steps{Origin: StepsNull}
	case n.Kind == yaml.ScalarNode:
		b.r.fail(n, path, "such as - git_clone: {repository: …}", "must be a list of steps, not %s", b.quote(n, path))
		return Steps{}
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		return Steps{Origin: StepsOwn}
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	out := Steps{Origin: StepsOwn}
	for i, item := range items {
		at := path
		if n.Kind == yaml.SequenceNode {
			at = indexPath(path, i)
		}
		if s, ok := b.r.step(item, at); ok {
			out.List = append(out.List, s)
		}
	}
	return out
}

func (r *reader) step(n *yaml.Node, path string) (Step, bool) {
	if isNull(n) {
		r.warn(n, path, "", "empty, so it is left out")
		return Step{}, false
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		r.fail(n, path, "such as git_clone: {repository: …}", "must be a step's name with its arguments")
		return Step{}, false
	}
	if len(n.Content) > 2 {
		r.misplaced(n, path)
		return Step{}, false
	}
	key, value := n.Content[0], n.Content[1]
	s := Step{Written: key.Value, Line: key.Line, Arguments: map[string]json.RawMessage{}, file: r.file, node: value}
	s.Name, _ = shortStep(s.Written)
	s.path = joinPath(path, s.Name)
	r.account[s.path] = "used"
	if !r.known(&s, key) {
		return s, false
	}
	if !isNull(value) && value.Kind != yaml.MappingNode {
		r.fail(value, s.path, "", "a step's arguments are a mapping of names to values")
		return s, false
	}
	r.arguments(&s, value)
	return s, true
}

// misplaced is a list item with more than one key: arguments that are not
// indented below their step, or two steps behind one dash.
func (r *reader) misplaced(n *yaml.Node, path string) {
	first := n.Content[0]
	name, _ := shortStep(first.Value)
	var names []string
	for i := 2; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if _, isStep := stepSpecs[key.Value]; isStep || strings.Contains(key.Value, ".") {
			r.fail(key, joinPath(path, key.Value), "begin each step with a dash", "a second step behind one dash (the first is %s)", name)
			return
		}
		names = append(names, fmt.Sprintf("%s (line %d)", key.Value, key.Line))
	}
	verb := "stands"
	if len(names) > 1 {
		verb = "stand"
	}
	r.fail(n.Content[2], joinPath(path, n.Content[2].Value), "indent the arguments further than the name of the step",
		"%s %s beside %s, not inside it", strings.Join(names, ", "), verb, name)
}

// known names the step, or says why it cannot be one. A misspelt step of
// Prefect's is an error; a step that is there but not for runnel is kept, so
// that the rest of the file can be deployed.
func (r *reader) known(s *Step, at *yaml.Node) bool {
	name, ours := shortStep(s.Written)
	switch _, runs := stepSpecs[name]; {
	case runs && ours:
		return true
	case ours && stepsNotRun[name] != "":
		s.Unsupported = stepsNotRun[name]
	case ours:
		hint := stepsRun()
		if close := near(name, StepNames()); len(close) > 0 {
			hint = "did you mean " + close[0] + "? " + hint
		}
		r.fail(at, s.path, hint, "no such step")
		return false
	case strings.HasPrefix(s.Written, "prefect_"):
		integration, _, _ := strings.Cut(s.Written, ".")
		s.Unsupported = "a step of the package " + integration + ", which runnel does not run; use run_shell_script with its command line"
	default:
		s.Unsupported = "a step of your own Python code, which runnel does not run; call it with run_shell_script"
	}
	r.note(at, s.path, "", "kept, not run: %s", s.Unsupported)
	return true
}

// arguments reads what stands under the step's name.
func (r *reader) arguments(s *Step, n *yaml.Node) {
	b := r.block(n, s.path)
	if isNull(n) {
		b.node = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
	}
	s.ID = b.plain("id")
	s.Requires = b.requires()
	spec, runs := stepSpecs[s.Name]
	for i := 0; i+1 < len(b.node.Content); i += 2 {
		key, value := b.node.Content[i].Value, b.node.Content[i+1]
		if key == "id" || key == "requires" {
			continue
		}
		if !isNull(value) {
			s.Arguments[key] = r.json(value, joinPath(s.path, key))
		}
		if s.Unsupported != "" || slices.Contains(spec.arguments, key) {
			r.account[joinPath(s.path, key)] = "used"
		}
	}
	if s.Unsupported != "" || !runs {
		return
	}
	b.asked = append(b.asked, spec.arguments...)
	b.rest(map[string]string{"tag": "a tag is given as branch", "commit": "write commit_sha"})
	r.checkArguments(b, s, spec)
}

func (b *block) requires() []string {
	n := b.take("requires")
	switch {
	case isNull(n):
		return nil
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}
	}
	var out []string
	for _, item := range n.Content {
		if item.Kind == yaml.ScalarNode {
			out = append(out, item.Value)
		}
	}
	return out
}

func (r *reader) checkArguments(b *block, s *Step, spec stepSpec) {
	required := spec.arguments[0]
	if _, given := s.Arguments[required]; !given && !spec.optional {
		r.fail(b.node, joinPath(s.path, required), "its arguments: "+strings.Join(spec.arguments, ", "), "%s needs %s", s.Name, required)
	}
	for _, key := range spec.arguments {
		n := child(b.node, key)
		if isNull(n) {
			continue
		}
		switch key {
		case "include_submodules", "writable", "stream_output", "expand_env_vars", "shell":
			b.flag(key)
		case "env":
			b.mapping(key, "write env: {NAME: value}")
		case "directories", "credentials":
		default:
			b.scalar(key, "text")
		}
	}
	both := !isNull(child(b.node, "branch")) && !isNull(child(b.node, "commit_sha"))
	if both {
		r.fail(b.node, s.path, "remove one", "branch and commit_sha exclude each other")
	}
	if !isNull(child(b.node, "access_token")) && !isNull(child(b.node, "credentials")) {
		r.fail(b.node, s.path, "remove one", "access_token and credentials exclude each other")
	}
}
