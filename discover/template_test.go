package discover

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// known is a Lookup with one of everything.
func knownValues() Lookup {
	env := map[string]string{
		"HOST": "db.example", "LIMIT": "3", "OFF": "false", "EMPTY": "", "BRACES": "{{ $HOST }}",
		"STEAL": "{{ prefect.blocks.secret.key }}", "SLASH": "a/b", "POOL": "big",
	}
	variables := map[string]string{"n": "7", "list": `["a",{"b":1.50}]`, "text": `"v"`, "team.size": "4"}
	return Lookup{
		Env:      func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Variable: func(name string) (json.RawMessage, bool) { v, ok := variables[name]; return json.RawMessage(v), ok },
		Secret:   func(name string) (string, bool) { return "hush", name == "key" },
		Step:     map[string]map[string]any{"build-image": {"image": "repo:1", "n": 5, "deep": map[string]any{"a": true}}},
		Bare:     map[string]any{"image": "repo:1"},
	}
}

func resolve(t *testing.T, text string, l Lookup) (Entry, string) {
	t.Helper()
	e, problems := read(t, text).Deployments[0].Resolve(l)
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Error()+" | "+p.Hint)
	}
	return e, strings.Join(lines, "\n")
}

func TestTemplatesInParameters(t *testing.T) {
	for _, c := range []struct{ template, value, shown string }{
		{`plain`, `"plain"`, ""},
		{`{{ $HOST }}`, `"db.example"`, "{{ $HOST }}"},
		{`{{$LIMIT}}`, `"3"`, "{{ $LIMIT }}"}, // the environment is text
		{`{{ $EMPTY }}`, `""`, "{{ $EMPTY }}"},
		{`{{ $BRACES }}`, `"{{ $HOST }}"`, "{{ $BRACES }}"}, // a value is not looked at again
		{`pg://{{ $HOST }}:{{ prefect.variables.n }}/x`, `"pg://db.example:7/x"`, "pg://{{ $HOST }}:7/x"},
		{`{{ prefect.variables.n }}`, `7`, ""},
		{`{{ prefect.variables.team.size }}`, `4`, ""},
		{`{{ prefect.variables.list }}`, `["a",{"b":1.50}]`, ""},
		{`is {{ prefect.variables.list }}`, `"is [\"a\",{\"b\":1.50}]"`, ""},
		{`{{ prefect.blocks.secret.key }}`, `"{{ prefect.blocks.secret.key }}"`, "{{ prefect.blocks.secret.key }}"},
		{`a-{{prefect.blocks.secret.key}}-{{ $HOST }}`, `"a-{{ prefect.blocks.secret.key }}-db.example"`, "a-{{ prefect.blocks.secret.key }}-{{ $HOST }}"},
		{`{{ build-image.image }}`, `"repo:1"`, ""},
		{`{{ build-image.n }}`, `5`, ""},
		{`{{ build-image.deep.a }}`, `true`, ""},
		{`{{ image }}`, `"repo:1"`, ""},
		{`{{ not closed`, `"{{ not closed"`, ""},
	} {
		e, problems := resolve(t, "deployments:\n- name: a\n  entrypoint: f.py:f\n  parameters:\n    x: '"+c.template+"'\n", knownValues())
		if got := string(e.Parameters["x"]); got != c.value || problems != "" || e.Shown["parameters.x"] != c.shown {
			t.Errorf("%s: %s %q %s", c.template, got, e.Shown["parameters.x"], problems)
		}
	}
}

func TestTemplatesInFields(t *testing.T) {
	e, problems := resolve(t, `deployments:
- name: "n-{{ $HOST }}"
  entrypoint: f.py:f
  tags: ["{{ $HOST }}", "{{ prefect.variables.text }}"]
  paused: "{{ $OFF }}"
  concurrency_limit: {limit: "{{ $LIMIT }}"}
  retries: "{{ prefect.variables.n }}"
  schedules:
  - interval: "{{ prefect.variables.n }}"
    active: "{{ $OFF }}"
    parameters: {k: "{{ prefect.blocks.secret.key }}"}
  work_pool:
    name: "{{ $POOL }}"
    job_variables: {env: {A: "{{ $HOST }}", B: "{{ prefect.blocks.secret.key }}"}}
  triggers: [{parameters: {x: "{{ event.payload['item'] }}"}}]
`, knownValues())
	if problems != "" {
		t.Fatal(problems)
	}
	got := []any{e.Name, *e.Tags, *e.Paused, *e.Concurrency.Limit, *e.Retries, (*e.Schedules)[0].Interval, e.WorkPool.Name, string(e.WorkPool.JobVariables["env"])}
	want := []any{"n-db.example", []string{"db.example", "v"}, false, 3, 7, "7", "big", `{"A":"db.example","B":"{{ prefect.blocks.secret.key }}"}`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	shown := slices.Sorted(maps.Keys(e.Shown))
	wantShown := []string{"concurrency_limit.limit", "name", "paused", "schedules[0].active", "schedules[0].parameters.k", "tags[0]", "work_pool.job_variables.env.A", "work_pool.job_variables.env.B", "work_pool.name"}
	if !slices.Equal(shown, wantShown) {
		t.Errorf("shown %v", shown)
	}
	if !strings.Contains(string(e.Triggers), "event.payload") {
		t.Error("triggers are touched")
	}
}

// All that is missing is said at once, by line, and never a value.
func TestTemplateProblems(t *testing.T) {
	_, got := resolve(t, `deployments:
- name: "{{ prefect.blocks.secret.key }}"
  entrypoint: f.py:f
  description: "{{ $ONE }} and {{ $TWO }}"
  concurrency_limit: "{{ $HOST }}"
  flow_name: "{{ $SLASH }}"
  parameters:
    a: "{{ $ONE }}"
    b: "{{ prefect.variables.gone }}"
    c: "{{ prefect.blocks.secret.gone }}"
    d: "{{ prefect.blocks.github-credentials.mine }}"
    e: "{{ ctx.flow_run.name }}"
    f: "{{ event.payload['item'] }}"
    g: "{{ build-imag.image }}"
    h: "{{ $STEAL }}"
    "{{ $HOST }}": 1
    i: |
      first
      {{ $THREE }}
`, knownValues())
	want := `p.yaml:2:9: deployments[0].name: {{ prefect.blocks.secret.key }} cannot stand here: this is stored and shown | secrets go into parameters, job_variables and steps
p.yaml:4:16: deployments[0].description: {{ $ONE }} is not set in the environment | export ONE=…
p.yaml:4:16: deployments[0].description: {{ $TWO }} is not set in the environment | export TWO=…
p.yaml:5:22: deployments[0].concurrency_limit: must be a whole number of 1 or more, not "{{ $HOST }}" | 
p.yaml:6:14: deployments[0].flow_name: "{{ $SLASH }}" holds a / | choose a name without /
p.yaml:8:8: deployments[0].parameters.a: {{ $ONE }} is not set in the environment | export ONE=…
p.yaml:9:8: deployments[0].parameters.b: there is no variable gone | runnel variable set gone VALUE
p.yaml:10:8: deployments[0].parameters.c: there is no secret gone | runnel variable set gone --secret
p.yaml:11:8: deployments[0].parameters.d: {{ prefect.blocks.github-credentials.mine }} is a block of Prefect's, which runnel does not have | keep it as a secret: runnel variable set NAME --secret, then {{ prefect.blocks.secret.NAME }}
p.yaml:12:8: deployments[0].parameters.e: {{ ctx.flow_run.name }} is filled in by Prefect's workers only | a run has RUNNEL_FLOW_RUN_ID and RUNNEL_FLOW_RUN_NAME in its environment
p.yaml:13:8: deployments[0].parameters.f: {{ event.payload['item'] }} is not a template that runnel fills in | keep the text as a variable: runnel variable set NAME, then {{ prefect.variables.NAME }}
p.yaml:14:8: deployments[0].parameters.g: {{ build-imag.image }} has no value: no step before it made build-imag | templates are {{ $ENV }}, {{ prefect.variables.NAME }}, {{ prefect.blocks.secret.NAME }} and {{ step-id.output }}
p.yaml:15:8: deployments[0].parameters.h: the value of {{ $STEAL }} holds a template itself | write that template here, in the file
p.yaml:16:5: deployments[0].parameters.{{ $HOST }}: a template in a key is not filled in | put it in the value
p.yaml:19:1: deployments[0].parameters.i: {{ $THREE }} is not set in the environment | export THREE=…`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, value := range []string{"db.example", "hush", "a/b"} {
		if strings.Contains(got, value) {
			t.Errorf("the value %s is in the messages", value)
		}
	}
}

const pulls = `build:
- run_shell_script: {id: commit, script: git rev-parse HEAD}
pull:
- git_clone:
    id: clone
    repository: "https://{{ $HOST }}/r.git"
    branch: "{{ prefect.variables.text }}"
    access_token: "{{ prefect.blocks.secret.key }}"
- set_working_directory: {directory: "{{ clone.directory }}/{{ commit.stdout }}"}
- pip_install_requirements: {directory: "{{ directory }}"}
deployments:
- name: a
  entrypoint: f.py:f
`

// A pull step keeps for the run what only the run knows, and no secret's value.
func TestTemplatesOfPullSteps(t *testing.T) {
	l := knownValues()
	l.Step["commit"] = map[string]any{"stdout": "abc"}
	e, problems := resolve(t, pulls, l)
	if problems != "" {
		t.Fatal(problems)
	}
	list := e.Pull.List
	got := []string{list[0].Text("repository"), list[0].Text("branch"), list[0].Text("access_token"), list[1].Text("directory"), list[2].Text("directory")}
	want := []string{"https://db.example/r.git", "{{ prefect.variables.text }}", "{{ prefect.blocks.secret.key }}", "{{ clone.directory }}/abc", "{{ directory }}"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if list[0].Shown["repository"] != "https://{{ $HOST }}/r.git" {
		t.Error(list[0].Shown)
	}
	stored := storedAndRead(t, list)
	l.Step["clone"] = map[string]any{"directory": "/srv/r-v"}
	l.Bare["directory"] = "/srv/r-v"
	var ready []string
	for _, s := range stored {
		out, problems := s.Resolve(l)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		ready = append(ready, out.Text("branch")+out.Text("access_token")+out.Text("directory"))
		if out.Text("access_token") != "" && out.Shown["access_token"] != "{{ prefect.blocks.secret.key }}" {
			t.Error(out.Shown)
		}
	}
	if want := []string{"vhush", "/srv/r-v/abc", "/srv/r-v"}; !slices.Equal(ready, want) {
		t.Errorf("at the run: %q", ready)
	}
}

func storedAndRead(t *testing.T, list []Step) (out []Step) {
	t.Helper()
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "hush") {
		t.Error("the value of a secret is stored")
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPendingOutputs(t *testing.T) {
	l := knownValues()
	if _, problems := resolve(t, pulls, l); !strings.Contains(problems, "{{ commit.stdout }} has no value") {
		t.Error(problems)
	}
	l.Pending = true
	e, problems := resolve(t, pulls+"  version: \"{{ commit.stdout }}\"\n", l)
	if problems != "" || *e.Version != "{{ commit.stdout }}" || e.Shown["version"] != *e.Version {
		t.Error(problems, *e.Version, e.Shown)
	}
}

// What flags replace is not looked at.
func TestReplacedFields(t *testing.T) {
	l := knownValues()
	l.Replaced = []string{"work_pool.name", "name", "parameters.day"}
	e, problems := resolve(t, `deployments:
- name: "{{ $GONE }}"
  entrypoint: f.py:f
  parameters: {day: "{{ $GONE }}", x: 1}
  work_pool: {name: "{{ $GONE }}", work_queue_name: q}
`, l)
	if problems != "" || e.WorkPool.Name != "" || e.WorkPool.WorkQueueName != "q" || len(e.Parameters) != 1 {
		t.Error(problems, e.WorkPool, e.Parameters)
	}
}

func TestResolveAnEntryOfNoFile(t *testing.T) {
	e := Entry{Name: "a", Entrypoint: "f.py:f", WorkPool: WorkPool{Name: "{{ $POOL }}"}, Concurrency: &Concurrency{Limit: ptr(2)}}
	out, problems := e.Resolve(knownValues())
	if len(problems) > 0 || out.WorkPool.Name != "big" || *out.Concurrency.Limit != 2 {
		t.Error(problems, out.WorkPool)
	}
}

func TestUnsupportedPullIsRefused(t *testing.T) {
	_, problems := resolve(t, "pull:\n- prefect_aws.deployments.steps.pull_from_s3: {bucket: b}\ndeployments:\n- {name: a, entrypoint: f.py:f}\n", knownValues())
	if !strings.HasPrefix(problems, "p.yaml:2:") || !strings.Contains(problems, "prefect_aws, which runnel does not run") {
		t.Error(problems)
	}
}
