//go:build unix

package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/discover"
)

// TestDeployingIsAsQuickAsReading deploys 200 entries, each of a file of its
// own, and compares with the time that it takes to read and hash those files as
// discovery reads them: into flows. Their bare bytes are told beside it.
func TestDeployingIsAsQuickAsReading(t *testing.T) {
	if os.Getenv("RUNNEL_TEST_SPEED") == "" {
		t.Skip("LEFT OUT: times are measured with RUNNEL_TEST_SPEED=1")
	}
	const entries, rounds = 200, 15
	folder := t.TempDir()
	files := manyFlows(t, folder, entries)
	bytes, reading, fresh, again := newSpent(), newSpent(), newSpent(), newSpent()
	for range rounds {
		bytes.add(func() { readBytes(t, files) })
		reading.add(func() { readFlows(t, folder, files) })
		db := filepath.Join(t.TempDir(), "runnel.db")
		fresh.add(deploying(t, folder, db, fmt.Sprintf("%d new", entries)))
		again.add(deploying(t, folder, db, fmt.Sprintf("%d unchanged", entries)))
	}
	t.Logf("%d files: bytes read and hashed in %s, flows read and hashed in %s", entries, bytes, reading)
	for what, times := range map[string]*spent{"new": fresh, "unchanged": again} {
		factor := times.over(reading)
		t.Logf("%d entries, %s: %s; %.1f times the flows, %.1f times the bytes", entries, what, times, factor, times.over(bytes))
		if factor > 5 {
			t.Errorf("%s: more than 5 times", what)
		}
	}
}

// spent keeps the least of many, which other work disturbed least.
type spent struct{ clock, processor time.Duration }

func newSpent() *spent { return &spent{time.Hour, time.Hour} }

func (s *spent) add(work func()) {
	runtime.GC() // what was left before is not this one's
	began, used := time.Now(), processorTime()
	work()
	s.clock, s.processor = min(s.clock, time.Since(began)), min(s.processor, processorTime()-used)
}

func (s *spent) String() string {
	return fmt.Sprintf("%s (%s of the processors)", s.clock.Round(100*time.Microsecond), s.processor.Round(100*time.Microsecond))
}

// over compares what the processors spent: the clock counts other work too.
func (s *spent) over(base *spent) float64 { return float64(s.processor) / float64(base.processor) }

// processorTime is what this process has spent, user and system.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func readBytes(t *testing.T, files []string) {
	t.Helper()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sha256.Sum256(raw)
	}
}

func readFlows(t *testing.T, folder string, files []string) {
	t.Helper()
	reader := discover.NewReader(folder)
	for i, file := range files {
		flow, err := reader.Entrypoint(fmt.Sprintf("%s:flow_%03d", file, i))
		if err != nil || reader.Version(flow.File) == "" {
			t.Fatal(flow, err)
		}
	}
}

func deploying(t *testing.T, folder, db, want string) func() {
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
	return func() {
		defer s.Close() //nolint:errcheck // a test's
		if err := (deployCmd{All: true, CreatePools: true, outputFlag: asTable}).Run(a); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Fatal(out.String())
		}
	}
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
