package cli

import (
	"fmt"
	"os"

	"runnel/runner"
	"runnel/store"
)

type flowRunRetryCmd struct {
	FlowRun []string `arg:"" optional:"" name:"run" help:"Runs: id or the end of it, name, or flow/name for the newest."`
	runFilterFlags
	Watch        bool   `help:"Follow its log to the end; the exit code says how it ended."`
	WatchTimeout string `placeholder:"TIME" help:"Stop watching after this time (exit code 124)."`
	yesFlag
	outputFlag
}

// Help ends with examples.
func (flowRunRetryCmd) Help() string {
	return "The same run gets a further attempt, with the same parameters and new budgets of retries; how its earlier " +
		"attempts ended stays. A run of an entrypoint runs here and now. For other parameters: runnel run --like RUN -p …\n\n" +
		"Flags find several: of what they find, those that failed or crashed, unless --state says otherwise. " +
		"It says what it would retry, and asks.\n\n" +
		"Examples:\n  runnel flow-run retry amber-otter\n  runnel flow-run retry folder-report/nightly --watch\n" +
		"  runnel flow-run retry --since 12h --deployment 'folder-report/*' --yes"
}

func (c flowRunRetryCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	chosen := selection{
		words: c.FlowRun, flags: c.runFilterFlags, verb: "retry", past: "retried", ended: true,
		states: []string{string(store.Failed), string(store.Crashed)}, yes: c.yesFlag,
	}
	byFlags, err := chosen.byFlags()
	if err != nil {
		return err
	}
	if !byFlags && len(c.FlowRun) == 1 {
		return c.one(a, s)
	}
	if c.Watch || c.WatchTimeout != "" {
		return usage("--watch follows one run; wait for several: runnel flow-run wait RUN…")
	}
	var done store.Changed
	if byFlags {
		f, ok, err := chosen.agreed(a, s)
		if err != nil || !ok {
			return err
		}
		if done, err = s.RetryMatching(a.ctx, f, "command"); err != nil {
			return err
		}
	} else if done, err = c.named(a, s); err != nil {
		return err
	}
	return c.retried(a, s, done)
}

// one is a run that is named: it may be watched, or be of an entrypoint.
func (c flowRunRetryCmd) one(a *app, s *store.Store) error {
	as := runCmd{Watch: c.Watch, WatchTimeout: c.WatchTimeout, outputFlag: c.outputFlag}
	limit, err := as.watchLimit()
	if err != nil {
		return err
	}
	run, err := s.OneRun(a.ctx, c.FlowRun[0])
	if err == nil {
		run, err = s.Retry(a.ctx, run.ID, "command")
	}
	if err != nil {
		return err
	}
	if run.Job != nil {
		run, err = a.here(s, as.logs(a), func(f runner.Foreground, stops <-chan os.Signal) (store.Run, error) {
			return f.Again(a.ctx, run.ID, stops)
		})
		if err != nil {
			return err
		}
		return as.ended(a, run)
	}
	a.ring(s, run.WorkPoolName)
	a.say("attempt %d of %s (%s) is due", run.RunCount+1, run.Name, run.ID.Short())
	a.sayNoWorker(s, run.WorkPoolName)
	if c.Watch {
		w := watcher{app: a, store: s, out: as.logs(a), limit: limit, after: run.RunCount}
		return as.watch(w, run)
	}
	return as.printRun(a, run)
}

func (a *app) sayNoWorker(s *store.Store, name string) {
	if pool, err := s.WorkPool(a.ctx, name); err == nil {
		if line := noWorker(pool); line != "" {
			a.say("%s", line)
		}
	}
}

// named retries several, all that are named or none.
func (c flowRunRetryCmd) named(a *app, s *store.Store) (done store.Changed, err error) {
	runs, err := a.namedRuns(s, c.FlowRun)
	if err != nil {
		return done, err
	}
	return s.RetryRuns(a.ctx, idsOf(runs), "command")
}

func (c flowRunRetryCmd) retried(a *app, s *store.Store, done store.Changed) error {
	for _, pool := range done.Pools {
		a.ring(s, pool)
		a.sayNoWorker(s, pool)
	}
	for _, err := range done.Left[:min(len(done.Left), shownRuns)] {
		a.say("left: %s", err)
	}
	if more := len(done.Left) - shownRuns; more > 0 {
		a.say("left: %s more", count(more))
	}
	if c.plain() {
		runs, err := s.RunsByID(a.ctx, done.IDs)
		if err != nil {
			return err
		}
		return a.listRuns(s, runs, c.outputFlag)
	}
	a.print("%s due again", map[bool]string{true: "1 run is", false: count(len(done.IDs)) + " runs are"}[len(done.IDs) == 1])
	return nil
}

type flowRunDeleteCmd struct {
	FlowRun []string `arg:"" optional:"" name:"run" help:"Runs that have ended: id or the end of it, name, or flow/name for the newest."`
	runFilterFlags
	yesFlag
}

// Help ends with examples.
func (flowRunDeleteCmd) Help() string {
	return "Its history, attempts and logs go with it. A run that has not ended is refused: cancel it first. " +
		"Flags find several, and only those that have ended.\n\n" +
		"Examples:\n  runnel flow-run delete amber-otter\n  runnel flow-run delete amber-otter 3f2a9c01 --yes\n" +
		"  runnel flow-run delete --tag trial --until 30d"
}

func (c flowRunDeleteCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	chosen := selection{
		words: c.FlowRun, flags: c.runFilterFlags, verb: "delete", past: "deleted with history and logs", ended: true, yes: c.yesFlag,
	}
	byFlags, err := chosen.byFlags()
	if err != nil {
		return err
	}
	if byFlags {
		f, ok, err := chosen.agreed(a, s)
		if err != nil || !ok {
			return err
		}
		done, err := s.DeleteMatching(a.ctx, f)
		a.sayDeleted(len(done.IDs))
		return err
	}
	runs, err := a.namedRuns(s, c.FlowRun)
	if err != nil {
		return err
	}
	a.sayRuns("to be deleted with history and logs", pageOf(runs))
	if err := a.confirm(fmt.Sprintf("delete %s?", plural(len(runs), "run")), c.yesFlag); err != nil {
		return err
	}
	if err := s.DeleteRuns(a.ctx, idsOf(runs)); err != nil {
		return err
	}
	a.sayDeleted(len(runs))
	return nil
}

func (a *app) sayDeleted(n int) { a.print("deleted %s", runCount(store.RunPage{Total: n})) }

type deploymentDeleteCmd struct {
	Deployment string `arg:"" help:"flow/name, or the name alone where it is unique."`
	WithRuns   bool   `help:"Delete all its runs, too, with their logs."`
	yesFlag
}

// Help ends with examples.
func (deploymentDeleteCmd) Help() string {
	return "Its runs that wait are cancelled, and those that run go on; the history stays, unless --with-runs says otherwise.\n\n" +
		"Examples:\n  runnel deployment delete folder-report/nightly\n  runnel deployment delete nightly --with-runs --yes"
}

func (c deploymentDeleteCmd) Run(a *app) error {
	s, d, err := a.settledDeployment(c.Deployment)
	if err != nil {
		return err
	}
	_, waiting, running, all, err := a.touched(s, d)
	if err != nil {
		return err
	}
	if all > 0 || len(d.Schedules) > 0 {
		a.say("deleting %s touches:", d.FullName)
	}
	if n := len(d.Schedules); n > 0 {
		a.say("  %s, which will not fire any more", plural(n, "schedule"))
	}
	if all > 0 {
		a.sayTouched(store.Touched{Waiting: waiting, Running: running}, "to be cancelled")
		kept := "kept in the history"
		if c.WithRuns {
			kept = "deleted with their logs"
		}
		a.say("  %s in all, %s", plural(all, "run"), kept)
	}
	if err := a.confirm(fmt.Sprintf("delete the deployment %s?", d.FullName), c.yesFlag); err != nil {
		return err
	}
	if c.WithRuns {
		_, _, err = s.DeleteDeploymentWithRuns(a.ctx, d.FullName)
	} else {
		_, _, err = s.DeleteDeployment(a.ctx, d.FullName)
	}
	if err != nil {
		return err
	}
	a.print("deleted deployment %s", d.FullName)
	if all > 0 && !c.WithRuns {
		a.say("its runs: runnel flow-run ls --deployment %s", store.Quote(d.FullName))
	}
	return nil
}
