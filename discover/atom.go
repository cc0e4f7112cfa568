package discover

// atom: a name, a literal, or something in brackets. Strings that stand side by
// side are one atom.
func (p *parser) atom() *expr {
	start := p.pos()
	switch p.kind() {
	case tokName:
		name := normalise(p.text())
		p.next()
		e := p.node(exprName, start)
		e.text = name
		return e
	case tokNumber, kwNone, kwTrue, kwFalse, tokEllipsis:
		kind := exprConstant
		if p.at(tokNumber) {
			kind = exprNumber
		}
		text := p.text()
		p.next()
		e := p.node(kind, start)
		e.text = text
		return e
	case tokString, tokFieldStart:
		return p.strings()
	case '(':
		return p.parens()
	case '[':
		return p.list()
	case '{':
		return p.braces()
	}
	p.fail("invalid syntax")
	return p.node(exprOther, start)
}

// strings reads adjacent literals, which are one.
func (p *parser) strings() *expr {
	start, tok := p.pos(), p.i
	kind := exprString
	bytes, texts, templates := 0, 0, 0
	for p.at(tokString) || p.at(tokFieldStart) {
		prefix := stringPrefix(p.text())
		switch {
		case hasByte(prefix, 'b'):
			bytes++
		case hasByte(prefix, 't'):
			templates++
		default:
			texts++
		}
		if p.at(tokFieldStart) {
			kind = exprOther
			p.fields()
		} else {
			p.next()
		}
	}
	if bytes > 0 && texts+templates > 0 {
		p.failAt(start, "cannot mix bytes and nonbytes literals")
	} else if templates > 0 && texts > 0 {
		p.failAt(start, "cannot mix t-string literals with string or bytes literals")
	}
	e := p.node(kind, start)
	e.tok, e.tokEnd = int32(tok), int32(p.i)
	return e
}

// stringPrefix is the letters before the quotes.
func stringPrefix(literal string) string {
	for i := range len(literal) {
		if literal[i] == '"' || literal[i] == '\'' {
			return literal[:i]
		}
	}
	return ""
}

// hasByte looks for a letter of either case.
func hasByte(s string, letter byte) bool {
	for i := range len(s) {
		if s[i]|0x20 == letter {
			return true
		}
	}
	return false
}

// fields reads one f- or t-string, start to end.
func (p *parser) fields() {
	p.next()
	for p.at(tokFieldMiddle) || p.at('{') {
		p.fieldPart()
	}
	p.expect(tokFieldEnd, "the end of the f-string")
}

// fieldPart reads literal text or one field: {expr = !r :spec}. The spec is again
// text and fields, which is why it calls itself.
func (p *parser) fieldPart() {
	if p.accept(tokFieldMiddle) {
		return
	}
	if !p.enter() {
		return
	}
	p.next()
	if p.at(kwYield) {
		p.yield()
	} else {
		p.starExprs()
	}
	p.accept('=')
	if p.accept('!') {
		switch p.text() {
		case "r", "s", "a":
		default:
			p.fail("f-string: invalid conversion character")
		}
		p.next()
	}
	if p.accept(':') {
		for p.at(tokFieldMiddle) || p.at('{') {
			p.fieldPart()
		}
	}
	p.expect('}', "'}' in the f-string")
	p.depth--
}

// parens reads a group, a tuple or a generator.
func (p *parser) parens() *expr {
	start := p.pos()
	p.next()
	if p.accept(')') {
		return p.node(exprTuple, start)
	}
	var e *expr
	if p.at(kwYield) {
		e = p.yield()
	} else {
		e = p.starNamed()
	}
	switch {
	case p.at(',') && e.kind == exprYield && !e.parenthesised:
		p.fail("invalid syntax")
		return e
	case p.at(','):
		items := p.items(e, ')')
		p.expect(')', "')'")
		return p.node(exprTuple, start, items...)
	case p.at(kwFor) || p.at(kwAsync):
		p.checkElement(e)
		p.comprehension()
		p.expect(')', "')'")
		return p.node(exprGenerator, start)
	case e.kind == exprStarred && !e.parenthesised:
		p.failAt(e.start, "cannot use starred expression here")
	}
	p.expect(')', "')'")
	e.parenthesised = true
	e.outerStart, e.outerEnd = start, p.lastEnd()
	return e
}

// checkElement refuses what a comprehension cannot make.
func (p *parser) checkElement(e *expr) {
	if e.kind == exprStarred {
		p.failAt(e.start, "iterable unpacking cannot be used in comprehension")
	}
	if e.kind == exprYield && !e.parenthesised {
		p.failAt(e.start, "invalid syntax")
	}
}

// items reads the rest of a display after its first item.
func (p *parser) items(first *expr, end tokenKind) []*expr {
	items := []*expr{first}
	for p.accept(',') && !p.at(end) {
		items = append(items, p.starNamed())
	}
	return items
}

// list: '[' items ']' or a comprehension. The first item tells which.
func (p *parser) list() *expr {
	start := p.pos()
	p.next()
	if p.accept(']') {
		return p.node(exprList, start)
	}
	first := p.starNamed()
	if p.at(kwFor) || p.at(kwAsync) {
		p.checkElement(first)
		p.comprehension()
		p.expect(']', "']'")
		return p.node(exprComprehension, start)
	}
	items := p.items(first, ']')
	p.expect(']', "']'")
	return p.node(exprList, start, items...)
}

// braces reads a dict or a set, literal or comprehension.
func (p *parser) braces() *expr {
	start := p.pos()
	p.next()
	if p.accept('}') {
		return p.node(exprDict, start)
	}
	if p.at(tokPower) {
		return p.dict(start, p.pair())
	}
	if p.at('*') || p.at(tokName) && p.ahead(1) == tokWalrus {
		return p.set(start, p.starNamed())
	}
	first := p.expression()
	if p.accept(':') {
		return p.dict(start, []*expr{first, p.expression()})
	}
	return p.set(start, first)
}

// pair reads key: value, or **value with a nil key.
func (p *parser) pair() []*expr {
	if p.accept(tokPower) {
		return []*expr{nil, p.binary(0)}
	}
	key := p.expression()
	p.expect(':', "':'")
	return []*expr{key, p.expression()}
}

// dict reads on after the first pair, which tells a display from a comprehension.
func (p *parser) dict(start int32, items []*expr) *expr {
	if p.at(kwFor) || p.at(kwAsync) {
		if items[0] == nil {
			p.fail("dict unpacking cannot be used in dict comprehension")
		}
		p.comprehension()
		p.expect('}', "'}'")
		return p.node(exprComprehension, start)
	}
	for p.accept(',') && !p.at('}') {
		items = append(items, p.pair()...)
	}
	p.expect('}', "'}'")
	return p.node(exprDict, start, items...)
}

// set reads on after the first item of a set or set comprehension.
func (p *parser) set(start int32, first *expr) *expr {
	if p.at(kwFor) || p.at(kwAsync) {
		p.checkElement(first)
		p.comprehension()
		p.expect('}', "'}'")
		return p.node(exprComprehension, start)
	}
	items := p.items(first, '}')
	p.expect('}', "'}'")
	return p.node(exprSet, start, items...)
}
