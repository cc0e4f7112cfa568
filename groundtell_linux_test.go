package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"runnel/store"
)

// toldTail is how much of the end of a file is told, in bytes.
const toldTail = 4 << 10

// tell says all that can be known of a ground that failed, and ends what still
// runs on it; the folder stays.
func (g *ground) tell() {
	g.t.Helper()
	g.t.Logf("the ground is %s; to die were %q", g.folder, g.kill)
	marks, _ := filepath.Glob(filepath.Join(g.folder, "died.*"))
	for _, mark := range marks {
		role, _ := os.ReadFile(mark)
		g.t.Logf("at %s died a %s", strings.TrimPrefix(filepath.Base(mark), "died."), role)
	}
	g.t.Logf("promised %v, cancelled %v", g.promised, g.cancelled)
	if runs, err := g.look().Runs(context.Background(), store.RunFilter{}); err == nil {
		for _, r := range runs {
			g.tellRun(r)
		}
	}
	for _, pid := range processesOf(g.folder) {
		g.tellProcess(pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	g.tellFiles()
}

func (g *ground) tellRun(r store.Run) {
	g.t.Helper()
	ctx := context.Background()
	g.t.Logf("%s of %s, %s: %s %s; fence %d, owner %s", r.Name, r.FlowName, r.ID, r.State.Name, r.State.Message, r.Fence, r.Owner.Proof)
	events, _ := g.look().Events(ctx, r.ID)
	for _, e := range events {
		g.t.Logf("  %s attempt %d %s, by %s: %s", e.Time.Format("15:04:05.000000"), e.Attempt, e.Name, e.Who, e.Message)
	}
	attempts, _ := g.look().Attempts(ctx, r.ID)
	for _, a := range attempts {
		text, err := os.ReadFile(g.look().LogPath(a.Log))
		g.t.Logf("  log of attempt %d (%v):\n%s", a.Attempt, err, tail(text))
	}
	hooks, _ := g.look().HooksOf(ctx, r.ID)
	for _, h := range hooks {
		g.t.Logf("  hook %s of the %s: started %v, ended %v, %s", h.Event, h.Origin, h.Started, h.Ended, h.Message)
	}
}

func (g *ground) tellProcess(pid int) {
	g.t.Helper()
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	waits, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
	g.t.Logf("process %d: %s\n%.80s waits in %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte(" ")), stat, waits)
}

// tellFiles lists what lies beside the database, and says what was written for
// nobody else.
func (g *ground) tellFiles() {
	g.t.Helper()
	var list []string
	_ = filepath.Walk(filepath.Dir(g.database()), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && !strings.Contains(path, "/python-") {
			list = append(list, fmt.Sprintf("%8d %s", info.Size(), strings.TrimPrefix(path, g.folder)))
		}
		return nil
	})
	g.t.Logf("files:\n%s", strings.Join(list, "\n"))
	for _, name := range []string{"started", "told", "overlap", "said", ".state/runnel.db.d/slot.log"} {
		if text, err := os.ReadFile(filepath.Join(g.folder, name)); err == nil {
			g.t.Logf("%s:\n%s", name, tail(text))
		}
	}
}

func tail(text []byte) []byte { return text[max(0, len(text)-toldTail):] }
