package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"runnel/store"
)

type deploymentCmd struct {
	Ls       deploymentLsCmd      `cmd:"" aliases:"list" help:"List the deployments."`
	Inspect  deploymentInspectCmd `cmd:"" help:"Show one deployment."`
	Run      runCmd               `cmd:"" help:"Make a flow run of a deployment: the same as runnel run."`
	Update   deploymentUpdateCmd  `cmd:"" help:"Change its pool, parameters, limits and such."`
	Pause    deploymentPauseCmd   `cmd:"" help:"Start no runs of it until it is resumed."`
	Resume   deploymentResumeCmd  `cmd:"" help:"Lift a pause."`
	Delete   deploymentDeleteCmd  `cmd:"" aliases:"rm" help:"Delete a deployment; the history of its runs stays."`
	Backfill backfillCmd          `cmd:"" help:"Make the runs of a past window's ticks, each once."`
	Schedule scheduleCmd          `cmd:"" aliases:"schedules" help:"Look at a deployment's schedules and change them."`
}

type deploymentLsCmd struct {
	outputFlag
}

// Help ends with examples.
func (deploymentLsCmd) Help() string {
	return "Examples:\n  runnel deployment ls\n  runnel deployment ls -o name"
}

// deploymentRow is a deployment as ls shows it.
type deploymentRow struct {
	store.Deployment
	Next    *time.Time `json:"next"`     // its schedules' next tick
	LastRun *store.Run `json:"last_run"` // the newest that has begun
	Workers int        `json:"workers"`  // that poll its pool
}

func (c deploymentLsCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	rows, err := deploymentRows(a.ctx, s)
	if err != nil {
		return err
	}
	return list[deploymentRow]{
		items:   rows,
		name:    func(d deploymentRow) string { return d.FullName },
		columns: []string{"Name", "Work Pool", "Worker", "Next", "Last, Ago"},
		row: func(d deploymentRow) []string {
			return []string{d.FullName, orDash(d.WorkPoolName), onlineText(d.Workers), a.nextColumn(d), a.lastColumn(d)}
		},
		empty: "no deployments yet; find a flow and deploy it: runnel discover",
	}.print(a.IO, c.outputFlag)
}

func deploymentRows(ctx context.Context, s *store.Store) ([]deploymentRow, error) {
	deployments, err := s.Deployments(ctx)
	if err != nil {
		return nil, err
	}
	last, err := s.LastRuns(ctx)
	if err != nil {
		return nil, err
	}
	pools, err := s.WorkPools(ctx)
	if err != nil {
		return nil, err
	}
	workers := map[string]int{}
	for _, p := range pools {
		workers[p.Name] = p.Workers
	}
	rows := make([]deploymentRow, len(deployments))
	for i, d := range deployments {
		rows[i] = deploymentRow{Deployment: d.Masked(), Workers: workers[d.WorkPoolName]}
		if first, found := nextOf(d); found {
			rows[i].Next = first.Next
		}
		if r, found := last[d.ID]; found {
			rows[i].LastRun = &r
		}
	}
	return rows, nil
}

func onlineText(workers int) string {
	if workers == 0 {
		return "none"
	}
	return "online"
}

// nextColumn is when a deployment runs next, or that it does not.
func (a *app) nextColumn(d deploymentRow) string {
	switch {
	case paused(d.Deployment):
		return "paused"
	case d.Next == nil:
		return "-"
	}
	return a.ago(*d.Next)
}

func (a *app) lastColumn(d deploymentRow) string {
	if d.LastRun == nil {
		return "-"
	}
	state := d.LastRun.State
	return a.colour(a.OutTerminal, stateColours[string(state.Type)], state.Name) + " " + duration(a.Clock().Sub(state.Timestamp))
}

func deploymentStatus(d store.Deployment) string {
	if paused(d) {
		return "paused"
	}
	return "active"
}

// settledDeployment is a deployment, and the store after every run whose owner
// is gone has been settled.
func (a *app) settledDeployment(name string) (*store.Store, store.Deployment, error) {
	s, err := a.settled()
	if err != nil {
		return nil, store.Deployment{}, err
	}
	d, err := s.Deployment(a.ctx, name)
	return s, d, err
}

type deploymentInspectCmd struct {
	Deployment string `arg:"" help:"flow/name, or the name alone where it is unique."`
	outputFlag
}

// Help ends with examples.
func (deploymentInspectCmd) Help() string {
	return "Examples:\n  runnel deployment inspect folder-report/nightly\n  runnel deployment inspect nightly -o json"
}

func (c deploymentInspectCmd) Run(a *app) error {
	s, d, err := a.settledDeployment(c.Deployment)
	if err != nil {
		return err
	}
	d = d.Masked()
	switch {
	case c.machine():
		return a.printObject(d, c.outputFlag)
	case c.Output == "name":
		a.print("%s", d.FullName)
		return nil
	}
	a.showDeployment(d)
	if err := a.showDropped(s, d); err != nil {
		return err
	}
	if d.WorkPoolName == "" {
		a.say("%s", poolGone(d))
		return nil
	}
	pool, err := s.WorkPool(a.ctx, d.WorkPoolName)
	if err == nil {
		if line := noWorker(pool); line != "" {
			a.say("%s", line)
		}
	}
	return nil
}

func (a *app) showDeployment(d store.Deployment) {
	pairs := [][2]string{
		{"deployment", d.FullName},
		{"id", d.ID.String()},
		{"description", clean(d.Description)},
		{"status", deploymentStatus(d)},
		{"entrypoint", d.Entrypoint},
		{"root", d.Path},
		{"python", d.Interpreter},
		{"version", d.Version},
		{"work pool", cmp.Or(d.WorkPoolName, "none")},
		{"work queue", d.WorkQueueName},
		{"tags", clean(strings.Join(d.Tags, ", "))},
		{"concurrency limit", limitText(d.ConcurrencyLimit) + collisionText(d)},
		{"job variables", nonEmptyObject(compactJSON(d.JobVariables))},
		{"pull steps", stepLines(d.PullSteps)},
	}
	if d.Retries > 0 {
		pairs = append(pairs, [2]string{"retries", fmt.Sprint(d.Retries)})
	}
	if d.RetriesOnCrash > 0 {
		pairs = append(pairs, [2]string{"retries on crash", fmt.Sprint(d.RetriesOnCrash)})
	}
	if d.TimeoutSeconds != nil {
		pairs = append(pairs, [2]string{"timeout", fmt.Sprintf("%gs", *d.TimeoutSeconds)})
	}
	pairs = append(pairs, missedPairs(d)...)
	pairs = append(pairs, hookPairs(d.Hooks)...)
	pairs = append(pairs, [2]string{"created", a.local(d.Created)}, [2]string{"updated", a.local(d.Updated)})
	a.pairs(pairs)
	a.showParameters(d)
	a.showSchedules(d)
}

func collisionText(d store.Deployment) string {
	if d.ConcurrencyLimit == nil {
		return ""
	}
	return " (" + d.CollisionStrategy + ")"
}

// showParameters lists the signature with what is set here.
func (a *app) showParameters(d store.Deployment) {
	schema, err := store.ParseParameterSchema(d.ParameterSchema)
	if err != nil || len(schema.Properties) == 0 {
		return
	}
	defaults := schema.Defaults()
	var rows [][]string
	for _, name := range schema.Names() {
		set, from := string(defaults[name]), "default"
		if value, given := d.Parameters[name]; given {
			set, from = string(value), "deployment"
		}
		if set == "" {
			from = "required"
			if !schema.Requires(name) {
				from = "default, computed"
			}
		}
		rows = append(rows, []string{name, clip(schema.Describe(name), 40), clip(orDash(set), 40), from})
	}
	a.print("parameters")
	a.printTable([]string{"Name", "Type", "Value", "From"}, rows)
}

type deploymentPauseCmd struct {
	Deployment string `arg:"" help:"flow/name, or the name alone where it is unique."`
	outputFlag
}

// Help ends with examples.
func (deploymentPauseCmd) Help() string {
	return "A redeploy does not lift it.\n\nExamples:\n  runnel deployment pause folder-report/nightly\n  runnel deployment pause nightly"
}

func (c deploymentPauseCmd) Run(a *app) error { return a.setPaused(c.Deployment, true, c.outputFlag) }

type deploymentResumeCmd struct {
	Deployment string `arg:"" help:"flow/name, or the name alone where it is unique."`
	outputFlag
}

// Help ends with examples.
func (deploymentResumeCmd) Help() string {
	return "Examples:\n  runnel deployment resume folder-report/nightly\n  runnel deployment resume nightly"
}

func (c deploymentResumeCmd) Run(a *app) error { return a.setPaused(c.Deployment, false, c.outputFlag) }

func (a *app) setPaused(target string, pause bool, f outputFlag) error {
	s, d, err := a.settledDeployment(target)
	if err != nil {
		return err
	}
	if pause {
		if err := a.sayHeldDeployment(s, d); err != nil {
			return err
		}
	}
	if _, err := s.PauseDeployment(a.ctx, d.FullName, pause); err != nil {
		return err
	}
	if d, err = s.Deployment(a.ctx, d.FullName); err != nil {
		return err
	}
	if pause {
		err = a.printChanged(d.Masked(), d.FullName, f, "paused "+d.FullName)
		a.say("lift it: runnel deployment resume %s", store.Quote(d.FullName))
		return err
	}
	err = a.printChanged(d.Masked(), d.FullName, f, "resumed "+d.FullName)
	a.sayNext(d)
	a.ring(s, d.WorkPoolName)
	return err
}

// touched counts the ticks of a deployment, and the runs of it that wait, that
// run, and in all; a tick whose time has not come is none of them.
func (a *app) touched(s *store.Store, d store.Deployment) (ticks, waiting, running, all int, err error) {
	waiting, running, all, err = s.TouchedByDeployment(a.ctx, d)
	for _, one := range d.Schedules {
		if one.Next != nil {
			ticks++
		}
	}
	return ticks, max(0, waiting-ticks), running, max(0, all-ticks), err
}

// sayHeldDeployment tells what a pause of it touches: ticks are taken back,
// runs that somebody made wait on.
func (a *app) sayHeldDeployment(s *store.Store, d store.Deployment) error {
	ticks, waiting, running, _, err := a.touched(s, d)
	if err != nil {
		return err
	}
	if ticks+waiting+running > 0 {
		a.say("pausing %s touches:", d.FullName)
	}
	if ticks > 0 {
		a.say("  %s, whose next run is taken back", plural(ticks, "schedule"))
	}
	a.sayTouched(store.Touched{Waiting: waiting, Running: running}, "held until it is resumed")
	return nil
}

// stepLines shows a step a line, its hidden values by what stands for them.
func stepLines(steps []store.Step) string {
	var lines []string
	for _, step := range steps {
		shown := step.Masked()
		lines = append(lines, strings.TrimSpace(clean(step.Name+" "+nonEmptyObject(compactJSON(shown.Arguments)))))
	}
	return strings.Join(lines, "\n")
}
