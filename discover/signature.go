package discover

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// parameters makes the JSON Schema of a function's signature, as Prefect makes
// it through pydantic. Differences, each with its reason, are in
// docs/discovery.md. The notes name the annotations that were not understood.
func (f *pyFile) parameters(c candidate, doc string) (json.RawMessage, []Note) {
	t := &typer{root: f, vars: typeVars(c.fn.typeParams, f)}
	docs := parameterDocs(doc)
	props, required := object{}, []any{}
	for position, p := range callable(c) {
		prop, need := t.property(p, docs[p.name])
		if !prop.has("position") {
			prop = prop.with("position", position)
		}
		props = append(props, member{p.name, prop})
		if need {
			required = append(required, p.name)
		}
	}
	schema := object{{"title", "Parameters"}, {"type", "object"}, {"properties", props}}
	if len(required) > 0 {
		schema = append(schema, member{"required", required})
	}
	if len(t.defs) > 0 {
		schema = append(schema, member{"$defs", t.definitions()})
	}
	var b bytes.Buffer
	if err := encode(&b, schema); err != nil {
		return emptyParameters, []Note{{f.rel, f.mod.line(c.fn.start), "parameters of " + c.fn.name + ": " + err.Error()}}
	}
	return b.Bytes(), t.notes
}

// callable is the parameters that a caller gives: a method's first is bound.
func callable(c candidate) []param {
	params := c.fn.params
	if c.place.class && c.methodKind() != "static" && len(params) > 0 && params[0].kind <= positionalOrKeyword {
		return params[1:]
	}
	if len(params) > 0 && (params[0].name == "self" || params[0].name == "cls") && params[0].kind <= positionalOrKeyword {
		return params[1:]
	}
	return params
}

// property is the schema of one parameter, and whether a call must give it.
func (t *typer) property(p param, doc string) (object, bool) {
	place := inFile(t.root, t.vars)
	typ := t.annotated(place, p)
	schema := typ.schema.clone()
	need := p.value == nil
	field := t.fieldOf(place, p.value)
	if typ.field != nil && p.value == nil {
		need = !typ.field.hasDefault
		schema = typ.field.withDefault(schema)
	}
	switch {
	case p.kind == varPositional || p.kind == varKeyword:
		need = false
	case field != nil:
		need = !field.hasDefault
		schema = field.withDefault(constrain(schema, field.constraints))
		schema = field.decorate(schema)
	case p.value != nil:
		if value, ok := t.value(place, p.value); ok && value != ellipsis {
			schema = schema.with("default", value)
		} else if ok {
			need = true // pydantic reads ... as "required"
		}
	}
	schema = schema.with("title", p.name)
	if doc != "" && (field == nil || field.description == "") {
		schema = schema.with("description", doc)
	}
	return schema, need
}

// annotated is the type of a parameter; *args is a list of it and **kwargs an
// object, which is how a run hands them over.
func (t *typer) annotated(at where, p param) typ {
	inner := anyType
	if p.annotation != nil {
		inner = t.annotation(at, p.annotation)
		if inner.unknown != "" {
			t.note(at, p.annotation, fmt.Sprintf("parameter %s: %s", p.name, inner.unknown))
		}
	}
	switch p.kind {
	case varPositional:
		return typ{schema: arrayOf(inner)}
	case varKeyword:
		return typ{schema: mapOf(anyType, inner)}
	}
	return inner
}

func (t *typer) note(at where, e *expr, text string) {
	t.notes = append(t.notes, Note{at.file.rel, at.file.mod.line(e.start), text})
}
