package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"runnel/runner"
	"runnel/store"
)

type flowRunInspectCmd struct {
	FlowRun string `arg:"" name:"run" help:"A run: its id or the end of it, its name, or flow/name for the newest."`
	Wide    bool   `help:"On a terminal, too: every attempt, the whole history, where the log is."`
	outputFlag
}

// Help ends with examples.
func (flowRunInspectCmd) Help() string {
	return "On a terminal it keeps to a screen: earlier attempts share a line, and of a long history the middle is left out.\n\n" +
		"Examples:\n  runnel flow-run inspect amber-otter\n  runnel flow-run inspect folder-report/nightly -o json"
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
	a.showInspection(s, i, a.OutTerminal && !c.Wide)
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

func (a *app) showInspection(s *store.Store, i inspection, brief bool) {
	above := a.inspectionLines(s, i, brevity{})
	tail := i.LogTail
	if brief {
		var room int
		above, room = a.briefInspection(s, i)
		tail = tail[max(0, len(tail)-room):]
	}
	for _, line := range above {
		a.print("%s", line)
	}
	for _, line := range tail {
		if line = clean(line); a.OutTerminal {
			line = clip(line, a.Width-2)
		}
		a.print("  %s", line)
	}
}

// inspectionLines are all but the end of the log.
func (a *app) inspectionLines(s *store.Store, i inspection, b brevity) []string {
	pairs, day := a.inspectionPairs(s, i, b.brief()), ""
	if b.brief() {
		if len(i.History) > 0 {
			day = i.History[0].Time.Local().Format(time.DateOnly)
		}
		pairs = append(a.briefPairs(i, pairs, b.lines), [2]string{"history", day})
	}
	lines := a.pairLines(pairs)
	if !b.brief() {
		lines = append(lines, "history")
	}
	lines = append(lines, a.historyLines(i, day, b)...)
	if len(i.LogTail) > 0 {
		lines = append(lines, fmt.Sprintf("the end of the log (all: runnel logs %s)", i.ID.Short()))
	}
	return lines
}

func (a *app) inspectionPairs(s *store.Store, i inspection, brief bool) [][2]string {
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
	pairs = append(pairs, a.attemptPairs(i.Attempts, brief)...)
	if n := len(i.Attempts); n > 0 {
		pairs = append(pairs, [2]string{"code", a.codeText(i.Code)}, [2]string{"log", s.LogPath(i.Attempts[n-1].Log)})
	}
	return pairs
}

// attemptPairs are the attempts, a line each; briefly, all before the newest
// share one.
func (a *app) attemptPairs(list []store.Attempt, brief bool) (pairs [][2]string) {
	differ := codesDiffer(list)
	if n := len(list) - 1; brief && n > 1 {
		name := fmt.Sprintf("attempt %d-%d", list[0].Attempt, list[n-1].Attempt)
		pairs = append(pairs, [2]string{name, a.folded(sharedText(list[:n], differ))})
		list = list[n:]
	}
	for _, at := range list {
		text := a.folded(a.attemptText(at))
		if differ {
			text += "\ncode " + codeCell(at.Code)
		}
		pairs = append(pairs, [2]string{fmt.Sprintf("attempt %d", at.Attempt), text})
	}
	return pairs
}

// pairNames is how wide the names of an inspection are.
const pairNames = len("expected start")

// folded breaks a text into lines that fit beside the names of an inspection,
// on a terminal: elsewhere somebody searches it.
func (a *app) folded(text string) string {
	if !a.OutTerminal {
		return text
	}
	return strings.Join(wrap(text, max(40, a.Width-pairNames-2)), "\n")
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
