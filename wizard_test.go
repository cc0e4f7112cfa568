package main

import (
	"os"
	"path/filepath"
	"testing"
)

// wizardEnv is a person's environment: a home, a database, and no CI.
func wizardEnv(folder string) (env []string) {
	for name, value := range scriptEnv(folder, os.Getenv("PATH"), findPython()) {
		if name != "NO_COLOR" && name != "COLUMNS" {
			env = append(env, name+"="+value)
		}
	}
	return append(env, "RUNNEL_DB="+filepath.Join(folder, "runnel.db"))
}

func TestTypingFast(t *testing.T) {
	folder := exampleFolder(t)
	x := openTerminal(t, filepath.Join(folder, "report"), 80, 24, wizardEnv(folder), "deploy")
	x.wait("Which flow")
	x.press(enter)
	x.wait("Name of the deployment", "default is new")
	for range 30 {
		x.press(ctrlU, "nightly")
		x.wait("nightly is new")
		x.press(ctrlU)
		x.press("weekly")
		x.wait("weekly is new")
	}
	x.press(escape)
	x.ends(130)
}
