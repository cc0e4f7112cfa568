package cli

import (
	"strings"

	"runnel/store"
)

type scheduleUpdateCmd struct {
	oneSchedule
	Active *bool    `negatable:"" help:"Whether it fires."`
	Param  []string `short:"p" sep:"none" placeholder:"NAME=VALUE" help:"A parameter's value in its runs; repeatable. NAME:=JSON is always JSON."`
	Params string   `placeholder:"JSON" help:"Parameters as a JSON object, @FILE, or - for stdin."`
	ruleFlags
	outputFlag
}

// Help ends with examples.
func (scheduleUpdateCmd) Help() string {
	return "What is not given stays: its slug, its zone, its parameters. No tick that was decided fires again. " +
		"A redeploy that names schedules takes the place of all of them.\n\n" +
		"Examples:\n  runnel deployment schedule update folder-report/nightly --cron @daily\n" +
		"  runnel deployment schedule update nightly every-15m --timezone Europe/Berlin -p top=3"
}

func (c scheduleUpdateCmd) Run(a *app) error {
	s, d, slug, err := c.find(a)
	if err != nil {
		return err
	}
	spec, err := c.spec(a, d, slug)
	if err != nil {
		return err
	}
	changed, warnings, err := s.UpdateSchedule(a.ctx, d.FullName, slug, spec)
	if err != nil {
		return err
	}
	if spec.Cron != "" || spec.Interval != 0 || spec.RRule != "" || spec.Timezone != "" || spec.Active != nil && !*spec.Active {
		a.sayTakenBack(d, slug, "is")
	}
	a.ring(s, d.WorkPoolName)
	for _, w := range warnings {
		a.say("note: %s", w)
	}
	return a.printSchedule(d, changed, c.outputFlag, "updated")
}

// spec is what the line says. A rule without a zone is in the one that the
// schedule has.
func (c scheduleUpdateCmd) spec(a *app, d store.Deployment, slug string) (spec store.ScheduleSpec, err error) {
	rules := len(c.Cron) + len(c.Interval) + len(c.RRule) + len(c.Schedule)
	switch {
	case rules > 1:
		return spec, usage("one schedule is changed at a time, and the line has %d rules", rules)
	case rules == 0 && c.Timezone == "" && c.Active == nil && len(c.Param) == 0 && c.Params == "":
		return spec, nothingGiven("--cron, --interval, --rrule, --timezone, --[no-]active or --param")
	case rules == 0:
		spec = store.ScheduleSpec{Timezone: c.Timezone, Active: c.Active}
	default:
		if spec, err = c.rule(d, slug); err != nil {
			return spec, err
		}
	}
	given, err := a.parametersOf(d, c.Param, c.Params)
	spec.Parameters = spec.Parameters.Over(given)
	return spec, err
}

func (c scheduleUpdateCmd) rule(d store.Deployment, slug string) (store.ScheduleSpec, error) {
	flags := c.ruleFlags
	for _, one := range d.Schedules {
		named := flags.Timezone != "" || strings.Contains(strings.Join(append(flags.RRule, flags.Schedule...), " "), "TZID")
		if one.Slug == slug && !named {
			flags.Timezone = one.Timezone
		}
	}
	specs, err := flags.specs(c.Active)
	if err != nil {
		return store.ScheduleSpec{}, err
	}
	if specs[0].Slug != "" || specs[0].Replaces != "" {
		return store.ScheduleSpec{}, usage("--schedule: its slug stays; replaces renames at a deploy")
	}
	return specs[0], nil
}
