package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"runnel/runner"
	"runnel/store"
)

// The user's program: it writes the monotonic clock at its start into the
// FIFO that BENCH_STAMPS names.
const stampC = `
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int main(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	int fd = open(getenv("BENCH_STAMPS"), O_WRONLY);
	return write(fd, &ns, sizeof ns) != sizeof ns;
}
`

// Where there is no C compiler; its start is a millisecond longer, bare or not.
const stampGo = `package main

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		os.Exit(1)
	}
	f, err := os.OpenFile(os.Getenv("BENCH_STAMPS"), os.O_WRONLY, 0)
	if err != nil {
		os.Exit(1)
	}
	f.Write(binary.NativeEndian.AppendUint64(nil, uint64(t.Nano())))
}
`

// stamps receives the stamps of the programs that it starts, or has started.
type stamps struct {
	program, fifo string
	file          *os.File
}

func (b *bench) newStamps() (*stamps, error) {
	s := &stamps{program: filepath.Join(b.folder, "stamp"), fifo: filepath.Join(b.folder, "stamps")}
	if err := b.buildStamp(s.program); err != nil {
		return nil, err
	}
	if err := unix.Mkfifo(s.fifo, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	var err error
	s.file, err = os.OpenFile(s.fifo, os.O_RDWR, 0)
	return s, err
}

func (b *bench) buildStamp(program string) error {
	source := program + ".c"
	if err := os.WriteFile(source, []byte(stampC), 0o600); err != nil {
		return err
	}
	for _, flags := range [][]string{{"-O2", "-static"}, {"-O2"}} {
		if exec.CommandContext(b.ctx, "cc", append(flags, "-o", program, source)...).Run() == nil {
			return nil
		}
	}
	source = program + ".go"
	if err := os.WriteFile(source, []byte(stampGo), 0o600); err != nil {
		return err
	}
	if text, err := exec.CommandContext(b.ctx, "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		return fmt.Errorf("build the stamping program: %w\n%s", err, text)
	}
	return nil
}

func (s *stamps) env() string { return "BENCH_STAMPS=" + s.fifo }

// monotonic is the clock that the program reads too, in nanoseconds.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the clock is always there
	}
	return t.Nano()
}

// since waits for the program's stamp and gives its distance from a moment,
// in milliseconds.
func (s *stamps) since(start int64) (float64, error) { return s.within(start, 10*time.Second) }

func (s *stamps) within(start int64, limit time.Duration) (float64, error) {
	var raw [8]byte
	if err := s.file.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	if _, err := s.file.Read(raw[:]); err != nil {
		return 0, fmt.Errorf("wait for the program's stamp: %w", err)
	}
	return float64(int64(binary.NativeEndian.Uint64(raw[:]))-start) / 1e6, nil //nolint:gosec // a clock
}

// bare is fork and exec by this process.
func (s *stamps) bare(argv ...string) (float64, error) {
	start := monotonic()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Env: []string{s.env()}, Files: []*os.File{nil, nil, os.Stderr}})
	if err != nil {
		return 0, err
	}
	t, err := s.since(start)
	if _, waitErr := p.Wait(); err == nil {
		err = waitErr
	}
	return t, err
}

// trigger measures from a run's commit, and from the start of the command
// that makes it, to the user's first instruction, on an idle worker.
func (b *bench) trigger() error {
	s, err := b.newStamps()
	if err != nil {
		return err
	}
	defer s.file.Close() //nolint:errcheck // only read
	db, err := b.newDatabase("trigger")
	if err != nil {
		return err
	}
	return b.withStore(db, func(opened *store.Store) error {
		if err := b.deploy(opened, "program", s.program, nil); err != nil {
			return err
		}
		interpreter, err := b.pythonFlow(opened, "stamp")
		if err != nil {
			b.skip("a Python flow", "no python3: "+err.Error())
		}
		w, err := b.startWorker(db, []string{s.env()}, "--limit", "4")
		if err != nil {
			return err
		}
		err = b.triggers(s, opened, interpreter)
		if stopErr := w.stop(); err == nil {
			err = stopErr
		}
		return err
	})
}

func (b *bench) triggers(s *stamps, opened *store.Store, interpreter string) error {
	program := []trial{
		{"bare fork and exec", func() (float64, error) { return s.bare(s.program) }},
		{"/bin/true, from the commit", func() (float64, error) { return b.fromCommit(s, opened, "program") }},
		{"/bin/true, from the command's start", func() (float64, error) { return b.fromCommand(s, opened, "program") }},
	}
	others, stop := b.spoolers(s)
	defer stop()
	times, err := b.try(b.rounds(200, 60), append(program, others...))
	if err != nil {
		return err
	}
	above := difference(times[1], times[0])
	b.show("/bin/true, from the commit, above bare, p50", median(above), "ms")
	b.show("/bin/true, from the commit, above bare, p90", quantile(above, 0.9), "ms")
	b.show("/bin/true, from the commit, above bare, p99", quantile(above, 0.99), "ms")
	b.show("/bin/true, from the command's start, p99", quantile(times[2], 0.99), "ms")
	for i, o := range others {
		b.show("/bin/true, command, runnel / "+o.name, ratio(times[2], times[3+i]), "x")
	}
	picture := plot{name: "trigger", title: "From the command to the user's first instruction", y: "ms", bars: []bar{
		{"bare fork and exec", median(times[0]).mid}, {"runnel, from the commit", median(times[1]).mid}, {"runnel run", median(times[2]).mid},
	}}
	for i, o := range others {
		picture.bars = append(picture.bars, bar{o.name, median(times[3+i]).mid})
	}
	b.plots = append(b.plots, picture)
	if interpreter == "" {
		return nil
	}
	return b.flowTriggers(s, opened, interpreter)
}

func (b *bench) flowTriggers(s *stamps, opened *store.Store, interpreter string) error {
	times, err := b.try(b.rounds(60, 15), []trial{
		{"a Python flow, python3 FILE", func() (float64, error) {
			return s.bare(interpreter, "-c", "import sys; sys.argv = ['']; "+bareStamp)
		}},
		{"a Python flow, from the commit", func() (float64, error) { return b.fromCommit(s, opened, "stamp") }},
		{"a Python flow, from the command's start", func() (float64, error) { return b.fromCommand(s, opened, "stamp") }},
	})
	if err != nil {
		return err
	}
	b.show("a Python flow, from the commit, above bare, p50", median(difference(times[1], times[0])), "ms")
	return nil
}

// bareStamp is the flow without anybody's help.
const bareStamp = "import os, time; t = time.clock_gettime_ns(time.CLOCK_MONOTONIC); " +
	"open(os.environ['BENCH_STAMPS'], 'wb', buffering=0).write(t.to_bytes(8, sys.byteorder))"

// trial is one way to start the program.
type trial struct {
	name string
	once func() (float64, error)
}

// try makes the trials by turns, and shows their medians.
func (b *bench) try(rounds int, trials []trial) ([][]float64, error) {
	const warm = 5
	times := make([][]float64, len(trials))
	for round := range warm + rounds {
		for i, t := range trials {
			took, err := t.once()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			if round >= warm {
				times[i] = append(times[i], took)
			}
		}
	}
	for i, t := range trials {
		b.show(t.name, median(times[i]), "ms")
	}
	return times, nil
}

// spoolers are the programs that start a command for whoever asks.
func (b *bench) spoolers(s *stamps) (list []trial, stop func()) {
	stop = func() {}
	if b.quick {
		return nil, stop
	}
	asked := func(do func() error) func() (float64, error) {
		return func() (float64, error) {
			start := monotonic()
			if err := do(); err != nil {
				return 0, err
			}
			t, err := s.since(start)
			time.Sleep(20 * time.Millisecond)
			return t, err
		}
	}
	if b.have("tsp", "task-spooler") {
		if t, err := b.newTsp(); err != nil {
			b.skip("tsp", err.Error())
		} else {
			t.env = append(t.env, s.env())
			stop = t.stop
			list = append(list, trial{"tsp", asked(func() error { return t.do(b.ctx, "-n", s.program) })})
		}
	}
	if folder, found := b.havePueue(); found {
		if p, err := b.newPueue(folder, s.env()); err != nil {
			b.skip("pueue", err.Error())
		} else {
			before := stop
			stop = func() { before(); p.stop() }
			list = append(list, trial{"pueue", asked(func() error { return p.do(b.ctx, "add", "--", s.program) })})
		}
	}
	return list, stop
}

// fromCommit makes a run as the command does, and starts the clock when it is
// committed.
func (b *bench) fromCommit(s *stamps, opened *store.Store, deployment string) (float64, error) {
	bells, err := opened.Bells(b.ctx, poolName)
	if err != nil {
		return 0, err
	}
	run, _, err := opened.CreateRun(b.ctx, store.NewRun{Deployment: flowName + "/" + deployment, CreatedBy: "bench"})
	if err != nil {
		return 0, err
	}
	start := monotonic()
	runner.RingWorkers(opened, bells)
	t, err := s.since(start)
	if err != nil {
		return 0, err
	}
	return t, b.settled(opened, run.ID)
}

func (b *bench) fromCommand(s *stamps, opened *store.Store, deployment string) (float64, error) {
	cmd := exec.CommandContext(b.ctx, b.binary, "--db", opened.Path(), "run", flowName+"/"+deployment, "-o", "name")
	start := monotonic()
	text, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	t, err := s.since(start)
	if err != nil {
		return 0, err
	}
	id, err := store.ParseID(string(text[:len(text)-1]))
	if err != nil {
		return 0, err
	}
	return t, b.settled(opened, id)
}

// settled waits until a run has ended and the worker idles again.
func (b *bench) settled(s *store.Store, id store.ID) error {
	for range 5000 {
		run, err := s.RunByID(b.ctx, id)
		if err != nil {
			return err
		}
		if run.State.Type.Terminal() {
			if run.State.Type != store.Completed {
				return fmt.Errorf("the run is %s: %s", run.State.Name, run.State.Message)
			}
			time.Sleep(20 * time.Millisecond)
			runtime.GC() // not while the clock runs
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fmt.Errorf("run %s did not end in 10 s", id.Short())
}
