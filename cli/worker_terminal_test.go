package cli

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/runner"
	"runnel/store"
)

// TestOutputComesAfterItsStart, however much of it is there already.
func TestOutputComesAfterItsStart(t *testing.T) {
	const runs = 100
	log := filepath.Join(t.TempDir(), "log")
	writeLog(t, log)
	var shown bytes.Buffer
	terminal := &workerTerminal{app: &app{ctx: context.Background(), IO: &IO{Err: &shown, Clock: time.Now, Env: func(string) string { return "" }}}}
	for i := range runs {
		terminal.notify(runner.Notice{Run: store.Run{ID: store.NewID(), Name: fmt.Sprintf("r%d", i)}, Log: log})
	}
	for id := range terminal.streams {
		terminal.notify(runner.Notice{Run: store.Run{ID: id, Name: "one", State: store.NewState(store.Completed, "")}, End: &store.End{}})
	}
	terminal.pending.Wait()
	terminal.close()
	text := shown.String()
	for i := range runs {
		start, output := strings.Index(text, fmt.Sprintf("r%d started\n", i)), strings.Index(text, fmt.Sprintf("r%d | 2\n", i))
		if start < 0 || output < start {
			t.Errorf("r%d: its start at %d, its output at %d", i, start, output)
		}
	}
	if ended := strings.Count(text, "one Completed\n"); ended != runs {
		t.Errorf("%d ends are shown, not %d", ended, runs)
	}
}

// TestAQuietRunsLogIsNotLookedFor: its end is shown at once. Here the log of each
// has a line, which is shown of the one that says nothing of it.
func TestAQuietRunsLogIsNotLookedFor(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	writeLog(t, log)
	var shown bytes.Buffer
	terminal := &workerTerminal{app: &app{ctx: context.Background(), IO: &IO{Err: &shown, Clock: time.Now, Env: func(string) string { return "" }}}}
	terminal.open()
	for _, name := range []string{"quiet", "loud"} {
		run := store.Run{ID: store.NewID(), Name: name, State: store.NewState(store.Completed, "")}
		terminal.streams[run.ID] = &follower{}
		terminal.streams[run.ID].startAfter(terminal.ctx, time.Hour, log, terminal.output(run))
		terminal.notify(runner.Notice{Run: run, End: &store.End{}, Quiet: name == "quiet"})
	}
	terminal.pending.Wait()
	terminal.close()
	text := shown.String()
	if strings.Contains(text, "quiet | ") || !strings.Contains(text, "quiet Completed") {
		t.Errorf("the quiet run is shown as\n%s", text)
	}
	if output, end := strings.Index(text, "loud | 2"), strings.Index(text, "loud Completed"); output < 0 || end < output {
		t.Errorf("the other is shown as\n%s", text)
	}
}

// TestASlowTerminalHoldsNoWorker: one that never reads gets no more, and the
// worker goes on.
func TestASlowTerminalHoldsNoWorker(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	writeLog(t, log)
	stuck := stuckWriter(make(chan struct{}))
	defer close(stuck)
	terminal := &workerTerminal{app: &app{ctx: context.Background(), IO: &IO{Err: stuck, Clock: time.Now, Env: func(string) string { return "" }}}}
	for range 2 * heldLines {
		run := store.Run{ID: store.NewID(), Name: "r"}
		terminal.notify(runner.Notice{Run: run, Log: log})
		terminal.notify(runner.Notice{Run: run, End: &store.End{}})
	}
}

type stuckWriter chan struct{}

func (w stuckWriter) Write(b []byte) (int, error) {
	<-w
	return len(b), nil
}
