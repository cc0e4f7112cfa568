package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/discover"
)

// TestDeployingIsAsQuickAsReading deploys 200 entries, each of a file of its
// own, and compares with the time that it takes to read the flows of those files
// and to hash them.
func TestDeployingIsAsQuickAsReading(t *testing.T) {
	if os.Getenv("RUNNEL_TEST_SPEED") == "" {
		t.Skip("LEFT OUT: times are measured with RUNNEL_TEST_SPEED=1")
	}
	const entries, rounds = 200, 15
	folder := t.TempDir()
	files := manyFlows(t, folder, entries)
	var bytes, reading, deploying, again []time.Duration
	for range rounds {
		bytes = append(bytes, timeBytes(t, files))
		reading = append(reading, timeFlows(t, folder, files))
		db := filepath.Join(t.TempDir(), "runnel.db")
		deploying = append(deploying, timeDeploy(t, folder, db, fmt.Sprintf("%d new", entries)))
		again = append(again, timeDeploy(t, folder, db, fmt.Sprintf("%d unchanged", entries)))
	}
	base := slices.Min(reading) // the least is what other work disturbed least
	t.Logf("%d files: their bytes read and hashed in %s, their flows in %s", entries, slices.Min(bytes), base)
	for what, times := range map[string][]time.Duration{"new": deploying, "unchanged": again} {
		factor := float64(slices.Min(times)) / float64(base)
		t.Logf("%d entries, %s: %s, %.1f times that", entries, what, slices.Min(times), factor)
		if factor > 5 {
			t.Errorf("%s: more than 5 times", what)
		}
	}
}

func timeBytes(t *testing.T, files []string) time.Duration {
	t.Helper()
	began := time.Now()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sha256.Sum256(raw)
	}
	return time.Since(began)
}

func timeFlows(t *testing.T, folder string, files []string) time.Duration {
	t.Helper()
	began := time.Now()
	reader := discover.NewReader(folder)
	for i, file := range files {
		flow, err := reader.Entrypoint(fmt.Sprintf("%s:flow_%03d", file, i))
		if err != nil || reader.Version(flow.File) == "" {
			t.Fatal(flow, err)
		}
	}
	return time.Since(began)
}

func timeDeploy(t *testing.T, folder, db, want string) time.Duration {
	t.Helper()
	var out bytes.Buffer
	a := &app{ctx: context.Background(), path: db, IO: &IO{
		In: strings.NewReader(""), Out: &out, Err: &out, Width: 80, Dir: folder, Clock: time.Now, Environ: os.Environ(), Env: os.Getenv,
	}}
	// The database stands open: its making is no part of the deployment.
	s, err := a.store()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // a test's
	began := time.Now()
	if err := (deployCmd{All: true, CreatePools: true, outputFlag: asTable}).Run(a); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if !strings.Contains(out.String(), want) {
		t.Fatal(out.String())
	}
	return took
}

// manyFlows writes a project file and its flows, of the size of real ones.
func manyFlows(t *testing.T, folder string, n int) (files []string) {
	t.Helper()
	var project strings.Builder
	project.WriteString("deployments:\n")
	body, err := os.ReadFile("../testdata/projects/report/flows/report.py")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		name := fmt.Sprintf("flows/flow_%03d.py", i)
		file := filepath.Join(folder, name)
		write(t, file, fmt.Sprintf("# %d\n%s\n\n@flow\ndef flow_%03d(top: int = 1, name: str = \"x\"):\n    \"\"\"Flow %d.\"\"\"\n", i, body, i, i))
		files = append(files, file)
		fmt.Fprintf(&project, "  - name: nightly\n    entrypoint: %s:flow_%03d\n    parameters: {top: %d}\n    schedules: [{cron: \"%d 6 * * *\"}]\n    work_pool: {name: p}\n", name, i, i, i%60)
	}
	write(t, filepath.Join(folder, "runnel.yaml"), project.String())
	return files
}
