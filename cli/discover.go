package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"runnel/discover"
	"runnel/store"
)

type discoverCmd struct {
	Dirs    []string `arg:"" optional:"" name:"dir" help:"Folders to look in (default: this one)."`
	NoGit   bool     `help:"Read the tree itself, also what git ignores."`
	Explain bool     `help:"Say what looked like a flow and is none, and which types were not understood."`
	outputFlag
}

// Help ends with examples.
func (discoverCmd) Help() string {
	return "Examples:\n  runnel discover\n  runnel discover flows -o json"
}

func (c discoverCmd) Run(a *app) error {
	if len(c.Dirs) == 0 {
		c.Dirs = []string{"."}
	}
	all := discover.Result{Flows: []discover.Flow{}}
	for _, dir := range c.Dirs {
		result, err := a.walk(dir, discover.Options{NoGit: c.NoGit, Explain: c.Explain})
		if err != nil {
			return err
		}
		all.Flows = append(all.Flows, result.Flows...)
		all.Skipped = append(all.Skipped, result.Skipped...)
		all.Notes = append(all.Notes, result.Notes...)
		all.Files += result.Files
	}
	for _, skip := range all.Skipped {
		a.say("skipped %s: %s", at(skip.File, skip.Line), skip.Reason)
	}
	for _, note := range all.Notes {
		a.say("%s: %s", at(note.File, note.Line), note.Text)
	}
	if err := c.show(a, all); err != nil {
		return err
	}
	if all.Files == 0 && len(all.Skipped) > 0 {
		return &exitError{code: exitFailed, message: "nothing could be read"}
	}
	return nil
}

// walk discovers one folder; paths come out relative to the current one.
func (a *app) walk(dir string, o discover.Options) (discover.Result, error) {
	full := dir
	if !filepath.IsAbs(full) {
		full = filepath.Join(a.Dir, dir)
	}
	switch info, err := os.Stat(full); {
	case err != nil:
		return discover.Result{}, &exitError{code: exitNotFound, message: fmt.Sprintf("no folder %q", dir)}
	case !info.IsDir():
		return discover.Result{}, &exitError{
			code: exitUsage, message: fmt.Sprintf("%q is a file, and discover reads folders", dir),
			hint: []string{"deploy it: runnel deploy " + store.Quote(dir)},
		}
	}
	result, err := discover.Walk(a.ctx, full, o)
	if err != nil || dir == "." {
		return result, err
	}
	for i := range result.Flows {
		f := &result.Flows[i]
		f.File, f.Entrypoint = filepath.Join(dir, f.File), filepath.Join(dir, f.Entrypoint)
	}
	for i := range result.Skipped {
		result.Skipped[i].File = filepath.Join(dir, result.Skipped[i].File)
	}
	for i := range result.Notes {
		result.Notes[i].File = filepath.Join(dir, result.Notes[i].File)
	}
	return result, nil
}

func at(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

func (c discoverCmd) show(a *app, found discover.Result) error {
	err := list[discover.Flow]{
		items:   found.Flows,
		name:    func(f discover.Flow) string { return f.Entrypoint },
		group:   func(f discover.Flow) string { return f.File },
		columns: []string{"Flow", "Function", "Line", "Parameters", "Description"},
		row: func(f discover.Flow) []string {
			description := f.Description
			if !f.Deployable {
				description = "not deployable: " + f.Reason
			}
			function := f.QualifiedName
			if f.Kind == discover.KindScript {
				function = "-"
			}
			return []string{f.FlowName, function, fmt.Sprint(f.Line), clip(parameterNames(f), 32), clip(description, 64)}
		},
		empty: fmt.Sprintf("no flows in %s: a flow is a Python function with @flow, or a script with a \"# /// flow\" block",
			plural(found.Files, "file")),
	}.print(a.IO, c.outputFlag)
	if err != nil || c.Output != "table" {
		return err
	}
	for _, f := range found.Flows {
		if f.Deployable {
			a.say("deploy one: runnel deploy %s -n my-deployment -p my-process-pool", store.Quote(f.Entrypoint))
			break
		}
	}
	return nil
}

func parameterNames(f discover.Flow) string {
	schema, err := store.ParseParameterSchema(f.Parameters)
	if err != nil || len(schema.Properties) == 0 {
		return "-"
	}
	return strings.Join(schema.Names(), ", ")
}

// clip keeps a cell of a table short.
func clip(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:max(width, 1)-1]) + "…" // a terminal may be narrower than what stands beside it
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
