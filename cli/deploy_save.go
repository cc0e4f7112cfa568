package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"runnel/discover"
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
	if j.c.Entrypoint != "" {
		e = file.WithoutSteps(e)
		if err := j.keepSchedules(&e, o); err != nil {
			return err
		}
	}
	if _, err := file.SaveEntry(e); err != nil {
		return &exitError{code: exitRefused, message: err.Error(), hint: []string{"or deploy without writing it: --no-save"}}
	}
	j.save = &saved{path, e}
	for i := range j.wishes {
		j.wishes[i].ProjectFile = path
	}
	return nil
}

// keepSchedules gives an entry the schedules that the deployment keeps, since
// the line sets none.
func (j *deployJob) keepSchedules(e *discover.Entry, o order) error {
	if e.Schedules != nil || !j.hasDatabase() {
		return nil
	}
	s, err := j.store()
	if err != nil {
		return err
	}
	d, err := s.Deployment(j.ctx, o.flow.FlowName+"/"+e.Name)
	if err != nil || d.Name != e.Name || len(d.Schedules) == 0 {
		return nil // there is none yet, or it has none
	}
	var list []discover.ScheduleEntry
	for _, kept := range d.Masked().Schedules {
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
	j.notes.add("saved in %s", filepath.Base(j.save.path))
	return nil
}
