package runner

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWhoWorksIsNotSilent: a process may say nothing for as long as it, or what it
// started, works; what only waits is ended.
func TestWhoWorksIsNotSilent(t *testing.T) {
	const limit = 300 * time.Millisecond
	const reckons = "timeout --foreground 1 sh -c 'while :; do :; done'; true"
	for script, over := range map[string]bool{
		reckons:                   false,
		"sleep 1000":              true,
		reckons + "; sleep 1000":  true,
		"sleep 1000 & sleep 1000": true,
	} {
		process, err := Start(Spec{Argv: []string{"sh", "-c", script}, Env: os.Environ()})
		check(t, err)
		t.Cleanup(process.killGroup)
		var out output
		h := command{silence: limit}.listen(&out)
		began := time.Now()
		stop := h.watch(process.PID, process.killGroup)
		_, err = process.Wait(t.Context())
		check(t, err)
		took := time.Since(began)
		stop()
		if exit := process.Reap(); h.over.Load() != over || (exit.Code == 0) == over || took < 2*limit && !over || took < limit {
			t.Errorf("%q ended after %s with %+v, over %v", script, took, exit, h.over.Load())
		}
	}
}

// TestWhatIsWork tells it from waiting: a poll a second and a line that is kept alive.
func TestWhatIsWork(t *testing.T) {
	before := effort{cpu: time.Second, bytes: 1 << 20}
	for _, c := range []struct {
		cpu   time.Duration
		bytes int64
		disk  bool
		want  bool
	}{
		{},
		{cpu: 300 * time.Millisecond, bytes: 40000},
		{cpu: 2 * time.Second, want: true},
		{bytes: 100000, want: true},
		{bytes: -100000, want: true}, // who did it has ended
		{disk: true, want: true},
	} {
		after := effort{before.cpu + c.cpu, before.bytes + c.bytes, c.disk}
		if got := after.isWork(before, 2*time.Minute); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestAnEffortIsOfTheWholeGroup: what ended and was waited for is in it, too.
func TestAnEffortIsOfTheWholeGroup(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	check(t, os.WriteFile(gate, nil, 0o600))
	process, err := Start(Spec{
		Argv: []string{"sh", "-c", `dd if=/dev/zero of=/dev/null bs=64k count=100 2>/dev/null; rm "$0"; exec sleep 1000`, gate}, Env: os.Environ(),
	})
	check(t, err)
	t.Cleanup(func() {
		process.killGroup()
		_, err := process.Wait(context.Background())
		check(t, err)
		process.Reap()
	})
	eventually(t, "its work is done", func() bool { return !isThere(gate) })
	if got := effortOf(process.PID); got.bytes < 2*100*64<<10 {
		t.Errorf("it read and wrote %d bytes", got.bytes)
	}
	if got := effortOf(os.Getpid() << 8); got != (effort{}) {
		t.Errorf("of no group: %+v", got)
	}
}

// TestAFetchThatWorksInSilence, as git does when it looks for what connects, goes on.
func TestAFetchThatWorksInSilence(t *testing.T) {
	r := newRemote(t)
	shortSilence(t)
	r.shell(`git=bin/git; { printf '#!/bin/sh\ncase " $* " in *" fetch "*) timeout --foreground 1 sh -c "while :; do :; done";; esac\n'; tail -n +2 $git; } >new; chmod +x new; mv new $git`)
	began := time.Now()
	folder, out, err := r.clone(t, r.url+"/r.git", r.token())
	if err != nil || content(t, folder, "a/file") != "two" {
		t.Errorf("%v\n%s", err, out)
	}
	if took := time.Since(began); took < 2*gitSilence {
		t.Errorf("it took only %s", took)
	}
}
