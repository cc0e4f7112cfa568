package runner

import "golang.org/x/sys/unix"

// startNice starts a process and then adds to its nice value: macOS keeps it
// for the process alone, not for a thread.
func startNice(spec Spec, nice int) (*Process, error) {
	p, err := Start(spec)
	if err == nil && nice != 0 {
		now, _ := unix.Getpriority(unix.PRIO_PROCESS, p.PID)
		_ = unix.Setpriority(unix.PRIO_PROCESS, p.PID, now+nice) // as far as the system allows
	}
	return p, err
}

// oomKills: macOS counts none.
func oomKills() (count int, limit int64) { return 0, 0 }
