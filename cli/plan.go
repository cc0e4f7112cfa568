package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"runnel/store"
)

// printPlan prints what a deploy did, or with --dry-run would do.
func (a *app) printPlan(p project, w store.Wish, plan store.Plan, s *store.Store) {
	header := "root " + p.root
	if w.Interpreter != "" {
		header += " · python " + w.Interpreter
	}
	a.say("%s", a.colour(a.ErrTerminal, faint, header+" · database "+s.Path()))
	for _, pool := range plan.Pools {
		a.print("%s work pool %s", a.colour(a.OutTerminal, green, "+"), pool)
	}
	for _, change := range plan.Changes {
		a.printChange(change)
	}
	if !plan.Applied {
		a.say("nothing was changed (--dry-run)")
	}
}

func (a *app) printChange(c store.Change) {
	colours := map[string]string{"+": green, "~": yellow, "=": faint}
	a.print("%s %s", a.colour(a.OutTerminal, colours[c.Action], c.Action), c.Deployment)
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
	for _, warning := range c.Warnings {
		a.say("note: %s", warning)
	}
	if len(c.Unknown) > 0 {
		a.say("a process pool does not know these job variables; they are kept, and ignored at a run: %s",
			strings.Join(c.Unknown, ", "))
	}
}

// fieldText is a new field's value. What only says the default, and the
// schema, which discover shows, are left out.
func fieldText(f store.FieldChange) string {
	if f.Field == "parameter_schema" || f.Field == "path" || f.Field == "interpreter" {
		return ""
	}
	return valueText(f.New)
}

func changeText(f store.FieldChange) string {
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
	b, err := json.Marshal(value)
	if err != nil || string(b) == "[]" || string(b) == "{}" {
		return ""
	}
	return string(b)
}

// afterDeploy says what must be running for anything to happen, and how to
// run the deployment.
func (a *app) afterDeploy(s *store.Store, w store.Wish) error {
	d, err := s.Deployment(a.ctx, w.FlowName+"/"+w.Name)
	if err != nil {
		return err
	}
	pool, err := s.WorkPool(a.ctx, d.WorkPoolName)
	if err != nil {
		return err
	}
	if line := noWorker(pool); line != "" {
		a.say("%s", line)
	}
	a.sayNext(d)
	a.say("run it: runnel run %s", store.Quote(d.FullName))
	return nil
}

// noWorker says what a run in a pool waits for, or "".
func noWorker(pool store.WorkPool) string {
	switch {
	case pool.IsPaused:
		return fmt.Sprintf("the work pool %q is paused: nothing starts", pool.Name)
	case pool.Workers == 0:
		return fmt.Sprintf("no worker polls %q; start one: runnel worker start --pool %s", pool.Name, pool.Name)
	}
	return ""
}
