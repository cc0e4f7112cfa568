package store

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

// wish is what the tests deploy; with changes it.
func wish(with func(*Wish)) Wish {
	w := Wish{
		FlowName: "hello", Name: "nightly", Entrypoint: "hello.py:hello", Kind: "python", Path: "/tmp", Pool: "p",
		ParameterSchema: raw(`{"properties": {"top": {"type": "integer", "default": 3}}}`), DefaultVersion: "v1",
	}
	if with != nil {
		with(&w)
	}
	return w
}

// apply deploys one wish and gives what it did.
func apply(t *testing.T, s *Store, with func(*Wish)) Change {
	t.Helper()
	plan, err := s.Deploy(context.Background(), []Wish{wish(with)}, DeployOptions{CreatePools: true})
	must(t, err)
	if !plan.Applied || len(plan.Changes) != 1 {
		t.Fatalf("plan %+v", plan)
	}
	return plan.Changes[0]
}

func fieldNames(c Change) string {
	var names []string
	for _, f := range c.Fields {
		names = append(names, f.Field)
	}
	return strings.Join(names, " ")
}

func rows(t *testing.T, s *Store) (n int64) {
	t.Helper()
	return number(t, s, `SELECT (SELECT count(*) FROM deployment) + (SELECT count(*) FROM flow) +
		(SELECT count(*) FROM work_pool) + (SELECT count(*) FROM work_queue)`)
}

func TestAPlanSaysNewSameAndChanged(t *testing.T) {
	s := open(t)
	c := apply(t, s, nil)
	if c.Action != "+" || c.Deployment != "hello/nightly" || fieldNames(c) != "entrypoint path work_pool work_queue version parameter_schema" {
		t.Errorf("new: %s %s", c.Action, fieldNames(c))
	}
	for _, f := range c.Fields {
		if f.Old != nil {
			t.Errorf("new: %s was %v", f.Field, f.Old)
		}
	}
	before := number(t, s, "SELECT updated FROM deployment")
	if c = apply(t, s, nil); c.Action != "=" || len(c.Fields) != 0 {
		t.Errorf("same: %s %s", c.Action, fieldNames(c))
	}
	if after := number(t, s, "SELECT updated FROM deployment"); after != before {
		t.Error("a deploy that changes nothing wrote")
	}
	c = apply(t, s, func(w *Wish) { w.Tags, w.Parameters = ptr([]string{"a"}), Values{"top": raw("5")} })
	if c.Action != "~" || fieldNames(c) != "tags parameters" {
		t.Errorf("changed: %s %s", c.Action, fieldNames(c))
	}
}

// How a value is written is not what it is: redeploying the same file says "=".
func TestTheSameWrittenOtherwiseIsNoChange(t *testing.T) {
	s := open(t)
	first := func(w *Wish) {
		w.ParameterSchema = raw(`{"properties":{"a":{},"b":{"default":9007199254740993}}}`)
		w.Parameters = Values{"a": raw(`{"x": [1, 2], "y": "<&>"}`)}
		w.JobVariables = Values{"env": raw(`{"A": "1",  "B": "2"}`)}
		w.Tags = ptr([]string{"a", "b", "a"})
	}
	apply(t, s, first)
	c := apply(t, s, func(w *Wish) {
		first(w)
		w.ParameterSchema = raw(`{ "properties": {"b": {"default": 9007199254740993}, "a": {}} }`)
		w.Parameters = Values{"a": raw("{\"y\":\"\\u003c&>\",\n\"x\":[1,2]}")}
	})
	if c.Action != "=" {
		t.Errorf("changed: %+v", c.Fields)
	}
	c = apply(t, s, func(w *Wish) {
		first(w)
		w.ParameterSchema = raw(`{"properties":{"a":{},"b":{"default":9007199254740992}}}`)
	})
	if fieldNames(c) != "parameter_schema" {
		t.Errorf("a large default that changed by one: %q", fieldNames(c))
	}
	d, err := s.Deployment(context.Background(), "nightly")
	must(t, err)
	if !slices.Equal(d.Tags, []string{"a", "b"}) || !strings.Contains(string(d.Parameters["a"]), "<&>") {
		t.Errorf("stored: %v, %s", d.Tags, d.Parameters["a"])
	}
}

func TestAbsentKeepsAndPresentSets(t *testing.T) {
	ctx, s := context.Background(), open(t)
	apply(t, s, func(w *Wish) {
		w.Description, w.Tags, w.Parameters = ptr("d"), ptr([]string{"a"}), Values{"top": raw("5")}
		w.JobVariables, w.EnforceParameterSchema = Values{"nice": raw("3")}, ptr(false)
		w.Queue, w.ConcurrencyLimit, w.CollisionStrategy, w.Paused = "q", ptr(2), ptr(CancelNew), ptr(true)
	})
	if c := apply(t, s, func(w *Wish) { w.Pool = "" }); c.Action != "=" {
		t.Errorf("what is absent is kept, but %+v", c.Fields)
	}
	if c := apply(t, s, nil); c.Action != "=" {
		t.Errorf("naming the pool again keeps the queue, but %+v", c.Fields)
	}
	c := apply(t, s, func(w *Wish) {
		w.Description, w.Tags, w.Parameters = ptr(""), ptr([]string{}), Values{}
		w.JobVariables, w.EnforceParameterSchema = Values{}, ptr(true)
		w.Pool, w.ConcurrencyLimit, w.CollisionStrategy, w.Paused = "p2", ptr(1), ptr(Enqueue), ptr(false)
	})
	if want := "work_pool work_queue description tags parameters enforce_parameter_schema job_variables paused concurrency_limit collision_strategy"; fieldNames(c) != want {
		t.Errorf("present sets %q, want %q", fieldNames(c), want)
	}
	d, err := s.Deployment(ctx, "nightly")
	must(t, err)
	if d.WorkPoolName != "p2" || d.WorkQueueName != DefaultQueue || len(d.Tags) != 0 || d.Paused {
		t.Errorf("stored: %+v", d)
	}
}

func TestAVersionThatOnlyDefaultedIsNoChange(t *testing.T) {
	s := open(t)
	apply(t, s, nil)
	if c := apply(t, s, func(w *Wish) { w.DefaultVersion = "v2" }); c.Action != "=" {
		t.Errorf("changed: %+v", c.Fields)
	}
	if c := apply(t, s, func(w *Wish) { w.DefaultVersion, w.Tags = "v3", ptr([]string{"a"}) }); fieldNames(c) != "version tags" {
		t.Errorf("with another change the version goes along: %q", fieldNames(c))
	}
	if c := apply(t, s, func(w *Wish) { w.Version = ptr("1.0") }); fieldNames(c) != "version" {
		t.Errorf("a version that was given is a change: %q", fieldNames(c))
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	ctx, s := context.Background(), open(t)
	before := rows(t, s)
	plan, err := s.Deploy(ctx, []Wish{wish(nil)}, DeployOptions{DryRun: true, CreatePools: true})
	must(t, err)
	if plan.Applied || plan.Changes[0].Action != "+" || !slices.Equal(plan.Pools, []string{"p"}) {
		t.Errorf("plan %+v", plan)
	}
	if rows(t, s) != before {
		t.Error("a dry run wrote")
	}
}

func TestADeployIsAllOrNothing(t *testing.T) {
	ctx, s := context.Background(), open(t)
	before := rows(t, s)
	good, bad := wish(nil), wish(func(w *Wish) { w.Name, w.Parameters = "bad", Values{"top": raw(`"many"`)} })
	plan, err := s.Deploy(ctx, []Wish{good, bad}, DeployOptions{CreatePools: true})
	wantError(t, err, Invalid, "hello/bad", `parameter "top": "many" is not an integer`)
	if plan.Applied || len(plan.Changes) != 0 || rows(t, s) != before {
		t.Errorf("the first of two was stored: %+v", plan)
	}
}

func TestAMissingPoolIsSaidOrMade(t *testing.T) {
	ctx, s := context.Background(), open(t)
	_, err := s.CreateWorkPool(ctx, WorkPool{Name: "my-pool"})
	must(t, err)
	before := rows(t, s)
	w := wish(func(w *Wish) { w.Pool = "mypool" })
	_, err = s.Deploy(ctx, []Wish{w}, DeployOptions{})
	wantError(t, err, NotFound, `no work pool "mypool"`, `did you mean "my-pool"?`, "work-pool create --type process mypool", "--create-pools")
	w.Pool = ""
	_, err = s.Deploy(ctx, []Wish{w}, DeployOptions{CreatePools: true})
	wantError(t, err, Invalid, "hello/nightly has no work pool")
	if rows(t, s) != before {
		t.Error("a refused deploy wrote")
	}
	w.Pool = "mypool"
	plan, err := s.Deploy(ctx, []Wish{w, wish(func(w *Wish) { w.Name, w.Pool = "two", "mypool" })}, DeployOptions{CreatePools: true})
	must(t, err)
	if !slices.Equal(plan.Pools, []string{"mypool"}) {
		t.Errorf("made %v", plan.Pools)
	}
	queue, err := s.WorkQueue(ctx, "mypool", DefaultQueue)
	must(t, err)
	if queue.Priority != 1 {
		t.Errorf("the default queue has priority %d", queue.Priority)
	}
}

func TestWhatADeployRefuses(t *testing.T) {
	ctx, s := context.Background(), open(t)
	before := rows(t, s)
	for want, with := range map[string]func(*Wish){
		`"a/b" cannot name a flow`:                     func(w *Wish) { w.FlowName = "a/b" },
		`"" cannot name a deployment`:                  func(w *Wish) { w.Name = "" },
		`"a\nb" cannot name a deployment`:              func(w *Wish) { w.Name = "a\nb" },
		`"my pool" cannot name a work pool`:            func(w *Wish) { w.Pool = "my pool" },
		`"my queue" cannot name a work queue`:          func(w *Wish) { w.Queue = "my queue" },
		"a concurrency limit of 0: it is 1 or more":    func(w *Wish) { w.ConcurrencyLimit = ptr(0) },
		`no collision strategy "FIGHT"`:                func(w *Wish) { w.CollisionStrategy = ptr("FIGHT") },
		"retries of -1: it is 0 or more":               func(w *Wish) { w.Retries = -1 },
		"a retry delay of -2 seconds":                  func(w *Wish) { w.RetryDelays = []float64{1, -2} },
		"a retry delay of NaN seconds":                 func(w *Wish) { w.RetryDelays = []float64{math.NaN()} },
		"a retry delay of 1e+12 seconds":               func(w *Wish) { w.RetryDelays = []float64{1e12} },
		"a timeout of 0 seconds: it is more than 0":    func(w *Wish) { w.TimeoutSeconds = ptr(0.0) },
		`job variable "nice": "x" is not an integer`:   func(w *Wish) { w.JobVariables = Values{"nice": raw(`"x"`)} },
		`no parameter "topp"`:                          func(w *Wish) { w.Parameters = Values{"topp": raw("1")} },
		"hello/nightly: read parameter schema":         func(w *Wish) { w.ParameterSchema = raw(`{"properties": 7}`) },
		"hello/nightly: a concurrency limit of -3: it": func(w *Wish) { w.ConcurrencyLimit = ptr(-3) },
	} {
		_, err := s.Deploy(ctx, []Wish{wish(with)}, DeployOptions{CreatePools: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if rows(t, s) != before {
			t.Fatalf("%q: a refused deploy wrote", want)
		}
	}
	for _, name := range []string{"with spaces", "ünï", "dots.and-dashes"} {
		apply(t, s, func(w *Wish) { w.Name = name })
		create(t, s, "hello/"+name, nil)
	}
}

func TestUnknownJobVariablesAreKeptAndNamed(t *testing.T) {
	s := open(t)
	c := apply(t, s, func(w *Wish) { w.JobVariables = Values{"image": raw(`"x"`), "cpu": raw("2"), "nice": raw("1")} })
	if !slices.Equal(c.Unknown, []string{"cpu", "image"}) {
		t.Errorf("unknown: %v", c.Unknown)
	}
	d, err := s.Deployment(context.Background(), "nightly")
	must(t, err)
	if string(d.JobVariables["image"]) != `"x"` {
		t.Errorf("stored: %v", d.JobVariables)
	}
}

func TestARedeployLeavesTheOperatorsPause(t *testing.T) {
	ctx, s := context.Background(), open(t)
	apply(t, s, nil)
	_, err := s.PauseDeployment(ctx, "nightly", true)
	must(t, err)
	c := apply(t, s, func(w *Wish) { w.Paused = ptr(false); w.Tags = ptr([]string{"a"}) })
	if !slices.Equal(c.Kept, []string{"paused by an operator"}) || fieldNames(c) != "tags" {
		t.Errorf("kept %v, changed %q", c.Kept, fieldNames(c))
	}
	create(t, s, "nightly", nil)
	if result := claim(t, s, 1, nil); len(result.Claimed) != 0 {
		t.Error("a redeploy lifted the operator's pause")
	}
	_, err = s.PauseDeployment(ctx, "nightly", false)
	must(t, err)
	claimOne(t, s)
	if c = apply(t, s, nil); len(c.Kept) != 0 {
		t.Errorf("after the resume: kept %v", c.Kept)
	}
}

func TestADocstringIsTheFirstDescription(t *testing.T) {
	s := open(t)
	apply(t, s, func(w *Wish) { w.Docstring = "from the code" })
	if c := apply(t, s, func(w *Wish) { w.Docstring = "from newer code" }); c.Action != "=" {
		t.Errorf("a description that is there is kept, but %+v", c.Fields)
	}
}

func TestARunTakesTheDeploymentsValuesUnderItsOwn(t *testing.T) {
	ctx, s := context.Background(), open(t)
	apply(t, s, func(w *Wish) {
		w.ParameterSchema = raw(`{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"]}`)
		w.Parameters, w.Tags = Values{"a": raw("1")}, ptr([]string{"x"})
	})
	_, _, err := s.CreateRun(ctx, NewRun{Deployment: "nightly"})
	wantError(t, err, Invalid, `parameter "b" is missing: it has no default`, "--param b=…")
	run := create(t, s, "nightly", func(n *NewRun) { n.Parameters, n.Tags = Values{"b": raw("2")}, []string{"y", "x"} })
	if text := run.Parameters.text(); text != `{"a":1,"b":2}` {
		t.Errorf("parameters %s", text)
	}
	if !slices.Equal(run.Tags, []string{"x", "y"}) {
		t.Errorf("tags %v", run.Tags)
	}
	for want, n := range map[string]NewRun{
		`no work queue "nope"`:           {Queue: "nope"},
		`"a/b" cannot name a flow run`:   {Name: "a/b"},
		"a timeout of -1 seconds":        {TimeoutSeconds: ptr(-1.0)},
		`job variable "nice": 99 is not`: {JobVariables: Values{"nice": raw("99")}},
		`parameter "b": "2" is not`:      {Parameters: Values{"b": raw(`"2"`)}},
	} {
		n.Deployment = "nightly"
		if n.Parameters == nil {
			n.Parameters = Values{"b": json.RawMessage("2")}
		}
		if _, _, err := s.CreateRun(ctx, n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	change(t, s, "DELETE FROM work_pool")
	_, _, err = s.CreateRun(ctx, NewRun{Deployment: "nightly", Parameters: Values{"b": raw("2")}})
	wantError(t, err, Conflict, "hello/nightly has no work pool", "deploy it again with --pool")
	if n := number(t, s, "SELECT count(*) FROM flow_run"); n != 1 {
		t.Errorf("refused runs left rows: %d", n)
	}
}
