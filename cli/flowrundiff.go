package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

type flowRunDiffCmd struct {
	FlowRun string `arg:"" name:"run" help:"A run: its id or the end of it, its name, or flow/name for the newest."`
	Other   string `arg:"" help:"The run to compare it with."`
	outputFlag
}

// Help ends with examples.
func (flowRunDiffCmd) Help() string {
	return "Code, deployment version, parameters, job variables, interpreter, state, attempts and lengths of time. " +
		"What is the same is left out.\n\n" +
		"Examples:\n  runnel flow-run diff amber-otter quiet-heron\n  runnel flow-run diff 5d1f0c2a folder-report/nightly -o json"
}

// runDiff is what differs between two runs, as -o json prints it.
type runDiff struct {
	A           diffedRun    `json:"a"`
	B           diffedRun    `json:"b"`
	Differences []difference `json:"differences"`
}

type diffedRun struct {
	ID   store.ID `json:"id"`
	Name string   `json:"name"`
}

// difference is one field in which two runs differ; null where one has none.
type difference struct {
	Field string `json:"field"`
	A     any    `json:"a"`
	B     any    `json:"b"`
}

func (c flowRunDiffCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	var runs []store.Run
	for _, word := range []string{c.FlowRun, c.Other} {
		run, err := a.oneToRead(s, word)
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	if err := s.AddCodes(a.ctx, runs); err != nil {
		return err
	}
	runs = a.masked(s, runs)
	d := runDiff{A: diffedRun{runs[0].ID, runs[0].Name}, B: diffedRun{runs[1].ID, runs[1].Name}, Differences: []difference{}}
	d.compare(runs[0], runs[1])
	if c.Output == "name" {
		for _, one := range d.Differences {
			a.print("%s", one.Field)
		}
		return nil
	}
	if c.machine() {
		return a.printObject(d, c.outputFlag)
	}
	a.showDiff(d)
	return nil
}

// compare fills in the differences, what explains most first.
func (d *runDiff) compare(a, b store.Run) {
	d.code(codeOf(a), codeOf(b))
	d.add("flow", a.FlowName, b.FlowName)
	d.add("deployment", runOf(a), runOf(b))
	d.values("parameters.", a.Parameters, b.Parameters)
	d.values("job_variables.", a.JobVariables, b.JobVariables)
	d.add("tags", strings.Join(a.Tags, ", "), strings.Join(b.Tags, ", "))
	d.add("work_pool", a.WorkPoolName, b.WorkPoolName)
	d.add("work_queue", a.WorkQueueName, b.WorkQueueName)
	d.add("state", a.State.Name, b.State.Name)
	d.add("message", a.State.Message, b.State.Message)
	d.add("attempts", a.RunCount, b.RunCount)
	d.add("waited", waited(a), waited(b))
	d.add("took", took(a), took(b))
}

func codeOf(r store.Run) store.Code {
	if r.Code == nil {
		return store.Code{}
	}
	return *r.Code
}

func (d *runDiff) add(field string, a, b any) {
	if a != b {
		d.Differences = append(d.Differences, difference{field, orNone(a), orNone(b)})
	}
}

// orNone is null for a text that is empty.
func orNone(value any) any {
	if value == "" {
		return nil
	}
	return value
}

// code tells what differs in what ran. The same commit, clean, is the same code
// wherever it lay.
func (d *runDiff) code(a, b store.Code) {
	d.add("version", a.Version, b.Version)
	d.add("code.repository", a.Repository, b.Repository)
	d.add("code.commit", a.Commit, b.Commit)
	if !a.Clean() || !b.Clean() || a.Commit != b.Commit {
		d.add("code.branch", a.Branch, b.Branch)
		d.add("code.dirty", boolOrNil(a.Dirty), boolOrNil(b.Dirty))
		d.add("code.diff", a.Diff, b.Diff)
		d.add("code.content", a.Content, b.Content)
		d.files(a, b)
	}
	d.add("folder", a.Folder, b.Folder)
	d.add("interpreter", a.Interpreter, b.Interpreter)
	d.add("python_version", a.PythonVersion, b.PythonVersion)
}

// files names the files that differ, where both runs have them.
func (d *runDiff) files(a, b store.Code) {
	if a.Files == nil || b.Files == nil {
		return
	}
	for _, file := range bothKeys(a.Files, b.Files) {
		d.add("code.files."+file, a.Files[file], b.Files[file])
	}
}

func boolOrNil(b *bool) any {
	if b == nil {
		return nil
	}
	return *b
}

func (d *runDiff) values(prefix string, a, b store.Values) {
	for _, name := range bothKeys(a, b) {
		if string(a[name]) != string(b[name]) {
			d.Differences = append(d.Differences, difference{prefix + name, jsonOrNil(a, name), jsonOrNil(b, name)})
		}
	}
}

func jsonOrNil(values store.Values, name string) any {
	raw, has := values[name]
	if !has {
		return nil
	}
	return json.RawMessage(raw)
}

func bothKeys[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// waited is how long a run stood due before it started; took is how long its
// newest attempt ran. Both are seconds, nil while they last.
func waited(r store.Run) any {
	if r.StartTime == nil {
		return nil
	}
	return max(0, r.StartTime.Sub(r.ExpectedStartTime)).Seconds()
}

func took(r store.Run) any {
	d, ok := r.Took(time.Time{})
	if !ok || r.EndTime == nil {
		return nil
	}
	return d.Seconds()
}

func (a *app) showDiff(d runDiff) {
	if len(d.Differences) == 0 {
		a.say("%s and %s do not differ", d.A.Name, d.B.Name)
		return
	}
	rows := make([][]string, len(d.Differences))
	for i, one := range d.Differences {
		rows[i] = []string{one.Field, diffCell(one.Field, one.A), diffCell(one.Field, one.B)}
	}
	a.printTable([]string{"", d.A.Name + " " + d.A.ID.Short(), d.B.Name + " " + d.B.ID.Short()}, rows)
}

// diffCell is one side of a difference, in a table.
func diffCell(field string, value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case float64:
		return duration(time.Duration(v * float64(time.Second)))
	case json.RawMessage:
		return clip(string(v), 60)
	case string:
		if strings.HasPrefix(field, "code.") && field != "code.repository" && field != "code.branch" {
			v = shortCommit(v)
		}
		return clip(clean(firstLine(v)), 60)
	}
	return fmt.Sprint(value)
}
