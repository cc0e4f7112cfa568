package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"slices"
	"time"

	"runnel/runner"
	"runnel/store"
)

type flowRunCancelCmd struct {
	FlowRun []string `arg:"" optional:"" name:"run" help:"Runs: id or the end of it, name, or flow/name for the newest."`
	runFilterFlags
	Wait  *bool `negatable:"" help:"Return when nothing of the runs is left (default in a terminal)."`
	Force bool  `help:"Leave the processes no grace: SIGKILL at once."`
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
	cancel, err := c.chosen(a, s)
	if err != nil {
		return err
	}
	// From here on a Ctrl-C ends the waiting alone.
	until, stop := signal.NotifyContext(a.ctx, os.Interrupt)
	defer stop()
	ids, err := cancel()
	if err != nil {
		return err
	}
	runs, err := c.after(a, s, ids, until)
	if err != nil {
		return err
	}
	return a.printStates(s, runs, c.outputFlag)
}

// printStates is a line a run, or the list for programs.
func (a *app) printStates(s *store.Store, runs []store.Run, f outputFlag) error {
	if f.plain() {
		return a.listRuns(s, runs, f)
	}
	for _, run := range runs {
		a.print("%s %s", run.Name, run.State.Name)
	}
	return nil
}

// chosen is what cancels the runs that are meant, all before any is waited for,
// once it was agreed to.
func (c flowRunCancelCmd) chosen(a *app, s *store.Store) (cancel func() ([]store.ID, error), err error) {
	const why, who = "cancelled by flow-run cancel", "command"
	chosen := selection{words: c.FlowRun, flags: c.runFilterFlags, verb: "cancel", past: "cancelled", yes: c.yesFlag}
	byFlags, err := chosen.byFlags()
	if err != nil {
		return nil, err
	}
	if !byFlags {
		ids, err := c.named(a, s)
		return func() ([]store.ID, error) {
			ring, err := s.CancelRuns(a.ctx, ids, why, who, c.Force)
			ringOwners(s, ring)
			return ids, err
		}, err
	}
	f, ok, err := chosen.agreed(a, s)
	return func() ([]store.ID, error) {
		if !ok {
			return nil, nil
		}
		done, err := s.CancelMatching(a.ctx, f, why, who, c.Force)
		ringOwners(s, done.Ring)
		return done.IDs, err
	}, err
}

// named are the runs of the command line, none of which has ended.
func (c flowRunCancelCmd) named(a *app, s *store.Store) ([]store.ID, error) {
	runs, err := a.namedRuns(s, c.FlowRun)
	if err != nil {
		return nil, err
	}
	for _, run := range runs {
		if run.State.Type.Terminal() {
			return nil, store.HasEnded(run)
		}
	}
	return idsOf(runs), nil
}

func ringOwners(s *store.Store, owners []store.Owner) {
	for _, owner := range owners {
		runner.RingOwner(s, owner)
	}
}

// after reads each run anew, where it is wanted when nothing of it is left.
func (c flowRunCancelCmd) after(a *app, s *store.Store, ids []store.ID, until context.Context) ([]store.Run, error) {
	wait := a.OutTerminal || a.ErrTerminal
	if c.Wait != nil {
		wait = *c.Wait
	}
	if wait {
		for _, id := range ids {
			if err := c.gone(a, s, id, until); err != nil {
				return nil, err
			}
		}
	}
	return s.RunsByID(a.ctx, ids)
}

// namedRuns are the runs that words mean, each one once.
func (a *app) namedRuns(s *store.Store, words []string) (runs []store.Run, err error) {
	return eachOnce(words, func(word string) (store.Run, error) { return s.OneRun(a.ctx, word) })
}

func eachOnce(words []string, find func(string) (store.Run, error)) (runs []store.Run, err error) {
	for _, word := range words {
		run, err := find(word)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(runs, func(r store.Run) bool { return r.ID == run.ID }) {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// cancelSaid is how long a cancel waits in silence.
const cancelSaid = time.Second

// gone waits until nothing of a run is left.
func (c flowRunCancelCmd) gone(a *app, s *store.Store, id store.ID, until context.Context) error {
	said := time.AfterFunc(cancelSaid, func() {
		a.say("waiting for what is left of %s to end (Ctrl-C ends the waiting, not the cancel)", id.Short())
	})
	defer said.Stop()
	run, err := watcher{app: a, store: s, after: math.MaxInt, until: until}.follow(id) // no attempt's log
	var e *exitError
	if errors.As(err, &e) && e.code == exitInterrupted {
		e.message = fmt.Sprintf("stopped waiting; %s is %s", run.Name, run.State.Name)
		e.hint = []string{"leave it no grace: runnel flow-run cancel " + id.Short() + " --force", "see what is left: runnel why " + id.Short()}
	}
	return err
}
