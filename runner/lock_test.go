//go:build unix

package runner

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func locked(t testing.TB, path string) bool {
	t.Helper()
	held, err := FileLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if held, missing, err := LockState(path); held || !missing || err != nil {
		t.Fatalf("no file: held %v, missing %v, %v", held, missing, err)
	}
	file, err := TakeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := file.Stat(); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if _, err := TakeLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("taken twice: %v", err)
	}
	child, err := Start(Spec{Argv: []string{"sleep", "30"}})
	if err != nil {
		t.Fatal(err)
	}
	if !locked(t, path) {
		t.Error("asked, and it is not held")
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if locked(t, path) {
		t.Error("a child inherited the lock")
	}
	_ = child.kill()
	child.Reap()
	again, err := TakeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

// TestAskingKeepsNobodyFromTheLock: an owner that comes while many ask gets it.
func TestAskingKeepsNobodyFromTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	stop, asking := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _, _ = LockState(path)
				}
			}
		})
	}
	for range 300 {
		file, err := TakeLock(path)
		if err != nil {
			t.Error(err)
			break
		}
		if !locked(t, path) {
			t.Error("held, and an ask says no")
		}
		_ = file.Close()
	}
	close(stop)
	asking.Wait()
	slow := must(os.Open(path))
	defer slow.Close()
	must(0, flock(slow, unix.LOCK_SH))
	time.AfterFunc(5*time.Millisecond, func() { _ = flock(slow, unix.LOCK_UN) })
	file, err := TakeLock(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
}

// TestLogLockOutlivesItsSlot: the slot is killed, the flow holds the log's
// lock until it ends, and cannot write the log by what it inherited.
func TestLogLockOutlivesItsSlot(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "run.log")
	slot := helper(t, "slot", folder)
	if line := slot.line(); line != "could not write" {
		t.Errorf("the flow wrote by its lock: %q", line)
	}
	_ = slot.cmd.Process.Kill()
	_ = slot.cmd.Wait()
	log, err := OpenLogForAppend(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if free, err := log.TryLock(); free || err != nil || !locked(t, path) {
		t.Fatalf("slot killed, flow alive: free %v, %v", free, err)
	}
	_ = os.WriteFile(filepath.Join(folder, "end"), nil, 0o600) // opens the flow's gate
	eventually(t, "the lock is free", func() bool {
		free, err := log.TryLock()
		return free && err == nil
	})
}

// slotHelper starts a flow that holds the log's lock, and waits to be killed.
func slotHelper(folder string) {
	log := must(CreateLog(filepath.Join(folder, "run.log")))
	script := `(echo bad >&3) 2>/dev/null || echo could not write
		while [ ! -e end ]; do sleep 0.01; done`
	must(Start(Spec{
		Argv: []string{"sh", "-c", script}, Dir: folder, Stdout: os.Stdout,
		Extra: []*os.File{log.LockFile()},
	}))
	untilKilled()
}

func TestTakeLockNamesAMissingFolder(t *testing.T) {
	if _, err := TakeLock(filepath.Join(t.TempDir(), "no", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
