//go:build unix

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/store"
)

// The test binary is the slots' binary, too, and with an environment variable
// a worker that can be killed.
func init() {
	if len(os.Args) == 4 && os.Args[1] == slotArgument {
		id, err := store.ParseID(os.Args[3])
		if err != nil {
			os.Exit(2)
		}
		if silence, err := time.ParseDuration(os.Getenv("RUNNER_TEST_GIT_SILENCE")); err == nil {
			gitSilence = silence
		}
		os.Exit(RunSlot(os.Args[2], id, os.NewFile(3, "worker")))
	}
	helpers["worker"] = workerHelper
}

// workerHelper is a worker process: its argument is the database.
func workerHelper(database string) {
	s := store.New(database)
	s.Patient = true
	if err := s.Open(context.Background()); err != nil {
		panic(err)
	}
	w := newWorker(s, "killed", nil)
	if err := w.Run(context.Background(), nil); err != nil {
		panic(err)
	}
}

func newWorker(s *store.Store, name string, limit *int) *Worker {
	s.Alive = Liveness(s.Folder())
	return &Worker{
		Store: s, Name: name, Pool: "p", Limit: limit, Notify: func(Notice) {},
		Maker: Maker{Store: s, Env: os.Environ(), Binary: os.Args[0]},
	}
}

// world is a database with a pool "p" and scripts to run.
type world struct {
	t testing.TB
	*store.Store
	folder string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	// A path of its own: a test's name may be too long for a socket.
	folder, err := os.MkdirTemp("", "runnel-test-")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(folder)) })
	return newWorldIn(t, folder)
}

func newWorldIn(t testing.TB, folder string) *world {
	t.Helper()
	w := &world{t: t, folder: folder}
	w.Store = w.open()
	t.Cleanup(func() {
		check(t, w.Close())
		w.noProcesses()
	})
	_, err := w.CreateWorkPool(context.Background(), store.WorkPool{Name: "p"})
	check(t, err)
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open gives a further store on the same file.
func (w *world) open() *store.Store {
	w.t.Helper()
	s := store.New(filepath.Join(w.folder, "r.db"))
	s.Patient = true
	check(w.t, s.Open(context.Background()))
	s.Alive = Liveness(s.Folder())
	return s
}

// script deploys a shell script as "name/test". One that waits outlives a test that is
// killed, and ends by the time that it has had on the processor.
func (w *world) script(name, text string, change func(*store.Wish)) {
	w.t.Helper()
	check(w.t, os.WriteFile(filepath.Join(w.folder, name+".sh"), []byte("#!/bin/sh\nulimit -t 20\n"+text), 0o755))
	wish := store.Wish{
		FlowName: name, Name: "test", Kind: "script", Entrypoint: name + ".sh", Path: w.folder, Pool: "p",
		ParameterSchema: json.RawMessage(`{"properties":{}}`),
	}
	if change != nil {
		change(&wish)
	}
	_, err := w.Deploy(context.Background(), []store.Wish{wish}, store.DeployOptions{})
	check(w.t, err)
}

func (w *world) run(name string) store.Run {
	w.t.Helper()
	run, _, err := w.CreateRun(context.Background(), store.NewRun{Deployment: name + "/test"})
	check(w.t, err)
	bells, err := w.Bells(context.Background(), "p")
	check(w.t, err)
	RingWorkers(w.Store, bells)
	return run
}

// await reads a run until it satisfies want, settling like any command.
func (w *world) await(id store.ID, want func(store.Run) bool) store.Run {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		check(w.t, Settle(context.Background(), w.Store, "test"))
		run, err := w.RunByID(context.Background(), id)
		check(w.t, err)
		if want(run) {
			return run
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is still %s: %s", run.Name, run.State.Name, run.State.Message)
		}
	}
}

// notices collects what a worker says.
type notices struct {
	mu   sync.Mutex
	said []string
}

func (n *notices) add(notice Notice) {
	if notice.Text == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, notice.Text)
}

// count is how many lines hold the text.
func (n *notices) count(text string) (found int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.said {
		if strings.Contains(line, text) {
			found++
		}
	}
	return found
}

// workInBackground runs a worker in this process until the test ends.
func (w *world) workInBackground(limit int) *notices {
	said := &notices{}
	worker := newWorker(w.open(), "background", &limit)
	worker.Notify = said.add
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx, nil) }()
	w.t.Cleanup(func() {
		leave()
		check(w.t, <-ended)
		check(w.t, worker.Store.Close())
	})
	return said
}

func terminal(r store.Run) bool { return r.State.Type.Terminal() }

// output is the raw log of a run's newest attempt.
func (w *world) output(id store.ID) string {
	w.t.Helper()
	attempts, err := w.Attempts(context.Background(), id)
	check(w.t, err)
	if len(attempts) == 0 {
		return ""
	}
	var b bytes.Buffer
	err = CopyRaw(&b, w.LogPath(attempts[len(attempts)-1].Log))
	if !errors.Is(err, os.ErrNotExist) { // claimed, not yet begun
		check(w.t, err)
	}
	return b.String()
}

// noProcesses fails where a process of this world's runs or slots is left.
func (w *world) noProcesses() {
	w.t.Helper()
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		return
	}
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		left = left[:0]
		paths, _ := filepath.Glob("/proc/[0-9]*")
		for _, path := range paths {
			command, _ := os.ReadFile(path + "/cmdline")
			environ, _ := os.ReadFile(path + "/environ")
			if path != fmt.Sprintf("/proc/%d", os.Getpid()) && strings.Contains(string(command)+string(environ), w.folder) {
				left = append(left, path+" "+strings.ReplaceAll(string(command), "\x00", " "))
			}
		}
		if len(left) == 0 {
			return
		}
	}
	w.t.Errorf("left behind: %v", left)
}

// work runs a worker with --run-once.
func (w *world) work(limit int) {
	w.t.Helper()
	worker := newWorker(w.Store, "once", &limit)
	worker.RunOnce = true
	check(w.t, worker.Run(context.Background(), nil))
}

func TestRunsThroughOneWorkerAreEachStartedOnce(t *testing.T) {
	w := newWorld(t)
	runs := 1000
	if testing.Short() {
		runs = 100
	}
	w.script("true", "exit 0\n", func(wish *store.Wish) { wish.Entrypoint = "/bin/true" })
	ids := make([]store.ID, runs)
	for i := range ids {
		ids[i] = w.run("true").ID
	}
	w.work(4)
	for _, id := range ids {
		events, err := w.Events(context.Background(), id)
		check(t, err)
		var names []string
		for _, e := range events {
			names = append(names, e.Name)
		}
		if text := strings.Join(names, " "); text != "Scheduled Pending Running Completed" {
			t.Fatalf("history of %s: %s", id, text)
		}
	}
	// A slot removes its attempt's folder after it was told that the end is recorded.
	w.noProcesses()
	left, err := os.ReadDir(filepath.Join(w.Folder(), "runs"))
	check(t, err)
	if len(left) > 0 {
		t.Errorf("%d folders of attempts are left", len(left))
	}
}

// TestALimitHoldsForManyWorkers proves the limit outside of the database:
// each run takes one of three folders without waiting, so a fourth would fail.
func TestALimitHoldsForManyWorkers(t *testing.T) {
	w := newWorld(t)
	limit, runs := 3, 60
	w.script("limited", `
for n in 1 2 3; do
  if mkdir taken.$n 2>/dev/null; then
    sleep 0.03
    rmdir taken.$n
    exit 0
  fi
done
echo "a fourth run" >&2
exit 1
`, func(wish *store.Wish) { wish.ConcurrencyLimit = &limit })
	var ids []store.ID
	for range runs {
		ids = append(ids, w.run("limited").ID)
	}
	stop := make(chan struct{})
	ended := make(chan error, 8)
	for i := range 8 {
		s := w.open()
		worker := newWorker(s, fmt.Sprint("worker ", i), nil)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-stop; cancel() }()
		go func() {
			err := worker.Run(ctx, nil)
			ended <- err
			_ = s.Close()
		}()
	}
	for _, id := range ids {
		if run := w.await(id, terminal); run.State.Type != store.Completed {
			t.Errorf("%s %s: %s\n%s", run.Name, run.State.Name, run.State.Message, w.output(id))
		}
	}
	close(stop)
	for range 8 {
		check(t, <-ended)
	}
}

// startWorkerProcess starts a worker that can be killed.
func (w *world) startWorkerProcess() *exec.Cmd {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$")
	cmd.Env = append(os.Environ(), "RUNNER_TEST_HELPER=worker", "RUNNER_TEST_ARGUMENT="+filepath.Join(w.folder, "r.db"))
	cmd.Stderr = os.Stderr
	check(w.t, cmd.Start())
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func TestAKilledWorkerLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.script("slow", "echo one\nwhile [ ! -e go ]; do sleep 0.01; done\necho two\nprintf three\nexit 3\n", nil)
	worker := w.startWorkerProcess()
	var ids []store.ID
	for range 4 {
		ids = append(ids, w.run("slow").ID)
	}
	for _, id := range ids {
		w.await(id, func(r store.Run) bool { return r.State.Type == store.Running && strings.Contains(w.output(id), "one") })
	}
	check(t, worker.Process.Signal(syscall.SIGKILL))
	_ = worker.Wait()
	check(t, os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o600))
	for _, id := range ids {
		run := w.await(id, terminal)
		attempts, err := w.Attempts(context.Background(), id)
		check(t, err)
		if run.State.Type != store.Failed || len(attempts) != 1 || *attempts[0].ExitCode != 3 {
			t.Errorf("%s: %s (%s), %d attempts", run.Name, run.State.Name, run.State.Message, len(attempts))
		}
		if got := w.output(id); got != "one\ntwo\nthree" {
			t.Errorf("output: %q", got)
		}
	}
}
