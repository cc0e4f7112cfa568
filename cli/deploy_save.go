package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// saved is an entry on its way into a project file.
type saved struct {
	path  string
	entry discover.Entry
}

// prepareSave finds out, before anything is changed, what --save writes and
// whether the file lets itself be written.
func (j *deployJob) prepareSave() error {
	if !j.saves() {
		return nil
	}
	if len(j.orders) != 1 {
		return usage("--save writes one deployment, and %d are chosen", len(j.orders))
	}
	path, err := j.savePath()
	if err != nil {
		return err
	}
	o := j.orders[0]
	e := o.entry // as the file has it, its templates too
	if err := j.overlay(&e, o.flow); err != nil {
		return err
	}
	if e.Line == 0 {
		e.Entrypoint = entrypointFrom(filepath.Dir(path), o)
	}
	file, err := j.readProject(path)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = &discover.Project{Path: path}, nil
	}
	if err != nil {
		return err
	}
	there, err := j.deployed(o, e.Name)
	if err != nil {
		return err
	}
	if j.c.Entrypoint != "" {
		e = file.WithoutSteps(e)
		if err := keepSchedules(&e, there); err != nil {
			return err
		}
	}
	if e.Concurrency != nil && e.Concurrency.Limit == nil && there.ConcurrencyLimit != nil {
		e.Concurrency.Limit = there.ConcurrencyLimit // the file has no strategy without it
	}
	for i := range j.wishes {
		j.wishes[i].ProjectFile = path
	}
	j.save = &saved{path, e}
	return j.agree(file, there)
}

// deployed is the deployment as it is; one without a name where there is none.
func (j *deployJob) deployed(o order, name string) (store.Deployment, error) {
	if !j.hasDatabase() {
		return store.Deployment{}, nil
	}
	s, err := j.store()
	if err != nil {
		return store.Deployment{}, err
	}
	d, err := s.Deployment(j.ctx, o.flow.FlowName+"/"+name)
	if err != nil || d.Name != name {
		return store.Deployment{}, nil // deploying makes it
	}
	return d, nil
}

// agree makes the saved entry mean what the line does: what else an entry says
// leaves it, where it would change the deployment again. Whether it would is
// tried, by planning the entry upon the line.
func (j *deployJob) agree(file *discover.Project, there store.Deployment) error {
	e := &j.save.entry
	var gone []string
	for {
		after, at, err := file.Saved(*e)
		if err != nil {
			return &exitError{code: exitRefused, message: err.Error(), hint: []string{"or deploy without writing it: --no-save"}}
		}
		fields, err := j.disagreement(after, at)
		if err != nil {
			return err
		}
		if len(fields) == 0 {
			break
		}
		more := letGo(e, fields, there)
		if gone = append(gone, more...); j.c.Entrypoint == "" || len(more) == 0 {
			return &exitError{
				code:    exitRefused,
				message: fmt.Sprintf("not saved: the entry in %s would not mean what this line does: %s", filepath.Base(file.Path), strings.Join(fields, ", ")),
				hint: []string{
					"change the entry, and deploy that: runnel deploy -n " + store.Quote(e.Name),
					"or deploy without writing it: --no-save",
				},
			}
		}
	}
	if len(gone) > 0 {
		j.notes.about("the entry in "+filepath.Base(file.Path)+" lets go of what this line does not say", gone...)
	}
	return nil
}

// disagreement are the fields in which a saved entry would change what the line
// makes.
func (j *deployJob) disagreement(file *discover.Project, at int) ([]string, error) {
	again := &deployJob{
		app: j.app, c: deployCmd{Build: j.c.Build, DryRun: j.c.DryRun}, file: file,
		readers: j.readers, commits: j.commits, checkouts: j.checkouts, pythons: j.pythons,
		project: project{filepath.Dir(file.Path)}, orders: []order{{entry: file.Deployments[at]}},
	}
	if j.c.Root != "" {
		again.project = j.project
	}
	if err := again.wish(); err != nil {
		return nil, err
	}
	plan, err := j.rehearse([]store.Wish{j.wishes[0], again.wishes[0]}, store.DeployOptions{DryRun: true, CreatePools: j.c.CreatePools || !j.hasDatabase()})
	var wrong *store.WishError
	switch {
	case errors.As(err, &wrong) && wrong.Index == 1:
		return nil, err
	case err != nil:
		return nil, nil //nolint:nilerr // it is the line's own, and comes again when that is planned
	}
	var fields []string
	for _, field := range plan.Changes[1].Fields {
		fields = append(fields, field.Field)
	}
	if plan.Changes[1].Deployment != plan.Changes[0].Deployment {
		fields = []string{"flow"}
	}
	return fields, nil
}

// entryKeys are the keys of an entry that a plan's fields come from.
var entryKeys = map[string][]string{
	"work_queue": {"work_pool.work_queue_name"}, "job_variables": {"work_pool.job_variables"},
	"description": {"description"}, "version": {"version"}, "tags": {"tags"}, "parameters": {"parameters"},
	"enforce_parameter_schema": {"enforce_parameter_schema"}, "paused": {"paused"},
	"concurrency_limit": {"concurrency_limit"}, "collision_strategy": {"concurrency_limit"},
	"retries": {"retries"}, "retry_delay_seconds": {"retry_delay_seconds"}, "retries_on_crash": {"retries_on_crash"},
	"retry_jitter_factor": {"retry_jitter_factor"}, "timeout_seconds": {"timeout_seconds"},
	"schedules": {"schedules", "schedule"}, "catchup": {"catchup"}, "max_late_seconds": {"max_late"}, "jitter_seconds": {"jitter"},
	"interpreter":   {"python"},
	store.OnFailure: {store.OnFailure}, store.OnCrash: {store.OnCrash}, store.OnCompletion: {store.OnCompletion},
	store.OnLate: {store.OnLate}, "hook_timeout_seconds": {"hook_timeout_seconds"},
}

// letGo takes out of an entry what the fields come from, and names the keys. It
// names none where that was done before, or does not help.
func letGo(e *discover.Entry, fields []string, there store.Deployment) (gone []string) {
	for _, field := range fields {
		if field == "pull_steps" && len(there.Shown) == 0 && e.Pull.Origin == discover.StepsAbsent {
			e.Pull = discover.Steps{Origin: discover.StepsOwn, List: entrySteps(there.PullSteps)}
			gone = append(gone, "pull")
		}
		for _, key := range entryKeys[field] {
			if !slices.Contains(e.Dropped, key) {
				e.Dropped = append(e.Dropped, key)
				gone = append(gone, key)
			}
		}
	}
	return gone
}

// entrySteps are steps as a file has them.
func entrySteps(steps []store.Step) []discover.Step {
	out := []discover.Step{}
	for _, s := range steps {
		out = append(out, discover.Step{Name: s.Name, ID: s.ID, Requires: s.Requires, Arguments: s.Arguments})
	}
	return out
}

// keepSchedules gives an entry the schedules that the deployment keeps, since
// the line sets none.
func keepSchedules(e *discover.Entry, there store.Deployment) error {
	if e.Schedules != nil || len(there.Schedules) == 0 {
		return nil
	}
	var list []discover.ScheduleEntry
	for _, kept := range there.Masked().Schedules {
		one, err := parseScheduleObject("--schedule", string(kept.Definition))
		if err != nil {
			return err
		}
		one.Timezone, one.Slug = kept.Timezone, kept.Slug
		if !kept.Active {
			one.Active = &kept.Active
		}
		if len(kept.Parameters) > 0 {
			one.Parameters = kept.Parameters
		}
		list = append(list, one)
	}
	e.Schedules = &list
	return nil
}

// savePath is the project file that the line writes.
func (j *deployJob) savePath() (string, error) {
	path, err := j.projectFile()
	if path == "" {
		path = filepath.Join(j.project.root, "runnel.yaml")
	}
	return path, err
}

// entrypointFrom is an entrypoint as a file in that folder has it.
func entrypointFrom(folder string, o order) string {
	file := o.flow.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(o.root, file)
	}
	relative, err := filepath.Rel(folder, file)
	if err != nil {
		return o.flow.Entrypoint
	}
	_, function, named := cutEntrypoint(o.flow.Entrypoint)
	if named {
		return filepath.ToSlash(relative) + ":" + function
	}
	return filepath.ToSlash(relative)
}

// writeSave writes what prepareSave found fit.
func (j *deployJob) writeSave() error {
	if j.save == nil {
		return nil
	}
	if err := discover.SaveDeployment(j.save.path, j.save.entry); err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		return &exitError{code: exitFailed, message: "it is deployed, and not saved: " + message}
	}
	j.notes.add("%s", savedIn(j.save.path))
	return nil
}

func savedIn(path string) string { return "saved in " + filepath.Base(path) }
