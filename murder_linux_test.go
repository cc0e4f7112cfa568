package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/store"
)

var (
	murderTime  = flag.Duration("murder", 3*time.Second, "how long processes are killed at random under load")
	stoppedTime = flag.Duration("stopped", 0, "how long a worker and a slot stay stopped by SIGSTOP (the figure of the guarantees: 60s)")
)

// TestMurder runs two workers under a stream of runs, and kills at random
// moments a worker, a slot, a flow, two of them, or all three. Then everything
// is started again: every run has ended once, none of its code was started
// twice, no process is left, and the file is sound. -murder 60s for longer.
func TestMurder(t *testing.T) {
	random := seeded(t)
	g := newGround(t, runnelLink(t))
	g.deploy("ok", "flaky", "snake", "long")
	flows := []string{"ok/d", "flaky/d", "long/d"}
	if g.python {
		flows = append(flows, "snake/d")
	}
	workers := []*worker{g.worker(nil, "--limit", "4"), g.worker(nil, "--limit", "4")}
	killed := map[string]int{}
	const ways = 7 // one, two of them, all three
	for end := time.Now().Add(*murderTime); time.Now().Before(end) || len(killed) < ways; {
		for range 3 {
			g.run(flows[random.IntN(len(flows))], "")
		}
		time.Sleep(time.Duration(random.Int64N(int64(60 * time.Millisecond))))
		g.kill1(workers, 1+random.IntN(7), random.IntN(8), killed)
		for i, w := range workers {
			if w.dead() {
				workers[i] = g.worker(nil, "--limit", "4")
			}
		}
	}
	g.touch("go")
	for _, w := range workers {
		if !w.dead() {
			g.leave(w)
		}
	}
	g.recover()
	g.check(true)
	states := map[string]int{}
	for _, r := range g.runs() {
		states[r.State.Name]++
	}
	t.Logf("%d runs, killed %v, ended %v", len(g.promised), killed, states)
}

// kill1 kills what the bits of who say: 1 a worker, 2 a slot, 4 a flow, the
// last two of one run. It counts what was there to be killed.
func (g *ground) kill1(workers []*worker, who, n int, killed map[string]int) {
	var slot, flow int
	live := slices.DeleteFunc(g.runs(), func(r store.Run) bool { return !r.State.Type.Live() })
	if len(live) > 0 {
		slot, flow = g.pidsOf(live[n%len(live)])
	}
	var done []string
	if who&1 != 0 {
		w := workers[n%len(workers)]
		_ = w.cmd.Process.Kill()
		<-w.gone
		done = append(done, "worker")
	}
	if who&2 != 0 && g.kill9(slot) {
		done = append(done, "slot")
	}
	if who&4 != 0 && g.kill9(flow) {
		done = append(done, "flow")
	}
	if len(done) > 0 {
		killed[strings.Join(done, " and ")]++
	}
}

// kill9 kills a process that is ours: the number may have been given to another
// since.
func (g *ground) kill9(pid int) bool {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return pid > 0 && strings.Contains(string(line), g.folder) && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// runnelLink is this binary under runnel's name.
func runnelLink(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "runnel")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// TestAStoppedProcessIsNamedAndLosesNothing stops a worker and a slot: nobody
// settles what they have, another worker goes on, why names who was stopped,
// and after SIGCONT all ends as if nothing had been.
func TestAStoppedProcessIsNamedAndLosesNothing(t *testing.T) {
	g := newGround(t, runnelLink(t))
	g.deploy("long", "ok")
	g.run("long/d", "r")
	w := g.worker(nil, "--name", "first")
	g.until("the run to be up", func() bool { return g.exists("up.r") })
	g.until("its process to be known", func() bool { _, flow := g.pidsOf(g.runs()[0]); return flow != 0 })
	slot, _ := g.pidsOf(g.runs()[0])
	for _, pid := range []int{w.cmd.Process.Pid, slot} {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer syscall.Kill(pid, syscall.SIGCONT) //nolint:errcheck // it may have ended
	}
	g.run("ok/d", "waits")
	wantWhy(g, "waits", fmt.Sprintf("process %d was stopped (SIGSTOP): kill -CONT %[1]d", w.cmd.Process.Pid))
	wantWhy(g, "r", fmt.Sprintf("process %d", slot), fmt.Sprintf("kill -CONT %d", slot))
	if listed := g.do("worker", "ls"); !strings.Contains(listed, store.Stopped) {
		g.t.Errorf("worker ls says %q, without %q", listed, store.Stopped)
	}
	second := g.worker(nil, "--name", "second")
	g.until("the other worker to run what waits", func() bool { return g.named("waits").State.Type == store.Completed })
	g.touch("go")
	time.Sleep(*stoppedTime) // the other worker looks for dead owners every few seconds
	g.settle()
	if r := g.named("r"); r.State.Type != store.Running || r.Fence != 1 {
		t.Errorf("a stopped slot's run was settled: %s, fence %d", r.State.Name, r.Fence)
	}
	_ = syscall.Kill(slot, syscall.SIGCONT)
	_ = syscall.Kill(w.cmd.Process.Pid, syscall.SIGCONT)
	g.until("the run to end", func() bool { return g.named("r").State.Type.Terminal() })
	if r := g.named("r"); r.State.Type != store.Completed {
		t.Errorf("it ended %s: %s", r.State.Name, r.State.Message)
	}
	g.leave(w)
	g.leave(second)
	g.recover()
	g.check(false)
}

func (g *ground) named(name string) store.Run {
	g.t.Helper()
	for _, r := range g.runs() {
		if r.Name == name {
			return r
		}
	}
	g.t.Fatalf("no run %s", name)
	return store.Run{}
}

func wantWhy(g *ground, name string, wants ...string) {
	g.t.Helper()
	said := g.do("why", name)
	for _, want := range wants {
		if !strings.Contains(said, want) {
			g.t.Errorf("why %s says %q, without %q", name, said, want)
		}
	}
}
