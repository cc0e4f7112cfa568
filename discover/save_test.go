package discover

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// saved edits the first entry of a text, or adds one where edit is nil.
func saved(t *testing.T, text string, edit func(*Entry)) (string, error) {
	t.Helper()
	p := read(t, text)
	e := Entry{Name: "new", Entrypoint: "n.py:n"}
	if edit != nil {
		e = p.Deployments[0]
		edit(&e)
	}
	after, err := p.SaveEntry(e)
	return string(after), err
}

const kept = `# head
name:   "x"   # odd spaces stay

deployments:
  # about a
  - name: a  # the name
    entrypoint: 'a.py:a'

    # about the pool
    work_pool: &pool
      name: old # was first
    parameters: {n: 1,   m: 2}
    schedules:
      # early
      - cron: "0 6 * * *" # six
        timezone: UTC
      - cron: 0 7 * * *
    version:   # none yet
  # about b
  - name: b
    entrypoint: b.py:b
    work_pool: *pool
# the end
`

func TestSavingTouchesOnlyWhatChanges(t *testing.T) {
	for _, c := range []struct {
		what     string
		edit     func(*Entry)
		old, new string
	}{
		{"nothing", func(*Entry) {}, "", ""},
		{"entrypoint", func(e *Entry) { e.Entrypoint = "it's.py:a" }, `'a.py:a'`, `'it''s.py:a'`},
		{"an empty value", func(e *Entry) { e.Version = ptr("1.10") }, "version:   # none yet", `version: "1.10"   # none yet`},
		{"flow style", func(e *Entry) { e.Parameters = map[string]json.RawMessage{"n": json.RawMessage("2")} }, "parameters: {n: 1,   m: 2}", "parameters:\n      n: 2"},
		{"one schedule of two", func(e *Entry) { (*e.Schedules)[0].Cron = "5 6 * * *" }, `"0 6 * * *" # six`, `"5 6 * * *" # six`},
		{"a schedule more", func(e *Entry) {
			list := append(*e.Schedules, ScheduleEntry{Interval: "60"})
			e.Schedules = &list
		}, "      - cron: 0 7 * * *\n", "      - cron: 0 7 * * *\n      - interval: 60\n"},
		{"a schedule less", func(e *Entry) {
			list := (*e.Schedules)[:1]
			e.Schedules = &list
		}, "      - cron: 0 7 * * *\n", ""},
		{"a new key", func(e *Entry) { e.Retries = ptr(2) }, "version:   # none yet\n", "version:   # none yet\n    retries: 2\n"},
		{"a new key inside", func(e *Entry) { e.WorkPool.WorkQueueName = "q" }, "", "the deployment on line 20 would change with it"},
	} {
		got, err := saved(t, kept, c.edit)
		if err != nil {
			if c.old != "" || !strings.Contains(err.Error(), c.new) || c.new == "" {
				t.Errorf("%s: %v", c.what, err)
			}
			continue
		}
		if want := strings.Replace(kept, c.old, c.new, 1); got != want {
			t.Errorf("%s: got\n%s", c.what, got)
		}
	}
}

func TestSavingAddsADeployment(t *testing.T) {
	const two = "deployments:\n- name: new\n  entrypoint: n.py:n\n"
	const indented = "deployments:\n  - name: new\n    entrypoint: n.py:n\n"
	for _, c := range []struct{ what, text, want string }{
		{"empty", "", indented},
		{"comments alone", "# hm\n", "# hm\n" + indented},
		{"no deployments", "name: x\n", "name: x\n\n" + indented},
		{"null", "deployments:\npull: []\n", indented + "pull: []\n"},
		{"null with a comment", "deployments: null # soon\n", indented},
		{"empty list", "deployments: []\nname: x\n", indented + "name: x\n"},
		{"flow list", "deployments: [{name: a}]\n", "deployments:\n  - {name: a}\n  - name: new\n    entrypoint: n.py:n\n"},
		{"dashes at the left", "deployments:\n- name: a\n# end\n", "deployments:\n- name: a\n- name: new\n  entrypoint: n.py:n\n# end\n"},
		{"empty lines between", "deployments:\n- name: a\n\n- name: b\n\npull: []\n", "deployments:\n- name: a\n\n- name: b\n\n- name: new\n  entrypoint: n.py:n\n\npull: []\n"},
		{"CRLF", "deployments:\r\n- name: a\r\n", strings.ReplaceAll("deployments:\n- name: a\n- name: new\n  entrypoint: n.py:n\n", "\n", "\r\n")},
		{"no last line end", "deployments:\n- name: a", "deployments:\n- name: a\n- name: new\n  entrypoint: n.py:n\n"},
		{"a text block at the end", "deployments:\n- name: a\n  description: |\n    x", "deployments:\n- name: a\n  description: |-\n    x\n- name: new\n  entrypoint: n.py:n\n"},
		{"same name, other flow", "deployments:\n- name: new\n  entrypoint: o.py:o\n", "deployments:\n- name: new\n  entrypoint: o.py:o\n- name: new\n  entrypoint: n.py:n\n"},
		{"same name and flow", two, two},
	} {
		got, err := saved(t, c.text, nil)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\ngot\n%s", c.what, err, got)
		}
	}
}

func TestSavingTheOlderSchedule(t *testing.T) {
	const old = "deployments:\n- name: a\n  schedule:\n    cron: 0 6 * * *  # six\n    timezone: UTC\n"
	one := func(e *Entry) { e.Schedules = &[]ScheduleEntry{{Cron: "0 7 * * *", Timezone: "UTC"}} }
	got, err := saved(t, old, one)
	if want := strings.Replace(old, "0 6", "0 7", 1); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	two := func(e *Entry) {
		list := append(*e.Schedules, ScheduleEntry{Interval: "60"})
		e.Schedules = &list
	}
	got, err = saved(t, old, two)
	if want := "deployments:\n- name: a\n  schedules:\n    - cron: 0 6 * * *  # six\n      timezone: UTC\n    - interval: 60\n"; err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// What cannot be changed safely comes back as text to paste.
func TestSavingByHand(t *testing.T) {
	for _, text := range []string{"{deployments: [{name: a}]}\n", "d: &d [{name: a}]\ndeployments: *d\n"} {
		_, err := saved(t, text, nil)
		var byHand *SaveError
		if !errors.As(err, &byHand) || byHand.Text != "- name: new\n  entrypoint: n.py:n\n" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSaveDeployment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "runnel.yaml")
	e := Entry{
		Name: "nightly", Entrypoint: "a.py:a", Tags: &[]string{}, WorkPool: WorkPool{Name: "p"},
		Parameters:  map[string]json.RawMessage{"day": json.RawMessage(`"2026-01-02"`), "on": json.RawMessage(`"yes"`)},
		Schedules:   &[]ScheduleEntry{{Cron: "0 6 * * *", Timezone: "UTC"}},
		Concurrency: &Concurrency{Limit: ptr(1)},
	}
	if err := SaveDeployment(path, e); err != nil {
		t.Fatal(err)
	}
	want := newProjectFile + `deployments:
  - name: nightly
    tags: []
    entrypoint: a.py:a
    parameters:
      day: "2026-01-02"
      "on": "yes"
    work_pool:
      name: p
    schedules:
      - cron: 0 6 * * *
        timezone: UTC
    concurrency_limit: 1
`
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	e.WorkPool.Name = "q"
	if err := SaveDeployment(link, e); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link is gone", err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != strings.Replace(want, "name: p", "name: q", 1) {
		t.Errorf("%v\n%s", err, got)
	}
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Error(left)
	}
}
