package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWizardRepository: a repository is asked about as a folder is, and the line
// that is printed names its flow.
func TestWizardRepository(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	d := newDesk(t)
	top := t.TempDir()
	git := func(arguments ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-C", top}, arguments...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", arguments, err, out)
		}
	}
	git("init", "-q", "-b", "main")
	if err := os.WriteFile(filepath.Join(top, "flows.py"), []byte(deskFlows), 0o600); err != nil {
		t.Fatal(err)
	}
	git("add", ".")
	git("commit", "-qm", "one")
	address := "git+file://" + top

	answers := []said{{"Which flow", "load"}, {"Name", ""}, {"schedule", ""}, {"pool", ""}, {"get other values", ""}, {"Deploy", ""}}
	if _, err := d.wizard(deployCmd{Entrypoint: address, Branch: "main"}, answers...); err != nil {
		t.Fatal(err, d.err.String())
	}
	line := d.printedLine()
	if want := address + "@main#flows.py:load"; line[1] != want {
		t.Errorf("the line names %s, not %s", line[1], want)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	d.run(other, line...)
	if made, again := d.deployments(d.database()), d.deployments(other); made != again || !strings.Contains(made, `"branch": "main"`) {
		t.Errorf("%q makes\n%s\nand the wizard made\n%s", line, again, made)
	}

	// One that stays at the commit that is there now does so from the wizard, too.
	stays := newDesk(t)
	if _, err := stays.wizard(deployCmd{Entrypoint: address, Commit: "HEAD"}, answers...); err != nil {
		t.Fatal(err, stays.err.String())
	}
	line = stays.printedLine()
	if made := stays.deployments(stays.database()); !strings.Contains(made, `"commit_sha"`) || strings.Contains(made, `"branch"`) || !slices.Contains(line, "HEAD") {
		t.Errorf("%q, and it made\n%s", line, made)
	}

	// One that names its flow is not asked for it.
	_, err := d.wizard(deployCmd{Entrypoint: address + "#flows.py:plain"}, said{"Name", "x"}, said{"schedule", ""}, said{"pool", ""}, said{"Deploy", leave})
	if exitCode(err) != exitInterrupted {
		t.Errorf("left: %v", err)
	}
	if _, err := d.wizard(deployCmd{Entrypoint: "git+ext::sh"}); exitCode(err) != exitUsage {
		t.Errorf("a program in place of an address: %v", err)
	}
}
