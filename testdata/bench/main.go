// Bench measures runnel beside what a user would use instead, in the same run
// and on the same work: whole processes, after a warm-up, in turns.
//
//	go run ./testdata/bench [--quick] [--only NAME[,NAME]]
//
// It prints a table of medians with the range in which chance leaves them, and
// ends with 1 where a mark is missed by more than that range.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench is one run of the program.
type bench struct {
	ctx    context.Context
	quick  bool
	folder string // scratch, removed at the end
	binary string // runnel, as it ships
	missed bool
}

// figure is one thing that is measured.
type figure struct {
	name, about string
	measure     func(*bench) error
}

var figures = []figure{
	{"size", "the stripped binary", (*bench).size},
	{"startup", "whole processes that start, answer and end", (*bench).startup},
	{"look", "what lists and inspects, by how many runs are in the file; completion", (*bench).look},
	{"trigger", "from a run's commit to its process's first instruction", (*bench).trigger},
	{"idle", "a worker that waits", (*bench).idle},
	{"throughput", "runs of /bin/true through one worker, 4 at a time", (*bench).throughput},
	{"claim", "a claim, by how many ended runs are in the file", (*bench).claim},
	{"output", "a flow that prints much", (*bench).output},
	{"disk", "what a run leaves in the file", (*bench).disk},
}

func main() { os.Exit(run()) }

func run() int {
	quick := flag.Bool("quick", false, "fewer rounds, smaller files")
	only := flag.String("only", "", "these figures only: "+strings.Join(names(), ","))
	flag.Parse()
	wanted := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			fmt.Fprintf(os.Stderr, "no figure %q; there are: %s\n", name, strings.Join(names(), ", "))
			return 2
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{ctx: ctx, quick: *quick}
	err := b.setUp()
	defer os.RemoveAll(b.folder) //nolint:errcheck // scratch
	if err == nil {
		err = b.measure(wanted)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	case b.missed:
		return 1
	}
	return 0
}

func names() (list []string) {
	for _, f := range figures {
		list = append(list, f.name)
	}
	return list
}

// setUp builds the binary as it ships.
func (b *bench) setUp() (err error) {
	if b.folder, err = os.MkdirTemp("", "runnel-bench-"); err != nil {
		return err
	}
	b.binary = filepath.Join(b.folder, "runnel")
	build := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "runnel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build runnel: %w\n%s", err, text)
	}
	return nil
}

func (b *bench) measure(wanted []string) error {
	fmt.Println(machine(b.folder))
	line, err := b.disks()
	if err != nil {
		return err
	}
	fmt.Println(line)
	if load, err := strconv.ParseFloat(firstWords("/proc/loadavg", 1), 64); err == nil && load > float64(runtime.NumCPU()) {
		fmt.Println("the machine is busy: times in ms suffer, and a mark in ms that is missed here proves nothing; trust ratios")
	}
	fmt.Printf("\n%-44s %10s %19s %10s\n", "", "median", "range", "mark")
	for _, f := range figures {
		if len(wanted) > 0 && !slices.Contains(wanted, f.name) {
			continue
		}
		fmt.Printf("%s: %s\n", f.name, f.about)
		if err := f.measure(b); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	fmt.Printf("\n%s; load now %s\n", time.Now().Format(time.RFC3339), firstWords("/proc/loadavg", 3))
	return nil
}

// rounds is n, or the smaller number in a quick run.
func (b *bench) rounds(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}

// show prints one line. A unit of "x" is a ratio.
func (b *bench) show(what string, v interval, unit string) { b.line(what, v, unit, "") }

// check prints one line and holds it against a mark, which it may not exceed
// by more than the noise.
func (b *bench) check(what string, v interval, unit string, mark float64) {
	verdict := "met"
	switch {
	case v.mid <= mark:
	case v.low <= mark:
		verdict = "missed, within the noise"
	default:
		verdict = "MISSED"
		b.missed = true
	}
	b.line(what, v, unit, fmt.Sprintf("≤ %-8s %s", number(mark), verdict))
}

// aim prints one line and what it is to become; missing it is no failure yet.
func (b *bench) aim(what string, v interval, unit string, aim float64) {
	verdict := "not yet"
	if v.mid <= aim {
		verdict = "reached"
	}
	b.line(what, v, unit, fmt.Sprintf("aim ≤ %s, %s", number(aim), verdict))
}

func (b *bench) line(what string, v interval, unit, verdict string) {
	spread := ""
	if v.low != v.high {
		spread = fmt.Sprintf("%s to %s", number(v.low), number(v.high))
	}
	fmt.Printf("  %-42s %10s %19s %s\n", what, strings.TrimSpace(number(v.mid)+" "+unit), spread, verdict)
}

func number(x float64) string {
	switch {
	case x >= 1000:
		return fmt.Sprintf("%.0f", x)
	case x >= 100:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.4f", x)
}

// machine is a line about what this runs on.
func machine(folder string) string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s %s, %s, %s; scratch in %s; load %s",
		model, runtime.NumCPU(), runtime.GOOS, firstWords("/proc/sys/kernel/osrelease", 1), runtime.Version(),
		sqliteShell(), folder, firstWords("/proc/loadavg", 3))
}

func sqliteShell() string {
	text, err := exec.Command("sqlite3", "--version").Output()
	if err != nil {
		return "no sqlite3 shell"
	}
	version, _, _ := strings.Cut(string(text), " ")
	return "sqlite3 shell " + version
}

func firstWords(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	words := strings.Fields(string(text))
	return strings.Join(words[:min(n, len(words))], " ")
}

// disks tells what a sync costs here: every commit waits for one, and a disk
// that others keep busy shows in all that commits.
func (b *bench) disks() (string, error) {
	file, err := os.Create(filepath.Join(b.folder, "sync"))
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // scratch
	var times []float64
	for range 100 {
		if _, err := file.WriteAt(make([]byte, 4096), 0); err != nil {
			return "", err
		}
		start := time.Now()
		if err := file.Sync(); err != nil {
			return "", err
		}
		times = append(times, ms(time.Since(start)))
	}
	return fmt.Sprintf("a sync of 4 KiB to it: median %s ms, p90 %s ms",
		number(median(times).mid), number(quantile(times, 0.9).mid)), nil
}

// size is what a user downloads.
func (b *bench) size() error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.check("binary", exactly(float64(info.Size())/1e6), "MB", 20)
	return nil
}
