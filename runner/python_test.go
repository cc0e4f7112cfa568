package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pythonProject is a project in a temporary folder, with the Python side
// installed beside it.
type pythonProject struct {
	root, main, python string
}

// newPythonProject copies a project from python/testdata. Nothing runs in the
// source tree, where Python would leave its caches.
func newPythonProject(t testing.TB, name string) pythonProject {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: there is no python3 on PATH, so no Python flow is tested")
	}
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	main, err := InstallPython(filepath.Join(folder, "state"))
	if err != nil {
		t.Fatal(err)
	}
	project := pythonProject{root: filepath.Join(folder, "project"), main: main, python: python}
	if err := os.CopyFS(project.root, os.DirFS(filepath.Join("python", "testdata", name))); err != nil {
		t.Fatal(err)
	}
	return project
}

func (p pythonProject) write(t testing.TB, name, content string) {
	t.Helper()
	path := filepath.Join(p.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pythonEnd is how a process ended and what its outcome file says.
type pythonEnd struct {
	Outcome
	code           int
	stdout, stderr string
}

// command prepares the process of one flow. env entries win over the rest.
func (p pythonProject) command(t testing.TB, entrypoint, parameters, prefect string, env ...string) (*exec.Cmd, string) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "parameters.json")
	if err := os.WriteFile(file, []byte(parameters), 0o600); err != nil {
		t.Fatal(err)
	}
	outcome := filepath.Join(folder, "outcome.json")
	argv := PythonArgv(p.python, p.main, p.root, entrypoint, outcome, prefect)
	command := exec.Command(argv[0], argv[1:]...)
	command.Dir = p.root
	command.Env = append(os.Environ(), "RUNNEL_PARAMETERS="+file, "RUNNEL_FLOW_RUN_NAME=amber-otter")
	command.Env = append(command.Env, env...)
	return command, outcome
}

func (p pythonProject) run(t testing.TB, entrypoint, parameters string, env ...string) pythonEnd {
	t.Helper()
	command, outcome := p.command(t, entrypoint, parameters, "auto", env...)
	return endOf(t, command, outcome)
}

func endOf(t testing.TB, command *exec.Cmd, outcome string) pythonEnd {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if command.Stdout == nil {
		command.Stdout = &stdout
	}
	command.Stderr = &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	end := pythonEnd{code: command.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	end.Outcome, _, err = ReadOutcome(outcome)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// TestPythonConversions has its cases in python/testdata/conversions/cases.tsv:
// a parameter's annotation, a JSON value, and what becomes of it.
func TestPythonConversions(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "conversions")
	end := project.run(t, "bind.py:all_of", "")
	var cases []struct{ Annotation, Value, Want, Got string }
	if err := json.Unmarshal(end.Result, &cases); err != nil {
		t.Fatalf("%v: %s", err, end.stderr)
	}
	if len(cases) < 80 {
		t.Errorf("only %d cases ran", len(cases))
	}
	for _, c := range cases {
		refusal, refused := strings.CutPrefix(c.Want, "! ")
		right := c.Got == c.Want
		if refused {
			right = strings.HasPrefix(c.Got, "! parameter 'x") && strings.Contains(c.Got, refusal)
		}
		if !right {
			t.Errorf("%s of %s is %s, want %s", c.Annotation, c.Value, c.Got, c.Want)
		}
	}
}

func TestPythonEntrypoints(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "entrypoints")
	for _, c := range []struct{ entrypoint, parameters, want, state, message string }{
		{"flows/plain.py:add", `{"a": 1}`, `3`, "COMPLETED", ""},
		{"./flows/plain.py:add", `{"a": "1", "b": 5}`, `6`, "COMPLETED", ""},
		{"flows/plain:add", `{"a": 1}`, `3`, "COMPLETED", ""},
		{project.root + "/flows/plain.py:add", `{"a": 1}`, `3`, "COMPLETED", ""},
		{"flows/plain.py:every", `{"a": 1, "b": "2", "args": ["3"], "c": 1, "rest": {"z": "4"}}`, `[1,2,[3],1.0,{"z":4}]`, "COMPLETED", ""},
		{"flows/plain.py:every", `{"a": 1, "b": 2, "k": 9}`, `[1,2,[],1,{"k":9}]`, "COMPLETED", ""},
		{"flows/plain.py:skipped", `{"b": 7, "c": 8}`, `[1,7,8]`, "COMPLETED", ""},
		{"flows/plain.py:later", `{"x": 4}`, `4`, "COMPLETED", ""},
		{"flows/plain.py:steps", ``, `null`, "COMPLETED", ""},
		{"flows/plain.py:async_steps", ``, `null`, "COMPLETED", ""},
		{"flows/plain.py:where", ``, `["plain","neighbour",["` + project.root + `/flows/plain.py"]]`, "COMPLETED", ""},
		{"flows/plain.py:Jobs.fixed", `{"x": 4}`, `4`, "COMPLETED", ""},
		{"flows/plain.py:Jobs.of_class", `{"x": 4}`, `["Jobs",4]`, "COMPLETED", ""},
		{"pkg/jobs/flow.py:go", ``, `["pkg.jobs.flow","relative","relative","at the root",20]`, "COMPLETED", ""},
		{"pkg.jobs.flow:go", ``, `["pkg.jobs.flow","relative","relative","at the root",20]`, "COMPLETED", ""},
		{"pkg.jobs.flow.go", ``, `["pkg.jobs.flow","relative","relative","at the root",20]`, "COMPLETED", ""},
		{"pkg/jobs/__init__.py:in_init", ``, `"pkg.jobs"`, "COMPLETED", ""},
		{"src/lib/mod.py:go", ``, `"src"`, "COMPLETED", ""},
		{"lib.mod:go", ``, `"src"`, "COMPLETED", ""},
		{"flows/email.py:go", ``, `"Message"`, "COMPLETED", ""},
		{"flows/prefect.py:go", ``, `"prefect__flow"`, "COMPLETED", ""},
		{"flows/my-flow.v2.py:go", `{"a": {"x": 1}}`, `{"x":1}`, "COMPLETED", ""},
		{"flows/no_suffix:go", ``, `"no suffix"`, "COMPLETED", ""},
		{"flows/annotated_from_later.py:go", `{"day": "2024-01-02", "n": null, "frame": 1}`, `["2024-01-02",null,1]`, "COMPLETED", ""},

		{"flows/plain.py:add", `{}`, ``, "FAILED", "no value for parameter 'a'"},
		{"flows/plain.py:add", `{"a": 1, "x": 2}`, ``, "FAILED", "no parameter 'x': the flow takes a, b"},
		{"flows/plain.py:every", `{"a": 1, "b": 2, "args": 3}`, ``, "FAILED", "parameter '*args' takes a list"},
		{"flows/broken.py:go", ``, ``, "FAILED", "SyntaxError: "},
		{"flows/needs.py:go", ``, ``, "FAILED", "ModuleNotFoundError: No module named 'not_installed_anywhere'"},

		{"flows/plain.py:nope", ``, ``, "CRASHED", "there is no 'nope' in " + project.root + "/flows/plain.py"},
		{"flows/plain.py:NUMBER", ``, ``, "CRASHED", "NUMBER in " + project.root + "/flows/plain.py is not a function"},
		{"flows/plain.py:Jobs.method", ``, ``, "CRASHED", "needs an instance"},
		{"flows/gone.py:go", ``, ``, "CRASHED", "there is no file " + project.root + "/flows/gone.py"},
		{"flows/plain.py", ``, ``, "CRASHED", "names no function"},
		{"nowhere.mod:go", ``, ``, "CRASHED", "there is no module nowhere"},
		{"pkg.jobs.nowhere:go", ``, ``, "CRASHED", "there is no module pkg.jobs.nowhere"},
		{"flows/plain.py:add", `[1]`, ``, "CRASHED", "are not a JSON object"},
		{"flows/plain.py:add", `{"a":`, ``, "CRASHED", "are not JSON"},
	} {
		t.Run(c.entrypoint+" "+c.parameters, func(t *testing.T) {
			end := project.run(t, c.entrypoint, c.parameters)
			if end.StateType != c.state || string(end.Result) != c.want || !strings.Contains(end.Message, c.message) {
				t.Errorf("got %s %s %q, want %s %s %q\n%s", end.StateType, end.Result, end.Message, c.state, c.want, c.message, end.stderr)
			}
			if code := map[string]int{"COMPLETED": 0, "FAILED": 1, "CRASHED": 127}[c.state]; end.code != code {
				t.Errorf("ended with %d, want %d", end.code, code)
			}
		})
	}
}

func TestPythonEndings(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "endings")
	t.Run("exceptions", func(t *testing.T) {
		for _, c := range []struct{ function, message, exception string }{
			{"raises", "ValueError: first", "ValueError"},
			{"odd", "f.Odd: (its text cannot be shown)", "f.Odd"},
			{"deep", "RecursionError: maximum recursion depth exceeded", "RecursionError"},
			{"async_raises", "LookupError: later", "LookupError"},
			{"cancelled", "asyncio.exceptions.CancelledError", "asyncio.exceptions.CancelledError"},
		} {
			end := project.run(t, "f.py:"+c.function, "")
			if end.code != 1 || end.StateType != "FAILED" || end.Message != c.message || end.Exception != c.exception {
				t.Errorf("%s: got %d %s %q %q", c.function, end.code, end.StateType, end.Message, end.Exception)
			}
			if !strings.Contains(end.stderr, end.Traceback) {
				t.Errorf("%s: stderr lacks the traceback: %s", c.function, end.stderr)
			}
		}
	})
	t.Run("traceback begins with the user's frame", func(t *testing.T) {
		for _, function := range []string{"raises", "async_raises"} {
			lines := strings.Split(project.run(t, "f.py:"+function, "").Traceback, "\n")
			if lines[0] != "Traceback (most recent call last):" || !strings.Contains(lines[1], project.root+"/f.py") {
				t.Errorf("%s: %q", function, lines[:2])
			}
		}
	})
	t.Run("long traceback", func(t *testing.T) {
		end := project.run(t, "f.py:long_trace", "")
		if len(end.Traceback) != 32<<10 || len(end.Message) != 2000 {
			t.Errorf("traceback %d, message %d bytes", len(end.Traceback), len(end.Message))
		}
	})
	t.Run("exits", func(t *testing.T) {
		for _, c := range []struct {
			function, parameters, state, message string
			code                                 int
		}{
			{"exits", `{}`, "COMPLETED", "", 0},
			{"exits", `{"code": 0}`, "COMPLETED", "", 0},
			{"exits", `{"code": 3}`, "FAILED", "exited with 3", 3},
			{"exits", `{"code": 256}`, "FAILED", "exited with 256", 1},
			{"quits", `{}`, "FAILED", "exited with 1: bad input", 1},
		} {
			end := project.run(t, "f.py:"+c.function, c.parameters)
			if end.StateType != c.state || end.Message != c.message || end.code != c.code {
				t.Errorf("%s %s: got %s %q %d", c.function, c.parameters, end.StateType, end.Message, end.code)
			}
		}
	})
	t.Run("threads and atexit", func(t *testing.T) {
		end := project.run(t, "f.py:at_end", "")
		if end.stdout != "flow\nthread\natexit\n" || end.code != 0 || end.StateType != "COMPLETED" {
			t.Errorf("got %q %d %s", end.stdout, end.code, end.StateType)
		}
	})
	t.Run("a fork writes no outcome", func(t *testing.T) {
		if end := project.run(t, "f.py:forks", ""); string(end.Result) != `"parent"` {
			t.Errorf("got %s", end.Result)
		}
	})
	t.Run("interrupt that the flow handles", func(t *testing.T) {
		if end := project.run(t, "f.py:handles", ""); string(end.Result) != `"handled"` {
			t.Errorf("got %s", end.Result)
		}
	})
	t.Run("full disk", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("there is no /dev/full")
		}
		defer full.Close()
		command, outcome := project.command(t, "f.py:loud", "", "auto", "PYTHONUNBUFFERED=")
		command.Stdout = full
		if end := endOf(t, command, outcome); end.code != 0 || end.StateType != "COMPLETED" {
			t.Errorf("got %d %s %s", end.code, end.StateType, end.stderr)
		}
	})
}

func TestPythonSignals(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "endings")
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		command, outcome := project.command(t, "f.py:sleeps", "", "auto")
		stdout, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := stdout.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait()
		status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
		if _, wrote, err := ReadOutcome(outcome); status.Signal() != signal || wrote || err != nil {
			t.Errorf("%v: ended with %v, outcome %v %v", signal, command.ProcessState, wrote, err)
		}
	}
}

func TestPythonResults(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "endings")
	for _, c := range []struct{ which, result, repr string }{
		{"natural", `["2024-01-02","a","1.10",[1,2],{"name":"r","day":"2024-01-02"},"a",90.0,[1,null,true],"text",` +
			`{"1":"x","null":2,"a":3},"\u00e4\ud800",1e+300,1180591620717411303424]`, ""},
		{"object", "", "<f.Other object at"},
		{"nan", "", "nan"},
		{"loop", "", "[[["},
		{"tuple key", "", "{(1, 2): 3}"},
		{"large", "", "'xxx"},
		{"endless", "", "range(0, 1000000000000)"},
		{"huge", "", "[0, 0, 0, 0, 0, 0, ...]"},
		{"bytes", "", `b'\xff'`},
		{"list of objects", "", "[<f.Other "},
	} {
		end := project.run(t, "f.py:results", `{"which": "`+c.which+`"}`)
		if end.code != 0 || string(end.Result) != c.result || !strings.HasPrefix(end.ResultRepr, c.repr) ||
			len([]rune(end.ResultRepr)) > 500 {
			t.Errorf("%s: got %d %s %q\n%s", c.which, end.code, end.Result, end.ResultRepr, end.stderr)
		}
	}
}

func TestPythonPydantic(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "pydantic")
	if exec.Command(project.python, "-c", "import pydantic").Run() != nil {
		t.Skip("SKIPPED: this python3 has no pydantic")
	}
	end := project.run(t, "f.py:go", `{"user": {"name": "a", "age": "4"}, "users": [{"name": "b"}]}`)
	if want := `[{"name":"a","age":4},[{"name":"b","age":3}],5]`; string(end.Result) != want {
		t.Errorf("got %s, want %s: %s", end.Result, want, end.stderr)
	}
	for parameters, want := range map[string]string{
		`{"user": {"name": "a", "age": "x"}}`: `parameter 'user.age': User: Input should be a valid integer`,
		`{"user": {"name": "a"}, "n": 1}`:     `parameter 'n': int: Input should be greater than 3, got 1 (integer)`,
		`{"user": 1}`:                         `parameter 'user': User: Input should be a valid dictionary`,
	} {
		if end := project.run(t, "f.py:go", parameters); !strings.Contains(end.Message, want) {
			t.Errorf("%s: got %q, want %q", parameters, end.Message, want)
		}
	}
}

// TestPythonShim runs the checks of python/testdata/shim/cases.py, with the
// one that holds provided.json equal to what the shim gives.
func TestPythonShim(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "shim")
	command, outcome := project.command(t, "cases.py:all_of", "", "builtin", "RUNNEL_DEPLOYMENT=some-flow/nightly")
	end := endOf(t, command, outcome)
	var found struct {
		Ran    int
		Failed map[string]string
	}
	if err := json.Unmarshal(end.Result, &found); err != nil {
		t.Fatalf("%v: %s %s", err, end.Message, end.stderr)
	}
	for name, trace := range found.Failed {
		t.Errorf("%s: %s", name, trace)
	}
	if found.Ran < 20 {
		t.Errorf("only %d checks ran", found.Ran)
	}
}

func TestPythonOuterFlow(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "outer")
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	env := []string{
		"RUNNEL_FLOW_RUN_ID=" + id, "RUNNEL_DEPLOYMENT=fails/nightly",
		"RUNNEL_SCHEDULED_FOR=2026-01-02T03:04:05.000000Z",
	}
	for _, c := range []struct{ function, attempt, state, message, result, stderr, not string }{
		{"fails", "1", "FAILED", "ValueError: try 1", ``, "", "on_failure"},
		{"fails", "3", "FAILED", "ValueError: try 1", ``, "on_failure FAILED amber-otter 3", ""},
		{"slow", "1", "COMPLETED", "", `"done"`, "", ""},
		{"knows", "2", "COMPLETED", "", `["` + id + `","amber-otter","knows",{"n":2},2,"2026-01-02T03:04:05+00:00","nightly",null]`, "", ""},
		{"loud", "1", "COMPLETED", "", `null`, " | INFO    | Flow run 'amber-otter' - printed\n", ""},
		{"aloud", "1", "COMPLETED", "", `6`, " | INFO    | Flow run 'amber-otter' - async\n", ""},
		{"says_failed", "1", "FAILED", "two rows are bad", ``, "", ""},
		{"says_completed", "1", "COMPLETED", "nothing to do", `null`, "", ""},
		{"gives_futures", "1", "COMPLETED", "", `[2,4]`, "", ""},
		{"cancels", "1", "COMPLETED", "", `null`, "on_cancellation hooks are not called", ""},
		{"spawns", "1", "COMPLETED", "", `[1,4,9]`, "", ""},
		{"steps", "1", "COMPLETED", "", `null`, "Flow run 'amber-otter' - step\n", ""},
		{"Jobs.fixed", "1", "COMPLETED", "", `3`, "", ""},
		{"Jobs.of_class", "1", "COMPLETED", "", `"Jobs 3"`, "", ""},
		{"plain_logs", "1", "COMPLETED", "", `null`, "Flow run 'amber-otter' - from a plain function\n", ""},
	} {
		end := project.run(t, "flows/f.py:"+c.function, "", append(env, "RUNNEL_ATTEMPT="+c.attempt)...)
		if end.StateType != c.state || end.Message != c.message || string(end.Result) != c.result {
			t.Errorf("%s: got %s %q %s\n%s", c.function, end.StateType, end.Message, end.Result, end.stderr)
		}
		if !strings.Contains(end.stderr, c.stderr) || (c.not != "" && strings.Contains(end.stderr, c.not)) {
			t.Errorf("%s: stderr is %s", c.function, end.stderr)
		}
	}
}

// TestPythonOwnModules reaches the installed folder through a link, which Python
// resolves in sys.path[0]: it must not stay in front of the project's modules.
func TestPythonOwnModules(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "outer")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(project.main), link); err != nil {
		t.Skip("SKIPPED: no symbolic links here")
	}
	project.main = filepath.Join(link, filepath.Base(project.main))
	end := project.run(t, "own/f.py:go", "")
	if want := `["runnel","own",0]`; string(end.Result) != want {
		t.Errorf("got %s, want %s: %s", end.Result, want, end.stderr)
	}
}

// TestPythonPrefectChoice has a stand-in for an installed Prefect on PYTHONPATH.
func TestPythonPrefectChoice(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "choice")
	installed := "PYTHONPATH=" + filepath.Join(project.root, "installed")
	const tail = "\ndef go():\n    return getattr(__import__('prefect'), 'KIND', 'builtin')\n"
	for _, c := range []struct {
		source  string
		imports []string // what a scanner reads from the source
		missing []string
	}{
		{"from prefect import flow, task, get_run_logger", []string{"prefect.flow", "prefect.task", "prefect.get_run_logger"}, nil},
		{"import prefect\n@prefect.flow\ndef f(): prefect.runtime.flow_run.id", []string{"prefect", "prefect.runtime.flow_run.id", "prefect.flow"}, nil},
		{"from prefect.tasks import task_input_hash as h", []string{"prefect.tasks.task_input_hash"}, nil},
		{"import prefect.runtime.flow_run as r\nr.id", []string{"prefect.runtime.flow_run", "prefect.runtime.flow_run.id"}, nil},
		{"from prefect import flow as f\nf.__name__", []string{"prefect.flow", "prefect.flow.__name__"}, nil},
		{"import math", nil, nil},
		{"from prefect import flow, get_client", []string{"prefect.flow", "prefect.get_client"}, []string{"prefect.get_client"}},
		{"def x():\n    from prefect.artifacts import create_link_artifact", []string{"prefect.artifacts.create_link_artifact"}, []string{"prefect.artifacts.create_link_artifact"}},
		{"import prefect as p\ndef f(): p.get_client()", []string{"prefect", "prefect.get_client"}, []string{"prefect.get_client"}},
		{"from prefect.runtime import flow_run\ndef f(): flow_run.ui_url", []string{"prefect.runtime.flow_run", "prefect.runtime.flow_run.ui_url"}, []string{"prefect.runtime.flow_run.ui_url"}},
		{"def x(): from prefect_aws import S3Bucket", []string{"prefect_aws.S3Bucket"}, []string{"prefect_aws.S3Bucket"}},
		{"try:\n    from prefect_helpers import x\nexcept ImportError: pass", nil, nil},
		{"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from prefect.client import PrefectClient", nil, nil},
		{"from prefect import *", []string{"prefect.*"}, []string{"prefect.*"}},
	} {
		builtin, missing := ChoosePrefect(c.imports)
		if builtin != (c.missing == nil) || !slices.Equal(missing, c.missing) {
			t.Errorf("%s: Go says %v %q, want %q", c.source, builtin, missing, c.missing)
		}
		project.write(t, "f.py", c.source+tail)
		command, outcome := project.command(t, "f.py:go", "", "auto", installed)
		end := endOf(t, command, outcome)
		want := map[bool]string{true: `"builtin"`, false: `"installed"`}[c.missing == nil]
		if string(end.Result) != want {
			t.Errorf("%s: Python took %s, want %s: %s %s", c.source, end.Result, want, end.Message, end.stderr)
		}
		if imports := project.imports(t); !slices.Equal(imports, c.imports) {
			t.Errorf("%s: Python reads %q, want %q", c.source, imports, c.imports)
		}
	}
}

// imports is what _runnel/choose.py reads from f.py.
func (p pythonProject) imports(t *testing.T) []string {
	t.Helper()
	const script = "import json,sys; from _runnel import choose; print(json.dumps(choose.imports(open(sys.argv[1]).read())))"
	command := exec.Command(p.python, "-c", script, filepath.Join(p.root, "f.py"))
	command.Env = append(os.Environ(), "PYTHONPATH="+filepath.Dir(p.main))
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := json.Unmarshal(output, &names); err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		return nil
	}
	return names
}

func TestPythonPrefectModes(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "choice")
	installed := "PYTHONPATH=" + filepath.Join(project.root, "installed")
	for _, c := range []struct{ function, mode, env, state, want string }{
		{"kind", "builtin", installed, "COMPLETED", `"builtin"`},
		{"kind", "auto", installed, "COMPLETED", `"builtin"`},
		{"kind", "installed", installed, "COMPLETED", `"installed"`},
		{"kind", "auto", "A=", "COMPLETED", `"builtin"`},
		{"kind", "installed", "A=", "CRASHED", "has no prefect package"},
		// The runner does retries and timeout: both are taken off the outer flow.
		{"options", "installed", installed, "COMPLETED", `{"retries":0,"timeout_seconds":0}`},
		{"options", "auto", "A=", "FAILED", "built-in prefect has no prefect.get_client"},
	} {
		file := map[bool]string{true: "kinds.py:kind", false: "needs.py:options"}[c.function == "kind"]
		command, outcome := project.command(t, file, "", c.mode, c.env)
		end := endOf(t, command, outcome)
		if end.StateType != c.state || !strings.Contains(string(end.Result)+end.Message, c.want) {
			t.Errorf("%s %s %s: got %s %s %q", c.function, c.mode, c.env, end.StateType, end.Result, end.Message)
		}
	}
}

// TestReportProject runs the example that ships in the binary, as runnel does
// and as a script.
func TestReportProject(t *testing.T) {
	t.Parallel()
	project := newPythonProject(t, "start")
	if err := os.CopyFS(project.root, os.DirFS("../testdata/projects/report")); err != nil {
		t.Fatal(err)
	}
	end := project.run(t, "flows/report.py:folder_report", `{"top": 3, "output": "out/report.txt", "since": "2020-01-01"}`)
	var summary struct {
		Files    int
		Complete bool
		Output   string
	}
	if err := json.Unmarshal(end.Result, &summary); err != nil {
		t.Fatalf("%v: %s", err, end.stderr)
	}
	if summary.Files != 4 || !summary.Complete || summary.Output != "out/report.txt" {
		t.Errorf("got %s", end.Result)
	}
	written, err := os.ReadFile(filepath.Join(project.root, "out", "report.txt"))
	if err != nil || string(written)+"\n" != end.stdout || !strings.Contains(end.stdout, "since 2020-01-01") {
		t.Errorf("printed %q, wrote %q, %v", end.stdout, written, err)
	}
	if end := project.run(t, "flows/report.py:folder_report", `{"folder": "nowhere"}`); end.Message !=
		"NotADirectoryError: "+project.root+"/nowhere is not a folder" {
		t.Errorf("got %q", end.Message)
	}
	project.reportAsScript(t)
	project.archive(t)
}

func (p pythonProject) reportAsScript(t *testing.T) {
	t.Helper()
	folder := filepath.Dir(p.main)
	script := exec.Command(p.python, filepath.Join("flows", "report.py"))
	script.Dir = p.root
	script.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(folder, "shim")+string(filepath.ListSeparator)+folder)
	if output, err := script.CombinedOutput(); err != nil || !strings.Contains(string(output), "Report on "+p.root) {
		t.Errorf("as a script: %v %s", err, output)
	}
}

func (p pythonProject) archive(t *testing.T) {
	t.Helper()
	archive := func(env ...string) (string, error) {
		command := exec.Command("sh", filepath.Join(p.root, "flows", "archive.sh"))
		command.Dir = p.root
		command.Env = append(os.Environ(), env...)
		output, err := command.CombinedOutput()
		return string(output), err
	}
	report := "RUNNEL_PARAM_REPORT=out/report.txt"
	for range 2 {
		if output, err := archive(report, "RUNNEL_PARAM_KEEP=1", "RUNNEL_PARAM_ARCHIVE=my archive"); err != nil {
			t.Errorf("archive: %v %s", err, output)
		}
	}
	copies, err := os.ReadDir(filepath.Join(p.root, "my archive"))
	if err != nil || len(copies) != 1 || !strings.HasPrefix(copies[0].Name(), "report-") {
		t.Errorf("copies: %v %v", copies, err)
	}
	for _, env := range []string{"RUNNEL_PARAM_KEEP=0", "RUNNEL_PARAM_KEEP=x", "RUNNEL_PARAM_REPORT=nowhere"} {
		if output, err := archive(report, env); err == nil || !strings.HasPrefix(output, "archive: ") {
			t.Errorf("%s: %v %s", env, err, output)
		}
	}
}

func TestInstallPython(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "state")
	var wait sync.WaitGroup
	mains := make([]string, 8)
	for at := range mains {
		wait.Go(func() {
			main, err := InstallPython(folder)
			if err != nil {
				t.Error(err)
			}
			mains[at] = main
		})
	}
	wait.Wait()
	if len(slices.Compact(mains)) != 1 {
		t.Errorf("got several places: %q", mains)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("something is left behind: %v %v", entries, err)
	}
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[entry.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// A folder whose main file was removed is made anew.
	if err := os.Remove(mains[0]); err != nil {
		t.Fatal(err)
	}
	if main, err := InstallPython(folder); err != nil || main != mains[0] {
		t.Errorf("got %q, %v", main, err)
	}
}

func TestReadOutcome(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "outcome.json")
	if _, wrote, err := ReadOutcome(path); wrote || err != nil {
		t.Errorf("a missing file gives %v, %v", wrote, err)
	}
	for content, want := range map[string]string{
		`{"state_type":"COMPLETED","result":[1]}`: "",
		`{"state_type":"COMPLETED"`:               "unexpected end of JSON input",
		``:                                        "unexpected end of JSON input",
		`{"state_type":"RUNNING"}`:                `unknown state type "RUNNING"`,
		strings.Repeat(" ", maxOutcome+1):         "more than",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		outcome, wrote, err := ReadOutcome(path)
		if want == "" && (err != nil || !wrote || string(outcome.Result) != "[1]") {
			t.Errorf("%s: got %v %v %v", content, outcome, wrote, err)
		}
		if want != "" && (err == nil || wrote || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40s: got %v %v, want %q", content, wrote, err, want)
		}
	}
}

// BenchmarkPythonStart prints how a run of a flow compares with python3 -c pass.
func BenchmarkPythonStart(b *testing.B) {
	project := newPythonProject(b, "start")
	median := func(make func() *exec.Cmd) time.Duration {
		var times []time.Duration
		for range 15 {
			command := make()
			start := time.Now()
			if err := command.Run(); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		return times[len(times)/2]
	}
	for b.Loop() {
		bare := median(func() *exec.Cmd { return exec.Command(project.python, "-c", "pass") })
		flow := median(func() *exec.Cmd {
			command, _ := project.command(b, "f.py:go", `{"a": 3}`, "auto")
			return command
		})
		b.ReportMetric(float64(bare.Microseconds())/1000, "bare-ms")
		b.ReportMetric(float64((flow-bare).Microseconds())/1000, "more-ms")
		b.ReportMetric(float64(flow)/float64(bare), "ratio")
	}
}
