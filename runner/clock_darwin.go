package runner

import (
	"time"

	"golang.org/x/sys/unix"
)

// awake is how long this machine has been awake since its start. It is the
// same for every process.
func awake() time.Duration {
	var uptime unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_UPTIME_RAW, &uptime) // there since macOS 10.12
	return time.Duration(uptime.Nano())
}
