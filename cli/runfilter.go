package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"runnel/store"
)

// runFilterFlags find runs, in all commands that list or change several.
type runFilterFlags struct {
	State      []string `sep:"none" aliases:"state-type" placeholder:"STATE" help:"Only in this state (Failed, RUNNING, Late …); repeatable."`
	Deployment string   `placeholder:"FLOW/NAME" help:"Only of this deployment, or of those of a pattern: 'flow/*'."`
	Flow       string   `aliases:"flow-name" placeholder:"NAME" help:"Only of this flow."`
	Pool       string   `short:"p" aliases:"work-pool" placeholder:"NAME" help:"Only of this work pool."`
	Queue      string   `short:"q" aliases:"work-queue" placeholder:"NAME" help:"Only of this work queue, or POOL/QUEUE."`
	Tag        []string `short:"t" sep:"none" placeholder:"TAG" help:"Only with this tag; repeatable, it has them all."`
	Worker     string   `placeholder:"NAME" help:"Only what this worker started."`
	Param      []string `sep:"none" placeholder:"NAME=VALUE" help:"Only with this parameter, where somebody gave it; repeatable. db.host=x looks inside."`
	Since      string   `placeholder:"TIME" help:"Only what was to start since: 2h, 3d, 2026-12-01T08:00."`
	Until      string   `placeholder:"TIME" help:"Only what was to start before."`
}

// given is true where a flag narrows the runs.
func (f runFilterFlags) given() bool {
	texts := []string{f.Deployment, f.Flow, f.Pool, f.Queue, f.Worker, f.Since, f.Until}
	return strings.Join(texts, "") != "" || len(f.State)+len(f.Tag)+len(f.Param) > 0
}

func (f runFilterFlags) filter(a *app) (filter store.RunFilter, err error) {
	if pool, queue, whole := strings.Cut(f.Queue, "/"); whole && (f.Pool == "" || f.Pool == pool) {
		f.Pool, f.Queue = pool, queue
	}
	filter = store.RunFilter{
		States: f.State, Deployment: f.Deployment, Flow: f.Flow, Pool: f.Pool, Queue: f.Queue,
		Tags: f.Tag, Worker: f.Worker, Parameters: f.Param,
	}
	if filter.Since, err = a.since("--since", f.Since); err != nil {
		return filter, err
	}
	filter.Until, err = a.since("--until", f.Until)
	return filter, err
}

// since reads a length of time back from now, or a time.
func (a *app) since(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if back, err := parseDuration(flag, text); err == nil {
		return a.Clock().Add(-back), nil
	}
	if t, ok := parseMoment(text); ok {
		return t, nil
	}
	return time.Time{}, &exitError{
		code: exitUsage, message: fmt.Sprintf("%s: %q is neither a length of time nor a time", flag, text),
		hint: []string{"such as 2h, 3d or 2026-12-01T08:00"},
	}
}

// count writes a number with a comma a thousand.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// matches says how many runs a page's filter finds.
func matches(p store.RunPage) string {
	if p.More {
		return count(p.Total) + " or more"
	}
	return count(p.Total)
}

// selection is what a command that changes runs is given: their names, or
// flags that find them.
type selection struct {
	words []string
	flags runFilterFlags
	verb  string // "cancel"
	past  string // "cancelled"
	ended bool   // it takes those that have ended, else those that have not
	// states is what it takes without --state; nil: all.
	states []string
	yes    yesFlag
}

// byFlags is true where flags find the runs. Without a name and without a flag
// nothing is meant.
func (c selection) byFlags() (bool, error) {
	switch {
	case strings.Contains(c.flags.Pool, "="):
		e := usage("-p names the work pool here, and %q looks like a parameter", c.flags.Pool)
		e.hint = []string{"a parameter is: --param " + store.Quote(c.flags.Pool)}
		if c.verb == "retry" && len(c.words) == 1 {
			e.hint = []string{"a new run with other parameters: runnel run --like " + store.Quote(c.words[0]) + " -p " + store.Quote(c.flags.Pool)}
		}
		return false, e
	case c.flags.given() && len(c.words) > 0:
		return false, usage("name runs, or let flags such as --deployment and --state find them: not both")
	case !c.flags.given() && len(c.words) == 0:
		return false, &exitError{
			code: exitUsage, message: "RUN… is missing: runs: id or the end of it, name, or flow/name for the newest",
			hint: []string{"or all of: --deployment FLOW/NAME, --state STATE, --since TIME, …"},
		}
	}
	return c.flags.given(), nil
}

// agreed shows what the flags find, and asks; ok is false where they find
// nothing. What the filter that it gives finds is decided again where it is
// changed, but for runs that nobody could see: those that are made from now on.
func (c selection) agreed(a *app, s *store.Store) (f store.RunFilter, ok bool, err error) {
	if f, err = c.flags.filter(a); err != nil {
		return f, false, err
	}
	if len(f.States) == 0 {
		f.States = c.states
	}
	f.Ended, f.Before, f.Limit = &c.ended, a.Clock(), shownRuns
	p, err := s.RunPage(a.ctx, f)
	if err == nil && len(p.Runs) == 0 && p.More { // it lies further back
		p.Runs, err = s.Runs(a.ctx, f)
		p.Total = len(p.Runs)
	}
	if err != nil {
		return f, false, err
	}
	if len(p.Runs) == 0 {
		a.say("nothing to %s: no such run %s", c.verb, map[bool]string{true: "has ended", false: "is waiting or running"}[c.ended])
		return f, false, nil
	}
	a.sayRuns("to be "+c.past, p)
	return f, true, a.confirm(fmt.Sprintf("%s %s?", c.verb, runCount(p)), c.yes)
}

func runCount(p store.RunPage) string {
	if p.Total == 1 && !p.More {
		return "1 run"
	}
	return matches(p) + " runs"
}

// shownRuns is how many runs are named before the rest is counted.
const shownRuns = 10

func (a *app) sayRuns(what string, p store.RunPage) {
	a.say("%s, %s:", runCount(p), what)
	for _, run := range p.Runs[:min(len(p.Runs), shownRuns)] {
		a.say("  %s  %s  %s  %s", run.ID.Short(), run.Name, runOf(run), run.State.Name)
	}
	if more := p.Total - shownRuns; more > 0 || p.More {
		a.say("  and %s more", matches(store.RunPage{Total: max(0, more), More: p.More}))
	}
}

// pageOf are runs that are known by name, as a page.
func pageOf(runs []store.Run) store.RunPage { return store.RunPage{Runs: runs, Total: len(runs)} }

func idsOf(runs []store.Run) []store.ID {
	ids := make([]store.ID, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	return ids
}
