package discover

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// The reasons why an entrypoint is refused, in EntrypointError.Kind.
const (
	FileMissing     = "file missing"
	FileUnreadable  = "file unreadable" // no permission, wrong encoding, a folder
	SyntaxInvalid   = "syntax error"
	FunctionMissing = "function missing"
	FunctionUnnamed = "function unnamed" // file.py alone, where it does not hold one flow
	NotDeployable   = "not deployable"   // nested functions and instance methods
	NotExecutable   = "not executable"   // a script without block, shebang or mode
	BlockInvalid    = "flow block invalid"
)

// EntrypointError says what is wrong with an entrypoint, where, and what was
// most likely meant.
type EntrypointError struct {
	Kind       string // one of the constants above
	Entrypoint string // as given
	File       string // from root, with slashes
	Line       int    // from 1; 0 where the file as a whole is meant
	Column     int    // in characters, from 1
	Reason     string
	Near       []string // names like the one given, best first
	Have       []string // the entrypoints that the file does have
}

// Error is one line: where, what, and a suggestion.
func (e *EntrypointError) Error() string {
	at := e.File
	if e.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, e.Line)
		if e.Column > 0 {
			at = fmt.Sprintf("%s:%d", at, e.Column)
		}
	}
	msg := at + ": " + e.Reason
	if len(e.Near) > 0 {
		msg += fmt.Sprintf("; did you mean %s?", e.Near[0])
	}
	return msg
}

// Entrypoint reads one flow by name: "file.py:function",
// "file.py:Class.method", "pkg.module:function", "pkg.module.function", the path
// of a script, or "file.py" where that holds one flow. The function need not be
// decorated; an executable without a block is a script flow that declares no
// parameters. Paths are relative to root, or absolute. The error is an
// *EntrypointError.
func Entrypoint(root, entrypoint string) (Flow, error) {
	return NewReader(root).Entrypoint(entrypoint)
}

// Reader reads entrypoints below one root, each Python file once.
type Reader struct{ project *project }

// NewReader reads below root.
func NewReader(root string) *Reader { return &Reader{newProject(root)} }

// Version tells a file's contents apart: 12 hex digits of their SHA-256; "" for
// one that cannot be read.
func (r *Reader) Version(file string) string {
	sum := [sha256.Size]byte{}
	if strings.HasSuffix(file, ".py") && !filepath.IsAbs(file) {
		o := r.project.open(file)
		if o.err != nil {
			return ""
		}
		sum = o.sum
	} else {
		if !filepath.IsAbs(file) {
			file = filepath.Join(r.project.root, filepath.FromSlash(file))
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return ""
		}
		sum = sha256.Sum256(raw)
	}
	return hex.EncodeToString(sum[:])[:12]
}

// Ahead reads the files of many entrypoints on all cores, so that Entrypoint
// finds them parsed. What is wrong with one is for Entrypoint to say.
func (r *Reader) Ahead(entrypoints []string) {
	var wg sync.WaitGroup
	work := make(chan string)
	for range min(runtime.GOMAXPROCS(0), len(entrypoints)) {
		wg.Go(func() {
			for entrypoint := range work {
				_, _ = r.Entrypoint(entrypoint)
			}
		})
	}
	for _, entrypoint := range entrypoints {
		work <- entrypoint
	}
	close(work)
	wg.Wait()
}

// Entrypoint is the function of that name.
func (r *Reader) Entrypoint(entrypoint string) (Flow, error) {
	e := &entry{project: r.project, root: r.project.root, given: entrypoint}
	file, name, ok := splitEntrypoint(entrypoint)
	if !ok {
		return e.whole()
	}
	rel, err := e.find(file)
	if err != nil {
		return Flow{}, err
	}
	return e.function(rel, name)
}

// splitEntrypoint cuts at the last colon, so that a Windows drive survives.
func splitEntrypoint(s string) (file, name string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || strings.ContainsAny(s[i+1:], `/\`) {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// entry is one entrypoint while it is looked up.
type entry struct {
	project *project
	root    string
	given   string
}

func (e *entry) fail(kind, file, reason string) *EntrypointError {
	return &EntrypointError{Kind: kind, Entrypoint: e.given, File: file, Reason: reason}
}

func (e *entry) full(rel string) string { return filepath.Join(e.root, filepath.FromSlash(rel)) }

func (e *entry) isFile(rel string) bool {
	info, err := os.Stat(e.full(rel))
	return err == nil && !info.IsDir()
}

// find is the path of a file or a dotted module.
func (e *entry) find(name string) (string, error) {
	rel, err := relative(e.root, name)
	if err != nil {
		return "", e.fail(FileMissing, name, err.Error())
	}
	if e.isFile(rel) {
		return rel, nil
	}
	if !strings.ContainsAny(name, `/\`) && !strings.HasSuffix(name, ".py") {
		if m := e.module(name); m != "" {
			return m, nil
		}
	}
	if info, err := os.Stat(e.full(rel)); err == nil && info.IsDir() {
		return "", e.fail(FileUnreadable, rel, "is a folder")
	}
	if filepath.IsAbs(name) {
		return "", e.fail(FileMissing, name, "no such file")
	}
	missing := e.fail(FileMissing, rel, "no such file")
	missing.Near = e.nearFiles(rel)
	return "", missing
}

// module is the file of pkg.module, below root or root/src; "" if there is none.
func (e *entry) module(dotted string) string {
	parts := strings.ReplaceAll(dotted, ".", "/")
	for _, base := range [...]string{"", "src"} {
		for _, rel := range [...]string{parts + ".py", parts + "/__init__.py"} {
			if rel = path.Join(base, rel); e.isFile(rel) {
				return rel
			}
		}
	}
	return ""
}

// nearFiles suggests files in the same folder, and files of that name elsewhere
// near the root.
func (e *entry) nearFiles(rel string) []string {
	dir := path.Dir(rel)
	var names []string
	for _, d := range [...]string{dir, ".", "flows", "src"} {
		entries, err := os.ReadDir(e.full(d))
		if err != nil {
			continue
		}
		for _, one := range entries {
			name := path.Join(d, one.Name())
			if !one.IsDir() && path.Ext(name) == path.Ext(rel) && !contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return near(rel, names)
}

// whole is an entrypoint without a function.
func (e *entry) whole() (Flow, error) {
	rel, err := e.find(e.given)
	if err != nil {
		if i := strings.LastIndexByte(e.given, '.'); i > 0 && !strings.HasSuffix(e.given, ".py") && !strings.Contains(e.given, "/") {
			if m := e.module(e.given[:i]); m != "" {
				return e.function(m, e.given[i+1:])
			}
		}
		return Flow{}, err
	}
	if strings.HasSuffix(rel, ".py") {
		return e.only(rel)
	}
	return e.script(rel)
}

// only is file.py alone.
func (e *entry) only(rel string) (Flow, error) {
	found := scanPythonFully(e.project, rel)
	if len(found.Flows) == 0 && len(found.Skipped) > 0 {
		return Flow{}, e.skipped(found.Skipped[0])
	}
	var usable []Flow
	var have []string
	for _, flow := range found.Flows {
		if flow.Deployable {
			usable = append(usable, flow)
			have = append(have, flow.Entrypoint)
		}
	}
	if len(usable) == 1 {
		return usable[0], nil
	}
	reason := "holds no flow; name a function, as in " + rel + ":function"
	if len(usable) > 1 {
		reason = fmt.Sprintf("holds %d flows; name one", len(usable))
	}
	err := e.fail(FunctionUnnamed, rel, reason)
	err.Have = have
	return Flow{}, err
}

// scanPythonFully is scanPython without its quick look for the word flow.
func scanPythonFully(p *project, rel string) Result {
	o := p.open(rel)
	if o.err != nil {
		return Result{Skipped: []Skip{{File: rel, Reason: reasonOf(o.err)}}}
	}
	out := scanScript(rel, o.head)
	if o.skip != nil {
		out.Skipped = append(out.Skipped, *o.skip)
		return out
	}
	out.Flows = append(out.Flows, o.allFlows()...)
	return out
}

// skipped turns a skip into the error of the one who asked for that very file.
func (e *entry) skipped(s Skip) *EntrypointError {
	kind := FileUnreadable
	switch {
	case s.Column > 0:
		kind = SyntaxInvalid
	case s.Line > 0:
		kind = BlockInvalid
	}
	err := e.fail(kind, s.File, s.Reason)
	err.Line, err.Column = s.Line, s.Column
	return err
}

// script is a file that is not Python, or an executable.
func (e *entry) script(rel string) (Flow, error) {
	head, err := readHead(e.root, rel)
	if err != nil {
		return Flow{}, e.fail(FileUnreadable, rel, reasonOf(err))
	}
	found := scanScript(rel, head)
	switch {
	case len(found.Skipped) > 0:
		return Flow{}, e.skipped(found.Skipped[0])
	case len(found.Flows) > 0:
		return found.Flows[0], nil
	}
	info, err := os.Stat(e.full(rel))
	if err != nil {
		return Flow{}, e.fail(FileUnreadable, rel, reasonOf(err))
	}
	if info.Mode()&0o111 == 0 {
		return Flow{}, e.fail(NotExecutable, rel, "neither executable nor a script with a flow block; try chmod +x "+rel)
	}
	return plainScript(rel), nil
}

// function is a named function of a Python file.
func (e *entry) function(rel, name string) (Flow, error) {
	o := e.project.open(rel)
	switch {
	case o.err != nil:
		return Flow{}, e.fail(FileUnreadable, rel, reasonOf(o.err))
	case o.skip != nil:
		return Flow{}, e.skipped(*o.skip)
	}
	f := o.file
	flow, found := f.byName(name, o.allFlows())
	if !found {
		return Flow{}, e.missing(f, name)
	}
	if !flow.Deployable {
		err := e.fail(NotDeployable, rel, flow.QualifiedName+" cannot be deployed: "+flow.Reason)
		err.Line = flow.Line
		return Flow{}, err
	}
	return flow, nil
}

// byName is the flow or plain function of a qualified name; the last of several
// definitions, which is the one that a run would call. A function that cannot be
// deployed is found by its bare name, to say why.
func (f *pyFile) byName(name string, flows []Flow) (Flow, bool) {
	var out Flow
	found := false
	for _, flow := range flows {
		if flow.QualifiedName == name && (!found || flow.Deployable || !out.Deployable) {
			out, found = flow, true
		}
	}
	if found && out.Deployable {
		return out, true
	}
	var hidden *Flow
	f.functions(func(c candidate) {
		if c.decorator != nil && found {
			return
		}
		flow, _ := f.flow(c)
		flow.PrefectImports = prefectImports(f.mod)
		switch {
		case c.qualified() == name && (!found || flow.Deployable):
			out, found = flow, true
		case c.fn.name == name:
			hidden = &flow
		}
	})
	if !found && hidden != nil {
		return *hidden, !hidden.Deployable
	}
	return out, found
}

// missing lists what could have been meant. Where a file has flows, plain
// functions only count as near misses.
func (e *entry) missing(f *pyFile, name string) *EntrypointError {
	err := e.fail(FunctionMissing, f.rel, fmt.Sprintf("no function %q", name))
	var names, flows []string
	f.functions(func(c candidate) {
		if c.reason() != "" {
			return
		}
		if c.decorator != nil {
			flows = append(flows, c.qualified())
		}
		names = append(names, c.qualified())
	})
	for _, like := range near(name, names) {
		err.Near = append(err.Near, f.rel+":"+like)
	}
	if len(flows) == 0 {
		flows = names
	}
	for _, have := range flows {
		err.Have = append(err.Have, f.rel+":"+have)
	}
	return err
}
