//go:build unix

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a flow's process, the leader of a group of its own. Its zombie,
// and with it the group id, stays until Reap or Stop.
type Process struct {
	PID int

	stopping sync.Mutex // held by Stop for its length, so that Reap comes after it

	mu     sync.Mutex
	reaped bool
	exit   Exit // once reaped
}

// flows are the processes that Start made and nobody reaped. Whoever reaps
// orphans leaves these alone. The lock is held across the fork: else a flow
// that ends at once is taken for an orphan before its pid is known, and one
// whose exec failed is taken from syscall.ForkExec, which waits for it.
var flows = struct {
	sync.Mutex
	pids map[int]bool
}{pids: map[int]bool{}}

// Start starts a process. An error is a *StartError.
func Start(spec Spec) (*Process, error) {
	if len(spec.Argv) == 0 {
		return nil, &StartError{Kind: ErrNotFound, Detail: "no program is named", Err: unix.EINVAL}
	}
	path, err := findProgram(spec)
	if err != nil {
		return nil, err
	}
	files, closeFiles, err := childFiles(spec)
	if err != nil {
		return nil, startError(spec, path, err)
	}
	defer closeFiles()
	attr := &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: !spec.Session, Setsid: spec.Session},
	}
	flows.Lock()
	defer flows.Unlock()
	pid, err := syscall.ForkExec(path, spec.Argv, attr)
	if err != nil {
		return nil, startError(spec, path, err)
	}
	flows.pids[pid] = true
	return &Process{PID: pid}, nil
}

// childFiles lists the child's descriptors; closeFiles is called after the
// start, and keeps the collector from closing them before it.
func childFiles(spec Spec) (files []uintptr, closeFiles func(), err error) {
	given := append([]*os.File{spec.Stdin, spec.Stdout, spec.Stderr}, spec.Extra...)
	var null *os.File
	for i, file := range given {
		if file != nil {
			continue
		}
		if null == nil {
			if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
				return nil, nil, err
			}
		}
		given[i] = null
	}
	for _, file := range given {
		files = append(files, uintptr(descriptor(file)))
	}
	return files, func() {
		if null != nil {
			_ = null.Close()
		}
		keepAlive(given)
	}, nil
}

// findProgram is the path to execute. A bare name is looked up on the child's
// PATH, not on ours.
func findProgram(spec Spec) (string, error) {
	name := spec.Argv[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	unusable := ""
	for _, folder := range filepath.SplitList(variable(spec.Env, "PATH")) {
		path := filepath.Join(folder, name)
		if folder == "" || folder == "." {
			path = "./" + name // the shell's meaning of an empty entry
		}
		seen := inFolder(spec.Dir, path)
		info, err := os.Stat(seen)
		if err != nil || info.IsDir() {
			continue
		}
		if unix.Access(seen, unix.X_OK) == nil {
			return path, nil
		}
		unusable = path
	}
	if unusable != "" {
		return "", startError(spec, unusable, unix.EACCES)
	}
	return "", &StartError{
		Path: name, Kind: ErrNotFound, Err: unix.ENOENT,
		Detail: fmt.Sprintf("no program %q on PATH", name),
	}
}

// variable is the value of an environment variable. Without a PATH, execvp(3)
// and shells take the system's folders.
func variable(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], name+"="); ok {
			return value
		}
	}
	return "/usr/local/bin:/usr/bin:/bin"
}

// inFolder is a path as the child sees it, which changes to dir first.
func inFolder(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Wait waits until the flow's process has ended, and says how, but leaves its
// zombie for Reap.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	if !p.waitByHandle(ctx) {
		p.waitBySignals(ctx)
	}
	exit, ended := p.ended()
	switch {
	case !ended:
		return Exit{}, ctx.Err()
	case exit.Code < 0:
		return exit, ErrNoStatus
	}
	return exit, nil
}

// waitBySignals is for systems without handles of processes.
func (p *Process) waitBySignals(ctx context.Context) {
	wake, stop := childSignals()
	defer stop()
	for {
		if _, ended := p.ended(); ended {
			return
		}
		reapOrphans()
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// childSignals tells of each child that ends. It goes through the runtime's
// signals, since a blocking wait would hold a thread and keep it awake.
func childSignals() (wake <-chan os.Signal, stop func()) {
	signals.Lock()
	defer signals.Unlock()
	var c chan os.Signal
	if last := len(signals.idle) - 1; last >= 0 {
		c, signals.idle = signals.idle[last], signals.idle[:last]
	} else {
		c = make(chan os.Signal, 1) // one that waits stands for all: the woken one looks at every child
		signal.Notify(c, unix.SIGCHLD)
	}
	return c, func() {
		signals.Lock()
		defer signals.Unlock()
		signals.idle = append(signals.idle, c)
	}
}

// signals keeps the channels that nobody waits on, notified for good: asking
// for signals anew costs 50 µs a flow.
var signals struct {
	sync.Mutex
	idle []chan os.Signal
}

// ended says whether the process is a zombie or was reaped, and how it ended.
func (p *Process) ended() (Exit, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return p.exit, true
	}
	return peek(p.PID)
}

// Reap takes the ended flow's zombie away, and with it the hold on its group
// id. It waits for a Stop that is under way, and for a process that has not
// ended. A second call returns the same.
func (p *Process) Reap() Exit {
	p.stopping.Lock()
	defer p.stopping.Unlock()
	return p.reap()
}

func (p *Process) reap() Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return p.exit
	}
	var status unix.WaitStatus
	var usage unix.Rusage
	// Waiting and forgetting the pid are one step: a child that gets the
	// number next must not look like this flow. The wait itself does not
	// block, since Start needs the lock.
	for {
		flows.Lock()
		pid, err := unix.Wait4(p.PID, &status, unix.WNOHANG, &usage)
		done := pid == p.PID || errors.Is(err, unix.ECHILD)
		if done {
			delete(flows.pids, p.PID)
		}
		flows.Unlock()
		if pid == p.PID {
			p.exit = exitOf(status, usage)
		} else if done {
			p.exit = Exit{Code: -1}
		}
		if done {
			break
		}
		time.Sleep(time.Millisecond) // only where Wait did not come first
	}
	p.reaped = true
	return p.exit
}

func exitOf(status unix.WaitStatus, usage unix.Rusage) Exit {
	exit := Exit{
		Code:       status.ExitStatus(),
		UserTime:   time.Duration(usage.Utime.Nano()),
		SystemTime: time.Duration(usage.Stime.Nano()),
		MaxRSS:     usage.Maxrss * maxRSSUnit,
	}
	if status.Signaled() {
		exit.Signal = int(status.Signal())
		exit.Code = 128 + exit.Signal
		exit.Core = status.CoreDump()
	}
	return exit
}

// Children lists what is left of the tree, the flow's own process included
// while it lives. It is quickest when nothing is.
func (p *Process) Children() ([]int, error) {
	reapOrphans()
	direct, err := p.others()
	if err != nil {
		return nil, err
	}
	_, ended := p.ended()
	if len(direct) == 0 && ended {
		return nil, nil
	}
	return p.descendants(direct, !ended)
}

func (p *Process) descendants(roots []int, flow bool) ([]int, error) {
	table, err := listProcesses()
	if err != nil {
		return nil, err
	}
	in := map[int]bool{p.PID: flow}
	for _, pid := range roots {
		in[pid] = true
	}
	addChildren(table, in)
	var pids []int
	for _, info := range table {
		if in[info.pid] && !info.dead() {
			pids = append(pids, info.pid)
		}
	}
	return pids, nil
}

// addChildren adds all that descend from a process that is in. The table is
// not in the order of birth, so it goes on until nothing is added.
func addChildren(table []procInfo, in map[int]bool) {
	for more := true; more; {
		more = false
		for _, info := range table {
			if in[info.parent] && !in[info.pid] {
				in[info.pid], more = true, true
			}
		}
	}
}

// SignalName is a signal as kill(1) names it: "SIGKILL".
func SignalName(number int) string {
	if name := unix.SignalName(syscall.Signal(number)); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", number)
}

// surviveFileSizeSignal keeps a write over the file size limit from killing
// this process; it then fails with EFBIG. The signal is caught, not ignored:
// children would inherit that.
var surviveFileSizeSignal = sync.OnceFunc(func() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGXFSZ)
})

// sendDatagram sends one byte to a socket, and drops it where nobody listens
// or the listener has more rings than it can hold.
func sendDatagram(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|socketCloexec, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	unix.CloseOnExec(fd) // for macOS, whose socket(2) has no flag for it
	err = unix.Sendto(fd, []byte{1}, unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: path})
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ECONNREFUSED),
		errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
		return nil
	}
	return err
}
