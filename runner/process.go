package runner

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// What keeps a process from starting, and what else a caller tells apart.
var (
	// ErrUnsupported: flows are not run on this system.
	ErrUnsupported = errors.New("running flows is not supported on Windows: use WSL, Linux or macOS")
	// ErrNoStatus: the process ended, and something else in this one waited for
	// it and has its status.
	ErrNoStatus = errors.New("exit status unknown")
	// ErrLocked: another process holds the lock.
	ErrLocked = errors.New("another process holds the lock")

	// ErrNotFound: no program of that name or path.
	ErrNotFound = errors.New("no such file")
	// ErrNotExecutable: the file is there and cannot be run.
	ErrNotExecutable = errors.New("not executable")
	// ErrInterpreter: what the script's first line names is missing.
	ErrInterpreter = errors.New("interpreter missing")
	// ErrNoFolder: the working directory cannot be entered.
	ErrNoFolder = errors.New("working directory missing")
	// ErrTooLong: arguments and environment are over a limit of the kernel.
	ErrTooLong = errors.New("arguments and environment too long")
	// ErrNoResources: no processes, memory or descriptors are left. It may
	// pass, and another start then works.
	ErrNoResources = errors.New("out of resources")
	// ErrBadArgument: an argument or a variable holds a NUL byte.
	ErrBadArgument = errors.New("bad argument")
)

// Supported says whether flows can be run on this system, or ErrUnsupported.
func Supported() error { return supportedOn(runtime.GOOS) }

func supportedOn(system string) error {
	if system == "windows" {
		return ErrUnsupported
	}
	return nil
}

// StartError says why a process could not start.
type StartError struct {
	Path   string // of the program
	Kind   error  // one of the errors above, or nil
	Detail string // the sentence for a user
	Err    error  // what the system said
}

func (e *StartError) Error() string { return fmt.Sprintf("start %s: %s", e.Path, e.Detail) }

// Unwrap returns kind and cause, for errors.Is.
func (e *StartError) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// Spec is a process to start.
type Spec struct {
	Argv []string // the program, by path or by name on PATH of Env, and its arguments
	Env  []string // the whole environment as NAME=value, each name once
	Dir  string   // the working directory; empty is this process's

	Stdin, Stdout, Stderr *os.File   // nil is /dev/null
	Extra                 []*os.File // become descriptors 3, 4, …

	// Session gives it one of its own, without a terminal: ssh asks its user
	// there, and a process of another group is stopped when it does.
	Session bool
}

// Exit is how a process ended and what it used, its waited-for children
// included.
type Exit struct {
	Code   int  // the exit status; 128 and the signal where one killed it, as shells count; -1 unknown
	Signal int  // the signal that killed it, or 0
	Core   bool // it dumped core

	UserTime, SystemTime time.Duration

	// MaxRSS is the peak of resident memory in bytes. On Linux it is not below
	// the peak of the process that called Start, whose memory the child has for
	// a moment.
	MaxRSS int64
}

// StopReport says how a tree was stopped.
type StopReport struct {
	Exit   Exit  // the flow's own, where its process ended
	Killed bool  // SIGKILL was needed
	Left   []int // processes that could not be stopped
	Err    error // why they could not
}

// Orphan is a process of a tree whose slot died.
type Orphan struct {
	PID       int
	StartTime int64 // as in Identity
}
