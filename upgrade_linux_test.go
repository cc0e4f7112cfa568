package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/runner"
	"runnel/store"
)

const waitingFlow = `#!/bin/sh
echo up
while [ ! -e go.$RUNNEL_FLOW_RUN_NAME ]; do sleep 0.02; done
`

// upgrade is a machine on which the program is replaced while it works.
type upgrade struct {
	t      *testing.T
	folder string
	binary string
	*store.Store
}

// TestUpgradeWhileRunning replaces the program under a worker: the old worker
// and all of its slots, those that it makes later too, go on with the old
// code, a new worker works beside it while it drains, and no run is lost.
func TestUpgradeWhileRunning(t *testing.T) {
	older, newer := buildRunnel(t, "-X runnel/cli.Version=1.0.0"), buildRunnel(t, "-X runnel/cli.Version=2.0.0")
	folder := t.TempDir()
	u := upgrade{t: t, folder: folder, binary: filepath.Join(folder, "runnel")}
	u.install(older)
	u.must(os.WriteFile(filepath.Join(folder, "work.sh"), []byte(waitingFlow), 0o700))
	u.command("deploy", "work.sh", "-n", "d", "-p", "p", "--create-pools")
	u.Store = store.New(filepath.Join(folder, ".state", "runnel.db"))
	u.must(u.Open(context.Background()))
	t.Cleanup(func() { u.must(u.Close()) })
	u.Alive = runner.Liveness(u.Folder())

	first := u.worker("old")
	u.create("a")
	u.await("a", store.Running)
	u.install(newer)
	if out := u.command("version"); !strings.Contains(out, "2.0.0") {
		t.Fatalf("the version is %s", out)
	}
	u.create("b")
	u.await("b", store.Running)
	for _, name := range []string{"a", "b"} {
		if exe := u.slotOf(name); exe != u.binary+" (deleted)" {
			t.Errorf("the slot of %s runs %s", name, exe)
		}
	}
	u.must(first.Process.Signal(syscall.SIGINT)) // from here on it drains
	u.until("the old worker claims no more", func() bool {
		text, err := os.ReadFile(filepath.Join(folder, "old.log"))
		return err == nil && strings.Contains(string(text), "stopping: no new runs")
	})
	second := u.worker("new")
	u.create("c")
	u.await("c", store.Running)
	if exe := u.slotOf("c"); exe != u.binary {
		t.Errorf("the slot of c runs %s", exe)
	}
	u.until("the old worker to drain beside the new one", func() bool {
		return u.status("1.0.0") == store.Draining && u.status("2.0.0") == store.Online
	})
	for _, name := range []string{"a", "b", "c"} {
		u.must(os.WriteFile(filepath.Join(folder, "go."+name), nil, 0o600))
		if run := u.await(name, store.Completed); run.RunCount != 1 {
			t.Errorf("%s has %d attempts", name, run.RunCount)
		}
	}
	u.must(first.Wait())
	u.must(second.Process.Signal(syscall.SIGINT))
	u.must(second.Wait())
}

func (u upgrade) must(err error) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
}

// install puts a program in place as a package manager does: whole, by a rename.
func (u upgrade) install(program string) {
	u.t.Helper()
	content, err := os.ReadFile(program)
	u.must(err)
	u.must(os.WriteFile(u.binary+".new", content, 0o700))
	u.must(os.Rename(u.binary+".new", u.binary))
}

func (u upgrade) cmd(args ...string) *exec.Cmd {
	cmd := exec.Command(u.binary, args...)
	cmd.Dir = u.folder
	for name, value := range scriptEnv(u.folder, os.Getenv("PATH"), "") {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	return cmd
}

func (u upgrade) command(args ...string) string {
	u.t.Helper()
	out, err := u.cmd(args...).CombinedOutput()
	if err != nil {
		u.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (u upgrade) create(name string) { u.command("run", "work/d", "--name", name) }

// worker starts one, whose talk goes to NAME.log.
func (u upgrade) worker(name string) *exec.Cmd {
	u.t.Helper()
	cmd := u.cmd("worker", "start", "-p", "p", "-n", name)
	file, err := os.Create(filepath.Join(u.folder, name+".log"))
	u.must(err)
	defer file.Close() //nolint:errcheck // the child has its own copy
	cmd.Stderr = file
	u.must(cmd.Start())
	u.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func (u upgrade) until(what string, holds func() bool) {
	u.t.Helper()
	for deadline := time.Now().Add(scriptWait); !holds(); time.Sleep(scriptLook) {
		if time.Now().After(deadline) {
			u.t.Fatalf("waited %s for %s", scriptWait, what)
		}
	}
}

func (u upgrade) await(name string, state store.StateType) (run store.Run) {
	u.t.Helper()
	u.until(fmt.Sprintf("%s to be %s", name, state), func() bool {
		found, err := u.OneRun(context.Background(), name)
		u.must(err)
		run = found
		return run.State.Type == state
	})
	return run
}

// slotOf is the program that the slot of a run executes.
func (u upgrade) slotOf(name string) string {
	u.t.Helper()
	run, err := u.OneRun(context.Background(), name)
	u.must(err)
	proof, err := runner.ParseProof(run.Owner.Proof)
	u.must(err)
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", proof.Identity.PID))
	u.must(err)
	return exe
}

// status is that of the worker of a version.
func (u upgrade) status(version string) string {
	u.t.Helper()
	workers, err := u.Workers(context.Background(), "p")
	u.must(err)
	for _, w := range workers {
		if w.Version == version {
			return w.Status
		}
	}
	return ""
}
