package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"runnel/store"
)

// workers drains the same runs by 1, 2, 8 and 32 workers that have 32 slots
// together. The time is from the first start to the last end, as the file has it.
func (b *bench) workers() error {
	const slots = 32
	counts := []int{1, 2, 8, 32}
	db, err := b.newDatabase("workers")
	if err != nil {
		return err
	}
	rates := make([][]float64, len(counts))
	n := b.rounds(2000, 400)
	for round := range 1 + 3 {
		for i, count := range counts {
			rate, err := b.sharedOut(db, n, count, slots/count)
			if err != nil {
				return err
			}
			if round > 0 {
				rates[i] = append(rates[i], rate)
			}
		}
	}
	curve := series{name: "32 slots in all"}
	for i, count := range counts {
		b.show(fmt.Sprintf("%d workers", count), median(rates[i]), "/s")
		curve.add(float64(count), median(rates[i]).mid)
	}
	for i, count := range counts[1:] {
		b.show(fmt.Sprintf("rate, %d workers / 1", count), ratio(rates[i+1], rates[0]), "x")
	}
	b.plots = append(b.plots, plot{name: "workers", title: "Runs of /bin/true by several workers", x: "workers", y: "runs a second", lines: []series{curve}})
	return nil
}

// sharedOut makes n due runs and has workers take them.
func (b *bench) sharedOut(db string, n, workers, limit int) (rate float64, err error) {
	first := time.Now()
	if err := b.fill(db, dueRuns("true"), n, first.Add(-time.Minute).UnixMilli(), 0); err != nil {
		return 0, err
	}
	errs := make([]error, workers)
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			_, errs[i] = b.timed(b.binary, "--db", db, "worker", "start", "--pool", poolName, "--run-once",
				"--limit", fmt.Sprint(limit), "--name", fmt.Sprint("w", i))
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	opened, err := sql.Open("sqlite", db)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	var began, ended int64
	var done int
	err = opened.QueryRowContext(b.ctx, "SELECT min(start_time), max(end_time), count(*) FROM flow_run WHERE state_type = 'COMPLETED' AND start_time >= ?",
		first.UnixMicro()).Scan(&began, &ended, &done)
	if err == nil && done != n {
		err = fmt.Errorf("%d of %d runs are Completed", done, n)
	}
	return float64(n) / (float64(ended-began) / 1e6), err
}

// backlog is a claim past runs that wait behind a deployment whose one slot is
// taken.
func (b *bench) backlog() error {
	sizes := []int{0, 10_000, 100_000}
	claimers := make([]*claimer, len(sizes))
	for i, n := range sizes {
		var err error
		if claimers[i], err = b.newBacklog(n); err != nil {
			return err
		}
		defer claimers[i].store.Close() //nolint:errcheck // scratch
	}
	times, err := b.claims(claimers)
	if err != nil {
		return err
	}
	curve := series{name: "a claim and an end"}
	for i, n := range sizes {
		b.show(fmt.Sprintf("a claim and an end, %d waiting", n), median(times[i]), "ms")
		curve.add(float64(max(n, 1)), median(times[i]).mid)
	}
	for i, n := range sizes[1:] {
		b.show(fmt.Sprintf("%d waiting / none", n), ratio(times[i+1], times[0]), "x")
	}
	b.plots = append(b.plots, plot{name: "backlog", title: "A run claimed past a backlog", x: "runs that wait behind a full deployment (1: none)", y: "ms a run", lines: []series{curve}})
	return nil
}

// claims makes rounds by turns, and gives the times of each claimer in
// milliseconds a run.
func (b *bench) claims(claimers []*claimer) ([][]float64, error) {
	const warm = 3
	times := make([][]float64, len(claimers))
	for round := range warm + b.rounds(60, 40) {
		for i := range claimers {
			k := (i + round) % len(claimers)
			t, err := claimers[k].round(b)
			if err != nil {
				return nil, err
			}
			if round >= warm {
				times[k] = append(times[k], t/float64(len(claimers[k].owners)))
			}
		}
	}
	return times, nil
}

// newBacklog has runs of a deployment that is full, due before all others, and
// others that can be taken.
func (b *bench) newBacklog(n int) (*claimer, error) {
	const slots = 16
	name := fmt.Sprint("backlog-", n)
	path, err := b.newDatabase(name)
	if err != nil {
		return nil, err
	}
	one := 1
	if err := b.withStore(path, func(s *store.Store) error {
		_, err := s.Deploy(b.ctx, []store.Wish{{
			FlowName: flowName, Name: "full", Entrypoint: "/bin/true", Kind: "script", Path: b.folder,
			ParameterSchema: []byte(noParameters), Pool: poolName, ConcurrencyLimit: &one,
		}}, store.DeployOptions{})
		return err
	}); err != nil {
		return nil, err
	}
	hour, minute := time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(-time.Minute).UnixMilli()
	if n > 0 {
		if err := b.fill(path, dueRuns("full"), n+1, hour, 0); err != nil {
			return nil, err
		}
	}
	if err := b.fill(path, dueRuns("true"), 100*slots, minute, 0); err != nil {
		return nil, err
	}
	c, err := b.openClaimer(path, slots)
	if err != nil || n == 0 {
		return c, err
	}
	// One of the backlog is taken, for good.
	result, err := c.store.Claim(b.ctx, store.Round{Worker: c.worker, Owners: []store.Owner{{Kind: "slot", Host: "host", Proof: "holder"}}})
	if err == nil && len(result.Claimed) != 1 {
		err = errors.New("the deployment did not fill")
	}
	return c, err
}

// ticks claims the due ticks of many deployments, each of which makes the next
// one of its schedule, and looks for schedules that lack theirs.
func (b *bench) ticks() error {
	ticks, looks := series{name: "a tick and its end"}, series{name: "a look for missing ticks"}
	for _, n := range []int{10, 1_000, 10_000} {
		tick, look, err := b.ticksOf(n)
		if err != nil {
			return err
		}
		b.show(fmt.Sprintf("a tick and its end, %d deployments", n), tick, "ms")
		b.show(fmt.Sprintf("a look for missing ticks, %d deployments", n), look, "ms")
		ticks.add(float64(n), tick.mid)
		looks.add(float64(n), look.mid)
	}
	b.plots = append(b.plots, plot{name: "ticks", title: "Ticks", x: "deployments with a schedule", y: "ms", lines: []series{ticks, looks}})
	return nil
}

func (b *bench) ticksOf(n int) (tick, look interval, err error) {
	path := filepath.Join(b.folder, fmt.Sprint("ticks-", n), "runnel.db")
	schedules := []store.ScheduleSpec{{Interval: time.Hour}}
	wishes := make([]store.Wish, n)
	for i := range wishes {
		wishes[i] = store.Wish{
			FlowName: flowName, Name: fmt.Sprint("d", i), Entrypoint: "/bin/true", Kind: "script", Path: b.folder,
			ParameterSchema: []byte(noParameters), Pool: poolName, Schedules: &schedules,
		}
	}
	if err := b.withStore(path, func(s *store.Store) error {
		_, err := s.Deploy(b.ctx, wishes, store.DeployOptions{CreatePools: true})
		return err
	}); err != nil {
		return tick, look, err
	}
	c, err := b.openClaimer(path, min(n, 16))
	if err != nil {
		return tick, look, err
	}
	defer c.store.Close() //nolint:errcheck // scratch
	var took, looked []float64
	later := time.Now()
	for round := range 3 + 40 {
		later = later.Add(time.Hour) // every schedule has a tick that is due
		c.store.Clock = func() time.Time { return later }
		t, err := c.round(b)
		if err != nil {
			return tick, look, err
		}
		start := time.Now()
		if _, err := c.store.Replan(b.ctx); err != nil {
			return tick, look, err
		}
		if round >= 3 {
			looked = append(looked, ms(time.Since(start)))
			took = append(took, t/float64(len(c.owners)))
		}
	}
	return median(took), median(looked), nil
}

// discovery reads folders of more and more Python files, of which one in ten
// holds a flow.
func (b *bench) discovery() error {
	curve := series{name: "runnel discover"}
	for _, n := range []int{100, 1_000, 10_000, 50_000} {
		folder := filepath.Join(b.folder, fmt.Sprint("files-", n))
		if err := makeFiles(folder, n); err != nil {
			return err
		}
		times, err := b.turns(b.rounds(3, 1), []string{b.binary, "discover", folder, "-o", "name"})
		if err != nil {
			return err
		}
		b.show(fmt.Sprintf("%d files", n), median(times[0]), "ms")
		curve.add(float64(n), median(times[0]).mid)
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	b.plots = append(b.plots, plot{name: "discovery", title: "runnel discover", x: "Python files", y: "ms", lines: []series{curve}})
	return nil
}

func makeFiles(folder string, n int) error {
	const plain = "import os\n\n\ndef helper(path: str) -> list[str]:\n    return sorted(os.listdir(path))\n"
	for i := range n {
		dir := filepath.Join(folder, fmt.Sprint("package", i/100))
		if i%100 == 0 {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
		}
		text := plain
		if i%10 == 0 {
			text = "from prefect import flow\n" + plain + fmt.Sprintf("\n\n@flow\ndef report_%d(day: str = \"today\", top: int = 3):\n    return helper(day)[:top]\n", i)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("module", i, ".py")), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
