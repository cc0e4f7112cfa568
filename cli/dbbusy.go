package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"runnel/runner"
	"runnel/store"
)

// slotsEnd is how long slots without work may take to notice that their worker
// has gone.
const slotsEnd = 5 * time.Second

// nobodyLives refuses while a process is at work on a database, and names it.
func (a *app) nobodyLives(path string) error {
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		living, err := runner.Living(store.New(path).Folder())
		if err != nil || len(living) == 0 {
			return err
		}
		hints, idle := a.holders(path, living)
		if len(hints) > 0 || time.Since(start) > slotsEnd {
			return &exitError{code: exitRefused, message: path + " is in use", hint: append(hints, idle...)}
		}
	}
}

// namedRuns is how many of the runs that are under way are named.
const namedRuns = 3

// holders says who they are: the workers, then the runs, each once. Those that end
// by themselves, when nobody else lives, stand apart.
func (a *app) holders(path string, living []runner.Holder) (hints, idle []string) {
	workers, runs := a.atWork(path)
	var named []string
	var others []runner.Holder
	known := map[string]bool{}
	for _, h := range living {
		if w, isWorker := workers[h.ID]; isWorker {
			hints = append(hints, fmt.Sprintf("worker %s lives; stop it: kill -INT %d", w.Name, w.PID))
		} else if r, isRun := runs[h.ID]; isRun {
			known[r.ID.String()] = true
			named = append(named, fmt.Sprintf("run %s is under way; wait for it: runnel why %s, or runnel flow-run cancel %[2]s", r.Name, r.ID.Short()))
		} else {
			others = append(others, h)
		}
	}
	hints = append(hints, named[:min(len(named), namedRuns)]...)
	if more := len(named) - namedRuns; more > 0 {
		hints = append(hints, fmt.Sprintf("%d more are under way; see them: runnel flow-run ls --state Running; cancel them: runnel flow-run cancel --state Running", more))
	}
	for _, h := range others {
		run, _, _ := strings.Cut(h.Flow, ".")
		switch {
		case h.Flow == "":
			idle = append(idle, fmt.Sprintf("a slot without work holds %s/locks/%s.lock; it ends with its worker", store.New(path).Folder(), h.ID))
		case !known[run]:
			hints = append(hints, "the process of run "+run+" lives; stop it: runnel flow-run cancel "+run)
		}
	}
	if len(hints) > 0 {
		idle = nil
	}
	return hints, idle
}

// atWork are the workers and the runs that a database knows, by their locks. One
// that cannot be read knows nobody.
func (a *app) atWork(path string) (map[store.ID]store.Worker, map[store.ID]store.Run) {
	workers, runs := map[store.ID]store.Worker{}, map[store.ID]store.Run{}
	if _, err := os.Stat(path); err != nil {
		return workers, runs
	}
	s, err := a.store()
	if err != nil {
		return workers, runs
	}
	all, _ := s.Workers(a.ctx, "")
	for _, w := range all {
		workers[w.ID] = w
	}
	live, _ := s.LiveRuns(a.ctx)
	for _, r := range live {
		if p, err := runner.ParseProof(r.Owner.Proof); err == nil {
			runs[p.ID] = r
		}
	}
	return workers, runs
}
