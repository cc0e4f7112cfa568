package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"runnel/store"
)

type workPoolCmd struct {
	Create  poolCreateCmd  `cmd:"" help:"Make a work pool."`
	Ls      poolLsCmd      `cmd:"" aliases:"list" help:"List the work pools."`
	Inspect poolInspectCmd `cmd:"" help:"Show one work pool, and the job variables of its type."`
	Update  poolUpdateCmd  `cmd:"" help:"Change its limit, description or default job variables."`
	Pause   poolPauseCmd   `cmd:"" help:"Start no runs of it until it is resumed."`
	Resume  poolResumeCmd  `cmd:"" help:"Lift a pause."`
	Delete  poolDeleteCmd  `cmd:"" aliases:"rm" help:"Delete a work pool with its queues."`
	Preview poolPreviewCmd `cmd:"" help:"List the runs that are due soon, the next first."`
}

type poolCreateCmd struct {
	Name             string   `arg:"" help:"Its name."`
	Type             string   `short:"t" default:"process" help:"What its runs are: process."`
	ConcurrencyLimit *int     `short:"l" aliases:"limit" placeholder:"N" help:"At most so many runs at once."`
	Description      string   `short:"d" placeholder:"TEXT" help:"What it is for."`
	JobVariable      []string `sep:"none" placeholder:"NAME=VALUE" help:"A default for its runs, such as nice=5 or env.HOME=/x; repeatable (-jv)."`
	Paused           bool     `help:"Start nothing until it is resumed."`
	hookFlags
	outputFlag
}

// Help ends with examples.
func (poolCreateCmd) Help() string {
	return "Examples:\n  runnel work-pool create --type process my-process-pool\n  runnel work-pool create etl --concurrency-limit 4 -jv nice=5"
}

func (c poolCreateCmd) Run(a *app) error {
	variables, err := jobVariables(nil, c.JobVariable)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(variables.Over(nil))
	if err != nil {
		return err
	}
	hooks, err := c.hookFlags.change()
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	p, err := s.CreateWorkPool(a.ctx, store.WorkPool{
		Name: c.Name, Type: c.Type, Description: c.Description,
		ConcurrencyLimit: c.ConcurrencyLimit, IsPaused: c.Paused, JobVariables: raw, Hooks: store.Hooks{}.With(hooks),
	})
	if err != nil {
		return err
	}
	err = a.printChanged(p, p.Name, c.outputFlag, fmt.Sprintf("created work pool %q (%s)", p.Name, p.ID))
	a.sayLackingPrograms(hooks)
	if !c.plain() {
		a.say("start a worker for it: runnel worker start --pool %s", p.Name)
	}
	return err
}

type poolLsCmd struct {
	outputFlag
}

// Help ends with examples.
func (poolLsCmd) Help() string {
	return "Examples:\n  runnel work-pool ls\n  runnel work-pool ls -o json"
}

func (c poolLsCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	pools, err := s.WorkPools(a.ctx)
	if err != nil {
		return err
	}
	return list[store.WorkPool]{
		items:   pools,
		name:    func(p store.WorkPool) string { return p.Name },
		columns: []string{"Name", "Type", "Status", "ID", "Limit", "Workers", "Late"},
		row: func(p store.WorkPool) []string {
			return []string{
				p.Name, p.Type, statusText(p.Status), p.ID.Short(), limitText(p.ConcurrencyLimit),
				fmt.Sprint(p.Workers), fmt.Sprint(p.Late),
			}
		},
		empty: "no work pools yet; make one: runnel work-pool create --type process my-process-pool",
	}.print(a.IO, c.outputFlag)
}

// statusText is Prefect's word as people read it: "NOT READY".
func statusText(status string) string { return strings.ReplaceAll(status, "_", " ") }

type poolInspectCmd struct {
	Name string `arg:"" help:"The work pool."`
	outputFlag
}

// Help ends with examples.
func (poolInspectCmd) Help() string {
	return "Examples:\n  runnel work-pool inspect my-process-pool\n  runnel work-pool inspect my-process-pool -o json"
}

func (c poolInspectCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	p, err := s.WorkPool(a.ctx, c.Name)
	if err != nil {
		return err
	}
	if c.machine() {
		return a.printObject(poolInspection{p, store.ProcessVariables}, c.outputFlag)
	}
	if c.Output == "name" {
		a.print("%s", p.Name)
		return nil
	}
	a.pairs(append([][2]string{
		{"name", p.Name},
		{"id", p.ID.String()},
		{"type", p.Type},
		{"status", statusText(p.Status)},
		{"description", clean(p.Description)},
		{"concurrency limit", limitText(p.ConcurrencyLimit)},
		{"workers", fmt.Sprint(p.Workers)},
		{"late runs", fmt.Sprint(p.Late)},
		{"job variables", nonEmptyObject(string(p.JobVariables))},
		{"created", a.local(p.Created)},
	}, hookPairs(p.Hooks)...))
	a.print("job variables of the type %s", p.Type)
	rows := make([][]string, len(store.ProcessVariables))
	for i, v := range store.ProcessVariables {
		rows[i] = []string{v.Name, v.Type, v.Description}
	}
	a.printTable([]string{"Name", "Type", "What It Does"}, rows)
	if p.IsPaused {
		a.say("it starts nothing: runnel work-pool resume %s", p.Name)
	}
	if p.Workers == 0 {
		a.say("nothing runs without a worker: runnel worker start --pool %s", p.Name)
	}
	return nil
}

// poolInspection is a pool with what its type knows, as -o json prints it.
type poolInspection struct {
	store.WorkPool
	Variables []store.JobVariable `json:"type_job_variables"`
}

func nonEmptyObject(text string) string {
	if text == "{}" {
		return ""
	}
	return text
}
