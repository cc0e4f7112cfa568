package discover

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The values of Python literals are nil, bool, json.Number (an int of any
// size), float64, string, []any (a list), and these.
type (
	pyBytes string
	pyTuple []any
	pySet   []any
	pyDict  []pyItem
	pyItem  struct{ key, value any }
)

// maxLiteral bounds how deep a literal or a chain of constants is followed.
const maxLiteral = 200

// constants looks up a name that the file binds once, to a literal. It may be
// nil.
type constants func(name string) *expr

// literal evaluates e without running anything: what ast.literal_eval takes,
// and names that known resolves. ok is false for everything else.
func (m *module) literal(e *expr, known constants) (value any, ok bool) {
	return (&evaluator{m: m, known: known}).eval(e)
}

type evaluator struct {
	m     *module
	known constants
	depth int
}

func (v *evaluator) eval(e *expr) (any, bool) {
	if e == nil || v.depth > maxLiteral {
		return nil, false
	}
	v.depth++
	defer func() { v.depth-- }()
	switch e.kind {
	case exprConstant:
		return constantValue(e.text)
	case exprNumber:
		return numberValue(e.text)
	case exprString:
		return v.m.stringValue(e)
	case exprUnary:
		return v.unary(e)
	case exprList, exprTuple, exprSet:
		return v.sequence(e)
	case exprDict:
		return v.dict(e)
	case exprName:
		if v.known != nil {
			return v.eval(v.known(e.text))
		}
	case exprCall:
		if e.args[0].kind == exprName && e.args[0].text == "set" && len(e.args) == 1 && len(e.keywords) == 0 {
			return pySet{}, true // the only call that literal_eval takes
		}
	case exprBinary:
		return v.sum(e)
	}
	return nil, false
}

// constantValue leaves ... out: it is no JSON.
func constantValue(text string) (any, bool) {
	switch text {
	case "True":
		return true, true
	case "False":
		return false, true
	case "None":
		return nil, true
	}
	return nil, false
}

// numberValue reads a numeric literal. Complex numbers have no JSON.
func numberValue(text string) (any, bool) {
	text = strings.ReplaceAll(text, "_", "")
	if !strings.HasPrefix(text, "0x") && !strings.HasPrefix(text, "0X") {
		if strings.ContainsAny(text, "jJ") {
			return nil, false
		}
		if strings.ContainsAny(text, ".eE") {
			f, err := strconv.ParseFloat(text, 64)
			return f, err == nil || math.IsInf(f, 0)
		}
	}
	if strings.Trim(text, "0") == "" {
		return json.Number("0"), true
	}
	n, ok := new(big.Int).SetString(text, 0)
	if !ok {
		return nil, false
	}
	return json.Number(n.String()), true
}

// unary is a signed number.
func (v *evaluator) unary(e *expr) (any, bool) {
	if e.text != "-" && e.text != "+" {
		return nil, false
	}
	if k := e.args[0].kind; k != exprNumber && (k != exprName || v.known == nil) {
		return nil, false // literal_eval takes a sign before a number alone
	}
	value, ok := v.eval(e.args[0])
	if !ok {
		return nil, false
	}
	switch n := value.(type) {
	case json.Number:
		if e.text == "-" {
			return negate(n), true
		}
		return n, true
	case float64:
		if e.text == "-" {
			return -n, true
		}
		return n, true
	}
	return nil, false
}

func negate(n json.Number) json.Number {
	if n == "0" {
		return n
	}
	if rest, ok := strings.CutPrefix(string(n), "-"); ok {
		return json.Number(rest)
	}
	return "-" + n
}

// sequence evaluates all items, or fails.
func (v *evaluator) sequence(e *expr) (any, bool) {
	items := make([]any, 0, len(e.args))
	for _, arg := range e.args {
		item, ok := v.eval(arg)
		if !ok {
			return nil, false
		}
		items = append(items, item)
	}
	switch e.kind {
	case exprTuple:
		return pyTuple(items), true
	case exprSet:
		return pySet(items), true
	}
	return items, true
}

// dict evaluates a display; a **spread makes it no literal.
func (v *evaluator) dict(e *expr) (any, bool) {
	out := make(pyDict, 0, len(e.args)/2)
	for i := 0; i+1 < len(e.args); i += 2 {
		key, ok := v.eval(e.args[i])
		value, ok2 := v.eval(e.args[i+1])
		if !ok || !ok2 || !hashable(key) {
			return nil, false
		}
		out = out.set(key, value)
	}
	return out, true
}

// hashable leaves tuples out too: as a key they have no JSON.
func hashable(v any) bool {
	switch v.(type) {
	case []any, pySet, pyDict, pyTuple:
		return false
	}
	return true
}

// set keeps the place of a key that comes again, as a Python dict does.
func (d pyDict) set(key, value any) pyDict {
	for i := range d {
		if d[i].key == key {
			d[i].value = value
			return d
		}
	}
	return append(d, pyItem{key, value})
}

// sum joins constants: "a" + B, 24 * 3600. literal_eval takes neither, so only
// a name lookup allows it.
func (v *evaluator) sum(e *expr) (any, bool) {
	if v.known == nil {
		return nil, false
	}
	total, ok := v.eval(e.args[0])
	for i, arg := range e.args[1:] {
		next, ok2 := v.eval(arg)
		if !ok || !ok2 {
			return nil, false
		}
		total, ok = combine(e.text[i], total, next)
	}
	return total, ok
}

// combine adds strings and does sums of integers, of bounded size: a default is no
// reason to compute for long.
func combine(op byte, a, b any) (any, bool) {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok && op == '+' {
			return a + b, true
		}
	case json.Number:
		x, ok := new(big.Int).SetString(string(a), 10)
		n, isInt := b.(json.Number)
		y, ok2 := new(big.Int).SetString(string(n), 10)
		if !ok || !isInt || !ok2 || x.BitLen()+y.BitLen() > 1024 {
			return nil, false
		}
		switch op {
		case '+':
			return json.Number(x.Add(x, y).String()), true
		case '-':
			return json.Number(x.Sub(x, y).String()), true
		case '*':
			return json.Number(x.Mul(x, y).String()), true
		}
	}
	return nil, false
}

// stringValue joins the literals of e. Names in \N{…} are not looked up, and a
// lone surrogate has no UTF-8, so a string with either is no literal to us.
func (m *module) stringValue(e *expr) (any, bool) {
	var b strings.Builder
	bytes := false
	for _, t := range m.toks[e.tok:e.tokEnd] {
		literal := m.text[t.start:t.end]
		prefix := stringPrefix(literal)
		body := literal[len(prefix):]
		if len(body) >= 6 && body[0] == body[1] && body[1] == body[2] {
			body = body[3 : len(body)-3]
		} else {
			body = body[1 : len(body)-1]
		}
		bytes = hasByte(prefix, 'b')
		if hasByte(prefix, 'r') || strings.IndexByte(body, '\\') < 0 {
			b.WriteString(body)
		} else if !unescape(&b, body, bytes) {
			return nil, false
		}
	}
	if bytes {
		return pyBytes(b.String()), true
	}
	return b.String(), true
}

var simpleEscapes = map[byte]string{
	'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b",
	'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// unescape writes what the escapes of a string stand for. Unknown escapes stay as
// they are, with a warning in Python.
func unescape(b *strings.Builder, s string, bytes bool) bool {
	for len(s) > 0 {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			b.WriteString(s)
			return true
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		if plain, ok := simpleEscapes[c]; ok {
			b.WriteString(plain)
			continue
		}
		n := 0
		switch {
		case '0' <= c && c <= '7':
			s = octal(b, c, s, bytes)
			continue
		case c == 'x':
			n = 2
		case c == 'u' && !bytes:
			n = 4
		case c == 'U' && !bytes:
			n = 8
		case c == 'N' && !bytes:
			return false
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
			continue
		}
		code, err := strconv.ParseUint(s[:min(n, len(s))], 16, 32)
		if err != nil || !writeCode(b, code, bytes) {
			return false
		}
		s = s[n:]
	}
	return true
}

// octal reads up to two more octal digits.
func octal(b *strings.Builder, first byte, s string, bytes bool) string {
	code := uint64(first - '0')
	for range 2 {
		if s == "" || s[0] < '0' || s[0] > '7' {
			break
		}
		code = code*8 + uint64(s[0]-'0')
		s = s[1:]
	}
	writeCode(b, code, bytes)
	return s
}

// writeCode refuses lone surrogates, which UTF-8 cannot hold.
func writeCode(b *strings.Builder, code uint64, bytes bool) bool {
	if bytes {
		b.WriteByte(byte(code))
		return true
	}
	if code > utf8.MaxRune || 0xD800 <= code && code < 0xE000 {
		return false
	}
	b.WriteRune(rune(code))
	return true
}

// jsonValue is v as Python's json.dumps writes it; ok is false for what it
// refuses (bytes, sets), and for the infinities, which are no JSON.
func jsonValue(v any) (any, bool) {
	switch v := v.(type) {
	case nil, bool, string, json.Number:
		return v, true
	case float64:
		return v, !math.IsInf(v, 0) && !math.IsNaN(v)
	case []any:
		return jsonList(v)
	case pyTuple:
		return jsonList(v)
	case pyDict:
		out := make(object, 0, len(v))
		for _, item := range v {
			key, ok := jsonKey(item.key)
			value, ok2 := jsonValue(item.value)
			if !ok || !ok2 {
				return nil, false
			}
			out = out.with(key, value)
		}
		return out, true
	}
	return nil, false
}

func jsonList(items []any) (any, bool) {
	out := make([]any, 0, len(items))
	for _, item := range items {
		value, ok := jsonValue(item)
		if !ok {
			return nil, false
		}
		out = append(out, value)
	}
	return out, true
}

func jsonKey(key any) (string, bool) {
	switch key := key.(type) {
	case string:
		return key, true
	case json.Number:
		return string(key), true
	case bool:
		return strconv.FormatBool(key), true
	case nil:
		return "null", true
	case float64:
		return strconv.FormatFloat(key, 'g', -1, 64), true
	}
	return "", false
}
