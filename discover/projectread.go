package discover

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxProjectFile bounds what is read as a project file, in bytes: the largest
// real ones have 100 kB.
const maxProjectFile = 4 << 20

// projectFiles are the names of a project file, runnel's own before Prefect's.
var projectFiles = [...]string{"runnel.yaml", "runnel.yml", "prefect.yaml", "prefect.yml"}

// FindProjectFile finds the project file of a folder; path is "" when there is
// none. unread is Prefect's beside it, such as prefect.yaml, which is not read.
func FindProjectFile(root string) (path, unread string, err error) {
	prefect := false
	for _, name := range projectFiles {
		full := filepath.Join(root, name)
		info, err := os.Stat(full)
		if errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return "", "", err
		}
		if path == "" {
			path, prefect = full, strings.HasPrefix(name, "prefect")
		} else if !prefect && unread == "" && strings.HasPrefix(name, "prefect") {
			unread = name
		}
	}
	return path, unread, nil
}

// ReadProject reads and checks a project file. What is wrong in it comes as one
// *ProjectError with every problem and its place, and no project at all: half a
// file is never deployed.
func ReadProject(path string) (*Project, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() || info.Size() > maxProjectFile {
		return nil, &ProjectError{[]Problem{{File: path, Message: fmt.Sprintf("not a project file: it is a folder or has more than %d MB", maxProjectFile>>20)}}}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseProject(path, raw)
}

// reader collects what is found while a project file is read.
type reader struct {
	file     string
	problems []Problem
	warnings []Problem
	account  map[string]string
	shown    map[string]string // by path in the file: what messages print
	unacted  map[string][]*yaml.Node
	said     map[string]bool // an alias brings the same place many times
}

func newReader(file string) *reader {
	return &reader{file: file, account: map[string]string{}, unacted: map[string][]*yaml.Node{}, said: map[string]bool{}}
}

func (r *reader) problem(n *yaml.Node, path, hint, format string, args []any) Problem {
	return Problem{r.file, n.Line, n.Column, path, fmt.Sprintf(format, args...), hint}
}

func (r *reader) fail(n *yaml.Node, path, hint, format string, args ...any) {
	r.account[path] = "refused"
	if p := r.problem(n, path, hint, format, args); r.once(p) {
		r.problems = append(r.problems, p)
	}
}

func (r *reader) warn(n *yaml.Node, path, hint, format string, args ...any) {
	r.account[path] = "warned"
	r.note(n, path, hint, format, args...)
}

// note warns of a key that is used all the same.
func (r *reader) note(n *yaml.Node, path, hint, format string, args ...any) {
	if p := r.problem(n, path, hint, format, args); r.once(p) {
		r.warnings = append(r.warnings, p)
	}
}

func (r *reader) once(p Problem) bool {
	key := fmt.Sprint(p.Line, p.Column, p.Message)
	if r.said[key] {
		return false
	}
	r.said[key] = true
	return true
}

func sortProblems(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}

func parseProject(path string, raw []byte) (*Project, error) {
	p := &Project{Path: path, raw: raw}
	doc, problem := parseYAML(path, raw)
	if problem != nil {
		return nil, &ProjectError{[]Problem{*problem}}
	}
	if len(doc.Content) == 0 { // empty, or comments alone
		return p, nil
	}
	p.doc = doc
	r := newReader(path)
	x := newExpander(r)
	root := x.expand(doc.Content[0], "", 0)
	p.root = root
	if x.left >= 0 { // else it is cut short, and more would only confuse
		r.project(p, root)
	}
	if len(r.problems) > 0 {
		sortProblems(r.problems)
		return nil, &ProjectError{r.problems}
	}
	sortProblems(r.warnings)
	p.Warnings, p.account = r.warnings, r.account
	return p, nil
}

// parseYAML reads the one document of a file.
func parseYAML(path string, raw []byte) (*yaml.Node, *Problem) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	doc, next := &yaml.Node{}, &yaml.Node{}
	if err := dec.Decode(doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(path, raw, err)
	}
	switch err := dec.Decode(next); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return nil, syntaxProblem(path, raw, err)
	}
	return nil, &Problem{
		File: path, Line: next.Line, Column: next.Column,
		Message: "a second YAML document begins here; a project file is one", Hint: "remove the line ---",
	}
}

// topOther are the keys at the top that are bookkeeping of other tools.
var topOther = map[string]string{
	"prefect-version": "Prefect's bookkeeping",
	"version":         "the version of the file's form",
	"description":     "a note of the author's",
	"project":         "a note of the author's",
	"definitions":     "a home for anchors",
}

func (r *reader) project(p *Project, root *yaml.Node) {
	if isNull(root) {
		return
	}
	if root.Kind != yaml.MappingNode {
		r.fail(root, "", "the deployments stand under a key: deployments:", "a project file is a mapping of keys")
		return
	}
	b := r.block(root, "")
	if name := b.text("name"); name != nil {
		p.Name = *name
	}
	p.Build, p.Push, p.Pull = b.steps("build"), b.steps("push"), b.steps("pull")
	list := b.take("deployments")
	for key, reason := range topOther {
		b.keep(key, reason)
	}
	b.anchors(p.doc.Content[0])
	b.rest(nil)
	r.deployments(p, list)
	r.nameUnacted()
}

func (r *reader) deployments(p *Project, list *yaml.Node) {
	if isNull(list) {
		return
	}
	if list.Kind != yaml.SequenceNode {
		r.fail(list, "deployments", "begin each deployment with a dash:\n    deployments:\n      - name: …", "must be a list")
		return
	}
	for i, item := range list.Content {
		path := indexPath("deployments", i)
		if isNull(item) {
			r.warn(item, path, "", "empty, so it is left out")
			continue
		}
		if item.Kind != yaml.MappingNode {
			r.fail(item, path, "", "must be a mapping with name, entrypoint and work_pool")
			continue
		}
		e := r.entry(item, path)
		e.Index = i
		e.inherit(p)
		r.duplicate(p.Deployments, e)
		p.Deployments = append(p.Deployments, e)
	}
}

// duplicate refuses two entries that would be one deployment. The same name
// under two flows is two deployments.
func (r *reader) duplicate(before []Entry, e Entry) {
	if e.Name == "" {
		return
	}
	for _, other := range before {
		if other.Name != e.Name || cleanEntrypoint(other.Entrypoint) != cleanEntrypoint(e.Entrypoint) {
			continue
		}
		at := child(e.node, "name")
		r.fail(at, joinPath(e.path, "name"), "give one of them another name", "%q of this flow is on line %d already", e.Name, other.Line)
		return
	}
}

func cleanEntrypoint(s string) string { return strings.TrimPrefix(s, "./") }

// nameUnacted says in one warning what is kept and not acted on, and where.
func (r *reader) nameUnacted() {
	var nodes []*yaml.Node
	keys := sortedNames(r.unacted)
	for _, key := range keys {
		nodes = append(nodes, r.unacted[key]...)
	}
	if len(nodes) == 0 {
		return
	}
	slices.SortStableFunc(nodes, func(a, b *yaml.Node) int { return a.Line - b.Line })
	var lines []string
	for _, n := range nodes {
		lines = append(lines, fmt.Sprint(n.Line))
	}
	word := "line"
	if lines = slices.Compact(lines); len(lines) > 1 {
		word = "lines"
	}
	r.warnings = append(r.warnings, r.problem(nodes[0], strings.Join(keys, ", "), "", "read and kept, not acted on (%s %s)", []any{word, strings.Join(lines, ", ")}))
}
