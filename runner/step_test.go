//go:build unix

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runnel/store"
)

func TestScriptsAreSplitAsAShellSplits(t *testing.T) {
	for _, c := range []struct {
		script string
		want   [][]string
	}{
		{"", nil},
		{"# nothing\n\n", nil},
		{"echo a  b\r\nls", [][]string{{"echo", "a", "b"}, {"ls"}}},
		{`echo 'a b' "c d" e\ f ''`, [][]string{{"echo", "a b", "c d", "e f", ""}}},
		{"echo a \\\n  b", [][]string{{"echo", "a", "b"}}},
		{`echo "a\"b\$c\d" 'e\f'`, [][]string{{"echo", `a"b$c\d`, `e\f`}}},
		{"echo 'two\nlines' # and more\necho a#b", [][]string{{"echo", "two\nlines"}, {"echo", "a#b"}}},
		{"a && b | c", [][]string{{"a", "&&", "b", "|", "c"}}},
	} {
		got, err := splitScript(c.script)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %q, %v", c.script, got, err)
		}
	}
	for _, bad := range []string{"echo 'a", `echo "a`, `echo \`} {
		if got, err := splitScript(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// build runs steps that are given as JSON, in a folder.
func build(t *testing.T, ctx context.Context, folder, steps string, change func(*StepOptions)) (StepOutputs, string, error) {
	t.Helper()
	var list []store.Step
	if err := json.Unmarshal([]byte(steps), &list); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	o := StepOptions{Dir: folder, Env: os.Environ(), Stdout: &out, Stderr: &out}
	if change != nil {
		change(&o)
	}
	done, err := RunSteps(ctx, list, o)
	return done, out.String(), err
}

// TestWhatOnlyAShellKnowsIsSaid where a line of a script fails.
func TestWhatOnlyAShellKnowsIsSaid(t *testing.T) {
	for line, want := range map[string]bool{
		"false && true": true, "cd x": true, "for i in 1 2; do echo $i; done": true, "A=1 make": true, "(false)": true, "if true; then false; fi": true,
		"false": false, "false --for a=b": false, "ls /no.such.folder": false,
	} {
		_, _, err := build(t, t.Context(), t.TempDir(), fmt.Sprintf(`[{"name": "run_shell_script", "arguments": {"script": %q}}]`, line), nil)
		if err == nil || strings.Contains(err.Error(), "set shell: true") != want {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestRunStepsHandsOutputsOn(t *testing.T) {
	folder := t.TempDir()
	steps := `[
		{"name": "run_shell_script", "id": "tag", "arguments": {"script": "echo v1", "stream_output": false}},
		{"name": "run_shell_script", "id": "show", "arguments": {"script": "echo $A and ${B} $C; pwd >&2", "shell": true, "env": {"A": 1, "B": "two"}}},
		{"name": "run_shell_script", "arguments": {"script": "echo $A ${NONE} x", "expand_env_vars": true, "env": {"A": "1 2"}}}
	]`
	done, out, err := build(t, context.Background(), folder, steps, nil)
	if err != nil {
		t.Fatal(err)
	}
	if done.Step["tag"]["stdout"] != "v1" || done.Step["show"]["stdout"] != "1 and two" || done.Bare["stdout"] != "1 2 ${NONE} x" || done.Dir != "" {
		t.Errorf("outputs: %+v", done)
	}
	if done.Step["show"]["stderr"] != folder {
		t.Errorf("ran in %v", done.Step["show"]["stderr"])
	}
	if strings.Contains(out, "v1") || !strings.Contains(out, "1 and two\n") || !strings.Contains(out, "runnel: step 3 of 3: run_shell_script\n") {
		t.Errorf("printed %s", out)
	}
}

func TestRunStepsFillsAndHides(t *testing.T) {
	const secret = "hunter2-hunter2"
	steps := `[{"name": "run_shell_script", "id": "a", "arguments": {"script": "x"}}, {"name": "run_shell_script", "arguments": {"script": "x"}}]`
	var seen []string
	_, out, err := build(t, context.Background(), t.TempDir(), steps, func(o *StepOptions) {
		o.Fill = func(i int, done StepOutputs) (store.Step, []string, error) {
			seen = append(seen, fmt.Sprint(done.Bare["stdout"]))
			if i == 1 {
				return store.Step{}, nil, errors.New("it ends with " + secret)
			}
			script, _ := json.Marshal(`echo "$T"; echo done`)
			env, _ := json.Marshal(map[string]string{"T": secret})
			return store.Step{Name: "run_shell_script", Arguments: store.Values{"script": script, "env": env, "shell": []byte("true")}}, []string{secret}, nil
		}
	})
	var failed *StepError
	if !errors.As(err, &failed) || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "it ends with "+masked) {
		t.Errorf("error %v", err)
	}
	if strings.Contains(out, secret) || !strings.Contains(out, masked+"\n") || len(seen) != 2 || seen[1] != secret+"\ndone" {
		t.Errorf("printed %s, handed on %q", out, seen)
	}
}

func TestRunStepsStopsWithItsContext(t *testing.T) {
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan error, 1)
	go func() {
		_, _, err := build(t, ctx, folder, `[{"name": "run_shell_script", "arguments": {"script": "sh -c 'echo $$ >pid; exec sleep 1000'"}}]`, nil)
		stop <- err
	}()
	var pid []byte
	eventually(t, "the step to run", func() bool {
		pid, _ = os.ReadFile(filepath.Join(folder, "pid"))
		return len(pid) > 0
	})
	cancel()
	if err := <-stop; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped with %v", err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil || !errors.Is(unix.Kill(number, 0), unix.ESRCH) {
		t.Error("the step lives", err)
	}
}

// TestRunStepsHaveNoTerminal: what asks there would be stopped, and wait for ever.
func TestRunStepsHaveNoTerminal(t *testing.T) {
	folder := t.TempDir()
	over := make(chan error, 1)
	go func() {
		_, _, err := build(t, context.Background(), folder, `[{"name": "run_shell_script", "arguments": {"shell": true, "script": "echo $$ >new; mv new pid; while [ ! -e go ]; do sleep 0.01; done"}}]`, nil)
		over <- err
	}()
	eventually(t, "the step to run", func() bool { return isThere(filepath.Join(folder, "pid")) })
	pid, err := strconv.Atoi(content(t, folder, "pid"))
	check(t, err)
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("%d is in the session %d, %v", pid, session, err)
	}
	check(t, os.WriteFile(filepath.Join(folder, "go"), nil, 0o600))
	check(t, <-over)
}

func TestRunStepsRefusesWhatTemplatesBrought(t *testing.T) {
	for _, c := range [][2]string{
		{`{"name": "git_clone", "arguments": {"repository": "ext::sh -c true"}}`, "no address that is cloned"},
		{`{"name": "git_clone", "arguments": {"repository": "-u x"}}`, "no address that is cloned"},
		{`{"name": "git_clone", "arguments": {"repository": "r", "branch": "-x"}}`, `"-x" is no branch`},
		{`{"name": "git_clone", "arguments": {"repository": "r", "commit_sha": "main"}}`, `"main" is no commit`},
		{`{"name": "git_clone", "arguments": {"repository": "r", "clone_directory_name": "../x"}}`, "leaves its folder"},
		{`{"name": "git_clone", "arguments": {"repository": "r", "directories": ["--stdin"]}}`, "is no directory of a repository"},
		{`{"name": "git_clone", "arguments": {"repository": "git@host:r", "access_token": "t0ken"}}`, "are for https:// repositories"},
		{`{"name": "git_clone", "arguments": {"repository": "https://h%zz/r?s3cret"}}`, "is no URL that can be read"},
		{`{"name": "git_clone", "arguments": {"repository": "https://h\u0000/r?s3cret"}}`, "no address that is cloned"},
		{`{"name": "set_working_directory", "arguments": {"directory": "gone"}}`, "there is no folder"},
		{`{"name": "set_working_directory", "arguments": {}}`, "needs directory"},
		{`{"name": "run_shell_script", "arguments": {"script": "echo 'x"}}`, "within a quote"},
		{`{"name": "run_shell_script", "arguments": {"script": "no-such-program"}}`, `no program "no-such-program" on PATH`},
	} {
		_, out, err := build(t, context.Background(), t.TempDir(), "["+c[0]+"]", nil)
		var failed *StepError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), c[1]) || strings.Contains(err.Error()+out, "s3cret") {
			t.Errorf("%s: %v, want %s", c[0], err, c[1])
		}
	}
}

func TestGitCloneTriesAgain(t *testing.T) {
	tries := 0
	g := gitRun{stepRun: &stepRun{say: func(string) {}}}
	g.rest = func(time.Duration) error { return nil }
	g.exec = func(command) (output, error) {
		tries++
		return output{}, errors.New("fatal: unable to access: Could not resolve host: example.org")
	}
	if err := g.patiently(func() error { return g.git() }); err == nil || tries != cloneTries {
		t.Errorf("%d tries, %v", tries, err)
	}
	g.rest = func(time.Duration) error { return errStopped }
	if err := g.patiently(func() error { return g.git() }); !errors.Is(err, errStopped) {
		t.Errorf("stopped while it waited: %v", err)
	}
	tries = 0
	g.exec = func(command) (output, error) {
		tries++
		return output{}, errors.New("fatal: repository not found")
	}
	if err := g.patiently(func() error { return g.git() }); err == nil || tries != 1 {
		t.Errorf("%d tries of what will not pass, %v", tries, err)
	}
}

// filling gives the steps as they stand, and the secrets in them.
func filling(t *testing.T, steps string, secrets ...string) func(int, StepOutputs) (store.Step, []string, error) {
	t.Helper()
	var list []store.Step
	check(t, json.Unmarshal([]byte(steps), &list))
	return func(i int, _ StepOutputs) (store.Step, []string, error) { return list[i], secrets, nil }
}
