package discover

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CPython's own limits (Parser/lexer/state.h). A file beyond them is refused by
// Python too, and they keep the parser's recursion bounded.
const (
	maxIndents       = 100
	maxParens        = 200
	maxStringNesting = 150
	maxFieldNesting  = 3
	tabSize          = 8
)

// lexer turns decoded text (newlines are \n alone) into tokens. It stops at the
// first thing that is no Python and keeps it in err.
type lexer struct {
	src     string
	pos     int
	toks    []token
	parens  []paren
	indents []indent
	strings int // how many f- or t-strings are open around pos
	err     *syntaxError
}

type paren struct {
	char byte
	pos  int
}

// indent is a column counted twice, with tabs of 8 and of 1. Lines whose order
// differs between the two mean different things to different editors, and
// Python refuses them.
type indent struct{ col, alt int }

// tokenize splits src. The tokens up to an error are returned with it, so that
// the parser can report an earlier one.
func tokenize(src string) ([]token, *syntaxError) {
	l := &lexer{src: src, toks: make([]token, 0, len(src)/4+8), indents: []indent{{}}}
	for l.err == nil && l.pos < len(src) {
		if l.indentation() {
			l.line()
		}
	}
	l.finish()
	return l.toks, l.err
}

func (l *lexer) fail(pos int, format string, args ...any) {
	if l.err == nil {
		l.err = syntaxErrorf(pos, format, args...)
	}
}

func (l *lexer) emit(kind tokenKind, start int) {
	l.toks = append(l.toks, token{kind, int32(start), int32(l.pos)})
}

// peek is the byte at pos+n, or 0 at the end. NUL itself never reaches the
// lexer, so 0 is not ambiguous.
func (l *lexer) peek(n int) byte {
	if l.pos+n < len(l.src) {
		return l.src[l.pos+n]
	}
	return 0
}

// finish closes what is open at the end of the file.
func (l *lexer) finish() {
	if l.err == nil && len(l.parens) > 0 {
		open := l.parens[len(l.parens)-1]
		l.fail(open.pos, "'%c' was never closed", open.char)
	}
	if l.err == nil {
		if n := len(l.toks); n > 0 && l.toks[n-1].kind != tokNewline && l.toks[n-1].kind != tokDedent {
			l.emit(tokNewline, l.pos)
		}
		for range l.indents[1:] {
			l.emit(tokDedent, l.pos)
		}
	}
	l.emit(tokEOF, l.pos)
}

// indentation reads the blank at the start of a line and says whether a logical
// line follows. Blank lines and comments leave the indentation alone.
func (l *lexer) indentation() bool {
	col, alt, ok := l.measure()
	if !ok {
		return false
	}
	switch l.peek(0) {
	case 0:
		return false
	case '\n':
		l.pos++
		return false
	case '#':
		l.skipComment()
		return false
	}
	top := l.indents[len(l.indents)-1]
	switch {
	case col == top.col:
		if alt != top.alt {
			l.failTabs()
		}
	case col > top.col:
		l.indent(col, alt, top)
	default:
		l.dedent(col, alt)
	}
	return l.err == nil
}

// measure counts the columns before the first character of a line. A backslash
// joins lines here too, and the first one fixes the column of what follows.
func (l *lexer) measure() (col, alt int, ok bool) {
	joined, joinedAt := false, 0
	for {
		switch l.peek(0) {
		case ' ':
			col++
			alt++
		case '\t':
			col = (col/tabSize + 1) * tabSize
			alt++
		case '\f':
			col, alt = 0, 0
		case '\\':
			if !joined || joinedAt == 0 {
				joined, joinedAt = true, col
			}
			if !l.join() {
				return 0, 0, false
			}
			continue
		default:
			if joined && joinedAt > 0 {
				return joinedAt, joinedAt, true
			}
			return col, alt, true
		}
		l.pos++
	}
}

func (l *lexer) failTabs() {
	l.fail(l.pos, "inconsistent use of tabs and spaces in indentation")
}

// indent opens a block.
func (l *lexer) indent(col, alt int, top indent) {
	if len(l.indents) >= maxIndents {
		l.fail(l.pos, "too many levels of indentation")
		return
	}
	if alt <= top.alt {
		l.failTabs()
		return
	}
	l.indents = append(l.indents, indent{col, alt})
	l.emit(tokIndent, l.pos)
}

// dedent closes the blocks that are indented deeper; what remains must be one that
// was opened.
func (l *lexer) dedent(col, alt int) {
	for len(l.indents) > 1 && col < l.indents[len(l.indents)-1].col {
		l.indents = l.indents[:len(l.indents)-1]
		l.emit(tokDedent, l.pos)
	}
	top := l.indents[len(l.indents)-1]
	if col != top.col {
		l.fail(l.pos, "unindent does not match any outer indentation level")
	} else if alt != top.alt {
		l.failTabs()
	}
}

// line reads one logical line, its newline included.
func (l *lexer) line() {
	for l.err == nil && l.pos < len(l.src) {
		if l.src[l.pos] == '\n' && len(l.parens) == 0 {
			l.pos++
			l.toks = append(l.toks, token{tokNewline, int32(l.pos - 1), int32(l.pos)})
			return
		}
		l.token()
	}
}

func (l *lexer) skipComment() {
	if n := strings.IndexByte(l.src[l.pos:], '\n'); n >= 0 {
		l.pos += n
	} else {
		l.pos = len(l.src)
	}
}

// join steps over a backslash and the newline that must follow it. The last
// line of a file cannot be continued.
func (l *lexer) join() bool {
	switch {
	case l.pos+1 >= len(l.src) || (l.peek(1) == '\n' && l.pos+2 >= len(l.src)):
		l.fail(l.pos, "unexpected end of file after a line continuation")
		return false
	case l.peek(1) != '\n':
		l.fail(l.pos+1, "unexpected character after line continuation character")
		return false
	}
	l.pos += 2
	return true
}

// token reads one token, or one piece of blank.
func (l *lexer) token() {
	c := l.src[l.pos]
	switch {
	case c == ' ' || c == '\t' || c == '\f' || c == '\n':
		l.pos++
	case c == '#':
		l.skipComment()
	case c == '\\':
		l.join()
	case isNameByte(c) && !isDigit(c):
		l.name()
	case isDigit(c) || c == '.' && isDigit(l.peek(1)):
		l.number()
	case c == '"' || c == '\'':
		l.str(l.pos)
	default:
		l.operator()
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isNameByte takes every byte of a character outside ASCII; name checks them.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || isDigit(c) || c >= utf8.RuneSelf
}

// name reads an identifier, a keyword, or the prefix of a string.
func (l *lexer) name() {
	start := l.pos
	ascii := true
	for l.pos < len(l.src) && isNameByte(l.src[l.pos]) {
		ascii = ascii && l.src[l.pos] < utf8.RuneSelf
		l.pos++
	}
	word := l.src[start:l.pos]
	if c := l.peek(0); (c == '"' || c == '\'') && isStringPrefix(word) {
		l.str(start)
		return
	}
	if !ascii {
		l.checkName(start, word)
	}
	kind := tokName
	if k, ok := keywords[word]; ok && len(word) <= 8 {
		kind = k
	}
	l.emit(kind, start)
}

// checkName refuses characters that no identifier may hold, such as a curly
// quote pasted from a text processor.
func (l *lexer) checkName(start int, word string) {
	for i, r := range word {
		if r == '_' || unicode.In(r, unicode.L, unicode.Nl, unicode.Other_ID_Start) {
			continue
		}
		if i > 0 && unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue) {
			continue
		}
		l.fail(start+i, "invalid character '%c' (U+%04X)", r, r)
		return
	}
}

// operator reads the longest operator at pos.
func (l *lexer) operator() {
	start := l.pos
	rest := l.src[start:min(start+3, len(l.src))]
	if kind, n := longOperator(rest); n > 0 {
		l.pos += n
		l.emit(kind, start)
		return
	}
	c := rest[0]
	switch c {
	case '(', '[', '{':
		l.open(c)
	case ')', ']', '}':
		l.close(c)
	case '+', '-', '*', '/', '%', '@', '&', '|', '^', '~', '<', '>', '=', ',', ':', ';', '.':
		l.pos++
		l.emit(tokenKind(c), start)
	default:
		l.fail(start, "invalid character %q", c)
	}
}

// longOperator is the operator of two or three characters that s starts with.
func longOperator(s string) (tokenKind, int) {
	if len(s) == 3 {
		switch s {
		case "**=", "//=", ">>=", "<<=":
			return tokAugAssign, 3
		case "...":
			return tokEllipsis, 3
		}
	}
	if len(s) < 2 {
		return 0, 0
	}
	switch s[:2] {
	case "**":
		return tokPower, 2
	case "//":
		return tokFloorDiv, 2
	case "<<":
		return tokShiftLeft, 2
	case ">>":
		return tokShiftRight, 2
	case "<=":
		return tokLessEqual, 2
	case ">=":
		return tokGreaterEqual, 2
	case "==":
		return tokEqual, 2
	case "!=":
		return tokNotEqual, 2
	case "->":
		return tokArrow, 2
	case ":=":
		return tokWalrus, 2
	case "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=":
		return tokAugAssign, 2
	}
	return 0, 0
}

// open takes a bracket. Newlines inside mean nothing, so the lexer counts them.
func (l *lexer) open(c byte) {
	if len(l.parens) >= maxParens {
		l.fail(l.pos, "too many nested parentheses")
		return
	}
	l.parens = append(l.parens, paren{c, l.pos})
	l.pos++
	l.emit(tokenKind(c), l.pos-1)
}

// close takes the bracket that belongs to the last open one, and no other.
func (l *lexer) close(c byte) {
	if len(l.parens) == 0 {
		l.fail(l.pos, "unmatched '%c'", c)
		return
	}
	top := l.parens[len(l.parens)-1]
	if top.char+1 != c && top.char+2 != c { // ( is followed by ) in ASCII; [ and { stand two before theirs
		l.fail(l.pos, "closing parenthesis '%c' does not match opening parenthesis '%c'", c, top.char)
		return
	}
	l.parens = l.parens[:len(l.parens)-1]
	l.pos++
	l.emit(tokenKind(c), l.pos-1)
}
