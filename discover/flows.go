package discover

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// pyFile is one parsed Python file of a project.
type pyFile struct {
	rel     string // from the root, with slashes
	mod     *module
	names   *names
	scope   *scope
	project *project
}

// place is where a statement stands.
type place struct {
	qual   []string
	class  bool   // directly in a class body
	nested string // the function around it, or ""
	guard  string // why the block around it does not run on import, or ""
}

// candidate is a function with where it stands, and its flow decorator where it
// has one.
type candidate struct {
	fn        *stmt
	place     place
	decorator *expr
	options   []keyword
}

func (c candidate) qualified() string {
	return strings.Join(append(slices.Clone(c.place.qual), c.fn.name), ".")
}

// functions calls fn for every function in the file, outer before inner.
func (f *pyFile) functions(fn func(candidate)) {
	f.visit(f.mod.body, place{}, fn)
}

// visit keeps track of where it is. A class in a function is as unreachable as the
// function itself, so nested is handed down; a guard holds for a body, not for
// its else.
func (f *pyFile) visit(body []*stmt, at place, fn func(candidate)) {
	for _, s := range body {
		switch s.kind {
		case stmtFunction:
			c := candidate{fn: s, place: at}
			f.decorate(&c)
			fn(c)
			inner := place{qual: append(slices.Clone(at.qual), s.name, "<locals>"), nested: s.name, guard: at.guard}
			f.visit(s.body, inner, fn)
		case stmtClass:
			inner := place{qual: append(slices.Clone(at.qual), s.name), class: true, nested: at.nested, guard: at.guard}
			f.visit(s.body, inner, fn)
		default:
			inner := at
			if guard := f.guard(s); guard != "" {
				inner.guard = guard
			}
			f.visit(s.body, inner, fn)
			f.visit(s.rest, at, fn)
		}
	}
}

// guard recognises the two conditions that are false when a worker imports the
// file.
func (f *pyFile) guard(s *stmt) string {
	if s.kind != stmtIf || s.value == nil {
		return ""
	}
	test := f.mod.source(s.value)
	switch {
	case strings.HasSuffix(test, "TYPE_CHECKING") && !strings.HasPrefix(test, "not "):
		return "under if TYPE_CHECKING, which no run enters"
	case s.value.kind == exprCompare && s.value.text == "==" && strings.Contains(test, "__name__") && strings.Contains(test, "__main__"):
		return `under if __name__ == "__main__", which a run does not enter`
	}
	return ""
}

// source is e as written, without the parentheses around it.
func (m *module) source(e *expr) string { return m.text[e.start:e.end] }

// sourceOuter is e as written, with the parentheses around it.
func (m *module) sourceOuter(e *expr) string { return m.text[e.outerStart:e.outerEnd] }

// decorate finds the flow decorator among a function's decorators: the outermost,
// as ast lists them.
func (f *pyFile) decorate(c *candidate) {
	for _, d := range c.fn.decorators {
		flow, _ := f.names.decides(d)
		if !flow {
			continue
		}
		c.decorator = d
		base := d
		if d.kind == exprCall {
			base = d.args[0]
		}
		c.options = mergeKeywords(f.names.inherited(base), d.keywords)
		return
	}
}

// flows lists the flows of the file, and what only looks like one.
func (f *pyFile) flows() ([]Flow, []Note) {
	var found []candidate
	var notes []Note
	f.functions(func(c candidate) {
		if c.decorator != nil {
			found = append(found, c)
			return
		}
		notes = append(notes, f.lookalikes(c)...)
	})
	flows := make([]Flow, 0, len(found))
	imports := prefectImports(f.mod)
	for _, c := range found {
		flow, more := f.flow(c)
		flow.PrefectImports = imports
		f.markReplaced(&flow, c, found)
		flows = append(flows, flow)
		notes = append(notes, more...)
	}
	made := f.made(flows)
	for i := range made {
		made[i].PrefectImports = imports
	}
	flows = append(flows, made...)
	f.addHints(flows)
	return flows, notes
}

// lookalikes says of a function why its decorator, called flow, makes none.
func (f *pyFile) lookalikes(c candidate) []Note {
	for _, d := range c.fn.decorators {
		_, elsewhere := f.names.decides(d)
		switch elsewhere {
		case "":
			continue
		case localOrigin:
			elsewhere = "defined in this file"
		default:
			elsewhere = "imported as " + elsewhere
		}
		text := fmt.Sprintf("%s is no flow: its decorator is %s", c.qualified(), elsewhere)
		return []Note{{f.rel, f.mod.line(c.fn.start), text}}
	}
	return nil
}

// flow describes a function as a flow, decorated or not.
func (f *pyFile) flow(c candidate) (Flow, []Note) {
	fn := c.fn
	flow := Flow{
		Function:      fn.name,
		QualifiedName: c.qualified(),
		File:          f.rel,
		Line:          f.mod.line(fn.start),
		EndLine:       f.mod.line(fn.end - 1),
		Kind:          KindPython,
		Async:         fn.async,
		Options:       f.optionsOf(c.options),
	}
	flow.Entrypoint = f.rel + ":" + flow.QualifiedName
	flow.Reason = c.reason()
	flow.Deployable = flow.Reason == ""
	flow.FlowName = flowName(flow.Options, fn.name)
	doc := f.mod.docstring(fn.body)
	flow.Description = firstParagraph(doc)
	if text, ok := flow.Options["description"].Text(); ok && text != "" {
		flow.Description = firstParagraph(text)
	}
	schema, notes := f.parameters(c, doc)
	flow.Parameters = schema
	return flow, notes
}

// flowName is Prefect's rule: name or fn.__name__.replace('_', '-'). An empty name
// counts as none.
func flowName(options map[string]Option, function string) string {
	if name, ok := options["name"].Text(); ok && name != "" {
		return name
	}
	return strings.ReplaceAll(function, "_", "-")
}

// reason says why the function cannot be deployed, or nothing.
func (c candidate) reason() string {
	switch {
	case c.place.nested != "":
		return fmt.Sprintf("nested in %s: it exists only while that runs", c.place.nested)
	case c.place.class && c.methodKind() == "instance":
		class := c.place.qual[len(c.place.qual)-1]
		return fmt.Sprintf("instance method: it needs an object of %s", class)
	case c.place.guard != "":
		return c.place.guard
	}
	return ""
}

// methodKind is "static", "class" or "instance" for a function in a class body.
func (c candidate) methodKind() string {
	for _, d := range c.fn.decorators {
		if d.kind == exprName && d.text == "staticmethod" {
			return "static"
		}
	}
	for _, d := range c.fn.decorators {
		if d.kind == exprName && d.text == "classmethod" {
			return "class"
		}
	}
	return "instance"
}

// markReplaced finds a flow whose name is defined again in the same block: a run
// would call the later one.
func (f *pyFile) markReplaced(flow *Flow, c candidate, all []candidate) {
	if !flow.Deployable {
		return
	}
	for _, other := range all {
		if other.fn.start > c.fn.start && other.qualified() == flow.QualifiedName && f.sameBlock(c.fn, other.fn) {
			flow.Deployable = false
			flow.Reason = fmt.Sprintf("replaced by the definition in line %d", f.mod.line(other.fn.start))
		}
	}
}

// sameBlock reports whether both statements stand in one list of statements.
func (f *pyFile) sameBlock(a, b *stmt) bool {
	var search func(body []*stmt) bool
	search = func(body []*stmt) bool {
		if slices.Contains(body, a) {
			return slices.Contains(body, b)
		}
		for _, s := range body {
			if s.start <= a.start && a.end <= s.end && (search(s.body) || search(s.rest)) {
				return true
			}
		}
		return false
	}
	return search(f.mod.body)
}

// optionsOf evaluates keywords; **rest is kept under its own text.
func (f *pyFile) optionsOf(keywords []keyword) map[string]Option {
	out := map[string]Option{}
	for _, k := range keywords {
		name := k.name
		if name == "" {
			out["**"+f.mod.source(k.value)] = Option{Source: f.mod.source(k.value)}
			continue
		}
		value, ok := f.mod.literal(k.value, f.scope.constant)
		if ok {
			value, ok = jsonValue(value)
		}
		if ok {
			out[name] = Option{Literal: true, Value: value}
		} else {
			out[name] = Option{Source: f.mod.sourceOuter(k.value)}
		}
	}
	return out
}

// line is the line of an offset, from 1.
func (m *module) line(pos int32) int {
	i, found := slices.BinarySearch(m.lines, pos)
	if found {
		return i + 1
	}
	return i
}

// column is where pos stands in its line, in characters from 1.
func (m *module) column(pos int32) int {
	start := m.lines[m.line(pos)-1]
	return 1 + utf8.RuneCountInString(m.text[start:pos])
}

// emptyParameters is the schema of a function that takes nothing.
var emptyParameters = json.RawMessage(`{"title":"Parameters","type":"object","properties":{}}`)
