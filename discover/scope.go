package discover

// scope is what a file's module level binds: the names that annotations,
// defaults and entrypoints refer to. Blocks (if, try, with) belong to it,
// functions and classes do not.
type scope struct {
	classes map[string]*stmt
	assigns map[string]*expr // the last value of a name
	aliases map[string]*stmt // type X = ...
	imports map[string]string
	stars   []string       // modules of from x import *
	bound   map[string]int // how often a name is bound, by whatever means
}

func newScope(body []*stmt) *scope {
	s := &scope{
		classes: map[string]*stmt{}, assigns: map[string]*expr{}, aliases: map[string]*stmt{},
		imports: map[string]string{}, bound: map[string]int{},
	}
	s.add(body)
	return s
}

// add counts every binding: a name that is bound twice is no constant.
func (s *scope) add(body []*stmt) {
	for _, st := range body {
		switch st.kind {
		case stmtClass:
			s.classes[st.name] = st
			s.bound[st.name]++
			continue
		case stmtFunction:
			s.bound[st.name]++
			continue
		case stmtTypeAlias:
			s.aliases[st.name] = st
			s.bound[st.name]++
		case stmtImport:
			s.addImports(st.imports)
		case stmtAssign:
			s.assign(st)
		case stmtAugment, stmtLoop:
			for _, t := range st.targets {
				s.bindTarget(t)
			}
		}
		s.add(st.body)
		s.add(st.rest)
	}
}

// assign records NAME = value; an annotation without a value binds nothing.
func (s *scope) assign(st *stmt) {
	for _, t := range st.targets {
		if t.kind == exprName {
			if st.value != nil {
				s.assigns[t.text] = st.value
				s.bound[t.text]++
			}
			continue
		}
		s.bindTarget(t)
	}
}

func (s *scope) bindTarget(t *expr) {
	switch t.kind {
	case exprName:
		s.bound[t.text]++
	case exprTuple, exprList, exprStarred:
		for _, item := range t.args {
			s.bindTarget(item)
		}
	}
}

func (s *scope) addImports(imports []imported) {
	for _, one := range imports {
		switch {
		case one.name == "*":
			s.stars = append(s.stars, one.module)
		case one.module == "" && one.as == "":
			s.importModule(one.name)
		case one.module == "":
			s.imports[one.as] = one.name
			s.bound[one.as]++
		default:
			name := one.as
			if name == "" {
				name = one.name
			}
			s.imports[name] = joinModule(one.module, one.name)
			s.bound[name]++
		}
	}
}

// importModule binds a of import a.b.c.
func (s *scope) importModule(dotted string) {
	for i := range len(dotted) {
		if dotted[i] == '.' {
			dotted = dotted[:i]
			break
		}
	}
	s.imports[dotted] = dotted
	s.bound[dotted]++
}

// joinModule joins a module and a name; a relative module may end with its dots.
func joinModule(module, name string) string {
	if module != "" && module[len(module)-1] == '.' {
		return module + name
	}
	return module + "." + name
}

// constant is the value of a name that is bound once, or nil.
func (s *scope) constant(name string) *expr {
	if s.bound[name] != 1 {
		return nil
	}
	return s.assigns[name]
}
