package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"runnel/runner"
	"runnel/store"
)

type flowRunInspectCmd struct {
	FlowRun string `arg:"" name:"run" help:"A run: its id or the end of it, its name, or flow/name for the newest."`
	outputFlag
}

// Help ends with examples.
func (flowRunInspectCmd) Help() string {
	return "Examples:\n  runnel flow-run inspect amber-otter\n  runnel flow-run inspect folder-report/nightly -o json"
}

// inspection is all that is known of a run, as -o json prints it.
type inspection struct {
	store.Run
	ParametersFrom []store.Parameter `json:"parameters_from"` // with the defaults that stand
	Why            string            `json:"why"`
	History        []store.Event     `json:"history"`
	Attempts       []store.Attempt   `json:"attempts"`
	LogTail        []string          `json:"log_tail"` // of the newest attempt
}

// tailLines is how much of the log inspect shows: a short traceback.
const tailLines = 8

func (c flowRunInspectCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	run, err := a.oneToRead(s, c.FlowRun)
	if err != nil {
		return err
	}
	i, err := a.inspect(s, run)
	if err != nil {
		return err
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

func (a *app) inspect(s *store.Store, run store.Run) (i inspection, err error) {
	i = inspection{Run: a.masked(s, []store.Run{run})[0], LogTail: []string{}}
	if i.ParametersFrom, err = s.ParametersOf(a.ctx, i.Run); err != nil {
		return i, err
	}
	if i.Why, err = a.whyLate(s, run); err != nil {
		return i, err
	}
	if i.History, err = s.Events(a.ctx, run.ID); err != nil {
		return i, err
	}
	if i.Attempts, err = s.Attempts(a.ctx, run.ID); err != nil || len(i.Attempts) == 0 {
		return i, err
	}
	last := i.Attempts[len(i.Attempts)-1]
	i.Result, i.Code = last.Result, last.Code
	records, _, err := runner.TailLog(s.LogPath(last.Log), tailLines)
	for _, r := range records {
		i.LogTail = append(i.LogTail, lastText(string(r.Text)))
	}
	if errors.Is(err, os.ErrNotExist) { // it has not begun, or somebody has deleted it
		err = nil
	}
	return i, err
}

// whyLate is what why says of a run.
func (a *app) whyLate(s *store.Store, run store.Run) (string, error) {
	r, err := a.reasonOf(s, run)
	return r.Why, err
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
		{"state", a.colour(a.OutTerminal, stateColours[string(r.State.Type)], r.State.Name) + " since " + a.local(r.State.Timestamp) + " (" + a.ago(r.State.Timestamp) + ")"},
		{"message", a.folded(clean(r.State.Message))},
	}
	if !r.State.Type.Terminal() || strings.Contains(i.Why, " late") {
		pairs = append(pairs, [2]string{"why", a.folded(i.Why)})
	}
	pairs = append(pairs, [][2]string{
		{"parameters", a.parameterLines(i.ParametersFrom)},
		{"job variables", nonEmptyObject(compactJSON(r.JobVariables))},
		{"tags", clean(strings.Join(r.Tags, ", "))},
		{"work queue", strings.Trim(r.WorkPoolName+"/"+r.WorkQueueName, "/")},
		{"worker", r.WorkerName},
		{"owner", ownerText(r)},
		{"tick", tickOf(r)},
		{"expected start", a.local(r.ExpectedStartTime)},
		{"result", clip(string(i.Result), 2000)},
	}...)
	differ := codesDiffer(i.Attempts)
	for _, at := range i.Attempts {
		text := a.folded(a.attemptText(at))
		if differ {
			text += "\ncode " + codeCell(at.Code)
		}
		pairs = append(pairs, [2]string{fmt.Sprintf("attempt %d", at.Attempt), text})
	}
	if n := len(i.Attempts); n > 0 {
		pairs = append(pairs, [2]string{"code", a.codeText(i.Code)}, [2]string{"log", s.LogPath(i.Attempts[n-1].Log)})
	}
	a.pairs(pairs)
	a.print("history")
	a.showHistory(i)
	if len(i.LogTail) > 0 {
		a.print("the end of the log (all: runnel logs %s)", r.ID.Short())
	}
	for _, line := range i.LogTail {
		if line = clean(line); a.OutTerminal {
			line = clip(line, a.Width-2)
		}
		a.print("  %s", line)
	}
}

// folded breaks a text into lines that fit beside the names of an inspection,
// on a terminal: elsewhere somebody searches it.
func (a *app) folded(text string) string {
	if !a.OutTerminal {
		return text
	}
	const names = len("expected start") + 2
	return strings.Join(wrap(text, max(40, a.Width-names)), "\n")
}

// parameterLines are the parameters with the layer that gave each; defaults
// share their lines.
func (a *app) parameterLines(list []store.Parameter) string {
	var lines, defaults []string
	for _, p := range list {
		line := p.Name + " = " + clip(clean(string(p.Value)), 200)
		switch p.From {
		case store.FromDefault:
			defaults = append(defaults, line)
			continue
		case "":
		default:
			line += "  (" + p.From + ")"
		}
		lines = append(lines, line)
	}
	if len(defaults) > 0 {
		lines = append(lines, a.folded(strings.Join(defaults, ", ")+" (default)"))
	}
	return strings.Join(lines, "\n")
}

// ownerText is the process that has a run in hand.
func ownerText(r store.Run) string {
	p, err := runner.ParseProof(r.Owner.Proof)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s process %d on %s", r.Owner.Kind, p.Identity.PID, p.Identity.Host)
}

// showHistory is a line a state: when, how long, who, and what was said. A new
// day stands in a line of its own; what was over at once is left out.
func (a *app) showHistory(i inspection) {
	day := ""
	for n, e := range i.History {
		until := e.Time
		switch next := slices.IndexFunc(i.History[n+1:], func(e store.Event) bool { return e.Who != store.HookWho }); {
		case e.Who == store.HookWho: // it is of no state of its own
		case next >= 0:
			until = i.History[n+1+next].Time
		case !i.State.Type.Terminal():
			until = a.Clock()
		}
		if e.State == store.Pending && n+1 < len(i.History) && until.Equal(e.Time) {
			continue
		}
		if today := e.Time.Local().Format(time.DateOnly); today != day {
			day = today
			a.print("  %s", day)
		}
		lasted := ""
		if !until.Equal(e.Time) {
			lasted = duration(until.Sub(e.Time))
		}
		head := fmt.Sprintf("  %s  %-13s %8s  ", e.Time.Local().Format("15:04:05.000"), e.Name, lasted)
		for _, line := range a.eventLines(e, i.State, a.Width-len(head)) {
			a.print("%s", strings.TrimRight(head+line, " "))
			head = strings.Repeat(" ", len(head))
		}
	}
}

// eventLines is who came to a state and what was said, in few lines: what the
// run's own state says stands above.
func (a *app) eventLines(e store.Event, now store.State, width int) []string {
	const most = 3
	text := e.Who
	if e.Message != "" {
		text += ": " + clean(e.Message)
	}
	if !a.OutTerminal {
		return []string{text}
	}
	lines := wrap(text, max(30, width))
	switch {
	case len(lines) > 1 && e.Message == now.Message:
		return []string{e.Who + ": see above"}
	case len(lines) > most:
		lines = append(lines[:most-1:most-1], lines[most-1]+" …")
	}
	return lines
}

func compactJSON(v any) string {
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
