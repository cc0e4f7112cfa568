package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runnelIn runs this binary as runnel in a folder of its own, and gives its
// output.
func runnelIn(t *testing.T, folder string, wrap []string, args ...string) string {
	t.Helper()
	link := filepath.Join(folder, "runnel")
	if _, err := os.Lstat(link); err != nil {
		if err := os.Symlink(os.Args[0], link); err != nil {
			t.Fatal(err)
		}
	}
	words := append(append(append([]string{}, wrap...), link), args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = folder
	for name, value := range scriptEnv(folder, os.Getenv("PATH"), findPython()) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

const marking = `
open("imported", "w").close()
from prefect import flow

@flow
def mark():
    open("called", "w").close()
`

// TestDeployingRunsNoFlowCode deploys a file that leaves a mark when it is
// imported.
func TestDeployingRunsNoFlowCode(t *testing.T) {
	if findPython() == "" {
		t.Skip("no python3 on PATH: a deployment records an interpreter")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "mark.py"), []byte(marking), 0o600); err != nil {
		t.Fatal(err)
	}
	runnelIn(t, folder, nil, "discover")
	runnelIn(t, folder, nil, "deploy", "mark.py:mark", "-n", "d", "-p", "p", "--create-pools")
	for _, mark := range []string{"imported", "called"} {
		if _, err := os.Stat(filepath.Join(folder, mark)); err == nil {
			t.Errorf("deploying left the mark %q", mark)
		}
	}
	runnelIn(t, folder, nil, "run", "mark.py:mark")
	for _, mark := range []string{"imported", "called"} {
		if _, err := os.Stat(filepath.Join(folder, mark)); err != nil {
			t.Errorf("a run leaves the mark: %v", err)
		}
	}
}

// TestNoNetwork traces the main job for sockets of the internet's families.
func TestNoNetwork(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil || findPython() == "" {
		t.Skip("no strace, or no python3, on PATH")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "mark.py"), []byte(marking), 0o600); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(folder, "trace")
	wrap := []string{strace, "-f", "-qq", "-A", "-o", trace, "-e", "trace=socket,execve"}
	runnelIn(t, folder, wrap, "discover")
	runnelIn(t, folder, wrap, "deploy", "mark.py:mark", "-n", "d", "-p", "p", "--create-pools")
	runnelIn(t, folder, wrap, "run", "mark/d")
	runnelIn(t, folder, wrap, "worker", "start", "-p", "p", "--run-once")
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "execve(") || !strings.Contains(string(text), "AF_UNIX") {
		t.Fatalf("the trace saw nothing:\n%s", text)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "AF_INET") {
			t.Errorf("a socket to the network: %s", line)
		}
	}
}
