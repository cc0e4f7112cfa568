//go:build unix

package runner

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// othersByTable lists what belongs to the flow besides its own process where
// orphans do not come to this one: the flow's group, its session and the one
// given, and all below. What left the group and lost its parent is not found.
func (p *Process) othersByTable(session int) ([]int, error) {
	table, err := listProcesses()
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	in := map[int]bool{p.PID: true}
	for _, info := range table {
		mine := info.group == p.PID || info.session == p.PID || info.session == session
		if mine && info.pid != self {
			in[info.pid] = true
		}
	}
	addChildren(table, in)
	flows.Lock()
	defer flows.Unlock()
	var pids []int
	for _, info := range table {
		if in[info.pid] && info.pid != self && !info.dead() && !flows.pids[info.pid] {
			pids = append(pids, info.pid)
		}
	}
	return pids, nil
}

// ownGroup is the id of the flow's group, or 0 where it may be another's. The
// number cannot be used again while the group has members; a process that has
// it and started at another time means that the group is gone.
func ownGroup(table []procInfo, flow Identity) int {
	here := place()
	if flow.PID <= 0 || flow.BootID != here.BootID || flow.PIDNamespace != here.PIDNamespace {
		return 0
	}
	for _, info := range table {
		if info.pid == flow.PID && info.start != flow.StartTime {
			return 0
		}
	}
	return flow.PID
}

// orphans lists the processes that are in and alive, without this one.
func orphans(table []procInfo, in map[int]bool) []Orphan {
	var list []Orphan
	for _, info := range table {
		if in[info.pid] && !info.dead() && info.pid != os.Getpid() {
			list = append(list, Orphan{PID: info.pid, StartTime: info.start})
		}
	}
	return list
}

// stop asks the process to end, or ends it. One that was stopped (SIGSTOP)
// takes no SIGTERM until it goes on.
func (o Orphan) stop(kill bool) error {
	if kill {
		return o.Signal(int(unix.SIGKILL))
	}
	return errors.Join(o.Signal(int(unix.SIGTERM)), o.Signal(int(unix.SIGCONT)))
}

// signalPlain signals by number, right after a look at whose it is.
func (o Orphan) signalPlain(number int) error {
	info, err := lookUp(o.PID)
	if err != nil || info.start != o.StartTime {
		return nil
	}
	err = unix.Kill(o.PID, unix.Signal(number))
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
