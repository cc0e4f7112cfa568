package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"runnel/store"
)

// playWork runs what is due and leaves.
func playWork(g *ground) {
	g.deploy("ok", "flaky", "snake")
	g.run("ok/d", "a")
	g.run("ok/d", "b")
	g.run("flaky/d", "c")
	if g.python {
		g.run("snake/d", "s")
	}
	w := g.worker(g.kill, "--limit", "2")
	w = g.untilWorked(w, "all to have ended", g.allEnded)
	g.leave(w)
}

// playCancel cancels a run that ignores SIGTERM and has a child in another
// session, gives it another attempt, and deletes it.
func playCancel(g *ground) {
	g.deploy("long")
	g.run("long/d", "r")
	w := g.worker(g.kill)
	w = g.untilWorked(w, "the run to be up", func() bool { return g.up("r") })
	g.cancel("r")
	w = g.untilWorked(w, "the cancelled run to end", g.ended)
	g.touch("retried")
	g.touch("go")
	g.do("flow-run", "retry", "r")
	w = g.untilWorked(w, "its further attempt to end", g.ended)
	g.touch("deleted")
	g.do("flow-run", "delete", "r", "--yes")
	g.leave(w)
}

// up is true when the flow of a run has begun, or, since somebody died before,
// never will.
func (g *ground) up(name string) bool {
	return g.exists("up."+name) || g.over(name)
}

// over is true when a run has ended.
func (g *ground) over(name string) bool {
	return slices.ContainsFunc(g.runs(), func(r store.Run) bool { return r.Name == name && r.State.Type.Terminal() })
}

// ended is allEnded for one who looks on: where nobody else is left to settle.
func (g *ground) ended() bool {
	if g.allEnded() {
		return true
	}
	g.lookAgain()
	return g.allEnded()
}

// playAdopt kills the worker and the slots of two runs: whoever looks adopts
// them. One ends by itself, one is cancelled.
func playAdopt(g *ground) {
	g.deploy("long")
	g.run("long/d", "r1")
	g.run("long/d", "r2")
	w := g.worker(g.kill)
	w = g.untilWorked(w, "both to be up", func() bool { return g.up("r1") && g.up("r2") })
	g.murder(w, false)
	g.do("flow-run", "ls")
	g.cancel("r1")
	g.until("r1 to end", func() bool {
		g.lookAgain()
		return g.over("r1")
	})
	g.touch("go")
	g.until("r2 to end", g.ended)
}

// playDead kills worker, slot and flow: whoever looks settles. The locks that
// they left are swept by the next worker.
func playDead(g *ground) {
	g.deploy("long")
	g.run("long/d", "r")
	w := g.worker(g.kill)
	w = g.untilWorked(w, "the run to be up", func() bool { return g.up("r") })
	g.until("its process to be known", func() bool {
		_, flow := g.pidsOf(g.runs()[0])
		return flow != 0 || g.died() || g.ended() // a worker that died told nobody
	})
	g.murder(w, true)
	g.until("the run to be settled", g.ended)
	old := time.Now().Add(-time.Hour)
	locks, _ := filepath.Glob(g.database() + ".d/locks/*")
	for _, lock := range locks {
		_ = os.Chtimes(lock, old, old)
	}
	w = g.worker(g.kill, "--run-once")
	g.until("the worker to have looked", w.dead)
}

// playHere runs an entrypoint, with a retry, and retries it by hand.
func playHere(g *ground) {
	if id := g.do("run", "flaky.sh", "--name", "h", "-o", "name"); id != "" {
		g.promise(id)
	}
	newest := g.runs()[0]
	g.until("it to be left alone", func() bool {
		g.lookAgain()
		newest = g.runs()[0]
		return !newest.State.Type.Live()
	})
	g.do("flow-run", "retry", newest.ID.String())
}

// playChange changes and deletes what is there, by each command that does, and has
// a worker cancel its runs.
func playChange(g *ground) {
	g.deploy("ok", "long")
	for _, line := range []string{
		"work-pool create other", "deploy ok.sh -n o -p other", "deploy ok.sh -n x -p other", "run ok/x",
		"work-queue create p/q", "work-queue update p/q --priority 1", "work-queue pause p/q",
		"work-queue resume p/q", "work-queue delete p/q --yes",
		"work-pool update p -l 3", "work-pool pause p", "work-pool resume p",
		"deployment update ok/d -jv env.X=1", "deployment pause ok/d", "deployment resume ok/d",
		"deployment schedule create ok/d --interval 1h --slug hourly", "deployment schedule pause ok/d",
		"deployment schedule resume ok/d", "deployment schedule delete ok/d --yes",
		"variable set v 1", "variable delete v", "db prune --keep 30d --save",
		"deployment delete ok/o --yes", "deployment delete ok/x --with-runs --yes", "work-pool delete other --yes",
	} {
		g.do(strings.Fields(line)...)
	}
	g.run("ok/d", "a")
	g.run("ok/d", "b")
	w := g.worker(g.kill)
	w = g.untilWorked(w, "all to have ended", g.allEnded)
	for _, which := range []string{"a b", "--deployment ok/d --state Completed --yes"} {
		g.do(append([]string{"flow-run", "retry"}, strings.Fields(which)...)...)
		w = g.untilWorked(w, "the further attempts to end", g.allEnded)
	}
	g.run("long/d", "r")
	w = g.untilWorked(w, "the run to be up", func() bool { return g.up("r") })
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	g.until("the worker to be draining", func() bool { return w.dead() || g.draining() })
	g.leave(w)
}

// draining is true when a worker has been asked to end.
func (g *ground) draining() bool {
	g.t.Helper()
	workers, err := g.look().Workers(context.Background(), "p")
	if err != nil {
		g.t.Fatal(err)
	}
	return slices.ContainsFunc(workers, func(w store.Worker) bool { return w.Status == store.Draining })
}

// playTold runs what has hooks: the pool's is done at once, the deployment's
// hangs, in another session too, and is stopped.
func playTold(g *ground) {
	told := filepath.Join(g.folder, "told.sh")
	g.do("work-pool", "create", "p", "--on-completion", "sh "+told+" pool")
	g.do("deploy", "ok.sh", "-n", "d", "-p", "p", "--on-completion", "sh "+told+" deployment", "--hook-timeout", "0.3")
	g.run("ok/d", "a")
	w := g.worker(g.kill)
	w = g.untilWorked(w, "all to have ended", g.allEnded)
	w = g.untilWorked(w, "all to be told", func() bool { return len(g.hooks(true)) == 0 })
	g.leave(w)
}

// hooks are those of all runs, or those of them that have not ended.
func (g *ground) hooks(pending bool) (found []store.Hook) {
	g.t.Helper()
	for _, r := range g.runs() {
		hooks, err := g.look().HooksOf(context.Background(), r.ID)
		if err != nil {
			g.t.Fatal(err)
		}
		for _, h := range hooks {
			if !pending || h.Ended == nil {
				found = append(found, h)
			}
		}
	}
	return found
}

// murder kills a worker and the slots of all that runs, and where flows is
// true, the whole of what they started.
func (g *ground) murder(w *worker, flows bool) {
	_ = w.cmd.Process.Kill()
	<-w.gone
	for _, r := range g.runs() {
		slot, _ := g.pidsOf(r)
		if slot > 0 {
			_ = syscall.Kill(slot, syscall.SIGKILL)
		}
	}
	if !flows {
		return
	}
	// What is forked meanwhile would be adopted.
	g.until("all that they started to be dead", func() bool {
		left := processesOf(g.folder)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	})
}
