package cli

import (
	"fmt"
	"slices"

	"runnel/store"
)

type scheduleCreateCmd struct {
	Deployment string   `arg:"" help:"flow/name, or the name alone where it is unique."`
	Slug       string   `placeholder:"NAME" help:"What the schedule is called (default: made of its definition)."`
	Active     *bool    `negatable:"" help:"Whether it fires (default: yes)."`
	Param      []string `short:"p" sep:"none" placeholder:"NAME=VALUE" help:"A parameter's value in its runs, over the deployment's; repeatable. NAME:=JSON is always JSON."`
	Params     string   `placeholder:"JSON" help:"Parameters as a JSON object, @FILE, or - for stdin."`
	ruleFlags
	outputFlag
}

// Help ends with examples.
func (scheduleCreateCmd) Help() string {
	return "It stands beside those that there are. A redeploy that names schedules takes the place of all of them.\n\n" +
		"Examples:\n  runnel deployment schedule create folder-report/nightly --cron @daily --timezone Europe/Berlin\n" +
		"  runnel deployment schedule create nightly --interval 15m --slug often -p top=3"
}

func (c scheduleCreateCmd) Run(a *app) error {
	spec, err := c.spec()
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	d, err := s.Deployment(a.ctx, c.Deployment)
	if err != nil {
		return err
	}
	given, err := a.parametersOf(d, c.Param, c.Params)
	if err != nil {
		return err
	}
	if given != nil {
		spec.Parameters = spec.Parameters.Over(given)
	}
	made, warnings, err := s.CreateSchedule(a.ctx, d.FullName, spec)
	if err != nil {
		return err
	}
	a.ring(s, d.WorkPoolName)
	for _, w := range warnings {
		a.say("note: %s", w)
	}
	return a.printSchedule(d, made, c.outputFlag, "created")
}

// printSchedule shows a schedule that was made or changed, and when it fires.
func (a *app) printSchedule(d store.Deployment, one store.DeploymentSchedule, f outputFlag, done string) error {
	line := fmt.Sprintf("%s schedule %s of %s: %s", done, one.Slug, d.FullName, one.Description)
	err := a.printChanged(deploymentSchedule{Deployment: d.FullName, DeploymentSchedule: one}, one.Slug, f, line)
	a.say("next: %s", a.nextText(one, held(d)))
	return err
}

// spec is the one schedule of the line.
func (c scheduleCreateCmd) spec() (store.ScheduleSpec, error) {
	specs, err := c.specs(c.Active)
	if err != nil {
		return store.ScheduleSpec{}, err
	}
	if len(specs) != 1 {
		e := usage("one schedule is made at a time, and the line has %d", len(specs))
		e.hint = []string{`such as: runnel deployment schedule create ` + store.Quote(c.Deployment) + ` --cron "30 6 * * 1-5"`}
		return store.ScheduleSpec{}, e
	}
	if specs[0].Replaces != "" {
		return store.ScheduleSpec{}, usage("--schedule: replaces renames at a deploy; a new schedule has nothing to replace")
	}
	if c.Slug != "" {
		specs[0].Slug = c.Slug
	}
	return specs[0], nil
}

// oneSchedule are the arguments of a command that changes a schedule.
type oneSchedule struct {
	Deployment string `arg:"" help:"flow/name, or the name alone where it is unique."`
	Slug       string `arg:"" optional:"" help:"The schedule; may be left out where there is one."`
}

// find gives the schedule that is named, or the only one.
func (o oneSchedule) find(a *app) (*store.Store, store.Deployment, string, error) {
	s, err := a.store()
	if err != nil {
		return nil, store.Deployment{}, "", err
	}
	d, err := s.Deployment(a.ctx, o.Deployment)
	switch {
	case err != nil:
		return nil, d, "", err
	case o.Slug != "":
		return s, d, o.Slug, nil
	case len(d.Schedules) == 0:
		return nil, d, "", &exitError{
			code: exitNotFound, message: d.FullName + " has no schedule",
			hint: []string{"make one: runnel deployment schedule create " + store.Quote(d.FullName) + ` --cron "30 6 * * 1-5"`},
		}
	case len(d.Schedules) == 1:
		return s, d, d.Schedules[0].Slug, nil
	}
	e := &exitError{code: exitRefused, message: fmt.Sprintf("%s has %d schedules: name one", d.FullName, len(d.Schedules))}
	for _, one := range d.Schedules {
		e.hint = append(e.hint, one.Slug+": "+one.Description)
	}
	return nil, d, "", e
}

type schedulePauseCmd struct {
	oneSchedule
	outputFlag
}

// Help ends with examples.
func (schedulePauseCmd) Help() string {
	return "Its next run is taken back. A redeploy does not lift the pause. What would have run meanwhile does not run later.\n\n" +
		"Examples:\n  runnel deployment schedule pause folder-report/nightly\n  runnel deployment schedule pause nightly every-15m"
}

func (c schedulePauseCmd) Run(a *app) error { return c.setPaused(a, true, c.outputFlag) }

type scheduleResumeCmd struct {
	oneSchedule
	outputFlag
}

// Help ends with examples.
func (scheduleResumeCmd) Help() string {
	return "Examples:\n  runnel deployment schedule resume folder-report/nightly\n  runnel deployment schedule resume nightly every-15m"
}

func (c scheduleResumeCmd) Run(a *app) error { return c.setPaused(a, false, c.outputFlag) }

func (o oneSchedule) setPaused(a *app, pause bool, f outputFlag) error {
	s, d, slug, err := o.find(a)
	if err != nil {
		return err
	}
	one, err := s.PauseSchedule(a.ctx, d.FullName, slug, pause)
	if err != nil {
		return err
	}
	if pause {
		a.sayTakenBack(d, slug, "is")
	}
	shown := deploymentSchedule{Deployment: d.FullName, DeploymentSchedule: one}
	if pause {
		err = a.printChanged(shown, one.Slug, f, fmt.Sprintf("paused schedule %s of %s", one.Slug, d.FullName))
		a.say("lift it: runnel deployment schedule resume %s %s", store.Quote(d.FullName), store.Quote(one.Slug))
		return err
	}
	err = a.printChanged(shown, one.Slug, f, fmt.Sprintf("resumed schedule %s of %s", one.Slug, d.FullName))
	a.say("next: %s", a.nextText(one, held(d)))
	a.ring(s, d.WorkPoolName)
	return err
}

type scheduleDeleteCmd struct {
	oneSchedule
	yesFlag
}

// Help ends with examples.
func (scheduleDeleteCmd) Help() string {
	return "Its waiting run goes with it; the runs that it made stay.\n\n" +
		"Examples:\n  runnel deployment schedule delete folder-report/nightly every-15m --yes\n  runnel deployment schedule delete nightly --yes"
}

func (c scheduleDeleteCmd) Run(a *app) error {
	s, d, slug, err := c.find(a)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(d.Schedules, func(one store.DeploymentSchedule) bool { return one.Slug == slug }) {
		a.sayTakenBack(d, slug, "will be")
		if err := a.confirm(fmt.Sprintf("delete the schedule %s of %s?", slug, d.FullName), c.yesFlag); err != nil {
			return err
		}
	}
	one, err := s.DeleteSchedule(a.ctx, d.FullName, slug)
	if err != nil {
		return err
	}
	a.print("deleted schedule %s of %s: %s", one.Slug, d.FullName, one.Description)
	return nil
}

// sayTakenBack tells which run goes when a schedule is paused, changed or deleted.
func (a *app) sayTakenBack(d store.Deployment, slug, verb string) {
	for _, one := range d.Schedules {
		if one.Slug == slug && one.Next != nil {
			a.say("its run of %s %s taken back", a.tickText(*one.Next, one.Timezone), verb)
		}
	}
}
