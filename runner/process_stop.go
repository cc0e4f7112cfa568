//go:build unix

package runner

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"runnel/store"
)

const (
	// killTime bounds the wait for processes that got SIGKILL; only one that
	// hangs in the kernel (a dead disk) needs more, and it is reported.
	killTime = 5 * time.Second

	// refusedTime is how long processes that we may not signal get to end by
	// themselves, when nothing else is left.
	refusedTime = 500 * time.Millisecond

	// killPoll is the pause between two rounds of killing where no child's end
	// wakes the killer: a process that forks and ends at once is seldom seen.
	killPoll = 2 * time.Millisecond

	// gracePoll is how often the group is looked at while it has its grace; the
	// end of a grandchild is told to its parent, not to us.
	gracePoll = 25 * time.Millisecond
)

// Stop ends the flow and all that came of it: SIGTERM to its group, SIGKILL
// after the grace or when force is closed, to the group and then to every
// child of this process, until the kernel knows of none. The flow's own
// process is reaped last, so that its group id is not another's meanwhile.
// This process must be the reaper (Linux) and have no other children.
// What cannot be stopped is reported after some seconds.
func (p *Process) Stop(grace time.Duration, force <-chan struct{}) StopReport {
	p.stopping.Lock()
	defer p.stopping.Unlock()
	wake, stop := childSignals()
	defer stop()
	store.KillPoint("stop.asking")
	p.signalGroup(unix.SIGTERM)
	store.KillPoint("stop.asked")
	p.signalGroup(unix.SIGCONT) // a stopped process takes no SIGTERM
	report := StopReport{Killed: !p.waitGroup(grace, force, wake)}
	store.KillPoint("stop.killing")
	p.killTree(wake, &report)
	store.KillPoint("stop.killed")
	if len(report.Left) == 0 {
		p.reap()
	}
	report.Exit, _ = p.ended()
	return report
}

// killGroup ends a process of our own and its group, and leaves the rest alone.
func (p *Process) killGroup() { p.signalGroup(unix.SIGKILL) }

// signalGroup signals the flow's group, while its zombie keeps the number.
func (p *Process) signalGroup(number unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = unix.Kill(-p.PID, number) // nobody left to signal is what we want
	}
}

// waitGroup gives the group its grace, and says whether it went. Those that
// left the group had no SIGTERM, so nobody waits for them.
func (p *Process) waitGroup(grace time.Duration, force <-chan struct{}, wake <-chan os.Signal) bool {
	end := time.NewTimer(grace)
	defer end.Stop()
	look := time.NewTicker(gracePoll)
	defer look.Stop()
	for {
		reapOrphans()
		if p.groupGone() {
			return true
		}
		select {
		case <-wake:
		case <-look.C:
		case <-end.C:
			return p.groupGone()
		case <-force:
			return p.groupGone()
		}
	}
}

func (p *Process) groupGone() bool {
	if _, ended := p.ended(); !ended {
		return false
	}
	if direct, err := p.others(); err == nil && len(direct) == 0 {
		return true
	}
	table, err := listProcesses()
	if err != nil {
		return false
	}
	for _, info := range table {
		if info.group == p.PID && !info.dead() {
			return false
		}
	}
	return true
}

// killTree kills until nothing is left, or reports what is.
func (p *Process) killTree(wake <-chan os.Signal, report *StopReport) {
	start := time.Now()
	for {
		reapOrphans()
		p.signalGroup(unix.SIGKILL)
		left, refused, err := p.killOthers()
		if len(left) > 0 {
			report.Killed = true
		}
		_, ended := p.ended()
		if err == nil && ended && len(left) == 0 && p.alone() {
			return
		}
		waited := time.Since(start)
		if waited > killTime || waited > refusedTime && ended && err == nil && len(refused) == len(left) {
			p.report(report, left, refused, err)
			return
		}
		rest(wake)
	}
}

// alone asks the kernel, since a list of children is not to be trusted while
// they come and go. It has to reap the flow for that, last of all; while
// another flow runs in this process, the list has to do.
func (p *Process) alone() bool {
	flows.Lock()
	more := len(flows.pids) > 1 || len(flows.pids) == 1 && !flows.pids[p.PID]
	flows.Unlock()
	if more {
		return true
	}
	p.reap()
	return noChildren()
}

// killOthers sends SIGKILL to every child but the flows, and to the group of
// each that leads one: a group is killed at once, faster than it can fork.
func (p *Process) killOthers() (left, refused []int, err error) {
	left, err = p.others()
	for _, pid := range left {
		_ = unix.Kill(-pid, unix.SIGKILL)
		if err := unix.Kill(pid, unix.SIGKILL); errors.Is(err, unix.EPERM) {
			refused = append(refused, pid)
		}
	}
	return left, refused, err
}

func (p *Process) report(report *StopReport, left, refused []int, err error) {
	report.Left = left
	if _, ended := p.ended(); !ended {
		report.Left = append(report.Left, p.PID)
		if errors.Is(unix.Kill(p.PID, 0), unix.EPERM) {
			refused = append(refused, p.PID)
		}
	}
	switch {
	case err != nil:
		report.Err = fmt.Errorf("list children: %w", err)
	case len(refused) > 0:
		report.Err = fmt.Errorf("signal %v: %w", refused, unix.EPERM)
	default:
		report.Err = fmt.Errorf("%v did not end on SIGKILL within %v", report.Left, killTime)
	}
}

func rest(wake <-chan os.Signal) {
	timer := time.NewTimer(killPoll)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	}
}
