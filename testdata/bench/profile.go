package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
)

// profiled begins the profile of what this process does itself in a figure.
func (b *bench) profiled() (stop func()) {
	if b.profile == "" {
		return func() {}
	}
	file, err := os.Create(filepath.Join(b.profile, b.figure+".pprof"))
	if err != nil {
		b.skip("profile", err.Error())
		return func() {}
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		b.skip("profile", err.Error())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}
}

// recorded puts perf in front of a command of ours, so that a drained worker,
// its slots and their flows are in the figure's perf.data, the last one's.
func (b *bench) recorded(argv []string) []string {
	if b.profile == "" || argv[0] != b.binary || !strings.Contains(strings.Join(argv, " "), "worker start") {
		return argv
	}
	if _, err := exec.LookPath("perf"); err != nil {
		return argv
	}
	return append([]string{"perf", "record", "-q", "-g", "-F", "2000", "-o", filepath.Join(b.profile, b.figure+".perf.data"), "--"}, argv...)
}

// attached records a worker that goes on, with the slots that it has, until stop.
func (b *bench) attached(worker int) (stop func()) {
	if b.profile == "" {
		return func() {}
	}
	pids := fmt.Sprint(worker)
	for _, slot := range children(worker) {
		pids += fmt.Sprint(",", slot)
	}
	perf := exec.Command("perf", "record", "-q", "-g", "-F", "2000", "-o", filepath.Join(b.profile, b.figure+".perf.data"), "-p", pids)
	if perf.Start() != nil {
		return func() {}
	}
	return func() {
		_ = perf.Process.Signal(os.Interrupt)
		_ = perf.Wait()
	}
}
