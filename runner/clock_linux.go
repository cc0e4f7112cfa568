package runner

import (
	"time"

	"golang.org/x/sys/unix"
)

// awake is how long this machine has been awake since its start. It is the
// same for every process.
func awake() time.Duration { return watchClock().awake }

// watchClock reads the clocks: CLOCK_MONOTONIC stands still in a suspend,
// CLOCK_BOOTTIME does not.
func watchClock() clockWatch {
	var awake, whole unix.Timespec
	// Both clocks are there since Linux 2.6.39; without them nothing is seen.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &awake)
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &whole)
	return clockWatch{
		wall:  time.Now().Round(0),
		awake: time.Duration(awake.Nano()),
		whole: time.Duration(whole.Nano()),
	}
}
