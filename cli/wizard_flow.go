package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// The values of rows that are no entrypoint: none begins with a colon.
const (
	rowAll  = ":all"
	rowNew  = ":new"
	rowType = ":type"
)

// askFlow chooses entries of the project file, or a flow.
func (w *wizard) askFlow() error {
	if w.source != nil {
		return w.askSource()
	}
	if w.c.Entrypoint != "" {
		return nil
	}
	if w.file == nil || len(w.c.Name) > 0 {
		return w.askEntrypoint()
	}
	if err := w.askEntries(); err != nil || w.c.All || len(w.c.Name) > 0 {
		return err
	}
	return w.askEntrypoint()
}

// askEntries offers what the project file has, where it has something.
func (w *wizard) askEntries() error {
	base := filepath.Base(w.file.Path)
	names := (&deployJob{app: w.app, c: *w.c, project: w.project, file: w.file}).choices()
	var one []row
	for i, name := range names {
		if name != "" {
			text := column(name, 24) + "  " + w.file.Deployments[i].Entrypoint
			one = append(one, row{group: "One of " + base, text: text, value: fmt.Sprint(i)})
		}
	}
	if len(one) == 0 {
		return nil
	}
	rows := append([]row{
		{text: fmt.Sprintf("All of %s (%s)", base, plural(len(one), "deployment")), value: rowAll},
		{text: "Something new", value: rowNew},
	}, one...)
	answer, err := w.ask(question{title: "What do you want to deploy?", rows: rows})
	switch {
	case err != nil:
		return err
	case answer == rowAll:
		w.c.All = true
	case answer != rowNew:
		w.c.Name = []string{names[atoiOr(answer)]}
	}
	return nil
}

func atoiOr(text string) (n int) {
	_, _ = fmt.Sscan(text, &n) // it was written by us
	return n
}

// askEntrypoint lists what discovery finds, and takes what it does not.
func (w *wizard) askEntrypoint() error {
	if err := w.askScan(); err != nil {
		return err
	}
	if w.c.Entrypoint != rowType {
		if err := w.askFound(); err != nil {
			return err
		}
	}
	if w.c.Entrypoint != rowType {
		return nil
	}
	return w.typeEntrypoint()
}

// askSource lists the flows of a repository, where the line names none.
func (w *wizard) askSource() error {
	if g, _, err := w.given.asSource(); err != nil || g.Entrypoint != "" {
		return err
	}
	flows, err := w.flowsOf(w.source)
	if err != nil {
		return err
	}
	switch len(flows) {
	case 0:
		return w.source.empty()
	case 1:
		w.choose(flows[0].Entrypoint)
		return nil
	}
	q := question{title: "Which flow do you want to deploy?"}
	for _, f := range flows {
		q.rows = append(q.rows, row{group: f.File, text: flowText(f), value: f.Entrypoint})
	}
	answer, err := w.ask(q)
	if err == nil {
		w.choose(answer)
	}
	return err
}

// choose makes the line name a flow of the repository, and all in the address
// that it can hold: HEAD is of a time, and stays a flag.
func (w *wizard) choose(entrypoint string) {
	w.source.Entrypoint, w.c.Entrypoint = entrypoint, w.source.at(entrypoint)
	w.c.Branch = ""
	if w.c.Commit != "HEAD" {
		w.c.Commit = ""
	}
}

// askScan asks before it reads a home or the whole machine.
func (w *wizard) askScan() error {
	home := w.Env("HOME")
	if w.Dir != "/" && (home == "" || filepath.Clean(home) != filepath.Clean(w.Dir)) {
		return nil
	}
	scan, err := w.askYes(question{
		title: fmt.Sprintf("Look for flows in all of %s?", w.Dir),
		notes: []string{"That may take long. Better: leave, and cd to the folder of your project."},
	}, false)
	if !scan {
		w.c.Entrypoint = rowType
	}
	return err
}

func (w *wizard) askFound() error {
	if w.found == nil {
		found, err := w.walk(".", discover.Options{})
		if err != nil {
			return err
		}
		w.found = &found
	}
	found := w.found
	q := question{title: "Which flow do you want to deploy?"}
	for _, f := range found.Flows {
		if f.Deployable {
			q.rows = append(q.rows, row{group: f.File, text: flowText(f), value: f.Entrypoint})
		}
	}
	if len(q.rows) == 0 {
		q.notes = append(q.notes, fmt.Sprintf("No flow was found in %s: a flow is a Python function with @flow, or a script with a \"# /// flow\" block.",
			plural(found.Files, "file")))
	}
	if len(found.Skipped) > 0 {
		q.notes = append(q.notes, plural(len(found.Skipped), "file")+" could not be read: runnel discover says why.")
	}
	q.rows = append(q.rows, row{text: "Type an entrypoint", value: rowType})
	answer, err := w.ask(q)
	w.c.Entrypoint = answer
	return err
}

// flowText is a flow in a list: its name, its function, what it does.
func flowText(f discover.Flow) string {
	function := f.QualifiedName
	if f.Kind == discover.KindScript {
		function = "script"
	}
	return column(f.FlowName, 24) + "  " + column(function, 20) + "  " + f.Description
}

// column pads text, and lets one that is longer be.
func column(text string, width int) string { return fmt.Sprintf("%-*s", width, text) }

func (w *wizard) typeEntrypoint() error {
	answer, err := w.ask(question{
		title: "The entrypoint",
		notes: []string{"path/to/file.py:function, or a script's path."},
		check: func(text string) ([]string, error) {
			if strings.TrimSpace(text) == "" {
				return nil, errors.New("type the path of a file here")
			}
			flow, err := w.readEntrypoint(w.project, discover.NewReader(w.project.root), text)
			if err != nil {
				return nil, withHint(err)
			}
			return []string{"flow " + flow.FlowName, flow.Description}, nil
		},
		below: 4,
	})
	w.c.Entrypoint = answer
	return err
}

// readFlow reads what the entrypoint names: later questions need its parameters.
func (w *wizard) readFlow() (err error) {
	if w.c.Entrypoint == "" {
		return nil
	}
	if w.source != nil {
		w.flow, err = found(discover.NewReader(w.source.folder).Entrypoint(w.source.Entrypoint))
	} else {
		w.flow, err = w.readEntrypoint(w.project, discover.NewReader(w.project.root), w.c.Entrypoint)
	}
	if err != nil {
		return err
	}
	if w.schema, err = store.ParseParameterSchema(w.flow.Parameters); err != nil {
		return fmt.Errorf("read the parameters of %s: %w", w.flow.Entrypoint, err)
	}
	return w.judgeParameters()
}

// judgeParameters refuses those of the line that the flow does not take, before
// more is asked. What is a template yet is judged in the plan.
func (w *wizard) judgeParameters() error {
	values, err := w.parameters(w.schema, w.given.Param, w.given.Params)
	if err != nil || w.given.EnforceSchema != nil && !*w.given.EnforceSchema {
		return err
	}
	for name, raw := range values {
		if store.HasTemplate(raw) {
			delete(values, name)
		}
	}
	return w.schema.Validate(values, false)
}

func (w *wizard) askName() error {
	if w.c.Entrypoint == "" || len(w.c.Name) > 0 {
		return nil
	}
	name, err := w.ask(question{
		title: "Name of the deployment",
		notes: []string{"Its full name is then " + w.flow.FlowName + "/NAME."},
		value: hintedName(w.flow),
		check: func(text string) ([]string, error) {
			if err := store.CheckDeploymentName(text); err != nil {
				return nil, withHint(err)
			}
			if d, there := w.existing(text); there {
				return []string{d.FullName + " exists, and will be updated"}, nil
			}
			return []string{w.flow.FlowName + "/" + text + " is new"}, nil
		},
		below: 2,
	})
	if err == nil {
		w.c.Name = []string{name}
	}
	return err
}

// withHint is an error with how to mend it, on one line.
func withHint(err error) error {
	message, hints, _ := describe(err)
	for _, hint := range hints {
		message += "; " + hint
	}
	return fmt.Errorf("%s", message)
}

// hintedName is what the file's own serve or deploy call names it.
func hintedName(flow discover.Flow) string {
	for _, hint := range flow.Hints {
		if name, ok := hint.Arguments["name"].Text(); ok && store.CheckDeploymentName(name) == nil {
			return name
		}
	}
	return "default"
}
