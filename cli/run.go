package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"runnel/discover"
	"runnel/runner"
	"runnel/store"
)

type runCmd struct {
	Target         string   `arg:"" optional:"" help:"A deployment (flow/name), or an entrypoint (flows/report.py:folder_report)."`
	Param          []string `short:"p" sep:"none" placeholder:"NAME=VALUE" help:"A parameter's value; repeatable. NAME:=JSON is always JSON."`
	Params         string   `placeholder:"JSON" help:"Parameters as a JSON object, @FILE, or - for stdin."`
	Like           string   `placeholder:"RUN" help:"In place of a target: the same again, with its parameters; -p changes some."`
	Name           string   `aliases:"flow-run-name" placeholder:"NAME" help:"The run's name (default: two words)."`
	Tag            []string `short:"t" sep:"none" placeholder:"TAG" help:"A further tag; repeatable."`
	WorkQueue      string   `short:"q" placeholder:"NAME" help:"Another work queue of its pool."`
	JobVariable    []string `sep:"none" placeholder:"NAME=VALUE" help:"A job variable for this run; repeatable (-jv)."`
	In             string   `aliases:"start-in" placeholder:"TIME" help:"Start after this time: 10m, 2h."`
	At             string   `aliases:"start-at" placeholder:"TIME" help:"Start then: 2026-12-01T08:00, local unless it has an offset."`
	IdempotencyKey string   `placeholder:"KEY" help:"A second call with the same key gives the first run."`
	Timeout        string   `placeholder:"TIME" help:"Stop the run after this time: 90s, 10m."`
	retryFlags
	Watch        bool   `help:"Follow its log to the end; the exit code says how it ended."`
	WatchTimeout string `placeholder:"TIME" help:"Stop watching after this time (exit code 124)."`
	Root         string `type:"path" placeholder:"DIR" help:"The project root, for an entrypoint."`
	outputFlag
}

// Help ends with examples.
func (runCmd) Help() string {
	return "A deployment's run waits for a worker; an entrypoint runs here and now, and needs none.\n\n" +
		"Exit codes with --watch: 0 completed, 5 failed, 6 cancelled, 7 crashed, 124 the watching timed out.\n\n" +
		"Examples:\n  runnel run folder-report/nightly -p top=3 --watch\n  runnel run flows/report.py:folder_report -p top=3\n" +
		"  runnel run --like amber-otter -p top=5"
}

func (c runCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	switch {
	case c.Like != "" && c.Target != "":
		return usage("--like %s says what to run: give no target", c.Like)
	case c.Like != "":
		return c.like(a, s)
	case c.Target == "":
		return &exitError{
			code: exitUsage, message: "TARGET is missing: a deployment (flow/name), or an entrypoint (flows/report.py:folder_report)",
			hint: []string{"see: runnel run --help"},
		}
	}
	d, err := s.Deployment(a.ctx, c.Target)
	switch {
	case err == nil:
		return c.deployment(a, s, d)
	case isNotFound(err) && strings.HasPrefix(c.Target, "git+"):
		return &exitError{
			code: exitUsage, message: "what is in a repository is deployed first, and then run by its name",
			hint: []string{"runnel deploy " + store.Quote(c.Target) + " -n NAME -p POOL"},
		}
	case isNotFound(err) && a.isEntrypoint(c.Target):
		return c.entrypoint(a, s)
	}
	return err
}

// isEntrypoint is true for a target with a colon, a path, or the name of a
// file with an extension.
func (a *app) isEntrypoint(target string) bool {
	if strings.Contains(target, ":") || strings.HasPrefix(target, "./") || strings.HasPrefix(target, "../") || filepath.IsAbs(target) {
		return true
	}
	path := filepath.Join(a.Dir, target)
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && filepath.Ext(target) != ""
}

// newRun is what the flags say of a run, whatever it is a run of.
func (c runCmd) newRun(a *app, schema store.ParameterSchema) (n store.NewRun, err error) {
	n = store.NewRun{Name: c.Name, Tags: c.Tag, Queue: c.WorkQueue, IdempotencyKey: c.IdempotencyKey, CreatedBy: "command", Retry: c.policy()}
	if n.Parameters, err = a.parameters(schema, c.Param, c.Params); err != nil {
		return n, err
	}
	if n.JobVariables, err = jobVariables(nil, c.JobVariable); err != nil {
		return n, err
	}
	if c.Timeout != "" {
		limit, err := parseDuration("--timeout", c.Timeout)
		if err != nil {
			return n, err
		}
		seconds := limit.Seconds()
		n.TimeoutSeconds = &seconds
	}
	n.At, err = c.start(a)
	return n, err
}

// start is when --in or --at says; zero for now.
func (c runCmd) start(a *app) (time.Time, error) {
	switch {
	case c.In != "" && c.At != "":
		return time.Time{}, usage("--in and --at both say when: give one")
	case c.In != "":
		wait, err := parseDuration("--in", c.In)
		return a.Clock().Add(wait), err
	case c.At == "":
		return time.Time{}, nil
	}
	if t, ok := parseMoment(c.At); ok {
		return t, nil
	}
	return time.Time{}, &exitError{
		code: exitUsage, message: fmt.Sprintf("--at: %q is no time", c.At),
		hint: []string{"such as 2026-12-01T08:00 (local) or 2026-12-01T08:00+01:00"},
	}
}

// parseDuration reads 90s, 10m, 1h30m, 2d, or a number of seconds.
func parseDuration(flag, text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n > 0 {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, &exitError{
		code: exitUsage, message: fmt.Sprintf("%s: %q is no length of time", flag, text),
		hint: []string{"such as 90s, 10m, 1h30m or 2d"},
	}
}

func (c runCmd) deployment(a *app, s *store.Store, d store.Deployment) error {
	schema, err := store.ParseParameterSchema(d.ParameterSchema)
	if err != nil {
		return fmt.Errorf("read the parameters of %s: %w", d.FullName, err)
	}
	n, err := c.newRun(a, schema)
	if err != nil {
		return err
	}
	n.Deployment = d.FullName
	return c.create(a, s, d.WorkPoolName, n)
}

// create makes the run, wakes the workers, and watches where that is wanted.
func (c runCmd) create(a *app, s *store.Store, pool string, n store.NewRun) error {
	limit, err := c.watchLimit()
	if err != nil {
		return err
	}
	until := a.ctx
	if c.Watch {
		// From here on a Ctrl-C ends the watching: the run may be there already.
		var stop context.CancelFunc
		until, stop = signal.NotifyContext(a.ctx, os.Interrupt)
		defer stop()
	}
	// Whom to wake is read before, so that nothing stands between the commit and
	// the ring. A worker that starts meanwhile looks by itself; where the bells
	// cannot be read, the others look within a second.
	bells, _ := s.Bells(a.ctx, pool)
	run, existed, err := s.CreateRun(a.ctx, n)
	if err != nil {
		return err
	}
	runner.RingWorkers(s, bells)
	c.created(a, s, run, existed)
	if c.Watch {
		return c.watch(watcher{app: a, store: s, out: c.logs(a), limit: limit, until: until}, run)
	}
	return c.printRun(a, run)
}

// ring wakes the workers of a pool. Without it they look within a second.
func (a *app) ring(s *store.Store, pool string) {
	if bells, err := s.Bells(a.ctx, pool); err == nil {
		a.ringAll(s, bells)
	}
}

func (*app) ringAll(s *store.Store, bells []store.ID) { runner.RingWorkers(s, bells) }

// created says what was made, and what it waits for.
func (c runCmd) created(a *app, s *store.Store, run store.Run, existed bool) {
	switch {
	case existed:
		a.say("the key %q made this run before: %s (%s), %s", c.IdempotencyKey, run.Name, run.ID.Short(), run.State.Name)
		return
	case run.Due.After(a.Clock().Add(time.Second)):
		a.say("created flow run %s (%s), to start %s (%s)", run.Name, run.ID.Short(), a.local(run.Due), a.ago(run.Due))
	default:
		a.say("created flow run %s (%s)", run.Name, run.ID.Short())
	}
	if line := a.holds(s, run); line != "" {
		a.say("%s", line)
	}
	if d, err := s.Deployment(a.ctx, *run.Deployment); err == nil && (d.Paused || d.OperatorPaused) {
		a.say("the deployment is paused: the run waits for: runnel deployment resume %s", store.Quote(d.FullName))
	}
	if !c.Watch {
		a.say("follow it: runnel flow-run logs %s --follow", run.ID.Short())
	}
}

// holds is what keeps a run from starting, but for the pause of its deployment.
func (a *app) holds(s *store.Store, run store.Run) string {
	pool, err := s.WorkPool(a.ctx, run.WorkPoolName)
	if err != nil {
		return "" // it was deleted just now
	}
	if none := noWorker(pool); none != "" {
		queue, err := s.WorkQueue(a.ctx, run.WorkPoolName, run.WorkQueueName)
		if err != nil || pool.IsPaused {
			return none
		}
		return none + heldToo(pool, []queueLook{{WorkQueue: queue}})
	}
	obstacle, _ := a.obstacle(s, store.Run{WorkPoolName: run.WorkPoolName, WorkQueueName: run.WorkQueueName})
	return obstacle
}

func (c runCmd) printRun(a *app, run store.Run) error {
	switch f := c.outputFlag; {
	case f.machine():
		return a.printObject(a.masked(a.opened, []store.Run{run})[0], f)
	case f.Output == "name":
		a.print("%s", run.ID)
	}
	return nil
}

// watchLimit is how long to watch, 0 for as long as it takes.
func (c runCmd) watchLimit() (time.Duration, error) {
	if c.WatchTimeout == "" {
		return 0, nil
	}
	return parseDuration("--watch-timeout", c.WatchTimeout)
}

func (c runCmd) watch(w watcher, run store.Run) error {
	run, err := w.follow(run.ID)
	if err != nil {
		return err
	}
	return c.ended(w.app, run)
}

// logs is where followed logs go: stdout, but for JSON's sake.
func (c runCmd) logs(a *app) logPrinter {
	if c.plain() {
		return logPrinter{w: a.Err, terminal: a.ErrTerminal}
	}
	return logPrinter{w: a.Out, terminal: a.OutTerminal}
}

// ended says how a watched run ended; its state is the exit code.
func (c runCmd) ended(a *app, run store.Run) error {
	if err := c.printRun(a, run); err != nil {
		return err
	}
	a.sayEnd(run)
	return stateError(run.State.Type)
}

func (a *app) sayEnd(run store.Run) {
	took := ""
	if d, ok := run.Took(a.Clock()); ok && run.EndTime != nil {
		took = " after " + duration(d)
	}
	message := ""
	if run.State.Message != "" {
		message = ": " + clean(run.State.Message)
	}
	a.say("%s %s%s%s", run.Name, a.colour(a.ErrTerminal, stateColours[string(run.State.Type)], run.State.Name), took, message)
}

// stateError is the exit code of a watched run.
func stateError(state store.StateType) error {
	codes := map[store.StateType]int{
		store.Failed: exitRunFailed, store.Cancelled: exitCancelled, store.Crashed: exitCrashed,
	}
	if code, bad := codes[state]; bad {
		return &exitError{code: code}
	}
	return nil
}

// entrypoint runs a flow of a file here and now.
func (c runCmd) entrypoint(a *app, s *store.Store) error {
	if err := runner.Supported(); err != nil {
		return err
	}
	if err := c.onlyDeployments(); err != nil {
		return err
	}
	p, err := a.project(c.Root)
	if err != nil {
		return err
	}
	flow, err := a.readEntrypoint(p, discover.NewReader(p.root), c.Target)
	if err != nil {
		return err
	}
	schema, err := store.ParseParameterSchema(flow.Parameters)
	if err != nil {
		return fmt.Errorf("read the parameters of %s: %w", flow.Entrypoint, err)
	}
	n, err := c.newRun(a, schema)
	if err != nil {
		return err
	}
	if err := checkScript(flow, schema, n.Parameters); err != nil {
		return err
	}
	job, err := a.job(p, flow, n.JobVariables)
	if err != nil {
		return err
	}
	said := map[string]bool{
		"retries": c.Retries != nil, "retry_delay_seconds": c.RetryDelay != nil, "retry_jitter_factor": c.RetryJitter != nil,
		"retries_on_crash": c.RetriesOnCrash != nil, "timeout_seconds": c.Timeout != "",
	}
	if list := untold(flow, func(option string) bool { return said[option] }); list != nil {
		a.say("%s", note{leftOut, list})
	}
	return c.foreground(a, s, flow.FlowName, job, n)
}

// like makes a run as an earlier one was, with what the flags change.
func (c runCmd) like(a *app, s *store.Store) error {
	before, err := a.oneToRead(s, c.Like)
	if err != nil {
		return err
	}
	schema, pool := json.RawMessage(nil), ""
	if before.Job != nil {
		schema = before.Job.ParameterSchema
	} else {
		d, err := s.Deployment(a.ctx, *before.Deployment)
		if err != nil {
			return err
		}
		schema, pool = d.ParameterSchema, d.WorkPoolName
		if c.WorkQueue == "" && before.WorkPoolName == pool {
			c.WorkQueue = before.WorkQueueName
		}
	}
	parsed, err := store.ParseParameterSchema(schema)
	if err != nil {
		return fmt.Errorf("read the parameters of %s: %w", before.Name, err)
	}
	n, err := c.newRun(a, parsed)
	if err != nil {
		return err
	}
	if err := alike(&n, before); err != nil {
		return err
	}
	if before.Job == nil {
		n.Deployment = *before.Deployment
		return c.create(a, s, pool, n)
	}
	if err := c.onlyDeployments(); err != nil {
		return err
	}
	return c.foreground(a, s, before.FlowName, *before.Job, n)
}

// alike fills in what the flags do not say from an earlier run.
func alike(n *store.NewRun, before store.Run) error {
	n.Parameters = before.Parameters.Over(n.Parameters)
	n.Tags = append(before.Tags, n.Tags...)
	variables := before.JobVariables.Over(nil)
	if err := variables.Add(n.JobVariables); err != nil {
		return err
	}
	n.JobVariables = variables
	if n.TimeoutSeconds == nil {
		n.TimeoutSeconds = before.TimeoutSeconds
	}
	n.Retry = n.Retry.Over(before.Retry)
	return nil
}

// onlyDeployments refuses what has no meaning for a run that starts at once.
func (c runCmd) onlyDeployments() error {
	for _, f := range [][2]string{{"--work-queue", c.WorkQueue}, {"--in", c.In}, {"--at", c.At}, {"--idempotency-key", c.IdempotencyKey}} {
		if flag := f[0]; f[1] != "" {
			return &exitError{
				code: exitUsage, message: flag + " is for a deployment's run; an entrypoint runs here and now",
				hint: []string{"deploy it first: runnel deploy " + store.Quote(c.Target) + " -n NAME -p POOL"},
			}
		}
	}
	return nil
}

func (a *app) job(p project, flow discover.Flow, variables store.Values) (job store.Job, err error) {
	job = store.Job{Entrypoint: flow.Entrypoint, Kind: flow.Kind, Path: p.root, ParameterSchema: flow.Parameters}
	job.Retries, job.RetryDelaySeconds, job.TimeoutSeconds = flowBudget(flow)
	onCrash, jitter := crashBudget(flow)
	if onCrash != nil {
		job.RetriesOnCrash = *onCrash
	}
	if jitter != nil {
		job.RetryJitterFactor = *jitter
	}
	job.Interpreter, err = a.interpreter(p, flow, variables)
	return job, err
}

func (c runCmd) foreground(a *app, s *store.Store, flow string, job store.Job, n store.NewRun) error {
	run, err := a.here(s, c.logs(a), func(f runner.Foreground, stops <-chan os.Signal) (store.Run, error) {
		return f.Run(a.ctx, flow, job, n, stops)
	})
	if err != nil {
		return err
	}
	return c.ended(a, run)
}

// here runs attempts in this command's own slots, and shows their logs.
func (a *app) here(s *store.Store, out logPrinter, work func(runner.Foreground, <-chan os.Signal) (store.Run, error)) (store.Run, error) {
	stops := make(chan os.Signal, 4)
	signal.Notify(stops, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stops)
	s.Patient = true // an end is never given up
	following := &follower{}
	f := runner.Foreground{Store: s, Maker: a.maker(s), Started: func(run store.Run, log string) {
		if run.RunCount > 1 {
			following.finish()
			following = &follower{}
			a.say("attempt %d of %s", run.RunCount, run.Name)
		} else {
			a.say("flow run %s (%s)", run.Name, run.ID.Short())
		}
		following.start(a.ctx, log, out.visit)
	}, Stopping: func() { a.say("cancelling (once more leaves it no grace)") }}
	run, err := work(f, stops)
	following.finish()
	return run, err
}

// maker makes jobs with this process's environment.
func (a *app) maker(s *store.Store) runner.Maker {
	binary, err := os.Executable()
	if err != nil {
		binary = os.Args[0]
	}
	return runner.Maker{Store: s, Env: a.Environ, Binary: binary}
}
