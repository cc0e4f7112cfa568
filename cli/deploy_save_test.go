package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// savedOver are entries that stand in the file before a line is saved over them.
var savedOver = []string{
	"",
	"tags: [old]",
	"description: old",
	"version: old",
	"parameters: {table: old, top: 9}",
	"enforce_parameter_schema: false",
	"schedules: [{cron: 1 1 * * *}]",
	"schedule: {interval: 600, slug: often}",
	"paused: true",
	"concurrency_limit: 7",
	"concurrency_limit: {limit: 7, collision_strategy: CANCEL_NEW}",
	"retries: 7\nretry_delay_seconds: 3\nretry_jitter_factor: 0.5\nretries_on_crash: 2\ntimeout_seconds: 60",
	"catchup: all\nmax_late: 3600\njitter: 60",
	"python: /bin/sh",
	"on_failure: [a]\non_crash: [b]\non_completion: [c]\non_late: [d]\nhook_timeout_seconds: 5",
	"pull: [{run_shell_script: {script: echo}}]",
	"build: [{run_shell_script: {script: echo}}]",
	"work_pool: {name: q, work_queue_name: night, job_variables: {nice: 3}}",
}

// savedLines are what a line says beyond the entrypoint, the name and the pool.
var savedLines = [][]string{
	nil,
	{"-t", "new", "-d", "new", "--version", "2"},
	{"--param", "table=new", "--no-enforce-parameter-schema"},
	{"--cron", "2 2 * * *", "--interval", "90m", "--param", "table=x"},
	{"--no-schedule", "--paused"},
	{"-cl", "2"},
	{"--collision-strategy", "REPLACE"},
	{"--retries", "2", "--retry-delay", "5", "--retries-on-crash", "1"},
	{"--catchup", "none", "--max-late", "1h", "--jitter", "none"},
	{"-jv", "env.A=1", "-q", "day"},
}

// TestSavedMeansTheSame: whatever stood in the file, and whatever was deployed,
// planning the saved entry changes nothing of what the line made.
func TestSavedMeansTheSame(t *testing.T) {
	d := newDesk(t)
	d.write("more.py", "from prefect import flow\n\n@flow\ndef many(table: str = \"t\", top: int = 3):\n    pass\n")
	file := filepath.Join(d.dir, "runnel.yaml")
	for i, over := range savedOver {
		for k, line := range savedLines {
			name := fmt.Sprintf("d%d-%d", i, k)
			d.write("runnel.yaml", entryOver(name, over))
			switch (i + k) % 3 {
			case 1: // it is deployed as the file says
				d.run(d.database(), "deploy", "-n", name, "--create-pools")
			case 2: // it is deployed otherwise
				d.run(d.database(), "deploy", "more.py:many", "-n", name, "-p", "o", "--create-pools", "-t", "other", "-d", "other",
					"-cl", "3", "--retries", "4", "--cron", "3 3 * * *", "--param", "table=o", "-q", "late")
			}
			d.run(d.database(), append([]string{"deploy", "more.py:many", "-n", name, "-p", "p", "--create-pools", "--save"}, line...)...)
			said := d.err.String()
			d.out.Reset()
			code := Main(d.io(), []string{"--db", d.database(), "deploy", "-n", name, "--dry-run", "--exit-code"})
			text, err := os.ReadFile(file)
			if code != 0 || err != nil || !strings.HasPrefix(string(text), "# ours\ndeployments:\n  - {name: keeper,") || !strings.Contains(string(text), " # the one\n") {
				t.Errorf("%q over %q: %d\n%s\n%s\nsaid %s", line, over, code, d.out.String(), text, said)
			}
		}
	}
}

// TestNotSavedIsNotDeployed: an entry that cannot be changed is left, and so is
// all else; what lets go of the entry's words says so.
func TestNotSavedIsNotDeployed(t *testing.T) {
	d := newDesk(t)
	d.write("runnel.yaml", "deployments:\n  - {name: one, entrypoint: \"flows.py:plain\", work_pool: {name: p}, tags: [a]}\n")
	if code := Main(d.io(), []string{"--db", d.database(), "deploy", "flows.py:plain", "-n", "one", "-p", "p", "--create-pools", "--save"}); code != exitRefused {
		t.Errorf("%d: %s", code, d.err.String())
	}
	if said := d.err.String(); !strings.Contains(said, "written in braces") || !strings.Contains(said, "--no-save") {
		t.Error(said)
	}
	if _, err := os.Stat(d.database()); err == nil {
		t.Error("there is a database")
	}
	d.write("runnel.yaml", "deployments:\n  - name: one\n    entrypoint: flows.py:plain\n    work_pool: {name: p, work_queue_name: q}\n    tags: [a]\n")
	d.run(d.database(), "deploy", "flows.py:plain", "-n", "one", "-p", "p", "--create-pools", "--save")
	if said := d.err.String(); !strings.Contains(said, "\nthe entry in runnel.yaml lets go of what this line does not say: tags, work_pool.work_queue_name\n") {
		t.Error(said)
	}
}

// entryOver is a file with an entry between two others.
func entryOver(name, fields string) string {
	if !strings.HasPrefix(fields, "work_pool") {
		fields = "work_pool: {name: p}\n" + fields
	}
	return "# ours\ndeployments:\n  - {name: keeper, entrypoint: \"flows.py:plain\", work_pool: {name: p}}\n" +
		"  - name: " + name + " # the one\n    entrypoint: more.py:many\n    " + strings.ReplaceAll(fields, "\n", "\n    ") +
		"\n  - name: other\n    entrypoint: flows.py:plain\n    work_pool: {name: p}\n"
}

// TestSavedOverAMerge: what comes with a merge key is written out in the entry
// that says more, and stays with the others.
func TestSavedOverAMerge(t *testing.T) {
	d := newDesk(t)
	const file = `base: &base
  work_pool: {name: p, job_variables: {nice: 3}} # all of them
deployments:
  - <<: *base
    name: one
    entrypoint: flows.py:plain
  - <<: *base
    name: two
    entrypoint: flows.py:plain
`
	d.write("runnel.yaml", file)
	d.run(d.database(), "deploy", "--all", "--create-pools")
	d.run(d.database(), "deploy", "-n", "one", "-q", "night", "-jv", "env.A=1", "--save")
	text, err := os.ReadFile(filepath.Join(d.dir, "runnel.yaml"))
	want := strings.Replace(file, "flows.py:plain\n", `flows.py:plain
    work_pool:
      name: p
      job_variables:
        env:
          A: "1"
        nice: 3
      work_queue_name: night
`, 1)
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s", err, text)
	}
	d.run(d.database(), "deploy", "--all", "--dry-run", "--exit-code")
}
