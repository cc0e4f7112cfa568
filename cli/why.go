package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"runnel/runner"
	"runnel/store"
)

type whyCmd struct {
	Target string `arg:"" optional:"" name:"what" help:"A run (its id or the end of it, its name), a deployment (flow/name), a work pool, or a queue (pool/queue)."`
	Pool   string `short:"p" placeholder:"NAME" help:"This work pool, where a run or a deployment is called so, too."`
	outputFlag
}

// Help ends with examples.
func (whyCmd) Help() string {
	return "Of a run it says what it waits for, or how it ended. Of a deployment, what its next run waits for, or why there is none, " +
		"and then of the newest that has begun. Of a work pool or a queue, what keeps its runs from starting. Where nothing is " +
		"wrong it says so.\n\n" +
		"Where several things have the name, a run comes before a deployment, and that before a pool.\n\n" +
		"Examples:\n  runnel why amber-otter\n  runnel why folder-report/nightly\n  runnel why my-process-pool"
}

// reason is what why -o json prints.
type reason struct {
	Kind    string       `json:"kind"` // flow_run, deployment, work_pool or work_queue
	ID      store.ID     `json:"id"`
	Name    string       `json:"name"`
	State   *store.State `json:"state"` // of a run; of a deployment, of the run that waits
	Why     string       `json:"why"`
	LastRun *reason      `json:"last_run"` // of a deployment, where it has one

	told bool // of a last run: it is the one that waits
}

// The kinds of what why explains.
const (
	kindRun        = "flow_run"
	kindDeployment = "deployment"
	kindPool       = "work_pool"
	kindQueue      = "work_queue"
)

func (c whyCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	r, err := c.reason(a, s)
	switch {
	case err != nil:
		return err
	case c.machine():
		return a.printObject(r, c.outputFlag)
	case c.Output == "name":
		a.print("%s", r.ID)
		return nil
	}
	last := r
	a.print("%s: %s", r.Name, r.Why)
	if r.LastRun != nil && !r.LastRun.told {
		last = *r.LastRun
		a.print("%s: %s", last.Name, last.Why)
	}
	if last.Kind == kindRun && (last.State.Type == store.Failed || last.State.Type == store.Crashed) {
		a.say("its log: runnel flow-run logs %s; once more: runnel flow-run retry %[1]s", last.ID.Short())
	}
	return nil
}

// reason finds what is meant: the first of the kinds that has the name.
func (c whyCmd) reason(a *app, s *store.Store) (reason, error) {
	switch {
	case c.Target != "" && c.Pool != "":
		return reason{}, usage("--pool %s says what is meant: leave %q out", c.Pool, c.Target)
	case c.Pool != "":
		return a.poolReason(s, c.Pool)
	case c.Target == "":
		e := usage("WHAT is missing: a run, a deployment (flow/name), a work pool, or a queue (pool/queue)")
		e.hint = []string{"see what there is: runnel status"}
		return reason{}, e
	}
	kinds, finders := "run, deployment or work pool", []func(*store.Store, string) (reason, error){a.runReason, a.deploymentReason, a.poolReason}
	if strings.Contains(c.Target, "/") {
		kinds, finders = "deployment or work queue", []func(*store.Store, string) (reason, error){a.deploymentReason, a.queueReason}
	}
	e := &store.Error{Code: store.NotFound, Message: fmt.Sprintf("no %s %q", kinds, c.Target)}
	for _, find := range finders {
		r, err := find(s, c.Target)
		if !isNotFound(err) {
			a.sayPoolToo(s, c.Target, r)
			return r, err
		}
		for _, hint := range hintsOf(err) {
			if strings.HasPrefix(hint, "did you mean") && !slices.Contains(e.Hint, hint) {
				e.Hint = append(e.Hint, hint)
			}
		}
	}
	e.Hint = append(e.Hint, "see what there is: runnel status")
	return reason{}, e
}

// sayPoolToo names the work pool that a run or a deployment hides.
func (a *app) sayPoolToo(s *store.Store, name string, r reason) {
	if r.Kind != kindRun && r.Kind != kindDeployment {
		return
	}
	if _, err := s.WorkPool(a.ctx, name); err == nil {
		a.say("a work pool is called %q, too: runnel why --pool %s", name, name)
	}
}

func hintsOf(err error) []string {
	_, hint, _ := describe(err)
	return hint
}

func isNotFound(err error) bool {
	var known *store.Error
	return errors.As(err, &known) && known.Code == store.NotFound
}

func (a *app) runReason(s *store.Store, word string) (reason, error) {
	run, err := a.oneToRead(s, word)
	if err != nil {
		return reason{}, err
	}
	return a.reasonOf(s, run)
}

// deploymentReason tells of a deployment's next run, then of the newest that
// has begun.
func (a *app) deploymentReason(s *store.Store, name string) (reason, error) {
	d, err := s.Deployment(a.ctx, name)
	if err != nil {
		return reason{}, err
	}
	next, err := a.nextReason(s, d)
	if err != nil {
		return reason{}, err
	}
	waits := next.ID
	next.Kind, next.ID, next.Name = kindDeployment, d.ID, d.FullName
	run, found, err := s.LastRun(a.ctx, d.ID)
	if err != nil || !found {
		return next, err
	}
	last, err := a.reasonOf(s, run)
	last.told = run.ID == waits
	next.LastRun = &last
	return next, err
}

func (a *app) reasonOf(s *store.Store, r store.Run) (reason, error) {
	sentence, err := a.why(s, r)
	if err != nil {
		return reason{}, err
	}
	late, err := a.lateText(s, r)
	if late != "" {
		sentence += "; " + late
	}
	return reason{Kind: kindRun, ID: r.ID, Name: r.Name, State: &r.State, Why: sentence}, err
}

// why says in a sentence what a run waits for, or how it ended.
func (a *app) why(s *store.Store, r store.Run) (string, error) {
	switch r.State.Type {
	case store.Scheduled, store.Paused:
		w, err := s.Waits(a.ctx, r)
		return a.heldText(s, r, w), err
	case store.Pending, store.Running, store.Cancelling:
		return a.liveText(s, r), nil
	case store.Completed, store.Failed, store.Crashed, store.Cancelled:
	}
	text := r.State.Name + " just now"
	if when := a.ago(r.State.Timestamp); when != "now" {
		text = r.State.Name + " " + when
	}
	switch {
	case r.State.Message != "":
		text += ": " + clean(r.State.Message)
	case r.State.Type == store.Failed || r.State.Type == store.Crashed:
		text += ", and left no word why: see its log"
	}
	return text, nil
}

func (a *app) liveText(s *store.Store, r store.Run) string {
	text := fmt.Sprintf("%s for %s", r.State.Name, duration(a.Clock().Sub(r.State.Timestamp)))
	if r.State.Type == store.Pending {
		text += ": a worker has claimed it, and its process is about to start"
	}
	p, err := runner.ParseProof(r.Owner.Proof)
	if err != nil {
		return text
	}
	flow := a.processes(s, r, p.Identity.PID)
	switch {
	case r.State.Type == store.Cancelling && len(flow) > 1:
		text += ": " + processesText(flow) + " have not ended yet"
	case r.State.Type == store.Cancelling:
		text += ": " + cmp.Or(processesText(flow), "what is left of its process") + " has not ended yet"
	case len(flow) > 0:
		text += ", " + processesText(flow)
	}
	text += fmt.Sprintf(", in slot process %d on %s", p.Identity.PID, p.Identity.Host)
	if p.Identity.Stopped() {
		return text + fmt.Sprintf(", which was stopped (SIGSTOP): kill -CONT %d lets it go on", p.Identity.PID)
	}
	for _, pid := range flow {
		if id, err := runner.IdentityOf(pid); err == nil && id.Stopped() {
			text += fmt.Sprintf("; its process %d was stopped (SIGSTOP): kill -CONT %d lets it go on", pid, pid)
		}
	}
	return text
}

// processes are those of a run's tree that can be seen from here, the oldest
// first. The recorded number may be another's where the slot was killed.
func (a *app) processes(s *store.Store, r store.Run, slot int) (pids []int) {
	attempts, err := s.Attempts(a.ctx, r.ID)
	if err != nil || len(attempts) == 0 {
		return nil
	}
	newest := attempts[len(attempts)-1]
	tree, _ := runner.Orphans(r.ID.String(), newest.Attempt, runner.Identity{}, s.LogPath(newest.Log))
	slices.SortFunc(tree, func(x, y runner.Orphan) int {
		return cmp.Or(cmp.Compare(x.StartTime, y.StartTime), cmp.Compare(x.PID, y.PID))
	})
	for _, o := range tree {
		if o.PID != slot {
			pids = append(pids, o.PID)
		}
	}
	return pids
}

// namedProcesses is how many of a tree are named.
const namedProcesses = 5

func processesText(pids []int) string {
	switch len(pids) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("process %d", pids[0])
	}
	text := "processes " + strings.Trim(fmt.Sprint(pids[:min(len(pids), namedProcesses)]), "[]")
	if more := len(pids) - namedProcesses; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// stoppedWorker names the worker that would take a run, where each of them was
// stopped, or told to stop: it holds its lock, so it lives, and takes nothing.
func (a *app) stoppedWorker(s *store.Store, r store.Run, w store.Wait) string {
	if w.For != store.WaitWorker {
		return ""
	}
	workers, err := s.Workers(a.ctx, r.WorkPoolName)
	if err != nil {
		return ""
	}
	text := ""
	for _, worker := range workers {
		if len(worker.Queues) > 0 && !slices.Contains(worker.Queues, r.WorkQueueName) {
			continue
		}
		switch worker.Status {
		case store.Online:
			return ""
		case store.Stopped:
			text = stoppedText(worker)
		case store.Draining:
			text = cmp.Or(text, drainingText(worker))
		}
	}
	return text
}

// stoppedText says of a worker that it was stopped, and how to mend it.
func stoppedText(w store.Worker) string {
	return fmt.Sprintf("the worker %s, process %d was stopped (SIGSTOP): kill -CONT %[2]d lets it go on", w.Name, w.PID)
}

func drainingText(w store.Worker) string {
	return fmt.Sprintf("the worker %s, process %d was told to stop and takes no new runs; start another: runnel worker start --pool %s",
		w.Name, w.PID, w.WorkPoolName)
}

// heldText is what a waiting run waits for. Where a pause is not all that holds it,
// it says so: who lifts that would wait for nothing.
func (a *app) heldText(s *store.Store, r store.Run, w store.Wait) string {
	if stopped := a.stoppedWorker(s, r, w); stopped != "" {
		return stopped
	}
	text := a.waitText(r, w)
	switch w.For {
	case store.WaitPoolPaused, store.WaitQueuePaused, store.WaitDeploymentPaused:
		if pool, err := s.WorkPool(a.ctx, r.WorkPoolName); err == nil {
			text += unpolledToo(pool, w.For == store.WaitPoolPaused)
		}
	}
	return text
}

// unpolledToo goes on where a pool is paused, or something in it, and has no worker.
func unpolledToo(p store.WorkPool, named bool) string {
	if p.Workers > 0 {
		return ""
	}
	name := strconv.Quote(p.Name)
	if named {
		name = "it"
	}
	return fmt.Sprintf("; and no worker polls %s: runnel worker start --pool %s", name, p.Name)
}

// waitText is the one thing that a waiting run waits for, the nearest first.
func (a *app) waitText(r store.Run, w store.Wait) string {
	switch w.For {
	case store.WaitTime:
		text := fmt.Sprintf("waits for its time, %s (%s)", a.local(r.Due), a.ago(r.Due))
		if r.State.Name == store.NameAwaitingRetry {
			text += "; " + r.State.Message
		}
		return text
	case store.WaitCommand:
		return "its command is gone, and no worker runs an entrypoint: cancel it with runnel flow-run cancel " + r.ID.Short()
	case store.WaitPoolGone:
		return "its work pool was deleted: cancel it with runnel flow-run cancel " + r.ID.Short()
	case store.WaitPoolPaused:
		return fmt.Sprintf("the work pool %q is paused: runnel work-pool resume %s", w.Name, w.Name)
	case store.WaitQueuePaused:
		return fmt.Sprintf("the work queue %q is paused: runnel work-queue resume %s/%s", w.Name, r.WorkPoolName, w.Name)
	case store.WaitDeploymentPaused:
		return fmt.Sprintf("the deployment is paused: runnel deployment resume %s", store.Quote(w.Name))
	case store.WaitWorker:
		return fmt.Sprintf("no worker polls the queue %q of %q; start one: runnel worker start --pool %s", r.WorkQueueName, r.WorkPoolName, r.WorkPoolName)
	case store.WaitPoolLimit, store.WaitQueueLimit, store.WaitDeploymentLimit, store.WaitWorkerLimit:
		if w.Limit == 0 {
			return fmt.Sprintf("the limit of 0 on %s %q lets nothing start: %s --no-concurrency-limit", w.For, w.Name, changeLimit(w, r.WorkPoolName))
		}
		return fmt.Sprintf("the limit of %d on %s %q is reached: it waits for a run to end", w.Limit, w.For, w.Name)
	}
	return fmt.Sprintf("has been due for %s: a worker of %q takes it at its next look", duration(a.Clock().Sub(r.Due)), r.WorkPoolName)
}
