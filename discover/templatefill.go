package discover

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Lookup is what templates are filled from. A function that is nil knows nothing.
type Lookup struct {
	Env      func(name string) (string, bool)
	Variable func(name string) (json.RawMessage, bool)
	Secret   func(name string) (string, bool)
	// Step has the outputs of the steps that ran, by id and name.
	Step map[string]map[string]any
	// Bare has the same outputs by name alone, later steps over earlier ones.
	Bare map[string]any
	// Held is what a step was given that its output holds, as a template's body
	// such as prefect.blocks.secret.x or $NAME; "" for nothing.
	Held func(output string) string
	// Pending says that build and push steps have not run, as in a dry run: what
	// asks for their outputs stays as written and is shown so.
	Pending bool
	// Replaced are the paths in the entry, such as work_pool.name or pull, that
	// flags replace: they are not looked at, and Resolve leaves them empty.
	Replaced []string
}

// secretUse is what becomes of {{ prefect.blocks.secret.x }} in some place.
type secretUse int

const (
	secretsRefused secretUse = iota // a name or a tag is no place for one
	secretsKept                     // as a reference, for the start of a run
	secretsGiven                    // the value: the step is about to run
)

// filler puts values in place of templates in one tree of nodes.
type filler struct {
	lookup   Lookup
	file     string
	base     string // the path of the tree's root in the file
	secrets  func(path string) secretUse
	again    bool                   // filled once more at the start of a run
	later    func(placeholder) bool // filled later, by a step before; may be nil
	known    []string               // what a mistyped template may have meant
	shown    map[string]string
	problems []Problem
}

// filled is what one placeholder becomes.
type filled struct {
	node   *yaml.Node // alone, with its type
	text   string     // within other text
	shown  string     // what a plan prints
	hidden bool       // shown differs from the value
}

func (f *filler) fail(n *yaml.Node, path, hint, format string, args ...any) {
	f.problems = append(f.problems, Problem{f.file, n.Line, n.Column, joinPath(f.base, path), fmt.Sprintf(format, args...), hint})
}

// node copies a tree with its templates filled.
func (f *filler) node(n *yaml.Node, path string) *yaml.Node {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!str" && hasTemplate(n.Value) {
			return f.scalar(n, path)
		}
		return n
	}
	out := copyNode(n)
	for i, c := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			c = f.node(c, indexPath(path, i))
		case i%2 == 1:
			c = f.node(c, joinPath(path, n.Content[i-1].Value))
		case hasTemplate(c.Value):
			f.fail(c, joinPath(path, c.Value), "put it in the value", "a template in a key is not filled in")
		}
		out.Content = append(out.Content, c)
	}
	return out
}

// scalar fills one text. A template that stands alone keeps the type of its
// value; within other text it becomes text. What comes in is not looked at again,
// so a value that holds {{ … }} is just that value.
func (f *filler) scalar(n *yaml.Node, path string) *yaml.Node {
	found := findPlaceholders(n.Value)
	alone := len(found) == 1 && found[0].start == 0 && found[0].end == len(n.Value)
	var text, shown strings.Builder
	last, hidden := 0, false
	for _, p := range found {
		got, ok := f.placeholder(standsAt(n, p), path, p)
		if !ok {
			continue
		}
		if alone && !got.hidden {
			return got.node
		}
		text.WriteString(n.Value[last:p.start] + got.text)
		shown.WriteString(n.Value[last:p.start] + got.shown)
		last, hidden = p.end, hidden || got.hidden
	}
	text.WriteString(n.Value[last:])
	shown.WriteString(n.Value[last:])
	if hidden {
		f.shown[path] = shown.String()
	}
	out := valueNode(text.String(), n)
	out.Style = yaml.DoubleQuotedStyle // text from outside stays text
	return out
}

// standsAt is where a placeholder stands: in a literal block its own line.
func standsAt(n *yaml.Node, p placeholder) *yaml.Node {
	at := copyNode(n)
	if n.Style&yaml.LiteralStyle != 0 {
		at.Line += 1 + strings.Count(n.Value[:p.start], "\n")
		at.Column = 1
	}
	return at
}

func (f *filler) placeholder(n *yaml.Node, path string, p placeholder) (filled, bool) {
	if f.later != nil && f.later(p) {
		return filled{text: p.written(), shown: p.written(), hidden: true}, true
	}
	switch p.kind {
	case envPlaceholder:
		return f.env(n, path, p)
	case variablePlaceholder:
		return f.variable(n, path, p)
	case secretPlaceholder:
		return f.secret(n, path, p)
	case blockPlaceholder:
		f.fail(n, path, "keep it as a secret: runnel variable set NAME --secret, then {{ prefect.blocks.secret.NAME }}",
			"%s is a block of Prefect's, which runnel does not have", p.written())
	case contextPlaceholder:
		f.fail(n, path, "a run has RUNNEL_FLOW_RUN_ID and RUNNEL_FLOW_RUN_NAME in its environment",
			"%s is filled in by Prefect's workers only", p.written())
	case unknownPlaceholder:
		f.fail(n, path, "keep the text as a variable: runnel variable set NAME, then {{ prefect.variables.NAME }}",
			"%s is not a template that runnel fills in", p.written())
	default:
		return f.output(n, path, p)
	}
	return filled{}, false
}

// env is always text, and never printed.
func (f *filler) env(n *yaml.Node, path string, p placeholder) (filled, bool) {
	var value string
	ok := false
	if f.lookup.Env != nil {
		value, ok = f.lookup.Env(p.name)
	}
	if !ok {
		f.fail(n, path, "export "+p.name+"=…", "%s is not set in the environment", p.written())
		return filled{}, false
	}
	if !f.holdsNone(n, path, p, value) {
		return filled{}, false
	}
	return filled{text: value, shown: p.written(), hidden: true}, true
}

// holdsNone keeps a value from the outside from bringing a template in that the
// start of a run would fill, with a secret too.
func (f *filler) holdsNone(n *yaml.Node, path string, p placeholder, value string) bool {
	for _, inner := range findPlaceholders(value) {
		if f.again || inner.kind == secretPlaceholder && f.secrets(path) == secretsKept {
			f.fail(n, path, "write that template here, in the file", "the value of %s holds a template itself", p.written())
			return false
		}
	}
	return true
}

func (f *filler) variable(n *yaml.Node, path string, p placeholder) (filled, bool) {
	var raw json.RawMessage
	ok := false
	if f.lookup.Variable != nil {
		raw, ok = f.lookup.Variable(p.name)
	}
	if !ok {
		f.fail(n, path, "runnel variable set "+p.name+" VALUE", "there is no variable %s", p.name)
		return filled{}, false
	}
	at, err := jsonNode(raw, n)
	if err != nil {
		f.fail(n, path, "", "the variable %s is not JSON", p.name)
		return filled{}, false
	}
	if !f.holdsNone(n, path, p, string(raw)) {
		return filled{}, false
	}
	return visible(at, raw), true
}

// visible is a value alone and within text: there, what is no text is its JSON.
func visible(n *yaml.Node, raw json.RawMessage) filled {
	text := string(raw)
	if n.Tag == "!!str" {
		text = n.Value
	}
	return filled{node: n, text: text, shown: text}
}

func (f *filler) secret(n *yaml.Node, path string, p placeholder) (filled, bool) {
	if f.secrets(path) == secretsRefused {
		f.fail(n, path, "secrets go into parameters, job_variables and steps", "%s cannot stand here: this is stored and shown", p.written())
		return filled{}, false
	}
	var value string
	ok := false
	if f.lookup.Secret != nil {
		value, ok = f.lookup.Secret(p.name)
	}
	if !ok {
		f.fail(n, path, "runnel variable set "+p.name+" --secret", "there is no secret %s", p.name)
		return filled{}, false
	}
	ref := secretRef(p.name)
	if f.secrets(path) == secretsKept {
		value = ref
	}
	return filled{text: value, shown: ref, hidden: true}, true
}

// output is what a step before handed on.
func (f *filler) output(n *yaml.Node, path string, p placeholder) (filled, bool) {
	var value any
	ok := false
	if p.kind == barePlaceholder {
		value, ok = f.lookup.Bare[p.name]
	} else if outputs, ran := f.lookup.Step[p.name]; ran {
		value, ok = walkValue(outputs, strings.Split(p.key, "."))
	}
	if ok {
		raw, err := json.Marshal(value)
		at, errNode := jsonNode(raw, n)
		if err == nil && errNode == nil {
			return f.handedOn(n, path, p, visible(at, raw))
		}
	}
	name := p.name
	hint := "templates are {{ $ENV }}, {{ prefect.variables.NAME }}, {{ prefect.blocks.secret.NAME }} and {{ step-id.output }}"
	if close := near(p.body, f.known); len(close) > 0 && !slices.Contains(close, p.body) {
		hint = "did you mean {{ " + close[0] + " }}?"
	}
	f.fail(n, path, hint, "%s has no value: no step before it made %s", p.written(), name)
	return filled{}, false
}

// handedOn keeps an output from carrying a secret to where it is stored and
// shown. What it has from the environment is hidden, as elsewhere.
func (f *filler) handedOn(n *yaml.Node, path string, p placeholder, got filled) (filled, bool) {
	if f.lookup.Held == nil {
		return got, true
	}
	held := f.lookup.Held(got.text)
	switch kind, name, _ := classify(held); {
	case held == "":
		return got, true
	case kind == secretPlaceholder:
		f.fail(n, path, "let the step print something else", "%s would hold the secret %s", p.written(), name)
		return filled{}, false
	}
	got.shown, got.hidden = p.written(), true
	return got, true
}

func walkValue(value any, keys []string) (any, bool) {
	for _, key := range keys {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = inner[key]; !ok {
			return nil, false
		}
	}
	return value, true
}
