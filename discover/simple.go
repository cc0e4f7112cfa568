package discover

// simpleLine reads statements up to the end of the logical line.
func (p *parser) simpleLine(out []*stmt) []*stmt {
	for {
		start := p.pos()
		s := &stmt{start: start}
		p.simple(s)
		s.end = p.lastEnd()
		out = append(out, s)
		if !p.accept(';') || p.at(tokNewline) {
			break
		}
	}
	if !p.accept(tokNewline) {
		p.fail("invalid syntax")
	}
	return out
}

// simple reads one simple statement. Only imports, assignments, type aliases and
// expressions are kept; the rest is checked.
func (p *parser) simple(s *stmt) {
	switch p.kind() {
	case kwPass, kwBreak, kwContinue:
		p.next()
	case kwReturn:
		p.next()
		if !p.at(tokNewline) && !p.at(';') {
			p.starExprs()
		}
	case kwRaise:
		p.raise()
	case kwGlobal, kwNonlocal:
		p.next()
		p.name()
		for p.accept(',') {
			p.name()
		}
	case kwDel:
		p.del()
	case kwAssert:
		p.next()
		p.expression()
		if p.accept(',') {
			p.expression()
		}
	case kwImport:
		p.importStatement(s)
	case kwFrom:
		p.fromStatement(s)
	default:
		if !p.typeAlias(s) {
			p.assignment(s)
		}
	}
}

// raise_stmt: 'raise' [expression ['from' expression]].
func (p *parser) raise() {
	p.next()
	if p.at(tokNewline) || p.at(';') {
		return
	}
	p.expression()
	if p.accept(kwFrom) {
		p.expression()
	}
}

// del_stmt: 'del' targets, stars excluded.
func (p *parser) del() {
	p.next()
	for {
		target := p.primary()
		p.checkTarget(target, "delete")
		if !p.accept(',') || p.at(tokNewline) || p.at(';') {
			return
		}
	}
}

// dotted reads a.b.c.
func (p *parser) dotted() string {
	name := p.name()
	for p.accept('.') {
		name += "." + p.name()
	}
	return name
}

// import_name: 'import' dotted_as_name (',' dotted_as_name)*.
func (p *parser) importStatement(s *stmt) {
	s.kind = stmtImport
	p.next()
	for {
		one := imported{name: p.dotted()}
		if p.accept(kwAs) {
			one.as = p.name()
		}
		s.imports = append(s.imports, one)
		if !p.accept(',') {
			return
		}
	}
}

// import_from: 'from' dots and module 'import' ('*' | names). Three dots are one
// token.
func (p *parser) fromStatement(s *stmt) {
	s.kind = stmtImport
	p.next()
	module := ""
	for p.at('.') || p.at(tokEllipsis) {
		module += p.text()
		p.next()
	}
	if module == "" || !p.at(kwImport) {
		module += p.dotted()
	}
	p.expect(kwImport, "'import'")
	if p.accept('*') {
		s.imports = append(s.imports, imported{module: module, name: "*"})
		return
	}
	parens := p.accept('(')
	for {
		one := imported{module: module, name: p.name()}
		if p.accept(kwAs) {
			one.as = p.name()
		}
		s.imports = append(s.imports, one)
		if !p.accept(',') || parens && p.at(')') {
			break
		}
	}
	if parens {
		p.expect(')', "')'")
	}
}

// typeAlias reads type X[T] = value. type is a name everywhere else.
func (p *parser) typeAlias(s *stmt) bool {
	if !p.at(tokName) || p.text() != "type" || p.ahead(1) != tokName || p.ahead(2) != '=' && p.ahead(2) != '[' {
		return false
	}
	s.kind = stmtTypeAlias
	p.next()
	s.name = p.name()
	s.typeParams = p.typeParameters()
	p.expect('=', "'='")
	s.value = p.expression()
	return true
}

// assignment reads an expression statement, or what turns out to be the target
// of one of the four kinds of assignment.
func (p *parser) assignment(s *stmt) {
	first := p.starExprsOrYield()
	switch {
	case p.at(':'):
		p.annotated(s, first)
	case p.at('='):
		s.kind = stmtAssign
		s.value = first
		for p.accept('=') {
			p.checkTarget(s.value, "assign to")
			s.targets = append(s.targets, s.value)
			s.value = p.starExprsOrYield()
		}
	case p.at(tokAugAssign):
		if !isSingleTarget(first) {
			p.failAt(first.start, "illegal expression for augmented assignment")
			return
		}
		s.kind = stmtAugment
		s.targets = []*expr{first}
		p.next()
		p.starExprsOrYield()
	default:
		s.kind = stmtExpr
		s.value = first
	}
}

// annotated assignment: target ':' annotation ['=' value].
func (p *parser) annotated(s *stmt, target *expr) {
	if !isSingleTarget(target) {
		p.failAt(target.start, "only single target can be annotated")
		return
	}
	p.next()
	s.kind = stmtAssign
	s.targets = []*expr{target}
	s.annotation = p.expression()
	if p.accept('=') {
		s.value = p.starExprsOrYield()
	}
}

func isSingleTarget(e *expr) bool {
	switch e.kind {
	case exprName, exprAttribute, exprSubscript:
		return true
	}
	return false
}

// checkTarget refuses what cannot be assigned to or deleted.
func (p *parser) checkTarget(e *expr, verb string) {
	switch e.kind {
	case exprName, exprAttribute, exprSubscript:
		return
	case exprStarred:
		if verb != "delete" && !e.parenthesised && e.args[0].kind != exprStarred {
			p.checkTarget(e.args[0], verb)
			return
		}
	case exprTuple, exprList:
		for _, item := range e.args {
			p.checkTarget(item, verb)
		}
		return
	}
	p.failAt(e.start, "cannot %s this expression", verb)
}

// targetList reads the targets of a for loop or comprehension, which end at in.
func (p *parser) targetList() (targets []*expr) {
	for {
		target := p.starTarget()
		p.checkTarget(target, "assign to")
		targets = append(targets, target)
		if !p.accept(',') || p.at(kwIn) {
			return targets
		}
	}
}

// starTarget is a target with its star. It is read below comparisons, so that
// in is left alone.
func (p *parser) starTarget() *expr {
	if p.at('*') {
		start := p.pos()
		p.next()
		return p.node(exprStarred, start, p.primary())
	}
	return p.primary()
}
