package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"runnel/store"
)

type statusCmd struct {
	outputFlag
}

// Help ends with examples.
func (statusCmd) Help() string {
	return "On one screen of 80 by 24: the work pools and what they hold, the last 30 runs of each deployment, and what failed " +
		"within a day. Of more than fits, deployments whose last run failed come first. -o json has all; " +
		"-o name the ids of what failed.\n\n" +
		"Examples:\n  runnel status\n  runnel status -o name\n  runnel status --jq '.work_pools[].late'"
}

// overview is what status -o json prints.
type overview struct {
	Database    string           `json:"database"`
	WorkPools   []store.PoolLoad `json:"work_pools"`
	Deployments []deploymentLook `json:"deployments"`
	// Failures are those that ended within a day, the newest first, and no more
	// than failuresTold of FailureCount.
	FailureCount int         `json:"failures_last_day"`
	Failures     []store.Run `json:"failures"`
}

type deploymentLook struct {
	Name         string            `json:"full_name"`
	WorkPoolName string            `json:"work_pool_name"`
	Paused       bool              `json:"paused"`
	Next         *time.Time        `json:"next"`
	Recent       []store.RecentRun `json:"recent_runs"` // the oldest first
}

const (
	recentRuns   = 30
	failuresTold = 100
	lately       = 24 * time.Hour
)

func (c statusCmd) Run(a *app) error {
	o := overview{WorkPools: []store.PoolLoad{}, Deployments: []deploymentLook{}, Failures: []store.Run{}}
	var err error
	if o.Database, err = a.database(); err != nil {
		return err
	}
	isThere := a.hasDatabase()
	if isThere {
		err = o.read(a)
	}
	switch {
	case err != nil:
		return err
	case c.machine():
		return a.printObject(o, c.outputFlag)
	case c.Output == "name":
		for _, r := range o.Failures {
			a.print("%s", r.ID)
		}
	case !isThere:
		a.say("there is no database yet: %s", o.Database)
		a.say("see it all on an example: runnel quickstart")
		a.say("or begin in a folder with flows: runnel discover, then runnel deploy")
	default:
		a.showStatus(o)
	}
	return nil
}

func (o *overview) read(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	o.Database = s.Path()
	if o.WorkPools, err = s.PoolLoads(a.ctx); err != nil {
		return err
	}
	deployments, err := s.Deployments(a.ctx)
	if err != nil {
		return err
	}
	recent, err := s.RecentRuns(a.ctx, recentRuns)
	if err != nil {
		return err
	}
	for _, d := range deployments {
		one := deploymentLook{d.FullName, d.WorkPoolName, paused(d), nil, append([]store.RecentRun{}, recent[d.ID]...)}
		if first, found := nextOf(d); found {
			one.Next = first.Next
		}
		o.Deployments = append(o.Deployments, one)
	}
	o.Failures, o.FailureCount, err = s.Failures(a.ctx, a.Clock().Add(-lately), failuresTold)
	o.Failures = a.masked(s, o.Failures)
	return err
}

// The rows of a screen of 24 that are left when its headings and hints, and the
// line that one types next, are taken off.
const (
	screenRows  = 14
	poolRows    = 4 // at most, where all parts have many
	failureRows = 3
	poolColumns = 58 // what the other columns take at their widest
)

func (a *app) showStatus(o overview) {
	pools, failures := min(len(o.WorkPools), poolRows), min(len(o.Failures), failureRows)
	deployments := min(len(o.Deployments), screenRows-pools-failures)
	// What deployments leave, the others may have.
	failures = min(len(o.Failures), screenRows-pools-deployments)
	pools = min(len(o.WorkPools), screenRows-failures-deployments)
	a.showPools(o.WorkPools, pools)
	a.print("")
	a.showBars(o.Deployments, deployments)
	a.print("")
	a.showFailures(o, failures)
}

// showPools puts those first that hold up runs, then those that will.
func (a *app) showPools(pools []store.PoolLoad, n int) {
	if len(pools) == 0 {
		a.say("no work pools yet; make one: runnel work-pool create my-process-pool")
		return
	}
	stuck := func(p store.PoolLoad) bool {
		return p.Late > 0 || p.Status != store.StatusReady && (p.Waiting > 0 || p.Next != nil)
	}
	slices.SortStableFunc(pools, func(x, y store.PoolLoad) int {
		return cmp.Or(firstIf(stuck(x), stuck(y)), firstIf(stuck(x) && x.Waiting > 0, stuck(y) && y.Waiting > 0))
	})
	var rows [][]string
	for _, p := range pools[:n] {
		next := "-"
		if p.Next != nil {
			next = a.ago(*p.Next)
		}
		rows = append(rows, []string{
			clip(p.Name, max(12, a.Width-poolColumns)), statusText(p.Status), fmt.Sprint(p.Workers), fmt.Sprint(p.Running),
			fmt.Sprint(p.Waiting), fmt.Sprint(p.Late), next,
		})
	}
	lines := a.tableLines([]string{"Work Pool", "Status", "Workers", "Running", "Waiting", "Late", "Next"}, rows)
	a.print("%s", strings.Join(lines, "\n"))
	if len(pools) > n {
		a.say("and %d more: runnel work-pool ls", len(pools)-n)
	}
	if stuck(pools[0]) {
		a.say("what holds it up: runnel why %s", pools[0].Name)
	}
}

// firstIf puts what is true first.
func firstIf(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// marks show a run by one character, and by colour where there is one.
var marks = []struct {
	state, mark, text string
}{
	{"Completed", ".", "completed"},
	{"Failed", "F", "failed"},
	{"TimedOut", "T", "timed out"},
	{"Crashed", "X", "crashed"},
	{"Cancelled", "c", "cancelled"},
	{"Running", "R", "running"},
	{store.NameAwaitingRetry, "r", "to be retried"},
	{"Pending", "p", "pending"},
	{"Cancelling", "k", "cancelling"},
	{"Scheduled", "s", "scheduled again"},
}

func markOf(r store.RecentRun) string {
	for _, m := range marks {
		if m.state == r.State {
			return m.mark
		}
	}
	return "?"
}

// showBars draws the last runs of deployments, the newest at the right.
func (a *app) showBars(deployments []deploymentLook, n int) {
	if len(deployments) == 0 {
		a.say("no deployments yet; find a flow and deploy it: runnel discover")
		return
	}
	bad := func(d deploymentLook) bool {
		last := len(d.Recent) - 1
		return last >= 0 && (d.Recent[last].Type == store.Failed || d.Recent[last].Type == store.Crashed)
	}
	slices.SortStableFunc(deployments, func(x, y deploymentLook) int {
		return cmp.Or(firstIf(bad(x), bad(y)), strings.Compare(x.Name, y.Name))
	})
	var rows [][]string
	seen := map[string]bool{}
	for _, d := range deployments[:n] {
		rows = append(rows, []string{clip(d.Name, max(20, a.Width-recentRuns-18)), a.bar(d.Recent, seen), a.nextOrPaused(d)})
	}
	lines := a.tableLines([]string{"Deployment", fmt.Sprintf("Last %d Runs, The Newest Right", recentRuns), "Next"}, rows)
	a.print("%s", strings.Join(lines, "\n"))
	var legend []string
	for _, m := range marks {
		if seen[m.mark] {
			legend = append(legend, m.mark+" "+m.text)
		}
	}
	if len(deployments) > n {
		legend = append(legend, fmt.Sprintf("and %d more: runnel deployment ls", len(deployments)-n))
	}
	if len(legend) > 0 {
		a.print("%s", a.colour(a.OutTerminal, faint, a.fit(strings.Join(legend, "  "))))
	}
}

func (a *app) nextOrPaused(d deploymentLook) string {
	switch {
	case d.Paused:
		return "paused"
	case d.Next == nil:
		return "-"
	}
	return a.ago(*d.Next)
}

// bar is as wide as recentRuns, whatever there is, so that what is newest
// stands below what is newest.
func (a *app) bar(runs []store.RecentRun, seen map[string]bool) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", max(0, recentRuns-len(runs))))
	for _, r := range runs {
		mark := markOf(r)
		seen[mark] = true
		b.WriteString(a.colour(a.OutTerminal, stateColours[string(r.Type)], mark))
	}
	return b.String()
}

func (a *app) showFailures(o overview, n int) {
	if o.FailureCount == 0 {
		a.print("nothing failed within a day")
		return
	}
	a.print("%s", a.colour(a.OutTerminal, bold, fmt.Sprintf("%d failed within a day", o.FailureCount)))
	var rows [][]string
	for _, r := range o.Failures[:n] {
		state := a.colour(a.OutTerminal, stateColours[string(r.State.Type)], r.State.Name)
		rows = append(rows, []string{r.ID.Short(), clip(runOf(r), 30), state, a.ago(*r.EndTime), clip(firstLine(clean(r.State.Message)), 60)})
	}
	for _, line := range a.tableLines([]string{"", "", "", "", ""}, rows)[1:] {
		a.print("%s", a.fit(line))
	}
	a.say("one of them: runnel flow-run inspect %s; all: runnel status -o name", o.Failures[0].ID.Short())
}

// fit cuts a line that would go on below itself.
func (a *app) fit(line string) string { return ansi.Truncate(line, a.Width, "…") }
