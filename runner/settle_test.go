//go:build unix

package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/store"
)

// TestASlotKilledAroundTheSpawnIsSettledRight kills slots at random moments
// between the hand-out and a little after the flow's start. Whatever is then
// found must be so: a run that was put back has never started, and one that
// was ended has no process. RUNNEL_TEST_KILLS sets how many; 1,500 is the
// figure that the design was measured with.
func TestASlotKilledAroundTheSpawnIsSettledRight(t *testing.T) {
	w := newWorld(t)
	kills := 300
	if testing.Short() {
		kills = 40
	}
	if text := os.Getenv("RUNNEL_TEST_KILLS"); text != "" {
		_, err := fmt.Sscan(text, &kills)
		check(t, err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	// Its first act is the proof that it started.
	w.script("marked", `echo $$ > "started.$RUNNEL_FLOW_RUN_ID"; sleep 0.02; exit 0`+"\n", nil)
	verdicts := map[string]int{}
	for range kills {
		// Most of the spawn is over after some milliseconds.
		verdicts[w.killASlot(time.Duration(random.Int64N(int64(6*time.Millisecond))))]++
	}
	t.Logf("%d kills: %v", kills, verdicts)
	if len(verdicts) < 2 {
		t.Errorf("the kills all fell on one side of the spawn: %v", verdicts)
	}
}

// killASlot hands one run to a slot, kills it after a delay, and gives the verdict.
func (w *world) killASlot(after time.Duration) string {
	t := w.t
	ctx := context.Background()
	events := make(chan slotEvent, 8)
	h, err := startSlot(w.Store, events)
	check(t, err)
	check(t, h.awaitHello(events))
	run := w.run("marked")
	result, err := w.Claim(ctx, store.Round{Worker: store.Worker{Name: "t", WorkPoolName: "p"}, Owners: []store.Owner{h.owner}})
	check(t, err)
	if len(result.Claimed) != 1 {
		t.Fatalf("claimed %d", len(result.Claimed))
	}
	job := Maker{Store: w.Store, Env: os.Environ()}.Job(result.Claimed[0])
	h.give(job)
	time.Sleep(after)
	check(t, h.process.Signal(syscall.SIGKILL))
	for e := range events {
		if e.gone {
			break
		}
	}
	settled := w.await(run.ID, func(r store.Run) bool { return terminal(r) || r.State.Type == store.Scheduled })
	marker := filepath.Join(w.folder, "started."+run.ID.String())
	if settled.State.Type == store.Scheduled {
		w.neverStarted(settled, marker)
		return "put back"
	}
	if pid, err := os.ReadFile(marker); err == nil && runsStill(strings.TrimSpace(string(pid)), run.ID) {
		t.Errorf("%s is %s (%s) and its process %s lives", run.Name, settled.State.Name, settled.State.Message, pid)
	}
	return settled.State.Name
}

// neverStarted holds a run that was put back to having left no mark, also
// after the time in which a start that was under way would have left it.
func (w *world) neverStarted(run store.Run, marker string) {
	time.Sleep(5 * time.Millisecond)
	if _, err := os.Stat(marker); err == nil {
		w.t.Errorf("%s was put back, and had started", run.Name)
	}
	_, err := w.Cancel(context.Background(), run.ID, "done", "test")
	check(w.t, err)
}

func runsStill(pid string, run store.ID) bool {
	environ, err := os.ReadFile("/proc/" + pid + "/environ")
	return err == nil && strings.Contains(string(environ), run.String())
}

// TestAnAdoptedFlowIsFinished kills the slot of a flow that goes on printing:
// a new slot reads on, and nothing that was printed is lost.
func TestAnAdoptedFlowIsFinished(t *testing.T) {
	w := newWorld(t)
	w.script("long", `i=0
while [ $i -lt 10 ]; do echo line $i; i=$((i+1)); sleep 0.01; done
while [ ! -e dead ]; do sleep 0.01; done
while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.01; done
while [ ! -e read ]; do sleep 0.01; done
`, nil)
	run := w.run("long")
	events := make(chan slotEvent, 8)
	h, err := startSlot(w.Store, events)
	check(t, err)
	check(t, h.awaitHello(events))
	result, err := w.Claim(context.Background(), store.Round{Worker: store.Worker{Name: "t", WorkPoolName: "p"}, Owners: []store.Owner{h.owner}})
	check(t, err)
	job := Maker{Store: w.Store, Env: os.Environ()}.Job(result.Claimed[0])
	h.give(job)
	w.await(run.ID, func(store.Run) bool { return strings.Contains(w.output(run.ID), "line 9") })
	check(t, h.process.Signal(syscall.SIGKILL))
	for e := range events {
		if e.gone {
			break
		}
	}
	check(t, os.WriteFile(filepath.Join(w.folder, "dead"), nil, 0o600))
	// It ends when all is read: had it ended before it was adopted, what was in
	// the pipe would have gone with it.
	w.await(run.ID, func(store.Run) bool { return strings.Contains(w.output(run.ID), "line 39\n") })
	check(t, os.WriteFile(filepath.Join(w.folder, "read"), nil, 0o600))
	ended := w.await(run.ID, terminal)
	if ended.State.Type != store.Crashed || !strings.Contains(ended.State.Message, "exit status unknown") {
		t.Errorf("a shell script leaves no outcome: %+v", ended.State)
	}
	output := w.output(run.ID)
	for i := range 40 {
		if !strings.Contains(output, fmt.Sprintf("line %d\n", i)) {
			t.Errorf("line %d is lost", i)
		}
	}
}

func TestACancelledRunHasNoProcess(t *testing.T) {
	w := newWorld(t)
	w.script("stubborn", `trap '' TERM
(trap '' TERM; setsid sh -c 'trap "" TERM; echo ready; sleep 1000' &)
sleep 1000
`, func(wish *store.Wish) { wish.JobVariables = store.Values{"grace_seconds": []byte("0.2")} })
	run := w.run("stubborn")
	worker := w.startWorkerProcess()
	w.await(run.ID, func(r store.Run) bool {
		return r.State.Type == store.Running && strings.Contains(w.output(run.ID), "ready")
	})
	owner, err := w.Cancel(context.Background(), run.ID, "test", "test")
	check(t, err)
	RingOwner(w.Store, owner)
	ended := w.await(run.ID, terminal)
	if ended.State.Type != store.Cancelled {
		t.Errorf("%+v", ended.State)
	}
	check(t, worker.Process.Signal(syscall.SIGKILL))
	_ = worker.Wait()
	w.noProcesses()
}

// TestASlotOfADeletedDatabaseEnds removes everything under a run: the slot
// has nobody to record its end for, makes no new database, and ends. What is
// left would be seen when the world is closed.
func TestASlotOfADeletedDatabaseEnds(t *testing.T) {
	w := newWorld(t)
	w.script("brief", "echo started; sleep 0.3\n", nil)
	run := w.run("brief")
	worker := w.startWorkerProcess()
	w.await(run.ID, func(store.Run) bool { return w.output(run.ID) != "" })
	check(t, worker.Process.Signal(syscall.SIGKILL))
	_ = worker.Wait()
	check(t, os.RemoveAll(w.folder))
	w.noProcesses()
	if _, err := os.Stat(w.folder); err == nil {
		t.Error("the slot made the folder again")
	}
}

// TestAFlowKnowsItsSignals holds a slot to passing on no ignored signals: a
// flow could not be interrupted, and a pipe that breaks would not end it.
func TestAFlowKnowsItsSignals(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc to read a process's signals from")
	}
	w := newWorld(t)
	w.script("signals", "grep SigIgn /proc/self/status\n", nil)
	run := w.run("signals")
	w.work(1)
	if got := strings.TrimSpace(w.output(run.ID)); got != "SigIgn:\t0000000000000000" {
		t.Errorf("ignored at the flow's start: %s", got)
	}
}

func TestATimeoutStopsTheRun(t *testing.T) {
	w := newWorld(t)
	seconds := 0.1
	w.script("late", "sleep 1000\n", func(wish *store.Wish) { wish.TimeoutSeconds = &seconds })
	run := w.run("late")
	w.work(1)
	ended := w.await(run.ID, terminal)
	if ended.State.Type != store.Failed || ended.State.Name != store.NameTimedOut {
		t.Errorf("%+v", ended.State)
	}
}

func TestRetriesMakeAttemptsOfOneRun(t *testing.T) {
	w := newWorld(t)
	w.script("flaky", `echo "attempt $RUNNEL_ATTEMPT"; [ "$RUNNEL_ATTEMPT" = 3 ]`+"\n", func(wish *store.Wish) {
		wish.Retries, wish.RetryDelays = 3, []float64{0.01}
	})
	run := w.run("flaky")
	worker := w.startWorkerProcess()
	ended := w.await(run.ID, terminal)
	if ended.State.Type != store.Completed || ended.RunCount != 3 {
		t.Errorf("%s after %d attempts", ended.State.Name, ended.RunCount)
	}
	check(t, worker.Process.Signal(syscall.SIGKILL))
	_ = worker.Wait()
}

// TestARebootEndsWhatRanAndOnlyThat writes runs as another boot left them:
// their owners' locks are free or gone, whatever their processes' numbers are
// now. What waits, and what runs in this boot, is left alone.
func TestARebootEndsWhatRanAndOnlyThat(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.script("slow", "while [ ! -e go ]; do sleep 0.01; done\n", nil)
	w.script("waiting", "exit 0\n", nil)
	w.workInBackground(1)
	here := w.run("slow")
	w.await(here.ID, func(r store.Run) bool { return r.State.Type == store.Running })

	begun := w.claimedInAnotherBoot(true, true)
	unbegun := w.claimedInAnotherBoot(false, true)
	lockless := w.claimedInAnotherBoot(true, false)
	finished := w.claimedInAnotherBoot(true, true)
	check(t, os.MkdirAll(AttemptFolder(w.Folder(), finished, 1), 0o700))
	check(t, os.WriteFile(filepath.Join(AttemptFolder(w.Folder(), finished, 1), outcomeFile),
		[]byte(`{"state_type":"COMPLETED","message":"all done","result":7}`), 0o600))
	later, _, err := w.CreateRun(ctx, store.NewRun{Deployment: "waiting/test", At: w.Clock().Add(time.Hour)})
	check(t, err)

	check(t, Settle(ctx, w.Store, "test"))
	for id, want := range map[store.ID]string{
		begun:    "CRASHED: the machine was restarted while it ran",
		unbegun:  "CRASHED: the machine was restarted while it ran",
		lockless: "CRASHED: the machine was restarted while it ran",
		finished: "COMPLETED: all done",
		here.ID:  "RUNNING: ",
		later.ID: "SCHEDULED: ",
	} {
		run, err := w.RunByID(ctx, id)
		check(t, err)
		if got := string(run.State.Type) + ": " + run.State.Message; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	check(t, os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o600))
	if run := w.await(here.ID, terminal); run.State.Type != store.Completed {
		t.Errorf("the run of this boot: %s: %s", run.State.Name, run.State.Message)
	}
}

// claimedInAnotherBoot makes a run that a slot of another boot has, with its
// log or without, and with the file of its lock or without. The slot's number
// is that of a process which lives now.
func (w *world) claimedInAnotherBoot(log, lock bool) store.ID {
	w.t.Helper()
	proof := Proof{ID: store.NewID(), Identity: Self()}
	proof.Identity.BootID = "00000000-0000-4000-8000-000000000000"
	if lock {
		file, err := TakeLock(lockPath(w.Folder(), proof.ID))
		check(w.t, err)
		check(w.t, file.Close())
	}
	run, _, err := w.CreateRun(context.Background(), store.NewRun{Deployment: "waiting/test"})
	check(w.t, err)
	result, err := w.Claim(context.Background(), store.Round{
		Worker: store.Worker{Name: "of the other boot", WorkPoolName: "p"},
		Owners: []store.Owner{{Kind: "slot", Host: proof.Identity.Host, Proof: proof.text()}},
	})
	check(w.t, err)
	if len(result.Claimed) != 1 || result.Claimed[0].Run.ID != run.ID {
		w.t.Fatalf("claimed %v", result.Claimed)
	}
	if log {
		file, err := CreateLog(w.LogPath(result.Claimed[0].Log))
		check(w.t, err)
		check(w.t, file.Close())
	}
	return run.ID
}

// TestALookThatLostARaceChangesNothing: between the reading of a run and of its
// attempt another process may have settled it, and what came of it be at work.
func TestALookThatLostARaceChangesNothing(t *testing.T) {
	ctx := context.Background()
	takes := map[string]func(*world, store.Claimed){
		"put back": func(w *world, c store.Claimed) { check(t, w.PutBack(ctx, c.Run, "lost", "other")) },
		"put back and claimed again": func(w *world, c store.Claimed) {
			check(t, w.PutBack(ctx, c.Run, "lost", "other"))
			w.heldBySomebody()
		},
		"ended and retried": func(w *world, c store.Claimed) {
			check(t, w.Settle(ctx, store.End{
				Run: c.Run.ID, Attempt: c.Attempt, Fence: c.Run.Fence, State: store.NewState(store.Crashed, "gone"),
			}, "other"))
			_, err := w.Retry(ctx, c.Run.ID, "other")
			check(t, err)
			w.heldBySomebody()
		},
	}
	for name, take := range takes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.script("quick", "exit 0\n", nil)
			_, _, err := w.CreateRun(ctx, store.NewRun{Deployment: "quick/test"})
			check(t, err)
			c, lock := w.claimByHand()
			check(t, lock.Close()) // its slot is dead
			take(w, c)
			before, err := w.RunByID(ctx, c.Run.ID)
			check(t, err)
			check(t, SettleRun(ctx, w.Store, c.Run, "late"))
			after, err := w.RunByID(ctx, c.Run.ID)
			check(t, err)
			if before.Fence != after.Fence || before.State != after.State {
				t.Errorf("%v became %v", before.State, after.State)
			}
			if _, err := os.Stat(filepath.Join(w.Folder(), "slot.log")); err == nil {
				t.Error("a slot was started for nothing")
			}
		})
	}
}

// claimByHand claims what is due for an owner that lives until its lock is closed.
func (w *world) claimByHand() (store.Claimed, *os.File) {
	w.t.Helper()
	check(w.t, makeFolders(w.Folder()))
	proof := Proof{ID: store.NewID(), Identity: Self()}
	lock, err := TakeLock(lockPath(w.Folder(), proof.ID))
	check(w.t, err)
	w.t.Cleanup(func() { _ = lock.Close() })
	result, err := w.Claim(context.Background(), store.Round{
		Worker: store.Worker{Name: "by hand", WorkPoolName: "p"},
		Owners: []store.Owner{{Kind: "slot", Host: proof.Identity.Host, Proof: proof.text()}},
	})
	check(w.t, err)
	if len(result.Claimed) != 1 {
		w.t.Fatalf("claimed %v", result.Claimed)
	}
	return result.Claimed[0], lock
}

// heldBySomebody has the run claimed by one who lives, and its attempt begun.
func (w *world) heldBySomebody() {
	w.t.Helper()
	c, _ := w.claimByHand()
	log, err := CreateLog(w.LogPath(c.Log))
	check(w.t, err)
	w.t.Cleanup(func() { _ = log.Close() })
}

// TestWhatKilledProcessesLeftIsSwept: old files of nobody go; those of a live
// run stay, as do those that are new.
func TestWhatKilledProcessesLeftIsSwept(t *testing.T) {
	w := newWorld(t)
	old := time.Now().Add(-2 * staleAfter)
	file := func(age time.Time, name ...string) string {
		path := filepath.Join(append([]string{w.Folder()}, name...)...)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, nil, 0o600))
		check(t, os.Chtimes(path, age, age))
		return path
	}
	attempt := func(age time.Time, id store.ID) string {
		path := AttemptFolder(w.Folder(), id, 1)
		file(age, "runs", attemptName(id, 1), parametersFile)
		check(t, os.Chtimes(path, age, age))
		return path
	}
	owner, run := store.NewID(), store.NewID()
	held := file(old, "locks", store.NewID().String()+".lock")
	lock, err := TakeLock(held)
	check(t, err)
	defer func() { check(t, lock.Close()) }()
	goes := []string{file(old, "locks", store.NewID().String()+".lock"), attempt(old, store.NewID())}
	stays := []string{
		held, file(old, "locks", owner.String()+".lock"), attempt(old, run),
		file(time.Now(), "locks", store.NewID().String()+".lock"), attempt(time.Now(), store.NewID()),
	}
	sweepFolder(w.Folder(), []store.Run{{ID: run, RunCount: 1, Owner: store.Owner{Proof: Proof{ID: owner}.text()}}})
	for _, path := range goes {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range stays {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s is gone", path)
		}
	}
}
