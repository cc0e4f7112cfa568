// Package discover finds the flows in a working directory by reading it. It
// imports and runs none of the user's code: a tokenizer and parser of Python's
// grammar (3.9 to 3.14) see what Python's own ast module sees, and signatures
// become JSON Schema as Prefect makes it.
//
// A file that cannot be read or is no Python is a Skip with its reason, never a
// guess.
package discover

import (
	"encoding/json"
	"slices"
)

// The kinds of flow.
const (
	KindPython = "python"
	KindScript = "script"
)

// Flow is one flow function or script. Its JSON names are the contract of
// runnel discover -o json.
type Flow struct {
	// Entrypoint is what deploy takes: "flows/report.py:folder_report", or the
	// path of a script. Relative to the scanned root, with slashes.
	Entrypoint string `json:"entrypoint"`
	// FlowName is the decorator's literal name, else the function's name with
	// _ turned into -.
	FlowName string `json:"flow_name"`
	// Function is the function's own name, "" for a script.
	Function string `json:"function"`
	// QualifiedName is Python's __qualname__, such as "Class.method"; for a flow
	// made by a call (job = flow(fn)) the name it is assigned to.
	QualifiedName string `json:"qualified_name"`
	File          string `json:"file"`
	Line          int    `json:"line"` // of the def, from 1
	EndLine       int    `json:"end_line"`
	Kind          string `json:"kind"` // KindPython or KindScript
	Async         bool   `json:"async"`
	// Deployable is false for what exists only while other code runs, and
	// Reason says why.
	Deployable  bool   `json:"deployable"`
	Reason      string `json:"reason,omitempty"`
	Description string `json:"description"` // first paragraph of the docstring, on one line
	// Options are the decorator's keywords by name.
	Options map[string]Option `json:"options"`
	// Parameters is a JSON Schema (draft 2020-12) of an object: properties in
	// the signature's order, each with title and position, required, and $defs
	// where a type is a class.
	Parameters json.RawMessage `json:"parameters"`
	// Hints are the serve and deploy calls in the file for this flow.
	Hints []Hint `json:"hints,omitempty"`
	// PrefectImports are the dotted names that the file takes from prefect,
	// sorted: "prefect.flow", "prefect.tasks.task_input_hash"; "prefect" alone
	// where a module is imported and what is read off it cannot be told.
	PrefectImports []string `json:"-"`
}

// Option is one keyword of a decorator or call.
type Option struct {
	// Literal is false where only running the code would tell the value; Source
	// has its text then and Value is nil.
	Literal bool `json:"literal"`
	// Value is nil, a bool, a json.Number (an integer), a float64, a string, a
	// []any, or an object that marshals in order.
	Value  any    `json:"value"`
	Source string `json:"source,omitempty"`
}

// Text is the value of a literal string.
func (o Option) Text() (string, bool) {
	s, ok := o.Value.(string)
	return s, ok && o.Literal
}

// Bool is the value of a literal True or False.
func (o Option) Bool() (value, ok bool) {
	b, ok := o.Value.(bool)
	return b, ok && o.Literal
}

// Number is the value of a literal int or float.
func (o Option) Number() (float64, bool) {
	switch n := o.Value.(type) {
	case json.Number:
		f, err := n.Float64()
		return f, o.Literal && err == nil
	case float64:
		return n, o.Literal
	}
	return 0, false
}

// Hint is a call of flow.serve(...) or flow.deploy(...) in the flow's file.
type Hint struct {
	Method    string            `json:"method"` // "serve" or "deploy"
	Line      int               `json:"line"`
	Arguments map[string]Option `json:"arguments"` // a first positional argument is name
}

// Skip is a file or folder that could not be read, or is no Python.
type Skip struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 where the whole file is meant
	Column int    `json:"column,omitempty"` // in characters, from 1
}

// Note is a line of --explain: something that looked like a flow and is none, or
// a type that was not understood.
type Note struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Result is what was found, by file and then line.
type Result struct {
	Flows   []Flow `json:"flows"`
	Skipped []Skip `json:"skipped"`
	Notes   []Note `json:"notes,omitempty"` // only with Options.Explain
	// Files counts the files that were looked at.
	Files int `json:"files"`
}

// Options change how Walk looks.
type Options struct {
	// NoGit reads the tree itself even in a git checkout.
	NoGit bool
	// Explain fills Result.Notes.
	Explain bool
}

// sort gives the order that users see and diff: by file, then line. Files are read
// in parallel and come in any order.
func (r *Result) sort() {
	slices.SortStableFunc(r.Flows, func(a, b Flow) int {
		return compareAt(a.File, a.Line, b.File, b.Line)
	})
	slices.SortStableFunc(r.Skipped, func(a, b Skip) int {
		return compareAt(a.File, a.Line, b.File, b.Line)
	})
	slices.SortStableFunc(r.Notes, func(a, b Note) int {
		return compareAt(a.File, a.Line, b.File, b.Line)
	})
}

func compareAt(fileA string, lineA int, fileB string, lineB int) int {
	switch {
	case fileA < fileB:
		return -1
	case fileA > fileB:
		return 1
	}
	return lineA - lineB
}
