package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"runnel/runner"
	"runnel/store"
)

type flowRunLogsCmd struct {
	FlowRun string     `arg:"" name:"run" help:"A run: its id or the end of it, its name, or flow/name for the newest that has begun."`
	Follow  bool       `short:"f" help:"Go on to the run's end, through its retries."`
	Failed  bool       `help:"Of flow/name: the newest run that failed or crashed."`
	Attempt atLeastOne `placeholder:"N" help:"This attempt (default: the newest)."`
	Tail    atLeastOne `placeholder:"N" help:"Only the last lines."`
	Since   string     `placeholder:"TIME" help:"Only lines since: 10m, 2h, 2026-12-01T08:00."`
	Level   string     `placeholder:"LEVEL" help:"Only lines of this level or above: debug, info, warning, error, critical."`
	Grep    string     `placeholder:"REGEXP" help:"Only lines that a regular expression (RE2) fits."`
	Raw     bool       `help:"The exact bytes that the flow wrote, standard output and error apart on stdout and stderr."`
	outputFlag
	Hooks bool `help:"What the commands wrote that were told of the run."`
}

// atLeastOne is a number that may be left out: then it is 0.
type atLeastOne int

// UnmarshalText reads the flag's value.
func (n *atLeastOne) UnmarshalText(text []byte) error {
	number, err := strconv.Atoi(string(text))
	if err != nil || number < 1 {
		return fmt.Errorf("%q is no number from 1 on", text)
	}
	*n = atLeastOne(number)
	return nil
}

// Help ends with examples.
func (flowRunLogsCmd) Help() string {
	return "A line's level is the one that Python's logging writes into it, such as \"08:51:21.123 | ERROR | …\" or \"ERROR:name:…\". " +
		"A line without one counts as INFO on standard output, and as ERROR on standard error, where a traceback is.\n\n" +
		"On a terminal, of a line that was written over (a progress bar) only the last text is shown. " +
		"With -o a line is an object; -o name is the log's file.\n\n" +
		"Examples:\n  runnel logs folder-report/nightly --failed\n  runnel logs amber-otter -f --tail 20\n" +
		"  runnel flow-run logs amber-otter --level warning --since 10m -o jsonl"
}

func (c flowRunLogsCmd) Run(a *app) error {
	lines, err := c.lines(a)
	if err != nil {
		return err
	}
	s, err := a.settled()
	if err != nil {
		return err
	}
	run, err := c.run(a, s)
	if err != nil {
		return err
	}
	switch {
	case c.Hooks:
		err = a.printHooks(s, run)
	case c.Follow:
		err = c.follow(a, s, run, lines)
	default:
		err = c.read(a, s, run, lines)
	}
	if errors.Is(err, io.ErrClosedPipe) || isBrokenPipe(err) {
		return nil // head has seen enough
	}
	return err
}

// lines checks the flags, and makes what they want of the records; nil where
// they want all, as it was written.
func (c flowRunLogsCmd) lines(a *app) (*logLines, error) {
	narrowed := c.Since != "" || c.Level != "" || c.Grep != ""
	switch {
	case c.Hooks && (narrowed || c.Raw || c.Tail > 0 || c.Follow || c.Attempt > 0 || c.Output != "table" || c.JQ != ""):
		return nil, usage("--hooks prints all that they wrote: of the other flags it takes --failed alone")
	case c.Raw && (narrowed || c.Tail > 0 || c.Follow || c.Output != "table" || c.JQ != ""):
		return nil, usage("--raw prints all bytes as they are: of the other flags it takes --attempt alone")
	case c.Follow && (c.Output != "table" && c.Output != "jsonl" || c.JQ != ""):
		return nil, usage("a log that is followed is no one document: -o jsonl prints it line by line")
	case c.Failed && !strings.Contains(c.FlowRun, "/"):
		return nil, usage("--failed is of a deployment: runnel logs FLOW/NAME --failed")
	case !narrowed && (c.Output == "table" || c.Output == "name") && c.JQ == "":
		return nil, nil
	}
	l := &logLines{app: a, as: c.outputFlag}
	var err error
	if l.since, err = a.since("--since", c.Since); err != nil {
		return nil, err
	}
	if c.Level != "" {
		if l.level, err = parseLevel(c.Level); err != nil {
			return nil, err
		}
	}
	if c.Grep != "" {
		if l.grep, err = regexp.Compile(c.Grep); err != nil {
			return nil, usage("--grep: %v", err)
		}
	}
	return l, nil
}

// run is the run that is meant. Of a deployment it is the newest that has begun,
// or is about to where it is followed; and it says which that is, and of one
// that failed, which a later one may hide.
func (c flowRunLogsCmd) run(a *app, s *store.Store) (store.Run, error) {
	if !strings.Contains(c.FlowRun, "/") {
		return a.oneToRead(s, c.FlowRun)
	}
	name, err := s.NameOfRuns(a.ctx, c.FlowRun)
	if err != nil {
		return a.oneToRead(s, c.FlowRun)
	}
	bad, failed, err := s.NewestRun(a.ctx, store.RunFilter{Deployment: name, States: []string{string(store.Failed), string(store.Crashed)}})
	if err != nil {
		return bad, err
	}
	if c.Failed && !failed {
		return bad, &exitError{code: exitNotFound, message: fmt.Sprintf("no run of %s has failed or crashed", name)}
	}
	if c.Failed {
		a.sayRun(bad)
		return bad, nil
	}
	run, err := a.oneToRead(s, c.FlowRun)
	if err == nil && run.RunCount == 0 && !c.Follow {
		last, begun, lastErr := s.NewestRun(a.ctx, store.RunFilter{Deployment: name, Begun: true})
		if begun {
			a.sayNotBegun(run)
			run = last
		}
		err = lastErr
	}
	if err != nil || run.RunCount == 0 {
		return run, err
	}
	a.sayRun(run)
	if failed && bad.ID != run.ID && a.Clock().Sub(bad.State.Timestamp) < 24*time.Hour {
		a.say("%s %s %s: runnel logs %s --failed", bad.Name, bad.State.Name, a.ago(bad.State.Timestamp), store.Quote(name))
	}
	return run, nil
}

func (a *app) sayRun(run store.Run) {
	text := fmt.Sprintf("%s (%s) %s %s", run.Name, run.ID.Short(), run.State.Name, a.ago(run.State.Timestamp))
	if run.RunCount > 1 {
		text += fmt.Sprintf(", attempt %d", run.RunCount)
	}
	a.say("%s", text)
}

// sayNotBegun names a newer run that has no log; a tick whose time has not come
// is none.
func (a *app) sayNotBegun(run store.Run) {
	if !run.State.Type.Terminal() && !run.Due.After(a.Clock()) {
		a.say("%s is newer and has not begun: runnel why %s", run.Name, run.ID.Short())
	}
}

// follow shows the newest attempt and those that come after it, or the one that
// was asked for.
func (c flowRunLogsCmd) follow(a *app, s *store.Store, run store.Run, lines *logLines) error {
	w := watcher{
		app: a, store: s, out: logPrinter{w: a.Out, terminal: a.OutTerminal}, lines: lines,
		tail: int(c.Tail), after: max(0, run.RunCount-1), only: int(c.Attempt),
	}
	if c.Attempt > 0 {
		if _, err := c.log(a, s, run); err != nil && int(c.Attempt) <= run.RunCount {
			return err
		}
		w.after = int(c.Attempt) - 1
	}
	a.sayHolds(s, run)
	run, err := w.follow(run.ID)
	if err == nil {
		a.sayEnd(run)
	}
	return err
}

// sayHolds says what keeps a run from beginning, but for a worker's next look: who
// follows it sees nothing meanwhile.
func (a *app) sayHolds(s *store.Store, run store.Run) {
	if run.State.Type != store.Scheduled {
		return
	}
	if w, err := s.Waits(a.ctx, run); err == nil && w.For != store.WaitClaim {
		a.say("%s: %s", run.Name, a.heldText(s, run, w))
	}
}

// read prints the log as it is now.
func (c flowRunLogsCmd) read(a *app, s *store.Store, run store.Run, lines *logLines) error {
	attempt, err := c.log(a, s, run)
	if err != nil {
		return err
	}
	if c.Attempt == 0 && attempt.Attempt > 1 {
		a.say("attempt %d of %d; an earlier one: --attempt %d", attempt.Attempt, attempt.Attempt, attempt.Attempt-1)
	}
	path := s.LogPath(attempt.Log)
	written, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return &exitError{code: exitNotFound, message: "the log is gone: " + path}
	}
	switch {
	case c.Output == "name" && c.JQ == "":
		a.print("%s", path)
		return nil
	case c.Raw:
		return errors.Join(runner.CopyRaw(a.Out, path, "stdout"), runner.CopyRaw(a.Err, path, "stderr"))
	}
	if err == nil && written.Size() == 0 {
		a.say("%s has printed nothing", run.Name)
	}
	w := watcher{app: a, store: s, out: logPrinter{w: a.Out, terminal: a.OutTerminal}, lines: lines, tail: int(c.Tail)}
	w.begin(attempt.Attempt)
	if c.Tail > 0 {
		_, err = w.lastLines(path)
	} else {
		err = runner.ReadLog(path, w.visit)
	}
	return errors.Join(err, w.end())
}

// log is the attempt that is wanted.
func (c flowRunLogsCmd) log(a *app, s *store.Store, run store.Run) (attempt store.Attempt, err error) {
	attempts, err := s.Attempts(a.ctx, run.ID)
	if err != nil {
		return attempt, err
	}
	if len(attempts) == 0 {
		return attempt, &exitError{
			code: exitNotFound, message: fmt.Sprintf("%s has no log: it has not started", run.Name),
			hint: []string{"see why: runnel why " + run.ID.Short()},
		}
	}
	if c.Attempt == 0 {
		return attempts[len(attempts)-1], nil
	}
	for _, attempt := range attempts {
		if attempt.Attempt == int(c.Attempt) {
			return attempt, nil
		}
	}
	return attempt, &exitError{code: exitNotFound, message: fmt.Sprintf("%s has %s, and none is number %d", run.Name, plural(len(attempts), "attempt"), c.Attempt)}
}
