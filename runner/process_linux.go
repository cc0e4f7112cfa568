package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	maxRSSUnit = 1 << 10 // getrusage(2): ru_maxrss is in kibibytes
	pipeSize   = 1 << 20
	fionread   = unix.TIOCINQ

	socketCloexec = unix.SOCK_CLOEXEC
)

// reaper: orphans come to this process. Only then does it wait for and kill
// children that it did not start by Start; elsewhere those are somebody's.
var reaper atomic.Bool

// BecomeReaper makes every orphan below this process its child, so that it can
// wait for all of a tree, double forks included. From then on every child of
// this process that Start did not make is taken for an orphan.
func BecomeReaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become reaper: %w", err)
	}
	reaper.Store(true)
	return nil
}

// growPipe makes room for a flow that prints in bursts. Users have a budget of
// pipe memory (pipe-user-pages-soft); what is left of it is taken.
func growPipe(file *os.File) {
	fd := uintptr(descriptor(file))
	for size := pipeSize; size > 64<<10; size /= 2 {
		if _, err := unix.FcntlInt(fd, unix.F_SETPIPE_SZ, size); err == nil {
			return
		}
	}
}

// childInfo is what waitid(2) fills in: siginfo_t for SIGCHLD.
type childInfo struct {
	_      int32          // si_signo
	fields [2]int32       // si_errno and si_code, the other way round on MIPS
	_      [padding]int32 // the union is aligned to a pointer
	pid    int32
	_      uint32 // si_uid
	status int32
	_      [128 - (6+padding)*4]byte
}

const padding = ^uint(0) >> 63 // 1 where pointers have 64 bits

// waitID asks for a child that ended, and leaves it a zombie. The pid is 0
// where there is none among those that live.
func waitID(kind, pid int, usage *unix.Rusage) (childInfo, error) {
	const options = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	for {
		var info childInfo
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, uintptr(kind), uintptr(pid),
			uintptr(unsafe.Pointer(&info)), options, uintptr(unsafe.Pointer(usage)), 0)
		switch errno {
		case 0:
			return info, nil
		case unix.EINTR:
		default:
			return info, errno
		}
	}
}

// Codes of a child's end in siginfo_t.
const (
	childExited = 1
	childDumped = 3
)

// peek says whether a child is a zombie, and how it ended.
func peek(pid int) (Exit, bool) {
	var usage unix.Rusage
	info, err := waitID(unix.P_PID, pid, &usage)
	if errors.Is(err, unix.ECHILD) {
		return Exit{Code: -1}, true
	}
	if err != nil || info.pid == 0 {
		return Exit{}, false
	}
	status := unix.WaitStatus(info.status) // as wait4 has it: the signal below, the exit code above
	switch code := max(info.fields[0], info.fields[1]); code {
	case childExited:
		status <<= 8
	case childDumped:
		status |= 0x80
	}
	return exitOf(status, usage), true
}

// waitByHandle waits for the end of the process, or of ctx, through the
// runtime's poller: a signal costs several threads their sleep. It is false
// where the kernel or a sandbox has no handles that can be polled.
func (p *Process) waitByHandle(ctx context.Context) bool {
	if _, ended := p.ended(); ended {
		return true // and its number perhaps another's
	}
	fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return false
	}
	handle := os.NewFile(uintptr(fd), "process")
	defer handle.Close()
	defer context.AfterFunc(ctx, func() { _ = handle.SetReadDeadline(time.Now()) })()
	conn, err := handle.SyscallConn()
	if err != nil {
		return false
	}
	err = conn.Read(func(uintptr) bool {
		_, ended := p.ended()
		return ended
	})
	return err == nil || ctx.Err() != nil
}

// noChildren is the kernel's word that this process has no child at all.
func noChildren() bool {
	if !reaper.Load() {
		return true
	}
	_, err := waitID(unix.P_ALL, 0, nil)
	return errors.Is(err, unix.ECHILD)
}

// reapOrphans takes the zombies of all children but the flows. waitid offers
// the oldest zombie, so a flow's hides the others, and then the list helps.
func reapOrphans() {
	if !reaper.Load() {
		return
	}
	flows.Lock()
	defer flows.Unlock()
	for {
		info, err := waitID(unix.P_ALL, 0, nil)
		if err != nil || info.pid == 0 {
			return
		}
		if flows.pids[int(info.pid)] {
			reapListed()
			return
		}
		_, _ = unix.Wait4(int(info.pid), nil, unix.WNOHANG, nil)
	}
}

func reapListed() {
	pids, err := children()
	if err != nil {
		return
	}
	for _, pid := range pids {
		if !flows.pids[pid] {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// others lists the children of this process but the flows. A zombie that came
// since the last reapOrphans is among them.
func (p *Process) others() ([]int, error) {
	if !reaper.Load() {
		return p.othersByTable(p.PID)
	}
	if noChildren() {
		return nil, nil // as nearly always: one call instead of a list from /proc
	}
	flows.Lock()
	defer flows.Unlock()
	pids, err := children()
	return slices.DeleteFunc(pids, func(pid int) bool { return flows.pids[pid] }), err
}

// children lists this process's children: each thread has its own. Kernels
// without CONFIG_PROC_CHILDREN have the process table.
func children() ([]int, error) {
	threads, err := readNames("/proc/self/task")
	if err != nil {
		return nil, fmt.Errorf("list children: %w", err)
	}
	var pids []int
	for _, thread := range threads {
		text, err := os.ReadFile("/proc/self/task/" + thread + "/children")
		if errors.Is(err, os.ErrNotExist) && thread == strconv.Itoa(os.Getpid()) {
			return childrenByTable()
		}
		for _, field := range bytes.Fields(text) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

func childrenByTable() ([]int, error) {
	table, err := listProcesses()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, info := range table {
		if info.parent == os.Getpid() {
			pids = append(pids, info.pid)
		}
	}
	return pids, nil
}

// Orphans lists the processes of an attempt whose slot died: those whose
// environment carries the run's id and the attempt, those that inherited the
// lock on its log ("" leaves these out), the group and session of the flow's
// process (the zero Identity leaves these out), and all below them.
func Orphans(runID string, attempt int, flow Identity, log string) ([]Orphan, error) {
	table, err := listProcesses()
	if err != nil {
		return nil, err
	}
	id := []byte("\x00RUNNEL_FLOW_RUN_ID=" + runID + "\x00")
	number := []byte("\x00RUNNEL_ATTEMPT=" + strconv.Itoa(attempt) + "\x00")
	lock, _ := os.Stat(log) // nil where there is none
	group := ownGroup(table, flow)
	in := map[int]bool{}
	for _, info := range table {
		if group != 0 && (info.group == group || info.session == group) && info.start >= flow.StartTime {
			in[info.pid] = true
			continue
		}
		text, err := os.ReadFile("/proc/" + strconv.Itoa(info.pid) + "/environ")
		text = append([]byte{0}, text...)
		in[info.pid] = err == nil && bytes.Contains(text, id) && bytes.Contains(text, number) || inherited(info.pid, lock)
	}
	addChildren(table, in)
	return orphans(table, in), nil
}

// inherited is true for a process that has a descriptor which carries a lock on
// that file. Whoever only reads the file has none.
func inherited(pid int, file os.FileInfo) bool {
	if file == nil || pid == os.Getpid() {
		return false
	}
	folder := "/proc/" + strconv.Itoa(pid)
	names, err := readNames(folder + "/fd")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		// The name first: one call for each of the many that it is not.
		if link, err := os.Readlink(folder + "/fd/" + name); err != nil || filepath.Base(link) != file.Name() {
			return false
		}
		text, _ := os.ReadFile(folder + "/fdinfo/" + name)
		if !bytes.Contains(text, []byte("\nlock:")) {
			return false
		}
		info, err := os.Stat(folder + "/fd/" + name)
		return err == nil && os.SameFile(info, file)
	})
}

// Signal signals the process, and no other that has its number since: the
// handle is made first, and then it is looked whose it is. A process that is
// gone is no error.
func (o Orphan) Signal(number int) error {
	fd, err := unix.PidfdOpen(o.PID, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return o.signalPlain(number) // a kernel or a sandbox without pidfds
	}
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	info, err := lookUp(o.PID)
	if err != nil || info.start != o.StartTime {
		return nil
	}
	err = unix.PidfdSendSignal(fd, unix.Signal(number), nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// privatePath is descriptor 4 of a flow, behind the log's lock.
const privatePath = "/proc/self/fd/4"

// privateFile holds content in memory only; it may be opened any number of times.
func privateFile(_ string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(parametersFile, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("keep the parameters in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), parametersFile)
	if _, err := file.Write(content); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
