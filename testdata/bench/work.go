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

// throughput drains due runs of /bin/true with one worker, against xargs.
func (b *bench) throughput() error {
	if _, err := exec.LookPath("xargs"); err != nil {
		fmt.Println("  skipped: no xargs on PATH to compare with")
		return nil
	}
	db, err := b.newDatabase("throughput")
	if err != nil {
		return err
	}
	// Batches by turns; the first of both is the warm-up.
	batches, batch := 6, b.rounds(1000, 200)
	var ours, theirs []float64
	for round := range batches {
		own, err := b.drained(db, batch)
		if err != nil {
			return err
		}
		other, err := b.xargs(batch)
		if err != nil {
			return err
		}
		if round > 0 {
			ours, theirs = append(ours, own), append(theirs, other)
		}
	}
	n := float64(batch)
	b.show("xargs -P 4", median(rates(theirs, n)), "/s")
	b.show("worker --limit 4", median(rates(ours, n)), "/s")
	b.aim("time, worker / xargs", ratio(ours, theirs), "x", 1.5)
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

func rates(times []float64, n float64) (list []float64) {
	for _, t := range times {
		list = append(list, n/t*1000)
	}
	return list
}

// drained makes n due runs and times a worker that takes them and ends.
func (b *bench) drained(db string, n int) (float64, error) {
	if err := b.fill(db, dueRuns, n, time.Now().Add(-time.Minute).UnixMilli(), 0); err != nil {
		return 0, err
	}
	return b.timed(b.binary, "--db", db, "worker", "start", "--pool", poolName, "--limit", "4", "--run-once")
}

func (b *bench) xargs(n int) (float64, error) {
	cmd := exec.CommandContext(b.ctx, "xargs", "-P", "4", "-n", "1", "/bin/true")
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
	if _, err := b.drained(db, n); err != nil {
		return err
	}
	b.aim(fmt.Sprintf("bytes a run, of %d", n), exactly(float64(fileSize(db)-before)/float64(n)), "B", 1500)
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
	const warm = 3
	times := make([][]float64, len(sizes))
	for round := range warm + b.rounds(60, 40) {
		for i := range stores {
			k := (i + round) % len(stores)
			t, err := stores[k].round(b)
			if err != nil {
				return err
			}
			if round >= warm {
				times[k] = append(times[k], t/slots)
			}
		}
	}
	for i, n := range sizes {
		b.show(fmt.Sprintf("a claim and an end, %d ended runs", n), median(times[i]), "ms")
	}
	for i := 1; i < len(sizes); i++ {
		b.check(fmt.Sprintf("the same, %d / %d runs", sizes[i], sizes[0]), ratio(times[i], times[0]), "x", 1.2)
	}
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
	path := filepath.Join(b.folder, fmt.Sprint("ended-", n), "runnel.db")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if path, err = b.filled(n); err != nil {
			return nil, err
		}
	}
	if err := b.fill(path, dueRuns, 100*slots, time.Now().Add(-time.Minute).UnixMilli(), 0); err != nil {
		return nil, err
	}
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
	size := b.rounds(200, 50)
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
	for round := range 1 + b.rounds(7, 5) {
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
	b.check("a flow / cat > file", ratio(quiet, cat), "x", 3)
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
