package discover

import (
	"encoding/json"
	"strings"
)

// typ is an annotation as a JSON Schema.
type typ struct {
	schema  object
	ref     bool   // a $ref, or nullable one: pydantic gives such a field no title
	field   *field // of Annotated[..., Field()]
	unknown string // why the schema is "any", where that is our doing
}

var anyType = typ{schema: object{}}

// maxTypeDepth bounds annotations that refer to themselves.
const maxTypeDepth = 60

// where is what an annotation's names mean: a file, and the type variables that
// are filled in there. mod holds the annotation's own text, which is the file's
// but for a string that is an annotation.
type where struct {
	file *pyFile
	mod  *module
	vars map[string]typ
}

func inFile(f *pyFile, vars map[string]typ) where { return where{f, f.mod, vars} }

// literal evaluates e with the file's constants.
func (at where) literal(e *expr) (any, bool) {
	if at.mod != at.file.mod {
		return at.mod.literal(e, nil) // the constants' text is in the file, not in mod
	}
	return at.mod.literal(e, at.file.scope.constant)
}

// typer turns the annotations of one signature into schemas. Classes go to
// defs under their names.
type typer struct {
	root  *pyFile
	vars  map[string]typ
	defs  []definition
	notes []Note
	depth int
}

func unknown(reason string) typ { return typ{schema: object{}, unknown: reason} }

// typeVars are a function's own PEP 695 parameters: the bound, or any.
func typeVars(params []typeParam, f *pyFile) map[string]typ {
	vars := map[string]typ{}
	for _, p := range params {
		vars[p.name] = anyType
		if p.bound != nil && p.stars == 0 {
			vars[p.name] = (&typer{root: f}).annotation(inFile(f, nil), p.bound)
		}
	}
	return vars
}

// annotation reads one annotation.
func (t *typer) annotation(at where, e *expr) typ {
	if t.depth++; t.depth > maxTypeDepth {
		t.depth--
		return unknown("nested too deeply")
	}
	defer func() { t.depth-- }()
	switch e.kind {
	case exprConstant:
		if e.text == "None" {
			return typ{schema: object{{"type", "null"}}}
		}
	case exprString:
		return t.quoted(at, e)
	case exprBinary:
		if strings.Trim(e.text, "|") == "" {
			return t.union(at, e.args)
		}
	case exprName, exprAttribute:
		return t.named(at, e, nil)
	case exprSubscript:
		return t.named(at, e.args[0], subscripts(e.args[1]))
	case exprCall:
		return t.constrained(at, e)
	case exprStarred:
		return anyType
	}
	return unknown("not an annotation: " + at.mod.source(e))
}

// subscripts are the arguments between brackets. X[()] has none, but is not bare
// X.
func subscripts(index *expr) []*expr {
	if index.kind == exprTuple && (!index.parenthesised || len(index.args) == 0) {
		if index.args == nil {
			return []*expr{}
		}
		return index.args
	}
	return []*expr{index}
}

// quoted reads a forward reference: the text of the string is an annotation.
func (t *typer) quoted(at where, e *expr) typ {
	value, ok := at.mod.literal(e, nil)
	text, isText := value.(string)
	if !ok || !isText {
		return unknown("not an annotation: " + at.mod.source(e))
	}
	// Parentheses let a reference span lines; Python adds them too.
	mod, err := parse("(" + strings.TrimSpace(text) + ")\n")
	if err != nil || len(mod.body) != 1 || mod.body[0].kind != stmtExpr {
		return unknown("not an annotation: " + at.mod.source(e))
	}
	return t.annotation(where{at.file, mod, at.vars}, mod.body[0].value)
}

// named reads a name with its arguments; args is nil without brackets.
func (t *typer) named(at where, e *expr, args []*expr) typ {
	d := dottedName(e)
	if d == nil {
		return unknown("not an annotation: " + at.mod.source(e))
	}
	if v, ok := at.vars[d[0]]; ok && len(d) == 1 {
		return v
	}
	target := at.file.project.lookup(at.file, d, 0)
	switch {
	case target.class != nil:
		return t.class(target, t.arguments(at, args))
	case target.alias != nil:
		vars := bindVars(target.params, t.arguments(at, args))
		return t.annotation(inFile(target.file, vars), target.alias)
	}
	return t.known(at, target.name, args)
}

func (t *typer) arguments(at where, args []*expr) []typ {
	out := make([]typ, 0, len(args))
	for _, a := range args {
		out = append(out, t.annotation(at, a))
	}
	return out
}

// bindVars fills type parameters; those without an argument are any.
func bindVars(params []typeParam, args []typ) map[string]typ {
	vars := map[string]typ{}
	for i, p := range params {
		vars[p.name] = anyType
		if i < len(args) && p.stars == 0 {
			vars[p.name] = args[i]
		}
	}
	return vars
}

// union joins members, null last and duplicates once, as pydantic does.
func (t *typer) union(at where, members []*expr) typ {
	var out []typ
	null := false
	for _, m := range members {
		one := t.annotation(at, m)
		if same(one.schema, object{{"type", "null"}}) {
			null = true
			continue
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return typ{schema: object{{"type", "null"}}}
	}
	joined := anyOf(out)
	if null {
		return nullable(joined)
	}
	return joined
}

// anyOf of one member is that member, title rules included.
func anyOf(members []typ) typ {
	var schemas []any
	reason := ""
	for _, m := range members {
		if m.unknown != "" {
			reason = m.unknown
		}
		schemas = addSchema(schemas, m.schema)
	}
	if len(schemas) == 1 {
		return members[0]
	}
	return typ{schema: object{{"anyOf", schemas}}, unknown: reason}
}

// addSchema flattens a bare anyOf and leaves out what is there already.
func addSchema(schemas []any, s object) []any {
	if len(s) == 1 && s[0].key == "anyOf" {
		for _, inner := range s[0].value.([]any) {
			schemas = addSchema(schemas, inner.(object))
		}
		return schemas
	}
	for _, known := range schemas {
		if same(known, s) {
			return schemas
		}
	}
	return append(schemas, s)
}

// nullable adds null last. pydantic treats it as the inner type where titles are
// concerned, so ref is kept.
func nullable(inner typ) typ {
	null := object{{"type", "null"}}
	schemas := addSchema(addSchema(nil, inner.schema), null)
	if len(schemas) == 1 {
		return inner
	}
	return typ{schema: object{{"anyOf", schemas}}, ref: inner.ref, unknown: inner.unknown}
}

func arrayOf(inner typ) object {
	return object{{"type", "array"}, {"items", inner.schema}}
}

// mapOf is an object's schema. Keys are always strings in JSON; what else is
// known of them becomes propertyNames.
func mapOf(key, value typ) object {
	out := object{{"type", "object"}}
	pattern, hasPattern := key.schema.get("pattern")
	switch {
	case hasPattern:
		out = append(out, member{"patternProperties", object{{pattern.(string), value.schema}}})
	case len(value.schema) > 0:
		out = append(out, member{"additionalProperties", value.schema})
	default:
		out = append(out, member{"additionalProperties", true})
	}
	names := key.schema.without("pattern").without("title")
	kind, _ := names.get("type")
	if kind == "string" && len(names) > 1 || names.has("$ref") {
		out = append(out, member{"propertyNames", names.without("type")})
	}
	return out
}

// literalType reads Literal[...]: values, members of enums, other Literals.
func (t *typer) literalType(at where, args []*expr) typ {
	var values []any
	if !t.literalValues(at, args, &values) || len(values) == 0 {
		return unknown("Literal of something else than literals")
	}
	kind := commonType(values)
	out := object{{"enum", values}}
	if len(values) == 1 {
		out = object{{"const", values[0]}}
	}
	if kind != "" {
		out = append(out, member{"type", kind})
	}
	return typ{schema: out}
}

func (t *typer) literalValues(at where, args []*expr, out *[]any) bool {
	for _, a := range args {
		if a.kind == exprSubscript {
			if !t.literalValues(at, subscripts(a.args[1]), out) {
				return false
			}
			continue
		}
		value, ok := t.value(at, a)
		if !ok {
			return false
		}
		*out = append(*out, value)
	}
	return true
}

// commonType is the JSON type that all values share, or "".
func commonType(values []any) string {
	common := ""
	for i, v := range values {
		kind := ""
		switch v.(type) {
		case nil:
			kind = "null"
		case string:
			kind = "string"
		case bool:
			kind = "boolean"
		case json.Number:
			kind = "integer"
		case float64:
			kind = "number"
		case []any:
			kind = "array"
		}
		if i > 0 && kind != common {
			return ""
		}
		common = kind
	}
	return common
}
