package cli

import (
	"fmt"
	"strings"

	"runnel/store"
)

type workPoolCmd struct {
	Create  poolCreateCmd  `cmd:"" help:"Make a work pool."`
	Ls      poolLsCmd      `cmd:"" aliases:"list" help:"List the work pools."`
	Inspect poolInspectCmd `cmd:"" help:"Show one work pool."`
}

type poolCreateCmd struct {
	Name             string `arg:"" help:"Its name."`
	Type             string `short:"t" default:"process" help:"What its runs are: process."`
	ConcurrencyLimit *int   `placeholder:"N" help:"At most so many runs at once."`
	Description      string `short:"d" help:"What it is for."`
	Paused           bool   `help:"Start nothing until it is resumed."`
	Output           string `short:"o" enum:"table,json,yaml,name" default:"table" placeholder:"FORMAT" help:"How to print: table, json, yaml, name."`
}

// Help ends with examples.
func (poolCreateCmd) Help() string {
	return "Examples:\n  runnel work-pool create --type process my-process-pool\n  runnel work-pool create etl --concurrency-limit 4"
}

func (c poolCreateCmd) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	p, err := s.CreateWorkPool(a.ctx, store.WorkPool{
		Name: c.Name, Type: c.Type, Description: c.Description,
		ConcurrencyLimit: c.ConcurrencyLimit, IsPaused: c.Paused,
	})
	if err != nil {
		return err
	}
	f := outputFlag{Output: c.Output}
	switch {
	case f.machine():
		return a.printObject(p, f)
	case f.Output == "name":
		a.print("%s", p.Name)
		return nil
	}
	a.print("created work pool %q (%s)", p.Name, p.ID)
	a.say("start a worker for it: runnel worker start --pool %s", p.Name)
	return nil
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
		columns: []string{"Name", "Type", "Status", "ID", "Concurrency Limit", "Workers", "Late"},
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
		return a.printObject(p, c.outputFlag)
	}
	if c.Output == "name" {
		a.print("%s", p.Name)
		return nil
	}
	a.pairs([][2]string{
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
	})
	if p.Workers == 0 {
		a.say("nothing runs without a worker: runnel worker start --pool %s", p.Name)
	}
	return nil
}

func nonEmptyObject(text string) string {
	if text == "{}" {
		return ""
	}
	return text
}

type workQueueCmd struct {
	Ls queueLsCmd `cmd:"" aliases:"list" help:"List the work queues, and whether each is healthy."`
}

type queueLsCmd struct {
	Pool string `short:"p" env:"RUNNEL_POOL" placeholder:"NAME" help:"Only of this work pool."`
	outputFlag
}

// Help ends with examples.
func (queueLsCmd) Help() string {
	return "Examples:\n  runnel work-queue ls\n  runnel work-queue ls -p my-process-pool -o json"
}

func (c queueLsCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	queues, err := s.WorkQueues(a.ctx, c.Pool)
	if err != nil {
		return err
	}
	return list[store.WorkQueue]{
		items:   queues,
		name:    func(q store.WorkQueue) string { return q.WorkPoolName + "/" + q.Name },
		columns: []string{"Pool", "Name", "Priority", "Status", "Concurrency Limit", "Last Polled", "Late", "Healthy"},
		row: func(q store.WorkQueue) []string {
			polled := "never"
			if q.LastPolled != nil {
				polled = a.ago(*q.LastPolled)
			}
			return []string{
				q.WorkPoolName, q.Name, fmt.Sprint(q.Priority), statusText(q.Status),
				limitText(q.ConcurrencyLimit), polled, fmt.Sprint(q.Late), yesNo(q.Healthy),
			}
		},
		empty: "no work queues: each work pool has one called \"default\"; make a pool: runnel work-pool create my-process-pool",
	}.print(a.IO, c.outputFlag)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
