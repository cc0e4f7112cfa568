package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// States of a process in kinfo_proc, from sys/proc.h.
const (
	darwinStopped = 4
	darwinZombie  = 5
)

func bootID() string {
	if id, err := unix.Sysctl("kern.bootsessionuuid"); err == nil {
		return id
	}
	if boot, err := unix.SysctlTimeval("kern.boottime"); err == nil {
		return strconv.FormatInt(boot.Sec, 10)
	}
	return ""
}

// pidNamespace: macOS has one.
func pidNamespace() string { return "" }

// lookUp reads one process's row. Where there is none it is fs.ErrNotExist.
func lookUp(pid int) (procInfo, error) {
	row, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	// A process that is not there is an empty answer, which x/sys turns to EIO.
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ESRCH) {
		return procInfo{}, fs.ErrNotExist
	}
	if err != nil {
		return procInfo{}, fmt.Errorf("read process table: %w", err)
	}
	return darwinInfo(row), nil
}

func listProcesses() ([]procInfo, error) {
	rows, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("read process table: %w", err)
	}
	table := make([]procInfo, len(rows))
	for i := range rows {
		table[i] = darwinInfo(&rows[i])
	}
	return table, nil
}

func darwinInfo(row *unix.KinfoProc) procInfo {
	start := row.Proc.P_starttime
	info := procInfo{
		pid:    int(row.Proc.P_pid),
		parent: int(row.Eproc.Ppid),
		group:  int(row.Eproc.Pgid),
		state:  'S',
		start:  start.Sec*1e6 + int64(start.Usec),
	}
	switch row.Proc.P_stat {
	case darwinStopped:
		info.state = 'T'
	case darwinZombie:
		info.state = 'Z'
	}
	// The table does not name the session; the call fails for what is gone.
	if session, err := unix.Getsid(info.pid); err == nil {
		info.session = session
	}
	return info
}
