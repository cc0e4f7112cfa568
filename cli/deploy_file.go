package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// projectFile is the path of the project file, "" where there is none. Its
// folder is the root, unless --root says otherwise.
func (j *deployJob) projectFile() (string, error) {
	if path := j.c.File; path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(j.Dir, path)
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !j.saves() {
			return "", &exitError{code: exitNotFound, message: fmt.Sprintf("--file: no file %q", j.c.File)}
		}
		if j.c.Root == "" && j.c.Entrypoint == "" {
			j.project = project{filepath.Dir(path)}
		}
		return path, nil
	}
	path, unread, err := discover.FindProjectFile(j.project.root)
	if unread != "" {
		j.notes.add("%s is read; the %s beside it is not", filepath.Base(path), unread)
	}
	return path, err
}

func noProjectFile(root string) error {
	return &exitError{
		code: exitNotFound, message: "no project file in " + root,
		hint: []string{"make one: runnel init", "or name one: --file FILE"},
	}
}

// noEntries says with it what the reader found odd: there the entries may be.
func (j *deployJob) noEntries(path string) error {
	e := &exitError{code: exitNotFound, message: filepath.Base(path) + " has no deployments with a name"}
	j.warnings()
	for _, n := range j.notes {
		e.hint = append(e.hint, n.String())
	}
	e.hint = append(e.hint, "each is an item of the list deployments, with name, entrypoint and work_pool; runnel init writes such a file")
	return e
}

// saves is true where the line writes the project file.
func (j *deployJob) saves() bool { return j.c.Save != nil && *j.c.Save }

// fromFile chooses the entries of the project file.
func (j *deployJob) fromFile(path string) (err error) {
	if j.file, err = j.readProject(path); err != nil {
		return err
	}
	if !j.c.All && len(j.c.Name) == 0 {
		return j.undecided()
	}
	if slices.ContainsFunc(j.c.Name, func(name string) bool { return strings.Contains(name, "/") }) {
		j.nameFlows()
	}
	entries, err := j.file.Select(j.c.Name)
	var none *discover.SelectError
	if errors.As(err, &none) {
		j.nameFlows() // so that it is told by the names that count
		if _, err := j.file.Select(j.c.Name); errors.As(err, &none) {
			return notSelected(filepath.Base(path), none)
		}
	}
	if err != nil {
		return err
	}
	if len(entries) == 0 && !j.c.Prune {
		return j.noEntries(path)
	}
	for _, e := range entries {
		j.orders = append(j.orders, order{entry: e})
	}
	j.readAhead(entries)
	j.warnings()
	return j.c.single(len(entries))
}

// readProject reads the file, with all that is wrong in it in one error.
func (a *app) readProject(path string) (*discover.Project, error) {
	file, err := discover.ReadProject(path)
	var bad *discover.ProjectError
	if errors.As(err, &bad) {
		return nil, a.refuse(bad.Problems)
	}
	return file, err
}

// refuse is one error of all problems: the first is its message.
func (a *app) refuse(problems []discover.Problem) error {
	e := &exitError{code: exitRefused}
	for i, p := range problems {
		if p.File = a.near(p.File); i == 0 {
			e.message = p.Error()
		} else {
			e.hint = append(e.hint, p.Error())
		}
		if p.Hint != "" {
			e.hint = append(e.hint, strings.Split(p.Hint, "\n")...)
		}
	}
	return e
}

// near is a path as it is typed here: relative where it lies below.
func (a *app) near(path string) string {
	if relative, err := filepath.Rel(a.Dir, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}

// undecided is a line that says nothing of what to deploy.
func (j *deployJob) undecided() error {
	name := filepath.Base(j.file.Path)
	e := usage("this is missing:")
	e.hint = []string{
		"what to deploy of " + name + ": --all, or -n NAME",
		"or a flow: runnel deploy flows/report.py:folder_report -n NAME -p POOL",
	}
	names := slices.DeleteFunc(j.choices(), func(name string) bool { return name == "" })
	if len(names) > 0 {
		e.hint = append(e.hint, note{name + " has", names}.String())
	}
	return e
}

// choices are what -n takes for each entry: its name, with the flow where others
// have the name too. An entry without a name has none.
func (j *deployJob) choices() []string {
	counts := map[string]int{}
	for _, e := range j.file.Deployments {
		counts[e.Name]++
	}
	delete(counts, "")
	if slices.ContainsFunc(slices.Collect(maps.Values(counts)), func(n int) bool { return n > 1 }) {
		j.nameFlows() // a flow may have another name than its function
	}
	names := make([]string, len(j.file.Deployments))
	for i, e := range j.file.Deployments {
		if names[i] = e.Name; counts[e.Name] > 1 {
			names[i] = e.FullName()
		}
	}
	return names
}

func notSelected(file string, none *discover.SelectError) error {
	e := &exitError{code: exitNotFound, message: fmt.Sprintf("no deployment of %s matches %q", file, none.Pattern)}
	for _, near := range slices.Compact(none.Near) {
		e.hint = append(e.hint, "did you mean "+store.Quote(near)+"?")
	}
	if len(none.Names) > 0 {
		e.hint = append(e.hint, "it has: "+strings.Join(none.Names, ", "))
	}
	return e
}

// nameFlows reads the flows of all entries, so that flow/name compares with the
// decorator's name. What cannot be read keeps the name that the file suggests.
func (j *deployJob) nameFlows() {
	j.readAhead(j.file.Deployments)
	for i := range j.file.Deployments {
		e := &j.file.Deployments[i]
		if flow, _, err := j.locate(*e); err == nil {
			e.Flow = flow.FlowName
		}
	}
}

// readAhead reads the files of many entries at once. What is a template yet, or
// lies elsewhere, is read when its turn comes.
func (j *deployJob) readAhead(entries []discover.Entry) {
	var entrypoints []string
	for _, e := range entries {
		if e.Entrypoint != "" {
			entrypoints = append(entrypoints, e.Entrypoint)
		}
	}
	j.reader(j.project.root).Ahead(entrypoints)
}

// locate reads the flow of an entry. Its path is relative to the file's folder
// in most projects, and in others to the top of the repository: the first that
// has it is the root. A dotted module may lie in a package below either.
func (j *deployJob) locate(e discover.Entry) (flow discover.Flow, root string, err error) {
	roots := []string{j.project.root}
	if top := j.top(); top != "" && top != j.project.root {
		roots = append(roots, top)
	}
	for _, root := range roots {
		flow, rootErr := j.reader(root).Entrypoint(e.Entrypoint)
		if rootErr == nil {
			return flow, root, nil
		}
		var known *discover.EntrypointError
		if !errors.As(rootErr, &known) || known.Kind != discover.FileMissing {
			return flow, root, rootErr
		}
		if err == nil {
			err = rootErr
		}
	}
	file, _, named := cutEntrypoint(e.Entrypoint)
	if !looksLikeModule(file, named) {
		return flow, "", err
	}
	for _, root := range roots {
		for _, folder := range packagesBelow(root) {
			if flow, below := j.reader(folder).Entrypoint(e.Entrypoint); below == nil {
				return flow, folder, nil
			}
		}
	}
	return flow, "", err
}

// packagesBelow are the folders directly below a root, in which a dotted
// module's package may lie.
func packagesBelow(root string) (folders []string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			folders = append(folders, filepath.Join(root, entry.Name()))
		}
	}
	return folders
}

// top is the top of the checkout that the project lies in, "" without one.
func (j *deployJob) top() string {
	if j.checkout == nil {
		top := discover.GitTop(j.ctx, j.project.root)
		j.checkout = &top
	}
	return *j.checkout
}
