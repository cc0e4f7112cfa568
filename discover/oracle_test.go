package discover

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// oraclePath is a program that prints what Python's ast and Prefect's own search
// see in a folder.
const oraclePath = "../../shared/corpus/oracle.py"

type oracleRich struct {
	File          string            `json:"file"`
	Line          int               `json:"line"`
	EndLine       int               `json:"end_line"`
	DecoratorLine int               `json:"decorator_line"`
	Function      string            `json:"function"`
	Qualname      string            `json:"qualname"`
	Entrypoint    *string           `json:"entrypoint"`
	Nested        bool              `json:"nested_in_function"`
	Async         bool              `json:"async"`
	MethodKind    *string           `json:"method_kind"`
	Decorator     string            `json:"decorator"`
	Resolution    string            `json:"resolution"`
	EffectiveName *string           `json:"effective_name"`
	Docstring     *string           `json:"docstring"`
	Kwargs        map[string]string `json:"decorator_kwargs"`
	Parameters    []struct {
		Name       string  `json:"name"`
		Kind       string  `json:"kind"`
		Line       int     `json:"line"`
		Annotation *string `json:"annotation"`
		HasDefault bool    `json:"has_default"`
		Default    *string `json:"default"`
		Literal    bool    `json:"default_is_literal"`
	} `json:"parameters"`
}

type oracleExact struct {
	Name     any    `json:"flow_name"`
	Function string `json:"function_name"`
	File     string `json:"filepath"`
	Line     int    `json:"line"`
}

type oracleAnswer struct {
	Rich        []oracleRich        `json:"rich"`
	Exact       []oracleExact       `json:"exact"`
	RichSkipped []map[string]string `json:"rich_skipped"`
}

func askOracle(t testing.TB, dir string) oracleAnswer {
	t.Helper()
	if _, err := os.Stat(oraclePath); err != nil {
		t.Skipf("%s is not there: flows are not compared with the oracle's", oraclePath)
	}
	python := os.Getenv(testPython)
	if python == "" {
		python = "python3"
	}
	out, err := exec.Command(python, oraclePath, dir).Output()
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	var answer oracleAnswer
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// The oracle's two views of a folder equal ours: what Prefect's search finds by
// name, and what resolves to a flow, with lines, names, options and parameters.
func TestFlowsLikeOracle(t *testing.T) {
	t.Run("tricky", func(t *testing.T) { compareOracle(t, filepath.Join("testdata", "tricky"), 10) })
	t.Run("flows", func(t *testing.T) { compareOracle(t, filepath.Join("testdata", "flows"), 10) })
	t.Run("signatures", func(t *testing.T) { compareOracle(t, filepath.Join("testdata", "signatures"), 150) })
	t.Run("standard library", func(t *testing.T) {
		if testing.Short() {
			t.Skip("short")
		}
		compareOracle(t, standardLibrary(t), 0)
	})
	t.Run("prefect", func(t *testing.T) {
		venv := os.Getenv(prefectVenv)
		if venv == "" || testing.Short() {
			t.Skipf("%s is not set", prefectVenv)
		}
		found, _ := filepath.Glob(filepath.Join(venv, "lib", "python3*", "site-packages", "prefect"))
		if len(found) != 1 {
			t.Fatalf("no prefect in %s", venv)
		}
		compareOracle(t, found[0], 0)
	})
}

// decorated is a function with a decorator that may be a flow.
type decorated struct {
	f *pyFile
	c candidate
}

func compareOracle(t *testing.T, dir string, least int) {
	answer := askOracle(t, dir)
	refused := map[string]bool{}
	for _, s := range answer.RichSkipped {
		refused[s["file"]] = true
	}
	ours := map[string]decorated{} // by file, line and name
	var exact []oracleExact
	project := newProject(dir)
	for _, path := range pythonFiles(t, dir) {
		rel, _ := filepath.Rel(dir, path)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, skip := openPython(project, filepath.ToSlash(rel), raw)
		if (skip != nil) != refused[rel] {
			if skip != nil {
				t.Errorf("%s: only we refuse it: %s", rel, skip.Reason)
			}
			continue // grammar newer than this Python
		}
		if skip != nil {
			continue
		}
		f.functions(func(c candidate) {
			if c.decorator != nil {
				ours[oracleKey(rel, f.mod.line(c.fn.start), c.qualified())] = decorated{f, c}
			}
			exact = append(exact, exactOf(f, rel, c)...)
		})
	}
	compareRich(t, answer.Rich, ours, least)
	compareExact(t, answer.Exact, exact, dir)
}

func oracleKey(rel string, line int, qualified string) string {
	b, _ := json.Marshal([]any{rel, line, qualified})
	return string(b)
}

func compareRich(t *testing.T, rich []oracleRich, ours map[string]decorated, least int) {
	flows := 0
	for _, want := range rich {
		key := oracleKey(want.File, want.Line, want.Qualname)
		got, found := ours[key]
		elsewhere := want.Resolution == "local" || strings.HasPrefix(want.Resolution, "other:") && want.Resolution != "other:runnel.flow"
		switch {
		case elsewhere && found:
			t.Errorf("%s is no flow (%s), but we found one", key, want.Resolution)
		case elsewhere:
		case !found:
			t.Errorf("%s (%s) is missing", key, want.Resolution)
		default:
			flows++
			compareRichOne(t, key, got, want)
		}
		delete(ours, key)
	}
	for key, got := range ours {
		if !got.f.names.hasOrigin(base(got.c.decorator), "runnel.flow") {
			t.Errorf("only we found %s", key)
		}
	}
	if flows < least {
		t.Errorf("compared %d flows, want %d or more", flows, least)
	}
	t.Logf("%d flows alike", flows)
}

func base(decorator *expr) *expr {
	if decorator.kind == exprCall {
		return decorator.args[0]
	}
	return decorator
}

var kindNames = [...]string{"POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL", "KEYWORD_ONLY", "VAR_KEYWORD"}

func compareRichOne(t *testing.T, key string, got decorated, want oracleRich) {
	f, c := got.f, got.c
	flow, _ := f.flow(c)
	check := func(what string, ours, theirs any) {
		t.Helper()
		a, _ := json.Marshal(ours)
		b, _ := json.Marshal(theirs)
		if string(a) != string(b) {
			t.Errorf("%s: %s: ours %s, oracle %s", key, what, a, b)
		}
	}
	check("end line", flow.EndLine, want.EndLine)
	check("function", flow.Function, want.Function)
	check("async", flow.Async, want.Async)
	check("decorator", f.mod.source(c.decorator), want.Decorator)
	check("decorator line", f.mod.line(c.decorator.start), want.DecoratorLine)
	check("nested", c.place.nested != "", want.Nested)
	if want.Entrypoint != nil {
		check("entrypoint", flow.Entrypoint, *want.Entrypoint)
	}
	if want.MethodKind != nil && c.place.nested == "" {
		check("method kind", c.methodKind(), *want.MethodKind)
		check("deployable", flow.Deployable, *want.MethodKind != "instance")
	}
	if want.EffectiveName != nil && len(f.names.inherited(base(c.decorator))) == 0 {
		check("flow name", flow.FlowName, *want.EffectiveName)
	}
	doc := ""
	if want.Docstring != nil {
		doc = *want.Docstring
	}
	check("docstring", f.mod.docstring(c.fn.body), doc)
	kwargs := map[string]string{}
	for _, k := range c.decorator.keywords {
		if k.name != "" {
			kwargs[k.name] = f.mod.sourceOuter(k.value)
		}
	}
	check("options", kwargs, want.Kwargs)
	check("parameters", len(c.fn.params), len(want.Parameters))
	for i, p := range want.Parameters {
		if i >= len(c.fn.params) {
			break
		}
		ours := c.fn.params[i]
		check("parameter", ours.name, p.Name)
		check("kind of "+p.Name, kindNames[ours.kind], p.Kind)
		check("line of "+p.Name, f.mod.line(ours.start), p.Line)
		check("annotation of "+p.Name, outer(f, ours.annotation), p.Annotation)
		check("default of "+p.Name, outer(f, ours.value), p.Default)
	}
}

func outer(f *pyFile, e *expr) *string {
	if e == nil {
		return nil
	}
	return new(f.mod.sourceOuter(e))
}

// exactOf is what Prefect's own search would say of a function: by the name of
// the decorator alone.
func exactOf(f *pyFile, rel string, c candidate) []oracleExact {
	var out []oracleExact
	for _, d := range c.fn.decorators {
		if name := strings.Join(dottedName(base(d)), "."); name != "flow" && name != "prefect.flow" {
			continue
		}
		one := oracleExact{Name: c.fn.name, Function: c.fn.name, File: rel, Line: f.mod.line(c.fn.start)}
		i := slices.IndexFunc(d.keywords, func(k keyword) bool { return k.name == "name" })
		if i >= 0 {
			if v, ok := f.mod.literal(d.keywords[i].value, nil); ok && d.keywords[i].value.kind != exprUnary {
				one.Name = v
			}
		}
		out = append(out, one)
	}
	return out
}

// compareExact leaves out the files that Prefect's search cannot read though
// Python can: with a byte order mark or a cookie.
func compareExact(t *testing.T, theirs, ours []oracleExact, dir string) {
	lines := func(list []oracleExact) []string {
		var out []string
		for _, e := range list {
			raw, _ := os.ReadFile(filepath.Join(dir, filepath.FromSlash(e.File)))
			if strings.HasPrefix(string(raw), "\xef\xbb\xbf") || cookie(raw) != "" {
				continue
			}
			b, _ := json.Marshal(e)
			out = append(out, string(b))
		}
		sort.Strings(out)
		return out
	}
	a, b := lines(ours), lines(theirs)
	if !slices.Equal(a, b) {
		for _, line := range a {
			if !slices.Contains(b, line) {
				t.Errorf("only ours by name: %s", line)
			}
		}
		for _, line := range b {
			if !slices.Contains(a, line) {
				t.Errorf("only Prefect's search: %s", line)
			}
		}
	}
	t.Logf("%d found by name alike", len(b))
}
