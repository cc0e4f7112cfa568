package cli

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"runnel/runner"
	"runnel/store"
)

// lookEvery is how often a list that is watched is read again: a person sees
// what happens, and the machine does not.
const lookEvery = time.Second

// watch shows a list until Ctrl-C.
func (c flowRunLsCmd) watch(a *app, s *store.Store, f store.RunFilter) error {
	lines := c.Output == "json" || c.Output == "jsonl" || c.Output == "table" && !a.OutTerminal
	if !lines && c.Output != "table" || c.JQ != "" {
		return usage("--watch goes on for ever: it prints a table, or lines of -o json")
	}
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	screen, known := &screen{IO: a.IO}, changes{}
	for {
		if err := runner.Settle(ctx, s, "command"); err != nil && ctx.Err() == nil {
			return err
		}
		p, err := runPage(a, s, f)
		if err == nil && lines {
			err = c.printChanges(a, s, known, p.Runs)
		} else if err == nil {
			err = screen.draw(c.frame(a, p))
		}
		if isBrokenPipe(err) {
			return nil // its reader has seen enough
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return &exitError{code: exitInterrupted}
		case <-time.After(lookEvery):
		}
	}
}

// frame is the list as it is drawn, no higher than the terminal.
func (c flowRunLsCmd) frame(a *app, p store.RunPage) []string {
	shown := p.Runs[:min(len(p.Runs), max(1, a.Height-4))]
	rows := make([][]string, len(shown))
	for i, r := range shown {
		rows[i] = a.runRow(r)
	}
	columns := a.cutLast(runColumns, rows)
	lines := a.tableLines(columns, rows)
	total := matches(p)
	if c.Limit == 0 {
		total = count(len(p.Runs))
	}
	return append(lines, fmt.Sprintf("%d of %s at %s; Ctrl-C ends this", len(shown), total, a.Clock().Local().Format(time.TimeOnly)))
}

// screen draws lines in the place of those that it drew before.
type screen struct {
	*IO
	height int
}

// draw keeps long lines from wrapping: what is drawn over must have as many.
func (s *screen) draw(lines []string) error {
	var b strings.Builder
	if s.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", s.height)
	}
	b.WriteString("\x1b[?7l")
	for _, line := range lines {
		b.WriteString(safe(line) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J\x1b[?7h")
	s.height = len(lines)
	_, err := s.Out.Write([]byte(b.String()))
	return err
}

// changes are the runs that lines were printed of, with the state and the
// number of events that were told then.
type changes map[store.ID]told

type told struct {
	state  string
	events int
}

func stateKey(s store.State) string { return s.Name + s.Timestamp.String() }

// of gives a run in each state that it came to since it was told of last, also
// in those that no look saw; at first in the state that it is in.
func (c changes) of(a *app, s *store.Store, r store.Run) (runs []store.Run, err error) {
	before, seen := c[r.ID]
	if seen && before.state == stateKey(r.State) {
		return nil, nil
	}
	events, err := s.Events(a.ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if seen {
		for _, e := range events[min(before.events, len(events)):] {
			then := r
			then.State = store.State{Type: e.State, Name: e.Name, Message: e.Message, Timestamp: e.Time}
			runs = append(runs, then)
		}
	}
	if len(runs) == 0 { // Late, which is no event, or the first look
		runs = []store.Run{r}
	}
	c[r.ID] = told{stateKey(runs[len(runs)-1].State), len(events)}
	return runs, nil
}

// printChanges prints a line of each run that has changed since the last look,
// the oldest first; also of those that match no more.
func (c flowRunLsCmd) printChanges(a *app, s *store.Store, known changes, runs []store.Run) error {
	var left []store.ID
	for id := range known {
		if !slices.ContainsFunc(runs, func(r store.Run) bool { return r.ID == id }) {
			left = append(left, id)
		}
	}
	gone, err := s.RunsByID(a.ctx, left)
	if err != nil {
		return err
	}
	all := append(slices.Clone(runs), gone...)
	slices.SortStableFunc(all, func(x, y store.Run) int { return x.State.Timestamp.Compare(y.State.Timestamp) })
	for _, r := range all {
		changed, err := known.of(a, s, r)
		for i := 0; err == nil && i < len(changed); i++ {
			err = a.printState(s, changed[i], c.Output != "table")
		}
		if err != nil {
			return err
		}
	}
	for _, id := range left {
		delete(known, id) // it comes back as new
	}
	return nil
}

// printState is a run in a line: a state that it came to.
func (a *app) printState(s *store.Store, r store.Run, asJSON bool) error {
	if asJSON {
		return a.printJSON(a.masked(s, []store.Run{r})[0], "")
	}
	state := a.colour(a.OutTerminal, stateColours[string(r.State.Type)], r.State.Name)
	line := fmt.Sprintf("%s  %s  %s  %s  %s", r.State.Timestamp.Local().Format(time.TimeOnly), r.ID.Short(), r.Name, runOf(r), state)
	if r.State.Message != "" {
		line += "  " + clean(firstLine(r.State.Message))
	}
	_, err := fmt.Fprintln(a.Out, safe(line))
	return err
}
