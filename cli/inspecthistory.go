package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

// historyLines is a line a state: when, how long, who, and what was said. Another
// day than that which stands above it has a line of its own, briefly it stands
// before the time.
func (a *app) historyLines(i inspection, day string, b brevity) (lines []string) {
	told, left := toldEvents(i.History, b.history)
	for n, at := range told {
		e := i.History[at]
		if n == 1 && left > 0 {
			lines = append(lines, fmt.Sprintf("  … %d more: --wide", left))
		}
		when := e.Time.Local().Format("15:04:05.000")
		if today := e.Time.Local().Format(time.DateOnly); today != day {
			if b.brief() {
				when = e.Time.Local().Format("01-02 15:04 ")
			} else {
				day = today
				lines = append(lines, "  "+day)
			}
		}
		lasted := ""
		if until := a.untilOf(i, at); !until.Equal(e.Time) {
			lasted = duration(until.Sub(e.Time))
		}
		head := fmt.Sprintf("  %s  %-13s %8s  ", when, e.Name, lasted)
		for _, line := range a.eventLines(e, i.State, a.Width-len(head), b.brief()) {
			lines = append(lines, strings.TrimRight(head+line, " "))
			head = strings.Repeat(" ", len(head))
		}
	}
	return lines
}

// untilOf is when the state of an event was left, now where it is the last of a
// run that goes on. A hook's is of no state of its own.
func (a *app) untilOf(i inspection, at int) time.Time {
	e, later := i.History[at], i.History[at+1:]
	next := slices.IndexFunc(later, func(e store.Event) bool { return e.Who != store.HookWho })
	switch {
	case e.Who == store.HookWho:
		return e.Time
	case next >= 0:
		return later[next].Time
	case i.State.Type.Terminal():
		return e.Time
	}
	return a.Clock()
}

// toldEvents are the places of those that are told: not Pending where it was
// over at once; of more than there are lines for (0: all), the first and the last,
// and how many were left between them.
func toldEvents(list []store.Event, lines int) (told []int, left int) {
	for n, e := range list {
		if e.State == store.Pending && n+1 < len(list) && list[n+1].Time.Equal(e.Time) {
			continue
		}
		told = append(told, n)
	}
	if lines > 0 && len(told) > lines {
		left = len(told) - (lines - 1)
		told = slices.Delete(told, 1, 1+left)
	}
	return told, left
}

// eventLines is who came to a state and what was said, in few lines: what the
// run's own state says stands above.
func (a *app) eventLines(e store.Event, now store.State, width int, brief bool) []string {
	most := 3
	if brief {
		most = 1
	}
	text := e.Who
	if e.Message != "" {
		text += ": " + clean(e.Message)
	}
	if !a.OutTerminal {
		return []string{text}
	}
	width = max(30, width)
	lines := wrap(text, width)
	switch {
	case len(lines) > 1 && e.Message == now.Message:
		return []string{e.Who + ": see above"}
	case len(lines) > most:
		lines = append(lines[:most-1:most-1], clip(strings.Join(lines[most-1:], " "), width))
	}
	return lines
}
