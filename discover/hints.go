package discover

import "slices"

// made finds the flows that a module-level call makes: job = flow(fn),
// job = flow(name="x")(fn) and job = fn.with_options(name="x").
func (f *pyFile) made(known []Flow) []Flow {
	var out []Flow
	functions := map[string]candidate{}
	f.functions(func(c candidate) {
		if len(c.place.qual) == 0 {
			functions[c.fn.name] = c
		}
	})
	eachTopLevel(f.mod.body, func(s *stmt) {
		if s.kind != stmtAssign || len(s.targets) != 1 || s.targets[0].kind != exprName || s.value == nil || s.value.kind != exprCall {
			return
		}
		name := s.targets[0].text
		base, options, ok := f.madeFrom(s.value, append(known, out...))
		if !ok {
			return
		}
		c, found := functions[base]
		if !found {
			return
		}
		c.options = mergeKeywords(c.options, options)
		flow, _ := f.flow(c)
		flow.QualifiedName, flow.Entrypoint = name, f.rel+":"+name
		flow.Line, flow.EndLine = f.mod.line(s.start), f.mod.line(s.end-1)
		out = append(out, flow)
	})
	return out
}

// madeFrom reads the call: the function it wraps and the options it adds.
func (f *pyFile) madeFrom(call *expr, known []Flow) (function string, options []keyword, ok bool) {
	fn := call.args[0]
	if fn.kind == exprAttribute && fn.text == "with_options" && fn.args[0].kind == exprName {
		name := fn.args[0].text
		for _, k := range known {
			if k.QualifiedName == name && k.Kind == KindPython {
				return k.Function, call.keywords, true
			}
		}
		return "", nil, false
	}
	if len(call.args) < 2 || call.args[1].kind != exprName {
		return "", nil, false
	}
	if fn.kind == exprCall && f.names.isFlow(fn.args[0]) {
		return call.args[1].text, mergeKeywords(f.names.inherited(fn.args[0]), fn.keywords), true
	}
	if f.names.isFlow(fn) {
		return call.args[1].text, mergeKeywords(f.names.inherited(fn), call.keywords), true
	}
	return "", nil, false
}

// eachTopLevel visits the statements of the module and of its blocks, not of
// functions and classes.
func eachTopLevel(body []*stmt, fn func(*stmt)) {
	for _, s := range body {
		fn(s)
		if s.kind != stmtFunction && s.kind != stmtClass {
			eachTopLevel(s.body, fn)
			eachTopLevel(s.rest, fn)
		}
	}
}

// addHints finds flow.serve(...), flow.deploy(...) and flow.to_deployment(...),
// wherever they stand, and hangs them on their flow. The arguments are read, the
// call is not made.
func (f *pyFile) addHints(flows []Flow) {
	eachCall(f.mod.body, func(call *expr) {
		fn := call.args[0]
		if fn.kind != exprAttribute || fn.text != "serve" && fn.text != "deploy" && fn.text != "to_deployment" {
			return
		}
		owner := fn.args[0]
		for owner.kind == exprCall { // my_flow.with_options(...).serve(...)
			if owner = owner.args[0]; owner.kind != exprAttribute {
				return
			}
			owner = owner.args[0]
		}
		i := slices.IndexFunc(flows, func(fl Flow) bool { return owner.kind == exprName && fl.QualifiedName == owner.text })
		if i < 0 {
			return
		}
		hint := Hint{Method: fn.text, Line: f.mod.line(call.start), Arguments: f.optionsOf(call.keywords)}
		if len(call.args) > 1 && call.args[1].kind != exprStarred {
			hint.Arguments["name"] = f.optionsOf([]keyword{{"name", call.args[1]}})["name"]
		}
		flows[i].Hints = append(flows[i].Hints, hint)
	})
}

// eachCall visits the calls that are statements or values of assignments, in the
// module and in functions, and the calls among their arguments:
// serve(a.to_deployment(...), b.to_deployment(...)).
func eachCall(body []*stmt, fn func(call *expr)) {
	for _, s := range body {
		if (s.kind == stmtExpr || s.kind == stmtAssign) && s.value != nil && s.value.kind == exprCall {
			fn(s.value)
			for _, arg := range s.value.args[1:] {
				if arg.kind == exprCall {
					fn(arg)
				}
			}
		}
		eachCall(s.body, fn)
		eachCall(s.rest, fn)
	}
}
