package runner

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runnel/store"
)

func init() { helpers["soak"] = soakHelper }

// soakHelper is a worker process that says a line when it works.
func soakHelper(argument string) {
	name, database, _ := strings.Cut(argument, " ")
	s := store.New(database)
	s.Patient = true
	if err := s.Open(context.Background()); err != nil {
		panic(err)
	}
	limit := 3
	w := newWorker(s, name, &limit)
	fmt.Println("opened")
	if err := w.Run(context.Background(), nil); err != nil {
		panic(err)
	}
}

// soak is many runs through two workers, of which one is killed now and then,
// as are the slots of both. The other worker lives through it all: what it
// holds must not grow.
type soak struct {
	*world
	random *rand.Rand
	steady *exec.Cmd
	victim *exec.Cmd
	runs   []store.ID
	ended  int // how many of runs, from the first on, have ended
	kills  struct{ workers, slots int }
	recent []time.Time // kills of which a lock file may still be there
	states map[store.StateType]int
	first  *soakRow
}

// soakRow is a line of the table.
type soakRow struct {
	runs               int
	memory             int64
	files, locks, runF int
	wal, database      int64
}

// TestSoak prints what grows and what does not. RUNNEL_TEST_SOAK sets how
// many runs; 100,000 is the figure of the promise.
func TestSoak(t *testing.T) {
	runs := 600
	if raced {
		runs = 120
	}
	if text := os.Getenv("RUNNEL_TEST_SOAK"); text != "" {
		runs = atoi(t, text)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := &soak{world: newWorld(t), random: rand.New(rand.NewPCG(seed, 0)), states: map[store.StateType]int{}}
	s.script("true", "", func(wish *store.Wish) { wish.Entrypoint = "/bin/true" })
	s.script("short", "echo some output; sleep 0.01\n", nil)
	s.steady, s.victim = s.start("steady"), s.start("victim")
	t.Logf("%8s %10s %6s %9s %10s %6s %7s", "runs", "memory", "files", "WAL", "database", "locks", "folders")
	for next := runs / 10; s.ended < runs; {
		s.feed(runs)
		s.harvest()
		if s.random.IntN(3) > 0 {
			s.kill()
		}
		if s.ended >= next {
			s.sample()
			next += runs / 10
		}
	}
	t.Logf("%d workers and %d slots were killed: %v", s.kills.workers, s.kills.slots, s.states)
	s.sound()
}

func (s *soak) start(name string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$")
	cmd.Env = append(os.Environ(), "RUNNER_TEST_HELPER=soak", "RUNNER_TEST_ARGUMENT="+name+" "+s.Path())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(s.t, err)
	check(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() >= 0 {
			s.t.Errorf("the worker %s ended by itself: %v", name, cmd.ProcessState)
		}
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		s.t.Fatalf("the worker %s did not start: %v", name, err)
	}
	return cmd
}

// inFlight is how many runs wait or run at once.
const inFlight = 30

func (s *soak) feed(most int) {
	for len(s.runs) < most && len(s.runs) < s.ended+inFlight {
		flow := "true"
		if s.random.IntN(3) == 0 {
			flow = "short"
		}
		s.runs = append(s.runs, s.run(flow).ID)
	}
}

// harvest waits for the oldest third of what is in flight.
func (s *soak) harvest() {
	for range min(inFlight/3, len(s.runs)-s.ended) {
		run := s.await(s.runs[s.ended], terminal)
		s.states[run.State.Type]++
		if run.RunCount != 1 {
			s.t.Errorf("%s has %d attempts", run.Name, run.RunCount)
		}
		s.ended++
	}
}

// kill kills a slot, or the worker that may be killed.
func (s *soak) kill() {
	s.recent = append(s.recent, time.Now())
	if s.random.IntN(4) == 0 {
		_ = s.victim.Process.Kill()
		_ = s.victim.Wait()
		s.victim = s.start("victim")
		s.kills.workers++
		return
	}
	if slots := s.slots(); len(slots) > 0 {
		_ = unix.Kill(slots[s.random.IntN(len(slots))], unix.SIGKILL)
		s.kills.slots++
	}
}

// sample prints a row, and holds it against the first one.
func (s *soak) sample() {
	row := soakRow{
		runs:   s.ended,
		memory: memory(s.t, s.steady.Process.Pid, "VmRSS"),
		files:  int(openFiles(s.t, s.steady.Process.Pid)),
		locks:  s.entries("locks") + s.entries("bells"),
		runF:   s.entries("runs"),
		wal:    size(s.Path() + "-wal"), database: size(s.Path()),
	}
	s.t.Logf("%8d %6d MiB %6d %5d KiB %6d KiB %6d %7d",
		row.runs, row.memory>>20, row.files, row.wal>>10, row.database>>10, row.locks, row.runF)
	if s.first == nil {
		s.first = &row
	}
	s.recent = slicesAfter(s.recent, time.Now().Add(-3*staleAfter))
	living := 2*(2+len(s.slots())) + inFlight
	for _, bound := range []struct {
		what       string
		now, bound int64
	}{
		{"memory", row.memory, 2*s.first.memory + 32<<20},
		{"files", int64(row.files), int64(s.first.files) + 16},
		{"the WAL", row.wal, 64 << 20},
		// Each kill leaves a worker's and its slots' files until the next tidying.
		{"lock and bell files", int64(row.locks), int64(living + 8*len(s.recent))},
		{"folders of attempts", int64(row.runF), int64(inFlight + len(s.recent))},
	} {
		if bound.now > bound.bound {
			s.t.Errorf("after %d runs: %s: %d is over %d", row.runs, bound.what, bound.now, bound.bound)
		}
	}
}

func slicesAfter(times []time.Time, oldest time.Time) []time.Time {
	for len(times) > 0 && times[0].Before(oldest) {
		times = times[1:]
	}
	return times
}

func (s *soak) entries(folder string) int {
	list, err := os.ReadDir(filepath.Join(s.Folder(), folder))
	check(s.t, err)
	return len(list)
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// sound holds the ends against the kills: a run ends Completed, or it was
// under a slot that was killed.
func (s *soak) sound() {
	s.t.Helper()
	crashed := s.states[store.Crashed]
	if s.states[store.Completed]+crashed != s.ended || crashed > s.kills.slots {
		s.t.Errorf("%d slots were killed, and the ends are %v", s.kills.slots, s.states)
	}
	if s.kills.workers+s.kills.slots == 0 {
		s.t.Error("nothing was killed: nothing is proven")
	}
}
