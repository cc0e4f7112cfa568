package cli

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWizardBackToAnotherFlow: what one flow was offered is not what another is
// called; an answer that both would take is found again.
func TestWizardBackToAnotherFlow(t *testing.T) {
	d := newDesk(t)
	s, err := d.wizard(deployCmd{},
		said{"Which flow", "plain"}, said{"Name", ""}, said{"schedule", back}, said{"Name", back},
		said{"Which flow", "load"}, said{"Name", back}, said{"Which flow", "plain"}, said{"Name", "mine"}, said{"schedule", back},
		said{"Name", back}, said{"Which flow", "plain"}, said{"Name", leave})
	if exitCode(err) != exitInterrupted {
		t.Fatal(err, d.err.String())
	}
	for i, want := range map[int]string{1: "default", 5: "from-serve", 7: "default", 9: "mine", 11: "mine"} {
		if got := s.asked[i].value; got != want {
			t.Errorf("question %d, %q, offers %q, not %q", i, s.asked[i].title, got, want)
		}
	}
}

// TestWizardTakesOneOfTwoWithAName: two flows may each have a deployment of one
// name, as init writes them. One is chosen, and the printed line means it alone.
func TestWizardTakesOneOfTwoWithAName(t *testing.T) {
	d := newDesk(t)
	d.run(d.database(), "init")
	for _, file := range []string{"default", "d*"} { // a name may be a glob of others
		d.write("runnel.yaml", strings.ReplaceAll(`deployments:
- {name: "NAME", entrypoint: "flows.py:load", work_pool: {name: p}}
- {name: "NAME", entrypoint: "flows.py:plain", work_pool: {name: p}}
- {name: dx, entrypoint: "flows.py:plain", work_pool: {name: p}}
`, "NAME", file))
		s, err := d.wizard(deployCmd{CreatePools: true}, said{"What do you want", "Load all/" + file}, said{"Deploy", ""})
		if err != nil {
			t.Fatal(err, d.err.String())
		}
		if text := s.asked[0].rows[4].text; !strings.HasPrefix(text, "dx ") {
			t.Errorf("a name that is alone is listed as %q", text)
		}
		line := d.printedLine()
		if i := slices.Index(line, "-n"); i < 0 || line[i+1] != "Load all/"+file {
			t.Errorf("the line is %q", line)
		}
		if made := d.run(d.database(), "deployment", "ls", "-o", "name"); made != "Load all/"+file+"\n" {
			t.Errorf("%q were made", made)
		}
		d.run(d.database(), "deployment", "delete", "Load all/"+file, "--yes")
	}
}

// TestWizardAsksAboutAPoolThatIsNotThere: nobody answers everything, and is
// refused then for a word of the line.
func TestWizardAsksAboutAPoolThatIsNotThere(t *testing.T) {
	d := newDesk(t)
	d.run(d.database(), "work-pool", "create", "there", "--type", "process")
	c := deployCmd{Entrypoint: "flows.py:plain", Name: []string{"x"}, Pool: "their"}
	if _, err := d.wizard(c, said{"schedule", ""}, said{"no work pool their. Make it?", back}, said{"schedule", ""},
		said{"no work pool their", no}, said{"Which work pool", "there"}, said{"Save", ""}, said{"Deploy", ""}); err != nil {
		t.Fatal(err, d.err.String())
	}
	if line := strings.Join(d.printedLine(), " "); line != "deploy flows.py:plain -n x -p there" {
		t.Errorf("the line is %q", line)
	}
	d.err.Reset()
	if _, err := d.wizard(c, said{"schedule", ""}, said{"no work pool their", ""}, said{"Save", ""}, said{"Deploy", ""}); err != nil {
		t.Fatal(err, d.err.String())
	}
	if line := strings.Join(d.printedLine(), " "); line != "deploy flows.py:plain -n x -p their --create-pools" {
		t.Errorf("the line is %q", line)
	}
}

// TestWizardJudgesParametersFirst: one of the line that the flow does not take
// ends it before the next question.
func TestWizardJudgesParametersFirst(t *testing.T) {
	d := newDesk(t)
	for arg, want := range map[string]string{"tabel=x": `no parameter "tabel"`, "top=many": `"many" is not an integer`} {
		_, err := d.wizard(deployCmd{Entrypoint: "flows.py:load", Param: []string{arg}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	yes, off := true, false
	for _, c := range []deployCmd{
		{Param: []string{"top={{ $TOP }}"}}, // judged when it is filled in
		{Param: []string{"top:=\"many\""}, EnforceSchema: &off},
	} {
		c.Entrypoint, c.Save = "flows.py:load", &yes
		if _, err := d.wizard(c, said{"Name", leave}); exitCode(err) != exitInterrupted {
			t.Errorf("%q: %v", c.Param, err)
		}
	}
}

// TestWizardPlanSaysWhichCode: this folder or the remote, in words.
func TestWizardPlanSaysWhichCode(t *testing.T) {
	d := newDesk(t)
	remote := filepath.Join(t.TempDir(), "remote.git")
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"init", "-q", "--bare", remote},
		{"add", "."},
		{"commit", "-qm", "first"},
		{"remote", "add", "origin", remote},
		{"push", "-qu", "origin", "main"},
	} {
		cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b.c", "-C", d.dir}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	s, err := d.wizard(deployCmd{Entrypoint: "flows.py:plain", Name: []string{"x"}, Pool: "p", CreatePools: true},
		said{"schedule", ""}, said{"git remote", yes}, said{"Save", ""}, said{"Deploy", back}, said{"Save", back},
		said{"git remote", no}, said{"Save", ""}, said{"Deploy", leave})
	if exitCode(err) != exitInterrupted {
		t.Fatal(err, d.err.String())
	}
	cloned, folder := "\nruns use branch main of "+remote+", never this folder\n", "\nruns use this folder, "+d.dir+": edits count at once\n"
	for i, want := range map[int]string{3: cloned, 7: folder} {
		if plan := s.asked[i].above + "\n"; !strings.Contains(plan, want) || strings.Contains(plan, cloned) == strings.Contains(plan, folder) {
			t.Errorf("the plan is\n%s", plan)
		}
	}
}

// TestWizardPlanSpeaksOfNoLine: who chose a flow and typed none is not told that
// the line has one.
func TestWizardPlanSpeaksOfNoLine(t *testing.T) {
	d := newDesk(t)
	d.write("prefect.yaml", "deployments:\n- {name: one, entrypoint: \"flows.py:plain\", work_pool: {name: p}}\n")
	rest := []said{{"Name", "new"}, {"schedule", ""}, {"new work pool", ""}, {"Save", no}, {"Deploy", leave}}
	for entrypoint, says := range map[string][]said{
		"":               append([]said{{"What do you want", "new"}, {"Which flow", "plain"}}, rest...),
		"flows.py:plain": rest,
	} {
		s, err := d.wizard(deployCmd{Entrypoint: entrypoint}, says...)
		if exitCode(err) != exitInterrupted {
			t.Fatal(err)
		}
		if plan := s.asked[len(s.asked)-1].above; strings.Contains(plan, "prefect.yaml"+notRead) != (entrypoint != "") {
			t.Errorf("%q: the plan is\n%s", entrypoint, plan)
		}
	}
}

// TestPlainPrompterSaysHow: how to go back and how to leave is said once, since
// no foot of a screen says it.
func TestPlainPrompterSaysHow(t *testing.T) {
	d := newDesk(t)
	streams := d.io()
	streams.In = strings.NewReader("<\n\n")
	p := newPlainPrompter(t.Context(), streams)
	q := question{title: "What?", value: "b"}
	if _, err := p.ask(q); !errors.Is(err, errBack) {
		t.Error(err)
	}
	if answer, err := p.ask(q); err != nil || answer != "b" {
		t.Errorf("%q %v", answer, err)
	}
	if said := d.err.String(); !strings.HasPrefix(said, "Enter alone takes what stands in brackets; < goes back") || strings.Count(said, "< goes back") != 1 {
		t.Error(said)
	}
}
