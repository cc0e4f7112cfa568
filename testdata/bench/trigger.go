package main

import (
	"encoding/binary"
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
	if err := unix.Mkfifo(s.fifo, 0o600); err != nil {
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
func (s *stamps) since(start int64) (float64, error) {
	var raw [8]byte
	if err := s.file.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := s.file.Read(raw[:]); err != nil {
		return 0, fmt.Errorf("wait for the program's stamp: %w", err)
	}
	return float64(int64(binary.NativeEndian.Uint64(raw[:]))-start) / 1e6, nil //nolint:gosec // a clock
}

// bare is fork and exec by this process.
func (s *stamps) bare() (float64, error) {
	start := monotonic()
	p, err := os.StartProcess(s.program, []string{s.program}, &os.ProcAttr{Env: []string{s.env()}, Files: []*os.File{nil, nil, os.Stderr}})
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
// that makes it, to the user's process.
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
		if err := b.deploy(opened, "stamp", s.program, nil); err != nil {
			return err
		}
		w, err := b.startWorker(db, []string{s.env()}, "--limit", "4")
		if err != nil {
			return err
		}
		err = b.triggers(s, opened)
		if stopErr := w.stop(); err == nil {
			err = stopErr
		}
		return err
	})
}

func (b *bench) triggers(s *stamps, opened *store.Store) error {
	const warm = 5
	var bare, commit, command []float64
	for round := range warm + b.rounds(200, 60) {
		alone, err := s.bare()
		if err != nil {
			return err
		}
		fromCommit, err := b.fromCommit(s, opened)
		if err != nil {
			return err
		}
		fromCommand, err := b.fromCommand(s, opened)
		if err != nil {
			return err
		}
		if round >= warm {
			bare, commit, command = append(bare, alone), append(commit, fromCommit), append(command, fromCommand)
		}
	}
	above := difference(commit, bare)
	b.show("bare fork and exec", median(bare), "ms")
	b.show("from the commit", median(commit), "ms")
	b.check("from the commit, above bare, p50", median(above), "ms", 2)
	b.show("from the commit, above bare, p90", quantile(above, 0.9), "ms")
	b.show("from the commit, above bare, p99", quantile(above, 0.99), "ms")
	b.show("from the command's start", median(command), "ms")
	b.show("from the command's start, p99", quantile(command, 0.99), "ms")
	return nil
}

// fromCommit makes a run as the command does, and starts the clock when it is
// committed.
func (b *bench) fromCommit(s *stamps, opened *store.Store) (float64, error) {
	bells, err := opened.Bells(b.ctx, poolName)
	if err != nil {
		return 0, err
	}
	run, _, err := opened.CreateRun(b.ctx, store.NewRun{Deployment: flowName + "/stamp", CreatedBy: "bench"})
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

func (b *bench) fromCommand(s *stamps, opened *store.Store) (float64, error) {
	cmd := exec.CommandContext(b.ctx, b.binary, "--db", opened.Path(), "run", flowName+"/stamp", "-o", "name")
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
