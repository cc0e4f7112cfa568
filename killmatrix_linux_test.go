package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	randomKills = flag.Int("kills", 0, "kill so many processes at random points, in place of one at each")
	killAt      = flag.String("at", "", "with -kills, each at this one: PLAY/POINT#PASS, as a death is named")
	seed        = flag.Uint64("seed", 0, "of what is random; 0: a new one, which is printed")
)

// A drama is a piece of a user's day, in which processes die.
type drama struct {
	name string
	kill string // a point at which somebody dies already; the play is about what follows
	act  func(g *ground)
}

var plays = []drama{
	{name: "work", act: playWork},
	{name: "cancel", act: playCancel},
	{name: "adopt", act: playAdopt},
	{name: "dead", act: playDead},
	{name: "here", act: playHere},
	{name: "lost", kill: "attempt.preparing#1", act: playWork},
	{name: "change", act: playChange},
	{name: "told", act: playTold},
	{name: "untold", kill: "hook.started#1", act: playTold},
}

// killBinary builds runnel with its kill points.
func killBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runnel")
	if out, err := exec.Command("go", "build", "-tags", "killpoints", "-o", path, ".").CombinedOutput(); err != nil {
		t.Skipf("no toolchain to build a runnel with kill points: %v\n%s", err, out)
	}
	return path
}

// target is one death: in which play, where, and in the how manieth pass.
type target struct {
	play  drama
	point string
	pass  int
}

func (d target) String() string { return fmt.Sprintf("%s/%s#%d", d.play.name, d.point, d.pass) }

// TestKillMatrix has a process die by SIGKILL at each kill point: before and
// after each write of store and runner, around each spawn, signal and rename.
// Then everything is started again, and G2 to G9 are checked from the file, the
// logs and the process table. With -kills N, at N random points and passes.
func TestKillMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("in full without -short")
	}
	binary := killBinary(t)
	seen := rehearse(t, binary)
	everyPointIsSeen(t, seen)
	targets := eachPoint(seen)
	if *randomKills > 0 {
		targets = randomTargets(t, seen)
	}
	began := time.Now()
	var died atomic.Int64
	sideBySide(targets, func(i int, d target) {
		t.Run(fmt.Sprint(i, " ", d), func(t *testing.T) {
			if d.test(t, binary) {
				died.Add(1)
			}
		})
	})
	t.Logf("%d plays and %d deaths in %s", len(targets), died.Load(), time.Since(began).Round(time.Second))
}

// playsAtOnce goes by a play being mostly a wait: of a hook that has its grace, of
// a worker for its next look.
var playsAtOnce = 4 * runtime.GOMAXPROCS(0)

// sideBySide does a few things at a time, in their order.
func sideBySide[T any](things []T, do func(int, T)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range playsAtOnce {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(things); i = next.Add(1) - 1 {
				do(int(i), things[i])
			}
		})
	}
	all.Wait()
}

// test plays with one death, starts everything again, and checks. It is false where
// nobody came to the point so often: at random, that is no failure.
func (d target) test(t *testing.T, binary string) (died bool) {
	g := newGround(t, binary)
	mark := filepath.Join(g.folder, "died")
	points := fmt.Sprintf("%s#%d", d.point, d.pass)
	if d.play.kill != "" {
		points += ";" + d.play.kill
	}
	g.kill = []string{"RUNNEL_KILL_POINTS=" + points, "RUNNEL_KILL_MARK=" + mark}
	d.play.act(g)
	role, err := os.ReadFile(mark + "." + d.point)
	if err != nil && *randomKills == 0 {
		t.Errorf("nobody came to %s", points)
	}
	g.recover()
	t.Logf("died: %t, as %q", err == nil, role)
	g.check(string(role) == "slot" || d.play.kill != "" || d.play.name == "adopt" || d.play.name == "dead")
	return err == nil
}

// rehearse plays everything without a death, and gives how often a process passes
// each point in each play.
func rehearse(t *testing.T, binary string) map[string]map[string]int {
	t.Helper()
	seen := map[string]map[string]int{}
	for _, p := range plays {
		seen[p.name] = p.rehearse(newGround(t, binary))
	}
	return seen
}

func (p drama) rehearse(g *ground) map[string]int {
	g.t.Helper()
	file := filepath.Join(g.folder, "seen")
	g.kill = []string{"RUNNEL_KILL_SEEN=" + file, "RUNNEL_KILL_POINTS=" + p.kill, "RUNNEL_KILL_MARK=" + filepath.Join(g.folder, "died")}
	p.act(g)
	g.recover()
	g.check(p.name == "adopt" || p.name == "dead" || p.kill != "")
	text, err := os.ReadFile(file)
	if err != nil {
		g.t.Fatal(err)
	}
	passed := map[string]int{}
	for line := range strings.Lines(string(text)) {
		point, pass, _ := strings.Cut(strings.TrimSpace(line), " ")
		passed[point] = max(passed[point], atoi(pass))
	}
	g.sound = !g.t.Failed()
	return passed
}

var pointInSource = regexp.MustCompile(`KillPoint\("([a-z]+\.[a-z]+)"`)

// writerInSource is a method of the store that writes, with its text.
var writerInSource = regexp.MustCompile(`(?s)\nfunc \(s \*Store\) ([A-Z]\w*)\(.*?\n}\n`)

// seldom are the writers that no play comes to: they write when time has passed, or
// what another has lost, in one transaction that nothing else depends on.
var seldom = []string{"Heartbeat", "Slept", "Replan", "OweLate"}

// everyPointIsSeen: a point in the source that no play comes to proves nothing.
func everyPointIsSeen(t *testing.T, seen map[string]map[string]int) {
	t.Helper()
	files, _ := filepath.Glob("[rs]*er/*.go")
	stores, _ := filepath.Glob("store/*.go")
	for _, file := range append(files, stores...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var points []string
		for _, found := range pointInSource.FindAllStringSubmatch(string(text), -1) {
			points = append(points, found[1])
		}
		for _, found := range writerInSource.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(found[0], "s.update(") && !slices.Contains(seldom, found[1]) {
				points = append(points, "store."+found[1]+".commit", "store."+found[1]+".committed")
			}
		}
		for _, point := range points {
			if !slices.ContainsFunc(plays, func(p drama) bool { return seen[p.name][point] > 0 }) {
				t.Errorf("%s: no play comes to %s", file, point)
			}
		}
	}
}

// eachPoint is one death at each point, in the first play that comes there.
func eachPoint(seen map[string]map[string]int) (targets []target) {
	done := map[string]bool{}
	for _, p := range plays {
		points := []string{}
		for point := range seen[p.name] {
			if !done[point] && !strings.HasPrefix(p.kill, point+"#") {
				points = append(points, point)
			}
			done[point] = true
		}
		slices.Sort(points)
		for _, point := range points {
			targets = append(targets, target{p, point, 1})
		}
	}
	return targets
}

func randomTargets(t *testing.T, seen map[string]map[string]int) (targets []target) {
	t.Helper()
	if *killAt != "" {
		return slices.Repeat([]target{parseTarget(t, *killAt)}, *randomKills)
	}
	random := seeded(t)
	for range *randomKills {
		p := plays[random.IntN(len(plays))]
		points := []string{}
		for point := range seen[p.name] {
			points = append(points, point)
		}
		slices.Sort(points)
		point := points[random.IntN(len(points))]
		targets = append(targets, target{p, point, 1 + random.IntN(min(4, seen[p.name][point]))})
	}
	return targets
}

// parseTarget reads what String gives.
func parseTarget(t *testing.T, text string) (d target) {
	t.Helper()
	name, at, _ := strings.Cut(text, "/")
	point, pass, _ := strings.Cut(at, "#")
	for _, p := range plays {
		if p.name == name && atoi(pass) > 0 {
			return target{p, point, atoi(pass)}
		}
	}
	t.Fatalf("-at %s: want PLAY/POINT#PASS", text)
	return d
}

// seeded is what is random in a test, by a seed that is printed and replays.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", n)
	return rand.New(rand.NewPCG(n, 0))
}
