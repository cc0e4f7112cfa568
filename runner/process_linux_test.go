package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	helpers["tree"] = treeHelper
	helpers["adopted"] = adoptedHelper
	helpers["refused"] = refusedHelper
	helpers["slotless"] = slotlessHelper
	helpers["looker"] = lookerHelper
}

// wild is a flow that does what makes trees outlive their cancel. Its argument
// stands in the command line of every process, so that a test finds them all.
// They end by themselves in half a minute, for a test that is itself killed.
const wild = `
import os, signal, sys, time
end = time.time() + 30
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def escape(work):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        work()
        os._exit(0)
def bare(): # no environment, no group, no parent
    os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(30)", sys.argv[1]], {})
def chain(): # never the same pid twice
    while time.time() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
def bush(): # many at a time
    while time.time() < end:
        if os.fork() == 0:
            os.setsid()
            time.sleep(0.2)
            os._exit(0)
        time.sleep(0.005)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]: pass
        except ChildProcessError: pass
if os.fork() == 0:
    time.sleep(30) # stays in the group
escape(bare); escape(chain); escape(chain); escape(bush)
print("ready", flush=True)
time.sleep(30)
`

func python(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	out, err := exec.Command(path, "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Skip("python3 does not run")
	}
	return strings.TrimSpace(string(out)) // not the shim of a version manager
}

// marked lists the living processes with a text in their command line.
func marked(mark string) []int {
	var pids []int
	for _, info := range must(listProcesses()) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", info.pid))
		if err == nil && !info.dead() && bytes.Contains(line, []byte(mark)) {
			pids = append(pids, info.pid)
		}
	}
	return pids
}

type treeAnswer struct {
	Report StopReport
	Took   time.Duration
	Late   []int // processes seen after the flow's zombie was gone
}

// TestStopEndsAWildTree: within the grace and two seconds nothing is left of
// a tree that ignores SIGTERM, leaves its group, forgets its environment and
// forks in loops; the flow's own zombie goes last.
func TestStopEndsAWildTree(t *testing.T) {
	const grace = 200 * time.Millisecond
	mark := fmt.Sprintf("wild-%d-%d", os.Getpid(), time.Now().UnixNano())
	arg := string(must(json.Marshal([]string{python(t), wild, mark, grace.String()})))
	t.Cleanup(func() {
		for _, pid := range marked(mark) { // only where the test failed
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	})
	var answer treeAnswer
	helper(t, "tree", arg).answer(&answer)
	t.Logf("stopped in %v", answer.Took)
	if left := marked(mark); len(left) > 0 {
		t.Errorf("left alive: %v", left)
	}
	if answer.Report.Err != nil || len(answer.Report.Left) > 0 || !answer.Report.Killed || answer.Report.Exit.Signal != 9 {
		t.Errorf("report %+v", answer.Report)
	}
	if answer.Took > grace+2*time.Second {
		t.Errorf("took %v", answer.Took)
	}
	if len(answer.Late) > 0 {
		t.Errorf("alive after the flow was reaped: %v", answer.Late)
	}
}

func treeHelper(arg string) {
	var argv []string
	must(0, json.Unmarshal([]byte(arg), &argv))
	must(0, BecomeReaper())
	fifo := must(MakeFifo(filepath.Join(must(os.MkdirTemp("", "tree")), "out")))
	defer os.RemoveAll(filepath.Dir(fifo.Read.Name()))
	p := must(Start(Spec{Argv: []string{argv[0], "-c", argv[1], argv[2]}, Stdout: fifo.Write, Stderr: fifo.Write}))
	must(io.ReadFull(fifo.Read, make([]byte, len("ready"))))
	waited, stopped, watched := make(chan error), make(chan struct{}), make(chan []int)
	go func() {
		_, err := p.Wait(context.Background())
		waited <- err
	}()
	go watchTree(p.PID, argv[2], stopped, watched)
	begin := time.Now()
	report := p.Stop(must(time.ParseDuration(argv[3])), nil)
	took := time.Since(begin)
	close(stopped)
	answer := treeAnswer{Report: report, Took: took, Late: <-watched}
	must(0, <-waited)
	if p.Reap() != report.Exit || !noChildren() {
		panic("reaped twice, or children are left")
	}
	say(answer)
}

// watchTree looks for processes that are there when the flow's pid is not.
func watchTree(flow int, mark string, stopped <-chan struct{}, late chan<- []int) {
	for {
		select {
		case <-stopped:
			late <- nil
			return
		default:
		}
		_, err := lookUp(flow)
		if left := marked(mark); err != nil && len(left) > 0 {
			late <- left
			return
		}
	}
}

// TestStopForced: the grace is cut short, and a group that goes by itself is
// not waited for.
func TestStopForced(t *testing.T) {
	dir := t.TempDir()
	stubborn := start(t, Spec{Argv: []string{"sh", "-c", "trap '' TERM; : >ready; while :; do sleep 0.01; done"}, Dir: dir})
	eventually(t, "the trap is set", func() bool { return exists(filepath.Join(dir, "ready")) })
	force := make(chan struct{})
	close(force)
	if report := stubborn.Stop(time.Hour, force); report.Exit.Signal != 9 || !report.Killed || report.Err != nil {
		t.Errorf("forced: %+v", report)
	}
	polite := start(t, Spec{Argv: []string{"sh", "-c", "kill -STOP $$; exit 3"}})
	eventually(t, "stopped", func() bool {
		id, err := IdentityOf(polite.PID)
		return err == nil && id.Stopped()
	})
	if report := polite.Stop(time.Hour, nil); report.Exit.Signal != 15 || report.Killed || report.Err != nil {
		t.Errorf("stopped one got SIGTERM: %+v", report)
	}
}

// TestOrphansAreReaped: while a flow runs, what it orphans comes to its slot
// and does not stay a zombie; Children names the living.
func TestOrphansAreReaped(t *testing.T) {
	var left []int
	helper(t, "adopted", t.TempDir()).answer(&left)
	if len(left) != 1 {
		t.Errorf("left behind: %v, want the sleeping grandchild", left)
	}
}

func adoptedHelper(folder string) {
	must(0, BecomeReaper())
	script := `i=0; while [ $i -lt 50 ]; do (sh -c : & ) ; i=$((i+1)); done
		(setsid env -i /bin/sleep 30 >/dev/null 2>&1 &)
		: >ready; while [ ! -e end ]; do sleep 0.01; done; exit 5`
	p := must(Start(Spec{Argv: []string{"sh", "-c", script}, Dir: folder, Env: os.Environ()}))
	waited := make(chan Exit)
	go func() { waited <- must(p.Wait(context.Background())) }()
	// The flow and the sleeper are left when every orphan has ended and been
	// reaped; one that was not would stay among the children for ever.
	for !exists(filepath.Join(folder, "ready")) || len(must(p.Children())) != 2 {
		time.Sleep(time.Millisecond)
	}
	must(0, os.WriteFile(filepath.Join(folder, "end"), nil, 0o600))
	if exit := <-waited; exit.Code != 5 {
		panic(fmt.Sprint(exit))
	}
	left := must(p.Children())
	if p.Reap(); !slices.Equal(left, must(p.Children())) {
		panic("Children changed with Reap")
	}
	if report := p.Stop(0, nil); report.Err != nil || report.Exit.Code != 5 || !noChildren() {
		panic(fmt.Sprint(report))
	}
	say(left)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestStopReportsWhatItMayNotSignal: another user's process is named and does
// not hold Stop up.
func TestStopReportsWhatItMayNotSignal(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to have a child of another user")
	}
	var answer struct {
		Left  []int
		Err   string
		Child int
		Code  int
		Took  time.Duration
	}
	folder := t.TempDir()
	helper(t, "refused", folder).answer(&answer)
	defer func() { _ = unix.Kill(answer.Child, unix.SIGKILL) }()
	if !slices.Equal(answer.Left, []int{answer.Child}) || !strings.Contains(answer.Err, "operation not permitted") {
		t.Errorf("left %v of %d: %s", answer.Left, answer.Child, answer.Err)
	}
	if answer.Took > killTime || answer.Code != 0 {
		t.Errorf("took %v, exit %d", answer.Took, answer.Code)
	}
}

func refusedHelper(folder string) {
	must(0, BecomeReaper())
	p := must(Start(Spec{Argv: []string{"sh", "-c", "setsid sleep 30 >/dev/null 2>&1 & echo $! >pid"}, Dir: folder}))
	must(p.Wait(context.Background()))
	child := must(strconv.Atoi(strings.TrimSpace(string(must(os.ReadFile(filepath.Join(folder, "pid")))))))
	must(0, syscall.Setuid(65534))
	begin := time.Now()
	report := p.Stop(time.Second, nil)
	if info := must(lookUp(p.PID)); !info.dead() {
		panic("the flow was reaped before what is left")
	}
	say(map[string]any{
		"Left": report.Left, "Err": fmt.Sprint(report.Err), "Child": child,
		"Code": report.Exit.Code, "Took": time.Since(begin),
	})
}

// TestOrphansOfADeadSlot: found by environment, by group and session, and by
// parent; a number that is used again is not signalled.
func TestOrphansOfADeadSlot(t *testing.T) {
	folder := t.TempDir()
	slot := helper(t, "slotless", folder)
	var flow Identity
	slot.answer(&flow)
	_ = slot.cmd.Process.Kill()
	_ = slot.cmd.Wait()
	find := func(flow Identity) []Orphan { return must(Orphans("run-"+folder, 3, flow, "")) }
	eventually(t, "the tree stands", func() bool {
		found := find(flow)
		return len(found) == 5 && !slices.ContainsFunc(found, func(o Orphan) bool {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", o.PID))
			return string(name) != "sleep\n"
		})
	})
	if n := len(find(Identity{})); n != 4 { // without the one that is bare, and ours only by its group
		t.Errorf("%d found by environment and parents", n)
	}
	if n := len(must(Orphans("run-"+folder, 4, Identity{}, ""))); n != 0 {
		t.Errorf("%d of another attempt", n)
	}
	other := flow
	other.StartTime++
	if n := len(find(other)); n != 4 {
		t.Errorf("%d found by a group of another time", n)
	}
	for _, orphan := range find(flow) {
		if err := (Orphan{PID: orphan.PID, StartTime: orphan.StartTime + 1}).Signal(9); err != nil {
			t.Error(err)
		}
		if err := orphan.signalPlain(0); err != nil {
			t.Error(err)
		}
	}
	if n := len(find(flow)); n != 5 {
		t.Errorf("%d left after signals to others", n)
	}
	for _, orphan := range find(flow) {
		if err := orphan.Signal(9); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the tree is gone", func() bool { return len(find(flow)) == 0 })
	if alive, known := flow.Alive(); alive || !known {
		t.Errorf("flow alive %v, known %v", alive, known)
	}
}

func slotlessHelper(folder string) {
	script := `sleep 30 & setsid sleep 31 & (env -i sleep 32 &) ; (sleep 33 &); exec sleep 34`
	p := must(Start(Spec{
		Argv: []string{"sh", "-c", script}, Dir: folder,
		Env: append(os.Environ(), "RUNNEL_FLOW_RUN_ID=run-"+folder, "RUNNEL_ATTEMPT=3"),
	}))
	say(must(IdentityOf(p.PID)))
	untilKilled()
}

// TestIdentity: whatever a program calls itself, dead is dead, stopped is
// alive, and what cannot be seen is not known.
func TestIdentity(t *testing.T) {
	if alive, known := Self().Alive(); !alive || !known || Self().Stopped() {
		t.Errorf("self alive %v, known %v", alive, known)
	}
	p := start(t, Spec{Argv: []string{python(t), "-c", `
import sys, time
open("/proc/self/comm", "w").write(") Z 1 (S")
print("named", flush=True); time.sleep(30)`}, Stdout: must(os.OpenFile(os.DevNull, os.O_WRONLY, 0))})
	eventually(t, "the name is there", func() bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID))
		return string(name) == ") Z 1 (S\n"
	})
	id, err := IdentityOf(p.PID)
	if err != nil || id.StartTime < Self().StartTime {
		t.Fatal(id, err)
	}
	var copied Identity
	must(0, json.Unmarshal(must(json.Marshal(id)), &copied))
	check := func(what string, id Identity, wantAlive, wantKnown, wantStopped bool) {
		t.Helper()
		if alive, known := id.Alive(); alive != wantAlive || known != wantKnown || id.Stopped() != wantStopped {
			t.Errorf("%s: alive %v, known %v, stopped %v", what, alive, known, id.Stopped())
		}
	}
	check("running", copied, true, true, false)
	other := id
	other.StartTime--
	check("number used again", other, false, true, false)
	other = id
	other.PIDNamespace = "pid:[1]"
	check("other namespace", other, false, false, false)
	other = id
	other.BootID = "before"
	check("before a reboot", other, false, true, false)
	other.Host = "elsewhere"
	check("other host", other, false, false, false)
	check("nobody", Identity{}, false, false, false)
	must(0, unix.Kill(p.PID, unix.SIGSTOP))
	eventually(t, "stopped", id.Stopped)
	check("stopped", id, true, true, true)
	_ = p.kill()
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("zombie", id, false, true, false)
	p.Reap()
	check("gone", id, false, true, false)
}

// TestIdentityInAnotherNamespace: a look from a container at a process of the
// host, whose number means another process or none there.
func TestIdentityInAnotherNamespace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a pid namespace")
	}
	for name, flags := range map[string][]string{
		"own /proc":    {"--pid", "--fork", "--mount-proc", "--kill-child"},
		"host's /proc": {"--pid", "--fork", "--kill-child"},
	} {
		cmd := exec.Command("unshare", append(flags, os.Args[0], "-test.run=^TestHelper$")...)
		cmd.Env = append(os.Environ(), "RUNNER_TEST_HELPER=looker",
			"RUNNER_TEST_ARGUMENT="+string(must(json.Marshal(Self()))))
		out, err := cmd.Output()
		if err != nil {
			t.Skip("no pid namespace can be made:", err)
		}
		if got := strings.TrimSpace(string(out)); got != "false false" {
			t.Errorf("%s: alive and known are %s", name, got)
		}
	}
}

func lookerHelper(arg string) {
	var id Identity
	must(0, json.Unmarshal([]byte(arg), &id))
	fmt.Println(id.Alive())
}

// TestPipeIsLarge: a flow prints a megabyte before it waits for its slot.
func TestPipeIsLarge(t *testing.T) {
	fifo, err := MakeFifo(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Read.Close()
	defer fifo.Write.Close()
	size, err := unix.FcntlInt(uintptr(descriptor(fifo.Write)), unix.F_GETPIPE_SZ, 0)
	if err != nil || size < 64<<10 {
		t.Errorf("holds %d bytes, %v", size, err)
	}
	flags := func(f *os.File) int { return must(unix.FcntlInt(uintptr(descriptor(f)), unix.F_GETFL, 0)) }
	if flags(fifo.Write)&unix.O_NONBLOCK != 0 || flags(fifo.Read)&unix.O_NONBLOCK == 0 {
		t.Error("the child's end must block, and ours must not")
	}
	if _, err := MakeFifo(fifo.Read.Name()); !errors.Is(err, os.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
}
