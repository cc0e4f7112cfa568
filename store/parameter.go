package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/google/uuid"
)

// Values maps names to JSON: parameters, or job variables.
type Values map[string]json.RawMessage

// text is the canonical JSON of the values: sorted keys, {} where there are none.
func (v Values) text() string {
	if v == nil {
		v = Values{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// Only a value that is not JSON, which no way in lets through.
		panic(fmt.Sprintf("values: %v", err))
	}
	return strings.TrimSpace(b.String())
}

// ParseValues reads a JSON object; nothing, or null, is no values.
func ParseValues(b []byte) (Values, error) {
	v := Values{}
	if len(bytes.TrimSpace(b)) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("read a JSON object: %w", err)
	}
	if v == nil {
		v = Values{}
	}
	return v, nil
}

// Over gives the values with those of upper in place of the same names.
func (v Values) Over(upper Values) Values {
	merged := maps.Clone(v)
	if merged == nil {
		merged = Values{}
	}
	maps.Copy(merged, upper)
	return merged
}

// ParameterSchema is what discovery made of a signature: a JSON Schema object.
type ParameterSchema struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Defs       json.RawMessage            `json:"$defs,omitempty"`
}

// ParseParameterSchema reads a deployment's parameter schema.
func ParseParameterSchema(b []byte) (p ParameterSchema, err error) {
	if len(b) > 0 {
		err = json.Unmarshal(b, &p)
	}
	return p, err
}

// Names lists the parameters in the order of the signature.
func (p ParameterSchema) Names() []string {
	position := func(name string) int {
		var property struct{ Position int }
		if json.Unmarshal(p.Properties[name], &property) != nil {
			return len(p.Properties)
		}
		return property.Position
	}
	names := slices.Sorted(maps.Keys(p.Properties))
	slices.SortStableFunc(names, func(a, b string) int { return position(a) - position(b) })
	return names
}

// Requires is true where a parameter has no default.
func (p ParameterSchema) Requires(name string) bool { return slices.Contains(p.Required, name) }

// Describe says in words what a parameter wants: "an integer", "a date or null".
func (p ParameterSchema) Describe(name string) string { return p.describe(p.Properties[name], 0) }

// Defaults gives the default of each parameter that declares one.
func (p ParameterSchema) Defaults() Values {
	defaults := Values{}
	for name, raw := range p.Properties {
		var property struct {
			Default json.RawMessage `json:"default"`
		}
		if json.Unmarshal(raw, &property) == nil && property.Default != nil {
			defaults[name] = property.Default
		}
	}
	return defaults
}

// Parse reads one "name=value" or "name:=JSON" of a command line. Where the
// schema wants a string the text is the value; otherwise it is read as JSON,
// and text that is not JSON stays a string for Validate to judge.
func (p ParameterSchema) Parse(arg string) (name string, value json.RawMessage, err error) {
	name, text, found := strings.Cut(arg, "=")
	if !found || strings.TrimSuffix(name, ":") == "" {
		e := invalid("%q is no parameter: name=value is wanted", arg)
		e.Hint = []string{"for JSON whatever the type: name:=JSON"}
		return "", nil, e
	}
	if plain, isJSON := strings.CutSuffix(name, ":"); isJSON {
		if !json.Valid([]byte(text)) {
			return "", nil, invalid("parameter %q: %s is not JSON", plain, text)
		}
		return plain, json.RawMessage(text), nil
	}
	if !p.wantsString(p.Properties[name], 0) && json.Valid([]byte(text)) {
		return name, json.RawMessage(text), nil
	}
	return name, quoteJSON(text), nil
}

// quoteJSON writes text as a JSON string, without escaping <, > and &.
func quoteJSON(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	// A string always encodes.
	_ = enc.Encode(s)
	return bytes.TrimSpace(b.Bytes())
}

// maxRefs bounds how deep a schema may point at itself.
const maxRefs = 16

// wantsString is true where every alternative but null is a string.
func (p ParameterSchema) wantsString(raw json.RawMessage, depth int) bool {
	var s struct {
		Type  json.RawMessage
		AnyOf []json.RawMessage `json:"anyOf"`
		AllOf []json.RawMessage `json:"allOf"`
		Enum  []any
		Const any
		Ref   string `json:"$ref"`
	}
	if depth > maxRefs || json.Unmarshal(raw, &s) != nil {
		return false
	}
	if s.Ref != "" {
		return p.wantsString(p.definition(s.Ref), depth+1)
	}
	if text, ok := s.Const.(string); ok && text != "" {
		return true
	}
	if len(s.Enum) > 0 {
		return !slices.ContainsFunc(s.Enum, func(v any) bool { _, text := v.(string); return !text && v != nil })
	}
	strings := 0
	for _, alternative := range append(s.AnyOf, s.AllOf...) {
		if string(alternative) == `{"type":"null"}` || isNull(alternative) {
			continue
		}
		if !p.wantsString(alternative, depth+1) {
			return false
		}
		strings++
	}
	return strings > 0 || slices.Equal(withoutNull(s.Type), []string{"string"})
}

func isNull(raw json.RawMessage) bool {
	var s struct{ Type string }
	return json.Unmarshal(raw, &s) == nil && s.Type == "null"
}

// typesOf reads a schema's "type": a word, or a list of them.
func typesOf(raw json.RawMessage) (types []string) {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	if json.Unmarshal(raw, &types) != nil {
		return nil
	}
	return types
}

func withoutNull(raw json.RawMessage) []string {
	return slices.DeleteFunc(typesOf(raw), func(t string) bool { return t == "null" })
}

func (p ParameterSchema) definition(ref string) json.RawMessage {
	defs := map[string]json.RawMessage{}
	if json.Unmarshal(p.Defs, &defs) != nil {
		return nil
	}
	return defs[strings.TrimPrefix(ref, "#/$defs/")]
}

// Validate checks values against the schema: unknown names, wrong types, and
// with complete also what is missing. The error names the parameter, the
// value and the type that is wanted.
func (p ParameterSchema) Validate(values Values, complete bool) error {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, known := p.Properties[name]; !known {
			return p.unknown(name)
		}
		if problem := p.check(name, values[name]); problem != "" {
			problems = append(problems, problem)
		}
	}
	var hints []string
	for _, name := range p.Required {
		if _, given := values[name]; !given && complete {
			problems = append(problems, fmt.Sprintf("parameter %q is missing: it has no default", name))
			hints = append(hints, fmt.Sprintf("give it: --param %s=…  (%s)", Quote(name), p.describe(p.Properties[name], 0)))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Message: strings.Join(problems, "; "), Hint: hints}
}

func (p ParameterSchema) unknown(name string) error {
	names := p.Names()
	e := invalid("no parameter %q", name)
	if near := Nearest(name, names); near != "" {
		e.Hint = append(e.Hint, fmt.Sprintf("did you mean %q?", near))
	}
	if len(names) == 0 {
		e.Hint = append(e.Hint, "the flow declares no parameters")
	} else {
		e.Hint = append(e.Hint, "the parameters are: "+strings.Join(names, ", "))
	}
	return e
}

// check gives what is wrong with one value, or "".
func (p ParameterSchema) check(name string, value json.RawMessage) string {
	var instance any
	if err := json.Unmarshal(value, &instance); err != nil {
		return fmt.Sprintf("parameter %q: %s is not JSON", name, value)
	}
	resolved, err := p.resolve(name)
	if err != nil {
		// A schema that we cannot read checks nothing; the flow's own
		// conversion still does.
		return ""
	}
	if err := resolved.Validate(instance); err == nil && p.checkFormat(p.Properties[name], instance) {
		return ""
	}
	return fmt.Sprintf("parameter %q: %s is not %s", name, shorten(string(value)), p.describe(p.Properties[name], 0))
}

func (p ParameterSchema) resolve(name string) (*jsonschema.Resolved, error) {
	schema := &jsonschema.Schema{}
	if err := json.Unmarshal(p.Properties[name], schema); err != nil {
		return nil, err
	}
	if len(p.Defs) > 0 {
		if err := json.Unmarshal(p.Defs, &schema.Defs); err != nil {
			return nil, err
		}
	}
	return schema.Resolve(nil)
}

// formats are the string formats that are checked before a run is made. The
// library leaves formats alone, as JSON Schema allows.
var formats = map[string]func(string) bool{
	"date": func(s string) bool { return parses(s, time.DateOnly) },
	"date-time": func(s string) bool {
		return parses(s, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05Z07:00", time.DateOnly)
	},
	"time": func(s string) bool { return parses(s, "15:04:05Z07:00", "15:04:05", "15:04") },
	"uuid": func(s string) bool { return uuid.Validate(s) == nil },
}

func parses(s string, layouts ...string) bool {
	return slices.ContainsFunc(layouts, func(layout string) bool {
		_, err := time.Parse(layout, s)
		return err == nil
	})
}

// checkFormat holds a string to its format, or to one of its alternatives'.
func (p ParameterSchema) checkFormat(raw json.RawMessage, instance any) bool {
	s, isText := instance.(string)
	if !isText {
		return true
	}
	var property struct {
		Type   any
		Format string
		AnyOf  []json.RawMessage `json:"anyOf"`
	}
	if json.Unmarshal(raw, &property) != nil {
		return true
	}
	if check, known := formats[property.Format]; known {
		return check(s)
	}
	for _, alternative := range property.AnyOf {
		if p.takesText(alternative) && p.checkFormat(alternative, instance) {
			return true
		}
	}
	return len(property.AnyOf) == 0
}

// takesText is true for an alternative that could hold a string at all.
func (p ParameterSchema) takesText(raw json.RawMessage) bool {
	var s struct{ Type json.RawMessage }
	if json.Unmarshal(raw, &s) != nil {
		return false
	}
	types := typesOf(s.Type)
	return len(types) == 0 || slices.Contains(types, "string")
}

// describe says in words what a property wants: "an integer", "a date or null".
func (p ParameterSchema) describe(raw json.RawMessage, depth int) string {
	var s struct {
		Type   json.RawMessage
		Format string
		AnyOf  []json.RawMessage `json:"anyOf"`
		Enum   []json.RawMessage
		Const  json.RawMessage
		Items  json.RawMessage
		Ref    string `json:"$ref"`
		Title  string
	}
	if depth > maxRefs || json.Unmarshal(raw, &s) != nil {
		return "a valid value"
	}
	types := typesOf(s.Type)
	is := func(word string) bool { return len(types) == 1 && types[0] == word }
	switch {
	case s.Ref != "":
		return p.describe(p.definition(s.Ref), depth+1)
	case s.Const != nil:
		return string(s.Const)
	case len(s.AnyOf) > 0:
		words := make([]string, len(s.AnyOf))
		for i, alternative := range s.AnyOf {
			words[i] = p.describe(alternative, depth+1)
		}
		return strings.Join(words, " or ")
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			words[i] = string(value)
		}
		return "one of " + strings.Join(words, ", ")
	case s.Format != "":
		return describeFormat(s.Format)
	case is("array") && len(s.Items) > 2:
		return "a list, each of it " + p.describe(s.Items, depth+1)
	case is("object") && s.Title != "" && depth > 0:
		return "an object (" + s.Title + ")"
	}
	words := []string{}
	for _, t := range types {
		word, known := typeWords[t]
		if !known {
			return "a valid value"
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return "a valid value"
	}
	return strings.Join(words, " or ")
}

var typeWords = map[string]string{
	"integer": "an integer", "number": "a number", "boolean": "a boolean (true or false)",
	"string": "a string", "array": "a list", "object": "an object", "null": "null",
}

func describeFormat(format string) string {
	switch format {
	case "date":
		return "a date (2026-12-31)"
	case "date-time":
		return "a date and time (2026-12-31T08:00)"
	case "time":
		return "a time (08:00:00)"
	case "duration":
		return "a duration (PT90S)"
	case "uuid":
		return "a UUID"
	case "path", "file-path", "directory-path":
		return "a path"
	}
	return "a string (" + format + ")"
}

// shorten keeps an echoed value within a line.
func shorten(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
