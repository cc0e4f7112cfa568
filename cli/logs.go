package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"runnel/runner"
	"runnel/store"
)

type flowRunLogsCmd struct {
	FlowRun string `arg:"" name:"run" help:"A run: its id or the end of it, its name, or flow/name for the newest."`
	Follow  bool   `short:"f" help:"Go on to the run's end."`
	Tail    int    `placeholder:"N" help:"Only the last lines."`
	Raw     bool   `help:"The exact bytes that the flow wrote, standard output and error apart on stdout and stderr."`
	Attempt int    `placeholder:"N" help:"This attempt (default: the newest)."`
}

// Help ends with examples.
func (flowRunLogsCmd) Help() string {
	return "Examples:\n  runnel flow-run logs amber-otter --follow\n  runnel flow-run logs folder-report/nightly --tail 20"
}

func (c flowRunLogsCmd) Run(a *app) error {
	if c.Tail < 0 || c.Attempt < 0 {
		return usage("--tail and --attempt: 1 or more")
	}
	s, err := a.settled()
	if err != nil {
		return err
	}
	run, err := a.oneToRead(s, c.FlowRun)
	if err != nil {
		return err
	}
	if c.Follow {
		w := watcher{app: a, store: s, out: logPrinter{w: a.Out, terminal: a.OutTerminal}, tail: c.Tail}
		run, err = w.follow(run.ID)
		if err == nil {
			a.sayEnd(run)
		}
		return err
	}
	path, err := c.log(a, s, run)
	if err != nil {
		return err
	}
	return c.print(a, path)
}

// log is the file of the attempt that is wanted.
func (c flowRunLogsCmd) log(a *app, s *store.Store, run store.Run) (string, error) {
	attempts, err := s.Attempts(a.ctx, run.ID)
	if err != nil {
		return "", err
	}
	if len(attempts) == 0 {
		return "", &exitError{
			code: exitNotFound, message: fmt.Sprintf("%s has no log: it has not started", run.Name),
			hint: []string{"see why: runnel why " + run.ID.Short()},
		}
	}
	if c.Attempt == 0 {
		return s.LogPath(attempts[len(attempts)-1].Log), nil
	}
	for _, attempt := range attempts {
		if attempt.Attempt == c.Attempt {
			return s.LogPath(attempt.Log), nil
		}
	}
	return "", &exitError{code: exitNotFound, message: fmt.Sprintf("%s has %s, and none is number %d", run.Name, plural(len(attempts), "attempt"), c.Attempt)}
}

func (c flowRunLogsCmd) print(a *app, path string) (err error) {
	printer := logPrinter{w: a.Out, terminal: a.OutTerminal}
	switch {
	case c.Raw:
		err = errors.Join(runner.CopyRaw(a.Out, path, "stdout"), runner.CopyRaw(a.Err, path, "stderr"))
	case c.Tail > 0:
		var records []runner.Record
		records, _, err = runner.TailLog(path, c.Tail)
		for _, r := range records {
			err = errors.Join(err, printer.visit(r))
		}
	default:
		err = runner.ReadLog(path, printer.visit)
	}
	if errors.Is(err, os.ErrNotExist) {
		return &exitError{code: exitNotFound, message: "the log is gone: " + path}
	}
	if errors.Is(err, io.ErrClosedPipe) || isBrokenPipe(err) {
		return nil // head has seen enough
	}
	return err
}
