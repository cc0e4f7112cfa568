package discover

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// problemsOf is what a user is told of a file.
func problemsOf(name string, text []byte) string {
	p, err := parseProject(name, text)
	var b strings.Builder
	line := func(kind string, p Problem) {
		fmt.Fprintf(&b, "%s %s\n", kind, p.Error())
		if p.Hint != "" {
			fmt.Fprintf(&b, "      %s\n", strings.ReplaceAll(p.Hint, "\n", "\n      "))
		}
	}
	var bad *ProjectError
	if errors.As(err, &bad) {
		for _, one := range bad.Problems {
			line("error", one)
		}
		return b.String()
	}
	for _, one := range p.Warnings {
		line("warn ", one)
	}
	return b.String()
}

// Each small file and what is said of it stand in problems.txtar.
func TestProblems(t *testing.T) {
	const golden = "testdata/project/problems.txtar"
	archive, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	out := &txtar.Archive{Comment: archive.Comment}
	for i, file := range archive.Files {
		name, isYAML := strings.CutSuffix(file.Name, ".yaml")
		if !isYAML {
			continue
		}
		got := problemsOf("p.yaml", file.Data)
		out.Files = append(out.Files, file, txtar.File{Name: name + ".want", Data: []byte(got)})
		want := ""
		if i+1 < len(archive.Files) && archive.Files[i+1].Name == name+".want" {
			want = string(archive.Files[i+1].Data)
		}
		if got != want && !*update {
			t.Errorf("%s:\ngot\n%swant\n%s", name, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, text string) *Project {
	t.Helper()
	p, err := parseProject("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReadEveryKey(t *testing.T) {
	p, err := ReadProject("testdata/project/good_all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e := p.Deployments[0]
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"name", p.Name, "all"},
		{"line", e.Line, 27},
		{"flow", e.FullName(), "report/one"},
		{"version", *e.Version, "1.10"},
		{"description", *e.Description, "Two\nlines.\n"},
		{"tags", *e.Tags, []string{"a", "b"}},
		{"date", string(e.Parameters["day"]), `"2026-01-02"`},
		{"deep", string(e.Parameters["deep"]), `{"list":[1,2.50,null,true]}`},
		{"limit", *e.Concurrency.Limit, 1},
		{"strategy", e.Concurrency.CollisionStrategy, "CANCEL_NEW"},
		{"merged pool", e.WorkPool.Name + "/" + e.WorkPool.WorkQueueName, "local/slow"},
		{"merged variables", string(e.WorkPool.JobVariables["env"]), `{"A":"1"}`},
		{"schedules", len(*e.Schedules), 3},
		{"interval", (*e.Schedules)[1].Interval, "604800.0"},
		{"build", e.Build, Steps{Origin: StepsOwn}},
		{"pull origin", e.Pull.Origin, StepsInherited},
		{"step", e.Pull.List[2].Name, "pip_install_requirements"},
		{"step id", e.Pull.List[0].ID, "clone"},
		{"delays", e.RetryDelaySeconds, []float64{1, 2.5}},
		{"catchup", e.Catchup + e.MaxLate + e.Jitter, "allPT1H5"},
		{"null pull", p.Deployments[1].Pull, Steps{Origin: StepsNull}},
		{"{} removes", *p.Deployments[1].Schedules, []ScheduleEntry{}},
		{"one tag", *p.Deployments[1].Tags, []string{"single"}},
		{"open template", p.Deployments[1].Paused, (*bool)(nil)},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: %#v, want %#v", c.what, c.got, c.want)
		}
	}
	if len(p.Warnings) != 1 { // triggers and sla
		t.Error(p.Warnings)
	}
}

// Absent and null keep, [] and {} remove.
func TestSchedulesKeepOrRemove(t *testing.T) {
	for text, want := range map[string]int{
		"": -1, "schedules: null": -1, "schedule:": -1, "schedules: []": 0, "schedules: {}": 0,
		"schedule: {}": 0, "schedule: {cron: null}": 0, "schedule: []": 0,
		"schedule: {cron: 0 6 * * *}": 1, "schedules: {interval: 60}": 1, `schedule: "*/2 * * * *"`: 1,
		"schedule: [{cron: '@daily'}, {interval: 60}]": 2, "schedules: [{rrule: x}, null]": 1,
	} {
		got := -1
		if list := read(t, "deployments:\n- name: a\n  "+text+"\n").Deployments[0].Schedules; list != nil {
			got = len(*list)
		}
		if got != want {
			t.Errorf("%q gives %d schedules, want %d", text, got, want)
		}
	}
}

func TestFindProjectFile(t *testing.T) {
	for _, c := range []struct {
		files  []string
		want   string
		unread string
	}{
		{nil, "", ""},
		{[]string{"prefect.yml"}, "prefect.yml", ""},
		{[]string{"prefect.yml", "prefect.yaml"}, "prefect.yaml", ""},
		{[]string{"prefect.yaml", "runnel.yaml"}, "runnel.yaml", "prefect.yaml"},
		{[]string{"prefect.yml", "runnel.yml"}, "runnel.yml", "prefect.yml"},
	} {
		dir := t.TempDir()
		for _, name := range c.files {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		path, unread, err := FindProjectFile(dir)
		if err != nil || unread != c.unread || path != "" && filepath.Base(path) != c.want || path == "" && c.want != "" {
			t.Errorf("%v: %q %v %v", c.files, path, unread, err)
		}
	}
}

func TestSelect(t *testing.T) {
	p := read(t, `deployments:
- {name: daily, entrypoint: "a.py:load_data"}
- {name: nightly, entrypoint: "a.py:load_data"}
- {name: daily, entrypoint: "b.py:report"}
- {name: null, entrypoint: "b.py:report"}
- {name: "a*", entrypoint: pkg.mod.func}
- {name: ab, entrypoint: pkg.mod.func}
`)
	p.Deployments[2].Flow = "the report"
	for _, c := range []struct {
		patterns []string
		want     string
	}{
		{nil, "load-data/daily load-data/nightly the report/daily func/a* func/ab"},
		{[]string{"daily"}, "load-data/daily the report/daily"},
		{[]string{"the report/daily"}, "the report/daily"},
		{[]string{"load-data/*", "daily"}, "load-data/daily load-data/nightly the report/daily"},
		{[]string{"*ly"}, "load-data/daily load-data/nightly the report/daily"},
		{[]string{"a*"}, "func/a*"},
		{[]string{"a?"}, "func/a* func/ab"},
		{[]string{"*/daily"}, "load-data/daily the report/daily"},
		{[]string{"[n]ightly"}, "load-data/nightly"},
	} {
		found, err := p.Select(c.patterns)
		var names []string
		for _, e := range found {
			names = append(names, e.FullName())
		}
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%v: %q %v, want %q", c.patterns, got, err, c.want)
		}
	}
	var none *SelectError
	if _, err := p.Select([]string{"x*"}); !errors.As(err, &none) || len(none.Near) > 0 || len(none.Names) != 5 {
		t.Errorf("a glob is told %v", none)
	}
	_, err := p.Select([]string{"daily", "nigthly"})
	want := `no deployment of the project file matches "nigthly"; did you mean load-data/nightly? It has load-data/daily, load-data/nightly, the report/daily, func/a*, func/ab`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// An alias of aliases of aliases is refused, not followed.
func TestAliasBombs(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	for _, text := range []string{b.String(), "a: &a [*a]\n", "a: &a {<<: *a}\n"} {
		if _, err := parseProject("p.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "nested too deeply") && strings.Count(err.Error(), "stands within what it stands for") != 1 {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestProblemAtAPath(t *testing.T) {
	p := read(t, "deployments:\n- name: a\n  schedules:\n  - cron: bad\n    timezone: Mars\n")
	got := p.Deployments[0].At("schedules[0].timezone", "no such zone", "").Error()
	if got != "p.yaml:5:15: deployments[0].schedules[0].timezone: no such zone" {
		t.Error(got)
	}
	if got := p.Deployments[0].At("work_pool.name", "none", "").Error(); got != "p.yaml:2:3: deployments[0].work_pool.name: none" {
		t.Error(got)
	}
}
