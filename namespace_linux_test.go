package main

import (
	"os/exec"
	"syscall"
	"testing"

	"runnel/store"
)

// TestARunInAnotherPidNamespaceIsLeftAlone runs a worker in a pid namespace of
// its own, as a container has, and one outside, on one file. Neither side sees
// the other's processes; the locks tell both that they live.
func TestARunInAnotherPidNamespaceIsLeftAlone(t *testing.T) {
	inside := []string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}
	if syscall.Getuid() != 0 {
		inside = append(inside, "--user", "--map-root-user")
	}
	if out, err := exec.Command(inside[0], append(inside[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("no pid namespace may be made here: %v %s", err, out)
	}
	g := newGround(t, runnelLink(t))
	g.deploy("long")
	g.run("long/d", "within")
	contained := g.worker(nil)
	g.until("the first run to be up", func() bool { return g.exists("up.within") })
	g.leaveTo(contained) // it has shown that a worker works here; now the one inside
	w := g.workerIn(inside)
	g.run("long/d", "inner")
	g.until("the inner run to be up", func() bool { return g.exists("up.inner") })

	look := func(prefix []string) {
		t.Helper()
		args := append(append([]string{}, prefix...), g.binary, "flow-run", "ls")
		cmd := g.command(nil)
		cmd.Path, cmd.Args = mustFind(t, args[0]), args
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		for _, name := range []string{"within", "inner"} {
			if r := g.named(name); r.State.Type != store.Running || r.Fence != 1 {
				t.Errorf("after a look by %v, %s is %s with fence %d: %s", prefix, name, r.State.Name, r.Fence, r.State.Message)
			}
		}
	}
	look([]string{"env"})
	look(inside)

	g.touch("go")
	g.until("both to have ended", g.allEnded)
	for _, name := range []string{"within", "inner"} {
		if r := g.named(name); r.State.Type != store.Completed {
			t.Errorf("%s ended %s: %s", name, r.State.Name, r.State.Message)
		}
	}
	_ = w.cmd.Process.Kill()
	g.recover()
	g.check(false)
}

// leaveTo ends a worker by SIGHUP: its slots go on.
func (g *ground) leaveTo(w *worker) {
	_ = w.cmd.Process.Signal(syscall.SIGHUP)
	g.until("the worker to leave", w.dead)
}

// workerIn is a worker behind a command that starts it in another place.
func (g *ground) workerIn(prefix []string) *worker {
	g.t.Helper()
	cmd := g.command(nil)
	cmd.Path = mustFind(g.t, prefix[0])
	cmd.Args = append(append([]string{}, prefix...), g.binary, "worker", "start", "-p", "p", "--name", "inside")
	return g.start(cmd)
}

func mustFind(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
