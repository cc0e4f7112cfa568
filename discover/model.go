package discover

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
)

// classKind says how a class becomes a schema.
type classKind int

const (
	classOpaque classKind = iota // no schema: any value
	classEnum
	classFlag // an enum whose auto() doubles
	classModel
	classDataclass
	classTypedDict
	classNamedTuple
	classRoot // a model around one value
	classScalar
)

// enumBases are the library's bases of enums; the mixed-in type only matters for
// the values of auto().
var enumBases = map[string]classKind{
	"enum.Enum": classEnum, "enum.IntEnum": classEnum, "enum.StrEnum": classEnum, "enum.Flag": classFlag, "enum.IntFlag": classFlag,
	"strenum.StrEnum":    classEnum,
	"pydantic.BaseModel": classModel, "pydantic_settings.BaseSettings": classModel, "sqlmodel.SQLModel": classModel,
	"pydantic.RootModel": classRoot, "typing.TypedDict": classTypedDict, "typing.NamedTuple": classNamedTuple,
}

// definition is one class under $defs.
type definition struct {
	name   string
	file   *pyFile
	class  *stmt
	args   string
	schema object
}

func (t *typer) definitions() object {
	out := object{}
	for _, d := range t.defs {
		out = append(out, member{d.name, d.schema})
	}
	return out
}

// class is the type of a class of the project: a reference to its definition.
func (t *typer) class(c target, args []typ) typ {
	kind := t.kindOf(c, 0)
	switch kind {
	case classOpaque:
		return unknown("class " + c.class.name + " has no schema")
	case classScalar:
		return anyType
	}
	suffix := argumentNames(args)
	for _, d := range t.defs {
		if d.class == c.class && d.args == suffix {
			return typ{schema: object{{"$ref", "#/$defs/" + d.name}}, ref: true}
		}
	}
	name := t.defName(c, suffix)
	i := len(t.defs)
	// The name is taken before the fields are read: they may refer back to it.
	t.defs = append(t.defs, definition{name: name, file: c.file, class: c.class, args: suffix})
	schema, ok := t.classSchema(c, kind, args)
	if !ok {
		t.defs = append(t.defs[:i], t.defs[i+1:]...)
		return unknown("class " + c.class.name + " has values that only running it would tell")
	}
	t.defs[i].schema = schema
	return typ{schema: object{{"$ref", "#/$defs/" + name}}, ref: true}
}

// argumentNames names the arguments of a generic class as pydantic does.
func argumentNames(args []typ) string {
	var names []string
	for _, a := range args {
		name := "Any"
		if kind, ok := a.schema.get("type"); ok {
			name = map[string]string{"integer": "int", "number": "float", "string": "str", "boolean": "bool", "array": "list", "object": "dict"}[kind.(string)]
		} else if ref, ok := a.schema.get("$ref"); ok {
			name = strings.TrimPrefix(ref.(string), "#/$defs/")
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// defName is the class's name, numbered where another class has it.
func (t *typer) defName(c target, args string) string {
	name := c.class.name
	if args != "" {
		name += "_" + strings.ReplaceAll(args, ", ", "_") + "_"
	}
	for n := 2; ; n++ {
		taken := false
		for _, d := range t.defs {
			taken = taken || d.name == name
		}
		if !taken {
			return name
		}
		name = c.class.name + strconv.Itoa(n)
	}
}

// kindOf follows the bases to one that is known. The first that says something
// counts: mixins such as str in class Colour(str, Enum) say nothing.
func (t *typer) kindOf(c target, depth int) classKind {
	if depth > maxLookup {
		return classOpaque
	}
	for _, d := range c.class.decorators {
		base := d
		if d.kind == exprCall {
			base = d.args[0]
		}
		switch name := c.file.project.lookup(c.file, dottedOr(base), 0).name; name {
		case "dataclasses.dataclass", "pydantic.dataclasses.dataclass":
			return classDataclass
		}
	}
	for _, base := range c.class.bases {
		if base.kind == exprSubscript {
			base = base.args[0]
		}
		d := dottedName(base)
		if d == nil {
			continue
		}
		target := c.file.project.lookup(c.file, d, 0)
		if target.class != nil {
			if kind := t.kindOf(target, depth+1); kind != classOpaque {
				return kind
			}
			continue
		}
		if kind, ok := enumBases[canonical(target.name)]; ok {
			return kind
		}
	}
	return classOpaque
}

// dottedOr is dottedName with something that resolves to nothing.
func dottedOr(e *expr) []string {
	if d := dottedName(e); d != nil {
		return d
	}
	return []string{""}
}

// classSchema follows the order of members that pydantic writes: description,
// properties, required, title, type.
func (t *typer) classSchema(c target, kind classKind, args []typ) (object, bool) {
	switch kind {
	case classEnum, classFlag:
		return t.enumSchema(c)
	case classNamedTuple:
		return t.namedTuple(c), true
	case classRoot:
		return t.rootModel(c), true
	}
	title := c.class.name
	if len(args) > 0 {
		title += "[" + argumentNames(args) + "]"
	}
	out := object{}
	if doc := c.file.mod.docstring(c.class.body); doc != "" {
		out = append(out, member{"description", doc})
	}
	props, required := object{}, []any{}
	for _, f := range t.fields(c, kind, args, 0) {
		props = props.with(f.name, f.schema)
		if f.required {
			required = append(required, f.name)
		}
	}
	out = append(out, member{"properties", props})
	if len(required) > 0 {
		out = append(out, member{"required", required})
	}
	out = append(out, member{"title", title}, member{"type", "object"})
	if extra, ok := t.extra(c); ok {
		out = append(out, member{"additionalProperties", extra})
	}
	return out, true
}

// extra is what model_config says of fields that are not declared.
func (t *typer) extra(c target) (allowed, ok bool) {
	for _, s := range c.class.body {
		if s.kind != stmtAssign || len(s.targets) != 1 || s.targets[0].text != "model_config" || s.value == nil {
			continue
		}
		value, ok := t.configValue(inFile(c.file, nil), s.value)
		switch {
		case ok && value == "forbid":
			return false, true
		case ok && value == "allow":
			return true, true
		}
	}
	for _, k := range c.class.keywords {
		if k.name == "extra" && t.text(inFile(c.file, nil), k.value) == "forbid" {
			return false, true
		}
	}
	return false, false
}

// configValue is extra in ConfigDict(extra=...) or {"extra": ...}.
func (t *typer) configValue(at where, e *expr) (any, bool) {
	for _, k := range e.keywords {
		if k.name == "extra" {
			return t.value(at, k.value)
		}
	}
	if value, ok := t.value(at, e); ok {
		if o, isObject := value.(object); isObject {
			return o.get("extra")
		}
	}
	return nil, false
}

// classField is one field of a class.
type classField struct {
	name     string
	schema   object
	required bool
}

// fields lists a class's fields, those of its bases first.
func (t *typer) fields(c target, kind classKind, args []typ, depth int) []classField {
	var out []classField
	if depth > maxLookup {
		return nil
	}
	at := inFile(c.file, t.classVars(c, args))
	for i := len(c.class.bases) - 1; i >= 0; i-- {
		base, baseArgs := c.class.bases[i], []typ(nil)
		if base.kind == exprSubscript {
			baseArgs = t.arguments(at, subscripts(base.args[1]))
			base = base.args[0]
		}
		if d := dottedName(base); d != nil {
			if parent := c.file.project.lookup(c.file, d, 0); parent.class != nil {
				out = mergeFields(out, t.fields(parent, kind, baseArgs, depth+1))
			}
		}
	}
	total := true
	for _, k := range c.class.keywords {
		if k.name == "total" && c.file.mod.source(k.value) == "False" {
			total = false
		}
	}
	for _, s := range c.class.body {
		if f, ok := t.classField(at, s, kind, total); ok {
			out = mergeFields(out, []classField{f})
		}
	}
	return out
}

// mergeFields lets a subclass replace a field in its place.
func mergeFields(fields, more []classField) []classField {
next:
	for _, f := range more {
		for i := range fields {
			if fields[i].name == f.name {
				fields[i] = f
				continue next
			}
		}
		fields = append(fields, f)
	}
	return fields
}

// classVars fills the type variables of Generic[T] or class C[T].
func (t *typer) classVars(c target, args []typ) map[string]typ {
	vars := bindVars(c.class.typeParams, args)
	for _, base := range c.class.bases {
		if base.kind != exprSubscript {
			continue
		}
		d := dottedName(base.args[0])
		if d == nil || d[len(d)-1] != "Generic" && d[len(d)-1] != "Protocol" {
			continue
		}
		for i, v := range subscripts(base.args[1]) {
			if v.kind == exprName && i < len(args) {
				vars[v.text] = args[i]
			}
		}
	}
	return vars
}

// classField is one annotated name in a class body. Private names and model_config
// are no fields of a model, and ClassVar is none anywhere.
func (t *typer) classField(at where, s *stmt, kind classKind, total bool) (classField, bool) {
	if s.kind != stmtAssign || s.annotation == nil || len(s.targets) != 1 || s.targets[0].kind != exprName {
		return classField{}, false
	}
	name := s.targets[0].text
	if kind == classModel && (strings.HasPrefix(name, "_") || name == "model_config") || t.isWrapped(at, s.annotation, "typing.ClassVar") {
		return classField{}, false
	}
	inner := t.annotation(at, s.annotation)
	schema := inner.schema.clone()
	f := t.fieldOf(at, s.value)
	required := s.value == nil && total
	switch {
	case f != nil:
		required = !f.hasDefault
		schema = f.withDefault(constrain(schema, f.constraints))
	case s.value != nil:
		if value, ok := t.value(at, s.value); ok && value != ellipsis {
			schema = schema.with("default", value)
		} else if ok {
			required = true
		}
	case inner.field != nil && inner.field.hasDefault:
		required = false
		schema = inner.field.withDefault(schema)
	}
	if kind == classTypedDict {
		required = total && !t.isWrapped(at, s.annotation, "typing.NotRequired") || t.isWrapped(at, s.annotation, "typing.Required")
	}
	if f == nil {
		f = inner.field
	}
	if f != nil && f.alias != "" {
		name = f.alias
	}
	if !inner.ref && !schema.has("title") {
		schema = schema.with("title", fieldTitle(name))
	}
	if f != nil {
		schema = f.decorate(schema)
	}
	return classField{name, schema, required}, true
}

func (t *typer) isWrapped(at where, e *expr, want string) bool {
	if e.kind == exprSubscript {
		e = e.args[0]
	}
	d := dottedName(e)
	return d != nil && at.file.project.lookup(at.file, d, 0).name == want
}

// fieldTitle is Python's "zip_code".title() with blanks for underscores.
func fieldTitle(name string) string {
	var b strings.Builder
	letter := false
	for _, r := range name {
		if letter {
			b.WriteRune(unicode.ToLower(r))
		} else {
			b.WriteRune(unicode.ToTitle(r))
		}
		letter = unicode.IsLetter(r)
	}
	return strings.TrimSpace(strings.ReplaceAll(b.String(), "_", " "))
}

// namedTuple is a JSON array: fields with defaults come last and may be left out.
func (t *typer) namedTuple(c target) object {
	var items []any
	least := 0
	for _, f := range t.fields(c, classNamedTuple, nil, 0) {
		items = append(items, f.schema)
		if f.required {
			least++
		}
	}
	out := object{{"maxItems", len(items)}, {"minItems", least}}
	if len(items) > 0 {
		out = append(out, member{"prefixItems", items})
	}
	return append(out, member{"type", "array"})
}

// rootModel is RootModel[X], or one with a root field.
func (t *typer) rootModel(c target) object {
	out := object{}
	at := inFile(c.file, nil)
	for _, base := range c.class.bases {
		if base.kind == exprSubscript {
			out = t.annotation(at, base.args[1]).schema.clone()
		}
	}
	for _, s := range c.class.body {
		if s.kind == stmtAssign && s.annotation != nil && len(s.targets) == 1 && s.targets[0].text == "root" {
			out = t.annotation(at, s.annotation).schema.clone()
		}
	}
	if doc := c.file.mod.docstring(c.class.body); doc != "" {
		out = out.with("description", doc)
	}
	return out.with("title", c.class.name)
}

// enumSchema lists values, not names: a run is given "red", not RED.
func (t *typer) enumSchema(c target) (object, bool) {
	members, ok := t.enumMembers(c)
	if !ok || len(members) == 0 {
		return nil, false
	}
	values := make([]any, 0, len(members))
	for _, m := range members {
		values = addValue(values, m.value)
	}
	out := object{}
	if doc := c.file.mod.docstring(c.class.body); doc != "" {
		out = append(out, member{"description", doc})
	}
	out = append(out, member{"enum", values}, member{"title", c.class.name})
	if kind := commonType(values); kind != "" {
		out = append(out, member{"type", kind})
	}
	return out, true
}

// addValue leaves out aliases: two members with one value are one.
func addValue(values []any, v any) []any {
	for _, known := range values {
		if same(known, v) {
			return values
		}
	}
	return append(values, v)
}

// enumMembers lists names and JSON values; ok is false where one is computed.
func (t *typer) enumMembers(c target) ([]member, bool) {
	kind := t.kindOf(c, 0)
	if kind != classEnum && kind != classFlag {
		return nil, false
	}
	var out []member
	at := inFile(c.file, nil)
	last := json.Number("0")
	for _, s := range c.class.body {
		if s.kind != stmtAssign || s.annotation != nil || s.value == nil {
			continue
		}
		for _, target := range s.targets {
			if target.kind != exprName || strings.HasPrefix(target.text, "_") {
				continue
			}
			value, ok := any(nil), false
			if s.value.kind == exprCall && t.callee(at, s.value) == "enum.auto" {
				value, ok = t.autoValue(c, target.text, last, kind)
			} else {
				value, ok = t.value(at, s.value)
			}
			if !ok || value == ellipsis {
				return nil, false
			}
			if n, isNumber := value.(json.Number); isNumber {
				last = n
			}
			out = append(out, member{target.text, value})
		}
	}
	return out, true
}

// autoValue is what enum.auto() gives: the next number, the next bit, or in a
// StrEnum the name.
func (t *typer) autoValue(c target, name string, last json.Number, kind classKind) (any, bool) {
	for _, base := range c.class.bases {
		if d := dottedName(base); d != nil && d[len(d)-1] == "StrEnum" {
			return strings.ToLower(name), true
		}
	}
	for _, s := range c.class.body {
		if s.kind == stmtFunction && s.name == "_generate_next_value_" {
			return nil, false
		}
	}
	n, err := last.Int64()
	if err != nil {
		return nil, false
	}
	if kind == classFlag {
		bit := int64(1)
		for bit <= n {
			bit *= 2
		}
		return json.Number(strconv.FormatInt(bit, 10)), true
	}
	return json.Number(strconv.FormatInt(n+1, 10)), true
}
