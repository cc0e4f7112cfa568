package discover

import "strings"

// flowOrigins are the full names of the decorator.
var flowOrigins = map[string]bool{
	"prefect.flow": true, "prefect.flows.flow": true, "prefect.main.flow": true, "runnel.flow": true,
}

// localOrigin marks a name that the file defines itself.
const localOrigin = "<local>"

// aliasRounds is how long a chain of aliases (f = flow; g = f) is followed when
// it is written backwards.
const aliasRounds = 4

// names says where each name of a file comes from. It is flat: a name imported
// in one function counts in all of them, which is how Prefect's own search, by
// name alone, sees a file too.
type names struct {
	origins map[string][]string
	options map[string][]keyword // of name = flow(retries=3), by name
}

// bindNames collects imports and definitions first, since aliases may be written
// before what they stand for.
func bindNames(m *module) *names {
	n := &names{origins: map[string][]string{}, options: map[string][]keyword{}}
	var assigns []*stmt
	n.collect(m.body, &assigns)
	for range aliasRounds {
		for _, s := range assigns {
			n.alias(s.targets[0].text, s.value)
		}
	}
	return n
}

func (n *names) add(name, origin string) {
	for _, known := range n.origins[name] {
		if known == origin {
			return
		}
	}
	n.origins[name] = append(n.origins[name], origin)
}

func (n *names) collect(body []*stmt, assigns *[]*stmt) {
	for _, s := range body {
		switch s.kind {
		case stmtImport:
			for _, one := range s.imports {
				n.imported(one)
			}
		case stmtFunction, stmtClass:
			n.add(s.name, localOrigin)
		case stmtAssign:
			if len(s.targets) == 1 && s.targets[0].kind == exprName && s.value != nil {
				*assigns = append(*assigns, s)
			}
		}
		n.collect(s.body, assigns)
		n.collect(s.rest, assigns)
	}
}

// imported binds a for import a.b, and the full name for from a import b.
func (n *names) imported(one imported) {
	switch {
	case one.module == "" && one.as != "":
		n.add(one.as, one.name)
	case one.module == "":
		first, _, _ := strings.Cut(one.name, ".")
		n.add(first, first)
	case one.name == "*":
		if one.module == "prefect" || one.module == "prefect.flows" || one.module == "runnel" {
			n.add("flow", one.module+".flow")
		}
	case one.as != "":
		n.add(one.as, one.module+"."+one.name)
	default:
		n.add(one.name, one.module+"."+one.name)
	}
}

// alias follows f = flow, f = flow(retries=3) and f = partial(flow, retries=3).
func (n *names) alias(name string, value *expr) {
	switch value.kind {
	case exprName, exprAttribute:
		if n.isFlow(value) && name != "flow" {
			n.add(name, "prefect.flow")
			if from := dottedName(value); len(from) == 1 && len(n.options[from[0]]) > 0 {
				n.options[name] = n.options[from[0]]
			}
		}
	case exprCall:
		fn := value.args[0]
		switch {
		case len(value.args) == 1 && n.isFlow(fn):
		case len(value.args) > 1 && n.isFlow(value.args[1]) && n.hasOrigin(fn, "functools.partial"):
			fn = value.args[1]
		default:
			return
		}
		n.add(name, "prefect.flow")
		n.options[name] = mergeKeywords(n.inherited(fn), value.keywords)
	}
}

// inherited is the options that an alias brings to what it decorates.
func (n *names) inherited(fn *expr) []keyword {
	if d := dottedName(fn); len(d) == 1 {
		return n.options[d[0]]
	}
	return nil
}

// mergeKeywords lets later ones win, as functools.partial does.
func mergeKeywords(first, then []keyword) []keyword {
	var out []keyword
	for _, k := range first {
		overridden := false
		for _, later := range then {
			overridden = overridden || later.name == k.name && k.name != ""
		}
		if !overridden {
			out = append(out, k)
		}
	}
	return append(out, then...)
}

// dottedName splits a.b.c; it is nil for anything else.
func dottedName(e *expr) []string {
	n := 0
	for at := e; ; at = at.args[0] {
		n++
		if at.kind == exprName {
			break
		}
		if at.kind != exprAttribute {
			return nil
		}
	}
	out := make([]string, n)
	for at := e; n > 0; n-- {
		out[n-1] = at.text
		if n > 1 {
			at = at.args[0]
		}
	}
	return out
}

// resolve lists the full names that e can stand for.
func (n *names) resolve(e *expr) []string {
	d := dottedName(e)
	if d == nil {
		return nil
	}
	var out []string
	for _, origin := range n.origins[d[0]] {
		if origin != localOrigin && len(d) > 1 {
			origin += "." + strings.Join(d[1:], ".")
		}
		out = append(out, origin)
	}
	return out
}

func (n *names) isFlow(e *expr) bool {
	for _, origin := range n.resolve(e) {
		if flowOrigins[origin] {
			return true
		}
	}
	return false
}

func (n *names) hasOrigin(e *expr, want string) bool {
	for _, origin := range n.resolve(e) {
		if origin == want {
			return true
		}
	}
	return false
}

// decides says what a decorator is: a flow, or one that only looks like it, and
// then where its name comes from. A name that nothing in the file binds counts,
// as it does for Prefect: an import may be hidden behind a star.
func (n *names) decides(decorator *expr) (flow bool, elsewhere string) {
	base := decorator
	if base.kind == exprCall {
		base = base.args[0]
	}
	if n.isFlow(base) {
		return true, ""
	}
	d := strings.Join(dottedName(base), ".")
	if d != "flow" && d != "prefect.flow" {
		return false, ""
	}
	origins := n.resolve(base)
	for _, origin := range origins {
		if origin != localOrigin {
			return false, origin
		}
	}
	if len(origins) > 0 {
		return false, localOrigin
	}
	return true, ""
}

// prefectImports lists what the file takes from the prefect package, sorted:
// names of from-imports, and what is read off an imported module.
func prefectImports(m *module) []string {
	found := map[string]bool{}
	modules := map[string]string{} // bound name to dotted module
	importsBelow(m.body, func(one imported) {
		switch {
		case one.module == "prefect" || strings.HasPrefix(one.module, "prefect."):
			found[one.module+"."+one.name] = true
		case one.module != "":
		case one.name == "prefect" || strings.HasPrefix(one.name, "prefect."):
			found[one.name] = true
			if one.as != "" {
				modules[one.as] = one.name
			} else {
				modules["prefect"] = "prefect"
			}
		}
	})
	if len(modules) > 0 {
		m.attributesOf(modules, found)
	}
	return sortedKeys(found)
}

func importsBelow(body []*stmt, fn func(imported)) {
	for _, s := range body {
		for _, one := range s.imports {
			fn(one)
		}
		importsBelow(s.body, fn)
		importsBelow(s.rest, fn)
	}
}

// attributesOf reads the tokens, since the tree keeps no expressions of bodies:
// each a.b.c whose a is a module adds its full name, in place of the module's.
func (m *module) attributesOf(modules map[string]string, found map[string]bool) {
	used := map[string]bool{}
	for i := 0; i+2 < len(m.toks); i++ {
		if m.toks[i].kind != tokName || i > 0 && m.toks[i-1].kind == '.' {
			continue
		}
		module, ok := modules[m.tokenText(i)]
		if !ok || m.toks[i+1].kind != '.' || i > 0 && (m.toks[i-1].kind == kwImport || m.toks[i-1].kind == kwFrom) {
			continue
		}
		name := module
		for m.toks[i+1].kind == '.' && m.toks[i+2].kind == tokName {
			name += "." + m.tokenText(i+2)
			i += 2
		}
		used[name] = true
	}
	for name := range used {
		found[name] = true
		for _, module := range modules {
			if strings.HasPrefix(name, module+".") {
				delete(found, module)
			}
		}
	}
}

func (m *module) tokenText(i int) string { return m.text[m.toks[i].start:m.toks[i].end] }
