package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

type flowRunWatchCmd struct {
	FlowRun      []string `arg:"" name:"run" help:"Runs: id or the end of it, name, or flow/name for the newest."`
	WatchTimeout string   `placeholder:"TIME" help:"Stop watching after this time (exit code 124)."`
	outputFlag
}

// endCodes is what the exit code of several runs says.
const endCodes = "Exit codes: 0 all completed; else that of the worst end: 7 crashed, 5 failed, 6 cancelled; 124 the time was over."

// Help ends with examples.
func (flowRunWatchCmd) Help() string {
	return "A line for each state that a run comes to, beginning with the one that it is in. For the log of one: runnel logs RUN -f.\n\n" +
		endCodes + "\n\nExamples:\n  runnel flow-run watch amber-otter\n  runnel flow-run watch amber-otter 3f2a9c01 --watch-timeout 10m"
}

func (c flowRunWatchCmd) Run(a *app) error {
	known, told := changes{}, []store.Run{}
	atOnce := c.JQ == "" && (c.Output == "table" || c.Output == "jsonl")
	w := waiting{timeout: c.WatchTimeout, changed: func(s *store.Store, r store.Run) error {
		changed, err := known.of(a, s, r)
		for i := 0; atOnce && err == nil && i < len(changed); i++ {
			err = a.printState(s, changed[i], c.Output == "jsonl")
		}
		told = append(told, changed...)
		return err
	}}
	runs, s, err := w.wait(a, c.FlowRun)
	if err == nil && !atOnce { // one document
		err = a.listRuns(s, told, c.outputFlag)
	}
	if err != nil {
		return err
	}
	return worstError(runs)
}

type flowRunWaitCmd struct {
	FlowRun      []string `arg:"" name:"run" help:"Runs: id or the end of it, name, or flow/name for the newest."`
	All          bool     `xor:"which" help:"Until all have ended (the default)."`
	Any          bool     `xor:"which" help:"Until one has ended."`
	WatchTimeout string   `placeholder:"TIME" help:"Stop waiting after this time (exit code 124)."`
	outputFlag
}

// Help ends with examples.
func (flowRunWaitCmd) Help() string {
	return "Prints the runs that have ended. A run that is about to be retried has not.\n\n" + endCodes +
		"\n\nExamples:\n  runnel flow-run wait amber-otter 3f2a9c01\n  runnel flow-run wait --any amber-otter 3f2a9c01 --watch-timeout 10m"
}

func (c flowRunWaitCmd) Run(a *app) error {
	w := waiting{any: c.Any, timeout: c.WatchTimeout, changed: func(*store.Store, store.Run) error { return nil }}
	runs, s, err := w.wait(a, c.FlowRun)
	if err != nil {
		return err
	}
	ended := slices.DeleteFunc(slices.Clone(runs), func(r store.Run) bool { return !r.State.Type.Terminal() })
	if err := a.printStates(s, ended, c.outputFlag); err != nil {
		return err
	}
	return worstError(ended)
}

// worstError is the exit code of several runs: that of the worst of their ends.
func worstError(runs []store.Run) error {
	for _, state := range []store.StateType{store.Crashed, store.Failed, store.Cancelled} {
		if slices.ContainsFunc(runs, func(r store.Run) bool { return r.State.Type == state }) {
			return stateError(state)
		}
	}
	return nil
}

// waiting is a look at several runs, again and again, until they have ended.
type waiting struct {
	any     bool // one of them is enough
	timeout string
	changed func(*store.Store, store.Run) error // sees each run at each look
}

// waitEvery is how often runs that are waited for are read: one look reads all.
const waitEvery = 50 * time.Millisecond

func (w waiting) wait(a *app, words []string) ([]store.Run, *store.Store, error) {
	limit, err := (runCmd{WatchTimeout: w.timeout}).watchLimit()
	if err != nil {
		return nil, nil, err
	}
	s, err := a.settled()
	if err != nil {
		return nil, nil, err
	}
	runs, err := eachOnce(words, func(word string) (store.Run, error) { return a.oneToRead(s, word) })
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt)
	defer stop()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errWatchTimeout)
		defer cancel()
	}
	for ids := idsOf(runs); ; {
		for _, r := range runs {
			if err := w.changed(s, r); err != nil {
				return nil, nil, err
			}
		}
		if w.over(runs) {
			return runs, s, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, w.stopped(ctx, runs, limit)
		case <-time.After(waitEvery):
		}
		if runs, err = w.look(a, s, ids); err != nil {
			return nil, nil, err
		}
	}
}

// look reads the runs, and settles those whose owners are gone.
func (w waiting) look(a *app, s *store.Store, ids []store.ID) ([]store.Run, error) {
	runs, err := s.RunsByID(a.ctx, ids)
	for i := 0; err == nil && i < len(runs); i++ {
		runs[i], err = (watcher{app: a, store: s}).settle(a.ctx, runs[i])
	}
	return runs, err
}

// over is true where nothing is left to wait for; a run that was deleted is not.
func (w waiting) over(runs []store.Run) bool {
	ended := func(r store.Run) bool { return r.State.Type.Terminal() }
	if w.any && slices.ContainsFunc(runs, ended) {
		return true
	}
	return !slices.ContainsFunc(runs, func(r store.Run) bool { return !ended(r) })
}

func (w waiting) stopped(ctx context.Context, runs []store.Run, limit time.Duration) error {
	var names []string
	for _, r := range runs {
		if !r.State.Type.Terminal() {
			names = append(names, r.Name+" is "+r.State.Name)
		}
	}
	if len(names) > shownRuns {
		names = append(names[:shownRuns], "…")
	}
	if errors.Is(context.Cause(ctx), errWatchTimeout) {
		return &exitError{code: exitTimeout, message: fmt.Sprintf("after %s of watching: %s", limit, strings.Join(names, ", "))}
	}
	return &exitError{code: exitInterrupted, message: "stopped watching: " + strings.Join(names, ", ")}
}
