package cli

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"runnel/discover"
	"runnel/runner"
	"runnel/store"
)

// deployJob is one line of deploy on its way: prepare reads what it names, plan
// and apply hand it to the store, show and next tell of it. A wizard fills a
// deployCmd and goes the same way.
type deployJob struct {
	*app
	c         deployCmd
	project   project
	file      *discover.Project // nil where none is read
	orders    []order
	wishes    []store.Wish
	notes     notes // one line a kind of warning
	save      *saved
	headed    bool                       // the header was printed
	outputs   map[int]runner.StepOutputs // of the build and push steps, by order
	held      map[string]string          // what those steps were given of secrets and the environment, by template
	given     store.Values               // the parameters of the line
	readers   map[string]*discover.Reader
	commits   map[string]string     // GitVersion by root
	checkouts map[string]checkoutOf // GitCheckout by root
	clones    map[[3]string]string  // cloned by root, branch and commit_sha
	pythons   map[string]string     // of those that name none, by root
	checkout  *string               // its top, once somebody asked
	fromGit   *gitOrder             // once the checkout was read for --from-git
}

// order is one deployment that the line asks for.
type order struct {
	entry discover.Entry // as the file has it; of an entrypoint, its name and entrypoint alone
	root  string         // what its paths are relative to; "" where source is
	flow  discover.Flow
	// source is the repository that it was read from; nil: from this machine's folders.
	source *source
}

// prepare reads the flows, the file and the flags. It touches no database but
// to read variables from one that is there.
func (c deployCmd) prepare(a *app) (*deployJob, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	j := &deployJob{app: a, c: c}
	if err := j.find(); err != nil {
		return nil, err
	}
	if err := j.wish(); err != nil {
		return nil, err
	}
	return j, j.prepareSave()
}

// find chooses between the entrypoint of the line and the project file.
func (j *deployJob) find() (err error) {
	if g, is, err := j.c.asSource(); is || err != nil {
		if err == nil {
			err = j.fromSource(g)
		}
		return err
	}
	if j.project, err = j.app.project(j.c.Root); err != nil {
		return err
	}
	path, err := j.projectFile()
	if err != nil {
		return err
	}
	if j.c.Entrypoint != "" || path == "" {
		return j.fromLine(path)
	}
	return j.fromFile(path)
}

// notRead is said of a project file that would have been read without an
// entrypoint.
const notRead = " is not read: the line has an entrypoint"

// fromLine makes the one order of an entrypoint on the line.
func (j *deployJob) fromLine(path string) error {
	if j.c.All {
		return noProjectFile(j.project.root)
	}
	if err := j.c.missing(); err != nil {
		return err
	}
	if path != "" && !j.saves() {
		j.notes.add("%s"+notRead, filepath.Base(path))
	}
	flow, err := j.readEntrypoint(j.project, j.reader(j.project.root), j.c.Entrypoint)
	if err != nil {
		return err
	}
	entry := discover.Entry{Name: j.c.Name[0], Entrypoint: flow.Entrypoint, Flow: flow.FlowName}
	j.orders = []order{{entry: entry, root: j.project.root, flow: flow}}
	return nil
}

// run is the whole way of a line.
func (j *deployJob) run() error {
	decide := j.apply
	if j.c.DryRun {
		decide = j.plan
	}
	plan, err := decide()
	if err != nil {
		return err
	}
	if err := j.show(plan); err != nil {
		return err
	}
	if !j.c.DryRun {
		return j.next()
	}
	if j.c.ExitCode && !plan.Same() {
		return &exitError{code: exitRefused}
	}
	return nil
}

func (j *deployJob) options(dryRun bool) store.DeployOptions {
	o := store.DeployOptions{DryRun: dryRun, CreatePools: j.c.CreatePools, Prune: j.c.Prune}
	if j.c.All {
		o.File = j.file.Path
	}
	return o
}

// apply runs the build and push steps, and changes the database, all or nothing.
// What would be refused runs no step and makes no database.
func (j *deployJob) apply() (store.Plan, error) {
	if len(j.buildings()) > 0 || !j.hasDatabase() {
		if plan, err := j.placed(j.rehearse(j.wishes, j.options(true))); err != nil {
			return plan, err
		}
	}
	if err := j.build(); err != nil {
		return store.Plan{}, err
	}
	s, err := j.store()
	if err != nil {
		return store.Plan{}, err
	}
	plan, err := j.placed(s.Deploy(j.ctx, j.wishes, j.options(false)))
	if err != nil {
		return plan, err
	}
	j.ringPools(s)
	return plan, j.writeSave()
}

// ringPools wakes the workers: a new schedule may be due before they next look.
func (j *deployJob) ringPools(s *store.Store) {
	rung := map[string]bool{}
	for _, w := range j.wishes {
		pool, err := j.poolOf(s, w)
		if err == nil && !rung[pool] {
			rung[pool] = true
			j.ring(s, pool)
		}
	}
}

// poolOf is the pool of what was deployed: the wished one, or that which it had.
func (j *deployJob) poolOf(s *store.Store, w store.Wish) (string, error) {
	if w.Pool != "" {
		return w.Pool, nil
	}
	d, err := s.Deployment(j.ctx, w.FlowName+"/"+w.Name)
	return d.WorkPoolName, err
}

// plan is what apply would do. Where there is no database it makes none: all is
// new there, the pools too.
func (j *deployJob) plan() (store.Plan, error) {
	options := j.options(true)
	options.CreatePools = options.CreatePools || !j.hasDatabase()
	return j.placed(j.rehearse(j.wishes, options))
}

// rehearse is what some wishes would do.
func (j *deployJob) rehearse(wishes []store.Wish, options store.DeployOptions) (store.Plan, error) {
	if j.hasDatabase() {
		s, err := j.store()
		if err != nil {
			return store.Plan{}, err
		}
		return s.Deploy(j.ctx, wishes, options)
	}
	folder, err := os.MkdirTemp("", "runnel-plan-")
	if err != nil {
		return store.Plan{}, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system cleans its temporary folder
	s := store.New(filepath.Join(folder, "plan.db"))
	s.Clock = j.Clock
	if err := s.Open(j.ctx); err != nil {
		return store.Plan{}, err
	}
	defer s.Close() //nolint:errcheck // it held nothing
	return s.Deploy(j.ctx, wishes, options)
}

// placed gives the errors of entries their places in the file.
func (j *deployJob) placed(plan store.Plan, err error) (store.Plan, error) {
	var wrong store.WishErrors
	if !errors.As(err, &wrong) || j.file == nil {
		return plan, err
	}
	problems := make([]discover.Problem, len(wrong))
	for i, one := range wrong {
		problems[i] = wishProblem(j.orders[one.Index].entry, one)
	}
	return plan, j.refuse(j.nameFlags(problems))
}

// fieldOf says which of an entry's fields a message of the store speaks of.
var fieldOf = []struct {
	pattern func() *regexp.Regexp
	path    string
}{
	{lazily(`\bparameter "([^"]+)"`), "parameters.$1"},
	{lazily(`\bjob variable "([^"]+)"`), "work_pool.job_variables.$1"},
	{lazily(`has no work pool`), "work_pool"},
	{lazily(`cannot name a work pool`), "work_pool.name"},
	{lazily(`cannot name a work queue`), "work_pool.work_queue_name"},
	{lazily(`cannot name a deployment`), "name"},
	{lazily(`a concurrency limit`), "concurrency_limit"},
	{lazily(`\bretries of`), "retries"},
	{lazily(`a retry delay`), "retry_delay_seconds"},
	{lazily(`a timeout of`), "timeout_seconds"},
	{lazily(`\b(on_failure|on_crash|on_completion|on_late|hook_timeout_seconds): `), "$1"},
}

// givenHere is a hint at a flag, for what the file gives as well.
var givenHere = lazily(`give it: --param (\S+)=…`)

// wishProblem is what the store refuses, where the file has it.
func wishProblem(e discover.Entry, err error) discover.Problem {
	path := ""
	for _, field := range fieldOf {
		if at := field.pattern().FindStringSubmatchIndex(err.Error()); at != nil {
			path = string(field.pattern().ExpandString(nil, field.path, err.Error(), at))
			break
		}
	}
	return e.At(path, err.Error(), givenHere().ReplaceAllString(hintOf(err), "give it: parameters: {$1: …}"))
}

// hasDatabase is true where the database is there already.
func (a *app) hasDatabase() bool {
	if a.opened != nil {
		return true
	}
	path, err := a.database()
	if err != nil {
		return true // opening it says what is wrong
	}
	_, err = os.Stat(path)
	return err == nil
}
