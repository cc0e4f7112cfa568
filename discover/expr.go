package discover

// node makes an expression that ends where the parser stands. They are cut from
// blocks: a file has tens of thousands.
func (p *parser) node(kind exprKind, start int32, args ...*expr) *expr {
	if len(p.arena) == 0 {
		p.arena = make([]expr, 128)
	}
	e := &p.arena[0]
	p.arena = p.arena[1:]
	*e = expr{kind: kind, start: start, end: p.lastEnd(), args: args}
	e.outerStart, e.outerEnd = e.start, e.end
	return e
}

func (p *parser) starExprsOrYield() *expr {
	if p.at(kwYield) {
		return p.yield()
	}
	return p.starExprs()
}

// yield_expr: 'yield' 'from' expression | 'yield' [star_expressions]. Alone, it
// ends at whatever cannot start an expression.
func (p *parser) yield() *expr {
	start := p.pos()
	p.next()
	switch {
	case p.accept(kwFrom):
		p.expression()
	case p.startsExpr() || p.at('*'):
		p.starExprs()
	}
	return p.node(exprYield, start)
}

// startsExpr reports whether an expression can begin here, for the commas and
// yields that may stand alone.
func (p *parser) startsExpr() bool {
	switch p.kind() {
	case tokName, tokNumber, tokString, tokFieldStart, tokEllipsis,
		'(', '[', '{', '-', '+', '~',
		kwNot, kwLambda, kwAwait, kwNone, kwTrue, kwFalse:
		return true
	}
	return false
}

// starExprs reads expressions that make a tuple when a comma follows.
func (p *parser) starExprs() *expr {
	return p.tuple((*parser).starExpr)
}

// tuple reads item (',' item)* [',']; without a comma it is the item itself.
func (p *parser) tuple(item func(*parser) *expr) *expr {
	start := p.pos()
	first := item(p)
	if !p.at(',') {
		return first
	}
	items := []*expr{first}
	for p.accept(',') {
		if !p.startsExpr() && !p.at('*') {
			break
		}
		items = append(items, item(p))
	}
	return p.node(exprTuple, start, items...)
}

func (p *parser) starExpr() *expr {
	if p.at('*') {
		return p.starred()
	}
	return p.expression()
}

func (p *parser) starNamed() *expr {
	if p.at('*') {
		return p.starred()
	}
	return p.namedExpr()
}

// starred: '*' bitwise_or, binding tighter than comparisons: *a < b is refused.
func (p *parser) starred() *expr {
	start := p.pos()
	p.next()
	return p.node(exprStarred, start, p.binary(0))
}

// namedExpr is an expression or name := expression.
func (p *parser) namedExpr() *expr {
	if p.at(tokName) && p.ahead(1) == tokWalrus {
		start := p.pos()
		p.next()
		p.next()
		return p.node(exprNamed, start, p.expression())
	}
	return p.expression()
}

// expression: disjunction ['if' disjunction 'else' expression] | lambdef.
func (p *parser) expression() *expr {
	start := p.pos()
	if !p.enter() {
		return p.node(exprOther, start)
	}
	defer func() { p.depth-- }()
	if p.accept(kwLambda) {
		p.parameters(':', false)
		p.expect(':', "':'")
		p.expression()
		return p.node(exprOther, start)
	}
	e := p.disjunction()
	if p.accept(kwIf) {
		p.disjunction()
		p.expect(kwElse, "'else' after 'if' expression")
		p.expression()
		return p.node(exprOther, start)
	}
	return e
}

// disjunction: conjunction ('or' conjunction)*; conjunction: inversion ('and'
// inversion)*.
func (p *parser) disjunction() *expr {
	return p.boolean(kwOr, func() *expr { return p.boolean(kwAnd, p.inversion) })
}

func (p *parser) boolean(op tokenKind, operand func() *expr) *expr {
	start := p.pos()
	e := operand()
	if !p.at(op) {
		return e
	}
	for p.accept(op) {
		operand()
	}
	return p.node(exprBool, start)
}

// inversion: 'not' inversion | comparison.
func (p *parser) inversion() *expr {
	start := p.pos()
	if !p.at(kwNot) {
		return p.comparison()
	}
	if !p.enter() {
		return p.node(exprOther, start)
	}
	p.next()
	e := p.node(exprUnary, start, p.inversion())
	e.text = "not"
	p.depth--
	return e
}

// comparison reads a chain: a < b < c is one node. Only a single operator is kept
// by name, for the tests of __name__.
func (p *parser) comparison() *expr {
	start := p.pos()
	left := p.binary(0)
	op := p.comparator()
	if op == "" {
		return left
	}
	e := p.node(exprCompare, start, left, p.binary(0))
	for next := p.comparator(); next != ""; next = p.comparator() {
		op = "chain"
		p.binary(0)
	}
	e.text = op
	e.end = p.lastEnd()
	e.outerEnd = e.end
	return e
}

// comparator reads a comparison operator, or nothing.
func (p *parser) comparator() string {
	op := ""
	switch p.kind() {
	case '<', '>', tokLessEqual, tokGreaterEqual, tokEqual, tokNotEqual, kwIn:
		op = p.text()
		p.next()
	case kwIs:
		op = "is"
		p.next()
		p.accept(kwNot)
	case kwNot:
		if p.ahead(1) == kwIn {
			op = "not in"
			p.next()
			p.next()
		}
	}
	return op
}

// levels are the left-associative operators, loosest first.
var levels = [...][]tokenKind{
	{'|'},
	{'^'},
	{'&'},
	{tokShiftLeft, tokShiftRight},
	{'+', '-'},
	{'*', '/', tokFloorDiv, '%', '@'},
}

func precedence(kind tokenKind) int {
	for i, ops := range levels {
		for _, op := range ops {
			if op == kind {
				return i
			}
		}
	}
	return -1
}

// binary reads operators from level up. A chain of one level is one node: a
// source of a million additions must not make a million levels.
func (p *parser) binary(level int) *expr {
	start := p.pos()
	left := p.factor()
	return p.chain(left, start, level)
}

// chain reads on from left while operators bind at least as tight as level.
func (p *parser) chain(left *expr, start int32, level int) *expr {
	for {
		found := precedence(p.kind())
		if found < level {
			return left
		}
		args := []*expr{left}
		var ops []byte
		for precedence(p.kind()) == found {
			ops = append(ops, p.text()[0])
			p.next()
			args = append(args, p.binary(found+1))
		}
		left = p.node(exprBinary, start, args...)
		left.text = string(ops)
	}
}

// factor: ('+' | '-' | '~') factor | power.
func (p *parser) factor() *expr {
	start := p.pos()
	switch p.kind() {
	case '+', '-', '~':
		if !p.enter() {
			return p.node(exprOther, start)
		}
		op := p.text()
		p.next()
		e := p.node(exprUnary, start, p.factor())
		e.text = op
		p.depth--
		return e
	}
	return p.power()
}

// power: await_primary ['**' factor]; the exponent may have a sign.
func (p *parser) power() *expr {
	start := p.pos()
	e := p.awaited()
	if !p.at(tokPower) {
		return e
	}
	if !p.enter() {
		return e
	}
	p.next()
	p.factor()
	p.depth--
	return p.node(exprOther, start)
}

// await_primary: 'await' primary | primary.
func (p *parser) awaited() *expr {
	start := p.pos()
	if p.accept(kwAwait) {
		p.primary()
		return p.node(exprOther, start)
	}
	return p.primary()
}

// primary is an atom with its attributes, calls and subscripts.
func (p *parser) primary() *expr {
	start := p.pos()
	e := p.atom()
	for {
		switch p.kind() {
		case '.':
			p.next()
			name := p.name()
			e = p.node(exprAttribute, start, e)
			e.text = name
		case '(':
			p.next()
			call := p.node(exprCall, start, e)
			p.arguments(call, true)
			call.end = p.lastEnd()
			call.outerEnd = call.end
			e = call
		case '[':
			p.next()
			index := p.slices()
			p.expect(']', "']'")
			e = p.node(exprSubscript, start, e, index)
		default:
			return e
		}
	}
}

// slices reads what stands between the brackets of a subscript.
func (p *parser) slices() *expr {
	start := p.pos()
	first := p.slice()
	if !p.at(',') {
		if first.kind == exprStarred {
			return p.node(exprTuple, start, first)
		}
		return first
	}
	items := []*expr{first}
	for p.accept(',') && !p.at(']') {
		items = append(items, p.slice())
	}
	return p.node(exprTuple, start, items...)
}

// slice: [expression] ':' [expression] [':' [expression]] | named_expression.
// Stars came with Python 3.11.
func (p *parser) slice() *expr {
	start := p.pos()
	if p.at('*') {
		return p.starred()
	}
	var e *expr
	if !p.at(':') {
		e = p.namedExpr()
	}
	if !p.at(':') {
		return e
	}
	for range 2 {
		if p.accept(':') && !p.at(':') && !p.at(',') && !p.at(']') {
			p.expression()
		}
	}
	return p.node(exprOther, start)
}

// arguments reads a call's arguments with the closing parenthesis. A class
// header takes the same, but for a bare generator expression.
func (p *parser) arguments(call *expr, generator bool) {
	named, doubled := false, false
	for !p.at(')') && !p.at(tokEOF) {
		start := p.pos()
		switch {
		case p.accept(tokPower):
			doubled = true
			call.keywords = append(call.keywords, keyword{"", p.expression()})
		case p.at('*'):
			if doubled {
				p.fail("iterable argument unpacking follows keyword argument unpacking")
				return
			}
			p.next()
			call.args = append(call.args, p.node(exprStarred, start, p.expression()))
		case p.at(tokName) && p.ahead(1) == '=':
			named = true
			name := p.name()
			p.next()
			call.keywords = append(call.keywords, keyword{name, p.expression()})
		default:
			if named || doubled {
				p.fail("positional argument follows keyword argument")
				return
			}
			arg := p.namedExpr()
			if p.at(kwFor) || p.at(kwAsync) {
				arg = p.bareGenerator(call, start, generator)
			}
			call.args = append(call.args, arg)
		}
		if !p.accept(',') {
			break
		}
	}
	p.expect(')', "')'")
}

// bareGenerator is the one argument that is a generator without parentheses.
func (p *parser) bareGenerator(call *expr, start int32, allowed bool) *expr {
	p.comprehension()
	if !allowed || len(call.args) > 1 || len(call.keywords) > 0 || !p.at(')') {
		p.failAt(start, "generator expression must be parenthesized")
	}
	return p.node(exprGenerator, start)
}

// comprehension reads the for and if clauses.
func (p *parser) comprehension() {
	for p.at(kwFor) || p.at(kwAsync) {
		p.accept(kwAsync)
		p.expect(kwFor, "'for'")
		p.targetList()
		p.expect(kwIn, "'in'")
		p.disjunction()
		for p.accept(kwIf) {
			p.disjunction()
		}
	}
}
