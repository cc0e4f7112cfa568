package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"runnel/store"
)

// TestWhyOfEveryState: each name that a state can have gets its sentence.
func TestWhyOfEveryState(t *testing.T) {
	state := exampleState(t)
	s := store.New(filepath.Join(state.folder, "runnel.db"))
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // a test's
	now := time.Now()
	s.Clock = func() time.Time { return now }
	a := &app{ctx: context.Background(), IO: &IO{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Clock: s.Clock, Env: func(string) string { return "" }}}
	runs, err := s.FindRuns(a.ctx, "good")
	if err != nil {
		t.Fatal(err)
	}
	started := now.Add(-time.Minute)
	waits := `no worker polls the queue "default" of "etl"; start one: runnel worker start --pool etl`
	for _, c := range []struct {
		kind    store.StateType
		name    string
		message string
		due     time.Duration
		want    string
	}{
		{store.Scheduled, "Scheduled", "", time.Hour, "waits for its time, " + a.local(now.Add(time.Hour)) + " (in 1h 00m)"},
		{store.Scheduled, "Scheduled", "", 0, waits},
		{store.Scheduled, "Late", "", -time.Minute, waits},
		{store.Scheduled, "AwaitingRetry", "retry 1 of 2, after: exited with 1", time.Hour, "waits for its time, " + a.local(now.Add(time.Hour)) + " (in 1h 00m); retry 1 of 2, after: exited with 1"},
		{store.Scheduled, "AwaitingRetry", "retry 1 of 2, after: exited with 1", 0, waits},
		{store.Paused, "Paused", "", 0, waits},
		{store.Pending, "Pending", "", 0, "Pending for 1m 00s: a worker has claimed it, and its process is about to start"},
		{store.Running, "Running", "", 0, "Running for 1m 00s"},
		{store.Cancelling, "Cancelling", "", 0, "Cancelling for 1m 00s"},
		{store.Completed, "Completed", "", 0, "Completed 1m 00s ago"},
		{store.Failed, "Failed", "exited with 3", 0, "Failed 1m 00s ago: exited with 3"},
		{store.Failed, "Failed", "", 0, "Failed 1m 00s ago, and left no word why: see its log"},
		{store.Failed, "TimedOut", "stopped after 90s", 0, "TimedOut 1m 00s ago: stopped after 90s"},
		{store.Crashed, "Crashed", "killed by SIGKILL", 0, "Crashed 1m 00s ago: killed by SIGKILL"},
		{store.Cancelled, "Cancelled", "cancelled by flow-run cancel", 0, "Cancelled 1m 00s ago: cancelled by flow-run cancel"},
	} {
		r := runs[0]
		r.Due = now.Add(c.due)
		r.State = store.State{Type: c.kind, Name: c.name, Message: c.message, Timestamp: started}
		got, err := a.why(s, r)
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v\nwant %q", c.name, got, err, c.want)
		}
	}
}
