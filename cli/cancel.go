package cli

import (
	"io"

	"runnel/runner"
	"runnel/store"
)

type flowRunCancelCmd struct {
	FlowRun []string `arg:"" name:"run" help:"Runs: id or the end of it, name, or flow/name for the newest."`
	Wait    bool     `negatable:"" default:"true" help:"Return when nothing of the runs is left (default)."`
	outputFlag
}

// Help ends with examples.
func (flowRunCancelCmd) Help() string {
	return "Examples:\n  runnel flow-run cancel amber-otter\n  runnel flow-run cancel folder-report/nightly --no-wait"
}

func (c flowRunCancelCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	runs, err := c.cancel(a, s)
	if err != nil {
		return err
	}
	if c.Output != "table" {
		return list[store.Run]{items: a.masked(s, runs), name: func(r store.Run) string { return r.ID.String() }}.print(a.IO, c.outputFlag)
	}
	for _, run := range runs {
		a.print("%s %s", run.Name, run.State.Name)
	}
	return nil
}

// cancel asks for all before it waits for any.
func (c flowRunCancelCmd) cancel(a *app, s *store.Store) (runs []store.Run, err error) {
	for _, word := range c.FlowRun {
		run, err := s.OneRun(a.ctx, word)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	for _, run := range runs {
		owner, err := s.Cancel(a.ctx, run.ID, "cancelled by a person", "command")
		if err != nil {
			return nil, err
		}
		runner.RingOwner(s, owner)
	}
	for i, run := range runs {
		if c.Wait {
			runs[i], err = watcher{app: a, store: s, out: logPrinter{w: io.Discard}}.follow(run.ID)
		} else {
			runs[i], err = s.RunByID(a.ctx, run.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}
