package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runnel/runner"
	"runnel/store"
)

// check holds the ground to what was promised. slotDied allows for what only
// the death of a slot excuses.
func (g *ground) check(slotDied bool) {
	g.t.Helper()
	for _, line := range violations(g.database()) {
		g.t.Errorf("db check: %s", line)
	}
	byID, environments := map[string]store.Run{}, g.environments()
	for _, r := range g.runs() {
		byID[r.ID.String()] = r
		g.checkGone(r, environments)
		g.checkRun(r, slotDied)
	}
	for _, id := range g.promised {
		if _, found := byID[id]; !found && !g.exists("deleted") {
			g.t.Errorf("G9: the run %s was made, and is not there", id)
		}
	}
	for _, name := range g.cancelled {
		for _, r := range byID {
			if r.Name == name && r.State.Type != store.Cancelled && !g.exists("retried") && !g.exists("deleted") {
				g.t.Errorf("G9: %s was cancelled, and is %s", name, r.State.Name)
			}
		}
	}
	g.checkStarts(byID)
	g.checkTold()
	if g.exists("overlap") && !slotDied {
		g.t.Error("G4: two runs of a deployment with a limit of 1 ran at once")
	}
}

// checkStarts: no attempt's code was started twice, and none that is not recorded.
func (g *ground) checkStarts(byID map[string]store.Run) {
	g.t.Helper()
	text, _ := os.ReadFile(filepath.Join(g.folder, "started"))
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if seen[line] {
			g.t.Errorf("G2: attempt %s was started twice", line)
		}
		seen[line] = true
		id, attempt, _ := strings.Cut(line, ".")
		if r, found := byID[id]; found && atoi(attempt) > r.RunCount {
			g.t.Errorf("G2: attempt %s was started, and %d are recorded", line, r.RunCount)
		}
	}
}

// checkTold: each end that has hooks owed them, and each was started once at
// most, and not without being recorded.
func (g *ground) checkTold() {
	g.t.Helper()
	recorded := map[string]bool{}
	for _, h := range g.hooks(false) {
		recorded[h.Run.String()+"."+h.Event+"."+strings.TrimPrefix(h.Origin, "work_")] = h.Started != nil
	}
	for _, r := range g.runs() {
		if pool, err := g.look().WorkPool(context.Background(), "p"); err == nil && pool.Any() && r.State.Type == store.Completed {
			for _, origin := range []string{"pool", "deployment"} {
				if _, owed := recorded[r.ID.String()+".on_completion."+origin]; !owed {
					g.t.Errorf("%s is Completed, and the hook of the %s is not owed", r.Name, origin)
				}
			}
		}
	}
	text, _ := os.ReadFile(filepath.Join(g.folder, "told"))
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if seen[line] || !recorded[line] {
			g.t.Errorf("the hook %s was started twice, or is not recorded", line)
		}
		seen[line] = true
	}
}

// environments are those of the processes that live on the ground, by number.
func (g *ground) environments() map[int][]byte {
	found := map[int][]byte{}
	for _, pid := range processesOf(g.folder) {
		found[pid], _ = os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	}
	return found
}

func (g *ground) checkGone(r store.Run, environments map[int][]byte) {
	g.t.Helper()
	for pid, env := range environments {
		if bytes.Contains(env, []byte(r.ID.String())) {
			g.t.Errorf("G7: %s is %s, and its process %d lives", r.Name, r.State.Name, pid)
		}
	}
}

func (g *ground) checkRun(r store.Run, slotDied bool) {
	g.t.Helper()
	if slotDied || (r.FlowName != "ok" && r.FlowName != "snake") || slices.Contains(g.cancelled, r.Name) {
		return
	}
	if r.State.Type != store.Completed {
		g.t.Errorf("G6: %s is %s: %s", r.Name, r.State.Name, r.State.Message)
		return
	}
	attempts, err := g.look().Attempts(context.Background(), r.ID)
	if err != nil || len(attempts) == 0 {
		g.t.Errorf("G6: %s has %d attempts, %v", r.Name, len(attempts), err)
		return
	}
	var out bytes.Buffer
	if err := runner.CopyRaw(&out, g.look().LogPath(attempts[len(attempts)-1].Log)); err != nil || out.String() != "one\ntwo\n" {
		g.t.Errorf("G8: the log of %s holds %q (%v)", r.Name, out.String(), err)
	}
}
