package main

import (
	"fmt"
	"os/exec"
	"time"
)

// filled makes a file with n ended runs, one a second up to now.
func (b *bench) filled(n int) (string, error) {
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
	return []int{1_000, 100_000, 1_000_000}
}

// startup compares whole processes with the sqlite3 shell.
func (b *bench) startup() error {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		fmt.Println("  skipped: no sqlite3 shell on PATH to compare with")
		return nil
	}
	commands := [][]string{{"sqlite3", ":memory:", "select 1"}, {b.binary, "version"}, {b.binary, "--help"}}
	sizes := b.sizes()
	for _, n := range sizes {
		path, err := b.filled(n)
		if err != nil {
			return err
		}
		commands = append(commands, []string{b.binary, "--db", path, "flow-run", "ls"})
	}
	times, err := b.turns(b.rounds(40, 20), commands...)
	if err != nil {
		return err
	}
	shell, list := times[0], times[3:]
	b.show("sqlite3 select 1", median(shell), "ms")
	b.show("version", median(times[1]), "ms")
	b.check("version / sqlite3", ratio(times[1], shell), "x", 3)
	b.aim("the same", ratio(times[1], shell), "x", 2)
	b.show("--help", median(times[2]), "ms")
	for i, n := range sizes {
		b.show(fmt.Sprintf("flow-run ls, %d runs", n), median(list[i]), "ms")
	}
	b.check("flow-run ls, 100000 runs / sqlite3", ratio(list[1], shell), "x", 4)
	for i := 1; i < len(sizes); i++ {
		b.check(fmt.Sprintf("flow-run ls, %d / %d runs", sizes[i], sizes[0]), ratio(list[i], list[0]), "x", 1.2)
	}
	return nil
}
