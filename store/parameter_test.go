package store

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

var parameterSchema = func() ParameterSchema {
	p, err := ParseParameterSchema(raw(`{
		"properties": {
			"count":   {"type": "integer", "position": 0},
			"ratio":   {"type": "number", "position": 1, "default": 0.5},
			"name":    {"type": "string", "position": 2},
			"on":      {"type": "boolean", "position": 3},
			"since":   {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": null, "position": 4},
			"at":      {"type": "string", "format": "date-time", "position": 5},
			"clock":   {"type": "string", "format": "time", "position": 6},
			"key":     {"type": "string", "format": "uuid", "position": 7},
			"level":   {"enum": ["low", "high"], "position": 8},
			"mixed":   {"enum": [1, "one"], "position": 9},
			"union":   {"anyOf": [{"type": "integer"}, {"type": "string"}], "position": 10},
			"any":     {"position": 11},
			"list":    {"type": "array", "items": {"type": "integer"}, "position": 12},
			"map":     {"type": "object", "additionalProperties": {"type": "number"}, "position": 13},
			"colour":  {"$ref": "#/$defs/Colour", "position": 14},
			"point":   {"$ref": "#/$defs/Point", "position": 15},
			"loop":    {"$ref": "#/$defs/Loop", "position": 16},
			"maybe":   {"type": ["string", "null"], "position": 17},
			"both":    {"type": ["integer", "boolean"], "position": 18},
			"one":     {"const": "x", "position": 19},
			"wrapped": {"allOf": [{"$ref": "#/$defs/Colour"}], "default": "red", "position": 20}
		},
		"required": ["count", "name"],
		"$defs": {
			"Colour": {"enum": ["red", "blue"], "title": "Colour"},
			"Point":  {"type": "object", "title": "Point", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
			"Loop":   {"$ref": "#/$defs/Loop"}
		}
	}`))
	if err != nil {
		panic(err)
	}
	return p
}()

func TestAParameterIsReadAsItsTypeWants(t *testing.T) {
	for arg, want := range map[string]string{
		"count=3":          `3`,
		"count=three":      `"three"`, // for Validate to judge
		"ratio=1e3":        `1e3`,
		"name=3":           `"3"`, // a string is wanted
		"name=":            `""`,
		"name=a=b":         `"a=b"`,
		"name=<&>":         `"<&>"`,
		"name:=null":       `null`,
		`name:="x"`:        `"x"`,
		"on=true":          `true`,
		"since=2026-12-31": `"2026-12-31"`,
		"since=2026":       `"2026"`, // null is the only other
		"since:=null":      `null`,
		"level=low":        `"low"`,
		"mixed=1":          `1`,
		"mixed=one":        `"one"`,
		"union=5":          `5`,
		"union=five":       `"five"`,
		"any=[1, 2]":       `[1, 2]`,
		"any=text":         `"text"`,
		"any={":            `"{"`,
		"list=[1]":         `[1]`,
		"colour=red":       `"red"`,
		"wrapped=red":      `"red"`,
		"maybe=7":          `"7"`,
		"both=7":           `7`,
		"one=x":            `"x"`,
		"loop=1":           `1`,
		"unknown=1":        `1`,
	} {
		name, value, err := parameterSchema.Parse(arg)
		if err != nil || string(value) != want || !strings.HasPrefix(arg, name) {
			t.Errorf("%s is read as %q: %s (%v), want %s", arg, name, value, err, want)
		}
	}
	for arg, want := range map[string]string{
		"count": `"count" is no parameter: name=value is wanted`, "=3": `"=3" is no parameter`, ":=3": `":=3" is no parameter`,
		"any:=x": `parameter "any": x is not JSON`,
	} {
		if _, _, err := parameterSchema.Parse(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", arg, err, want)
		}
	}
}

func TestGoodValuesPass(t *testing.T) {
	for name, values := range map[string][]string{
		"count": {"3", "-1", "3.0"}, "ratio": {"1", "0.5"}, "name": {`""`, `"ä"`}, "on": {"true"},
		"since": {"null", `"2026-02-28"`},
		"at":    {`"2026-12-31T08:00:00Z"`, `"2026-12-31T08:00:00.123+02:00"`, `"2026-12-31T08:00"`, `"2026-12-31 08:00:00"`, `"2026-12-31"`},
		"clock": {`"08:00"`, `"08:00:00"`}, "key": {`"0198c0de-0000-7000-8000-000000000000"`},
		"level": {`"low"`}, "mixed": {"1", `"one"`}, "union": {"1", `"1"`}, "any": {"null", "[1]", `{"a":1}`},
		"list": {"[]", "[1,2]"}, "map": {"{}", `{"a":1.5}`}, "colour": {`"red"`}, "point": {`{"x":1}`}, "maybe": {"null", `"x"`},
		"both": {"1", "true"}, "one": {`"x"`}, "wrapped": {`"blue"`},
	} {
		for _, value := range values {
			must(t, parameterSchema.Validate(Values{name: raw(value)}, false))
		}
	}
}

// The text of what is refused: the parameter, the value, and what is wanted.
func TestWhatIsRefusedIsSaidInWords(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"count", `"three"`, `parameter "count": "three" is not an integer`},
		{"count", `1.5`, `parameter "count": 1.5 is not an integer`},
		{"count", `null`, `parameter "count": null is not an integer`},
		{"count", `{`, `parameter "count": { is not JSON`},
		{"ratio", `"x"`, `parameter "ratio": "x" is not a number`},
		{"name", `3`, `parameter "name": 3 is not a string`},
		{"on", `"yes"`, `parameter "on": "yes" is not a boolean (true or false)`},
		{"since", `"2026-02-30"`, `parameter "since": "2026-02-30" is not a date (2026-12-31) or null`},
		{"since", `3`, `parameter "since": 3 is not a date (2026-12-31) or null`},
		{"at", `"tomorrow"`, `parameter "at": "tomorrow" is not a date and time (2026-12-31T08:00)`},
		{"clock", `"25:00"`, `parameter "clock": "25:00" is not a time (08:00:00)`},
		{"key", `"k"`, `parameter "key": "k" is not a UUID`},
		{"level", `"mid"`, `parameter "level": "mid" is not one of "low", "high"`},
		{"mixed", `2`, `parameter "mixed": 2 is not one of 1, "one"`},
		{"union", `[1]`, `parameter "union": [1] is not an integer or a string`},
		{"list", `["a"]`, `parameter "list": ["a"] is not a list, each of it an integer`},
		{"map", `{"a":"b"}`, `parameter "map": {"a":"b"} is not an object`},
		{"colour", `"green"`, `parameter "colour": "green" is not one of "red", "blue"`},
		{"point", `{"y":1}`, `parameter "point": {"y":1} is not an object (Point)`},
		{"maybe", `3`, `parameter "maybe": 3 is not a string or null`},
		{"both", `"x"`, `parameter "both": "x" is not an integer or a boolean (true or false)`},
		{"one", `"y"`, `parameter "one": "y" is not "x"`},
		{"wrapped", `"green"`, `parameter "wrapped": "green" is not a valid value`},
		{"name", `[` + strings.Repeat("1,", 100) + `1]`, `parameter "name": [` + strings.Repeat("1,", 59) + `1… is not a string`},
	} {
		err := parameterSchema.Validate(Values{c.name: raw(c.value)}, false)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s=%s: %v\nwant %s", c.name, c.value, err, c.want)
		}
	}
}

func TestWhatIsUnknownOrMissingIsNamed(t *testing.T) {
	err := parameterSchema.Validate(Values{"cuont": raw("1")}, true)
	wantError(t, err, Invalid, `no parameter "cuont"`, `did you mean "count"?`, "the parameters are: count, ratio, name, on, since")
	err = parameterSchema.Validate(Values{}, true)
	wantError(t, err, Invalid, `parameter "count" is missing: it has no default; parameter "name" is missing`,
		"give it: --param count=…  (an integer)", "give it: --param name=…  (a string)")
	must(t, parameterSchema.Validate(Values{}, false))
	err = parameterSchema.Validate(Values{"count": raw(`"a"`), "ratio": raw(`"b"`)}, true)
	wantError(t, err, Invalid, `"count": "a"`, `"ratio": "b"`, `"name" is missing`) // all at once
	wantError(t, ParameterSchema{}.Validate(Values{"x": raw("1")}, true), Invalid, `no parameter "x"`, "the flow declares no parameters")
}

func TestASchemaThatIsNotEnforcedChecksNothing(t *testing.T) {
	schema := raw(`{"properties":{"a":{"type":"integer"}},"required":["a"]}`)
	must(t, checkParameters(schema, false, Values{"b": raw("1")}))
	var e *Error
	if err := checkParameters(schema, true, Values{"b": raw("1")}); !errors.As(err, &e) {
		t.Errorf("error %v", err)
	}
}

func TestTheSchemaTellsNamesDefaultsAndWords(t *testing.T) {
	if got := parameterSchema.Names()[:3]; !slices.Equal(got, []string{"count", "ratio", "name"}) {
		t.Errorf("names %v", got)
	}
	if got := parameterSchema.Defaults().text(); got != `{"ratio":0.5,"since":null,"wrapped":"red"}` {
		t.Errorf("defaults %s", got)
	}
	if !parameterSchema.Requires("count") || parameterSchema.Requires("ratio") {
		t.Error("required")
	}
	for name, want := range map[string]string{"loop": "a valid value", "any": "a valid value", "point": "an object (Point)"} {
		if got := parameterSchema.Describe(name); got != want {
			t.Errorf("%s wants %q, want %q", name, got, want)
		}
	}
}

func TestValuesAreAnObject(t *testing.T) {
	for text, want := range map[string]string{"": "{}", " ": "{}", "null": "{}", `{"b":1,"a":[ 1 ]}`: `{"a":[1],"b":1}`, `{"a":"<"}`: `{"a":"<"}`} {
		v, err := ParseValues([]byte(text))
		must(t, err)
		if got := v.text(); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"[]", "3", "{"} {
		if _, err := ParseValues([]byte(text)); err == nil {
			t.Errorf("%s was read as an object", text)
		}
	}
	lower := Values{"a": raw("1"), "b": raw("1")}
	if got := lower.Over(Values{"b": raw("2")}).text(); got != `{"a":1,"b":2}` {
		t.Error(got)
	}
	if got := lower.text(); got != `{"a":1,"b":1}` {
		t.Errorf("laying over changed the lower values: %s", got)
	}
	if got := Values(nil).Over(nil); got == nil {
		t.Error("nothing over nothing is not nil")
	}
	if b, _ := json.Marshal(Values{}); string(b) != "{}" {
		t.Error(string(b))
	}
}
