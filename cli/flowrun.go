package cli

import (
	"fmt"
	"strings"
	"time"

	"runnel/runner"
	"runnel/store"
)

type flowRunCmd struct {
	Ls      flowRunLsCmd      `cmd:"" aliases:"list" help:"List flow runs, newest first."`
	Inspect flowRunInspectCmd `cmd:"" help:"Show one run: state, history, attempts, result."`
	Logs    flowRunLogsCmd    `cmd:"" aliases:"log" help:"Print a run's log."`
	Cancel  flowRunCancelCmd  `cmd:"" help:"Cancel runs: what waits at once, what runs with its whole tree."`
}

type flowRunLsCmd struct {
	State      []string `sep:"none" aliases:"state-type" placeholder:"STATE" help:"Only in this state (Failed, RUNNING, Late …); repeatable."`
	Deployment string   `placeholder:"FLOW/NAME" help:"Only of this deployment."`
	Flow       string   `aliases:"flow-name" placeholder:"NAME" help:"Only of this flow."`
	Pool       string   `short:"p" placeholder:"NAME" help:"Only of this work pool."`
	Dropped    bool     `help:"The ticks of schedules that became no run, and why."`
	Since      string   `placeholder:"TIME" help:"Only created since: 2h, 3d, or 2026-12-01T08:00."`
	Limit      int      `short:"l" default:"20" placeholder:"N" help:"At most so many (default: 20; 0: all)."`
	outputFlag
}

// Help ends with examples.
func (flowRunLsCmd) Help() string {
	return "Examples:\n  runnel flow-run ls --state Failed --since 24h\n  runnel flow-run ls --deployment folder-report/nightly --limit 5 -o json"
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
	filter := store.RunFilter{States: c.State, Deployment: c.Deployment, Flow: c.Flow, Pool: c.Pool}
	if c.Limit > 0 {
		filter.Limit = c.Limit + 1 // one more tells whether there are more
	}
	if filter.Since, err = a.since(c.Since); err != nil {
		return err
	}
	runs, err := s.Runs(a.ctx, filter)
	if err != nil {
		return err
	}
	more := c.Limit > 0 && len(runs) > c.Limit
	if more {
		runs = runs[:c.Limit]
	}
	if c.machine() {
		runs = a.masked(s, runs)
	}
	err = list[store.Run]{
		items:   runs,
		name:    func(r store.Run) string { return r.ID.String() },
		columns: []string{"ID", "Name", "Deployment", "State", "Started", "Took", "Message"},
		row:     a.runRow,
		empty:   "no flow runs match; make one: runnel run FLOW/DEPLOYMENT",
	}.print(a.IO, c.outputFlag)
	if more && c.Output == "table" {
		a.say("the newest %d; more: --limit %d", c.Limit, 5*c.Limit)
	}
	return err
}

func (a *app) runRow(r store.Run) []string {
	started, took := "-", "-"
	switch {
	case r.StartTime != nil:
		started = a.ago(*r.StartTime)
	case !r.State.Type.Terminal():
		started = "due " + a.ago(r.Due)
	}
	if r.StartTime != nil {
		end := a.Clock()
		if r.EndTime != nil {
			end = *r.EndTime
		}
		took = duration(end.Sub(*r.StartTime))
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

// since reads a length of time back from now, or a time.
func (a *app) since(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if back, err := parseDuration("--since", text); err == nil {
		return a.Clock().Add(-back), nil
	}
	if t, ok := parseMoment(text); ok {
		return t, nil
	}
	return time.Time{}, &exitError{
		code: exitUsage, message: fmt.Sprintf("--since: %q is neither a length of time nor a time", text),
		hint: []string{"such as 2h, 3d or 2026-12-01T08:00"},
	}
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

type flowRunInspectCmd struct {
	FlowRun string `arg:"" name:"run" help:"A run: its id or the end of it, its name, or flow/name for the newest."`
	outputFlag
}

// Help ends with examples.
func (flowRunInspectCmd) Help() string {
	return "Examples:\n  runnel flow-run inspect amber-otter\n  runnel flow-run inspect folder-report/nightly -o json"
}

// inspection is a run with its history and attempts, as -o json prints it.
type inspection struct {
	store.Run
	History  []store.Event   `json:"history"`
	Attempts []store.Attempt `json:"attempts"`
}

func (c flowRunInspectCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	run, err := a.oneToRead(s, c.FlowRun)
	if err != nil {
		return err
	}
	i := inspection{Run: a.masked(s, []store.Run{run})[0]}
	if i.History, err = s.Events(a.ctx, run.ID); err != nil {
		return err
	}
	if i.Attempts, err = s.Attempts(a.ctx, run.ID); err != nil {
		return err
	}
	if n := len(i.Attempts); n > 0 {
		i.Result = i.Attempts[n-1].Result
	}
	switch {
	case c.machine():
		return a.printObject(i, c.outputFlag)
	case c.Output == "name":
		a.print("%s", run.ID)
		return nil
	}
	a.showInspection(s, i)
	return nil
}

// masked are runs as they may be printed: what came from the environment of
// their deployment is shown as its template.
func (a *app) masked(s *store.Store, runs []store.Run) []store.Run {
	known := map[string]store.Deployment{}
	for i, r := range runs {
		if r.Deployment == nil {
			continue
		}
		d, read := known[*r.Deployment]
		if !read {
			// One that was deleted has nothing to compare with.
			d, _ = s.Deployment(a.ctx, *r.Deployment)
			known[*r.Deployment] = d
		}
		runs[i] = r.Masked(d)
	}
	return runs
}

func (a *app) showInspection(s *store.Store, i inspection) {
	r := i.Run
	pairs := [][2]string{
		{"run", r.Name},
		{"id", r.ID.String()},
		{"of", runOf(r)},
		{"state", a.colour(a.OutTerminal, stateColours[string(r.State.Type)], r.State.Name) + " since " + a.local(r.State.Timestamp)},
		{"message", clean(r.State.Message)},
		{"parameters", nonEmptyObject(compactJSON(r.Parameters))},
		{"job variables", nonEmptyObject(compactJSON(r.JobVariables))},
		{"tags", clean(strings.Join(r.Tags, ", "))},
		{"work pool", r.WorkPoolName},
		{"work queue", r.WorkQueueName},
		{"worker", r.WorkerName},
		{"tick", tickOf(r)},
		{"expected start", a.local(r.ExpectedStartTime)},
		{"result", clip(string(i.Result), 2000)},
	}
	for _, at := range i.Attempts {
		pairs = append(pairs, [2]string{fmt.Sprintf("attempt %d", at.Attempt), a.attemptText(at)},
			[2]string{"log", s.LogPath(at.Log)})
	}
	a.pairs(pairs)
	a.print("history")
	for n, e := range i.History {
		lasted := ""
		if n+1 < len(i.History) {
			lasted = duration(i.History[n+1].Time.Sub(e.Time))
		}
		line := fmt.Sprintf("  %s  %-12s %8s  %s", e.Time.Local().Format("2006-01-02 15:04:05.000"), e.Name, lasted, e.Who)
		if e.Message != "" {
			line += ": " + clean(e.Message)
		}
		a.print("%s", strings.TrimRight(line, " "))
	}
}

func compactJSON(v store.Values) string {
	var b strings.Builder
	if encodeJSON(&b, v, "") != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// attemptText is an attempt in a line: its end, and what the kernel counted.
func (a *app) attemptText(at store.Attempt) string {
	if at.EndTime == nil {
		text := "started " + a.local(at.StartTime)
		if at.PID != nil {
			text += fmt.Sprintf(", process %d", *at.PID)
		}
		return text
	}
	text := fmt.Sprintf("%s after %s", *at.StateName, duration(at.EndTime.Sub(at.StartTime)))
	if at.ExitCode != nil {
		text += fmt.Sprintf(", exit code %d", *at.ExitCode)
	}
	if at.Signal != nil {
		text += ", " + runner.SignalName(*at.Signal)
	}
	if at.UserTime != nil && at.SystemTime != nil && at.MaxRSS != nil {
		cpu := time.Duration(*at.UserTime+*at.SystemTime) * time.Microsecond
		text += fmt.Sprintf(", cpu %s, peak memory %s", duration(cpu), bytesText(*at.MaxRSS))
	}
	return text
}

func bytesText(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if n < 10*1024 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%d GiB", n)
}
