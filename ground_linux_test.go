package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/runner"
	"runnel/store"
)

// ground is a folder with a database, on which processes are killed, and what
// was promised there meanwhile.
type ground struct {
	t      *testing.T
	folder string
	binary string
	python bool     // there is one
	kill   []string // the environment that says who shall die
	store  *store.Store
	sound  bool      // it was checked, and all was well
	looked time.Time // when a command last settled what it saw

	mu        sync.Mutex
	promised  []string // ids that a command printed and ended well
	cancelled []string // runs whose cancel was acknowledged
}

// The flows of a ground. Each leaves a line in "started" for every attempt, by
// which one that was started twice is seen.
var groundFlows = map[string]string{
	"ok.sh": `echo one
if ! mkdir "taken.$RUNNEL_DEPLOYMENT_SLOT" 2>/dev/null; then echo "$RUNNEL_FLOW_RUN_ID" >>overlap; fi
sleep 0.01
rmdir "taken.$RUNNEL_DEPLOYMENT_SLOT"
echo two
`,
	"flaky.sh": `[ "$RUNNEL_ATTEMPT" -gt 1 ]
`,
	"long.sh": `trap '' TERM
(setsid sh -c 'trap "" TERM; while [ ! -e go ]; do sleep 0.02; done' &)
echo up >"up.$RUNNEL_FLOW_RUN_NAME"
while [ ! -e go ]; do sleep 0.02; done
`,
}

const groundPython = `import os
from prefect import flow

@flow
def snake():
    with open("started", "a") as f:
        f.write(os.environ["RUNNEL_FLOW_RUN_ID"] + "." + os.environ["RUNNEL_ATTEMPT"] + "\n")
    print("one")
    print("two")
    return 5
`

// A hook leaves a line for each start, and that of the deployment hangs.
const groundHook = `cd "$(dirname "$0")"
echo "$RUNNEL_FLOW_RUN_ID.$RUNNEL_HOOK.$1" >>told
[ "$1" = pool ] && exit
trap '' TERM
(setsid sh -c 'trap "" TERM; sleep 60' &)
sleep 60
`

func newGround(t *testing.T, binary string) *ground {
	t.Helper()
	// A path of its own: a test's name may be too long for a socket.
	folder, err := os.MkdirTemp("", "runnel-ground-")
	if err != nil {
		t.Fatal(err)
	}
	g := &ground{t: t, folder: folder, binary: binary, python: findPython() != ""}
	for name, text := range groundFlows {
		stem := strings.TrimSuffix(name, ".sh")
		retries := map[string]string{"flaky": "# retries: 1\n"}[stem]
		text = "#!/bin/sh\n# /// flow\n# name: " + stem + "\n" + retries + "# ///\n" +
			"ulimit -t 20 # a flow that waits outlives a test that is killed; not for ever\n" +
			"echo \"$RUNNEL_FLOW_RUN_ID.$RUNNEL_ATTEMPT\" >>started\n" + text
		g.write(name, text, 0o700)
	}
	g.write("snake.py", groundPython, 0o600)
	g.write("told.sh", groundHook, 0o700)
	t.Cleanup(func() {
		if t.Failed() && !g.sound {
			g.tell()
		}
		if g.store != nil {
			_ = g.store.Close()
		}
		if g.sound || !t.Failed() {
			_ = os.RemoveAll(folder)
		}
	})
	return g
}

func (g *ground) write(name, text string, mode os.FileMode) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.folder, name), []byte(text), mode); err != nil {
		g.t.Fatal(err)
	}
}

func (g *ground) exists(name string) bool {
	_, err := os.Stat(filepath.Join(g.folder, name))
	return err == nil
}

func (g *ground) touch(name string) { g.write(name, "x", 0o600) }

func (g *ground) database() string { return filepath.Join(g.folder, ".state", "runnel.db") }

func (g *ground) command(kill []string, args ...string) *exec.Cmd {
	cmd := exec.Command(g.binary, args...)
	cmd.Dir = g.folder
	// Python's own folder comes second on PATH.
	for name, value := range scriptEnv(g.folder, filepath.Join(g.folder, "bin")+":"+os.Getenv("PATH"), findPython()) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, kill...)
	return cmd
}

// do gives a command. Where it is killed, or fails since the slot that it
// started was, it is given again, as a user would. Once somebody has died, a
// refusal is no surprise: it may be done already.
func (g *ground) do(args ...string) string {
	g.t.Helper()
	out, _ := g.give(args...)
	return out
}

// give is do, and says whether it was done.
func (g *ground) give(args ...string) (out string, done bool) {
	g.t.Helper()
	out, code, said := g.try(g.kill, args)
	if code < 0 || (code == 1 && g.died()) {
		out, code, said = g.try(nil, args)
	}
	refused := code == 3 || code == 4
	watched := code >= 5 && code <= 7
	if code != 0 && !watched && !(refused && g.died()) {
		g.t.Errorf("%v: exit code %d\n%s", args, code, said)
	}
	return out, code == 0
}

// try runs a command to its end; the code is negative where it was killed.
func (g *ground) try(kill, args []string) (out string, code int, said string) {
	g.t.Helper()
	cmd := g.command(kill, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	text, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(string(text)), cmd.ProcessState.ExitCode(), errs.String()
}

// died is true when somebody has come to his kill point.
func (g *ground) died() bool {
	marks, _ := filepath.Glob(filepath.Join(g.folder, "died.*"))
	return len(marks) > 0
}

// run makes a run, whose id is a promise.
func (g *ground) run(deployment, name string) {
	g.t.Helper()
	args := []string{"run", deployment, "-o", "name"}
	if name != "" { // with a key, the second call after a death gives the first one's run
		args = append(args, "--name", name, "--idempotency-key", name)
	}
	if id := g.do(args...); id != "" {
		g.promise(id)
	}
}

func (g *ground) promise(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.promised = append(g.promised, id)
}

func (g *ground) cancel(name string, flags ...string) {
	g.t.Helper()
	if _, done := g.give(append([]string{"flow-run", "cancel", name, "--no-wait"}, flags...)...); done {
		g.cancelled = append(g.cancelled, name)
	}
}

// deploy makes the pool and the deployments with these flows.
func (g *ground) deploy(flows ...string) {
	g.t.Helper()
	g.do("work-pool", "create", "p")
	for _, flow := range flows {
		switch flow {
		case "ok":
			g.do("deploy", "ok.sh", "-n", "d", "-p", "p", "-cl", "1")
		case "snake":
			if g.python {
				g.do("deploy", "snake.py:snake", "-n", "d", "-p", "p")
			}
		default:
			g.do("deploy", flow+".sh", "-n", "d", "-p", "p", "-jv", "grace_seconds=0.1")
		}
	}
}

// look is the database, as this process reads it: it settles nothing.
func (g *ground) look() *store.Store {
	g.t.Helper()
	if g.store == nil {
		s := store.New(g.database())
		if err := s.Open(context.Background()); err != nil {
			g.t.Fatal(err)
		}
		s.Alive = runner.Liveness(s.Folder())
		g.store = s
	}
	return g.store
}

func (g *ground) runs() []store.Run {
	g.t.Helper()
	runs, err := g.look().Runs(context.Background(), store.RunFilter{})
	if err != nil {
		g.t.Fatal(err)
	}
	return runs
}

func (g *ground) allEnded() bool {
	return !slices.ContainsFunc(g.runs(), func(r store.Run) bool { return !r.State.Type.Terminal() })
}

// worker is a worker process that may die.
type worker struct {
	cmd  *exec.Cmd
	gone chan struct{}
}

func (g *ground) worker(kill []string, flags ...string) *worker {
	g.t.Helper()
	return g.start(g.command(kill, append([]string{"worker", "start", "-p", "p"}, flags...)...))
}

// start starts a worker process, which ends with the test.
func (g *ground) start(cmd *exec.Cmd) *worker {
	g.t.Helper()
	w := &worker{cmd: cmd, gone: make(chan struct{})}
	said, err := os.OpenFile(filepath.Join(g.folder, "said"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer said.Close() //nolint:errcheck // the worker has its own copy
	cmd.Stderr = said
	if err := w.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	go func() {
		_ = w.cmd.Wait()
		close(w.gone)
	}()
	g.t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		<-w.gone
	})
	return w
}

func (w *worker) dead() bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}

// leave asks a worker to end, and waits until it has. SIGINT is ignored, here and
// in the worker, where a shell has put the tests into the background.
func (g *ground) leave(w *worker) {
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	g.until("the worker to leave", w.dead)
}

const groundWait = 30 * time.Second

func (g *ground) until(what string, holds func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(groundWait); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("waited %s for %s, in %s", groundWait, what, g.folder)
		}
	}
}

// untilWorked waits for something that a worker brings about. Where the worker
// has died another takes its place.
func (g *ground) untilWorked(w *worker, what string, holds func() bool) *worker {
	g.t.Helper()
	g.until(what, func() bool {
		if w.dead() {
			w = g.worker(nil)
		}
		return holds()
	})
	return w
}

// recover is the restart of everything: workers without a kill point, and a
// command that looks, until every run has ended and no process is left.
func (g *ground) recover() {
	g.t.Helper()
	g.touch("go")
	w := g.worker(nil)
	g.settle()
	g.until("every run to have ended, and to be told of", func() bool {
		for _, r := range g.runs() {
			if r.Job != nil && r.State.Type == store.Scheduled { // only its command would have retried it
				g.do("flow-run", "cancel", r.ID.String(), "--no-wait")
			}
		}
		g.lookAgain()
		return g.allEnded() && len(g.hooks(true)) == 0
	})
	g.leave(w)
	g.until("every process to have ended", func() bool { return len(processesOf(g.folder)) == 0 })
}

func (g *ground) settle() {
	g.t.Helper()
	g.kill = nil
	g.do("flow-run", "ls", "--limit", "1")
	g.looked = time.Now()
}

// lookAgain has a command look, which settles; not at each call of one who waits.
func (g *ground) lookAgain() {
	g.t.Helper()
	if time.Since(g.looked) > 50*time.Millisecond {
		g.do("flow-run", "ls", "--limit", "1")
		g.looked = time.Now()
	}
}

// pidsOf are the slot and the flow of a run that runs; 0 for what is not known.
func (g *ground) pidsOf(r store.Run) (slot, flow int) {
	if proof, err := runner.ParseProof(r.Owner.Proof); err == nil {
		slot = proof.Identity.PID
	}
	attempts, err := g.look().Attempts(context.Background(), r.ID)
	if n := len(attempts); err == nil && n > 0 && attempts[n-1].PID != nil && attempts[n-1].EndTime == nil {
		flow = *attempts[n-1].PID
	}
	return slot, flow
}
