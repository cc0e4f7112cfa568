package discover

import "strings"

// number reads a numeric literal as CPython does, with its quirk that a keyword
// may follow a digit at once (1if x else 2), but no other name may.
func (l *lexer) number() {
	start := l.pos
	if l.peek(0) == '0' {
		switch l.peek(1) {
		case 'x', 'X':
			l.radix(start, "hexadecimal", isHex)
			return
		case 'o', 'O':
			l.radix(start, "octal", func(c byte) bool { return '0' <= c && c <= '7' })
			return
		case 'b', 'B':
			l.radix(start, "binary", func(c byte) bool { return c == '0' || c == '1' })
			return
		}
	}
	l.decimal(start)
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// radix reads the digits after 0x, 0o or 0b, with single underscores.
func (l *lexer) radix(start int, name string, ok func(byte) bool) {
	l.pos += 2
	for {
		if l.peek(0) == '_' {
			l.pos++
		}
		if !ok(l.peek(0)) {
			l.fail(l.pos, "invalid %s literal", name)
			return
		}
		for ok(l.peek(0)) {
			l.pos++
		}
		if l.peek(0) != '_' {
			break
		}
	}
	if isDigit(l.peek(0)) {
		l.fail(l.pos, "invalid digit '%c' in %s literal", l.peek(0), name)
		return
	}
	l.endNumber(start, name)
}

// decimal reads an int, a float or an imaginary number. An e that no digits follow
// is not an exponent: it may begin the keyword else.
func (l *lexer) decimal(start int) {
	whole := true
	if l.peek(0) != '.' && !l.digits() {
		return
	}
	if l.peek(0) == '.' {
		whole = false
		l.pos++
		if isDigit(l.peek(0)) && !l.digits() {
			return
		}
	}
	if c := l.peek(0); c == 'e' || c == 'E' {
		next := l.peek(1)
		signed := (next == '+' || next == '-') && isDigit(l.peek(2))
		switch {
		case signed:
			l.pos += 2
		case isDigit(next):
			l.pos++
		case next == '+' || next == '-':
			l.fail(l.pos, "invalid decimal literal")
			return
		default:
			l.endNumber(start, "decimal")
			return
		}
		whole = false
		if !l.digits() {
			return
		}
	}
	if c := l.peek(0); c == 'j' || c == 'J' {
		whole = false
		l.pos++
	}
	if whole && l.leadingZero(start) {
		return
	}
	l.endNumber(start, "decimal")
}

// digits reads digits with single underscores between them.
func (l *lexer) digits() bool {
	for {
		for isDigit(l.peek(0)) {
			l.pos++
		}
		if l.peek(0) != '_' {
			return true
		}
		if !isDigit(l.peek(1)) {
			l.fail(l.pos, "invalid decimal literal")
			return false
		}
		l.pos++
	}
}

// leadingZero refuses 0777, which was octal once. 00 is still zero.
func (l *lexer) leadingZero(start int) bool {
	text := l.src[start:l.pos]
	if text[0] != '0' || strings.Trim(text, "0_") == "" {
		return false
	}
	l.fail(start, "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers")
	return true
}

// endNumber refuses 1abc, but not 1if and the like.
func (l *lexer) endNumber(start int, name string) {
	rest := l.src[l.pos:min(l.pos+4, len(l.src))]
	ok := rest == "" || !isNameByte(rest[0])
	for _, word := range [...]string{"and", "else", "for", "if", "in", "is", "or", "not"} {
		ok = ok || strings.HasPrefix(rest, word)
	}
	if !ok {
		l.fail(l.pos, "invalid %s literal", name)
		return
	}
	l.emit(tokNumber, start)
}
