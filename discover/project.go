package discover

import (
	"crypto/sha256"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// maxLookup bounds chains of re-exports.
const maxLookup = 20

// project reads the modules that a file imports from beside it, once each.
type project struct {
	root string
	mu   sync.Mutex
	read map[string]*opened // by path from root
}

// opened is what became of one file when it was read.
type opened struct {
	reading sync.Once
	file    *pyFile // nil when it could not be read or parsed
	skip    *Skip   // why it could not be parsed
	err     error   // why it could not be read
	sum     [sha256.Size]byte
	head    []byte // as scanScript wants it
	asking  sync.Once
	flows   []Flow // once somebody asked
}

func newProject(root string) *project {
	return &project{root: root, read: map[string]*opened{}}
}

// newFile binds the names of a parsed module once; every question uses them.
func newFile(p *project, rel string, mod *module) *pyFile {
	return &pyFile{rel: rel, mod: mod, names: bindNames(mod), scope: newScope(mod.body), project: p}
}

// target is what a name stands for: a class or an alias of the project, else a
// full name such as typing.Optional.
type target struct {
	file   *pyFile
	class  *stmt
	alias  *expr
	params []typeParam // of a type X[T] = alias
	name   string
}

// lookup resolves a dotted name in a file, through the project's own modules.
func (p *project) lookup(f *pyFile, d []string, depth int) target {
	if depth > maxLookup {
		return target{name: strings.Join(d, ".")}
	}
	if found, ok := p.local(f, d, depth); ok {
		return found
	}
	if origin, ok := f.scope.imports[d[0]]; ok {
		full := strings.Join(append([]string{origin}, d[1:]...), ".")
		return p.imported(f, full, depth)
	}
	for _, star := range f.scope.stars {
		if m := p.module(f, star); m != nil && m.scope.bound[d[0]] > 0 {
			return p.lookup(m, d, depth+1)
		}
	}
	if len(d) == 1 && f.scope.bound[d[0]] == 0 {
		return target{name: starred(f.scope.stars, d[0])}
	}
	return target{name: strings.Join(d, ".")}
}

// starred guesses a name that nothing binds: from typing import * is the star
// that types come by; else it is built in.
func starred(stars []string, name string) string {
	for _, star := range stars {
		if full := canonical(star + "." + name); knownName(full) {
			return full
		}
	}
	return "builtins." + name
}

func knownName(name string) bool {
	_, plain := plainTypes[name]
	switch name {
	case "typing.Optional", "typing.Union", "typing.Literal", "typing.Annotated", "pydantic.Field", "pydantic.BaseModel":
		return true
	}
	return plain || opaqueTypes[name] || listTypes[name] || setTypes[name] || mapTypes[name] || wrapperTypes[name]
}

// local finds what the file itself defines.
func (p *project) local(f *pyFile, d []string, depth int) (target, bool) {
	name := d[0]
	if s := f.scope.classes[name]; s != nil {
		for _, inner := range d[1:] {
			if s = classIn(s.body, inner); s == nil {
				return target{name: strings.Join(d, ".")}, true
			}
		}
		return target{file: f, class: s}, true
	}
	if len(d) != 1 {
		return target{}, false
	}
	if s := f.scope.aliases[name]; s != nil {
		return target{file: f, alias: s.value, params: s.typeParams}, true
	}
	if e := f.scope.assigns[name]; e != nil && f.scope.imports[name] == "" {
		if other := dottedName(e); other != nil {
			return p.lookup(f, other, depth+1), true
		}
		return target{file: f, alias: e}, true
	}
	return target{}, false
}

func classIn(body []*stmt, name string) *stmt {
	for _, s := range body {
		if s.kind == stmtClass && s.name == name {
			return s
		}
	}
	return nil
}

// imported resolves a full name: a module of the project and a name in it, or
// something from outside, which keeps its name.
func (p *project) imported(f *pyFile, full string, depth int) target {
	name := canonical(full)
	if knownName(name) {
		return target{name: name}
	}
	// Of a relative name the leading dots are a module by themselves.
	dots := len(full) - len(strings.TrimLeft(full, "."))
	for at := len(full); at > dots; {
		at = max(strings.LastIndexByte(full[:at], '.'), dots)
		module, rest := full[:at], strings.TrimPrefix(full[at:], ".")
		if m := p.module(f, module); module != "" && m != nil && rest != "" {
			return p.lookup(m, strings.Split(rest, "."), depth+1)
		}
	}
	return target{name: name}
}

// module is the file of a dotted module as f would import it, or nil.
func (p *project) module(f *pyFile, dotted string) *pyFile {
	dir := path.Dir(f.rel)
	rest := strings.TrimLeft(dotted, ".")
	dots := len(dotted) - len(rest)
	parts := strings.ReplaceAll(rest, ".", "/")
	if dots > 0 {
		for range dots - 1 {
			dir = path.Dir(dir)
		}
		return p.modulePath(path.Join(dir, parts))
	}
	for _, base := range [...]string{".", dir, "src"} {
		if m := p.modulePath(path.Join(base, parts)); m != nil && m.rel != f.rel {
			return m
		}
	}
	for dir != "." && dir != "/" && !strings.HasPrefix(dir, "..") {
		dir = path.Dir(dir)
		if m := p.modulePath(path.Join(dir, parts)); m != nil && m.rel != f.rel {
			return m
		}
	}
	return nil
}

// modulePath is the module at a path, a file before a package. Nothing above the
// root is read.
func (p *project) modulePath(rel string) *pyFile {
	if strings.HasPrefix(rel, "..") {
		return nil
	}
	if m := p.file(rel + ".py"); m != nil {
		return m
	}
	return p.file(path.Join(rel, "__init__.py"))
}

// file reads and parses rel, once. A broken module is as good as none: what is
// imported from it is any.
func (p *project) file(rel string) *pyFile { return p.open(rel).file }

// open may be called by many goroutines: each parses another file.
func (p *project) open(rel string) *opened {
	p.mu.Lock()
	o := p.read[rel]
	if o == nil {
		o = &opened{}
		p.read[rel] = o
	}
	p.mu.Unlock()
	o.reading.Do(func() {
		var raw []byte
		if raw, o.err = os.ReadFile(filepath.Join(p.root, filepath.FromSlash(rel))); o.err != nil {
			return
		}
		o.sum, o.head = sha256.Sum256(raw), raw[:min(len(raw), headSize)]
		o.file, o.skip = openPython(p, rel, raw)
	})
	return o
}

// allFlows are the flows of a file that could be parsed.
func (o *opened) allFlows() []Flow {
	o.asking.Do(func() { o.flows, _ = o.file.flows() })
	return o.flows
}
