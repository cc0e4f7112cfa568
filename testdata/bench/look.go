package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"runnel/store"
)

// looks are the commands that list and inspect, but for those that read the
// whole file on purpose. RUN is the newest run.
var looks = []string{
	"status", "why RUN", "why bench/true", "why bench", "why bench/default",
	"deployment ls", "deployment inspect bench/true", "deployment schedule ls", "deployment schedule next bench/true -n 5",
	"work-pool ls", "work-pool inspect bench", "work-pool preview", "work-queue ls", "work-queue inspect bench/default",
	"work-queue preview bench/default", "worker ls", "variable ls",
	"flow-run ls", "flow-run ls --state Completed", "flow-run ls --state Failed", "flow-run ls --deployment bench/true",
	"flow-run ls --flow bench", "flow-run ls --pool bench", "flow-run ls --since 1h", "flow-run inspect RUN",
	"flow-run ls --state TimedOut", "flow-run ls --deployment bench/*", "flow-run ls --deployment bench/true --state Failed",
	"flow-run ls --queue default --worker host-1", "flow-run ls --worker nobody", "flow-run ls --until 1d",
	"flow-run ls --tag rare", "flow-run ls --param top=3",
}

// look times each of them with few and with many runs in the file, in turns.
func (b *bench) look() error {
	const few, many = 1_000, 100_000
	var paths, runs [2]string
	for i, n := range []int{few, many} {
		var err error
		if paths[i], runs[i], err = b.looked(n); err != nil {
			return err
		}
	}
	for _, line := range looks {
		var commands [2][]string
		for i := range commands {
			words := strings.Fields(strings.ReplaceAll(line, "RUN", runs[i]))
			commands[i] = append([]string{b.binary, "--db", paths[i]}, words...)
		}
		times, err := b.turns(b.rounds(20, 8), commands[0], commands[1])
		if err != nil {
			return err
		}
		if line == "status" {
			b.show(fmt.Sprintf("status, %d runs", many), median(times[1]), "ms")
		}
		b.show(fmt.Sprintf("%s, %d / %d runs", line, many, few), ratio(times[1], times[0]), "x")
	}
	return b.completion(paths[1])
}

// looked is a file with a schedule, a waiting run and n ended ones, and its
// newest run.
func (b *bench) looked(n int) (path, run string, err error) {
	if path, err = b.filled(n); err != nil {
		return "", "", err
	}
	err = b.withStore(path, func(s *store.Store) error {
		_, _, err := s.CreateSchedule(b.ctx, deployment, store.ScheduleSpec{Cron: "0 6 * * *"})
		if err != nil {
			return err
		}
		last, err := newest(b.ctx, s)
		run = last.ID.String()
		return err
	})
	return path, run, err
}

func newest(ctx context.Context, s *store.Store) (store.Run, error) {
	runs, err := s.Runs(ctx, store.RunFilter{States: []string{"Completed"}, Limit: 1})
	if err != nil || len(runs) == 0 {
		return store.Run{}, errors.Join(err, errors.New("there is no run"))
	}
	return runs[0], nil
}

// completion compares what a shell asks with the shortest command.
func (b *bench) completion(db string) error {
	if _, err := exec.LookPath("env"); err != nil {
		return err
	}
	withDB := func(words ...string) []string { return append([]string{"env", "RUNNEL_DB=" + db, b.binary}, words...) }
	for _, words := range [][]string{
		{"complete", "zsh", ""},
		{"complete", "zsh", "deployment", "update", ""},
		{"complete", "zsh", "why", ""},
		{"complete", "zsh", "flow-run", "inspect", ""},
		{"complete", "zsh", "worker", "start", "--pool", ""},
		{"complete", "zsh", "work-queue", "inspect", ""},
		{"complete", "zsh", "run", "bench/true", "-p", ""},
		{"complete", "zsh", "deployment", "schedule", "pause", "bench/true", ""},
		{"complete", "zsh", "deployment", "schedule", "update", "--"},
	} {
		times, err := b.turns(b.rounds(20, 8), withDB(words...), withDB("version"))
		if err != nil {
			return err
		}
		what := strings.TrimSpace("completing " + strings.Join(words[2:], " "))
		b.show(what+" / version", ratio(times[0], times[1]), "x")
	}
	return nil
}
