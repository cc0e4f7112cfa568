package discover

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// unfilled are the parts of an entry whose templates are not filled with the
// entry: each step is when its turn comes, and triggers belong to Prefect.
var unfilled = []string{"build", "push", "pull", "triggers", "sla"}

// secretPlaces are the parts of an entry that a run reads, not a person.
var secretPlaces = lazily(`^(parameters|work_pool\.job_variables|schedules?(\[\d+\])?\.parameters|on_(failure|crash|completion|late))[.\[]`)

// Resolve fills the entry's templates, those of its pull steps included. It gives
// every problem at once, by line, and the entry is good only when there is none.
//
// The environment, variables and the outputs of build and push steps are filled
// in. A secret is checked and stays as {{ prefect.blocks.secret.x }}; so do, in
// pull steps, variables and the outputs of pull steps before: Step.Resolve fills
// them when the run starts. Build and push steps are checked, and stay as they
// are for Step.Resolve when their turn comes; with both in Lookup.Replaced, as for
// a deployment without a build, they are not looked at. Shown has what to print where a value is hidden.
//
// It works on what was read: fields that the caller set since are not seen. Name
// them in Lookup.Replaced and set them afterwards.
func (e Entry) Resolve(l Lookup) (Entry, []Problem) {
	source := e.node
	if source == nil {
		source = e.encode()
	}
	f := e.filler(l)
	tree := f.fields(source, l.Replaced)
	r := newReader(e.file)
	r.shown = f.shownIn(e.path)
	out := r.entry(tree, e.path)
	out.node = source
	out.Line, out.Index, out.Flow, out.Shown = e.Line, e.Index, e.Flow, f.shown
	out.Build, out.Push, out.Triggers, out.SLA = e.Build, e.Push, e.Triggers, e.SLA
	problems := append(f.problems, r.problems...)
	problems = append(problems, e.checkSteps(l)...)
	if out.Pull = (Steps{}); !slices.Contains(l.Replaced, "pull") {
		var more []Problem
		out.Pull, more = e.resolvePull(l)
		problems = append(problems, more...)
	}
	if len(problems) == 0 {
		problems = out.incomplete(l.Replaced)
	}
	sortProblems(problems)
	return out, problems
}

// incomplete is what a deployment cannot be without.
func (e Entry) incomplete(replaced []string) []Problem {
	var out []Problem
	if e.Name == "" && !slices.Contains(replaced, "name") {
		out = append(out, e.At("name", "has no name", "write name: …"))
	}
	if e.Entrypoint == "" && !slices.Contains(replaced, "entrypoint") {
		out = append(out, e.At("entrypoint", "has no entrypoint", "write entrypoint: path/to/file.py:function"))
	}
	return out
}

// filler fills what the entry itself holds.
func (e Entry) filler(l Lookup) *filler {
	f := &filler{lookup: l, file: e.file, base: e.path, shown: map[string]string{}}
	f.secrets = func(path string) secretUse {
		if secretPlaces().MatchString(path) {
			return secretsKept
		}
		return secretsRefused
	}
	made := map[string]bool{}
	bare := map[string]bool{}
	for _, s := range slices.Concat(e.Build.List, e.Push.List) {
		made[s.ID] = s.ID != ""
		for _, name := range s.Outputs() {
			bare[name] = true
			f.known = append(f.known, outputName(s, name))
		}
	}
	f.later = func(p placeholder) bool {
		return l.Pending && (p.kind == stepPlaceholder && made[p.name] || p.kind == barePlaceholder && bare[p.name])
	}
	return f
}

// fields fills the entry, without what is replaced and what is never filled.
func (f *filler) fields(n *yaml.Node, replaced []string) *yaml.Node {
	skip := slices.Concat(unfilled, replaced)
	out := copyNode(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if slices.Contains(skip, key.Value) {
			continue
		}
		out.Content = append(out.Content, key, f.node(without(value, key.Value, skip), key.Value))
	}
	return out
}

// without is a mapping less the keys whose paths are listed.
func without(n *yaml.Node, path string, skip []string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return n
	}
	out := copyNode(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		at := joinPath(path, n.Content[i].Value)
		if !slices.Contains(skip, at) {
			out.Content = append(out.Content, n.Content[i], without(n.Content[i+1], at, skip))
		}
	}
	return out
}

// shownIn is Shown by path in the file.
func (f *filler) shownIn(base string) map[string]string {
	out := make(map[string]string, len(f.shown))
	for path, shown := range f.shown {
		out[joinPath(base, path)] = shown
	}
	return out
}
