package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"runnel/runner"
	"runnel/store"
)

// The commands that scripts have beside testscript's own. Those that wait look
// every few milliseconds, and give up at a deadline that no sound run needs.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":      scriptExits,
	"waitstate":  scriptWaitState,
	"waitworker": scriptWaitWorker,
	"waitfile":   scriptWaitFile,
	"waitout":    scriptWaitOut,
	"signal":     scriptSignal,
	"pullsteps":  scriptPullSteps,
	"gitdaemon":  scriptGitDaemon,
	"githttp":    scriptGitHTTP,
}

const (
	scriptLook = 10 * time.Millisecond
	scriptWait = 30 * time.Second
)

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// scriptExits is `exits CODE COMMAND…`: the command ends with just this code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	code := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != atoi(args[0]) {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

// until waits for a condition to hold, and fails the script at the deadline.
func until(ts *testscript.TestScript, what string, holds func() bool) {
	for deadline := time.Now().Add(scriptWait); !holds(); time.Sleep(scriptLook) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s for %s", scriptWait, what)
		}
	}
}

// withStore opens the script's database for one command.
func withStore(ts *testscript.TestScript, work func(ctx context.Context, s *store.Store)) {
	s := store.New(ts.Getenv("RUNNEL_DB"))
	ctx := context.Background()
	ts.Check(s.Open(ctx))
	defer func() { ts.Check(s.Close()) }()
	s.Alive = runner.Liveness(s.Folder())
	work(ctx, s)
}

// scriptWaitState is `waitstate RUN STATE`: the run reaches the state's name.
func scriptWaitState(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitstate RUN STATE")
	}
	withStore(ts, func(ctx context.Context, s *store.Store) {
		until(ts, args[0]+" to be "+args[1], func() bool {
			runs, err := s.FindRuns(ctx, args[0])
			var known *store.Error
			if errors.As(err, &known) && known.Code == store.NotFound {
				return false // it is about to be made
			}
			ts.Check(err)
			if state := runs[0].State; state.Type.Terminal() && state.Name != args[1] {
				ts.Fatalf("%s is %s: %s", args[0], state.Name, state.Message)
			}
			return runs[0].State.Name == args[1]
		})
	})
}

// scriptWaitWorker is `waitworker POOL`: a worker polls it. With ! none does.
func scriptWaitWorker(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] waitworker POOL")
	}
	until(ts, "a database", func() bool {
		_, err := os.Stat(ts.Getenv("RUNNEL_DB"))
		return err == nil
	})
	withStore(ts, func(ctx context.Context, s *store.Store) {
		until(ts, "the workers of "+args[0], func() bool { return (len(workersOf(ts, ctx, s, args[0], store.Online)) > 0) != neg })
	})
}

func workersOf(ts *testscript.TestScript, ctx context.Context, s *store.Store, pool string, status ...string) (found []store.Worker) {
	workers, err := s.Workers(ctx, "")
	ts.Check(err)
	for _, w := range workers {
		if slices.Contains(status, w.Status) && w.WorkPoolName == pool {
			found = append(found, w)
		}
	}
	return found
}

// scriptWaitFile is `waitfile PATH`: something has written it.
func scriptWaitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile PATH")
	}
	path := ts.MkAbs(args[0])
	until(ts, path, func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 0
	})
}

// scriptWaitOut is `waitout PATTERN COMMAND…`: what the command prints comes to
// match.
func scriptWaitOut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitout PATTERN COMMAND…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	until(ts, strings.Join(args[1:], " ")+" to print "+args[0], func() bool {
		// Not by ts.Exec, which would log each look.
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		for _, name := range []string{"PATH", "HOME", "TZ", "RUNNEL_DB", "NO_COLOR", "COLUMNS"} {
			cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
		}
		out, err := cmd.Output()
		ts.Check(err)
		return pattern.Match(out)
	})
}

// scriptSignal is `signal NAME worker POOL`, `signal NAME slot RUN` or
// `signal NAME flow RUN`: testscript's own kill knows only INT and KILL.
func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL,
		"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
	}
	if neg || len(args) != 3 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal NAME worker POOL | slot RUN | flow RUN")
	}
	withStore(ts, func(ctx context.Context, s *store.Store) {
		pid := 0
		switch args[1] {
		case "worker":
			workers := workersOf(ts, ctx, s, args[2], store.Online, store.Draining)
			if len(workers) != 1 {
				ts.Fatalf("%d workers poll %s", len(workers), args[2])
			}
			pid = workers[0].PID
		case "slot":
			run, err := s.OneRun(ctx, args[2])
			ts.Check(err)
			proof, err := runner.ParseProof(run.Owner.Proof)
			ts.Check(err)
			pid = proof.Identity.PID
		case "flow":
			pid = flowPID(ts, ctx, s, args[2])
		}
		ts.Check(syscall.Kill(pid, signals[args[0]]))
		// The kernel stops a process when it next runs.
		until(ts, "process "+itoa(pid)+" to have stopped", func() bool {
			id, err := runner.IdentityOf(pid)
			return args[0] != "STOP" || err == nil && id.Stopped()
		})
	})
}

// flowPID waits for the process of a run to have been recorded.
func flowPID(ts *testscript.TestScript, ctx context.Context, s *store.Store, word string) (pid int) {
	run, err := s.OneRun(ctx, word)
	ts.Check(err)
	until(ts, "the process of "+word, func() bool {
		attempts, err := s.Attempts(ctx, run.ID)
		ts.Check(err)
		n := len(attempts)
		if n > 0 && attempts[n-1].PID != nil {
			pid = *attempts[n-1].PID
		}
		return pid != 0
	})
	return pid
}

// scriptPullSteps is `pullsteps DEPLOYMENT FILE`: the deployment has the pull
// steps that FILE lists as JSON.
func scriptPullSteps(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pullsteps DEPLOYMENT FILE")
	}
	var steps []store.Step
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &steps))
	withStore(ts, func(ctx context.Context, s *store.Store) {
		d, err := s.Deployment(ctx, args[0])
		ts.Check(err)
		_, err = s.Deploy(ctx, []store.Wish{{
			FlowName: d.FlowName, Name: d.Name, Entrypoint: d.Entrypoint, Kind: d.Kind, Path: d.Path,
			Interpreter: d.Interpreter, ParameterSchema: d.ParameterSchema, Retries: d.Retries,
			RetryDelays: d.RetryDelaySeconds, RetriesOnCrash: &d.RetriesOnCrash, RetryJitter: &d.RetryJitterFactor,
			TimeoutSeconds: d.TimeoutSeconds, PullSteps: &steps,
		}}, store.DeployOptions{})
		ts.Check(err)
	})
}
