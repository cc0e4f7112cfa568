package discover

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// testPython names an interpreter for the differential tests; the newer it is,
// the more grammar they cover.
const testPython = "RUNNEL_TEST_PYTHON"

// python is a running testdata/see.py.
type python struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// seenFunction is one function as either side sees it.
type seenFunction struct {
	Qualified  string          `json:"qualified"`
	Line       int             `json:"line"`
	End        int             `json:"end"`
	Async      bool            `json:"async"`
	Decorators []string        `json:"decorators"`
	Returns    *string         `json:"returns"`
	Doc        string          `json:"doc"`
	Parameters []seenParameter `json:"parameters"`
	TypeParams []string        `json:"typeParams"`
}

type seenParameter struct {
	Name       string  `json:"name"`
	Kind       int     `json:"kind"`
	Annotation *string `json:"annotation"`
	Default    *string `json:"default"`
	Value      *string `json:"value"`
}

type seen struct {
	Error     string         `json:"error"`
	Functions []seenFunction `json:"functions"`
}

// startPython starts the helper, or skips the test aloud.
func startPython(t testing.TB) *python {
	t.Helper()
	name := os.Getenv(testPython)
	if name == "" {
		name = "python3"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s: nothing is compared with Python's ast", name)
	}
	cmd := exec.Command(path, filepath.Join("testdata", "see.py"))
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &python{in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

// see asks Python about one source.
func (p *python) see(t testing.TB, raw []byte) seen {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var header [4]byte
	binary.BigEndian.PutUint32(header[:], uint32(len(raw)))
	if _, err := p.in.Write(append(header[:], raw...)); err != nil {
		t.Fatalf("python: %v", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("python: %v", err)
	}
	var s seen
	if err := json.Unmarshal(line, &s); err != nil {
		t.Fatalf("python: %v", err)
	}
	return s
}

// seeOurs is the same view through our own parser.
func seeOurs(raw []byte) seen {
	f, skip := openPython(newProject("."), "x.py", raw)
	if skip != nil {
		return seen{Error: fmt.Sprintf("%d:%d: %s", skip.Line, skip.Column, skip.Reason)}
	}
	out := seen{Functions: []seenFunction{}}
	f.functions(func(c candidate) {
		fn := seenFunction{
			Qualified: c.qualified(), Line: f.mod.line(c.fn.start), End: f.mod.line(c.fn.end - 1), Async: c.fn.async,
			Returns: f.seenSource(c.fn.returns), Doc: f.mod.docstring(c.fn.body),
		}
		for _, d := range c.fn.decorators {
			fn.Decorators = append(fn.Decorators, f.mod.source(d))
		}
		for _, p := range c.fn.params {
			one := seenParameter{Name: p.name, Kind: int(p.kind), Annotation: f.seenSource(p.annotation), Default: f.seenSource(p.value)}
			if value, ok := f.mod.literal(p.value, nil); ok {
				if value, ok = jsonValue(value); ok {
					text, _ := json.Marshal(value)
					one.Value = new(string(text))
				}
			}
			fn.Parameters = append(fn.Parameters, one)
		}
		for _, p := range c.fn.typeParams {
			fn.TypeParams = append(fn.TypeParams, p.name)
		}
		out.Functions = append(out.Functions, fn)
	})
	return out
}

func (f *pyFile) seenSource(e *expr) *string {
	if e == nil {
		return nil
	}
	return new(f.mod.source(e))
}

// compareSeen describes the first difference, or is "".
func compareSeen(ours, theirs seen) string {
	if len(ours.Functions) != len(theirs.Functions) {
		return fmt.Sprintf("ours has %d functions, ast %d", len(ours.Functions), len(theirs.Functions))
	}
	for i, want := range theirs.Functions {
		got := ours.Functions[i]
		at := fmt.Sprintf("line %d %s: ", want.Line, want.Qualified)
		switch {
		case got.Qualified != want.Qualified, got.Line != want.Line, got.End != want.End, got.Async != want.Async:
			return at + fmt.Sprintf("ours %s %d-%d async %v, ast %d-%d async %v", got.Qualified, got.Line, got.End, got.Async, want.Line, want.End, want.Async)
		case fmt.Sprint(got.Decorators) != fmt.Sprint(want.Decorators):
			return at + fmt.Sprintf("decorators: ours %q, ast %q", got.Decorators, want.Decorators)
		case text(got.Returns) != text(want.Returns):
			return at + fmt.Sprintf("returns: ours %s, ast %s", text(got.Returns), text(want.Returns))
		case got.Doc != want.Doc:
			return at + fmt.Sprintf("docstring: ours %q, ast %q", got.Doc, want.Doc)
		case fmt.Sprint(got.TypeParams) != fmt.Sprint(want.TypeParams):
			return at + fmt.Sprintf("type parameters: ours %q, ast %q", got.TypeParams, want.TypeParams)
		case len(got.Parameters) != len(want.Parameters):
			return at + fmt.Sprintf("ours has %d parameters, ast %d", len(got.Parameters), len(want.Parameters))
		}
		for j, p := range want.Parameters {
			if d := compareParameter(got.Parameters[j], p); d != "" {
				return at + "parameter " + p.Name + ": " + d
			}
		}
	}
	return ""
}

func compareParameter(got, want seenParameter) string {
	switch {
	case got.Name != want.Name, got.Kind != want.Kind:
		return fmt.Sprintf("ours %s of kind %d, ast %s of kind %d", got.Name, got.Kind, want.Name, want.Kind)
	case text(got.Annotation) != text(want.Annotation):
		return fmt.Sprintf("annotation: ours %s, ast %s", text(got.Annotation), text(want.Annotation))
	case text(got.Default) != text(want.Default):
		return fmt.Sprintf("default: ours %s, ast %s", text(got.Default), text(want.Default))
	case (got.Value == nil) != (want.Value == nil):
		return fmt.Sprintf("value of %s: ours %s, ast %s", text(want.Default), text(got.Value), text(want.Value))
	case got.Value != nil && !sameJSON(*got.Value, *want.Value):
		return fmt.Sprintf("value of %s: ours %s, ast %s", text(want.Default), text(got.Value), text(want.Value))
	}
	return ""
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

func text(s *string) string {
	if s == nil {
		return "nothing"
	}
	return *s
}
