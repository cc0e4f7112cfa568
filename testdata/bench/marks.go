package main

import (
	"fmt"
	"strings"
)

// A mark is what a figure is to reach. Where that is out of reach as yet, held
// is what it has reached: to fall behind that is a failure, too.
type mark struct {
	figure, what string  // of what, the part before or behind a *
	limit        float64 // at most; at least where least is set
	least        bool
	held         float64 // 0: the limit itself
	clock        bool    // in ms or % of a core: a busy machine misses it for no fault of ours
}

var marks = []mark{
	{figure: "size", what: "binary", limit: 20},
	{figure: "startup", what: "version / sqlite3 select 1", limit: 2, held: 2.5},
	{figure: "startup", what: "flow-run ls, 100000 / 1000 runs", limit: 1.2},
	{figure: "startup", what: "flow-run ls, 1000000 / 1000 runs", limit: 1.2},
	{figure: "look", what: "status, 100000 runs", limit: 15, clock: true},
	{figure: "look", what: "*, 100000 / 1000 runs", limit: 2},
	{figure: "look", what: "completing*", limit: 3},
	{figure: "trigger", what: "/bin/true, from the commit, above bare, p50", limit: 1.2, held: 1.6, clock: true},
	{figure: "trigger", what: "/bin/true, from the commit, above bare, p99", limit: 3.5, held: 6, clock: true},
	{figure: "prefect", what: "trigger to start, runnel / Prefect", limit: 0.01},
	{figure: "throughput", what: "rate, worker / xargs -P 4", limit: 0.67, least: true, held: 0.3},
	{figure: "throughput", what: "rate, worker / GNU parallel", limit: 1, least: true},
	{figure: "throughput", what: "rate, worker / tsp", limit: 1, least: true},
	{figure: "throughput", what: "rate, worker / pueue", limit: 1, least: true},
	{figure: "python", what: "rate, worker / xargs -P 4 python3 -c pass", limit: 0.77, least: true, held: 0.6},
	{figure: "workers", what: "rate, 8 workers / 1", limit: 0.9, least: true, held: 0.6},
	{figure: "claim", what: "1000000 / 1000 ended runs", limit: 1.2},
	{figure: "claim", what: "100000 / 1000 ended runs", limit: 1.2},
	{figure: "backlog", what: "100000 waiting / none", limit: 1.5},
	{figure: "backlog", what: "10000 waiting / none", limit: 1.5},
	{figure: "idle", what: "worker, of a core", limit: 0.1, clock: true},
	{figure: "idle", what: "worker, resident", limit: 25},
	{figure: "idle", what: "slot, of a core", limit: 0.1, clock: true},
	{figure: "prefect", what: "idle worker resident, runnel / Prefect", limit: 0.1, held: 0.25},
	{figure: "prefect", what: "idle worker CPU, runnel / Prefect", limit: 0.1, held: 1.5},
	{figure: "disk", what: "bytes a run", limit: 1500},
	{figure: "output", what: "a flow / cat > file", limit: 3},
}

func markOf(figure, what string) *mark {
	for i, m := range marks {
		before, behind, many := strings.Cut(m.what, "*")
		if m.figure == figure && (m.what == what || many && strings.HasPrefix(what, before) && strings.HasSuffix(what, behind)) {
			return &marks[i]
		}
	}
	return nil
}

// misses is true where all of the range, chance included, is beyond a limit.
func (m *mark) misses(v interval, limit float64) bool {
	if m.least {
		return v.high < limit
	}
	return v.low > limit
}

func (m *mark) text() string {
	if m.least {
		return "at least " + number(m.limit)
	}
	return "at most " + number(m.limit)
}

func (m *mark) verdict(v interval) string {
	middle := interval{v.mid, v.mid, v.mid}
	switch {
	case !m.misses(middle, m.limit):
		return m.text() + ": met"
	case !m.misses(v, m.limit):
		return m.text() + ": missed, within the noise"
	case !m.fails(v):
		return fmt.Sprintf("%s: MISSED (held to %s)", m.text(), number(m.held))
	}
	return m.text() + ": MISSED"
}

// fails is true where the figure has fallen behind what it reached before.
func (m *mark) fails(v interval) bool {
	limit := m.limit
	if m.held != 0 {
		limit = m.held
	}
	return m.misses(v, limit)
}

// judge gives the exit code, and says which marks decided it.
func (b *bench) judge() int {
	code := 0
	b.lookAtOthers()
	for _, r := range b.results {
		m := markOf(r.figure, r.what)
		switch {
		case m == nil || !m.fails(r.value):
		case m.clock && b.busy:
			fmt.Printf("no failure on a busy machine: %s: %s is %s\n", r.figure, r.what, r.amount())
		default:
			fmt.Printf("FAILED: %s: %s is %s; %s\n", r.figure, r.what, r.amount(), m.text())
			code = 1
		}
	}
	return code
}
