package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyAnswer goes through every step of the wizard, and answers each.
var everyAnswer = []said{
	{"Which flow", "load"},
	{"Name of the deployment", "every night's"},
	{"on a schedule", yes},
	{"kind of schedule", "Cron"},
	{"time zone", "America/New_York"},
	{"cron expression", "30 2 * * 1,5"},
	{"active at once", no},
	{"differ in its runs", "top"},
	{"Value of top", "7"},
	{"differ in its runs", ""},
	{"Another schedule", yes},
	{"kind of schedule", "Interval"},
	{"time zone", ""},
	{"How often", "90m"},
	{"active at once", ""},
	{"differ in its runs", ""},
	{"Another schedule", ""},
	{"new work pool", "mine"},
	{"Value of table", "it's \"mine\"; a=b"},
	{"get other values", "mode"},
	{"Value of mode", "-x"},
	{"get other values", ""},
	{"Save it", yes},
	{"Deploy this", ""},
}

// TestWizardPrintsTheLineThatMakesTheSame: the one-line command, read by a shell,
// makes the identical deployment.
func TestWizardPrintsTheLineThatMakesTheSame(t *testing.T) {
	for name, says := range map[string][]said{
		"every answer": everyAnswer,
		"defaults":     {{"Which flow", "plain"}, {"Name", ""}, {"schedule", ""}, {"pool", ""}, {"Save", ""}, {"Deploy", ""}},
		"one schedule": {
			{"Which flow", "plain"},
			{"Name", "x"},
			{"schedule", yes},
			{"kind", "RRule"},
			{"zone", "Asia/Tokyo"},
			{"rule", ""},
			{"active", no},
			{"Another", no},
			{"pool", ""},
			{"Save", ""},
			{"Deploy", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			if _, err := d.wizard(deployCmd{}, says...); err != nil {
				t.Fatal(err, d.err.String())
			}
			line := d.printedLine()
			other := filepath.Join(t.TempDir(), "other.db")
			d.run(other, line...)
			if made, again := d.deployments(d.database()), d.deployments(other); made != again || len(made) < 100 {
				t.Errorf("%q makes\n%s\nand the wizard made\n%s", line, again, made)
			}
		})
	}
}

// TestWizardLeftChangesNothing leaves at every question there is.
func TestWizardLeftChangesNothing(t *testing.T) {
	for n := range everyAnswer {
		d := newDesk(t)
		says := append(slices.Clone(everyAnswer[:n]), said{everyAnswer[n].title, leave})
		if _, err := d.wizard(deployCmd{}, says...); exitCode(err) != exitInterrupted {
			t.Errorf("left at %q: %v", everyAnswer[n].title, err)
		}
		for _, path := range []string{d.database(), filepath.Join(d.dir, "runnel.yaml")} {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("left at %q, and %s is there", everyAnswer[n].title, path)
			}
		}
	}
	d := newDesk(t)
	refused := append(slices.Clone(everyAnswer[:len(everyAnswer)-1]), said{"Deploy this", no})
	if _, err := d.wizard(deployCmd{}, refused...); exitCode(err) != exitInterrupted {
		t.Errorf("refused: %v", err)
	}
}

// TestWizardBack: back shows the question before with the answer that it had,
// and what was answered since counts no more.
func TestWizardBack(t *testing.T) {
	d := newDesk(t)
	s, err := d.wizard(
		deployCmd{},
		said{"Which flow", back}, // the first: it is asked again
		said{"Which flow", "plain"}, said{"Name", "typo"}, said{"on a schedule", yes}, said{"kind", "Interval"},
		said{"zone", ""}, said{"How often", "15m"}, said{"active", ""}, said{"Another", back}, said{"active", back},
		said{"How often", back}, said{"zone", ""}, said{"How often", back}, said{"zone", back}, said{"kind", back},
		said{"on a schedule", back}, said{"Name", "right"}, said{"on a schedule", no}, said{"pool", "a"}, said{"Save", back},
		said{"pool", "b"}, said{"Save", ""}, said{"Deploy", back}, said{"Save", ""}, said{"Deploy", ""},
	)
	if err != nil {
		t.Fatal(err, d.err.String())
	}
	for i, value := range map[int]string{8: no, 9: yes, 10: "15m", 12: "15m", 14: "interval", 15: yes, 16: "typo", 20: "a"} {
		if s.asked[i].value != value {
			t.Errorf("question %d, %q, shows %q and not %q", i, s.asked[i].title, s.asked[i].value, value)
		}
	}
	made := d.deployments(d.database())
	for _, want := range []string{`"plain/right"`, `"work_pool_name": "b"`, `"schedules": []`} {
		if !strings.Contains(made, want) {
			t.Errorf("no %s in\n%s", want, made)
		}
	}
	if strings.Contains(made, "typo") {
		t.Error("the first name was deployed too")
	}
}

// TestWizardKeepsWhatTheLineSaysOfSchedules: the answers say when, and the line
// how late.
func TestWizardKeepsWhatTheLineSaysOfSchedules(t *testing.T) {
	d := newDesk(t)
	c := deployCmd{Entrypoint: "flows.py:plain", Name: []string{"x"}, Pool: "p", CreatePools: true}
	none, late := "none", "90s"
	c.Catchup, c.MaxLate = &none, &late
	_, err := d.wizard(c,
		said{"on a schedule", yes}, said{"kind", "Interval"}, said{"zone", ""}, said{"How often", "15m"}, said{"active", ""},
		said{"Another", ""}, said{"Save", ""}, said{"Deploy", ""},
	)
	if err != nil {
		t.Fatal(err, d.err.String())
	}
	made := d.deployments(d.database())
	for _, want := range []string{`"catchup": "none"`, `"max_late_seconds": 90`, `"interval": 900`} {
		if !strings.Contains(made, want) {
			t.Errorf("no %s in\n%s", want, made)
		}
	}
}

// TestWizardBackForgetsTheFlow: what is chosen instead is not asked for the
// parameters of the flow that was left.
func TestWizardBackForgetsTheFlow(t *testing.T) {
	d := newDesk(t)
	d.write("runnel.yaml", "deployments:\n  - {name: one, entrypoint: \"flows.py:plain\", work_pool: {name: p}}\n")
	c := deployCmd{CreatePools: true}
	c.Cron = []string{"@daily"}
	_, err := d.wizard(c,
		said{"What do you want", "new"}, said{"Which flow", "load"}, said{"Name", back}, said{"Which flow", back},
		said{"What do you want", "one"}, said{"Deploy this", ""},
	)
	if err != nil {
		t.Fatal(err, d.err.String())
	}
	if made := d.deployments(d.database()); !strings.Contains(made, `"plain/one"`) {
		t.Error(made)
	}
}

// TestWizardAsksWhatIsMissing: a flag answers its question.
func TestWizardAsksWhatIsMissing(t *testing.T) {
	d := newDesk(t)
	save := true
	c := deployCmd{Entrypoint: "flows.py:load", Pool: "p", CreatePools: true, Param: []string{"table=x"}, Save: &save}
	c.NoSchedule = true
	s, err := d.wizard(c, said{"Name", ""}, said{"Deploy this", ""})
	if err != nil {
		t.Fatal(err)
	}
	if s.asked[0].value != "from-serve" {
		t.Errorf("the name of .serve is not offered: %q", s.asked[0].value)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "runnel.yaml")); err != nil {
		t.Error(err)
	}
	if below, err := s.asked[0].check("a/b"); err == nil || below != nil {
		t.Error("a name with a slash is taken")
	}
	s, err = d.wizard(deployCmd{Entrypoint: "flows.py:load", Pool: "p"}, said{"Name", "from-serve"}, said{"schedule", ""}, said{"get other values", ""}, said{"Save", ""}, said{"Deploy", leave})
	if exitCode(err) != exitInterrupted {
		t.Error(err)
	}
	if below, _ := s.asked[0].check("from-serve"); len(below) != 1 || below[0] != "Load all/from-serve exists, and will be updated" {
		t.Errorf("of a name that exists: %q", below)
	}
	if preset := s.asked[3].value; preset != yes {
		t.Errorf("with a project file, saving is not preset: %q", preset)
	}
}

// TestWizardJudgesSchedules: as it is typed, in the chosen zone, with what the
// clocks do.
func TestWizardJudgesSchedules(t *testing.T) {
	d := newDesk(t)
	io := d.io()
	io.Clock = func() time.Time { return time.Date(2026, 3, 27, 12, 0, 0, 0, time.UTC) }
	w := &wizard{app: &app{IO: io, ctx: t.Context()}}
	below, err := w.whenQuestion(1, "cron", "Europe/Berlin").check("30 2 * * *")
	want := []string{
		"Sat 2026-03-28 02:30:00 CET", "Sun 2026-03-29 03:00:00 CEST  moved from 02:30, which the clocks skip",
		"Mon 2026-03-30 02:30:00 CEST", "Tue 2026-03-31 02:30:00 CEST", "Wed 2026-04-01 02:30:00 CEST",
	}
	if err != nil || !slices.Equal(below, want) {
		t.Errorf("%v, %q", err, below)
	}
	for kind, texts := range map[string][]string{
		"cron": {"", "61 * * * *", "* * * *"}, "interval": {"", "soon", "-5m"}, "rrule": {"", "FREQ=NEVER"},
	} {
		for _, text := range texts {
			if below, err := w.whenQuestion(1, kind, "UTC").check(text); err == nil {
				t.Errorf("%s %q: %q", kind, text, below)
			}
		}
	}
	rows := zoneRows(w.machineZone())
	if rows[0].value != "Europe/Berlin" || rows[1].value != "UTC" || len(rows) < 400 {
		t.Errorf("the zones begin with %v", rows[:2])
	}
}

// TestWizardProjectFile: all of it, one, a new one; and pools that it names.
func TestWizardProjectFile(t *testing.T) {
	d := newDesk(t)
	d.write("prefect.yaml", `# ours
deployments:
- name: one
  entrypoint: flows.py:plain
  work_pool: {name: missing}
- name: two
  entrypoint: flows.py:plain
  work_pool: {name: missing}
`)
	_, err := d.wizard(deployCmd{}, said{"What do you want", "two"}, said{"Make the work pools", back},
		said{"What do you want", "All of prefect.yaml (2 deployments)"}, said{"Make the work pools", ""}, said{"Deploy", ""})
	if err != nil {
		t.Fatal(err, d.err.String())
	}
	printed := d.printedLine()
	if made := d.deployments(d.database()); !strings.Contains(made, `"plain/one"`) || !strings.Contains(made, `"plain/two"`) {
		t.Error(made)
	}
	if line := strings.Join(printed, " "); line != "deploy --all --create-pools" {
		t.Errorf("the line is %q", line)
	}
	if _, err = d.wizard(deployCmd{}, said{"What do you want", "Something new"}, said{"Which flow", "plain"}, said{"Name", "three"},
		said{"schedule", ""}, said{"Which work pool", "missing"}, said{"Save it to prefect.yaml", ""}, said{"Deploy", ""}); err != nil {
		t.Fatal(err, d.err.String())
	}
	saved, err := os.ReadFile(filepath.Join(d.dir, "prefect.yaml"))
	if err != nil || !strings.HasPrefix(string(saved), "# ours\n") || !strings.Contains(string(saved), "name: three") {
		t.Errorf("%v: saved is\n%s", err, saved)
	}
}

// TestWizardBigFolders: nobody's whole home is read without a yes.
func TestWizardBigFolders(t *testing.T) {
	d := newDesk(t)
	d.env["HOME"] = d.dir
	s, err := d.wizard(deployCmd{}, said{"Look for flows in all of", ""}, said{"The entrypoint", back}, said{"Look for flows", yes},
		said{"Which flow", "Type an entrypoint"}, said{"The entrypoint", "flows.py:plain"}, said{"Name", leave})
	if exitCode(err) != exitInterrupted {
		t.Error(err)
	}
	for typed, want := range map[string]string{
		"":               "type the path of a file",
		"flows.py":       "it has: flows.py:plain, flows.py:load",
		"flows.py:plane": "did you mean flows.py:plain?",
		"..":             "an entrypoint is path/to/file.py:function",
	} {
		if _, err := s.asked[1].check(typed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is refused by %v, not %q", typed, err, want)
		}
	}
}

// TestWizardGit names what a clone would not have.
func TestWizardGit(t *testing.T) {
	d := newDesk(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b.c", "-C", d.dir}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	remote := filepath.Join(t.TempDir(), "remote.git")
	git("init", "-q", "-b", "main")
	git("init", "-q", "--bare", remote)
	git("add", ".")
	git("commit", "-qm", "first")
	git("remote", "add", "origin", remote)
	git("push", "-qu", "origin", "main")
	git("commit", "-qm", "not pushed yet", "--allow-empty")
	d.write("new.py", "x = 1\n")
	s, err := d.wizard(deployCmd{}, said{"Which flow", "plain"}, said{"Name", ""}, said{"schedule", ""}, said{"pool", ""},
		said{"git remote", yes}, said{"Save", ""}, said{"Deploy", ""})
	if err != nil {
		t.Fatal(err, d.err.String())
	}
	notes := strings.Join(s.asked[4].notes, "\n")
	for _, want := range []string{"branch main of " + remote, "new.py", "not pushed yet"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the question does not say %q: %s", want, notes)
		}
	}
	if s.asked[4].value != no {
		t.Error("a clone is preset")
	}
	line := d.printedLine()
	if !slices.Contains(line, "--from-git") || !strings.Contains(d.deployments(d.database()), "git_clone") {
		t.Errorf("%q, %s", line, d.deployments(d.database()))
	}
	s, err = d.wizard(deployCmd{Entrypoint: "flows.py:plain", Name: []string{"default"}, Pool: "my-process-pool"},
		said{"schedule", ""}, said{"git remote", no}, said{"Save", ""}, said{"Deploy", ""})
	if err != nil || s.asked[1].value != yes {
		t.Errorf("%v, and what is cloned is not preset as such", err)
	}
	if made := d.deployments(d.database()); strings.Contains(made, "git_clone") {
		t.Errorf("a no keeps the clone: %s", made)
	}

	// Steps that somebody chose are kept without a question, and what changes
	// nothing is not asked about.
	d.run(d.database(), "deploy", "flows.py:plain", "-n", "default", "-p", "my-process-pool", "--commit", "HEAD")
	pinned := d.deployments(d.database())
	s, err = d.wizard(deployCmd{Entrypoint: "flows.py:plain", Name: []string{"default"}, Pool: "my-process-pool"},
		said{"schedule", ""}, said{"Save", no})
	if made := d.deployments(d.database()); err != nil || made != pinned || !strings.Contains(made, "commit_sha") {
		t.Errorf("%v, %d questions\n%s", err, len(s.asked), made)
	}

	// A checkout of no branch is pinned, in the printed line too.
	git("checkout", "-q", "--detach")
	if _, err = d.wizard(deployCmd{Entrypoint: "flows.py:plain", Name: []string{"pinned"}, Pool: "my-process-pool"},
		said{"schedule", ""}, said{"git remote", yes}, said{"Save", no}, said{"Deploy", ""}); err != nil {
		t.Fatal(err)
	}
	if line := d.printedLine(); !slices.Contains(line, "--commit") {
		t.Errorf("%q", line)
	}
}

// TestWizardWhere: a question needs somebody there.
func TestWizardWhere(t *testing.T) {
	for _, c := range []struct {
		in, err, noPrompt bool
		ci                string
		want              bool
	}{
		{true, true, false, "", true},
		{true, true, false, "false", true},
		{true, true, false, "true", false},
		{true, true, true, "", false},
		{false, true, false, "", false},
		{true, false, false, "", false},
	} {
		a := &app{IO: &IO{InTerminal: c.in, ErrTerminal: c.err, Env: func(string) string { return c.ci }}, noPrompt: c.noPrompt}
		if a.interactive() != c.want {
			t.Errorf("%+v", c)
		}
	}
	a := &app{IO: newDesk(t).io(), ctx: t.Context()}
	for _, c := range []struct {
		line deployCmd
		want bool
	}{
		{deployCmd{}, true},
		{deployCmd{Entrypoint: "flows.py:plain", Name: []string{"x"}}, true},
		{deployCmd{Entrypoint: "flows.py:plain", Name: []string{"x"}, Pool: "p"}, false},
		{deployCmd{All: true}, false},
		{deployCmd{Name: []string{"x"}, Pool: "p"}, true}, // there is no file
		{deployCmd{Pool: "top=5"}, false},                 // it is refused
	} {
		if c.line.asks(a) != c.want {
			t.Errorf("%q", c.line.words())
		}
	}
}

// TestWizardKeepsWhatNoLineSays: a parameter that looks like a template cannot
// stand in a line, so nothing is asked about parameters and all are kept. A
// deployment without schedules has none to keep, and what is saved is said.
func TestWizardKeepsWhatNoLineSays(t *testing.T) {
	d := newDesk(t)
	d.run(d.database(), "variable", "set", "odd", "{{ odd }}")
	d.run(d.database(), "deploy", "flows.py:load", "-n", "x", "-p", "p", "--create-pools", "--param", "table={{ prefect.variables.odd }}", "--param", "top=9",
		"--retries", "2", "--retry-delay", "1")
	c := deployCmd{Entrypoint: "flows.py:load", Name: []string{"x"}}
	c.Cron = []string{"0 6 * * *"}
	if _, err := d.wizard(c, said{"Which work pool", ""}, said{"Save", yes}, said{"Deploy", ""}); err != nil {
		t.Fatal(err, d.err.String())
	}
	if said := d.err.String(); !strings.Contains(said, "\nsaved in runnel.yaml\n") {
		t.Errorf("it does not say where it is saved: %s", said)
	}
	made := strings.Join(strings.Fields(d.deployments(d.database())), "")
	if !strings.Contains(made, `"parameters":{"table":"{{odd}}","top":9}`) || !strings.Contains(made, `"retries":2,"retries_on_crash":0,"retry_delay_seconds":[1],`) {
		t.Error(made)
	}
	d.run(d.database(), "deploy", "flows.py:plain", "-n", "y", "-p", "p")
	s, _ := d.wizard(deployCmd{Entrypoint: "flows.py:plain", Name: []string{"y"}}, said{"schedule", leave})
	if notes := s.asked[0].notes; notes != nil {
		t.Errorf("there is no schedule to keep: %q", notes)
	}
	s, _ = d.wizard(deployCmd{Entrypoint: "flows.py:load", Name: []string{"x"}}, said{"schedule", leave})
	if q := s.asked[0]; q.title != "Replace its schedules?" || len(q.notes) != 1 || !strings.Contains(q.notes[0], "keeps the schedules") {
		t.Errorf("it keeps its schedule: %q %q", q.title, q.notes)
	}
}

// TestPlainPrompter asks line by line; the end of the input is no answer.
func TestPlainPrompter(t *testing.T) {
	list := question{title: "Which?", rows: []row{{text: "apple pie", value: "a"}, {text: "pear", value: "p"}, {text: "apple", value: "x"}}, value: "p"}
	text := question{title: "What?", value: "b", check: func(text string) ([]string, error) {
		if text != "b" {
			return nil, errors.New("only b will do")
		}
		return []string{"b it is"}, nil
	}}
	for _, c := range []struct {
		q      question
		typed  string
		answer string
		err    error
	}{
		{list, "\n", "p", nil},
		{list, "1\n", "a", nil},
		{list, "pea\n", "p", nil},
		{list, "apple\n3\n", "x", nil},
		{list, "plum\n9\n<\n", "", errBack},
		{list, "Apple\n", "x", nil},    // called just so
		{list, "app\n", "", errLeft},   // one of two
		{list, "app\n\n1\n", "a", nil}, // Enter alone is not the pear, which was not read out
		{text, "\n", "b", nil},
		{text, "c\nb", "b", nil},
		{text, "", "", errLeft},
		{question{title: "Sure?", rows: yesNoRows("", ""), value: no}, "", "", errLeft},
		{question{title: "Sure?", rows: yesNoRows("", ""), value: no}, "y\n", yes, nil},
	} {
		d := newDesk(t)
		streams := d.io()
		streams.In = strings.NewReader(c.typed)
		answer, err := newPlainPrompter(t.Context(), streams).ask(c.q)
		if answer != c.answer || !errors.Is(err, c.err) {
			t.Errorf("%s %q: %q, %v\n%s", c.q.title, c.typed, answer, err, d.err.String())
		}
	}
}

// TestWizardParameters: a list for an enum and for a bool, texts that are
// checked, what is asked only with a schedule.
func TestWizardParameters(t *testing.T) {
	d := newDesk(t)
	d.write("typed.py", `import datetime
from typing import Literal
from prefect import flow

@flow
def typed(day: datetime.date, mode: Literal["fast", "full"] = "fast", on: bool = True, ratio: float = 0.5):
    """Has types."""
`)
	s, err := d.wizard(deployCmd{Entrypoint: "typed.py:typed", Name: []string{"x"}, Pool: "p", CreatePools: true},
		said{"schedule", yes}, said{"kind", "Interval"}, said{"zone", ""}, said{"How often", ""}, said{"active", ""},
		said{"in its runs", ""}, said{"Another", ""}, said{"Value of day", "2026-12-31"}, said{"get other values", "on"},
		said{"Value of on", "No"}, said{"get other values", "mode"}, said{"Value of mode", back}, said{"get other values", "mode"},
		said{"Value of mode", "fast"}, said{"get other values", back}, said{"Value of mode", "full"}, said{"get other values", ""}, said{"Save", ""}, said{"Deploy", ""})
	if err != nil {
		t.Fatal(err, d.err.String())
	}
	if made := d.deployments(d.database()); !strings.Contains(strings.Join(strings.Fields(made), ""), `"parameters":{"day":"2026-12-31","mode":"full","on":false}`) {
		t.Error(made)
	}
	if modes := s.asked[13].rows; len(modes) != 2 || modes[0].text != "fast" {
		t.Errorf("an enum is asked as %v", modes)
	}
	if on := s.asked[9]; !on.isYesNo() || on.value != "true" || !slices.Equal(on.matches("n"), []int{1}) || !slices.Equal(on.matches("false"), []int{1}) {
		t.Errorf("a bool is asked as %v", on.rows)
	}
	for _, wrong := range []string{"", "2026-13-01", "tomorrow"} {
		if _, err := s.asked[7].check(wrong); err == nil || !strings.Contains(err.Error(), "a date") {
			t.Errorf("a day of %q: %v", wrong, err)
		}
	}
	// One more answer keeps the others.
	if _, err := d.wizard(deployCmd{Entrypoint: "typed.py:typed", Name: []string{"x"}, Pool: "p"}, said{"schedule", ""},
		said{"get other values", "ratio"}, said{"Value of ratio", "0.75"}, said{"get other values", ""}, said{"Save", ""}, said{"Deploy", ""}); err != nil {
		t.Fatal(err, d.err.String())
	}
	if made := d.deployments(d.database()); !strings.Contains(strings.Join(strings.Fields(made), ""), `"parameters":{"day":"2026-12-31","mode":"full","on":false,"ratio":0.75}`) {
		t.Error(made)
	}
	// Without a schedule somebody gives it at each run.
	d.wizard(deployCmd{Entrypoint: "typed.py:typed", Name: []string{"y"}, Pool: "p"}, said{"schedule", ""}, said{"get other values", ""}, said{"Save", leave}) //nolint:errcheck // left
}
