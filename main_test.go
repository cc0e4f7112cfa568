package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"runnel/store"
)

var update = flag.Bool("update", false, "write the goldens as they come out now")

// TestMain lets the test binary be runnel: scripts find it under that name on
// PATH, and a slot, which is started as /proc/self/exe with runnel's name, is
// it once more.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"runnel": main})
}

// TestScripts plays every testdata/script/*.txtar, each in a folder, a state
// folder and a home of its own.
func TestScripts(t *testing.T) {
	python := findPython()
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Cmds:          scriptCommands,
		Condition: func(word string) (bool, error) {
			return word == "python" && python != "", nil
		},
		Setup: func(e *testscript.Env) error {
			for name, value := range scriptEnv(e.WorkDir, e.Getenv("PATH"), python) {
				e.Setenv(name, value)
			}
			e.Defer(func() {
				nothingLeft(e.T(), e.WorkDir)
				soundFile(e.T(), e.Getenv("RUNNEL_DB"))
			})
			return os.MkdirAll(filepath.Join(e.WorkDir, ".home"), 0o700)
		},
	})
}

// scriptEnv is what decides how runnel looks and where it keeps its state.
func scriptEnv(folder, path, python string) map[string]string {
	env := map[string]string{
		"RUNNEL_DB":           filepath.Join(folder, ".state", "runnel.db"),
		"HOME":                filepath.Join(folder, ".home"),
		"TZ":                  "UTC",
		"NO_COLOR":            "1",
		"COLUMNS":             "80",
		"LC_ALL":              "C.UTF-8",
		"PYTHONPYCACHEPREFIX": filepath.Join(folder, ".home", "pycache"),
	}
	if python != "" {
		env["REAL"] = python // whatever a script puts on PATH before it
		// A version manager's stand-in takes longer to start than a flow runs.
		env["PATH"] = strings.Replace(path, string(filepath.ListSeparator),
			string(filepath.ListSeparator)+filepath.Dir(python)+string(filepath.ListSeparator), 1)
	}
	return env
}

// findPython is the interpreter behind python3, or "" where there is none. It is
// looked for once: a version manager's stand-in takes longer than most commands.
var findPython = sync.OnceValue(func() string {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
})

// goneTime is how long what a script started may take to end after it: idle
// slots notice that their worker is gone.
const goneTime = 5 * time.Second

// nothingLeft fails where a process outlives its script, and ends it.
func nothingLeft(t testscript.T, folder string) {
	var left []int
	for deadline := time.Now().Add(goneTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if left = processesOf(folder); len(left) == 0 {
			return
		}
	}
	for _, pid := range left {
		line, _ := os.ReadFile(filepath.Join("/proc", itoa(pid), "cmdline"))
		t.Log("left behind: process", pid, strings.ReplaceAll(string(line), "\x00", " "))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	t.Fatal("a process outlived its script")
}

// soundFile checks the database that a script leaves, where it leaves one.
func soundFile(t testscript.T, path string) {
	if _, err := os.Stat(path); err != nil {
		return
	}
	for _, v := range violations(path) {
		t.Log("db check:", v)
		defer t.FailNow()
	}
}

// violations are what db check finds in a file, as lines.
func violations(path string) (lines []string) {
	s := store.New(path)
	ctx := context.Background()
	err := s.Open(ctx)
	var report store.Report
	if err == nil {
		report, err = s.Check(ctx)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return []string{err.Error()}
	}
	for _, v := range report.Violations {
		lines = append(lines, v.Rule+" "+v.Thing+": "+v.Message)
	}
	return lines
}

// processesOf lists the living processes whose command line or environment
// names the folder. It needs /proc, and finds nothing elsewhere.
func processesOf(folder string) (found []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		pid := atoi(filepath.Base(entry))
		if pid == os.Getpid() || isZombie(entry) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(entry, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(entry, "environ"))
		if bytes.Contains(line, []byte(folder)) || bytes.Contains(env, []byte(folder+"/")) {
			found = append(found, pid)
		}
	}
	return found
}

func isZombie(entry string) bool {
	status, err := os.ReadFile(filepath.Join(entry, "stat"))
	if err != nil {
		return true // gone meanwhile
	}
	_, after, _ := bytes.Cut(status, []byte(") "))
	return bytes.HasPrefix(after, []byte("Z"))
}
