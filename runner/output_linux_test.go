package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"runnel/store"
)

// raced is true in a build with the race detector, whose memory says nothing.
var raced bool

func init() { helpers["torrent"] = torrentHelper }

// torrent gives size bytes that anybody can make again. Where they are one
// line there is no newline among them.
func torrent(seed uint64, size int64, oneLine bool) io.Reader {
	random := rand.NewChaCha8([32]byte{byte(seed)})
	return io.LimitReader(readerFunc(func(b []byte) (int, error) {
		n, err := random.Read(b)
		if oneLine {
			for i := range b[:n] {
				if b[i] == '\n' {
					b[i] = 'n'
				}
			}
		}
		return n, err
	}), size)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// torrentHelper writes a torrent to stdout and a smaller one to stderr.
func torrentHelper(argument string) {
	size, oneLine := torrentArgument(argument)
	errs := make(chan error, 1)
	go func() {
		_, err := io.Copy(os.Stderr, torrent(2, size/8, oneLine))
		errs <- err
	}()
	_, err := io.Copy(os.Stdout, torrent(1, size, oneLine))
	if err != nil || <-errs != nil {
		os.Exit(3)
	}
}

func torrentArgument(argument string) (size int64, oneLine bool) {
	text, oneLine := strings.CutSuffix(argument, " in one line")
	return must(strconv.ParseInt(text, 10, 64)), oneLine
}

// helperScript deploys a flow that is a helper of this binary.
func (w *world) helperScript(flow, helper, argument string, change func(*store.Wish)) {
	w.script(flow, fmt.Sprintf("RUNNER_TEST_HELPER=%s RUNNER_TEST_ARGUMENT='%s' exec %s -test.run='^TestHelper$'\n",
		helper, argument, must(filepath.Abs(os.Args[0]))), change)
}

// memory reads a line such as "VmHWM:     1234 kB" of a process, in bytes.
func memory(t testing.TB, pid int, line string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	_, after, _ := strings.Cut(string(text), line+":")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		t.Fatalf("no %s of process %d", line, pid)
	}
	return int64(atoi(t, fields[0])) << 10
}

func atoi(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// slotMemory is what a slot may have at its peak: this binary's own size, two
// buffers of a pipe and two of the log, and the collector's share.
const slotMemory = 64 << 20

// TestATorrentOfOutput has a flow write binary data, then one line without an
// end: the raw log is the same bytes, and the slot's memory stays flat.
// RUNNEL_TEST_OUTPUT sets how many bytes; 1 GB is the figure of the promise.
func TestATorrentOfOutput(t *testing.T) {
	size := int64(64 << 20)
	if testing.Short() || raced {
		size = 8 << 20
	}
	if text := os.Getenv("RUNNEL_TEST_OUTPUT"); text != "" {
		size = int64(atoi(t, text))
	}
	w := newWorld(t)
	w.script("quick", "echo quick\n", nil)
	for _, shape := range []string{"", " in one line"} {
		w.helperScript("torrent"+strings.ReplaceAll(shape, " ", "-"), "torrent", fmt.Sprint(size)+shape, nil)
	}
	w.workInBackground(1)
	slot := w.ownSlot("quick")
	before := memory(t, slot, "VmHWM")
	for _, shape := range []string{"", " in one line"} {
		run := w.await(w.run("torrent"+strings.ReplaceAll(shape, " ", "-")).ID, terminal)
		if run.State.Type != store.Completed {
			t.Fatalf("%d bytes%s: %s: %s", size, shape, run.State.Name, run.State.Message)
		}
		w.sameBytes(run, "stdout", torrent(1, size, shape != ""))
		w.sameBytes(run, "stderr", torrent(2, size/8, shape != ""))
		peak := memory(t, slot, "VmHWM")
		t.Logf("%d bytes%s: the slot's memory was %d MiB before, %d MiB at its peak", size, shape, before>>20, peak>>20)
		if peak > slotMemory && !raced {
			t.Errorf("the slot's memory grew to %d MiB", peak>>20)
		}
	}
	if slots := w.slots(); len(slots) != 1 || slots[0] != slot {
		t.Errorf("another slot took a run: %v", slots)
	}
}

// sameBytes compares a stream of the newest attempt's log with what was written.
func (w *world) sameBytes(run store.Run, stream string, want io.Reader) {
	w.t.Helper()
	attempts, err := w.Attempts(context.Background(), run.ID)
	check(w.t, err)
	got, wanted := counter{Hash: sha256.New()}, counter{Hash: sha256.New()}
	check(w.t, CopyRaw(&got, w.LogPath(attempts[len(attempts)-1].Log), stream))
	_, err = io.Copy(&wanted, want)
	check(w.t, err)
	if got.n != wanted.n || !bytes.Equal(got.Sum(nil), wanted.Sum(nil)) {
		w.t.Errorf("%s: %d bytes were written, and the raw log has %d, or others", stream, wanted.n, got.n)
	}
}

type counter struct {
	hash.Hash
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return c.Hash.Write(b)
}

// TestAGrandchildThatKeepsTheOutputOpen: the run ends with its own process,
// and has all that was written till then.
func TestAGrandchildThatKeepsTheOutputOpen(t *testing.T) {
	w := newWorld(t)
	w.script("parent", "(while [ ! -e go ]; do sleep 0.01; done; echo late) &\necho first\nprintf second\n", nil)
	w.workInBackground(1)
	run := w.await(w.run("parent").ID, terminal) // there is no "go" yet
	if out := w.output(run.ID); run.State.Type != store.Completed || out != "first\nsecond" {
		t.Errorf("%s: %s, with the output %q", run.State.Name, run.State.Message, out)
	}
	// The slot has a child left, and is not given another run.
	w.script("quick", "echo quick\n", nil)
	if run := w.await(w.run("quick").ID, terminal); run.State.Type != store.Completed {
		t.Errorf("the next run: %s: %s", run.State.Name, run.State.Message)
	}
	check(t, os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o600))
}

// TestNiceFromTheFirstInstruction: the flow and all that it starts are less
// urgent than the worker, and the next run of the same slot is not.
func TestNiceFromTheFirstInstruction(t *testing.T) {
	w := newWorld(t)
	w.script("plain", "cut -d' ' -f19 /proc/self/stat\n", nil)
	w.script("nice", "cut -d' ' -f19 /proc/self/stat\n", func(wish *store.Wish) {
		wish.JobVariables = store.Values{"nice": json.RawMessage("3")}
	})
	w.workInBackground(1)
	value := func(flow string) int {
		run := w.await(w.run(flow).ID, terminal)
		return atoi(t, strings.TrimSpace(w.output(run.ID)))
	}
	before := value("plain")
	if got := value("nice"); got != min(before+3, 19) {
		t.Errorf("nice 3 gives %d where others have %d", got, before)
	}
	if after := value("plain"); after != before {
		t.Errorf("the next run has %d, not %d", after, before)
	}
}

func init() {
	helpers["hog"] = func(argument string) {
		held := make([]byte, must(strconv.ParseInt(argument, 10, 64)))
		for i := 0; i < len(held); i += 1 << 10 {
			held[i] = 1
		}
		sum := 0
		for i := range 20_000_000 {
			sum += i ^ int(held[i%len(held)])
		}
		fmt.Println(len(held), sum)
	}
}

// TestWhatARunUsedIsRecorded: time on the processor and peak memory, as the
// kernel counted them.
func TestWhatARunUsedIsRecorded(t *testing.T) {
	w := newWorld(t)
	const held = 96 << 20
	w.helperScript("hog", "hog", fmt.Sprint(held), nil)
	w.workInBackground(1)
	run := w.await(w.run("hog").ID, terminal)
	attempts, err := w.Attempts(context.Background(), run.ID)
	check(t, err)
	a := attempts[0]
	if run.State.Type != store.Completed || *a.ExitCode != 0 || *a.MaxRSS < held || *a.UserTime <= 0 || *a.SystemTime < 0 {
		t.Errorf("%s: %s, exit %d, memory %d, user %d µs, system %d µs",
			run.State.Name, run.State.Message, *a.ExitCode, *a.MaxRSS, *a.UserTime, *a.SystemTime)
	}
}

// TestOutOfMemoryIsNamed lets the kernel kill a flow whose group may have no
// more memory; where no group can be made it is left out.
func TestOutOfMemoryIsNamed(t *testing.T) {
	const limit = 256 << 20
	group := memoryLimit(t, limit)
	w := newWorld(t)
	w.helperScript("hog", "hog", fmt.Sprint(4*limit), nil)
	w.script("killed", "kill -KILL $$\n", nil)
	const want = "killed by SIGKILL: the kernel was out of memory, of which its control group may have 256 MiB"
	for try := 1; ; try++ {
		before := counted(group+"/memory.oom_control", "oom_kill") + counted(group+"/memory.events", "oom_kill")
		pid, _ := w.sayingWorker("/bin/sh", "-c", "echo $$ > "+group+"/cgroup.procs && exec \"$0\" \"$@\"")
		run := w.await(w.run("hog").ID, terminal)
		_ = unix.Kill(pid, unix.SIGKILL)
		if run.State.Type == store.Crashed && run.State.Message == want {
			break
		}
		// At times the kernel takes worker or slot as well, which are of the group.
		after := counted(group+"/memory.oom_control", "oom_kill") + counted(group+"/memory.events", "oom_kill")
		if after-before < 2 || try == 5 {
			t.Fatalf("%d were killed: %s: %s", after-before, run.State.Name, run.State.Message)
		}
	}
	w.workInBackground(1)
	if run := w.await(w.run("killed").ID, terminal); !strings.Contains(run.State.Message, "by somebody, or by the kernel for want of memory") {
		t.Errorf("killed by itself: %s: %s", run.State.Name, run.State.Message)
	}
}

// memoryLimit makes a control group of either version, or skips.
func memoryLimit(t *testing.T, bytes int64) (group string) {
	t.Helper()
	root, limit := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		root, limit = "/sys/fs/cgroup", "memory.max"
	}
	group = filepath.Join(root, fmt.Sprintf("runnel-test-%d", os.Getpid()))
	err := os.Mkdir(group, 0o755)
	if err == nil {
		t.Cleanup(func() { eventually(t, "an empty group", func() bool { return os.Remove(group) == nil }) })
		err = os.WriteFile(filepath.Join(group, limit), []byte(fmt.Sprint(bytes)), 0o600)
	}
	if err != nil {
		t.Skipf("LEFT OUT: out of memory: no control group can be made here: %v", err)
	}
	return group
}
