package store

import (
	"math"
	"slices"
	"strings"
)

// The words of catchup: what becomes of several ticks that no worker took in
// their time.
const (
	CatchupLatest = "latest" // only the newest runs
	CatchupAll    = "all"    // every one runs, the oldest first
	CatchupNone   = "none"   // none of them runs
)

// Catchups lists the words of catchup.
var Catchups = []string{CatchupLatest, CatchupAll, CatchupNone}

func checkCatchup(d Deployment) error {
	if !slices.Contains(Catchups, d.Catchup) {
		e := invalid("no catchup %q", d.Catchup)
		e.Hint = []string{"catchup is one of: " + strings.Join(Catchups, ", ")}
		return e
	}
	for name, seconds := range map[string]*float64{"max_late": d.MaxLateSeconds, "jitter": d.JitterSeconds} {
		if seconds != nil && !(*seconds > 0 && *seconds <= maxInterval.Seconds() && !math.IsNaN(*seconds)) {
			return invalid("%s of %v seconds: it is more than 0, and at most 100 years", name, *seconds)
		}
	}
	return nil
}
