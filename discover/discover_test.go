package discover

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func walkFlows(t *testing.T) Result {
	t.Helper()
	result, err := Walk(t.Context(), filepath.Join("testdata", "flows"), Options{NoGit: true, Explain: true})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func find(t *testing.T, flows []Flow, entrypoint string) Flow {
	t.Helper()
	i := slices.IndexFunc(flows, func(f Flow) bool { return f.Entrypoint == entrypoint })
	if i < 0 {
		t.Fatalf("no flow %s", entrypoint)
	}
	return flows[i]
}

// What each shape of a flow becomes: its name, and why it cannot be deployed.
func TestShapes(t *testing.T) {
	flows := walkFlows(t).Flows
	for _, tc := range []struct{ qualified, name, reason string }{
		{"bare", "bare", ""},
		{"called", "called", ""},
		{"options", "A name", ""},
		{"dynamic", "constant name", ""},
		{"unknown_name", "unknown-name", ""},
		{"dotted", "dotted", ""},
		{"aliased_module", "aliased-module", ""},
		{"aliased", "aliased", ""},
		{"through_aliases", "through-aliases", ""},
		{"decorated_by_call", "from alias", ""},
		{"overridden", "own", ""},
		{"by_partial", "by-partial", ""},
		{"from_runnel", "from-runnel", ""},
		{"stacked", "stacked", ""},
		{"parenthesised", "several lines", ""},
		{"Jobs.instance", "instance", "instance method: it needs an object of Jobs"},
		{"Jobs.static", "static", ""},
		{"Jobs.of_class", "of-class", ""},
		{"Jobs.Inner.deep", "deep", ""},
		{"outer.<locals>.nested", "nested", "nested in outer: it exists only while that runs"},
		{"outer.<locals>.Local.lost", "lost", "nested in outer: it exists only while that runs"},
		{"in_if", "in-if", ""},
		{"in_try", "in-try", ""},
		{"in_with", "in-with", ""},
		{"twice_defined", "twice-defined", "replaced by the definition in line 146"},
		{"made", "plain", ""},
		{"named", "made by call", ""},
		{"derived", "derived", ""},
		{"guarded", "guarded", `under if __name__ == "__main__", which a run does not enter`},
	} {
		f := find(t, flows, "shapes.py:"+tc.qualified)
		if f.FlowName != tc.name || f.Reason != tc.reason || f.Deployable != (tc.reason == "") {
			t.Errorf("%s: name %q, deployable %v, reason %q; want %q, %q", tc.qualified, f.FlowName, f.Deployable, f.Reason, tc.name, tc.reason)
		}
		if f.QualifiedName != tc.qualified || f.Kind != KindPython || f.File != "shapes.py" {
			t.Errorf("%s: %+v", tc.qualified, f)
		}
	}
}

func TestDescriptionsAndOptions(t *testing.T) {
	flows := walkFlows(t).Flows
	if got := find(t, flows, "shapes.py:bare").Description; got != "First paragraph on two lines." {
		t.Errorf("description %q", got)
	}
	if got := find(t, flows, "shapes.py:unknown_name").Description; got != "Said by the decorator." {
		t.Errorf("description %q", got)
	}
	o := find(t, flows, "shapes.py:options").Options
	if n, ok := o["retries"].Number(); !ok || n != 2 {
		t.Errorf("retries %+v", o["retries"])
	}
	if b, ok := o["log_prints"].Bool(); !ok || !b {
		t.Errorf("log_prints %+v", o["log_prints"])
	}
	if s, ok := o["version"].Text(); !ok || s != "v1" {
		t.Errorf("version %+v", o["version"])
	}
	d := find(t, flows, "shapes.py:dynamic").Options
	if d["task_runner"].Literal || d["task_runner"].Source != "make()" {
		t.Errorf("task_runner %+v", d["task_runner"])
	}
	if n, ok := d["retries"].Number(); !ok || n != 3 {
		t.Errorf("a constant of the file: %+v", d["retries"])
	}
	if derived := find(t, flows, "shapes.py:derived").Options; derived["timeout_seconds"].Value != json.Number("60") || derived["retries"].Value != json.Number("7") {
		t.Errorf("with_options keeps and replaces: %+v", derived)
	}
}

func TestHints(t *testing.T) {
	flows := walkFlows(t).Flows
	served := find(t, flows, "shapes.py:options").Hints
	if len(served) != 1 || served[0].Method != "serve" || served[0].Arguments["cron"].Value != "0 6 * * *" {
		t.Fatalf("hints %+v", served)
	}
	if interval := served[0].Arguments["interval"]; interval.Literal || interval.Source != "compute()" {
		t.Errorf("interval %+v", interval)
	}
	deployed := find(t, flows, "shapes.py:bare").Hints
	if len(deployed) != 1 || deployed[0].Arguments["name"].Value != "deployed" || deployed[0].Arguments["work_pool_name"].Value != "pool" {
		t.Errorf("hints %+v", deployed)
	}
	if made := find(t, flows, "shapes.py:made").Hints; len(made) != 1 || made[0].Method != "to_deployment" {
		t.Errorf("hints %+v", made)
	}
}

// A decorator that is called flow and comes from elsewhere is no flow, and
// explain says so; one that nothing binds is, as for Prefect.
func TestElsewhere(t *testing.T) {
	result := walkFlows(t)
	find(t, result.Flows, "unimported.py:counted")
	for _, f := range result.Flows {
		if f.File == "elsewhere.py" || f.File == "local.py" {
			t.Errorf("%s is no flow", f.Entrypoint)
		}
	}
	var notes []string
	for _, n := range result.Notes {
		notes = append(notes, n.File+": "+n.Text)
	}
	for _, want := range []string{
		"elsewhere.py: not_ours is no flow: its decorator is imported as metaflow.flow",
		"local.py: not_a_flow is no flow: its decorator is defined in this file",
	} {
		if !slices.Contains(notes, want) {
			t.Errorf("no note %q in %q", want, notes)
		}
	}
}

func TestSkipped(t *testing.T) {
	var got []string
	for _, s := range walkFlows(t).Skipped {
		got = append(got, s.File+":"+string(rune('0'+s.Line%10))+" "+s.Reason)
	}
	want := []string{
		"broken.py:6 '(' was never closed",
		`scripts/open.sh:4 the flow block has no closing "# ///" before this line`,
		`scripts/typo.js:2 unknown key "nmae" in the flow block; did you mean "name"?`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("skipped\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestScripts(t *testing.T) {
	flows := walkFlows(t).Flows
	f := find(t, flows, "scripts/archive.sh")
	if f.FlowName != "archive" || f.Kind != KindScript || f.Function != "" || f.Description != "Packs a folder." || f.Line != 2 || f.EndLine != 12 {
		t.Errorf("%+v", f)
	}
	want := `{"title":"Parameters","type":"object","properties":{"folder":{"type":"string","default":".","title":"folder","position":0},` +
		`"keep":{"type":"integer","minimum":1,"title":"keep","position":1}},"required":["keep"]}`
	if string(f.Parameters) != want {
		t.Errorf("parameters %s", f.Parameters)
	}
	if n, ok := f.Options["timeout_seconds"].Number(); !ok || n != 90 {
		t.Errorf("timeout %+v", f.Options)
	}
	if q := find(t, flows, "scripts/query.sql"); q.FlowName != "query" {
		t.Errorf("%+v", q)
	}
	for _, one := range flows {
		if one.File == "scripts/plain.sh" {
			t.Error("an executable without a block is a flow only when it is named")
		}
	}
}

func TestImportedTypes(t *testing.T) {
	f := find(t, walkFlows(t).Flows, "lib/deep.py:paint")
	want := `{"title":"Parameters","type":"object","properties":{"colour":{"$ref":"#/$defs/Colour","default":"red","title":"colour","position":0}},` +
		`"$defs":{"Colour":{"enum":["red","blue"],"title":"Colour","type":"string"}}}`
	if string(f.Parameters) != want {
		t.Errorf("parameters %s", f.Parameters)
	}
}

func TestPrefectImports(t *testing.T) {
	got := find(t, walkFlows(t).Flows, "shapes.py:bare").PrefectImports
	want := []string{"prefect.flow", "prefect.task"}
	if !slices.Equal(got, want) {
		t.Errorf("imports %q, want %q", got, want)
	}
	mod, err := parse("import prefect\nimport prefect.tasks as t\nfrom prefect.runtime import flow_run\nx = prefect.get_run_logger()\nx.prefect.no\nt.task_input_hash\n")
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"prefect.get_run_logger", "prefect.runtime.flow_run", "prefect.tasks.task_input_hash"}
	if got := prefectImports(mod); !slices.Equal(got, want) {
		t.Errorf("imports %q, want %q", got, want)
	}
	mod, _ = parse("import prefect\nuse(prefect)\n")
	if got := prefectImports(mod); !slices.Equal(got, []string{"prefect"}) {
		t.Errorf("imports %q", got)
	}
}

func TestEntrypoint(t *testing.T) {
	root := filepath.Join("testdata", "flows")
	for _, tc := range []struct{ given, entrypoint, name string }{
		{"shapes.py:bare", "shapes.py:bare", "bare"},
		{"./shapes.py:bare", "shapes.py:bare", "bare"},
		{"shapes:bare", "shapes.py:bare", "bare"},
		{"shapes.py:plain", "shapes.py:plain", "plain"},
		{"shapes.py:made", "shapes.py:made", "plain"},
		{"shapes.py:Jobs.static", "shapes.py:Jobs.static", "static"},
		{"lib.deep:paint", "lib/deep.py:paint", "paint"},
		{"lib.deep.paint", "lib/deep.py:paint", "paint"},
		{"lib/deep.py", "lib/deep.py:paint", "paint"},
		{"scripts/archive.sh", "scripts/archive.sh", "archive"},
		{"scripts/plain.sh", "scripts/plain.sh", "plain"},
		{"elsewhere.py:not_ours", "elsewhere.py:not_ours", "not-ours"},
	} {
		f, err := Entrypoint(root, tc.given)
		if err != nil {
			t.Errorf("%s: %v", tc.given, err)
			continue
		}
		if f.Entrypoint != tc.entrypoint || f.FlowName != tc.name {
			t.Errorf("%s: %s named %s", tc.given, f.Entrypoint, f.FlowName)
		}
	}
	abs, err := filepath.Abs(filepath.Join(root, "lib", "deep.py"))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := Entrypoint(root, abs+":paint"); err != nil || f.Entrypoint != "lib/deep.py:paint" {
		t.Errorf("absolute: %v %v", f.Entrypoint, err)
	}
	// Of two definitions in one block a run calls the later one.
	if f, err := Entrypoint(root, "shapes.py:twice_defined"); err != nil || !strings.Contains(string(f.Parameters), `"x"`) {
		t.Errorf("twice_defined: %s %v", f.Parameters, err)
	}
}

func TestEntrypointErrors(t *testing.T) {
	root := filepath.Join("testdata", "flows")
	for _, tc := range []struct{ given, kind, message string }{
		{"shaeps.py:bare", FileMissing, "shaeps.py: no such file; did you mean shapes.py?"},
		{"nothing/at/all.py:f", FileMissing, "nothing/at/all.py: no such file"},
		{"lib:nope", FunctionMissing, `lib/__init__.py: no function "nope"`},
		{"scripts:f", FileUnreadable, "scripts: is a folder"},
		{"broken.py:ok", SyntaxInvalid, "broken.py:6:5: '(' was never closed"},
		{"shapes.py:bear", FunctionMissing, `shapes.py: no function "bear"; did you mean shapes.py:bare?`},
		{"shapes.py:nested", NotDeployable, "shapes.py:110: outer.<locals>.nested cannot be deployed: nested in outer: it exists only while that runs"},
		{"shapes.py:Jobs.instance", NotDeployable, "shapes.py:92: Jobs.instance cannot be deployed: instance method: it needs an object of Jobs"},
		{"shapes.py:guarded", NotDeployable, `shapes.py:160: guarded cannot be deployed: under if __name__ == "__main__", which a run does not enter`},
		{"shapes.py", FunctionUnnamed, "shapes.py: holds 26 flows; name one"},
		{"local.py", FunctionUnnamed, "local.py: holds no flow; name a function, as in local.py:function"},
		{"scripts/notes.txt", NotExecutable, "scripts/notes.txt: neither executable nor a script with a flow block; try chmod +x scripts/notes.txt"},
		{"scripts/typo.js", BlockInvalid, `scripts/typo.js:2: unknown key "nmae" in the flow block; did you mean "name"?`},
	} {
		_, err := Entrypoint(root, tc.given)
		var e *EntrypointError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", tc.given, err)
			continue
		}
		if e.Kind != tc.kind || e.Error() != tc.message {
			t.Errorf("%s: %s: %s\nwant %s: %s", tc.given, e.Kind, e.Error(), tc.kind, tc.message)
		}
	}
	_, err := Entrypoint(root, "shapes.py:bear")
	var e *EntrypointError
	if errors.As(err, &e); !slices.Contains(e.Have, "shapes.py:bare") || slices.Contains(e.Have, "shapes.py:Jobs.instance") {
		t.Errorf("have %q", e.Have)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const oneFlow = "from prefect import flow\n@flow\ndef f(): ...\n"

func files(r Result) []string {
	var out []string
	for _, f := range r.Flows {
		out = append(out, f.File)
	}
	return out
}

// Without git the tree is read, less what is no one's source; links are followed
// once and loops end.
func TestWalkTree(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"a.py", "sub/b.py", "node_modules/x.py", "__pycache__/x.py", "lib/site-packages/x.py", ".hidden/x.py",
		"env/x.py", "skip/x.py", "deep/skip/x.py", "generated_x.py", "kept/generated_keep.py",
	} {
		write(t, dir, name, oneFlow)
	}
	write(t, dir, "env/pyvenv.cfg", "")
	write(t, dir, ".runnelignore", "# rules\n/skip/\ngenerated_*.py\n!kept/generated_keep.py\n")
	write(t, dir, ".prefectignore", "deep/**/x.py\n")
	for link, target := range map[string]string{"loop": ".", "sub/up": "..", "again": "sub", "self.py": "self.py", "gone.py": "nowhere.py"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skip("no links here")
		}
	}
	result, err := Walk(t.Context(), dir, Options{NoGit: true})
	if err != nil {
		t.Fatal(err)
	}
	// again/ is sub/ under another name, and comes first.
	if got := files(result); !slices.Equal(got, []string{"a.py", "again/b.py", "kept/generated_keep.py"}) {
		t.Errorf("files %q", got)
	}
	var skipped []string
	for _, s := range result.Skipped {
		skipped = append(skipped, s.File)
	}
	if !slices.Equal(skipped, []string{"gone.py", "self.py"}) {
		t.Errorf("skipped %q", skipped)
	}
}

// In a checkout git says which files count, and no hook or monitor of the
// repository runs.
func TestWalkGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@x"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	run("init", "-q")
	for _, name := range []string{"tracked.py", "untracked.py", "ignored.py", "deleted.py", "sub/ü.py"} {
		write(t, dir, name, oneFlow)
	}
	write(t, dir, ".gitignore", "ignored.py\nran\n")
	run("add", ".gitignore", "tracked.py", "deleted.py", "sub")
	run("commit", "-qm", "x")
	ran := filepath.Join(dir, "ran")
	write(t, dir, ".git/monitor", "#!/bin/sh\ntouch "+ran+"\n")
	if err := os.Chmod(filepath.Join(dir, ".git", "monitor"), 0o755); err != nil {
		t.Fatal(err)
	}
	run("config", "core.fsmonitor", filepath.Join(dir, ".git", "monitor"))
	if got := GitVersion(t.Context(), dir); got != "" {
		t.Errorf("version %q of a changed checkout", got)
	}
	if err := os.Remove(filepath.Join(dir, "deleted.py")); err != nil {
		t.Fatal(err)
	}
	result, err := Walk(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := files(result); !slices.Equal(got, []string{"sub/ü.py", "tracked.py", "untracked.py"}) || len(result.Skipped) > 0 {
		t.Errorf("files %q, skipped %v", got, result.Skipped)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the repository's own program ran")
	}
	run("config", "--unset", "core.fsmonitor")
	run("add", "-A")
	run("commit", "-qm", "y")
	if got := GitVersion(t.Context(), dir); len(got) < 7 {
		t.Errorf("version %q of a clean checkout", got)
	}
}

func TestWalkErrors(t *testing.T) {
	if _, err := Walk(t.Context(), filepath.Join(t.TempDir(), "nope"), Options{}); err == nil {
		t.Error("a missing folder is an error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Walk(ctx, "testdata", Options{NoGit: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestProjectRoot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "p/pyproject.toml", "")
	write(t, dir, "p/a/b/x.py", "")
	if got := ProjectRoot(filepath.Join(dir, "p", "a", "b")); got != filepath.Join(dir, "p") {
		t.Errorf("root %s", got)
	}
	write(t, dir, "p/a/prefect.yaml", "")
	if got := ProjectRoot(filepath.Join(dir, "p", "a", "b")); got != filepath.Join(dir, "p", "a") {
		t.Errorf("root %s", got)
	}
}

// Files of a size that no one should write are read all the same, and nesting
// that would exhaust a stack is refused.
func TestHugeFiles(t *testing.T) {
	for name, text := range map[string]string{
		"5 MB of code":    oneFlow + strings.Repeat("def g(x, y=1):\n    return {x: [y, f'{x!r:>{y}}']}\n", 100_000),
		"600 KB line":     oneFlow + "x = [" + strings.Repeat("1, ", 200_000) + "]\n",
		"a million terms": oneFlow + "x = 1" + strings.Repeat(" + 1", 1_000_000) + "\n",
		"long chain":      oneFlow + "x = a" + strings.Repeat(".b(1)[2]", 100_000) + "\n",
		"long string":     oneFlow + "x = '''" + strings.Repeat("text\n", 1_000_000) + "'''\n",
		"many comparison": oneFlow + "x = 1" + strings.Repeat(" < 1", 300_000) + "\n",
	} {
		f, skip := openPython(newProject("."), "x.py", []byte(text))
		if skip != nil {
			t.Errorf("%s: %s", name, skip.Reason)
			continue
		}
		if flows, _ := f.flows(); len(flows) != 1 {
			t.Errorf("%s: %d flows", name, len(flows))
		}
	}
	for name, text := range map[string]string{
		"parentheses": "x = " + strings.Repeat("(", 100_000),
		"brackets":    "x = " + strings.Repeat("[", 300) + strings.Repeat("]", 300),
		"not":         "x = " + strings.Repeat("not ", 1_000_000) + "1",
		"minus":       "x = " + strings.Repeat("-", 1_000_000) + "1",
		"power":       "x = 1" + strings.Repeat("**1", 1_000_000),
		"lambda":      "x = " + strings.Repeat("lambda: ", 1_000_000) + "1",
		"if":          "x = " + strings.Repeat("1 if 1 else ", 1_000_000) + "1",
		"blocks":      nestedBlocks(150),
		"f-strings":   "x = " + strings.Repeat("f'{", 1000),
		"fields":      "x = f'" + strings.Repeat("{x:", 1000),
		"elif":        "if 1: pass\n" + strings.Repeat("elif 1: pass\n", 100_000),
		"patterns":    "match x:\n case " + strings.Repeat("A(", 300) + strings.Repeat(")", 300) + ": pass\n",
	} {
		if _, skip := openPython(newProject("."), "x.py", []byte(text)); skip == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

func nestedBlocks(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "if 1:\n")
	}
	return b.String() + strings.Repeat(" ", n) + "pass\n"
}
