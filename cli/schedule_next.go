package cli

import (
	"fmt"
	"slices"
	"time"

	"runnel/store"
)

type scheduleNextCmd struct {
	Deployment string `arg:"" optional:"" help:"flow/name, or the name alone where it is unique; none: what the flags say."`
	Count      *int   `short:"n" placeholder:"N" help:"At most so many (default: 10; with --to: all, up to 1000)."`
	From       string `placeholder:"TIME" help:"From this instant on (default: now): 2026-12-01T08:00, local unless it has an offset."`
	To         string `placeholder:"TIME" help:"Up to and with this instant."`
	ruleFlags
	outputFlag
}

// Help ends with examples.
func (scheduleNextCmd) Help() string {
	return "Local is the schedule's own zone. The note says what daylight saving does to a tick: that it is moved, or one of two, or what was dropped before it.\n\n" +
		"Examples:\n  runnel deployment schedule next folder-report/nightly -n 3\n" +
		"  runnel deployment schedule next --cron @daily --timezone Europe/Berlin --from 2026-03-28 --to 2026-03-31"
}

const (
	fewTicks  = 10
	manyTicks = 1000
	mostTicks = 100000 // a second's work
)

// comingTick is a tick as -o json prints it.
type comingTick struct {
	At       time.Time `json:"at"`
	Local    string    `json:"local"` // RFC 3339 with the zone's offset
	Timezone string    `json:"timezone"`
	Slug     string    `json:"slug"`
	Note     string    `json:"note"`

	local time.Time
}

func (c scheduleNextCmd) Run(a *app) error {
	from, to, err := c.window(a)
	if err != nil {
		return err
	}
	count, err := c.count(!to.IsZero())
	if err != nil {
		return err
	}
	schedules, err := c.schedules(a)
	if err != nil {
		return err
	}
	for _, s := range schedules {
		if c.Output == "table" {
			a.say("%s: %s", s.Slug, s.Describe())
		}
	}
	ticks := coming(schedules, from, to, count+1)
	more := len(ticks) > count
	if more {
		ticks = ticks[:count]
	}
	if err := a.listTicks(ticks, len(schedules) > 1, c.outputFlag); err != nil {
		return err
	}
	if more && !to.IsZero() {
		a.say("the first %d; more: -n %d", count, min(10*count, mostTicks))
	}
	return nil
}

func (c scheduleNextCmd) count(ends bool) (int, error) {
	switch {
	case c.Count != nil && (*c.Count < 1 || *c.Count > mostTicks):
		return 0, usage("-n: %d; it is 1 to %d", *c.Count, mostTicks)
	case c.Count != nil:
		return *c.Count, nil
	case ends:
		return manyTicks, nil
	}
	return fewTicks, nil
}

// window is what --from and --to say; no end is zero.
func (c scheduleNextCmd) window(a *app) (from, to time.Time, err error) {
	from = a.Clock()
	if c.From != "" {
		if from, err = momentFlag("--from", c.From); err != nil {
			return from, to, err
		}
		from = from.Add(-1) // with the instant itself
	}
	if c.To != "" {
		if to, err = momentFlag("--to", c.To); err == nil && to.Before(from) {
			err = usage("--to %s is before --from", c.To)
		}
	}
	return from, to, err
}

// momentFlag reads the instant that a flag gives.
func momentFlag(flag, text string) (time.Time, error) {
	if t, ok := parseMoment(text); ok {
		return t, nil
	}
	return time.Time{}, &exitError{
		code: exitUsage, message: fmt.Sprintf("%s: %q is no time", flag, text),
		hint: []string{"such as 2026-12-01, 2026-12-01T08:00 (local) or 2026-12-01T08:00+01:00"},
	}
}

// schedules are those of the deployment, or of the line.
func (c scheduleNextCmd) schedules(a *app) ([]store.Schedule, error) {
	specs, err := c.specs(nil)
	switch {
	case err != nil:
		return nil, err
	case c.Deployment != "" && len(specs) > 0:
		return nil, usage("the line names a deployment and a schedule: give one of both")
	case c.Deployment == "" && len(specs) == 0:
		e := usage("a deployment or a schedule is missing")
		e.hint = []string{
			"such as: runnel deployment schedule next folder-report/nightly",
			`or:      runnel deployment schedule next --cron "30 6 * * 1-5" --timezone Europe/Berlin`,
		}
		return nil, e
	}
	if c.Deployment != "" {
		return a.deployedSchedules(c.Deployment)
	}
	return a.lineSchedules(specs)
}

// deployedSchedules are the schedules of a deployment that fire. Those that
// are paused are said.
func (a *app) deployedSchedules(target string) (schedules []store.Schedule, err error) {
	s, err := a.settled()
	if err != nil {
		return nil, err
	}
	d, err := s.Deployment(a.ctx, target)
	if err != nil {
		return nil, err
	}
	if paused(d) {
		a.say("%s is paused, so nothing starts: runnel deployment resume %s", d.FullName, store.Quote(d.FullName))
	}
	if d.WorkPoolName == "" {
		a.say("%s has no work pool, so nothing starts: deploy it again with --pool", d.FullName)
	}
	for _, one := range d.Schedules {
		if !one.Active || one.OperatorPaused {
			a.say("%s does not fire: it is %s", one.Slug, a.nextText(one, ""))
			continue
		}
		schedules = append(schedules, one.Schedule())
	}
	return schedules, nil
}

// lineSchedules are schedules of flags, with what the store warns of them said.
func (a *app) lineSchedules(specs []store.ScheduleSpec) (schedules []store.Schedule, err error) {
	for _, spec := range specs {
		schedule, warnings, err := spec.Normalise(a.Clock())
		if err != nil {
			return nil, err
		}
		for _, w := range warnings {
			a.say("note: %s", w)
		}
		schedules = append(schedules, schedule)
	}
	return schedules, store.DeriveSlugs(schedules)
}

// coming merges the first n ticks of several schedules, by time.
func coming(schedules []store.Schedule, from, to time.Time, n int) []comingTick {
	ticks := []comingTick{}
	for _, s := range schedules {
		for _, t := range upcoming(s, from, to, n) {
			ticks = append(ticks, comingTick{
				At: t.At, Local: t.Local.Format(time.RFC3339), Timezone: s.Timezone, Slug: s.Slug, Note: t.Note, local: t.Local,
			})
		}
	}
	slices.SortStableFunc(ticks, func(a, b comingTick) int { return a.At.Compare(b.At) })
	return ticks[:min(n, len(ticks))]
}

// upcoming asks for a few ticks at a time: the window may end long before n.
func upcoming(s store.Schedule, from, to time.Time, n int) (ticks []store.Tick) {
	for len(ticks) < n {
		few := s.Upcoming(from, min(n-len(ticks), fewTicks))
		for _, t := range few {
			if !to.IsZero() && t.At.After(to) {
				return ticks
			}
			ticks = append(ticks, t)
		}
		if len(few) == 0 {
			return ticks
		}
		from = few[len(few)-1].At
	}
	return ticks
}

func (a *app) listTicks(ticks []comingTick, several bool, f outputFlag) error {
	columns := []string{"Local", "UTC"}
	if several {
		columns = append(columns, "Schedule")
	}
	if slices.ContainsFunc(ticks, func(t comingTick) bool { return t.Note != "" }) {
		columns = append(columns, "Note")
	}
	return list[comingTick]{
		items:   ticks,
		name:    func(t comingTick) string { return t.At.Format(time.RFC3339) },
		columns: columns,
		row: func(t comingTick) []string {
			row := []string{tickTime(t.local, "Mon 2006-01-02 15:04", " MST"), tickTime(t.At, "2006-01-02 15:04", "")}
			if several {
				row = append(row, t.Slug)
			}
			return append(row, t.Note)[:len(columns)]
		},
		empty: "no tick is to come in this time",
	}.print(a.IO, f)
}

// tickTime writes an instant, with seconds where there are any.
func tickTime(t time.Time, minutes, zone string) string {
	if t.Nanosecond() != 0 {
		return t.Format(minutes + ":05.000" + zone)
	}
	if t.Second() != 0 {
		return t.Format(minutes + ":05" + zone)
	}
	return t.Format(minutes + zone)
}
