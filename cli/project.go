package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"runnel/discover"
	"runnel/runner"
	"runnel/store"
)

// project is the folder that a deployment's paths are relative to.
type project struct {
	root string
}

// project finds the root: what --root says, else the nearest marked folder at
// or above the current one.
func (a *app) project(root string) (project, error) {
	if root == "" {
		return project{discover.ProjectRoot(a.Dir)}, nil
	}
	if !filepath.IsAbs(root) {
		root = filepath.Join(a.Dir, root)
	}
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return project{}, &exitError{code: exitNotFound, message: fmt.Sprintf("--root: no folder %q", root)}
	}
	return project{filepath.Clean(root)}, nil
}

// readEntrypoint reads one entrypoint. As typed it is relative to the current
// folder; as kept, to the root.
func (a *app) readEntrypoint(p project, reader *discover.Reader, entrypoint string) (discover.Flow, error) {
	file, function, named := cutEntrypoint(entrypoint)
	if looksLikeModule(file, named) {
		return found(reader.Entrypoint(entrypoint))
	}
	full := file
	if !filepath.IsAbs(full) {
		full = filepath.Join(a.Dir, file)
	}
	path := full
	if relative, err := filepath.Rel(p.root, full); err == nil && filepath.IsLocal(relative) {
		path = filepath.ToSlash(relative)
	}
	if named {
		path += ":" + function
	}
	flow, err := reader.Entrypoint(path)
	var known *discover.EntrypointError
	if errors.As(err, &known) {
		err = a.fromHere(p.root, *known)
	}
	return found(flow, err)
}

// fromHere is an error that speaks of paths as they are typed in this folder.
func (a *app) fromHere(root string, e discover.EntrypointError) error {
	here := func(entrypoint string) string {
		relative, err := filepath.Rel(a.Dir, filepath.Join(root, entrypoint))
		if err != nil || filepath.IsAbs(entrypoint) {
			return entrypoint
		}
		return filepath.ToSlash(relative)
	}
	e.File, e.Near, e.Have = here(e.File), slices.Clone(e.Near), slices.Clone(e.Have)
	for _, list := range [][]string{e.Near, e.Have} {
		for i := range list {
			list[i] = here(list[i])
		}
	}
	return &e
}

// cutEntrypoint splits at the last colon, and leaves a Windows drive alone.
func cutEntrypoint(entrypoint string) (file, function string, named bool) {
	i := strings.LastIndex(entrypoint, ":")
	if i < 2 {
		return entrypoint, "", false
	}
	return entrypoint[:i], entrypoint[i+1:], true
}

// looksLikeModule is true for pkg.module:function.
func looksLikeModule(file string, named bool) bool {
	return named && !strings.ContainsAny(file, `/\`) && !strings.HasSuffix(file, ".py")
}

// found makes discovery's errors ones with a code: what is not there, and
// what is there and cannot be used.
func found(flow discover.Flow, err error) (discover.Flow, error) {
	var known *discover.EntrypointError
	if !errors.As(err, &known) {
		return flow, err
	}
	e := &exitError{code: exitRefused, message: known.Error()}
	switch known.Kind {
	case discover.FileMissing, discover.FunctionMissing:
		e.code = exitNotFound
	}
	switch {
	case len(known.Near) > 0: // the message says it
	case len(known.Have) > 0:
		e.hint = []string{"it has: " + strings.Join(known.Have, ", ")}
	case known.Kind == discover.FileMissing, known.Kind == discover.FileUnreadable:
		e.hint = []string{"an entrypoint is path/to/file.py:function, or a script's path; list them: runnel discover"}
	}
	return flow, e
}

// interpreter is the Python that a deployment records: the job variable, the
// active environment, the project's own, python3 on PATH.
func (a *app) interpreter(p project, flow discover.Flow, variables store.Values) (string, error) {
	if flow.Kind != discover.KindPython {
		return "", nil
	}
	var named string
	if raw, set := variables["python"]; set && json.Unmarshal(raw, &named) == nil && named != "" {
		return a.namedInterpreter(named)
	}
	for _, folder := range a.environments(p) {
		if path := filepath.Join(folder, "bin", "python"); isExecutable(path) {
			return path, nil
		}
	}
	if path, err := exec.LookPath("python3"); err == nil {
		return filepath.Abs(path)
	}
	return "", &exitError{
		code: exitRefused, message: "no Python to run it: no active environment, no .venv in the project, no python3 on PATH",
		hint: []string{"name one: --job-variable python=/path/to/python3"},
	}
}

func (a *app) namedInterpreter(named string) (string, error) {
	path, err := exec.LookPath(named)
	if err != nil {
		return "", &exitError{code: exitRefused, message: fmt.Sprintf("job variable python: %q is no program that can be run here", named)}
	}
	return filepath.Abs(path)
}

// environments are the folders of virtual environments, first that counts first.
func (a *app) environments(p project) []string {
	var folders []string
	if active := a.Env("VIRTUAL_ENV"); active != "" {
		folders = append(folders, active)
	}
	if conda := a.Env("CONDA_PREFIX"); conda != "" && a.Env("CONDA_DEFAULT_ENV") != "base" {
		folders = append(folders, conda)
	}
	if p.root == "" {
		return folders // what a repository brings along is not run to deploy it
	}
	return append(folders, filepath.Join(p.root, ".venv"), filepath.Join(p.root, "venv"))
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// prefectLine says which package `import prefect` will find, and why.
func prefectLine(flow discover.Flow, variables store.Values) string {
	if len(flow.PrefectImports) == 0 {
		return ""
	}
	var choice string
	if raw, set := variables["prefect"]; set && json.Unmarshal(raw, &choice) == nil && choice != "" && choice != "auto" {
		return choice + " (job variable)"
	}
	builtin, missing := runner.ChoosePrefect(flow.PrefectImports)
	if builtin {
		return "runnel's own (it has all that the file imports)"
	}
	return "installed, where the interpreter has it (runnel's own lacks " + strings.Join(missing, ", ") + ")"
}
