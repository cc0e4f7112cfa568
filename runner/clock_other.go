//go:build !linux

package runner

import "time"

var processStart = time.Now()

// watchClock reads the clocks. What Go's monotonic clock does not count is
// taken for sleep only where it was forward; the two cannot be told apart here.
func watchClock() clockWatch {
	now := time.Now()
	return clockWatch{wall: now.Round(0), awake: now.Sub(processStart), whole: now.Round(0).Sub(processStart.Round(0))}
}
