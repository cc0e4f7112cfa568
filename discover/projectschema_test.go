package discover

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"gopkg.in/yaml.v3"
)

func projectFileSchema(t *testing.T) (*jsonschema.Schema, *jsonschema.Resolved) {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &schema, resolved
}

func propertiesOf(s *jsonschema.Schema) []string { return sortedNames(s.Properties) }

// asked are the keys that a reader asks an empty mapping for.
func asked(read func(*block)) []string {
	b := newReader("").block(&yaml.Node{Kind: yaml.MappingNode}, "")
	read(b)
	slices.Sort(b.asked)
	return slices.Compact(b.asked)
}

// jsonNames are the keys of a Go type's fields.
func jsonNames(v any) []string {
	var out []string
	for i := range reflect.TypeOf(v).NumField() {
		if name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// readKeys is what became of each key of a text.
func readKeys(t *testing.T, text string) map[string]string {
	t.Helper()
	p, err := parseProject("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p.account
}

func TestSchemaHoldsTheTypes(t *testing.T) {
	schema, _ := projectFileSchema(t)
	entry := slices.DeleteFunc(propertiesOf(schema.Defs["deployment"]), func(key string) bool { return key == "schedule" })
	for _, c := range []struct {
		what          string
		schema, types []string
	}{
		{"Entry", entry, jsonNames(Entry{})},
		{"WorkPool", propertiesOf(schema.Defs["work_pool"]), jsonNames(WorkPool{})},
		{"ScheduleEntry", propertiesOf(schema.Defs["schedule"]), jsonNames(ScheduleEntry{})},
		{"Concurrency", propertiesOf(schema.Defs["concurrency"]), jsonNames(Concurrency{})},
		{"what a schedule is asked for", propertiesOf(schema.Defs["schedule"]), asked(func(b *block) { b.scheduleFields() })},
	} {
		if !slices.Equal(c.schema, c.types) {
			t.Errorf("%s: the schema has %v, the type %v", c.what, c.schema, c.types)
		}
	}
	for _, name := range StepNames() {
		want := append(slices.Clone(stepSpecs[name].arguments), "id", "requires")
		slices.Sort(want)
		if got := propertiesOf(schema.Defs[name]); !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v, the step takes %v", name, got, want)
		}
	}
}

// Every key of the schema is read, and none is warned of.
func TestSchemaHoldsTheReader(t *testing.T) {
	schema, _ := projectFileSchema(t)
	for _, key := range propertiesOf(schema.Defs["deployment"]) {
		account := readKeys(t, "deployments:\n- "+key+": null\n")
		if what := account["deployments[0]."+key]; !strings.HasPrefix(what, "used") && !strings.HasPrefix(what, "kept") {
			t.Errorf("deployment: %s is %q", key, what)
		}
	}
	for _, key := range propertiesOf(schema) {
		if what := readKeys(t, key+": null\n")[key]; !strings.HasPrefix(what, "used") && !strings.HasPrefix(what, "kept") {
			t.Errorf("top: %s is %q", key, what)
		}
	}
}

// A file without a warning for its keys is one that an editor likes, too.
func TestSchemaLikesGoodFiles(t *testing.T) {
	_, resolved := projectFileSchema(t)
	good, err := filepath.Glob("testdata/project/good_*.yaml")
	if err != nil || len(good) == 0 {
		t.Fatal("no good files", err)
	}
	for _, file := range good {
		p, err := ReadProject(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := resolved.Validate(instanceOf(t, p)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestCorpusPleasesTheSchema(t *testing.T) {
	_, resolved := projectFileSchema(t)
	liked := 0
	for _, file := range projectCorpus(t) {
		p, err := ReadProject(file)
		if err != nil || p.root == nil {
			continue
		}
		foreign := slices.ContainsFunc(p.Warnings, func(w Problem) bool { return strings.Contains(w.Message, "key") })
		if err := resolved.Validate(instanceOf(t, p)); err != nil != foreign && !foreign {
			t.Errorf("%s: %v", file, err)
		}
		liked++
	}
	t.Logf("%d files are as the schema says", liked)
}

func instanceOf(t *testing.T, p *Project) any {
	t.Helper()
	raw, err := nodeJSON(p.root)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What the reader refuses for its type, the schema refuses.
func TestSchemaRefusesWhatReadingRefuses(t *testing.T) {
	_, resolved := projectFileSchema(t)
	for _, text := range []string{
		"deployments: {name: a}", "deployments: [a]", "deployments: [{name: a/b}]",
		"deployments: [{name: a, paused: maybe}]", "deployments: [{name: a, tags: {a: b}}]",
		"deployments: [{name: a, parameters: [1]}]", "deployments: [{name: a, work_pool: p}]",
		"deployments: [{name: a, work_pool: {job_variables: x}}]", "deployments: [{name: a, retries: -1}]",
		"deployments: [{name: a, concurrency_limit: {collision_strategy: WAIT, limit: 1}}]",
		"deployments: [{name: a, catchup: some}]", "deployments: [{name: a, timeout_seconds: soon}]",
		"deployments: [{name: a, schedules: [{cron: [1]}]}]", "pull: text", "pull: [{git_clone: {branch: a}}]",
		"pull: [{run_shell_script: x}]", "deployments: [{name: a, on_failure: mail}]", "deployments: [{name: a, on_late: [[a]]}]",
	} {
		if _, err := parseProject("test.yaml", []byte(text)); err == nil {
			t.Errorf("%s is read", text)
		}
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(v)
		var plain any
		_ = json.Unmarshal(raw, &plain)
		if resolved.Validate(plain) == nil {
			t.Errorf("the schema likes %s", text)
		}
	}
}
