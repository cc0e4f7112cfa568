package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

type scheduleCmd struct {
	Ls     scheduleLsCmd     `cmd:"" aliases:"list" help:"List the schedules of a deployment, or of all."`
	Next   scheduleNextCmd   `cmd:"" help:"Show the coming ticks of a deployment, or of a schedule."`
	Create scheduleCreateCmd `cmd:"" help:"Add a schedule to a deployment."`
	Update scheduleUpdateCmd `cmd:"" help:"Change when a schedule fires, or with which parameters."`
	Pause  schedulePauseCmd  `cmd:"" help:"Fire no tick of a schedule until it is resumed."`
	Resume scheduleResumeCmd `cmd:"" help:"Lift a pause."`
	Delete scheduleDeleteCmd `cmd:"" aliases:"rm" help:"Delete a schedule."`
}

type scheduleLsCmd struct {
	Deployment string `arg:"" optional:"" help:"flow/name, or the name alone where it is unique; none: all."`
	outputFlag
}

// Help ends with examples.
func (scheduleLsCmd) Help() string {
	return "Examples:\n  runnel deployment schedule ls folder-report/nightly\n  runnel deployment schedule ls -o json"
}

// deploymentSchedule is a schedule with the name of its deployment.
type deploymentSchedule struct {
	Deployment string `json:"deployment"`
	store.DeploymentSchedule
	held string // why none of its deployment fires
}

func (c scheduleLsCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	deployments, err := someDeployments(a, s, c.Deployment)
	if err != nil {
		return err
	}
	schedules := []deploymentSchedule{}
	for _, d := range deployments {
		for _, one := range d.Schedules {
			schedules = append(schedules, deploymentSchedule{d.FullName, one, held(d)})
		}
	}
	l := list[deploymentSchedule]{
		items:   schedules,
		name:    func(s deploymentSchedule) string { return s.Slug },
		columns: []string{"Slug", "Schedule", "Next"},
		row: func(s deploymentSchedule) []string {
			return []string{s.Slug, s.Description, a.nextText(s.DeploymentSchedule, s.held)}
		},
		empty: "no schedules; make one: runnel deployment schedule create FLOW/DEPLOYMENT --cron \"30 6 * * *\"",
	}
	if c.Deployment == "" {
		l.group = func(s deploymentSchedule) string { return s.Deployment }
		l.name = func(s deploymentSchedule) string { return s.Deployment + " " + s.Slug }
	}
	return l.print(a.IO, c.outputFlag)
}

// someDeployments is the one that is named, or all.
func someDeployments(a *app, s *store.Store, target string) ([]store.Deployment, error) {
	if target == "" {
		return s.Deployments(a.ctx)
	}
	d, err := s.Deployment(a.ctx, target)
	return []store.Deployment{d}, err
}

func paused(d store.Deployment) bool { return d.Paused || d.OperatorPaused }

// held is what keeps all schedules of a deployment from firing; "" for nothing.
func held(d store.Deployment) string {
	switch {
	case paused(d):
		return "its deployment is paused"
	case d.WorkPoolName == "":
		return "its deployment has no work pool"
	}
	return ""
}

// nextText is when a schedule fires next, in its own zone, or why it does not.
func (a *app) nextText(s store.DeploymentSchedule, held string) string {
	switch {
	case s.OperatorPaused:
		return "paused"
	case !s.Active:
		return "inactive"
	case held != "":
		return held
	case s.Next == nil:
		return "over"
	}
	return a.tickText(*s.Next, s.Timezone)
}

// tickText is an instant in a schedule's zone, here where that differs, and
// relative to now.
func (a *app) tickText(at time.Time, zone string) string {
	here := at.Local()
	if loc, err := store.LoadZone(zone); err == nil {
		at = at.In(loc)
	}
	text := tickTime(at, "Mon 2006-01-02 15:04", " MST")
	_, offset := at.Zone()
	switch _, own := here.Zone(); {
	case offset == own:
	case at.Day() == here.Day():
		text += " = " + tickTime(here, "15:04", " MST")
	default:
		text += " = " + tickTime(here, "Mon 15:04", " MST")
	}
	return fmt.Sprintf("%s (%s)", text, a.ago(at))
}

// tickOf is the instant that a run stands for, and whose tick it is.
func tickOf(r store.Run) string {
	if r.ScheduledFor == nil || r.ScheduleSlug == nil {
		return ""
	}
	return fmt.Sprintf("%s, by the schedule %s", tickTime(r.ScheduledFor.Local(), "Mon 2006-01-02 15:04", " MST"), *r.ScheduleSlug)
}

// nextOf is the schedule of a deployment that fires first.
func nextOf(d store.Deployment) (first store.DeploymentSchedule, found bool) {
	for _, s := range d.Schedules {
		if s.Next != nil && (!found || s.Next.Before(*first.Next)) {
			first, found = s, true
		}
	}
	return first, found
}

// sayNext says after a deploy when the first run is due.
func (a *app) sayNext(d store.Deployment) {
	if s, found := nextOf(d); found && !paused(d) {
		a.say("next: %s", a.tickText(*s.Next, s.Timezone))
	}
}

// missedPairs say what becomes of ticks that are missed, where it matters.
func missedPairs(d store.Deployment) (pairs [][2]string) {
	if len(d.Schedules) > 0 || d.Catchup != store.CatchupLatest {
		pairs = append(pairs, [2]string{"catchup", d.Catchup})
	}
	if d.MaxLateSeconds != nil {
		pairs = append(pairs, [2]string{"max late", secondsText(*d.MaxLateSeconds)})
	}
	if d.JitterSeconds != nil {
		pairs = append(pairs, [2]string{"jitter", secondsText(*d.JitterSeconds)})
	}
	return pairs
}

func secondsText(seconds float64) string {
	return duration(time.Duration(seconds * float64(time.Second)))
}

// showSchedules lists a deployment's schedules with their next ticks.
func (a *app) showSchedules(d store.Deployment) {
	if len(d.Schedules) == 0 {
		return
	}
	var rows [][]string
	for _, s := range d.Schedules {
		rows = append(rows, []string{s.Slug, s.Description, a.nextText(s, held(d))})
	}
	a.print("schedules")
	a.printTable([]string{"Slug", "Schedule", "Next"}, rows)
	for _, s := range d.Schedules {
		if len(s.Parameters) > 0 {
			a.print("%s runs with %s", s.Slug, clean(compactJSON(s.Parameters)))
		}
	}
}

// printScheduleChange prints the schedules that a plan adds, takes or changes,
// a line each.
func (a *app) printScheduleChange(f store.FieldChange) {
	before, after := scheduleLines(f.Old), scheduleLines(f.New)
	for _, line := range after {
		slug, what, _ := strings.Cut(line, ": ")
		old := slices.IndexFunc(before, func(b string) bool { return strings.HasPrefix(b, slug+": ") })
		switch {
		case old < 0:
			a.print("    %s schedule %s: %s", a.colour(a.OutTerminal, green, "+"), slug, clean(what))
		case before[old] != line:
			_, was, _ := strings.Cut(before[old], ": ")
			a.print("    %s schedule %s: %s -> %s", a.colour(a.OutTerminal, yellow, "~"), slug, clean(was), clean(what))
		}
	}
	for _, line := range before {
		slug, what, _ := strings.Cut(line, ": ")
		if !slices.ContainsFunc(after, func(n string) bool { return strings.HasPrefix(n, slug+": ") }) {
			a.print("    %s schedule %s: %s", a.colour(a.OutTerminal, red, "-"), slug, clean(what))
		}
	}
}

func scheduleLines(value any) []string {
	lines, _ := value.([]string)
	return lines
}
