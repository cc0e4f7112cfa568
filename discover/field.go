package discover

import "strings"

// field is what pydantic's Field(...) says.
type field struct {
	hasDefault  bool
	value       any // a JSON value; known tells whether it could be read
	known       bool
	alias       string
	title       string
	description string
	constraints []member // by their JSON Schema names, for numbers
	extra       object   // examples, json_schema_extra
}

// constraintNames maps Field's keywords to JSON Schema's; the lengths depend on
// the type and are settled by constrain.
var constraintNames = map[string]string{
	"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
	"multiple_of": "multipleOf", "min_length": "minLength", "max_length": "maxLength", "pattern": "pattern", "regex": "pattern",
	"min_items": "minLength", "max_items": "maxLength",
}

// fieldOf reads e where it is a call of Field, else it is nil.
func (t *typer) fieldOf(at where, e *expr) *field {
	if e == nil || e.kind != exprCall {
		return nil
	}
	name := t.callee(at, e)
	if name != "pydantic.Field" && name != "sqlmodel.Field" && name != "dataclasses.field" {
		return nil
	}
	f := &field{}
	if len(e.args) > 1 && name != "dataclasses.field" {
		f.setDefault(t, at, e.args[1])
	}
	for _, k := range e.keywords {
		t.fieldKeyword(at, f, k)
	}
	return f
}

// callee is the full name of what e calls, "" for something of the project.
func (t *typer) callee(at where, e *expr) string {
	if d := dottedName(e.args[0]); d != nil {
		return at.file.project.lookup(at.file, d, 0).name
	}
	return ""
}

// setDefault reads a default; ... says that there is none.
func (f *field) setDefault(t *typer, at where, e *expr) {
	value, ok := t.value(at, e)
	if ok && value == ellipsis {
		return
	}
	f.hasDefault = true
	f.value, f.known = value, ok
}

func (t *typer) fieldKeyword(at where, f *field, k keyword) {
	if name, ok := constraintNames[k.name]; ok {
		if value, ok := t.value(at, k.value); ok && value != nil && value != ellipsis {
			f.constraints = append(f.constraints, member{name, value})
		}
		return
	}
	switch k.name {
	case "default":
		f.setDefault(t, at, k.value)
	case "default_factory":
		f.hasDefault = true
	case "alias", "validation_alias":
		f.alias = t.text(at, k.value)
	case "title":
		f.title = t.text(at, k.value)
	case "description":
		f.description = t.text(at, k.value)
	case "examples", "deprecated":
		if value, ok := t.value(at, k.value); ok {
			f.extra = f.extra.with(k.name, value)
		}
	case "json_schema_extra":
		if value, ok := t.value(at, k.value); ok {
			if extra, ok := value.(object); ok {
				for _, m := range extra {
					f.extra = f.extra.with(m.key, m.value)
				}
			}
		}
	}
}

func (t *typer) text(at where, e *expr) string {
	value, _ := t.value(at, e)
	text, _ := value.(string)
	return text
}

func (f *field) withDefault(schema object) object {
	if f.hasDefault && f.known {
		return schema.with("default", f.value)
	}
	return schema
}

// decorate adds what describes and does not constrain.
func (f *field) decorate(schema object) object {
	if f.title != "" {
		schema = schema.with("title", f.title)
	}
	if f.description != "" {
		schema = schema.with("description", f.description)
	}
	for _, m := range f.extra {
		schema = schema.with(m.key, m.value)
	}
	return schema
}

// constrain adds constraints where they belong: lengths by the type, and for a
// nullable or a Decimal in the member that they fit.
func constrain(schema object, constraints []member) object {
	if len(constraints) == 0 {
		return schema
	}
	if members, ok := schema.get("anyOf"); ok && len(constraints) > 0 {
		out := make([]any, 0, 2)
		for i, m := range members.([]any) {
			inner := m.(object)
			if kind, _ := inner.get("type"); i == 0 && kind != "null" {
				inner = constrain(inner.clone(), constraints)
			}
			out = append(out, inner)
		}
		return schema.clone().with("anyOf", out)
	}
	schema = schema.clone()
	kind, _ := schema.get("type")
	for _, c := range constraints {
		if name := constraintFor(kind, c.key); name != "" {
			schema = schema.with(name, c.value)
		}
	}
	return schema
}

// constraintFor is the keyword that holds for a type, or "".
func constraintFor(kind any, name string) string {
	length := strings.HasSuffix(name, "Length")
	switch kind {
	case "string":
		if length || name == "pattern" {
			return name
		}
	case "array":
		if length {
			return name[:3] + "Items"
		}
	case "object":
		if length {
			return name[:3] + "Properties"
		}
	case "integer", "number":
		if !length && name != "pattern" {
			return name
		}
	}
	return ""
}

// annotatedType reads Annotated[X, Field(...), ...].
func (t *typer) annotatedType(at where, args []*expr) typ {
	out := t.annotation(at, args[0])
	for _, meta := range args[1:] {
		f := t.fieldOf(at, meta)
		if f == nil && meta.kind == exprCall {
			f = t.annotatedConstraint(at, meta)
		}
		if f == nil {
			continue
		}
		out.schema = f.decorate(constrain(out.schema.clone(), f.constraints))
		if f.hasDefault || f.alias != "" || out.field == nil {
			out.field = f
		}
	}
	return out
}

// annotatedConstraint reads the classes of annotated_types, such as Ge(1).
func (t *typer) annotatedConstraint(at where, e *expr) *field {
	short, ok := strings.CutPrefix(t.callee(at, e), "annotated_types.")
	if !ok || len(e.args) < 2 {
		return nil
	}
	key, ok := map[string]string{
		"Ge": "ge", "Gt": "gt", "Le": "le", "Lt": "lt", "MultipleOf": "multiple_of", "MinLen": "min_length", "MaxLen": "max_length",
	}[short]
	if !ok {
		return nil
	}
	f := &field{}
	t.fieldKeyword(at, f, keyword{key, e.args[1]})
	return f
}

// constrained reads conint(ge=1) and its relatives, NewType("X", int), and
// TypeVar by its bound.
func (t *typer) constrained(at where, e *expr) typ {
	name := t.callee(at, e)
	base := map[string]string{
		"pydantic.conint": "builtins.int", "pydantic.confloat": "builtins.float", "pydantic.constr": "builtins.str",
		"pydantic.conbytes": "builtins.bytes", "pydantic.condecimal": "decimal.Decimal", "pydantic.condate": "datetime.date",
		"pydantic.conlist": "builtins.list", "pydantic.conset": "builtins.set", "pydantic.confrozenset": "builtins.frozenset",
	}[name]
	switch {
	case base != "":
		out := t.known(at, base, e.args[1:])
		f := &field{}
		for _, k := range e.keywords {
			t.fieldKeyword(at, f, k)
		}
		out.schema = constrain(out.schema.clone(), f.constraints)
		return out
	case name == "typing.NewType" && len(e.args) == 3:
		return t.annotation(at, e.args[2])
	case name == "typing.TypeVar":
		return t.typeVar(at, e)
	}
	return unknown("not an annotation: " + at.mod.source(e))
}

// typeVar is what a type variable admits: its bound, one of its constraints, or
// anything.
func (t *typer) typeVar(at where, e *expr) typ {
	for _, k := range e.keywords {
		if k.name == "bound" {
			return t.annotation(at, k.value)
		}
	}
	if len(e.args) > 2 {
		return t.union(at, e.args[2:])
	}
	return anyType
}
