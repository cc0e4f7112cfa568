package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"runnel/runner"
	"runnel/store"
)

// An inspection on a terminal keeps to a screen: what repeats is told once, and
// what a list or another command shows is left to that.

// brevity is how little is said: of a text at most so many lines, but of why the
// whole, since it ends with what helps; of the history so many, and of the log so
// many at least. The zero one says all.
type brevity struct {
	lines, history, tail int
}

func (b brevity) brief() bool { return b.lines > 0 }

// brevities are tried until one fits the screen: the end of a traceback goes last.
var brevities = []brevity{{2, 4, 4}, {1, 4, 4}, {1, 3, 4}, {1, 3, 3}, {1, 3, 2}}

// briefInspection is what stands above the end of the log, and the lines that are
// left for that, and for the line that is typed next.
func (a *app) briefInspection(s *store.Store, i inspection) (above []string, room int) {
	for _, b := range brevities {
		above = a.inspectionLines(s, i, b)
		room = a.Height - 1
		for _, line := range above {
			room -= 1 + max(0, ansi.StringWidth(line)-1)/a.Width
		}
		if len(i.LogTail) == 0 && room >= 0 || room >= b.tail {
			break
		}
		room = b.tail
	}
	return above, room
}

// briefPairs leaves out where the log is, and a start that was expected when
// the history begins or at the tick; what names the run stands in one line, and
// so does what took it.
func (a *app) briefPairs(i inspection, pairs [][2]string, most int) (kept [][2]string) {
	r, width := i.Run, a.Width-pairNames-2
	for _, p := range pairs {
		name, text := p[0], p[1]
		switch name {
		case "run":
			text += " (" + r.ID.String() + ")"
		case "work queue":
			text = strings.TrimSuffix(text+", worker "+r.WorkerName, ", worker ")
		case "parameters":
			text = a.layerLines(i.ParametersFrom)
		case "code":
			text = a.folded(briefCode(i.Code))
		case "job variables", "result", "tags":
			text = clip(text, width)
		}
		if name == "message" && !r.State.Type.Terminal() && strings.Contains(i.Why, clean(r.State.Message)) {
			continue // why says it
		}
		sawStart := r.ScheduledFor != nil || r.ExpectedStartTime.Sub(r.Created).Abs() < time.Second
		if name == "id" || name == "worker" || name == "log" || name == "expected start" && sawStart {
			continue
		}
		if lines := strings.Split(text, "\n"); len(lines) > most && name != "why" {
			text = strings.Join(append(lines[:most-1], clip(lines[most-1]+" …", width)), "\n")
		}
		kept = append(kept, [2]string{name, text})
	}
	return kept
}

// briefCode names the code that ran by its commit, or else by what was read.
func briefCode(c *store.Code) string {
	if c == nil {
		return ""
	}
	text := "in " + clean(c.Folder)
	switch {
	case c.Commit != "":
		text = "commit " + codeCell(c) + " " + text
	case c.Content != "":
		text = "content " + codeCell(c) + " " + text
	}
	if c.PythonVersion != "" {
		text += ", Python " + clean(c.PythonVersion)
	}
	return text
}

// layerLines are the parameters, those of each layer together. The defaults come
// last: of many lines the first are shown.
func (a *app) layerLines(list []store.Parameter) string {
	var layers, lines []string
	of := map[string][]string{}
	for _, p := range list {
		layers = append(layers, p.From)
		of[p.From] = append(of[p.From], p.Name+" = "+clip(clean(string(p.Value)), 60))
	}
	given := slices.DeleteFunc(once(layers), func(from string) bool { return from == store.FromDefault })
	for _, from := range append(given, store.FromDefault) {
		if len(of[from]) == 0 {
			continue
		}
		note := strings.TrimSuffix(" ("+from+")", " ()")
		lines = append(lines, a.folded(strings.Join(of[from], ", ")+note))
	}
	return strings.Join(lines, "\n")
}

// sharedText is how several attempts that are over ended: each way once, and how long they took.
func sharedText(list []store.Attempt, differ bool) string {
	var ends, codes []string
	var least, most time.Duration
	for n, at := range list {
		took := at.EndTime.Sub(at.StartTime)
		if most = max(most, took); n == 0 || took < least {
			least = took
		}
		end := *at.StateName
		switch {
		case at.ExitCode != nil:
			end += fmt.Sprintf(" with exit code %d", *at.ExitCode)
		case at.Signal != nil:
			end += " with " + runner.SignalName(*at.Signal)
		}
		ends, codes = append(ends, end), append(codes, codeCell(at.Code))
	}
	text := strings.Join(once(ends), ", ") + " after " + duration(least)
	if duration(most) != duration(least) {
		text += " to " + duration(most)
	}
	if differ {
		text += "; code " + strings.Join(once(codes), ", ")
	}
	return text
}

// once keeps each word where it comes first.
func once(words []string) (kept []string) {
	for _, word := range words {
		if !slices.Contains(kept, word) {
			kept = append(kept, word)
		}
	}
	return kept
}
