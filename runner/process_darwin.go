package runner

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	maxRSSUnit = 1          // getrusage(2): ru_maxrss is in bytes
	fionread   = 0x4004667f // _IOR('f', 127, int), which x/sys does not name

	socketCloexec = 0
)

// BecomeReaper does nothing: macOS gives orphans to launchd. What Stop can
// find there is the group, the session and the chain of parents.
func BecomeReaper() error { return nil }

// growPipe does nothing: macOS grows a pipe by itself, to 64 KiB.
func growPipe(*os.File) {}

// peek says whether a child is a zombie, and how it ended. waitid(2) of macOS
// does not leave it one, so this reads the process table, which has no usage.
func peek(pid int) (Exit, bool) {
	row, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ESRCH) {
		return Exit{Code: -1}, true // no row, not even a zombie's
	}
	if err != nil || row.Proc.P_stat != darwinZombie {
		return Exit{}, false
	}
	return exitOf(unix.WaitStatus(row.Proc.P_xstat), unix.Rusage{}), true
}

// waitByHandle: macOS has none that the runtime polls.
func (p *Process) waitByHandle(context.Context) bool { return false }

// noChildren has nothing to ask: only processes that Start made are children.
func noChildren() bool { return true }

// reapOrphans does nothing: launchd reaps them.
func reapOrphans() {}

// others lists what belongs to the flow besides its own process, the session
// of this process included where it leads one, as a slot does.
func (p *Process) others() ([]int, error) { return p.othersByTable(os.Getpid()) }

// Orphans lists the processes of an attempt whose slot died: the group and the
// session of the flow's process, and all below them. macOS shows nobody's
// environment.
func Orphans(_ string, _ int, flow Identity, _ string) ([]Orphan, error) {
	table, err := listProcesses()
	if err != nil {
		return nil, err
	}
	group := ownGroup(table, flow)
	in := map[int]bool{}
	for _, info := range table {
		in[info.pid] = group != 0 && (info.group == group || info.session == group) && info.start >= flow.StartTime
	}
	addChildren(table, in)
	return orphans(table, in), nil
}

// Signal signals the process, unless another has its number since. A process
// that is gone is no error.
func (o Orphan) Signal(number int) error { return o.signalPlain(number) }

// privatePath is descriptor 4 of a flow, behind the log's lock.
const privatePath = "/dev/fd/4"

// privateFile holds content in a file without a name; it can be read once.
func privateFile(folder string, content []byte) (*os.File, error) {
	file, err := os.CreateTemp(folder, "") // 0600
	if err != nil {
		return nil, err
	}
	_, err = file.Write(content)
	_, errSeek := file.Seek(0, io.SeekStart)
	if err = errors.Join(os.Remove(file.Name()), err, errSeek); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
