package discover

// match reads a match statement, or nothing where match is only a name. Python
// tells them apart by trying, and so do we.
func (p *parser) match() *stmt {
	if p.text() != "match" {
		return nil
	}
	switch p.ahead(1) { // match = 1, match.x, match: these cannot be statements
	case '=', '.', ',', ')', ':', ';', tokNewline, tokAugAssign, tokWalrus:
		return nil
	}
	s := &stmt{kind: stmtMatch, start: p.pos()}
	if !p.try(p.matchHeader) {
		return nil
	}
	for p.at(tokName) && p.text() == "case" {
		p.matchCase(s)
	}
	if !p.accept(tokDedent) {
		p.fail("invalid syntax")
	}
	s.end = p.lastEnd()
	return s
}

// matchHeader is true when this is a match statement after all: a subject, a
// colon, and an indented case.
func (p *parser) matchHeader() bool {
	p.next()
	start := p.pos()
	subject := p.tuple((*parser).starNamed)
	if subject.kind == exprStarred && subject.start == start {
		return false
	}
	return p.accept(':') && p.accept(tokNewline) && p.accept(tokIndent) && p.at(tokName) && p.text() == "case"
}

// case_block: 'case' patterns ['if' named_expression] ':' block.
func (p *parser) matchCase(s *stmt) {
	p.next()
	p.sequence(':', kwIf)
	if p.accept(kwIf) {
		p.namedExpr()
	}
	s.body = append(s.body, p.block()...)
}

// sequence reads patterns between commas up to one of the ends.
func (p *parser) sequence(ends ...tokenKind) (count int, comma bool) {
	atEnd := func() bool {
		for _, end := range ends {
			if p.at(end) {
				return true
			}
		}
		return p.at(tokEOF)
	}
	for {
		if p.starPattern() {
			comma = true // a star makes a sequence by itself only with a comma
			if !p.at(',') && count == 0 && ends[0] != ']' {
				p.fail("invalid syntax")
			}
		} else {
			p.pattern()
		}
		count++
		if !p.accept(',') {
			return count, comma
		}
		comma = true
		if atEnd() {
			return count, comma
		}
	}
}

func (p *parser) starPattern() bool {
	if !p.accept('*') {
		return false
	}
	p.name()
	return true
}

// as_pattern: closed_pattern ('|' closed_pattern)* ['as' NAME].
func (p *parser) pattern() {
	if !p.enter() {
		return
	}
	p.closedPattern()
	for p.accept('|') {
		p.closedPattern()
	}
	if p.accept(kwAs) {
		if p.text() == "_" {
			p.fail("cannot use '_' as a target")
		}
		p.name()
	}
	p.depth--
}

// closedPattern is one alternative: a literal, a name, a class or a group.
func (p *parser) closedPattern() {
	switch p.kind() {
	case '-', tokNumber:
		p.numberPattern()
	case tokString, tokFieldStart:
		p.strings()
	case kwNone, kwTrue, kwFalse:
		p.next()
	case tokName:
		p.dotted()
		if p.accept('(') {
			p.classPattern()
		}
	case '(':
		p.groupPattern(')')
	case '[':
		p.groupPattern(']')
	case '{':
		p.mappingPattern()
	default:
		p.fail("invalid syntax")
	}
}

// numberPattern reads -1, 1.5 and 1+2j.
func (p *parser) numberPattern() {
	p.accept('-')
	p.expect(tokNumber, "a number")
	if p.at('+') || p.at('-') {
		p.next()
		if t := p.text(); p.at(tokNumber) && t[len(t)-1]|0x20 != 'j' {
			p.fail("imaginary number required in complex literal")
		}
		p.expect(tokNumber, "a number")
	}
}

// groupPattern reads (…) or […], which may be empty.
func (p *parser) groupPattern(end tokenKind) {
	p.next()
	if !p.at(end) {
		p.sequence(end)
	}
	p.expect(end, "the end of the pattern")
}

// classPattern reads Name(pattern, key=pattern) after its parenthesis.
func (p *parser) classPattern() {
	named := false
	for !p.at(')') && !p.at(tokEOF) {
		if p.at(tokName) && p.ahead(1) == '=' {
			named = true
			p.next()
			p.next()
		} else if named {
			p.fail("positional patterns follow keyword patterns")
			return
		}
		p.pattern()
		if !p.accept(',') {
			break
		}
	}
	p.expect(')', "')'")
}

// mappingPattern reads {key: pattern, **rest}; keys are literals or dotted names.
func (p *parser) mappingPattern() {
	p.next()
	for !p.at('}') && !p.at(tokEOF) {
		if p.accept(tokPower) {
			p.name()
			p.accept(',')
			break
		}
		switch p.kind() {
		case '-', tokNumber:
			p.numberPattern()
		case tokString:
			p.strings()
		case kwNone, kwTrue, kwFalse:
			p.next()
		default:
			if p.at(tokName) && p.ahead(1) == '.' {
				p.dotted()
			} else {
				p.fail("invalid syntax")
			}
		}
		p.expect(':', "':'")
		p.pattern()
		if !p.accept(',') {
			break
		}
	}
	p.expect('}', "'}'")
}
