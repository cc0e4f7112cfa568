package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// filled makes a file with n ended runs, one a second up to now, once.
func (b *bench) filled(n int) (string, error) {
	path := filepath.Join(b.folder, fmt.Sprint("ended-", n), "runnel.db")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	path, err := b.newDatabase(fmt.Sprint("ended-", n))
	if err != nil {
		return "", err
	}
	first := time.Now().Add(-time.Duration(n) * time.Second).UnixMilli()
	return path, b.fill(path, endedRuns, n, first, 1000)
}

// sizes are the numbers of ended runs at which a figure is taken.
func (b *bench) sizes() []int {
	if b.quick {
		return []int{1_000, 100_000}
	}
	return []int{1_000, 10_000, 100_000, 1_000_000}
}

// startup compares whole processes with the sqlite3 shell and with Prefect.
func (b *bench) startup() error {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		b.skip("all of it", "no sqlite3 shell on PATH to compare with")
		return nil
	}
	sizes := b.sizes()
	last, err := b.newDatabase("ended-none")
	if err != nil {
		return err
	}
	commands := [][]string{
		{"sqlite3", ":memory:", "select 1"}, {b.binary, "version"}, {b.binary, "--help"}, {b.binary, "--db", last, "flow-run", "ls"},
	}
	for _, n := range sizes {
		path, err := b.filled(n)
		if err != nil {
			return err
		}
		last = path
		commands = append(commands, []string{b.binary, "--db", path, "flow-run", "ls"})
	}
	const list = `SELECT r.name, f.name, r.state_name, r.state_time FROM flow_run r JOIN flow f ON f.id = r.flow_id ORDER BY r.id DESC LIMIT 20`
	commands = append(commands, []string{b.binary, "--db", last, "deployment", "ls"}, []string{"sqlite3", "-readonly", last, list})
	times, err := b.turns(b.rounds(40, 20), commands...)
	if err != nil {
		return err
	}
	shell, lists, rest := times[0], times[4:4+len(sizes)], times[4+len(sizes):]
	b.show("sqlite3 select 1", median(shell), "ms")
	b.show("version", median(times[1]), "ms")
	b.show("version / sqlite3 select 1", ratio(times[1], shell), "x")
	b.show("--help", median(times[2]), "ms")
	b.show("deployment ls", median(rest[0]), "ms")
	b.show(fmt.Sprintf("sqlite3, the query of ls, %d runs", sizes[len(sizes)-1]), median(rest[1]), "ms")
	b.show("flow-run ls, no runs", median(times[3]), "ms")
	curve := series{name: "flow-run ls"}
	for i, n := range sizes {
		b.show(fmt.Sprintf("flow-run ls, %d runs", n), median(lists[i]), "ms")
		curve.add(float64(n), median(lists[i]).mid)
	}
	for i := 1; i < len(sizes); i++ {
		b.show(fmt.Sprintf("flow-run ls, %d / %d runs", sizes[i], sizes[0]), ratio(lists[i], lists[0]), "x")
	}
	if len(sizes) > 2 {
		b.plots = append(b.plots, plot{name: "startup", title: "flow-run ls, the whole process", x: "runs in the file", y: "ms", lines: []series{curve}})
	}
	return nil
}
