package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"runnel/store"
)

type quickstartCmd struct{}

// Help ends with examples.
func (quickstartCmd) Help() string {
	return "It makes a scratch folder with a database of its own; yours is not touched.\n\n" +
		"Examples:\n  runnel quickstart\n  go run . quickstart"
}

const quickstartPool = "my-process-pool"

// tour is one play of the quickstart: every line that it prints is a command
// that it then really runs, as a process of its own.
type tour struct {
	*app
	binary string
	folder string // the scratch folder
	env    []string
	worker *exec.Cmd
	python bool
}

// Run plays the main job. It ends with an error when a step or a result is
// wrong, and leaves no process.
func (quickstartCmd) Run(a *app) (err error) {
	t := &tour{app: a}
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	a.ctx = ctx
	if err := t.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stopWorker()) }()
	if err := t.play(); err != nil {
		if ctx.Err() != nil {
			return &exitError{code: exitInterrupted, message: "interrupted", hint: []string{"the folder stays: " + t.folder}}
		}
		return fmt.Errorf("the quickstart failed in %s: %w", t.folder, err)
	}
	return nil
}

func (t *tour) prepare() (err error) {
	if t.binary, err = os.Executable(); err != nil {
		return err
	}
	if t.folder, err = os.MkdirTemp("", "runnel-quickstart-"); err != nil {
		return err
	}
	if err := copyExample(t.Example, t.folder); err != nil {
		return fmt.Errorf("copy the example: %w", err)
	}
	_, err = exec.LookPath("python3")
	t.python = err == nil
	database := filepath.Join(t.folder, "state", "runnel.db")
	for _, pair := range t.Environ {
		if !strings.HasPrefix(pair, "RUNNEL_") {
			t.env = append(t.env, pair)
		}
	}
	t.env = append(t.env, "RUNNEL_DB="+database)
	t.path = database
	if underGoRun(t.binary) {
		t.print("%s", t.colour(t.OutTerminal, faint, "# first put runnel on your PATH, in its source folder: go install ."))
	}
	t.print("%s", t.colour(t.OutTerminal, faint, "# every line below can be pasted after these two"))
	t.print("cd %s", store.Quote(t.folder))
	t.print("export RUNNEL_DB=%s", store.Quote(database))
	return nil
}

// underGoRun is true for the temporary binary of `go run`.
func underGoRun(binary string) bool {
	return strings.Contains(filepath.ToSlash(binary), "/go-build") && strings.Contains(filepath.ToSlash(binary), "/exe/")
}

// copyExample writes the example project that ships in the binary. What
// begins with #! becomes executable again: embedding keeps no modes.
func copyExample(example fs.FS, folder string) error {
	if example == nil {
		return errors.New("this binary was built without it")
	}
	return fs.WalkDir(example, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(folder, filepath.FromSlash(path))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := fs.ReadFile(example, path)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(string(content), "#!") {
			mode = 0o755
		}
		return os.WriteFile(target, content, mode)
	})
}

// play is the main job, in order.
func (t *tour) play() error {
	entrypoint, target := "flows/report.py:folder_report", "folder-report/my-deployment"
	run := []string{"-p", "folder=" + t.Dir, "-p", "top=5", "-p", "output=report.txt"}
	refused := []string{"run", target, "-p", "top=many"}
	if !t.python {
		t.print("%s", t.colour(t.OutTerminal, faint, "# there is no python3 on PATH: this plays the script flow"))
		entrypoint, target = "flows/archive.sh", "archive-report/my-deployment"
		run = []string{"-p", "report=README.md", "-p", "keep=3"}
		refused = []string{"run", target, "-p", "keep=many"}
	}
	steps := [][]string{
		{"discover"},
		{"work-pool", "create", "--type", "process", quickstartPool},
		{"deploy", entrypoint, "-n", "my-deployment", "-p", quickstartPool},
	}
	for _, step := range steps {
		if err := t.step(step, exitDone); err != nil {
			return err
		}
	}
	if err := t.startWorker(); err != nil {
		return err
	}
	if err := t.step(append(append([]string{"run", target}, run...), "--watch"), exitDone); err != nil {
		return err
	}
	if err := t.checkResult(target); err != nil {
		return err
	}
	for _, step := range [][]string{{"flow-run", "inspect", target}, {"flow-run", "ls"}} {
		if err := t.step(step, exitDone); err != nil {
			return err
		}
	}
	if err := t.stopWorker(); err != nil {
		return err
	}
	t.comment("a parameter that the signature refuses makes no run")
	if err := t.step(refused, exitRefused); err != nil {
		return err
	}
	t.end(target)
	return nil
}

// comment is a line that a shell takes no notice of.
func (t *tour) comment(text string) {
	t.print("\n%s", t.colour(t.OutTerminal, faint, "# "+text))
}

// step prints a command, runs it, and holds it to its exit code.
func (t *tour) step(args []string, want int) error {
	t.show(args, "")
	cmd := t.command(args)
	cmd.Stdout, cmd.Stderr = t.Out, t.Err
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("runnel %s ended with exit code %d, not %d (%w)", strings.Join(args, " "), got, want, err)
	}
	return nil
}

func (t *tour) show(args []string, end string) {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = store.Quote(arg)
	}
	t.print("\n%s runnel %s%s", t.colour(t.OutTerminal, green, "$"), t.colour(t.OutTerminal, bold, strings.Join(words, " ")), end)
}

func (t *tour) command(args []string) *exec.Cmd {
	cmd := exec.CommandContext(t.ctx, t.binary, args...)
	cmd.Dir, cmd.Env = t.folder, t.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// readyTime bounds how long a worker may take until it polls.
const readyTime = 10 * time.Second

func (t *tour) startWorker() error {
	t.show([]string{"worker", "start", "--pool", quickstartPool}, " 2> worker.log &")
	log, err := os.Create(filepath.Join(t.folder, "worker.log"))
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the worker has its own copy
	// Not of t.ctx: an interrupt reaches it as it reaches every step.
	t.worker = exec.Command(t.binary, "worker", "start", "--pool", quickstartPool)
	t.worker.Dir, t.worker.Env, t.worker.Stderr = t.folder, t.env, log
	if err := t.worker.Start(); err != nil {
		t.worker = nil
		return err
	}
	s, err := t.store()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(readyTime); time.Now().Before(deadline); time.Sleep(watchEvery) {
		if pool, err := s.WorkPool(t.ctx, quickstartPool); err != nil || pool.Workers > 0 {
			return err
		}
	}
	return fmt.Errorf("the worker was not ready within %s: see worker.log", readyTime)
}

// stopWorker asks the worker to stop, and waits for it. A second call does nothing.
func (t *tour) stopWorker() error {
	if t.worker == nil {
		return nil
	}
	worker := t.worker
	t.worker = nil
	t.print("\n%s %s", t.colour(t.OutTerminal, green, "$"), t.colour(t.OutTerminal, bold, "kill %1"))
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := worker.Wait(); err != nil {
		return fmt.Errorf("the worker ended badly: %w: see %s", err, filepath.Join(t.folder, "worker.log"))
	}
	return nil
}

// checkResult holds the run to what the flow says it returns.
func (t *tour) checkResult(target string) error {
	s, err := t.store()
	if err != nil {
		return err
	}
	run, err := s.OneRun(context.WithoutCancel(t.ctx), target)
	if err != nil || run.State.Type != store.Completed {
		return errors.Join(err, fmt.Errorf("the run is %s, not Completed", run.State.Name))
	}
	if !t.python {
		copies, err := filepath.Glob(filepath.Join(t.folder, "archive", "README-*.tar.gz"))
		if err == nil && len(copies) != 1 {
			err = fmt.Errorf("the script made %s, not 1", plural(len(copies), "archive"))
		}
		return err
	}
	attempts, err := s.Attempts(t.ctx, run.ID)
	if err != nil || len(attempts) == 0 {
		return errors.Join(err, errors.New("the run has no attempt"))
	}
	var result struct{ Folder string }
	if err := json.Unmarshal(attempts[len(attempts)-1].Result, &result); err != nil || result.Folder == "" {
		return fmt.Errorf("the run's result is %q, not a report", attempts[len(attempts)-1].Result)
	}
	_, err = os.Stat(filepath.Join(t.folder, "report.txt"))
	return err
}

// end says how to go on.
func (t *tour) end(target string) {
	t.print("\nthat was the main job. to go on, in this folder:")
	lines := [][]string{
		{"worker", "start", "--pool", quickstartPool},
		{"run", target, "--watch"},
		{"run", "flows/archive.sh"},
	}
	if !t.python {
		lines[2] = []string{"run", "flows/archive.sh", "-p", "report=README.md"}
	}
	for _, words := range lines {
		t.print("  runnel %s", strings.Join(words, " "))
	}
	t.print("now try `runnel deploy` here, or in a folder of your own flows")
	t.print("the folder is %s; when you have seen enough: rm -r %s", t.folder, store.Quote(t.folder))
}
