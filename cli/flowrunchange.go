package cli

import (
	"fmt"
	"os"

	"runnel/runner"
	"runnel/store"
)

type flowRunRetryCmd struct {
	FlowRun      string `arg:"" name:"run" help:"A run: its id or the end of it, its name, or flow/name for the newest."`
	Watch        bool   `help:"Follow its log to the end; the exit code says how it ended."`
	WatchTimeout string `placeholder:"TIME" help:"Stop watching after this time (exit code 124)."`
	outputFlag
}

// Help ends with examples.
func (flowRunRetryCmd) Help() string {
	return "The same run gets a further attempt, with the same parameters and new budgets of retries; how its earlier " +
		"attempts ended stays. A run of an entrypoint runs here and now. For other parameters: runnel run --like RUN -p …\n\n" +
		"Examples:\n  runnel flow-run retry amber-otter\n  runnel flow-run retry folder-report/nightly --watch"
}

func (c flowRunRetryCmd) Run(a *app) error {
	as := runCmd{Watch: c.Watch, WatchTimeout: c.WatchTimeout, outputFlag: c.outputFlag}
	limit, err := as.watchLimit()
	if err != nil {
		return err
	}
	s, err := a.settled()
	if err != nil {
		return err
	}
	run, err := s.OneRun(a.ctx, c.FlowRun)
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
	if pool, err := s.WorkPool(a.ctx, run.WorkPoolName); err == nil {
		if line := noWorker(pool); line != "" {
			a.say("%s", line)
		}
	}
	if c.Watch {
		w := watcher{app: a, store: s, out: as.logs(a), limit: limit, after: run.RunCount}
		return as.watch(w, run)
	}
	return as.printRun(a, run)
}

type flowRunDeleteCmd struct {
	FlowRun []string `arg:"" name:"run" help:"Runs that have ended: id or the end of it, name, or flow/name for the newest."`
	yesFlag
}

// Help ends with examples.
func (flowRunDeleteCmd) Help() string {
	return "Its history, attempts and logs go with it. A run that has not ended is refused: cancel it first.\n\n" +
		"Examples:\n  runnel flow-run delete amber-otter\n  runnel flow-run delete amber-otter 3f2a9c01 --yes"
}

func (c flowRunDeleteCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	runs, err := a.namedRuns(s, c.FlowRun)
	if err != nil {
		return err
	}
	a.sayRuns("to be deleted with history and logs", runs)
	if err := a.confirm(fmt.Sprintf("delete %s?", plural(len(runs), "run")), c.yesFlag); err != nil {
		return err
	}
	ids := make([]store.ID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	if err := s.DeleteRuns(a.ctx, ids); err != nil {
		return err
	}
	a.print("deleted %s", plural(len(runs), "run"))
	return nil
}

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
	waiting, running, all, err := s.TouchedByDeployment(a.ctx, d)
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
	return nil
}
