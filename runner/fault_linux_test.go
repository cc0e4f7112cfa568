package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"runnel/store"
)

// smallDisk mounts a file system of some megabytes of its own, or skips.
func smallDisk(t testing.TB, megabytes int) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "runnel-disk-")
	check(t, err)
	err = unix.Mount("none", folder, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", megabytes))
	if err != nil {
		_ = os.Remove(folder)
		t.Skipf("LEFT OUT: a disk that fills up: mounting one is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		// A process that is ending shows no command line any more, and may hold files yet.
		eventually(t, "the disk is free", func() bool { return unix.Unmount(folder, 0) == nil })
		check(t, os.Remove(folder))
	})
	return folder
}

// fill writes until the disk takes no further byte, and gives the ballast.
func fill(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(folder, "ballast")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(t, err)
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
	check(t, file.Close())
	return path
}

// TestAFullDisk fills the disk of everything while a flow prints: the flow
// goes on, commands and the worker name the disk in a line, and when there is
// room again the worker goes on and nothing that ended is forgotten.
func TestAFullDisk(t *testing.T) {
	w := newWorldIn(t, smallDisk(t, 8))
	flag := t.TempDir() // on another disk
	w.script("printer", fmt.Sprintf(`
echo begun
while [ ! -e %[1]s/full ]; do sleep 0.01; done
i=0
while [ $i -lt 2000 ]; do echo "a line that finds no room on the disk $i"; i=$((i+1)); done
touch %[1]s/through
while [ ! -e %[1]s/room ]; do sleep 0.01; done
echo last words
`, flag), nil)
	w.script("quick", "echo quick\n", nil)
	said := w.workInBackground(2)
	printer := w.run("printer")
	w.await(printer.ID, func(store.Run) bool { return strings.Contains(w.output(printer.ID), "begun") })
	ballast := fill(t, w.folder)
	check(t, os.WriteFile(filepath.Join(flag, "full"), nil, 0o600))
	eventually(t, "the flow goes on", func() bool { _, err := os.Stat(filepath.Join(flag, "through")); return err == nil })
	made, refused := w.runsUntilRefused("quick")
	var known *store.Error
	if !errors.As(refused, &known) || known.Code != store.DiskFull || strings.Contains(known.Message, "\n") ||
		!strings.Contains(known.Message, w.folder) {
		t.Errorf("a command says: %v", refused)
	}
	check(t, os.WriteFile(filepath.Join(flag, "room"), nil, 0o600))
	eventually(t, "the worker names the disk", func() bool { return said.count("the disk of "+w.folder) > 0 })
	check(t, os.Remove(ballast))
	ended := w.await(printer.ID, terminal)
	if ended.State.Type != store.Completed || !strings.Contains(ended.State.Message, "its log is incomplete: write log: ") ||
		!strings.Contains(ended.State.Message, "no space left on device") {
		t.Errorf("the flow that printed is %s: %s", ended.State.Name, ended.State.Message)
	}
	for _, id := range made {
		run := w.await(id, terminal)
		if run.State.Type != store.Completed && !strings.Contains(run.State.Message, "no space left on device") {
			t.Errorf("%s: %s", run.State.Name, run.State.Message)
		}
	}
	if after := w.await(w.run("quick").ID, terminal); after.State.Type != store.Completed || w.output(after.ID) != "quick\n" {
		t.Errorf("with room again, a run is %s: %s", after.State.Name, after.State.Message)
	}
	eventually(t, "the worker says that it is over", func() bool { return said.count("that is over") > 0 })
	if n := said.count("the disk of "); n > 5 {
		t.Errorf("the worker said it %d times", n)
	}
}

// TestAReadOnlyDisk opens a database whose disk may not be written: one line
// names it, and once it may be written again all is as it was.
func TestAReadOnlyDisk(t *testing.T) {
	folder := smallDisk(t, 8)
	w := newWorldIn(t, folder)
	w.script("quick", "echo quick\n", nil)
	check(t, w.Close()) // a disk with a file that is open for writing stays writable
	check(t, unix.Mount("none", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	s := store.New(w.Path())
	var known *store.Error
	if err := s.Open(t.Context()); !errors.As(err, &known) || known.Code != store.Disk ||
		!strings.Contains(known.Message, folder+"): read-only file system") {
		t.Errorf("opening says: %v", err)
	}
	check(t, unix.Mount("none", folder, "", unix.MS_REMOUNT, ""))
	w.Store = w.open()
	run := w.run("quick")
	w.work(1)
	if run = w.await(run.ID, terminal); run.State.Type != store.Completed {
		t.Errorf("afterwards: %s: %s", run.State.Name, run.State.Message)
	}
}

// runsUntilRefused makes runs until the disk takes no further one: the
// write-ahead log may have some room left that it uses again.
func (w *world) runsUntilRefused(name string) (made []store.ID, refused error) {
	w.t.Helper()
	for range 2000 {
		run, _, err := w.CreateRun(context.Background(), store.NewRun{Deployment: name + "/test"})
		if err != nil {
			return made, err
		}
		made = append(made, run.ID)
	}
	w.t.Fatal("the full disk took 2000 runs")
	return nil, nil
}

// limited changes one limit of a process, as ulimit would have, and gives the
// call that lifts it.
func limited(t *testing.T, pid, resource int, limit uint64) (lift func()) {
	t.Helper()
	var old unix.Rlimit
	check(t, unix.Prlimit(pid, resource, nil, &old))
	lower := old
	lower.Cur = limit
	check(t, unix.Prlimit(pid, resource, &lower, nil))
	return func() { check(t, unix.Prlimit(pid, resource, &old, nil)) }
}

// openFiles counts the descriptors of a process.
func openFiles(t testing.TB, pid int) uint64 {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	check(t, err)
	return uint64(len(entries))
}

// slots lists this world's living slots.
func (w *world) slots() (pids []int) {
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range paths {
		words, _ := os.ReadFile(path + "/cmdline")
		if list := strings.Split(string(words), "\x00"); len(list) > 2 && list[1] == slotArgument && list[2] == w.Path() {
			pid, _ := strconv.Atoi(filepath.Base(path))
			pids = append(pids, pid)
		}
	}
	return pids
}

// ownSlot waits until the worker has its one slot, and that stands ready.
func (w *world) ownSlot(ready string) int {
	w.t.Helper()
	w.await(w.run(ready).ID, terminal)
	eventually(w.t, "one slot", func() bool { return len(w.slots()) == 1 })
	return w.slots()[0]
}

// TestASlotWithinLimits gives the slot no descriptors, then no bytes to write
// in a file: the run says so, and the next one goes well.
func TestASlotWithinLimits(t *testing.T) {
	w := newWorld(t)
	w.script("quick", "echo quick\n", nil)
	w.script("printer", "echo begun; while [ ! -e go ]; do sleep 0.01; done; echo more; echo last\n", nil)
	w.workInBackground(1)
	slot := w.ownSlot("quick")

	lift := limited(t, slot, unix.RLIMIT_NOFILE, openFiles(t, slot))
	run := w.await(w.run("quick").ID, terminal)
	lift()
	if run.State.Type != store.Crashed || !strings.Contains(run.State.Message, "too many open files") {
		t.Errorf("without descriptors: %s: %s", run.State.Name, run.State.Message)
	}
	if run := w.await(w.run("quick").ID, terminal); run.State.Type != store.Completed {
		t.Errorf("afterwards: %s: %s", run.State.Name, run.State.Message)
	}

	slot = w.ownSlot("quick")
	run = w.run("printer")
	w.await(run.ID, func(store.Run) bool { return strings.Contains(w.output(run.ID), "begun") })
	lift = limited(t, slot, unix.RLIMIT_FSIZE, 8)
	check(t, os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o600))
	run = w.await(run.ID, terminal)
	lift()
	if run.State.Type != store.Completed || !strings.Contains(run.State.Message, "its log is incomplete: write log: ") ||
		!strings.Contains(run.State.Message, "file too large") {
		t.Errorf("with a limit on file sizes: %s: %s", run.State.Name, run.State.Message)
	}
	if run := w.await(w.run("quick").ID, terminal); run.State.Type != store.Completed {
		t.Errorf("afterwards: %s: %s", run.State.Name, run.State.Message)
	}
}

// sayingHelper is a worker process that prints what it has to say.
func sayingHelper(database string) {
	s := store.New(database)
	s.Patient = true
	check := func(err error) {
		if err != nil {
			fmt.Println("ended:", err)
			os.Exit(1)
		}
	}
	check(s.Open(context.Background()))
	limit := 2
	w := newWorker(s, "limited", &limit)
	w.Notify = func(n Notice) {
		if n.Text != "" {
			fmt.Println(n.Text)
		}
	}
	check(w.Run(context.Background(), nil))
}

func init() { helpers["saying"] = sayingHelper }

// sayingWorker starts a worker process, behind other words of a command line
// where some are given, and collects its lines.
func (w *world) sayingWorker(wrap ...string) (pid int, said *notices) {
	w.t.Helper()
	words := append(wrap, os.Args[0], "-test.run=^TestHelper$")
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "RUNNER_TEST_HELPER=saying", "RUNNER_TEST_ARGUMENT="+w.Path())
	out, err := cmd.StdoutPipe()
	check(w.t, err)
	check(w.t, cmd.Start())
	said = &notices{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said.add(Notice{Text: lines.Text()})
		}
	}()
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	return cmd.Process.Pid, said
}

// TestAWorkerWithinLimits gives a worker no bytes to write, then no
// descriptors: it says what is wrong, once, and goes on when that is over.
func TestAWorkerWithinLimits(t *testing.T) {
	w := newWorld(t)
	w.script("quick", "echo quick\n", nil)
	pid, said := w.sayingWorker()
	w.ownSlot("quick")

	lift := limited(t, pid, unix.RLIMIT_FSIZE, 8)
	run := w.run("quick")
	eventually(t, "the worker says that it cannot write", func() bool { return said.count("cannot use "+w.Path()) > 0 })
	if said.count("file too large") != 1 {
		t.Errorf("it says: %q", said.said)
	}
	lift()
	if run := w.await(run.ID, terminal); run.State.Type != store.Completed {
		t.Errorf("afterwards: %s: %s", run.State.Name, run.State.Message)
	}
	eventually(t, "it is over", func() bool { return said.count("that is over") == 1 })

	w.script("waiter", "while [ ! -e go ]; do sleep 0.01; done\n", nil)
	first := w.run("waiter")
	w.await(first.ID, func(r store.Run) bool { return r.State.Type == store.Running })
	lift = limited(t, pid, unix.RLIMIT_NOFILE, openFiles(t, pid))
	second := w.run("quick")
	eventually(t, "it has no descriptors", func() bool { return said.count("too many open files") > 0 })
	lift()
	if run := w.await(second.ID, terminal); run.State.Type != store.Completed {
		t.Errorf("afterwards: %s: %s", run.State.Name, run.State.Message)
	}
	check(t, os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o600))
	if run := w.await(first.ID, terminal); run.State.Type != store.Completed {
		t.Errorf("the run that went on: %s: %s", run.State.Name, run.State.Message)
	}
	if said.count("ended:") > 0 {
		t.Errorf("the worker ended: %q", said.said)
	}
}

// TestNoProcessesLeft lets the slot's user have no further process. Root has
// no such limit, so for root the test plays as nobody.
func TestNoProcessesLeft(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	w := newWorld(t)
	w.script("quick", "echo quick\n", nil)
	w.workInBackground(1)
	slot := w.ownSlot("quick")
	lift := limited(t, slot, unix.RLIMIT_NPROC, 1)
	run := w.await(w.run("quick").ID, terminal)
	lift()
	t.Logf("%s: %s", run.State.Name, run.State.Message)
	if run.State.Type != store.Crashed || !strings.Contains(run.State.Message, "the limit of processes is reached") {
		t.Errorf("without processes: %s: %s", run.State.Name, run.State.Message)
	}
	if run := w.await(w.run("quick").ID, terminal); run.State.Type != store.Completed {
		t.Errorf("afterwards: %s: %s", run.State.Name, run.State.Message)
	}
}

// asNobody plays the calling test once more, as another user.
func asNobody(t *testing.T) {
	t.Helper()
	// Where the test binary lies only its owner may enter.
	folder, err := os.MkdirTemp("", "runnel-nobody-")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(folder)) })
	check(t, os.Chmod(folder, 0o755))
	binary, err := os.ReadFile("/proc/self/exe")
	check(t, err)
	path := filepath.Join(folder, "runner.test")
	check(t, os.WriteFile(path, binary, 0o755))
	check(t, os.Mkdir(filepath.Join(folder, "tmp"), 0o700))
	const nobody = 65534
	check(t, os.Chown(filepath.Join(folder, "tmp"), nobody, nobody))
	cmd := exec.Command(path, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(folder, "tmp"), "HOME="+folder)
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
