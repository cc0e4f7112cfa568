package discover

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// ellipsisType is the value of ..., which pydantic reads as "no default".
type ellipsisType struct{}

var ellipsis = ellipsisType{}

// value is what a default becomes in JSON: literals, members of enums, and the
// constructors of the plain types (date(2024, 1, 2), Path("x")). ok is false for
// what only running the code would tell.
func (t *typer) value(at where, e *expr) (any, bool) {
	if t.depth++; t.depth > maxTypeDepth {
		t.depth--
		return nil, false
	}
	defer func() { t.depth-- }()
	switch e.kind {
	case exprConstant:
		if e.text == "..." {
			return ellipsis, true
		}
	case exprName:
		return t.constant(at, []string{e.text})
	case exprAttribute:
		return t.constant(at, dottedName(e))
	case exprCall:
		return t.constructed(at, e)
	case exprList, exprTuple, exprSet:
		return t.valueList(at, e.args)
	case exprDict:
		return t.valueDict(at, e)
	}
	value, ok := at.literal(e)
	if !ok {
		return nil, false
	}
	return jsonDefault(value)
}

func (t *typer) valueList(at where, items []*expr) (any, bool) {
	out := make([]any, 0, len(items))
	for _, item := range items {
		value, ok := t.value(at, item)
		if !ok || value == ellipsis {
			return nil, false
		}
		out = append(out, value)
	}
	return out, true
}

func (t *typer) valueDict(at where, e *expr) (any, bool) {
	out := object{}
	for i := 0; i+1 < len(e.args); i += 2 {
		if e.args[i] == nil {
			return nil, false
		}
		key, ok := t.value(at, e.args[i])
		value, ok2 := t.value(at, e.args[i+1])
		if !ok || !ok2 || value == ellipsis {
			return nil, false
		}
		name, ok := jsonKey(key)
		if !ok {
			return nil, false
		}
		out = out.with(name, value)
	}
	return out, true
}

// jsonDefault is a literal's value as pydantic writes it: bytes as text, sets as
// lists.
func jsonDefault(v any) (any, bool) {
	switch v := v.(type) {
	case pyBytes:
		return string(v), utf8.ValidString(string(v))
	case float64:
		return v, !math.IsInf(v, 0) && !math.IsNaN(v)
	case []any:
		return jsonDefaults(v)
	case pyTuple:
		return jsonDefaults(v)
	case pySet:
		return jsonDefaults(v)
	case pyDict:
		out := object{}
		for _, item := range v {
			key, ok := jsonKey(item.key)
			value, ok2 := jsonDefault(item.value)
			if !ok || !ok2 {
				return nil, false
			}
			out = out.with(key, value)
		}
		return out, true
	}
	return v, true
}

func jsonDefaults(items []any) (any, bool) {
	out := make([]any, 0, len(items))
	for _, item := range items {
		value, ok := jsonDefault(item)
		if !ok {
			return nil, false
		}
		out = append(out, value)
	}
	return out, true
}

// constant follows a name to its one assignment, here or in a module of the
// project, or to a member of an enum.
func (t *typer) constant(at where, d []string) (any, bool) {
	if len(d) == 0 {
		return nil, false
	}
	if len(d) > 1 {
		owner := at.file.project.lookup(at.file, d[:len(d)-1], 0)
		if owner.class != nil {
			return t.enumValue(owner, d[len(d)-1])
		}
	}
	if len(d) == 1 && at.file.scope.bound[d[0]] > 1 {
		return nil, false
	}
	found := at.file.project.lookup(at.file, d, 0)
	if found.alias == nil {
		return nil, false
	}
	return t.value(inFile(found.file, nil), found.alias)
}

// enumValue is the value of a member, or of member.value's owner.
func (t *typer) enumValue(owner target, name string) (any, bool) {
	members, ok := t.enumMembers(owner)
	if !ok {
		return nil, false
	}
	for _, m := range members {
		if m.key == name {
			return m.value, true
		}
	}
	return nil, false
}

// constructed evaluates a call of one of the plain types with literal arguments.
func (t *typer) constructed(at where, e *expr) (any, bool) {
	args := make([]any, 0, len(e.args))
	for _, a := range e.args[1:] {
		value, ok := t.value(at, a)
		if !ok {
			return nil, false
		}
		args = append(args, value)
	}
	named := object{}
	for _, k := range e.keywords {
		value, ok := t.value(at, k.value)
		if !ok || k.name == "" {
			return nil, false
		}
		named = named.with(k.name, value)
	}
	switch name := t.callee(at, e); name {
	case "pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "uuid.UUID", "decimal.Decimal":
		return oneArgument(name, args, named)
	case "datetime.date", "datetime.datetime", "datetime.time":
		return instant(name, args, named)
	case "datetime.timedelta":
		return duration(args, named)
	case "builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset":
		return []any{}, len(args)+len(named) == 0
	case "builtins.dict":
		return named, len(args) == 0
	case "builtins.str":
		return "", len(args)+len(named) == 0
	}
	return nil, false
}

// oneArgument reads Path("x"), UUID("…"), Decimal("1.5") and Decimal(2).
func oneArgument(name string, args []any, named object) (any, bool) {
	if len(named) > 0 || len(args) > 1 {
		return nil, false
	}
	if len(args) == 0 {
		return ".", strings.HasPrefix(name, "pathlib.")
	}
	switch arg := args[0].(type) {
	case string:
		if name == "uuid.UUID" && len(arg) != 36 || arg == "" {
			return nil, false
		}
		if strings.HasPrefix(name, "pathlib.") {
			return cleanPath(arg), true
		}
		return arg, true
	case json.Number:
		return string(arg), name == "decimal.Decimal"
	}
	return nil, false
}

// cleanPath drops what pathlib drops: doubled and trailing slashes and dots.
func cleanPath(p string) string {
	var parts []string
	for _, part := range strings.Split(p, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	joined := strings.Join(parts, "/")
	if strings.HasPrefix(p, "/") {
		return "/" + joined
	}
	if joined == "" {
		return "."
	}
	return joined
}

// instant is a date or time in ISO form. Sub-second parts and zones are left to
// Python.
func instant(name string, args []any, named object) (any, bool) {
	fields := []string{"year", "month", "day", "hour", "minute", "second"}
	least, most := 3, 6
	switch name {
	case "datetime.date":
		most = 3
	case "datetime.time":
		fields, least, most = fields[3:], 0, 3
	}
	n, ok := numbers(fields[:most], args, named)
	if !ok || len(args)+len(named) < least {
		return nil, false
	}
	switch name {
	case "datetime.date":
		return fmt.Sprintf("%04d-%02d-%02d", n[0], n[1], n[2]), validDate(n)
	case "datetime.time":
		return fmt.Sprintf("%02d:%02d:%02d", n[0], n[1], n[2]), validClock(n)
	}
	text := fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d", n[0], n[1], n[2], n[3], n[4], n[5])
	return text, validDate(n) && validClock(n[3:])
}

func validDate(n []int64) bool {
	d := time.Date(int(n[0]), time.Month(n[1]), int(n[2]), 0, 0, 0, 0, time.UTC)
	return n[0] >= 1 && n[0] <= 9999 && int64(d.Month()) == n[1] && int64(d.Day()) == n[2]
}

func validClock(n []int64) bool {
	return n[0] >= 0 && n[0] < 24 && n[1] >= 0 && n[1] < 60 && n[2] >= 0 && n[2] < 60
}

// numbers are the integer arguments in the order of fields.
func numbers(fields []string, args []any, named object) ([]int64, bool) {
	out := make([]int64, len(fields))
	if len(args) > len(fields) {
		return nil, false
	}
	known := 0
	for i, field := range fields {
		value, ok := named.get(field)
		if ok {
			known++
		} else if i < len(args) {
			value, ok = args[i], true
		}
		if !ok {
			continue
		}
		n, isNumber := value.(json.Number)
		parsed, err := n.Int64()
		if !isNumber || err != nil {
			return nil, false
		}
		out[i] = parsed
	}
	return out, known == len(named)
}

// duration is a timedelta of whole numbers in ISO 8601, as pydantic writes it.
func duration(args []any, named object) (any, bool) {
	fields := []string{"days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"}
	n, ok := numbers(fields, args, named)
	if !ok || n[2] != 0 || n[3] != 0 {
		return nil, false
	}
	for _, v := range n {
		if v < 0 || v > 1e9 {
			return nil, false
		}
	}
	total := n[0]*86400 + n[1] + n[4]*60 + n[5]*3600 + n[6]*7*86400
	days, rest := total/86400, total%86400
	var b strings.Builder
	b.WriteString("P")
	if days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	if rest > 0 || days == 0 {
		b.WriteString("T")
	}
	for _, unit := range [...]struct {
		size int64
		mark string
	}{{3600, "H"}, {60, "M"}, {1, "S"}} {
		if rest >= unit.size || unit.mark == "S" && total == 0 {
			fmt.Fprintf(&b, "%d%s", rest/unit.size, unit.mark)
			rest %= unit.size
		}
	}
	return b.String(), true
}
