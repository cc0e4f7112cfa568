package cli

import (
	"strings"
	"testing"
)

// TestWizardFlags: a schedule of the line wants its parameters as much as one
// that was asked for, and what is wrong with it is said before any question.
func TestWizardFlags(t *testing.T) {
	d := newDesk(t)
	c := deployCmd{Entrypoint: "flows.py:load", Name: []string{"z"}}
	c.Cron = []string{"0 6 * * *"}
	if _, err := d.wizard(c, said{"new work pool", "p"}, said{"Value of table", leave}); exitCode(err) != exitInterrupted {
		t.Error(err)
	}
	c.Cron = []string{"61 6 * * *"}
	if _, err := d.wizard(c); err == nil || !strings.Contains(err.Error(), "cron") {
		t.Errorf("a cron that cannot be: %v", err)
	}
	c.Cron, c.JobVariable = nil, []string{"nice"}
	if _, err := d.wizard(c); err == nil || !strings.Contains(err.Error(), "job variable") {
		t.Errorf("a job variable without a value: %v", err)
	}
}
