package cli

import (
	"strings"

	"runnel/store"
)

type flowRunCmd struct {
	Ls      flowRunLsCmd      `cmd:"" aliases:"list" help:"List flow runs, newest first."`
	Inspect flowRunInspectCmd `cmd:"" help:"Show all that is known of a run, on one screen."`
	Logs    flowRunLogsCmd    `cmd:"" aliases:"log" help:"Print a run's log, or follow it."`
	Diff    flowRunDiffCmd    `cmd:"" help:"Show in what two runs differ: code, parameters, interpreter, state, times."`
	Watch   flowRunWatchCmd   `cmd:"" help:"Print the changes of runs until all have ended."`
	Wait    flowRunWaitCmd    `cmd:"" help:"Wait until runs have ended; the exit code says how."`
	Cancel  flowRunCancelCmd  `cmd:"" help:"Cancel runs: what waits at once, what runs with its whole tree."`
	Retry   flowRunRetryCmd   `cmd:"" help:"Give a run that has ended a further attempt."`
	Delete  flowRunDeleteCmd  `cmd:"" aliases:"rm" help:"Delete runs that have ended, with history and logs."`
}

type flowRunLsCmd struct {
	runFilterFlags
	Dropped bool   `help:"The ticks of schedules that became no run, and why."`
	Wide    bool   `help:"Which code each run ran, too: its commit (+: and what was not committed), else a hash of its files."`
	Limit   int    `short:"l" default:"20" placeholder:"N" help:"At most so many (default: 20; 0: all)."`
	After   string `placeholder:"RUN" help:"Only what the list has behind this run: its next page."`
	Watch   bool   `help:"Go on: drawn again in place on a terminal, elsewhere a line a change."`
	outputFlag
}

// Help ends with examples.
func (flowRunLsCmd) Help() string {
	return "In the order of the time at which they were to start, the newest first; behind them what waits for its time.\n\n" +
		"Examples:\n  runnel flow-run ls --state Failed --since 24h\n  runnel flow-run ls --deployment 'folder-report/*' --param top=3 -o json\n" +
		"  runnel flow-run ls --state Running --state Late --watch"
}

func (c flowRunLsCmd) Run(a *app) error {
	if c.Limit < 0 {
		return usage("--limit: %d; it is 0 or more", c.Limit)
	}
	if c.Dropped {
		return c.dropped(a)
	}
	s, err := a.settled()
	if err != nil {
		return err
	}
	f, err := c.filter(a)
	if err != nil {
		return err
	}
	f.Limit = c.Limit
	if c.After != "" {
		after, err := s.OneRun(a.ctx, c.After)
		if err != nil {
			return err
		}
		f.After = &after
	}
	if c.Watch {
		return c.watch(a, s, f)
	}
	p, err := runPage(a, s, f)
	if err != nil {
		return err
	}
	show := a.listRuns
	if c.Wide {
		show = a.listCodes
	}
	if err := show(s, p.Runs, c.outputFlag); err != nil {
		return err
	}
	c.sayMore(a, p)
	if len(p.Runs) > 0 || p.Next != nil {
		return nil
	}
	return c.sayNone(a, s)
}

// sayNone helps where the list is empty.
func (c flowRunLsCmd) sayNone(a *app, s *store.Store) error {
	switch {
	case !c.given() && c.After == "":
		a.say("make one: runnel run FLOW/DEPLOYMENT")
	case c.Worker != "":
		_, found, err := s.NewestRun(a.ctx, store.RunFilter{Worker: c.Worker})
		if err == nil && !found {
			a.say("no run is known of a worker %q; those that live: runnel worker ls", c.Worker)
		}
		return err
	}
	return nil
}

// runPage is a page, or all where the filter has no limit.
func runPage(a *app, s *store.Store, f store.RunFilter) (p store.RunPage, err error) {
	if f.Limit > 0 {
		return s.RunPage(a.ctx, f)
	}
	p.Runs, err = s.Runs(a.ctx, f)
	return p, err
}

func (a *app) listRuns(s *store.Store, runs []store.Run, f outputFlag) error {
	return a.listRunsIn(s, runs, f, runColumns, a.runRow)
}

func (a *app) listRunsIn(s *store.Store, runs []store.Run, f outputFlag, columns []string, row func(store.Run) []string) error {
	if f.machine() {
		runs = a.masked(s, runs)
	}
	return list[store.Run]{
		items:   runs,
		name:    func(r store.Run) string { return r.ID.String() },
		columns: columns,
		row:     row,
		cut:     true,
		empty:   "no flow runs match",
	}.print(a.IO, f)
}

// sayMore says what the page leaves out. That it has not looked at all is said
// to programs, too: what they read is not the whole answer.
func (c flowRunLsCmd) sayMore(a *app, p store.RunPage) {
	switch {
	case p.Next == nil:
	case len(p.Runs) < c.Limit:
		a.say("it looked no further back; go on: --after %s, or look at all: --limit 0", p.Next.ID.Short())
	case c.Output == "table" && c.JQ == "":
		a.say("%d of %s; the next: --after %s", len(p.Runs), matches(p), p.Next.ID.Short())
	}
}

var runColumns = []string{"ID", "Name", "Deployment", "State", "Started", "Took", "Message"}

func (a *app) runRow(r store.Run) []string {
	started, took := "-", "-"
	switch {
	case r.StartTime != nil:
		started = a.ago(*r.StartTime)
	case !r.State.Type.Terminal():
		started = "due " + a.ago(r.Due)
	}
	if d, ok := r.Took(a.Clock()); ok {
		took = duration(d)
	}
	state := a.colour(a.OutTerminal, stateColours[string(r.State.Type)], r.State.Name)
	return []string{r.ID.Short(), r.Name, runOf(r), state, started, took, clip(firstLine(clean(r.State.Message)), 60)}
}

// runOf is what a run is a run of.
func runOf(r store.Run) string {
	if r.Deployment != nil {
		return *r.Deployment
	}
	return r.FlowName + " (" + r.Job.Entrypoint + ")"
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// oneToRead is the run that a word means to a command that only reads: of
// several the newest, said.
func (a *app) oneToRead(s *store.Store, word string) (store.Run, error) {
	runs, err := s.FindRuns(a.ctx, word)
	if err != nil {
		return store.Run{}, err
	}
	if len(runs) > 1 {
		a.say("%d runs are called %q: this is the newest, %s", len(runs), word, runs[0].ID.Short())
	}
	return runs[0], nil
}
