package cli

import (
	"os"
	"path/filepath"
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

// TestEntrypointsAreNamedFromHere: in a folder below the root an error says what
// to type there.
func TestEntrypointsAreNamedFromHere(t *testing.T) {
	d := newDesk(t)
	d.write("runnel.yaml", "deployments:\n") // the root
	top := d.dir
	d.dir = filepath.Join(d.dir, "flows")
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d.write("load.py", deskFlows)
	for typed, want := range map[string]string{
		"flows/load.py:plain": `runnel: flows/load.py: no such file; did you mean load.py?`,
		"lod.py:plain":        `runnel: lod.py: no such file; did you mean load.py?`,
		"load.py:plian":       `did you mean load.py:plain?`,
		"load.py:zzzzzzz":     `  it has: load.py:plain, load.py:load`,
		"../flow.py:plain":    `runnel: ../flow.py: no such file; did you mean ../flows.py?`,
		top + "/flow.py":      `did you mean ../flows.py?`,
	} {
		d.err.Reset()
		code := Main(d.io(), []string{"--db", d.database(), "deploy", typed, "-n", "x", "-p", "p"})
		if said := d.err.String(); code != exitNotFound || !strings.Contains(said, want+"\n") {
			t.Errorf("%s: %d, no %q in\n%s", typed, code, want, said)
		}
	}
}
