package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"runnel/store"
)

// crowded is more of everything than a screen holds.
func crowded(pools, deployments, failures int) (o overview) {
	now := time.Now()
	next, end := now.Add(26*time.Hour), now.Add(-20*time.Hour)
	for i := range pools {
		o.WorkPools = append(o.WorkPools, store.PoolLoad{
			WorkPool: store.WorkPool{Name: fmt.Sprintf("a-pool-with-quite-a-long-name-%02d", i), Status: store.StatusNotReady, Late: 120_000},
			Load:     store.Load{Running: 9999, Waiting: 120_000, Next: &next},
		})
	}
	for i := range deployments {
		d := deploymentLook{Name: fmt.Sprintf("a flow of many words/and a deployment %02d", i), Next: &next}
		for j := range recentRuns {
			m := marks[(i+j)%len(marks)]
			d.Recent = append(d.Recent, store.RecentRun{Type: store.Failed, State: m.state})
		}
		o.Deployments = append(o.Deployments, d)
	}
	for range failures {
		name := "a flow of many words/and a deployment"
		o.Failures = append(o.Failures, store.Run{
			Deployment: &name, EndTime: &end,
			State: store.State{Type: store.Failed, Name: store.NameTimedOut, Message: "it said\nmuch " + strings.Repeat("more ", 40)},
		})
	}
	o.FailureCount = failures
	return o
}

// TestStatusFitsAScreen of 80 by 24, with the line that is typed next on it,
// and uses it where one part leaves room to another.
func TestStatusFitsAScreen(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		for _, n := range [][3]int{{10, 40, 50}, {1, 40, 50}, {10, 1, 50}, {10, 40, 0}, {1, 1, 50}, {40, 0, 0}, {0, 0, 0}} {
			var screen bytes.Buffer
			a := &app{IO: &IO{
				Out: &screen, Err: &screen, OutTerminal: terminal, ErrTerminal: terminal, Width: 80,
				Env: func(string) string { return "" }, Clock: time.Now,
			}}
			a.showStatus(crowded(n[0], n[1], n[2]))
			lines := strings.Split(strings.TrimSuffix(screen.String(), "\n"), "\n")
			if len(lines) > 23 || n[0]+n[1]+n[2] > 40 && len(lines) < 20 {
				t.Errorf("%v, terminal %v: %d lines\n%s", n, terminal, len(lines), screen.String())
			}
			for _, line := range lines {
				if width := ansi.StringWidth(line); width > 80 {
					t.Errorf("%v, terminal %v: %d columns: %s", n, terminal, width, line)
				}
			}
		}
	}
}

// TestEveryMarkIsItsOwn: the bar is read without colour.
func TestEveryMarkIsItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range marks {
		if seen[m.mark] || len(m.mark) != 1 {
			t.Errorf("%q stands for two states, or is no character", m.mark)
		}
		seen[m.mark] = true
	}
}

// TestRunnelAlone: on a terminal, once there is a database, it shows how things
// stand; else it is the help. It makes no database.
func TestRunnelAlone(t *testing.T) {
	state, empty := exampleState(t), player{t: t, folder: t.TempDir(), clock: time.Now()}
	for _, c := range []struct {
		player   player
		terminal bool
		want     string
	}{
		{state, true, "Last 30 Runs"},
		{state, false, "Usage: runnel COMMAND"},
		{empty, true, "Usage: runnel COMMAND"},
	} {
		var out bytes.Buffer
		db := filepath.Join(c.player.folder, "runnel.db")
		t.Setenv("RUNNEL_DB", db)
		code := Main(&IO{
			Out: &out, Err: &out, OutTerminal: c.terminal, ErrTerminal: c.terminal, Width: 80, Clock: time.Now,
			Env: func(name string) string { return map[string]string{"RUNNEL_DB": db}[name] },
		}, nil)
		if code != exitDone || !strings.Contains(out.String(), c.want) {
			t.Errorf("terminal %v: exit code %d, not %q: %s", c.terminal, code, c.want, out.String())
		}
	}
	if _, err := os.Stat(filepath.Join(empty.folder, "runnel.db")); err == nil {
		t.Error("it made a database")
	}
}
