//go:build unix

package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestOnlyAProcessKnownToBeGoneIsOver: an adopter goes by the process that the
// slot kept only where it can see that process, and else by what it finds.
func TestOnlyAProcessKnownToBeGoneIsOver(t *testing.T) {
	child, err := Start(Spec{Argv: []string{"sleep", "100"}, Env: os.Environ()})
	check(t, err)
	a := &attempt{job: Job{Folder: t.TempDir()}, process: child}
	file := filepath.Join(a.job.Folder, processFile)
	expect := func(what string, over bool, flow int) {
		t.Helper()
		a.flow = Identity{}
		if got := a.adopted(); got != over || a.flow.PID != flow {
			t.Errorf("%s: over is %v, the flow %d", what, got, a.flow.PID)
		}
	}
	expect("nothing was kept", false, 0)
	a.keepProcess()
	expect("it lives", false, child.PID)
	kept := keptProcess(a.job.Folder)
	child.killGroup()
	_, err = child.Wait(t.Context())
	check(t, err)
	child.Reap()
	expect("it is gone", true, 0)

	keep := func(id Identity) {
		t.Helper()
		text, err := json.Marshal(id)
		check(t, err)
		check(t, os.WriteFile(file, text, 0o600))
	}
	elsewhere := kept
	elsewhere.PIDNamespace = "pid:[1]"
	keep(elsewhere)
	expect("gone, by a look from another namespace", false, 0)
	again := Self()
	again.StartTime--
	keep(again)
	expect("its number was used again", true, 0)
	check(t, os.WriteFile(file, []byte(`{"host":"h","pid":1`), 0o600))
	expect("its slot died while it wrote", false, 0)

	keep(kept)
	check(t, a.forgetProcess())
	check(t, a.forgetProcess())
	expect("the next one starts", false, 0)
	a.keepProcess()
	if keptProcess(a.job.Folder) != (Identity{}) {
		t.Error("a process that was reaped is kept")
	}
}
