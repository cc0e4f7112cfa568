package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"runnel/store"
)

// rival is another program that does the same work. It gets a part of it, where
// each job costs it much.
type rival struct {
	name  string
	part  int // of a hundred
	drain func(n int) (float64, error)
}

// throughput drains due runs of /bin/true with one worker, against others.
func (b *bench) throughput() error {
	if _, err := exec.LookPath("xargs"); err != nil {
		b.skip("all of it", "no xargs on PATH to compare with")
		return nil
	}
	db, err := b.newDatabase("throughput")
	if err != nil {
		return err
	}
	rivals, stop, err := b.rivals()
	defer stop()
	if err != nil {
		return err
	}
	batches, batch := 1+5, b.rounds(1000, 200)
	own := func(n int) (float64, error) { return b.drained(db, "true", n) }
	if err := b.compare(batches, batch, own, rivals); err != nil {
		return err
	}
	once, err := b.countRuns(db, `r.state_type = 'COMPLETED' AND r.attempt = 1
		AND (SELECT count(*) FROM event e WHERE e.run_id = r.id AND e.state_type = 'RUNNING') = 1`)
	if err != nil {
		return err
	}
	if once != batches*batch {
		return fmt.Errorf("%d of %d runs were started once and Completed", once, batches*batch)
	}
	b.show(fmt.Sprintf("started once and Completed, of %d", batches*batch), exactly(float64(once)), "")
	return nil
}

// rivals are those that can be had here, xargs first.
func (b *bench) rivals() (list []rival, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	list = []rival{{"xargs -P 4", 100, func(n int) (float64, error) { return b.xargs(n, "-P", "4", "-n", "1", "/bin/true") }}}
	if b.quick {
		return list, stop, nil
	}
	if b.have("parallel", "parallel") {
		list = append(list, rival{"GNU parallel", 20, func(n int) (float64, error) {
			return b.fed(n, "parallel", "--will-cite", "-j", "4", "-n", "1", "/bin/true")
		}})
	}
	if b.have("tsp", "task-spooler") {
		t, err := b.newTsp()
		if err != nil {
			return list, stop, fmt.Errorf("tsp: %w", err)
		}
		stops = append(stops, t.stop)
		list = append(list, rival{"tsp", 50, func(n int) (float64, error) { return t.drain(b.ctx, n) }})
	}
	if folder, found := b.havePueue(); found {
		p, err := b.newPueue(folder)
		if err != nil {
			return list, stop, fmt.Errorf("pueue: %w", err)
		}
		stops = append(stops, p.stop)
		list = append(list, rival{"pueue", 10, func(n int) (float64, error) { return p.drain(b.ctx, n) }})
	}
	return list, stop, nil
}

// compare gives batches to a worker and its rivals by turns; the first of each
// is the warm-up. It shows rates, and by how much the worker's is higher.
func (b *bench) compare(batches, batch int, own func(int) (float64, error), rivals []rival) error {
	var ours []float64
	theirs := make([][]float64, len(rivals))
	for round := range batches {
		took, err := own(batch)
		if err != nil {
			return err
		}
		if round > 0 {
			ours = append(ours, float64(batch)/took*1000)
		}
		for i, r := range rivals {
			n := batch * r.part / 100
			took, err := r.drain(n)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			if round > 0 {
				theirs[i] = append(theirs[i], float64(n)/took*1000)
			}
		}
	}
	b.show("worker --limit 4", median(ours), "/s")
	picture := plot{name: b.figure, title: "Throughput, 4 at a time", y: "a second", bars: []bar{{"runnel", median(ours).mid}}}
	for i, r := range rivals {
		b.show(r.name, median(theirs[i]), "/s")
		b.show("rate, worker / "+r.name, ratio(ours, theirs[i]), "x")
		picture.bars = append(picture.bars, bar{r.name, median(theirs[i]).mid})
	}
	b.plots = append(b.plots, picture)
	return nil
}

// flowFile is the same flow for runnel and for Prefect.
const flowFile = `import os
import sys
import time

from prefect import flow


@flow
def stamp():
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    with open(os.environ["BENCH_STAMPS"], "wb", buffering=0) as fifo:
        fifo.write(now.to_bytes(8, sys.byteorder))


@flow
def nothing():
    pass
`

const noParameters = `{"type":"object","properties":{}}`

// pythonFlow writes the file, and deploys one of its flows.
func (b *bench) pythonFlow(s *store.Store, function string) (interpreter string, err error) {
	// Not a shim that looks for it at each start: both sides get the real one.
	text, err := exec.CommandContext(b.ctx, "python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return "", err
	}
	interpreter = string(bytes.TrimSpace(text))
	if err := os.WriteFile(filepath.Join(b.folder, "bench_flow.py"), []byte(flowFile), 0o600); err != nil {
		return "", err
	}
	_, err = s.Deploy(b.ctx, []store.Wish{{
		FlowName: flowName, Name: function, Entrypoint: "bench_flow.py:" + function, Kind: "python", Path: b.folder,
		Interpreter: interpreter, ParameterSchema: []byte(noParameters), Pool: poolName,
	}}, store.DeployOptions{})
	return interpreter, err
}

// python is throughput for flows.
func (b *bench) python() error {
	db, err := b.newDatabase("python")
	if err != nil {
		return err
	}
	interpreter := ""
	if err := b.withStore(db, func(s *store.Store) (err error) {
		interpreter, err = b.pythonFlow(s, "nothing")
		return err
	}); err != nil {
		b.skip("all of it", "no python3: "+err.Error())
		return nil
	}
	bare := rival{"xargs -P 4 python3 -c pass", 100, func(n int) (float64, error) {
		return b.xargs(n, "-P", "4", "-I", "{}", interpreter, "-c", "pass")
	}}
	own := func(n int) (float64, error) { return b.drained(db, "nothing", n) }
	return b.compare(1+5, b.rounds(100, 30), own, []rival{bare})
}

// drained makes n due runs of a deployment and times a worker that takes them
// and ends.
func (b *bench) drained(db, deployment string, n int) (float64, error) {
	if err := b.fill(db, dueRuns(deployment), n, time.Now().Add(-time.Minute).UnixMilli(), 0); err != nil {
		return 0, err
	}
	return b.timed(b.binary, "--db", db, "worker", "start", "--pool", poolName, "--limit", "4", "--run-once")
}

func (b *bench) xargs(n int, arguments ...string) (float64, error) {
	return b.fed(n, "xargs", arguments...)
}

// fed runs a program that reads n lines.
func (b *bench) fed(n int, program string, arguments ...string) (float64, error) {
	cmd := exec.CommandContext(b.ctx, program, arguments...)
	cmd.Stdin = lines(n)
	start := time.Now()
	err := cmd.Run()
	return ms(time.Since(start)), err
}

// disk is how much a run adds to the file: the row, its history, its attempt
// and the indexes, made by a real worker.
func (b *bench) disk() error {
	db, err := b.newDatabase("disk")
	if err != nil {
		return err
	}
	before, n := fileSize(db), b.rounds(3000, 1000)
	if _, err := b.drained(db, "true", n); err != nil {
		return err
	}
	b.show("runs", exactly(float64(n)), "")
	b.show("bytes a run", exactly(float64(fileSize(db)-before)/float64(n)), "B")
	return nil
}

// claim times rounds of claims: each records the ends of the last and takes
// as many again.
func (b *bench) claim() error {
	const slots = 16
	sizes := b.sizes()
	stores := make([]*claimer, len(sizes))
	for i, n := range sizes {
		var err error
		if stores[i], err = b.newClaimer(n, slots); err != nil {
			return err
		}
		defer stores[i].store.Close() //nolint:errcheck // scratch
	}
	times, err := b.claims(stores)
	if err != nil {
		return err
	}
	curve := series{name: "a claim and an end"}
	for i, n := range sizes {
		b.show(fmt.Sprintf("a claim and an end, %d ended runs", n), median(times[i]), "ms")
		curve.add(float64(n), median(times[i]).mid)
	}
	for i := 1; i < len(sizes); i++ {
		b.show(fmt.Sprintf("%d / %d ended runs", sizes[i], sizes[0]), ratio(times[i], times[0]), "x")
	}
	b.plots = append(b.plots, plot{name: "claim", title: "A run claimed and ended", x: "ended runs in the file", y: "ms a run", lines: []series{curve}})
	return nil
}

// claimer claims in this process, in the place of a worker.
type claimer struct {
	store  *store.Store
	worker store.Worker
	owners []store.Owner
	ends   []store.End
}

func (b *bench) newClaimer(n, slots int) (*claimer, error) {
	path, err := b.filled(n)
	if err != nil {
		return nil, err
	}
	if err := b.fill(path, dueRuns("true"), 100*slots, time.Now().Add(-time.Minute).UnixMilli(), 0); err != nil {
		return nil, err
	}
	return b.openClaimer(path, slots)
}

func (b *bench) openClaimer(path string, slots int) (*claimer, error) {
	c := &claimer{store: store.New(path)}
	if err := c.store.Open(b.ctx); err != nil {
		return nil, err
	}
	for i := range slots {
		c.owners = append(c.owners, store.Owner{Kind: "slot", Host: "host", Proof: fmt.Sprint("proof-", i)})
	}
	var err error
	c.worker, err = c.store.RegisterWorker(b.ctx, store.Worker{
		ID: store.NewID(), Name: "bench", WorkPoolName: poolName, Host: "host", PID: 1, Proof: "proof",
	})
	return c, err
}

// round is one transaction, in milliseconds.
func (c *claimer) round(b *bench) (float64, error) {
	start := time.Now()
	result, err := c.store.Claim(b.ctx, store.Round{Worker: c.worker, Owners: c.owners, Ends: c.ends})
	t := ms(time.Since(start))
	if err != nil {
		return 0, err
	}
	if len(result.Claimed) != len(c.owners) {
		return 0, fmt.Errorf("claimed %d runs for %d slots", len(result.Claimed), len(c.owners))
	}
	c.ends = c.ends[:0]
	for _, claimed := range result.Claimed {
		code := 0
		c.ends = append(c.ends, store.End{
			Run: claimed.Run.ID, Attempt: claimed.Attempt, Fence: claimed.Run.Fence,
			State: store.NewState(store.Completed, ""), ExitCode: &code,
		})
	}
	return t, nil
}

// output is a flow that prints much, against the same through cat to a file.
func (b *bench) output() error {
	size := b.rounds(1024, 50)
	folder := filepath.Join(b.folder, "output")
	db, err := b.newDatabase("output")
	if err != nil {
		return err
	}
	text, script := filepath.Join(folder, "text"), filepath.Join(folder, "print.sh")
	line := []byte("a line of output, as programs print them, of eighty characters and a newline...\n")
	err = errors.Join(
		os.WriteFile(text, bytes.Repeat(line, size<<20/len(line)), 0o600),
		os.WriteFile(script, []byte("#!/bin/sh\nexec cat '"+text+"'\n"), 0o700)) //nolint:gosec // it is to be executed
	if err != nil {
		return err
	}
	return b.withStore(db, func(s *store.Store) error {
		quiet := store.Values{"stream_output": []byte("false")}
		if err := errors.Join(b.deploy(s, "quiet", script, quiet), b.deploy(s, "shown", script, nil)); err != nil {
			return err
		}
		w, err := b.startWorker(db, nil)
		if err != nil {
			return err
		}
		return errors.Join(b.outputs(s, size, text), w.stop())
	})
}

func (b *bench) outputs(s *store.Store, size int, text string) error {
	var cat, quiet, shown []float64
	for round := range 1 + 5 {
		plain, err := b.timed("sh", "-c", `cat "$0" | cat > "$0.copy" && rm "$0.copy"`, text)
		if err != nil {
			return err
		}
		var through [2]float64
		for i, name := range []string{"quiet", "shown"} {
			if through[i], err = b.printed(s, name); err != nil {
				return err
			}
		}
		if round > 0 {
			cat, quiet, shown = append(cat, plain), append(quiet, through[0]), append(shown, through[1])
		}
	}
	b.show(fmt.Sprintf("cat > file, %d MiB", size), median(cat), "ms")
	b.show("a flow of a worker", median(quiet), "ms")
	b.show("a flow / cat > file", ratio(quiet, cat), "x")
	b.show("the same, shown by the worker too / cat", ratio(shown, cat), "x")
	return nil
}

// printed makes a run, waits for its end, and gives the time of its attempt
// in milliseconds.
func (b *bench) printed(s *store.Store, name string) (float64, error) {
	run, _, err := s.CreateRun(b.ctx, store.NewRun{Deployment: flowName + "/" + name, CreatedBy: "bench"})
	if err != nil {
		return 0, err
	}
	if err := b.settled(s, run.ID); err != nil {
		return 0, err
	}
	attempts, err := s.Attempts(b.ctx, run.ID)
	if err != nil || len(attempts) != 1 {
		return 0, errors.Join(fmt.Errorf("the run has %d attempts", len(attempts)), err)
	}
	if info, err := os.Stat(s.LogPath(attempts[0].Log)); err != nil || info.Size() < 1<<20 {
		return 0, errors.Join(errors.New("its log is not whole"), err)
	}
	// The worker may still show it; a log without a name can be read on.
	if err := os.Remove(s.LogPath(attempts[0].Log)); err != nil {
		return 0, err
	}
	return ms(attempts[0].EndTime.Sub(attempts[0].StartTime)), nil
}
