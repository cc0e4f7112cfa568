package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestErrors plays the commands of testdata/errors.golden, all of them bad
// input, in the folder that testdata/errors.txtar describes, and compares what
// each says and its exit code. None may change anything.
func TestErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("in full without -short")
	}
	if findPython() == "" {
		t.Skip("no python3 on PATH: a deployment records an interpreter")
	}
	golden := filepath.Join("testdata", "errors.golden")
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	shell := errorsFolder(t)
	before := shell("runnel deployment ls -o json; runnel work-pool ls -o json; runnel flow-run ls -o json")
	var got strings.Builder
	for line := range strings.Lines(string(want)) {
		switch {
		case strings.HasPrefix(line, "# "):
			got.WriteString("\n" + line)
		case strings.HasPrefix(line, "$ "):
			got.WriteString("\n" + line + shell(line[2:]))
		}
	}
	if after := shell("runnel deployment ls -o json; runnel work-pool ls -o json; runnel flow-run ls -o json"); after != before {
		t.Errorf("a refused command changed something: %s", firstDifference(before, after))
	}
	text := strings.TrimLeft(got.String(), "\n")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != string(want) {
		t.Errorf("%s differs: %s", golden, firstDifference(string(want), text))
	}
}

// ids are a run's long and short ones, which differ from one time to the next.
var ids = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}-[0-9a-f-]{22})?\b`)

// logTime is when a line of a worker's log was written.
var logTime = regexp.MustCompile(`"time":"[^"]*"`)

// errorsFolder makes the folder, and gives what runs a line in it: its output,
// and its exit code where that is not 0.
func errorsFolder(t *testing.T) func(line string) string {
	t.Helper()
	folder := t.TempDir()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "errors.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := txtar.Write(archive, folder); err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range scriptEnv(folder, os.Getenv("PATH"), findPython()) {
		env = append(env, name+"="+value)
	}
	shell := func(line string) string {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env = folder, env
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			out = fmt.Appendf(out, "exit %d\n", exit.ExitCode())
		case err != nil:
			t.Fatal(err)
		}
		out = bytes.ReplaceAll(out, []byte(folder), []byte("$WORK"))
		return string(logTime.ReplaceAll(ids.ReplaceAll(out, []byte("ID")), []byte(`"time":"TIME"`)))
	}
	if out := shell(strings.TrimSpace(string(archive.Comment))); strings.Contains(out, "\nexit ") {
		t.Fatal(out)
	}
	return shell
}

// firstDifference is the first line in which two texts differ, both ways.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d lines, not %d", len(g), len(w))
}
