package cli

import (
	"fmt"
	"strings"
	"time"

	"runnel/store"
)

// limitFlags set a limit or take it away.
type limitFlags struct {
	ConcurrencyLimit *int `short:"l" aliases:"limit" placeholder:"N" help:"At most so many runs at once; 0 starts none."`
	NoLimit          bool `name:"no-concurrency-limit" help:"As many as are due."`
}

func (c limitFlags) check() error {
	if c.ConcurrencyLimit != nil && c.NoLimit {
		return usage("--concurrency-limit and --no-concurrency-limit: give one")
	}
	return nil
}

type poolUpdateCmd struct {
	Name string `arg:"" help:"The work pool."`
	limitFlags
	Description *string  `short:"d" placeholder:"TEXT" help:"What it is for."`
	JobVariable []string `sep:"none" placeholder:"NAME=VALUE" help:"A default for its runs; repeatable (-jv). NAME=null takes one away."`
	hookFlags
	outputFlag
}

// Help ends with examples.
func (poolUpdateCmd) Help() string {
	return "What is not given stays. A lowered limit holds for new runs; what runs goes on.\n\n" +
		"Examples:\n  runnel work-pool update etl --concurrency-limit 8\n  runnel work-pool update etl -jv env.TZ=UTC -jv nice=null"
}

func (c poolUpdateCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	variables, err := jobVariables(nil, c.JobVariable)
	if err != nil {
		return err
	}
	hooks, err := c.hookFlags.change()
	if err != nil {
		return err
	}
	if c.ConcurrencyLimit == nil && !c.NoLimit && c.Description == nil && len(variables) == 0 && hooks.Nothing() {
		return nothingGiven("--concurrency-limit, --no-concurrency-limit, --description, --job-variable or --on-failure")
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	p, err := s.UpdateWorkPool(a.ctx, c.Name, store.PoolChange{
		Description: c.Description, ConcurrencyLimit: c.ConcurrencyLimit, NoLimit: c.NoLimit, JobVariables: variables, Hooks: hooks,
	})
	if err != nil {
		return err
	}
	a.ring(s, p.Name)
	err = a.printChanged(p, p.Name, c.outputFlag, fmt.Sprintf("updated work pool %q", p.Name))
	a.sayLackingPrograms(hooks)
	return err
}

func nothingGiven(flags string) error {
	return usage("nothing to change: give %s", flags)
}

// printChanged shows what a command has made of something.
func (a *app) printChanged(value any, name string, f outputFlag, line string) error {
	switch {
	case f.machine():
		return a.printObject(value, f)
	case f.Output == "name":
		a.print("%s", name)
	default:
		a.print("%s", line)
	}
	return nil
}

type poolPauseCmd struct {
	Name string `arg:"" help:"The work pool."`
	outputFlag
}

// Help ends with examples.
func (poolPauseCmd) Help() string {
	return "What runs goes on.\n\nExamples:\n  runnel work-pool pause my-process-pool\n  runnel pool pause etl"
}

func (c poolPauseCmd) Run(a *app) error { return a.pausePool(c.Name, true, c.outputFlag) }

type poolResumeCmd struct {
	Name string `arg:"" help:"The work pool."`
	outputFlag
}

// Help ends with examples.
func (poolResumeCmd) Help() string {
	return "Examples:\n  runnel work-pool resume my-process-pool\n  runnel pool resume etl"
}

func (c poolResumeCmd) Run(a *app) error { return a.pausePool(c.Name, false, c.outputFlag) }

func (a *app) pausePool(name string, paused bool, f outputFlag) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	touched, err := s.TouchedByPool(a.ctx, name)
	if err != nil {
		return err
	}
	if paused {
		a.sayHeld(fmt.Sprintf("pausing the work pool %q", name), touched)
	}
	p, err := s.PauseWorkPool(a.ctx, name, paused)
	if err != nil {
		return err
	}
	if paused {
		err = a.printChanged(p, p.Name, f, fmt.Sprintf("paused work pool %q", p.Name))
		a.say("lift it: runnel work-pool resume %s", p.Name)
		return err
	}
	err = a.printChanged(p, p.Name, f, fmt.Sprintf("resumed work pool %q", p.Name))
	a.ring(s, p.Name)
	a.sayFreed(touched)
	if line := noWorker(p); line != "" {
		a.say("%s", line)
	}
	return err
}

// sayHeld tells what a pause touches.
func (a *app) sayHeld(doing string, t store.Touched) {
	t.Workers = 0 // they wait
	if !t.Nothing() {
		a.say("%s touches:", doing)
		a.sayTouched(t, "held until it is resumed")
	}
}

// sayFreed tells what a resumption sets going.
func (a *app) sayFreed(t store.Touched) {
	if t.Waiting > 0 {
		a.say("%s may start when due", plural(t.Waiting, "waiting run"))
	}
}

type poolDeleteCmd struct {
	Name string `arg:"" help:"The work pool."`
	yesFlag
}

// Help ends with examples.
func (poolDeleteCmd) Help() string {
	return "Runs that wait in it are cancelled, those that run go on. Its workers end, and its deployments have no pool, " +
		"and their schedules do not fire, until they are deployed again.\n\nExamples:\n  runnel work-pool delete etl\n  runnel work-pool delete etl --yes"
}

func (c poolDeleteCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	touched, err := s.TouchedByPool(a.ctx, c.Name)
	if err != nil {
		return err
	}
	if !touched.Nothing() {
		a.say("deleting the work pool %q touches:", c.Name)
		a.sayTouched(touched, "to be cancelled")
	}
	if err := a.confirm(fmt.Sprintf("delete the work pool %q?", c.Name), c.yesFlag); err != nil {
		return err
	}
	_, hadRuns, err := s.NewestRun(a.ctx, store.RunFilter{Pool: c.Name})
	if err != nil {
		return err
	}
	bells, _ := s.Bells(a.ctx, c.Name) // its workers, which shall end at once
	touched, err = s.DeleteWorkPool(a.ctx, c.Name, "command")
	if err != nil {
		return err
	}
	a.ringAll(s, bells)
	a.print("deleted work pool %q", c.Name)
	if hadRuns {
		a.say("its runs are in no pool now; find them: runnel flow-run ls --deployment or --flow")
	}
	if len(touched.Deployments) > 0 {
		a.say("%s now without a work pool: deploy again with --pool", are(len(touched.Deployments), "deployment"))
	}
	return nil
}

func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return plural(n, noun) + " are"
}

// sayTouched lists what belongs to a thing that is about to go.
func (a *app) sayTouched(t store.Touched, waiting string) {
	if n := len(t.Deployments); n > 0 {
		a.say("  %s: %s", plural(n, "deployment"), clip(strings.Join(t.Deployments, ", "), 200))
	}
	if t.Waiting > 0 {
		a.say("  %s, %s", plural(t.Waiting, "waiting run"), waiting)
	}
	switch {
	case t.Running == 1:
		a.say("  1 running run, which goes on to its end")
	case t.Running > 1:
		a.say("  %s, which go on to their end", plural(t.Running, "running run"))
	}
	if t.Workers > 0 {
		a.say("  %s, which will end", plural(t.Workers, "worker"))
	}
}

// previewFlags say how far a preview looks.
type previewFlags struct {
	Hours float64 `default:"1" placeholder:"N" help:"Due within so many hours (default: 1)."`
	outputFlag
}

func (c previewFlags) preview(a *app, pool, queue string) error {
	if !(c.Hours > 0 && c.Hours < 1e6) {
		return usage("--hours: %v; it is more than 0", c.Hours)
	}
	s, err := a.settled()
	if err != nil {
		return err
	}
	runs, err := s.Upcoming(a.ctx, pool, queue, a.Clock().Add(time.Duration(c.Hours*float64(time.Hour))))
	if err != nil {
		return err
	}
	return list[store.Run]{
		items:   runs,
		name:    func(r store.Run) string { return r.ID.String() },
		columns: []string{"Due", "", "ID", "Name", "Deployment", "Pool", "Queue", "State"},
		row: func(r store.Run) []string {
			return []string{
				a.local(r.Due), a.ago(r.Due), r.ID.Short(), r.Name, runOf(r), r.WorkPoolName, r.WorkQueueName, r.State.Name,
			}
		},
		empty: fmt.Sprintf("nothing is due within %g h", c.Hours),
	}.print(a.IO, c.outputFlag)
}

type poolPreviewCmd struct {
	Name string `arg:"" optional:"" help:"Only of this work pool."`
	previewFlags
}

// Help ends with examples.
func (poolPreviewCmd) Help() string {
	return "Examples:\n  runnel work-pool preview\n  runnel work-pool preview etl --hours 12 -o json"
}

func (c poolPreviewCmd) Run(a *app) error { return c.preview(a, c.Name, "") }
