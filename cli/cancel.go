package cli

import (
	"fmt"
	"io"
	"slices"

	"runnel/runner"
	"runnel/store"
)

type flowRunCancelCmd struct {
	FlowRun    []string `arg:"" optional:"" name:"run" help:"Runs: id or the end of it, name, or flow/name for the newest."`
	Deployment string   `placeholder:"FLOW/NAME" help:"All runs of this deployment that have not ended."`
	Pool       string   `short:"p" placeholder:"NAME" help:"All of this work pool."`
	State      []string `sep:"none" placeholder:"STATE" help:"All in this state (Scheduled, Running, Late …); repeatable."`
	Wait       *bool    `negatable:"" help:"Return when nothing of the runs is left (default in a terminal)."`
	Force      bool     `help:"Leave the processes no grace: SIGKILL at once."`
	yesFlag
	outputFlag
}

// Help ends with examples.
func (flowRunCancelCmd) Help() string {
	return "What waits is cancelled at once; of what runs, the whole process tree is stopped: SIGTERM, the grace, SIGKILL. " +
		"No worker is needed. Several flags narrow each other; without a run's name it says what it would cancel, and asks.\n\n" +
		"Examples:\n  runnel flow-run cancel amber-otter --wait\n  runnel flow-run cancel --deployment folder-report/nightly --state Scheduled --yes\n" +
		"  runnel flow-run cancel amber-otter --force"
}

func (c flowRunCancelCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	runs, err := c.chosen(a, s)
	if err != nil {
		return err
	}
	if err := c.cancel(a, s, runs); err != nil {
		return err
	}
	if c.machine() || c.Output == "name" {
		return list[store.Run]{items: a.masked(s, runs), name: func(r store.Run) string { return r.ID.String() }}.print(a.IO, c.outputFlag)
	}
	for _, run := range runs {
		a.print("%s %s", run.Name, run.State.Name)
	}
	return nil
}

// chosen are the runs that the command line names, or those that its flags
// find, once they have been agreed to.
func (c flowRunCancelCmd) chosen(a *app, s *store.Store) ([]store.Run, error) {
	byFlags := c.Deployment != "" || c.Pool != "" || len(c.State) > 0
	switch {
	case byFlags && len(c.FlowRun) > 0:
		return nil, usage("name runs, or let --deployment, --pool and --state find them")
	case len(c.FlowRun) > 0:
		runs, err := a.namedRuns(s, c.FlowRun)
		for _, run := range runs {
			if run.State.Type.Terminal() {
				return nil, store.HasEnded(run)
			}
		}
		return runs, err
	case !byFlags:
		return nil, &exitError{
			code: exitUsage, message: "RUN… is missing: runs: id or the end of it, name, or flow/name for the newest",
			hint: []string{"or all of: --deployment FLOW/NAME, --pool NAME, --state STATE"},
		}
	}
	runs, err := c.found(a, s)
	if err != nil || len(runs) == 0 {
		return runs, err
	}
	a.sayRuns("to be cancelled", runs)
	return runs, a.confirm(fmt.Sprintf("cancel %s?", plural(len(runs), "run")), c.yesFlag)
}

func (c flowRunCancelCmd) found(a *app, s *store.Store) ([]store.Run, error) {
	filter := store.RunFilter{Deployment: c.Deployment, Pool: c.Pool, States: c.State}
	if len(c.State) == 0 {
		for _, t := range store.StateTypes {
			if !t.Terminal() {
				filter.States = append(filter.States, string(t))
			}
		}
	}
	runs, err := s.Runs(a.ctx, filter)
	runs = slices.DeleteFunc(runs, func(r store.Run) bool { return r.State.Type.Terminal() })
	if err == nil && len(runs) == 0 {
		a.say("nothing to cancel: no such run is waiting or running")
	}
	return runs, err
}

// namedRuns are the runs that words mean, each one once.
func (a *app) namedRuns(s *store.Store, words []string) (runs []store.Run, err error) {
	for _, word := range words {
		run, err := s.OneRun(a.ctx, word)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(runs, func(r store.Run) bool { return r.ID == run.ID }) {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// shownRuns is how many runs are named before the rest is counted.
const shownRuns = 10

func (a *app) sayRuns(what string, runs []store.Run) {
	a.say("%s, %s:", plural(len(runs), "run"), what)
	for _, run := range runs[:min(len(runs), shownRuns)] {
		a.say("  %s  %s  %s  %s", run.ID.Short(), run.Name, runOf(run), run.State.Name)
	}
	if more := len(runs) - shownRuns; more > 0 {
		a.say("  and %d more", more)
	}
}

// cancelAtOnce is how many runs one transaction cancels: others write between.
const cancelAtOnce = 500

// cancel asks for all before it waits for any, and reads each run anew.
func (c flowRunCancelCmd) cancel(a *app, s *store.Store, runs []store.Run) error {
	for some := range slices.Chunk(runs, cancelAtOnce) {
		ids := make([]store.ID, len(some))
		for i, run := range some {
			ids[i] = run.ID
		}
		owners, err := s.CancelRuns(a.ctx, ids, "cancelled by a person", "command", c.Force)
		if err != nil {
			return err
		}
		for _, owner := range owners {
			runner.RingOwner(s, owner)
		}
	}
	wait := a.OutTerminal || a.ErrTerminal
	if c.Wait != nil {
		wait = *c.Wait
	}
	for i, run := range runs {
		var err error
		if wait {
			runs[i], err = watcher{app: a, store: s, out: logPrinter{w: io.Discard}}.follow(run.ID)
		} else {
			runs[i], err = s.RunByID(a.ctx, run.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
