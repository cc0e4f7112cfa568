package cli

import (
	"os"
	"strings"
	"testing"
)

// TestAllThatIsRefusedIsOneError: each entry's mistake has its place, and what
// mends it is said in the file's words.
func TestAllThatIsRefusedIsOneError(t *testing.T) {
	d := newDesk(t)
	d.write("runnel.yaml", `deployments:
- name: a
  entrypoint: flows.py:load
  parameters: {tabel: x}
  work_pool: {name: p}
- name: b
  entrypoint: flows.py:plain
  work_pool: {name: p}
- name: c
  entrypoint: flows.py:load
  work_pool: {name: p}
  schedules: [{cron: "@daily"}]
- name: d
  entrypoint: flows.py:load
  retries: 2
  timeout_seconds: 0
  parameters: {top: many}
  work_pool: {name: p}
`)
	code := Main(d.io(), []string{"--db", d.database(), "deploy", "--all", "--create-pools"})
	said := d.err.String()
	if code != exitRefused {
		t.Errorf("%d", code)
	}
	for _, want := range []string{
		"runnel: runnel.yaml:4:23: deployments[0].parameters.tabel: ",
		"  runnel.yaml:9:3: deployments[2].parameters.table: ",
		"  give it: parameters: {table: …}  (a string)\n",
		"deployments[3].",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	if _, err := os.Stat(d.database()); err == nil {
		t.Error("there is a database")
	}
}
