package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"runnel/store"
)

// shelf is a database with one script flow, and a clock that stands.
type shelf struct {
	t      *testing.T
	folder string
	now    time.Time
	store  *store.Store
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	h := &shelf{t: t, folder: t.TempDir(), now: time.Date(2026, 3, 27, 23, 0, 0, 0, time.UTC)}
	script := "#!/bin/sh\n# /// flow\n# name: folder-report\n# ///\n"
	if err := os.WriteFile(filepath.Join(h.folder, "report.sh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h.store = store.New(h.database())
	h.store.Clock = func() time.Time { return h.now }
	if err := h.store.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.store.Close() })
	h.run("work-pool create my-process-pool")
	return h
}

func (h *shelf) database() string { return filepath.Join(h.folder, "state", "runnel.db") }

// run gives what a command prints. It has to succeed.
func (h *shelf) run(line string) string {
	h.t.Helper()
	var out, talk bytes.Buffer
	env := map[string]string{"RUNNEL_DB": h.database(), "PATH": os.Getenv("PATH")}
	streams := &IO{
		In: strings.NewReader(""), Out: &out, Err: &talk, Width: 80, Dir: h.folder,
		Env: func(name string) string { return env[name] }, Clock: func() time.Time { return h.now },
	}
	args := append([]string{"--db", h.database()}, strings.Split(line, " ")...)
	if code := Main(streams, args); code != 0 {
		h.t.Fatalf("%s: exit code %d: %s", line, code, &talk)
	}
	return out.String()
}

func (h *shelf) want(line, pattern string) {
	h.t.Helper()
	if out := h.run(line); !regexp.MustCompile("(?m)" + pattern).MatchString(out) {
		h.t.Errorf("%s prints\n%s\nwhich is not like %s", line, out, pattern)
	}
}

func (h *shelf) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestWhyExplainsALateStart(t *testing.T) {
	h := newShelf(t)
	ctx := context.Background()
	h.run("deploy report.sh -n nightly -p my-process-pool --interval 2h")
	w, err := h.store.RegisterWorker(ctx, store.Worker{ID: store.NewID(), Name: "w", WorkPoolName: "my-process-pool"})
	h.must(err)
	slept := h.now.Add(4 * time.Minute)
	h.now = time.Date(2026, 3, 28, 7, 40, 0, 0, time.UTC)
	h.must(h.store.Slept(ctx, w.ID, slept, h.now))
	h.want("why folder-report/nightly", `; 7h 40m late: this machine slept 23:04 to 07:40$`)
	h.want("deployment ls", `^folder-report/nightly  my-process-pool  \S+ +7h 40m ago  -$`)
}

func TestWhyExplainsThatNoWorkerRan(t *testing.T) {
	h := newShelf(t)
	ctx := context.Background()
	h.run("deploy report.sh -n nightly -p my-process-pool --cron @daily")
	h.now = time.Date(2026, 3, 29, 5, 40, 0, 0, time.UTC)
	_, err := h.store.RegisterWorker(ctx, store.Worker{ID: store.NewID(), Name: "w", WorkPoolName: "my-process-pool"})
	h.must(err)
	h.want("why folder-report/nightly", `late: no worker ran 2026-03-27 23:00 to 2026-03-29 05:40$`)
}

// TestWhyNamesTheRunThatIsDueFirst, whoever made it.
func TestWhyNamesTheRunThatIsDueFirst(t *testing.T) {
	h := newShelf(t)
	h.run("deploy report.sh -n nightly -p my-process-pool --cron @daily")
	tick := `^folder-report/nightly: waits for its time, Sat 2026-03-28 00:00.* by the schedule `
	h.want("why folder-report/nightly", tick)
	h.run("run folder-report/nightly --name later --in 2h")
	h.want("why folder-report/nightly", tick)
	h.run("run folder-report/nightly --name sooner --in 10m")
	h.want("why folder-report/nightly", `^folder-report/nightly: its run sooner waits for its time, .*; as it stands it will not start then: no worker `)
	h.run("run folder-report/nightly --name now")
	h.now = h.now.Add(time.Minute)
	h.want("why folder-report/nightly", `^folder-report/nightly: its run now is due: no worker polls `)
}

// TestWhyTellsWhatATickAwaitsItsRetryFor: that a schedule made the run does not
// hide how its attempt ended.
func TestWhyTellsWhatATickAwaitsItsRetryFor(t *testing.T) {
	h := newShelf(t)
	ctx := context.Background()
	h.run("deploy report.sh -n nightly -p my-process-pool --cron @daily --retries 1 --retry-delay 600")
	h.now = time.Date(2026, 3, 28, 0, 0, 1, 0, time.UTC)
	result, err := h.store.Claim(ctx, store.Round{
		Worker: store.Worker{Name: "w", WorkPoolName: "my-process-pool"}, Owners: []store.Owner{{Kind: "slot", Proof: "{}"}},
	})
	h.must(err)
	c := result.Claimed[0]
	h.must(h.store.End(ctx, store.End{Run: c.Run.ID, Attempt: c.Attempt, Fence: c.Run.Fence, State: store.NewState(store.Failed, "no such file")}, "test"))
	h.want("why folder-report/nightly", `^folder-report/nightly: its run `+c.Run.Name+` waits for its time, .*; retry 1 of 1, after: no such file`)
}

// TestDeploymentListFitsATerminal: 80 columns hold names as long as the usual.
func TestDeploymentListFitsATerminal(t *testing.T) {
	h := newShelf(t)
	h.run("deploy report.sh -n nightly -p my-process-pool --cron @daily")
	h.run("deploy report.sh -n hourly -p my-process-pool --cron @hourly --paused")
	out := h.run("deployment ls")
	want := `Name                   Work Pool        Worker  Next       Last, Ago
folder-report/hourly   my-process-pool  none    paused     -
folder-report/nightly  my-process-pool  none    in 1h 00m  -
`
	if out != want {
		t.Errorf("it prints\n%s", out)
	}
	lines := strings.Split(out, "\n")
	longest := utf8.RuneCountInString(lines[2]) - len("-") + len("Completed 23h 59m")
	if longest += len("in 23h 59m") - len("in 1h 00m"); longest > 80 {
		t.Errorf("with a last run it has %d columns", longest)
	}
}
