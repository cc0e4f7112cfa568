package discover

import (
	"strings"
	"unicode/utf8"
)

// isStringPrefix reports whether word may stand before a quote.
func isStringPrefix(word string) bool {
	switch len(word) {
	case 1:
		return strings.ContainsAny(word, "bBuUrRfFtT")
	case 2:
		a, b := word[0]|0x20, word[1]|0x20
		return a == 'r' && (b == 'b' || b == 'f' || b == 't') || b == 'r' && (a == 'b' || a == 'f' || a == 't')
	}
	return false
}

// quoted describes one string literal while it is read.
type quoted struct {
	start  int // of the prefix
	quote  byte
	triple bool
	raw    bool
	bytes  bool
	fields bool // f or t: replacement fields
	depth  int  // how many fields are open, for the limit on nested format specs
}

// str reads a literal whose prefix starts at start; pos is at its quote.
func (l *lexer) str(start int) {
	prefix := strings.ToLower(l.src[start:l.pos])
	q := &quoted{start: start, quote: l.src[l.pos]}
	q.raw = strings.Contains(prefix, "r")
	q.bytes = strings.Contains(prefix, "b")
	q.fields = strings.ContainsAny(prefix, "ft")
	if l.peek(1) == q.quote && l.peek(2) == q.quote {
		q.triple = true
		l.pos += 3
	} else {
		l.pos++
	}
	if q.fields {
		l.fieldString(q)
	} else {
		l.plainString(q)
	}
}

// atEnd reports whether the closing quotes stand at pos.
func (l *lexer) atEnd(q *quoted) bool {
	if l.peek(0) != q.quote {
		return false
	}
	return !q.triple || l.peek(1) == q.quote && l.peek(2) == q.quote
}

func (l *lexer) skipQuotes(q *quoted) {
	l.pos++
	if q.triple {
		l.pos += 2
	}
}

func (l *lexer) failUnterminated(q *quoted) {
	switch {
	case q.triple && q.fields:
		l.fail(q.start, "unterminated triple-quoted f-string literal")
	case q.triple:
		l.fail(q.start, "unterminated triple-quoted string literal")
	case q.fields:
		l.fail(q.start, "unterminated f-string literal")
	default:
		l.fail(q.start, "unterminated string literal")
	}
}

// plainString reads up to the closing quotes. A backslash spares what follows, in
// raw strings too.
func (l *lexer) plainString(q *quoted) {
	body := l.pos
	escaped := false
	for !l.atEnd(q) {
		if l.pos >= len(l.src) || l.src[l.pos] == '\n' && !q.triple {
			l.failUnterminated(q)
			return
		}
		c := l.src[l.pos]
		if c == '\\' {
			escaped = true
			l.pos++
			if l.pos >= len(l.src) {
				l.failUnterminated(q)
				return
			}
			c = l.src[l.pos]
		}
		if q.bytes && c >= utf8.RuneSelf {
			l.fail(q.start, "bytes can only contain ASCII literal characters")
			return
		}
		l.pos++
	}
	if escaped && !q.raw {
		l.checkEscapes(body, l.pos, q.bytes)
	}
	l.skipQuotes(q)
	l.emit(tokString, q.start)
}

// checkEscapes refuses the escapes that Python cannot decode. Names in \N{…}
// are not looked up: that needs the whole Unicode name list.
func (l *lexer) checkEscapes(from, to int, bytes bool) {
	text := l.src[from:to]
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++
		n := 0
		switch {
		case text[i] == 'x':
			n = 2
		case text[i] == 'u' && !bytes:
			n = 4
		case text[i] == 'U' && !bytes:
			n = 8
		case text[i] == 'N' && !bytes:
			if end := strings.IndexByte(text[i:], '}'); i+1 >= len(text) || text[i+1] != '{' || end <= 2 {
				l.fail(from+i-1, "malformed \\N character escape")
				return
			}
		}
		if n > 0 && !hexRun(text[i+1:], n) {
			l.fail(from+i-1, "truncated \\%cXX escape", text[i])
			return
		}
		if n == 8 && (text[i+1:i+3] != "00" || text[i+3:i+5] > "10") {
			l.fail(from+i-1, "illegal Unicode character")
			return
		}
	}
}

func hexRun(s string, n int) bool {
	for i := range n {
		if i >= len(s) || !isHex(s[i]) {
			return false
		}
	}
	return true
}

// fieldString reads an f- or t-string of PEP 701: literal text with replacement
// fields, each of which holds any expression, strings with the same quotes
// included.
func (l *lexer) fieldString(q *quoted) {
	if l.strings++; l.strings >= maxStringNesting {
		l.fail(q.start, "too many nested f-strings")
		return
	}
	l.emit(tokFieldStart, q.start)
	l.fieldText(q, false)
	if l.err != nil {
		return
	}
	end := l.pos
	l.skipQuotes(q)
	l.emit(tokFieldEnd, end)
	l.strings--
}

// fieldText reads literal text and fields, up to the closing quotes, or in a
// format spec up to the brace that ends it.
func (l *lexer) fieldText(q *quoted, spec bool) {
	start := l.pos
	for l.err == nil {
		if l.pos >= len(l.src) {
			l.failUnterminated(q)
			return
		}
		switch c := l.src[l.pos]; {
		case l.atEnd(q):
			if spec {
				l.fail(l.pos, "f-string: expecting '}'")
				return
			}
			l.middle(q, start)
			return
		case c == '\n' && !q.triple:
			l.failUnterminated(q)
		case c == '\\':
			l.skipEscape(q)
		case c == '{' && l.peek(1) == '{' && !spec:
			l.pos += 2
		case c == '{':
			l.middle(q, start)
			l.field(q)
			start = l.pos
		case c == '}' && spec:
			l.middle(q, start)
			return
		case c == '}' && l.peek(1) == '}':
			l.pos += 2
		case c == '}':
			l.fail(l.pos, "f-string: single '}' is not allowed")
		default:
			l.pos++
		}
	}
}

// skipEscape steps over a backslash and what it escapes. It never escapes a
// brace; \N{DASH} is a character and no field.
func (l *lexer) skipEscape(q *quoted) {
	l.pos++
	c := l.peek(0)
	if c == '{' || c == '}' || c == 0 {
		return
	}
	if c == 'N' && l.peek(1) == '{' && !q.raw {
		if n := strings.IndexAny(l.src[l.pos:], "}\n"); n > 0 {
			l.pos += n
		}
	}
	l.pos++
}

// middle emits the text since start, if there is any.
func (l *lexer) middle(q *quoted, start int) {
	if l.pos == start {
		return
	}
	l.emit(tokFieldMiddle, start)
	if !q.raw {
		l.checkEscapes(start, l.pos, false)
	}
}

// field reads {expression!r:spec}. Inside it ! and : at the field's own level
// are its separators, so a lambda or a walrus needs parentheses, as in Python.
func (l *lexer) field(q *quoted) {
	if q.depth++; q.depth > maxFieldNesting {
		l.fail(l.pos, "f-string: expressions nested too deeply")
		return
	}
	l.open('{')
	level := len(l.parens)
	for l.err == nil {
		if l.pos >= len(l.src) {
			l.fail(q.start, "f-string: expecting '}'")
			return
		}
		c := l.src[l.pos]
		own := len(l.parens) == level
		switch {
		case own && c == '}':
			l.close('}')
			q.depth--
			return
		case own && c == '!' && l.peek(1) != '=':
			l.pos++
			l.emit('!', l.pos-1)
		case own && c == ':':
			l.pos++
			l.emit(':', l.pos-1)
			l.fieldText(q, true)
		default:
			l.token()
		}
	}
}
