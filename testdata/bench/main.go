// Bench measures runnel beside what a user would use instead, in the same run
// and on the same work: whole processes, after a warm-up, in turns.
//
//	go run ./testdata/bench [--quick] [--only NAME[,NAME]] [--write docs] [--profile DIR]
//
// It prints a table of medians with the range in which chance leaves them, holds
// them against the marks of marks.go, and ends with 1 where one is missed by more
// than that range. It installs what it compares with where it can, and says aloud
// what it leaves out. --write makes docs/benchmarks.md and its plots.
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

	"runnel/store"
)

// bench is one run of the program.
type bench struct {
	ctx     context.Context
	quick   bool
	profile string // folder of profiles; "" makes none
	folder  string // scratch, removed at the end
	binary  string // runnel, as it ships
	busy    bool   // the machine has other work
	figure  string // that is being measured
	results []result
	plots   []plot
	machine []string
	noPueue string // why there is none; asked once
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
	{"trigger", "from a run's commit, or the command that makes it, to the user's first instruction", (*bench).trigger},
	{"idle", "a worker that waits", (*bench).idle},
	{"busy", "a worker with 4 and 64 runs", (*bench).loaded},
	{"throughput", "runs of /bin/true, 4 at a time, all states durable", (*bench).throughput},
	{"python", "Python flows, 4 at a time", (*bench).python},
	{"prefect", "Prefect with its own server and its process worker", (*bench).prefect},
	{"workers", "the same work and slots by 1, 2, 8 and 32 workers", (*bench).workers},
	{"claim", "a claim and an end, by how many ended runs are in the file", (*bench).claim},
	{"backlog", "a claim with runs waiting behind a full deployment", (*bench).backlog},
	{"ticks", "a tick claimed and the next one made, by how many deployments there are", (*bench).ticks},
	{"discovery", "runnel discover, by how many files there are", (*bench).discovery},
	{"output", "a flow that prints much", (*bench).output},
	{"disk", "what a run leaves in the file", (*bench).disk},
}

// quickFigures are those of --quick: what needs neither another program nor minutes.
var quickFigures = []string{"size", "startup", "look", "trigger", "idle", "throughput", "claim", "backlog", "output", "disk"}

func main() { os.Exit(run()) }

func run() int {
	quick := flag.Bool("quick", false, "the short form: fewer rounds, smaller files, nothing installed")
	only := flag.String("only", "", "these figures only: "+strings.Join(names(), ","))
	write := flag.String("write", "", "write benchmarks.md and its plots into this folder")
	profile := flag.String("profile", "", "write profiles of what is measured into this folder; the figures suffer")
	flag.Parse()
	wanted := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			fmt.Fprintf(os.Stderr, "no figure %q; there are: %s\n", name, strings.Join(names(), ", "))
			return 2
		}
	}
	if *write != "" && (len(wanted) > 0 || *quick || *profile != "") {
		fmt.Fprintln(os.Stderr, "--write is for a full run: without --only, --quick and --profile")
		return 2
	}
	if len(wanted) == 0 && *quick {
		wanted = quickFigures
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{ctx: ctx, quick: *quick, profile: *profile}
	err := b.setUp()
	defer os.RemoveAll(b.folder) //nolint:errcheck // scratch
	if err == nil {
		err = b.measure(wanted)
	}
	if err == nil && *write != "" {
		err = b.write(*write)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return b.judge()
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
	flags := "-s -w"
	if b.profile != "" {
		flags = "" // a profile wants names
		if err := os.MkdirAll(b.profile, 0o700); err != nil {
			return err
		}
	}
	build := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", flags, "-o", b.binary, "runnel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build runnel: %w\n%s", err, text)
	}
	return nil
}

func (b *bench) measure(wanted []string) error {
	line, err := b.disks()
	if err != nil {
		return err
	}
	b.machine = []string{machine(b.folder), line}
	if others := b.lookAtOthers(); others > quiet {
		b.machine = append(b.machine, fmt.Sprintf("the machine is busy: others take %.0f %% of it; times in ms suffer, and a mark in ms or %% that is missed here is no failure", 100*others))
	}
	fmt.Println(strings.Join(b.machine, "\n"))
	fmt.Printf("\n%-46s %12s %21s  %s\n", "", "median", "range", "mark")
	for _, f := range figures {
		if len(wanted) > 0 && !slices.Contains(wanted, f.name) {
			continue
		}
		b.figure = f.name
		fmt.Printf("%s: %s\n", f.name, f.about)
		start := time.Now()
		stop := b.profiled()
		err := f.measure(b)
		stop()
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := b.ctx.Err(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "  (%s)\n", time.Since(start).Round(100*time.Millisecond))
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

// result is one line of what was measured.
type result struct {
	figure, what, unit string
	value              interval
	verdict            string
}

// show prints one line, and holds it against its mark where it has one. A unit
// of "x" is a ratio.
func (b *bench) show(what string, v interval, unit string) {
	r := result{figure: b.figure, what: what, unit: unit, value: v}
	if m := markOf(b.figure, what); m != nil {
		r.verdict = m.verdict(v)
	}
	b.results = append(b.results, r)
	fmt.Printf("  %-44s %12s %21s  %s\n", what, r.amount(), v.spread(), r.verdict)
}

// skip says what is left out, and why.
func (b *bench) skip(what, why string) {
	b.results = append(b.results, result{figure: b.figure, what: what, verdict: "left out: " + why})
	fmt.Printf("  LEFT OUT: %s: %s\n", what, why)
}

func (v interval) spread() string {
	if v.low == v.high {
		return ""
	}
	return number(v.low) + " to " + number(v.high)
}

func number(x float64) string {
	switch {
	case x >= 1000:
		return fmt.Sprintf("%.0f", x)
	case x >= 100:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1 || x == 0:
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
	disk, err := store.DiskOf(folder)
	if err != nil {
		disk.Kind = "an unknown disk"
	}
	return fmt.Sprintf("%s, %d cores, %s %s, %s, %s; scratch on %s; load %s",
		model, runtime.NumCPU(), runtime.GOOS, firstWords("/proc/sys/kernel/osrelease", 1), runtime.Version(),
		sqliteShell(), disk.Kind, firstWords("/proc/loadavg", 3))
}

// quiet is the share of all processors that others may have on a quiet machine. The
// load does not tell it: ten programs that wake each other by turns have a load of 1.
const quiet = 0.05

// lookAtOthers tells whether the machine is busy, which it may become during a run.
func (b *bench) lookAtOthers() float64 {
	others := othersWork(time.Second)
	b.busy = b.busy || others > quiet
	return others
}

// othersWork is how much of the processors is in use while the suite sleeps; 0 where
// the system does not say.
func othersWork(length time.Duration) float64 {
	idle, all := processorTime()
	time.Sleep(length)
	idleLater, allLater := processorTime()
	if allLater == all {
		return 0
	}
	return 1 - (idleLater-idle)/(allLater-all)
}

// processorTime sums up the first line of /proc/stat, of which idle and iowait are the
// fourth and fifth number.
func processorTime() (idle, all float64) {
	for i, word := range strings.Fields(firstWords("/proc/stat", 9)) {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			continue // "cpu"
		}
		if all += n; i == 4 || i == 5 {
			idle += n
		}
	}
	return idle, all
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
	b.show("binary", exactly(float64(info.Size())/1e6), "MB")
	return nil
}
