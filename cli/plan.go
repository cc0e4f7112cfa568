package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"runnel/store"
)

// note is one kind of warning, with what it is about.
type note struct {
	text  string
	items []string
}

// notes are kept in the order in which their kinds came up.
type notes []note

func (n *notes) add(format string, args ...any) { n.about(fmt.Sprintf(format, args...)) }

// about adds items to the kind of warning that has this text.
func (n *notes) about(text string, items ...string) {
	for i, known := range *n {
		if known.text == text {
			(*n)[i].items = append(known.items, items...)
			return
		}
	}
	*n = append(*n, note{text, items})
}

// shownItems is how many items of a kind of warning are named.
const shownItems = 5

func (n note) String() string {
	if len(n.items) == 0 {
		return n.text
	}
	items := slices.Compact(slices.Sorted(slices.Values(n.items)))
	more := ""
	if extra := len(items) - shownItems; extra > 0 {
		items, more = items[:shownItems], fmt.Sprintf(" and %d more", extra)
	}
	return n.text + ": " + strings.Join(items, ", ") + more
}

// show prints what a deploy did, or would do: a header, a line a change, a line
// a kind of warning, and the counts.
func (j *deployJob) show(plan store.Plan) error {
	switch {
	case j.c.machine():
		j.warn(plan)
		return j.printObject(plan, j.c.outputFlag)
	case j.c.Output == "name":
		j.warn(plan)
		for _, change := range plan.Changes {
			j.print("%s", change.Deployment)
		}
		return nil
	}
	j.header()
	if !plan.Applied {
		j.listSteps()
	}
	for _, pool := range plan.Pools {
		j.print("%s work pool %s", j.colour(j.OutTerminal, green, "+"), pool)
	}
	for _, queue := range plan.Queues {
		j.print("%s work queue %s", j.colour(j.OutTerminal, green, "+"), queue)
	}
	same := 0
	for _, change := range plan.Changes {
		if change.Action == "=" && j.many() {
			same++
			continue
		}
		j.printChange(change, j.many())
	}
	if same > 0 {
		j.print("%s", j.colour(j.OutTerminal, faint, fmt.Sprintf("= %d unchanged", same)))
	}
	j.warn(plan)
	if j.many() {
		j.print("%s", counts(plan))
	}
	if j.c.DryRun {
		j.say("nothing was changed (--dry-run)")
	}
	return nil
}

// many is true where the plan is of a project file: unchanged ones are counted.
func (j *deployJob) many() bool { return j.file != nil }

// header is the first line: what the paths and names of the plan refer to.
func (j *deployJob) header() {
	if j.headed {
		return
	}
	j.headed = true
	words := []string{"root " + j.project.root}
	if len(j.orders) == 1 && j.orders[0].source != nil {
		words[0] = j.orders[0].source.place()
	}
	if j.file != nil {
		words = append(words, "file "+filepath.Base(j.file.Path))
	}
	var pythons []string
	for _, w := range j.wishes {
		if w.Interpreter != "" && !slices.Contains(pythons, w.Interpreter) {
			pythons = append(pythons, w.Interpreter)
		}
	}
	if len(pythons) > 0 {
		words = append(words, "python "+strings.Join(pythons, ", "))
	}
	path, _ := j.database() // it was opened, or is not there
	if j.opened != nil {
		path = j.opened.Path()
	} else {
		path += " (not made yet)"
	}
	words = append(words, "database "+path)
	j.say("%s", j.colour(j.ErrTerminal, faint, strings.Join(words, " · ")))
}

func (a *app) printChange(c store.Change, short bool) {
	colours := map[string]string{"+": green, "~": yellow, "-": red, "=": faint}
	head := a.colour(a.OutTerminal, colours[c.Action], c.Action) + " " + c.Deployment
	if short && c.Action == "+" {
		a.print("%s  %s", head, newText(c))
		return
	}
	a.print("%s", head)
	for _, f := range c.Fields {
		if f.Field == "schedules" {
			a.printScheduleChange(f)
			continue
		}
		if c.Action == "+" {
			if text := fieldText(f); text != "" {
				a.print("    %s: %s", f.Field, text)
			}
			continue
		}
		a.print("    %s: %s", f.Field, changeText(f))
	}
	for _, kept := range c.Kept {
		a.print("    kept: %s", kept)
	}
}

// newText is a new deployment on one line: where its code is and where it runs.
func newText(c store.Change) string {
	var words []string
	for _, f := range c.Fields {
		switch f.Field {
		case "entrypoint":
			words = append(words, valueText(f.New))
		case "work_pool":
			words = append(words, "pool "+valueText(f.New))
		case "schedules":
			for _, line := range scheduleLines(f.New) {
				_, what, _ := strings.Cut(line, ": ")
				words = append(words, clean(what))
			}
		case "paused":
			words = append(words, "paused")
		}
	}
	return strings.Join(words, " · ")
}

func counts(plan store.Plan) string {
	number := map[string]int{}
	for _, c := range plan.Changes {
		number[c.Action]++
	}
	text := fmt.Sprintf("%d new, %d changed, %d unchanged", number["+"], number["~"], number["="])
	if number["-"] > 0 {
		text += fmt.Sprintf(", %d deleted", number["-"])
	}
	if len(plan.Pools) > 0 {
		text += ", " + plural(len(plan.Pools), "work pool") + " to be made"
		if plan.Applied {
			text = strings.TrimSuffix(text, " to be made") + " made"
		}
	}
	return text
}

// warn says what the plan gives to think, one line a kind.
func (j *deployJob) warn(plan store.Plan) {
	all := slices.Clone(j.notes)
	for _, c := range plan.Changes {
		for _, warning := range c.Warnings {
			all.about("note: "+warning, j.mention(c)...)
		}
		if len(c.AfterBuild) > 0 {
			all.about("known after build, and no change where the rest agrees", c.Deployment+" ("+strings.Join(c.AfterBuild, ", ")+")")
		}
		if len(c.Unknown) > 0 {
			all.about("a process pool does not know these job variables; they are kept, and ignored at a run", c.Unknown...)
		}
		if c.Action == "=" && j.many() {
			for _, kept := range c.Kept {
				all.about("kept: "+kept, c.Deployment)
			}
		}
	}
	if j.isOn("CI") {
		for i, w := range j.wishes {
			if w.PullSteps == nil || len(*w.PullSteps) == 0 {
				all.about("CI is set and there is no pull step: runs use this checkout, " + j.orders[i].root + ", which must stay")
				break
			}
		}
	}
	for _, w := range j.wishes {
		for _, lack := range lackingPrograms(store.Hooks{}.With(w.Hooks), w.Shown) {
			all.about(lack.on(""), j.mention(store.Change{Deployment: w.FlowName + "/" + w.Name})...)
		}
	}
	if len(plan.Left) > 0 {
		all.about("no longer in the file, and still there (--all --prune deletes them)", plan.Left...)
	}
	prefect := map[string]bool{}
	for i, o := range j.orders {
		if line := prefectLine(o.flow, j.wishes[i].JobVariables); line != "" && !prefect[line] {
			prefect[line] = true
			all.add("prefect: %s", line)
		}
	}
	for _, n := range all {
		j.say("%s", n)
	}
}

// fieldText is a new field's value. What only says the default, and the
// schema, which discover shows, are left out.
func fieldText(f store.FieldChange) string {
	if f.Field == "parameter_schema" || f.Field == "path" || f.Field == "interpreter" || f.Field == "project_file" {
		return ""
	}
	return valueText(f.New)
}

func changeText(f store.FieldChange) string {
	if f.Hidden {
		return "changed, hidden"
	}
	if f.Field == "parameter_schema" {
		return schemaChange(f)
	}
	return fmt.Sprintf("%s -> %s", orDash(valueText(f.Old)), orDash(valueText(f.New)))
}

// schemaChange names the parameters that came, went or changed.
func schemaChange(f store.FieldChange) string {
	before, _ := store.ParseParameterSchema(rawJSON(f.Old))
	after, _ := store.ParseParameterSchema(rawJSON(f.New))
	var parts []string
	for _, name := range after.Names() {
		if old, had := before.Properties[name]; !had {
			parts = append(parts, "+"+name)
		} else if string(old) != string(after.Properties[name]) {
			parts = append(parts, "~"+name)
		}
	}
	for _, name := range before.Names() {
		if _, has := after.Properties[name]; !has {
			parts = append(parts, "-"+name)
		}
	}
	if len(parts) == 0 {
		return "changed"
	}
	return strings.Join(parts, " ")
}

func rawJSON(value any) json.RawMessage {
	raw, _ := value.(json.RawMessage)
	return raw
}

func valueText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return clean(v)
	}
	if text := compactJSON(value); text != "[]" && text != "{}" {
		return text
	}
	return ""
}

// mention names a deployment where there are several to tell apart.
func (j *deployJob) mention(c store.Change) []string {
	if j.many() {
		return []string{c.Deployment}
	}
	return nil
}

// next says what must be running for anything to happen, and how to run what
// was deployed.
func (j *deployJob) next() error {
	s, err := j.store()
	if err != nil {
		return err
	}
	deployed, err := j.deployedNow(s)
	if err != nil || len(deployed) == 0 { // all was pruned
		return err
	}
	told, kept := map[string]bool{}, map[string]bool{}
	for _, d := range deployed {
		if !told[d.WorkPoolName] {
			told[d.WorkPoolName] = true
			pool, err := s.WorkPool(j.ctx, d.WorkPoolName)
			if err != nil {
				return err
			}
			if line := noWorker(pool); line != "" {
				j.say("%s", line)
			}
		}
		if len(d.Schedules) > 0 && !kept[d.WorkPoolName] {
			kept[d.WorkPoolName] = true
			if !j.isService(d.WorkPoolName) {
				j.say("keep one running for its schedules: runnel worker install --pool %s", d.WorkPoolName)
			}
		}
	}
	last := deployed[len(deployed)-1]
	j.sayNext(last)
	j.say("run it: runnel run %s", store.Quote(last.FullName))
	return nil
}

// deployedNow are the deployments of the wishes as they are now, in their order;
// of several all are read at once.
func (j *deployJob) deployedNow(s *store.Store) ([]store.Deployment, error) {
	if len(j.wishes) == 1 {
		d, err := s.Deployment(j.ctx, j.wishes[0].FlowName+"/"+j.wishes[0].Name)
		return []store.Deployment{d}, err
	}
	all, err := s.Deployments(j.ctx)
	by := map[string]store.Deployment{}
	for _, d := range all {
		by[d.FullName] = d
	}
	var deployed []store.Deployment
	for _, w := range j.wishes {
		if d, there := by[w.FlowName+"/"+w.Name]; there {
			deployed = append(deployed, d)
		}
	}
	return deployed, err
}

// noWorker says what a run in a pool waits for, or "".
func noWorker(pool store.WorkPool) string {
	switch {
	case pool.IsPaused:
		return fmt.Sprintf("the work pool %q is paused: runnel work-pool resume %s%s", pool.Name, pool.Name, unpolledToo(pool, true))
	case pool.Workers == 0:
		return fmt.Sprintf("no worker polls %q; start one: runnel worker start --pool %s", pool.Name, pool.Name)
	}
	return ""
}
