package cli

import (
	"errors"
	"strings"

	"runnel/store"
)

type deploymentUpdateCmd struct {
	Deployment        string   `arg:"" help:"flow/name, or the name alone where it is unique."`
	Pool              string   `short:"p" placeholder:"NAME" help:"Another work pool."`
	WorkQueue         string   `short:"q" placeholder:"NAME" help:"Another work queue."`
	Description       *string  `short:"d" placeholder:"TEXT" help:"What it does."`
	Tag               []string `short:"t" sep:"none" placeholder:"TAG" help:"A tag, in place of all that it has; repeatable."`
	NoTags            bool     `name:"no-tags" help:"Take all tags away."`
	Param             []string `sep:"none" placeholder:"NAME=VALUE" help:"A parameter's value; repeatable. NAME:=JSON is always JSON."`
	Params            string   `placeholder:"JSON" help:"Parameters as a JSON object, @FILE, or - for stdin."`
	UnsetParam        []string `sep:"none" placeholder:"NAME" help:"Take a parameter back to its default; repeatable."`
	JobVariable       []string `sep:"none" placeholder:"NAME=VALUE" help:"A job variable; repeatable (-jv). NAME=null takes one away."`
	ConcurrencyLimit  *int     `placeholder:"N" help:"At most so many of its runs at once (-cl)."`
	NoLimit           bool     `name:"no-concurrency-limit" help:"As many as are due."`
	CollisionStrategy *string  `placeholder:"WORD" help:"When the limit is reached: ENQUEUE, CANCEL_NEW, REPLACE."`
	Catchup           *string  `placeholder:"WORD" help:"Which missed ticks run after all: latest, all, none."`
	MaxLate           *string  `placeholder:"TIME" help:"Drop a tick that is later than this; none: run it however late."`
	Jitter            *string  `placeholder:"TIME" help:"Put each tick off by up to so much; none: not."`
	RetriesOnCrash    *int     `placeholder:"N" help:"Try a crashed run again so often."`
	hookFlags
	outputFlag
}

// Help ends with examples.
func (deploymentUpdateCmd) Help() string {
	return "What is not given stays; its code, and the retries and timeout that its code sets, are changed by deploy. " +
		"A later deploy of the project file that names the same sets it anew. For its schedules: runnel deployment schedule.\n\n" +
		"Examples:\n  runnel deployment update folder-report/nightly --param top=5 -jv nice=5\n" +
		"  runnel deployment update nightly --pool etl --concurrency-limit 1"
}

func (c deploymentUpdateCmd) Run(a *app) error {
	change, err := c.change()
	if err != nil {
		return err
	}
	s, d, err := a.settledDeployment(c.Deployment)
	if err != nil {
		return err
	}
	if change.Parameters, err = a.parametersOf(d, c.Param, c.Params); err != nil {
		return err
	}
	done, err := s.UpdateDeployment(a.ctx, d.FullName, change)
	if err != nil {
		return err
	}
	if d, err = s.Deployment(a.ctx, d.FullName); err != nil {
		return err
	}
	if err := a.sayMoves(s, d, change); err != nil {
		return err
	}
	a.ring(s, d.WorkPoolName)
	switch {
	case c.plain():
		err = a.printChanged(d.Masked(), d.FullName, c.outputFlag, "")
	case done.Action == "=":
		a.print("%s is so already", d.FullName)
	default:
		(&deployJob{app: a}).printChange(done, false)
	}
	a.sayLackingPrograms(change.Hooks)
	if d.ProjectFile != "" && done.Action != "=" {
		a.say("it came from %s: a deploy of that file sets anew what it names", d.ProjectFile)
	}
	return err
}

// change is what the flags say, but for the parameters.
func (c deploymentUpdateCmd) change() (store.DeploymentChange, error) {
	change := store.DeploymentChange{
		Description: c.Description, Pool: c.Pool, Queue: c.WorkQueue, Unset: c.UnsetParam,
		ConcurrencyLimit: c.ConcurrencyLimit, NoConcurrencyLimit: c.NoLimit,
		CollisionStrategy: c.CollisionStrategy, Catchup: c.Catchup, RetriesOnCrash: c.RetriesOnCrash,
	}
	if err := c.check(); err != nil {
		return change, err
	}
	if len(c.Tag) > 0 || c.NoTags {
		tags := append([]string{}, c.Tag...)
		change.Tags = &tags
	}
	if strings.Contains(c.Pool, "=") {
		e := usage("-p names the work pool here, and %q looks like a parameter", c.Pool)
		e.hint = []string{"a parameter is: --param " + store.Quote(c.Pool)}
		return change, e
	}
	variables, err := jobVariables(nil, c.JobVariable)
	if err != nil {
		return change, err
	}
	change.JobVariables = variables
	if change.Hooks, err = c.hookFlags.change(); err != nil {
		return change, err
	}
	late, lateErr := lengthOrNone("--max-late", c.MaxLate)
	jitter, jitterErr := lengthOrNone("--jitter", c.Jitter)
	change.MaxLate, change.Jitter = late, jitter
	return change, errors.Join(lateErr, jitterErr)
}

func (c deploymentUpdateCmd) check() error {
	switch {
	case c.ConcurrencyLimit != nil && c.NoLimit:
		return usage("--concurrency-limit and --no-concurrency-limit: give one")
	case len(c.Tag) > 0 && c.NoTags:
		return usage("--tag and --no-tags: give one")
	}
	given := c.Pool != "" || c.WorkQueue != "" || c.Description != nil || len(c.Tag) > 0 || c.NoTags ||
		len(c.Param) > 0 || c.Params != "" || len(c.UnsetParam) > 0 || len(c.JobVariable) > 0 ||
		c.ConcurrencyLimit != nil || c.NoLimit || c.CollisionStrategy != nil || c.Catchup != nil ||
		c.MaxLate != nil || c.Jitter != nil || c.RetriesOnCrash != nil || c.hookFlags != (hookFlags{})
	if !given {
		return nothingGiven("--pool, --param, --job-variable, --concurrency-limit or another of its flags")
	}
	return nil
}

// sayMoves tells what a change leaves as it was: runs that were made before.
func (a *app) sayMoves(s *store.Store, d store.Deployment, c store.DeploymentChange) error {
	if c.Pool == "" && c.Queue == "" && len(c.Parameters) == 0 && len(c.Unset) == 0 {
		return nil
	}
	_, waiting, running, _, err := a.touched(s, d)
	if err != nil {
		return err
	}
	if waiting > 0 {
		a.say("not touched: %s, as they were made", plural(waiting, "waiting run"))
	}
	if running > 0 {
		a.say("not touched: %s", plural(running, "running run"))
	}
	return nil
}
