package discover

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Grammar newer than the Python at hand is read all the same.
func TestNewerGrammar(t *testing.T) {
	for file, want := range map[string][]string{
		"grammar_312.py": {"a(x, args)", "B.m(self, u)", "c(x, y, z)", "d(x)", "e(x, y, z)", "f(x)"},
		"grammar_314.py": {"a(x, y, z)", "b()", "c()", "d()"},
		"fstrings.py":    {"a(x)", "b(x, y)", "c(x, y, z, w)", "d(x, y, z, w)", "e(x, y, z, w, v, u, t)", "g(x, y, z)"},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", "tricky", file))
		if err != nil {
			t.Fatal(err)
		}
		ours := seeOurs(raw)
		if ours.Error != "" {
			t.Errorf("%s: %s", file, ours.Error)
			continue
		}
		var got []string
		for _, fn := range ours.Functions {
			var names []string
			for _, p := range fn.Parameters {
				names = append(names, p.Name)
			}
			got = append(got, fn.Qualified+"("+strings.Join(names, ", ")+")")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// What is no Python is refused, at the place and with a reason that helps.
func TestSyntaxErrors(t *testing.T) {
	for source, want := range map[string]string{
		"x = (1\n":                        "1:5: '(' was never closed",
		"def f():\npass\n":                "2:1: expected an indented block",
		"if 1:\n    x\n  y\n":             "3:3: unindent does not match any outer indentation level",
		"  x = 1\n":                       "1:3: unexpected indent",
		"x = “a”\n":                       "1:5: invalid character '“' (U+201C)",
		"x = 'a\n":                        "1:5: unterminated string literal",
		"é = 1\nf(a=1, b)\n":              "2:8: positional argument follows keyword argument",
		"f() = 1\n":                       "1:1: cannot assign to this expression",
		"print 'x'\n":                     "1:7: invalid syntax",
		"def f(a=1, b): pass\n":           "1:12: parameter without a default follows parameter with a default",
		"x = f'{a b}'\n":                  "1:10: expected '}' in the f-string",
		"def f()\n    pass\n":             "1:8: expected ':'",
		"@flow\nx = 1\n":                  "2:1: expected a function or class after the decorator",
		"x = 0777\n":                      "1:5: leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers",
		"\tif 1:\n        x\n":            "1:2: unexpected indent",
		"if 1:\n\tx\n        y\n":         "3:9: inconsistent use of tabs and spaces in indentation",
		"try:\n    pass\nx = 1\n":         "3:1: expected 'except' or 'finally' block",
		"# coding: klingon\n":             "0:0: unknown encoding: klingon",
		"x = 1\ny = '\xff'\n":             "0:0: line 2 is not valid UTF-8, and no encoding is declared",
		"x = 1\x00\n":                     "0:0: source code cannot contain null bytes",
		"\xef\xbb\xbf# coding: latin-1\n": "0:0: encoding problem: iso-8859-1 with a UTF-8 byte order mark",
	} {
		if got := seeOurs([]byte(source)).Error; got != want {
			t.Errorf("%q: %s\nwant %s", source, got, want)
		}
	}
}

// The schemas of all signatures, so that a change shows without Prefect too.
func TestSchemas(t *testing.T) {
	result, err := File(filepath.Join("testdata", "signatures"), "signatures.py")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, flow := range result.Flows {
		b.WriteString(flow.Function + " " + string(flow.Parameters) + "\n")
	}
	golden := filepath.Join("testdata", "signatures", "schemas.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(wanted)) {
		if i >= len(got) || i >= len(wanted) || got[i] != wanted[i] {
			t.Fatalf("line %d differs from %s (-update writes it anew)\n%s", i+1, golden, got[min(i, len(got)-1)])
		}
	}
}

func schemaOf(t *testing.T, source string) string {
	t.Helper()
	f, skip := openPython(newProject(t.TempDir()), "x.py", []byte(source))
	if skip != nil {
		t.Fatalf("%d: %s", skip.Line, skip.Reason)
	}
	flows, _ := f.flows()
	flow, ok := f.byName("f", flows)
	if !ok {
		t.Fatal("no function f")
	}
	schema := strings.TrimPrefix(string(flow.Parameters), `{"title":"Parameters","type":"object","properties":`)
	return strings.TrimSuffix(schema, "}")
}

// Types that only newer Pythons can spell, and classes that refer to themselves.
func TestNewerTypes(t *testing.T) {
	for source, want := range map[string]string{
		"type Ids[T] = list[T]\ndef f[T: int](a: T, b: Ids[str]): ...\n": `{"a":{"type":"integer","title":"a","position":0},` +
			`"b":{"type":"array","items":{"type":"string"},"title":"b","position":1}},"required":["a","b"]`,
		"from pydantic import BaseModel\nclass Box[T](BaseModel):\n  item: T\ndef f(a: Box[int]): ...\n": `{"a":{"$ref":"#/$defs/Box_int_","title":"a","position":0}},"required":["a"],` +
			`"$defs":{"Box_int_":{"properties":{"item":{"type":"integer","title":"Item"}},"required":["item"],"title":"Box[int]","type":"object"}}`,
		"X = Y\nY = X\ndef f(a: X = X): ...\n":                                             `{"a":{"title":"a","position":0}}`,
		"def f(a: 'not an annotation', b: 1 + 2): ...\n":                                   `{"a":{"title":"a","position":0},"b":{"title":"b","position":1}},"required":["a","b"]`,
		"from enum import Enum\nclass E(Enum):\n  A = compute()\ndef f(a: E = E.A): ...\n": `{"a":{"title":"a","position":0}}`,
	} {
		if got := schemaOf(t, source); got != want {
			t.Errorf("%s%s\nwant %s", source, got, want)
		}
	}
}

// An alias of itself has no end; the schema has.
func TestEndlessAlias(t *testing.T) {
	got := schemaOf(t, "A = list['A']\ndef f(a: A): ...\n")
	if !strings.HasPrefix(got, `{"a":{"type":"array","items":{"type":"array"`) {
		t.Error(got)
	}
}

func TestParameterDocs(t *testing.T) {
	for name, doc := range map[string]string{
		"google": "Do.\n\nArgs:\n    a (int): first\n    b: second\n        goes on\n\nReturns:\n    x: no\n",
		"numpy":  "Do.\n\nParameters\n----------\na : int\n    first\nb\n    second\n    goes on\n\nReturns\n-------\nx : int\n    no\n",
		"sphinx": "Do.\n\n:param int a: first\n:param b: second\n    goes on\n:returns: x\n",
	} {
		got := parameterDocs(doc)
		if len(got) != 2 || got["a"] != "first" || got["b"] != "second\ngoes on" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
