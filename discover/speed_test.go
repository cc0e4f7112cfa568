package discover

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// testSpeed asks for the comparison of speeds, which takes minutes (the oracle's).
const testSpeed = "RUNNEL_TEST_SPEED"

const (
	speedFiles    = 10_000
	flowEvery     = 10       // of so many files one has a flow
	largestSource = 30 << 10 // keeps the tree like a project's
	fasterThanAST = 30
	slowerThanCat = 5
)

// speedTree fills a folder with copies of the standard library's files.
func speedTree(t testing.TB) string {
	t.Helper()
	var sources [][]byte
	for _, path := range pythonFiles(t, standardLibrary(t)) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 0 && len(raw) <= largestSource {
			sources = append(sources, raw)
		}
	}
	dir := t.TempDir()
	for i := range speedFiles {
		raw := sources[i%len(sources)]
		if i%flowEvery == 0 {
			raw = slices.Concat(raw, []byte("\n\nfrom prefect import flow\n\n\n@flow\ndef benchmark_flow(a: int, b: str = 'x', c: list[int] | None = None):\n    pass\n"))
		}
		path := filepath.Join(dir, fmt.Sprintf("d%03d", i/100), fmt.Sprintf("f%05d.py", i))
		if i%100 == 0 {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// best is the shortest of n times, the cache being warm after the first.
func best(n int, run func()) time.Duration {
	shortest := time.Hour
	for range n {
		start := time.Now()
		run()
		shortest = min(shortest, time.Since(start))
	}
	return shortest
}

// On one tree of ten thousand files, Walk is at least thirty times as fast as
// the ast oracle, and takes at most five times as long as reading the files.
func TestSpeed(t *testing.T) {
	if os.Getenv(testSpeed) == "" {
		t.Skipf("%s is not set: speeds are not compared", testSpeed)
	}
	if _, err := os.Stat(oraclePath); err != nil {
		t.Skipf("%s is not there", oraclePath)
	}
	dir := speedTree(t)
	flows := 0
	cat := best(5, func() {
		cmd := exec.Command("sh", "-c", "find . -name '*.py' -print0 | xargs -0 cat > /dev/null")
		cmd.Dir = dir
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	})
	walk := best(5, func() {
		result, err := Walk(t.Context(), dir, Options{NoGit: true})
		if err != nil {
			t.Fatal(err)
		}
		flows = len(result.Flows)
	})
	oracle := best(1, func() {
		out, err := exec.Command("python3", oraclePath, dir, "--mode", "rich", "--stats").Output()
		if err != nil || !strings.Contains(string(out), fmt.Sprintf(`"files": %d`, speedFiles)) {
			t.Fatalf("oracle: %v %s", err, out)
		}
	})
	fast, slow := oracle.Seconds()/walk.Seconds(), walk.Seconds()/cat.Seconds()
	t.Logf("%d files, %d flows: walk %v, cat %v, oracle %v", speedFiles, flows, walk, cat, oracle)
	t.Logf("%.0f times as fast as ast (at least %d); %.2f times the time of cat (at most %d)", fast, fasterThanAST, slow, slowerThanCat)
	if fast < fasterThanAST || slow > slowerThanCat {
		t.Error("too slow")
	}
}

func BenchmarkWalk(b *testing.B) {
	dir := speedTree(b)
	for b.Loop() {
		if _, err := Walk(b.Context(), dir, Options{NoGit: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// The parser alone, in bytes a second.
func BenchmarkParse(b *testing.B) {
	raw, err := os.ReadFile(filepath.Join("testdata", "signatures", "signatures.py"))
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat(string(raw), 10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
