package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runsFolder has a deployment whose run with code=1 fails; the function runs a
// line in it.
func runsFolder(t *testing.T) (folder string, env []string, shell func(line string)) {
	t.Helper()
	folder = t.TempDir()
	binary := filepath.Join(folder, "bin", "runnel")
	script := "#!/bin/sh\n# /// flow\n# name: say\n# parameters:\n#   code: {type: integer, default: 0}\n# ///\n" +
		"printf '10%%\\r50%%\\rdone\\n'\nexit $RUNNEL_PARAM_CODE\n"
	for _, err := range []error{
		os.Mkdir(filepath.Dir(binary), 0o700), os.Symlink(os.Args[0], binary),
		os.WriteFile(filepath.Join(folder, "say.sh"), []byte(script), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range scriptEnv(folder, filepath.Dir(binary)+":"+os.Getenv("PATH"), "") {
		env = append(env, name+"="+value)
	}
	env = append(env, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	shell = func(line string) {
		t.Helper()
		cmd := exec.Command("sh", "-ec", line)
		cmd.Dir, cmd.Env = folder, env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	shell("runnel work-pool create p; runnel deploy say.sh -n d -p p")
	return folder, env, shell
}

// TestAWatchedListIsDrawnInPlace: a change shows in the line where the run was,
// and Ctrl-C ends it.
func TestAWatchedListIsDrawnInPlace(t *testing.T) {
	folder, env, shell := runsFolder(t)
	shell("runnel run say/d --name one")
	x := openTerminal(t, folder, 80, 24, env, "flow-run", "ls", "--watch")
	x.wait("one ", "Scheduled", "1 of 1 at ")
	shell("runnel run say/d --name two -p code=1; runnel worker start -p p --run-once")
	shown := x.wait("two ", "Completed", "Failed", "2 of 2 at ")
	if strings.Count(shown, "one ") != 1 || strings.Count(shown, "Ctrl-C ends this") != 1 {
		t.Errorf("it is not drawn in place:\n%s", shown)
	}
	x.press(ctrlC)
	x.ends(130)
}

// TestALogOnATerminal: of a line that was written over only the last text shows.
func TestALogOnATerminal(t *testing.T) {
	folder, env, shell := runsFolder(t)
	shell("runnel run say/d --name one; runnel worker start -p p --run-once")
	x := openTerminal(t, folder, 80, 24, env, "logs", "one")
	x.ends(0)
	if x.raw.String() != "done\r\n" {
		t.Errorf("%q", x.raw.String())
	}
}

// TestChangingManyAsks: anything but yes changes nothing.
func TestChangingManyAsks(t *testing.T) {
	folder, env, shell := runsFolder(t)
	shell("runnel run say/d --name one -p code=1; runnel run say/d --name two -p code=1; runnel worker start -p p --run-once")
	line := []string{"flow-run", "retry", "--deployment", "say/*", "--since", "1h"}
	x := openTerminal(t, folder, 80, 24, env, line...)
	x.wait("2 runs, to be retried:", "one  say/d  Failed", "retry 2 runs? [y/N]")
	x.press(enter)
	x.ends(1)
	shell("test $(runnel flow-run ls --state Failed -o name | wc -l) = 2")
	x = openTerminal(t, folder, 80, 24, env, line...)
	x.wait("retry 2 runs? [y/N]")
	x.press("y", enter)
	x.ends(0)
	shell("test $(runnel flow-run ls --state AwaitingRetry -o name | wc -l) = 2")
}

// TestRunsFitTheTerminal: a long message is cut, and no row wraps.
func TestRunsFitTheTerminal(t *testing.T) {
	folder, env, shell := runsFolder(t)
	shell("runnel run say/d --name one --in 1h; runnel deployment delete say/d --yes")
	shell("runnel flow-run ls | grep -q 'its deployment was deleted$'")
	x := openTerminal(t, folder, 70, 24, append(env, "COLUMNS="), "flow-run", "ls")
	x.ends(0)
	if shown := x.text(); strings.Count(shown, "\n") != 2 || !strings.Contains(shown, "…") {
		t.Errorf("it does not fit:\n%s", shown)
	}
}

// TestPruningAsks: on a terminal, and there --yes keeps it from asking.
func TestPruningAsks(t *testing.T) {
	folder, env, shell := runsFolder(t)
	shell("runnel run say/d --name one; runnel worker start -p p --run-once")
	line := []string{"db", "prune", "--keep", "0", "--keep-last", "0", "--save"}
	x := openTerminal(t, folder, 80, 24, env, line...)
	x.wait("to be deleted: 1 run with ", "delete 1 run? [y/N]")
	x.press(enter)
	x.ends(1)
	shell("runnel flow-run inspect one -o name; runnel db info | grep -q 'the last 100'")
	x = openTerminal(t, folder, 80, 24, env, append(line, "--yes")...)
	x.ends(0)
	x.wait("deleted 1 run with ")
	shell("test -z \"$(runnel flow-run ls -o name)\"")
}
