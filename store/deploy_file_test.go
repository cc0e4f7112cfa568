package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func fromFile(name string, with func(*Wish)) Wish {
	return wish(func(w *Wish) {
		w.Name, w.ProjectFile = name, "/p/runnel.yaml"
		if with != nil {
			with(w)
		}
	})
}

func TestWhatLeftTheFileIsNamedAndPruned(t *testing.T) {
	ctx, s := context.Background(), open(t)
	all := DeployOptions{CreatePools: true, File: "/p/runnel.yaml"}
	_, err := s.Deploy(ctx, []Wish{fromFile("stays", nil), fromFile("goes", nil)}, all)
	must(t, err)
	apply(t, s, func(w *Wish) { w.Name = "by-hand" })
	waits := create(t, s, "goes", nil)
	plan, err := s.Deploy(ctx, []Wish{fromFile("stays", nil)}, all)
	must(t, err)
	if !slices.Equal(plan.Left, []string{"hello/goes"}) || !plan.Same() {
		t.Errorf("left %v, changes %+v", plan.Left, plan.Changes)
	}
	all.Prune = true
	bad := fromFile("stays", func(w *Wish) { w.Retries = -1 })
	if _, err := s.Deploy(ctx, []Wish{bad}, all); err == nil {
		t.Error("a bad wish was taken")
	}
	if _, err := s.Deployment(ctx, "goes"); err != nil {
		t.Error("a deploy that was refused pruned:", err)
	}
	plan, err = s.Deploy(ctx, []Wish{fromFile("stays", nil)}, all)
	must(t, err)
	if c := plan.Changes[len(plan.Changes)-1]; c.Action != "-" || c.Deployment != "hello/goes" || plan.Same() {
		t.Errorf("%+v", plan.Changes)
	}
	deployments, err := s.Deployments(ctx)
	must(t, err)
	if len(deployments) != 2 {
		t.Errorf("%d deployments are left", len(deployments))
	}
	run, err := s.OneRun(ctx, waits.ID.String())
	must(t, err)
	if run.State.Type != Cancelled {
		t.Errorf("its waiting run is %s", run.State.Type)
	}
}

// The error names the wish; of 200, nothing of the first is left.
func TestTheLastOfManyUndoesAll(t *testing.T) {
	ctx, s := context.Background(), open(t)
	before := rows(t, s)
	var wishes []Wish
	for i := range 200 {
		wishes = append(wishes, fromFile(fmt.Sprintf("d%d", i), nil))
	}
	wishes[199].TimeoutSeconds = ptr(-1.0)
	_, err := s.Deploy(ctx, wishes, DeployOptions{CreatePools: true, File: "/p/runnel.yaml", Prune: true})
	var wrong *WishError
	if !errors.As(err, &wrong) || wrong.Index != 199 || !strings.Contains(err.Error(), "hello/d199: a timeout of -1 seconds") {
		t.Errorf("error %v", err)
	}
	if rows(t, s) != before {
		t.Error("something was stored")
	}
}

func TestAllMissingPoolsAreOneError(t *testing.T) {
	ctx, s := context.Background(), open(t)
	pool := func(name string) Wish { return wish(func(w *Wish) { w.Name, w.Pool = "in-"+name, name }) }
	wishes := []Wish{pool("b"), pool("a"), pool("b")}
	wishes[2].Name = "also"
	_, err := s.Deploy(ctx, wishes, DeployOptions{})
	wantError(t, err, NotFound, "2 work pools are missing: b, a", "work-pool create --type process b", "work-pool create --type process a", "--create-pools")
}

func TestHiddenValuesAreShownAsTheirTemplates(t *testing.T) {
	ctx, s := context.Background(), open(t)
	hidden := func(secret string) func(*Wish) {
		return func(w *Wish) {
			w.ParameterSchema = raw(`{"properties":{"n":{"type":"integer"},"db":{"type":"object"}}}`)
			w.Parameters = Values{"db": raw(`{"host":"` + secret + `","ports":[1,"` + secret + `"]}`)}
			w.JobVariables = Values{"env": raw(`{"A":"` + secret + `","B":"plain"}`)}
			w.Tags, w.Description = ptr([]string{"a", secret}), ptr(secret)
			w.Schedules = &[]ScheduleSpec{{Cron: "0 6 * * *", Parameters: Values{"n": raw("7")}}}
			w.Shown = map[string]string{
				"parameters.db.host": "{{ $H }}", "parameters.db.ports[1]": "{{ $H }}", "work_pool.job_variables.env.A": "{{ $H }}",
				"tags[1]": "{{ $H }}", "description": "{{ $H }}", "schedules[0].parameters.n": "{{ $N }}",
			}
		}
	}
	first := apply(t, s, hidden("hush"))
	if text := fmt.Sprint(first.Fields); strings.Contains(text, "hush") || !strings.Contains(text, "{{ $H }}") {
		t.Error(text)
	}
	d, err := s.Deployment(ctx, "nightly")
	must(t, err)
	if text := d.Parameters.text(); !strings.Contains(text, "hush") {
		t.Errorf("a run would get %s", text)
	}
	m := d.Masked()
	got := []string{m.Parameters.text(), m.JobVariables.text(), strings.Join(m.Tags, " "), m.Description, m.Schedules[0].Parameters.text()}
	want := []string{
		`{"db":{"host":"{{ $H }}","ports":[1,"{{ $H }}"]}}`, `{"env":{"A":"{{ $H }}","B":"plain"}}`,
		"a {{ $H }}", "{{ $H }}", `{"n":"{{ $N }}"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if c := apply(t, s, hidden("hush")); c.Action != "=" {
		t.Errorf("the same again: %+v", c.Fields)
	}
	c := apply(t, s, hidden("other"))
	if fieldNames(c) != "description tags parameters job_variables" || slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return !f.Hidden }) {
		t.Errorf("another value: %+v", c.Fields)
	}
	// What a wish does not set keeps its templates.
	apply(t, s, func(w *Wish) {
		w.ParameterSchema, w.Tags = raw(`{"properties":{"n":{"type":"integer"},"db":{"type":"object"}}}`), ptr([]string{"b"})
	})
	d, err = s.Deployment(ctx, "nightly")
	must(t, err)
	if text := d.Masked().Parameters.text() + d.Masked().JobVariables.text(); strings.Contains(text, "other") {
		t.Error(text)
	}
	if d.Masked().Tags[0] != "b" {
		t.Errorf("tags %v", d.Masked().Tags)
	}
}

func TestAHiddenValueIsNotInAnError(t *testing.T) {
	ctx, s := context.Background(), open(t)
	_, err := s.Deploy(ctx, []Wish{wish(func(w *Wish) {
		w.ParameterSchema = raw(`{"properties":{"n":{"type":"integer"}}}`)
		w.Parameters, w.Shown = Values{"n": raw(`"hush"`)}, map[string]string{"parameters.n": "{{ $N }}"}
	})}, DeployOptions{CreatePools: true})
	wantError(t, err, Invalid, `parameter "n": "{{ $N }}" is not an integer`)
	if strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}

// A secret, and what a step is still to give, are for the run to check.
func TestWhatIsNotKnownYetIsNotChecked(t *testing.T) {
	s := open(t)
	apply(t, s, func(w *Wish) {
		w.ParameterSchema = raw(`{"properties":{"n":{"type":"integer"},"m":{"type":"integer"}},"required":["n"]}`)
		w.Parameters = Values{"n": raw(`"{{ prefect.blocks.secret.n }}"`)}
		w.Shown = map[string]string{"parameters.n": "{{ prefect.blocks.secret.n }}"}
		w.Schedules = &[]ScheduleSpec{{Cron: "0 6 * * *"}}
	})
}
