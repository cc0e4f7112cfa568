package discover

import (
	"encoding/json"
	"slices"

	"gopkg.in/yaml.v3"
)

// stepWalk fills a row of steps in which one may ask for the outputs of those
// before it.
type stepWalk struct {
	lookup Lookup
	open   func(placeholder) bool // what else is filled later
	again  bool                   // filled again when the step runs
	ids    map[string]bool
	bare   map[string]bool
	known  []string
	hint   string // for a step that runnel does not run
}

func newStepWalk(l Lookup, open func(placeholder) bool, again bool) *stepWalk {
	return &stepWalk{lookup: l, open: open, again: again, ids: map[string]bool{}, bare: map[string]bool{}}
}

func (w *stepWalk) later(p placeholder) bool {
	switch p.kind {
	case stepPlaceholder:
		return w.ids[p.name] || w.open(p)
	case barePlaceholder:
		return w.bare[p.name] || w.open(p)
	}
	return w.open(p)
}

func (w *stepWalk) steps(s Steps) (Steps, []Problem) {
	out := Steps{Origin: s.Origin}
	var problems []Problem
	for _, one := range s.List {
		if one.Unsupported != "" {
			problems = append(problems, one.unsupported(w.hint))
		}
		if p, bare := one.bareSecret(); bare {
			problems = append(problems, p)
		}
		f := one.filler(w.lookup)
		f.secrets = func(string) secretUse { return secretsKept }
		f.known, f.later, f.again = w.known, w.later, w.again
		out.List = append(out.List, one.fill(f))
		problems = append(problems, f.problems...)
		w.ids[one.ID] = one.ID != ""
		for _, name := range one.Outputs() {
			w.bare[name] = true
			w.known = append(w.known, outputName(one, name))
		}
	}
	return out, problems
}

// resolvePull fills what is known when the entry is deployed.
func (e Entry) resolvePull(l Lookup) (Steps, []Problem) {
	pending := e.filler(l).later
	return newStepWalk(l, func(p placeholder) bool {
		return p.kind == variablePlaceholder && hasVariable(l, p.name) || pending(p)
	}, true).steps(e.Pull)
}

// checkSteps looks whether build and push can run; they are filled as they do.
func (e Entry) checkSteps(l Lookup) (problems []Problem) {
	w := newStepWalk(l, func(placeholder) bool { return false }, false)
	w.hint = "--no-build leaves build and push steps out"
	for _, part := range []struct {
		key   string
		steps Steps
	}{{"build", e.Build}, {"push", e.Push}} {
		if slices.Contains(l.Replaced, part.key) {
			continue
		}
		_, more := w.steps(part.steps)
		problems = append(problems, more...)
	}
	return problems
}

// outputName is how a template asks for an output of a step.
func outputName(s Step, output string) string { return joinPath(s.ID, output) }

func hasVariable(l Lookup, name string) bool {
	if l.Variable == nil {
		return false
	}
	_, ok := l.Variable(name)
	return ok
}

// bareSecret is a script that would have a secret in the list of processes: a
// shell gets it unseen, and without one the step fails each time.
func (s Step) bareSecret() (Problem, bool) {
	if s.Name != "run_shell_script" || string(s.Arguments["shell"]) == "true" {
		return Problem{}, false
	}
	for _, p := range findPlaceholders(s.Text("script")) {
		if p.kind == secretPlaceholder {
			at := s.At("script", "every user of this machine could read the secret "+p.name+" in the list of processes", "add: shell: true")
			if n := child(s.node, "script"); n != nil {
				n = standsAt(n, p)
				at.Line, at.Column = n.Line, n.Column
			}
			return at, true
		}
	}
	return Problem{}, false
}

func (s Step) problem(message, hint string) Problem {
	p := Problem{File: s.file, Line: s.Line, Path: s.path, Message: message, Hint: hint}
	if s.node != nil {
		p.Column = s.node.Column
	}
	return p
}

// unsupported is why the step is not run.
func (s Step) unsupported(hint string) Problem {
	if hint != "" {
		hint = "; " + hint
	}
	return s.problem(s.Unsupported, stepsRun()+hint)
}

// At is a problem with one of the step's arguments, where the file has it.
func (s Step) At(argument, message, hint string) Problem {
	p := s.problem(message, hint)
	if n := child(s.node, argument); n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	p.Path = joinPath(p.Path, argument)
	return p
}

// Resolve fills a step that is about to run: nothing stays open, and secrets
// have their values. Shown has what to print for them.
func (s Step) Resolve(l Lookup) (Step, []Problem) {
	f := s.filler(l)
	f.secrets = func(string) secretUse { return secretsGiven }
	out := s.fill(f)
	if s.Unsupported != "" {
		f.problems = append(f.problems, s.unsupported(""))
	}
	sortProblems(f.problems)
	return out, f.problems
}

func (s Step) filler(l Lookup) *filler {
	f := &filler{lookup: l, file: s.file, base: s.path, shown: map[string]string{}}
	for path, shown := range s.Shown {
		f.shown[path] = shown
	}
	for id, outputs := range l.Step {
		for name := range outputs {
			f.known = append(f.known, id+"."+name)
		}
	}
	slices.Sort(f.known)
	return f
}

// fill works on the arguments as JSON, so that a step that was stored and read
// again is filled alike; the places are the file's where it is known.
func (s Step) fill(f *filler) Step {
	out := s
	out.Arguments = make(map[string]json.RawMessage, len(s.Arguments))
	for _, key := range sortedNames(s.Arguments) {
		n := child(s.node, key)
		if n == nil || s.Shown != nil {
			at := &yaml.Node{Line: s.Line}
			made, err := jsonNode(s.Arguments[key], at)
			if err != nil {
				f.fail(at, key, "", "not JSON: %s", err)
				continue
			}
			n = made
		}
		raw, err := nodeJSON(f.node(n, key))
		if err != nil {
			f.fail(n, key, "", "%s", err)
			continue
		}
		out.Arguments[key] = raw
	}
	out.Shown = f.shown
	return out
}
