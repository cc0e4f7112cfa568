package discover

import "strings"

// maxDepth bounds recursion as CPython's parser does (MAXSTACK, 6000 rules).
const maxDepth = 6000

// parser is a recursive descent over Python's grammar, 3.9 to 3.14 in one: what
// any of them accepts is accepted. An error is kept, and moves the parser to the
// end of the file, so that every rule unwinds by itself.
type parser struct {
	src   string
	toks  []token
	i     int
	depth int
	err   *syntaxError
	arena []expr
}

// parse reads decoded text. The error is the first thing in the file that no
// Python accepts.
func parse(src string) (*module, *syntaxError) {
	toks, lexErr := tokenize(src)
	p := &parser{src: src, toks: toks}
	m := &module{text: src, toks: toks, lines: lineStarts(src)}
	for !p.at(tokEOF) {
		m.body = p.statement(m.body)
	}
	if lexErr != nil && (p.err == nil || p.err.pos >= lexErr.pos || p.err.pos >= int(toks[len(toks)-1].start)) {
		return m, lexErr
	}
	return m, p.err
}

func lineStarts(src string) []int32 {
	lines := make([]int32, 1, len(src)/32+2)
	for i := 0; i < len(src); {
		n := strings.IndexByte(src[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
		lines = append(lines, int32(i))
	}
	return lines
}

func (p *parser) kind() tokenKind { return p.toks[p.i].kind }

func (p *parser) at(kind tokenKind) bool { return p.toks[p.i].kind == kind }

// ahead is the kind of the token n further on.
func (p *parser) ahead(n int) tokenKind {
	return p.toks[min(p.i+n, len(p.toks)-1)].kind
}

func (p *parser) text() string {
	t := p.toks[p.i]
	return p.src[t.start:t.end]
}

// next stays on the last token, which is the end of the file: so every look ahead
// is safe.
func (p *parser) next() {
	if p.i < len(p.toks)-1 {
		p.i++
	}
}

func (p *parser) accept(kind tokenKind) bool {
	if p.toks[p.i].kind == kind {
		p.next()
		return true
	}
	return false
}

// expect takes a token of a kind or fails, saying what was expected.
func (p *parser) expect(kind tokenKind, what string) {
	if !p.accept(kind) {
		p.fail("expected %s", what)
	}
}

func (p *parser) pos() int32 { return p.toks[p.i].start }

// lastEnd is the end of the last token read that has text of its own: what ast
// calls the end of a node.
func (p *parser) lastEnd() int32 {
	for i := p.i - 1; i >= 0; i-- {
		switch p.toks[i].kind {
		case tokNewline, tokIndent, tokDedent:
		default:
			return p.toks[i].end
		}
	}
	return 0
}

func (p *parser) fail(format string, args ...any) { p.failAt(p.pos(), format, args...) }

func (p *parser) failAt(pos int32, format string, args ...any) {
	if p.err == nil {
		p.err = syntaxErrorf(int(pos), format, args...)
	}
	p.i = len(p.toks) - 1
}

// try runs a rule that may turn out not to apply, and undoes it then.
func (p *parser) try(rule func() bool) bool {
	i, depth, before := p.i, p.depth, p.err
	if rule() && p.err == before {
		return true
	}
	p.i, p.depth, p.err = i, depth, before
	return false
}

// enter counts recursion; every rule that can nest without brackets calls it.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxDepth {
		p.fail("too deeply nested")
		return false
	}
	return true
}

// statement appends the statements of one logical line, or one compound
// statement.
func (p *parser) statement(out []*stmt) []*stmt {
	start := p.pos()
	switch p.kind() {
	case tokIndent:
		p.fail("unexpected indent")
		return out
	case tokNewline: // after a lone semicolon or a stray backslash
		p.fail("invalid syntax")
		return out
	case '@':
		return append(out, p.decorated())
	case kwDef, kwClass, kwIf, kwWhile, kwFor, kwTry, kwWith:
		return append(out, p.compound(start))
	case kwAsync:
		return append(out, p.async(start))
	case tokName:
		if s := p.match(); s != nil {
			return append(out, s)
		}
	}
	return p.simpleLine(out)
}

// compound reads the statement that the keyword at hand begins.
func (p *parser) compound(start int32) *stmt {
	s := &stmt{start: start}
	switch p.kind() {
	case kwDef:
		p.function(s)
	case kwClass:
		p.class(s)
	case kwIf:
		p.ifStatement(s)
	case kwWhile:
		s.kind = stmtLoop
		p.next()
		p.namedExpr()
		s.body = p.block()
		p.elseBlock(s)
	case kwFor:
		p.forStatement(s)
	case kwTry:
		p.tryStatement(s)
	case kwWith:
		p.withStatement(s)
	}
	s.end = p.lastEnd()
	return s
}

// async: def, for or with may follow, and nothing else.
func (p *parser) async(start int32) *stmt {
	p.next()
	switch p.kind() {
	case kwDef, kwFor, kwWith:
	default:
		p.fail("invalid syntax")
	}
	s := p.compound(start)
	s.async = true
	return s
}

// decorators: ('@' named_expression NEWLINE)+; a function or class must follow.
func (p *parser) decorated() *stmt {
	var decorators []*expr
	for p.accept('@') {
		decorators = append(decorators, p.namedExpr())
		p.expect(tokNewline, "a new line after the decorator")
	}
	start := p.pos()
	var s *stmt
	switch {
	case p.at(kwAsync) && p.ahead(1) == kwDef:
		s = p.async(start)
	case p.at(kwDef), p.at(kwClass):
		s = p.compound(start)
	default:
		p.fail("expected a function or class after the decorator")
		return &stmt{}
	}
	s.decorators = decorators
	return s
}

// block is an indented suite, or simple statements on the same line.
func (p *parser) block() []*stmt {
	p.expect(':', "':'")
	if !p.accept(tokNewline) {
		return p.simpleLine(nil)
	}
	if !p.accept(tokIndent) {
		p.fail("expected an indented block")
		return nil
	}
	var out []*stmt
	for !p.at(tokDedent) && !p.at(tokEOF) {
		out = p.statement(out)
	}
	p.accept(tokDedent)
	return out
}

// else_block: 'else' ':' block, for if, loops and try alike.
func (p *parser) elseBlock(s *stmt) {
	if p.accept(kwElse) {
		s.rest = append(s.rest, p.block()...)
	}
}

// ifStatement hangs an elif into rest as an if of its own, as ast does.
func (p *parser) ifStatement(s *stmt) {
	s.kind = stmtIf
	p.next()
	s.value = p.namedExpr()
	s.body = p.block()
	if p.at(kwElif) {
		elif := &stmt{start: p.pos()}
		if p.enter() {
			p.ifStatement(elif)
			p.depth--
		}
		elif.end = p.lastEnd()
		s.rest = append(s.rest, elif)
		return
	}
	p.elseBlock(s)
}

// for_stmt: 'for' star_targets 'in' star_expressions ':' block [else_block].
func (p *parser) forStatement(s *stmt) {
	s.kind = stmtLoop
	p.next()
	s.targets = p.targetList()
	p.expect(kwIn, "'in'")
	p.starExprs()
	s.body = p.block()
	p.elseBlock(s)
}

// tryStatement keeps handlers, else and finally together in rest: for finding flows
// they differ in nothing.
func (p *parser) tryStatement(s *stmt) {
	s.kind = stmtTry
	p.next()
	s.body = p.block()
	handlers, stars := 0, 0
	for p.at(kwExcept) {
		if p.ahead(1) == '*' {
			stars++
		}
		handlers++
		p.handler(s)
	}
	if stars != 0 && stars != handlers {
		p.fail("cannot have both 'except' and 'except*' on the same 'try'")
	}
	if handlers > 0 {
		p.elseBlock(s)
	}
	switch {
	case p.accept(kwFinally):
		s.rest = append(s.rest, p.block()...)
	case handlers == 0:
		p.fail("expected 'except' or 'finally' block")
	}
}

// handler reads one except clause. Several types need no parentheses since
// Python 3.14, where no name is bound.
func (p *parser) handler(s *stmt) {
	p.next()
	star := p.accept('*')
	if !p.at(':') {
		p.expression()
		several := false
		for p.at(',') && p.ahead(1) != ':' {
			p.next()
			p.expression()
			several = true
		}
		several = p.accept(',') || several
		if p.at(kwAs) && several {
			p.fail("multiple exception types must be parenthesized when using 'as'")
		}
		if p.accept(kwAs) {
			p.expect(tokName, "a name")
		}
	} else if star {
		p.fail("expected one or more exception types")
	}
	s.rest = append(s.rest, p.block()...)
}

// withStatement tries the parenthesised form of Python 3.9 first and falls back to
// items, of which the first may be a tuple or call in parentheses.
func (p *parser) withStatement(s *stmt) {
	s.kind = stmtWith
	p.next()
	if !p.at('(') || !p.try(p.withParens) {
		p.withItem()
		for p.accept(',') {
			p.withItem()
		}
	}
	s.body = p.block()
}

// withParens reads with (a as b, c as d):, which looks like a tuple at first.
func (p *parser) withParens() bool {
	p.next()
	for {
		p.withItem()
		if !p.accept(',') || p.at(')') {
			break
		}
	}
	return p.accept(')') && p.at(':')
}

// with_item: expression ['as' star_target]. What may follow the target decides
// between the two forms of with.
func (p *parser) withItem() {
	p.expression()
	if p.accept(kwAs) {
		target := p.starTarget()
		if !p.at(',') && !p.at(')') && !p.at(':') {
			p.fail("invalid syntax")
		}
		p.checkTarget(target, "assign to")
	}
}

func (p *parser) name() string {
	if !p.at(tokName) {
		p.fail("expected a name")
		return ""
	}
	name := normalise(p.text())
	p.next()
	return name
}

// class_def: 'class' NAME [type_params] ['(' [arguments] ')'] ':' block.
func (p *parser) class(s *stmt) {
	s.kind = stmtClass
	p.next()
	s.name = p.name()
	s.typeParams = p.typeParameters()
	if p.accept('(') {
		call := &expr{}
		p.arguments(call, false)
		s.bases, s.keywords = call.args, call.keywords
	}
	s.body = p.block()
}

// function_def: 'def' NAME [type_params] '(' [params] ')' ['->' expression] ':' block.
func (p *parser) function(s *stmt) {
	s.kind = stmtFunction
	p.next()
	s.name = p.name()
	s.typeParams = p.typeParameters()
	p.expect('(', "'('")
	s.params = p.parameters(')', true)
	p.expect(')', "')'")
	if p.accept(tokArrow) {
		s.returns = p.expression()
	}
	s.body = p.block()
}

// typeParameters reads [T: bound = default, *Ts, **P] of PEP 695 and 696.
func (p *parser) typeParameters() []typeParam {
	if !p.accept('[') {
		return nil
	}
	var out []typeParam
	for {
		t := typeParam{start: p.pos()}
		switch {
		case p.accept('*'):
			t.stars = 1
		case p.accept(tokPower):
			t.stars = 2
		}
		t.name = p.name()
		if t.stars == 0 && p.accept(':') {
			t.bound = p.expression()
		}
		if p.accept('=') {
			if t.stars == 1 {
				p.starExpr()
			} else {
				p.expression()
			}
		}
		t.end = p.lastEnd()
		out = append(out, t)
		if !p.accept(',') || p.at(']') {
			break
		}
	}
	p.expect(']', "']'")
	return out
}

// parameters reads a signature up to end. typed is false for a lambda.
func (p *parser) parameters(end tokenKind, typed bool) []param {
	s := signature{p: p, typed: typed}
	for !p.at(end) && !p.at(tokEOF) {
		s.one(end)
		if !p.accept(',') {
			break
		}
	}
	if s.bareStar {
		p.fail("named arguments must follow bare *")
	}
	return s.params
}

// signature is the state while parameters are read.
type signature struct {
	p        *parser
	typed    bool
	params   []param
	slash    bool
	star     bool // past * or *args: keyword only
	bareStar bool // a bare * that no name followed yet
	double   bool // past **kwargs
	defaults bool
}

// one reads a parameter, or one of the marks / and *.
func (s *signature) one(end tokenKind) {
	p := s.p
	if s.double {
		p.fail("arguments cannot follow var-keyword argument")
		return
	}
	switch {
	case p.at('/'):
		s.positionalOnly()
	case p.at('*'):
		s.starred(end)
	case p.accept(tokPower):
		if s.bareStar {
			p.fail("named arguments must follow bare *")
			return
		}
		s.double = true
		s.add(varKeyword)
	default:
		kind := positionalOrKeyword
		if s.star {
			kind = keywordOnly
		}
		s.bareStar = false
		s.add(kind)
	}
}

// positionalOnly turns all parameters before the / into positional ones.
func (s *signature) positionalOnly() {
	if s.slash || s.star || len(s.params) == 0 {
		s.p.fail("/ must come once, after at least one argument and before *")
		return
	}
	s.slash = true
	for i := range s.params {
		s.params[i].kind = positionalOnly
	}
	s.p.next()
}

// starred reads * or *args. A bare one only counts when a name follows it.
func (s *signature) starred(end tokenKind) {
	p := s.p
	if s.star {
		p.fail("* argument may appear only once")
		return
	}
	s.star = true
	p.next()
	if p.at(',') || p.at(end) {
		s.bareStar = true
		return
	}
	s.add(varPositional)
}

// add reads name, annotation and default. *args: *Ts came with Python 3.11.
func (s *signature) add(kind paramKind) {
	p := s.p
	a := param{kind: kind, start: p.pos()}
	a.name = p.name()
	if s.typed && p.accept(':') {
		if kind == varPositional {
			a.annotation = p.starExpr()
		} else {
			a.annotation = p.expression()
		}
	}
	if p.at('=') {
		if kind == varPositional || kind == varKeyword {
			p.fail("var-positional and var-keyword arguments cannot have default values")
			return
		}
		p.next()
		a.value = p.expression()
		s.defaults = s.defaults || kind == positionalOrKeyword
	} else if s.defaults && kind == positionalOrKeyword {
		p.failAt(a.start, "parameter without a default follows parameter with a default")
	}
	s.params = append(s.params, a)
}
