package cli

import (
	"os"
	"path/filepath"

	"runnel/discover"
	"runnel/store"
)

// deployJob is one line of deploy on its way: prepare reads what it names, plan
// and apply hand it to the store, show and next tell of it. A wizard fills a
// deployCmd and goes the same way.
type deployJob struct {
	*app
	c        deployCmd
	project  project
	file     *discover.Project // nil where none is read
	orders   []order
	wishes   []store.Wish
	notes    notes // one line a kind of warning
	readers  map[string]*discover.Reader
	commits  map[string]string // GitVersion by root
	checkout *string           // its top, once somebody asked
}

// order is one deployment that the line asks for.
type order struct {
	entry discover.Entry // as the file has it; of an entrypoint, its name and entrypoint alone
	root  string         // what its paths are relative to
	flow  discover.Flow
}

// prepare reads the flows, the file and the flags. It touches no database but
// to read variables from one that is there.
func (c deployCmd) prepare(a *app) (*deployJob, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	j := &deployJob{app: a, c: c, readers: map[string]*discover.Reader{}, commits: map[string]string{}}
	if err := j.find(); err != nil {
		return nil, err
	}
	return j, j.wish()
}

// find chooses between the entrypoint of the line and the project file.
func (j *deployJob) find() (err error) {
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

// fromLine makes the one order of an entrypoint on the line.
func (j *deployJob) fromLine(path string) error {
	if j.c.All {
		return noProjectFile(j.project.root)
	}
	if err := j.c.missing(); err != nil {
		return err
	}
	if path != "" && !j.saves() {
		j.notes.add("%s is not read: the line has an entrypoint", filepath.Base(path))
	}
	flow, err := j.readEntrypoint(j.project, j.reader(j.project.root), j.c.Entrypoint)
	if err != nil {
		return err
	}
	entry := discover.Entry{Name: j.c.Name[0], Entrypoint: flow.Entrypoint, Flow: flow.FlowName}
	j.orders = []order{{entry, j.project.root, flow}}
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
	return store.DeployOptions{DryRun: dryRun, CreatePools: j.c.CreatePools}
}

// apply changes the database, all or nothing.
func (j *deployJob) apply() (store.Plan, error) {
	s, err := j.store()
	if err != nil {
		return store.Plan{}, err
	}
	plan, err := s.Deploy(j.ctx, j.wishes, j.options(false))
	return plan, err
}

// plan is what apply would do. Where there is no database it makes none: all is
// new there, the pools too.
func (j *deployJob) plan() (store.Plan, error) {
	options := j.options(true)
	if j.hasDatabase() {
		s, err := j.store()
		if err != nil {
			return store.Plan{}, err
		}
		return s.Deploy(j.ctx, j.wishes, options)
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
	options.CreatePools = true
	return s.Deploy(j.ctx, j.wishes, options)
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
