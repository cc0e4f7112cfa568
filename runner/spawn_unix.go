//go:build unix

package runner

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"runnel/store"
)

func spawnSlot(s *store.Store, id store.ID, control *os.File) (*os.Process, error) {
	return spawn(s, control, slotArgument, s.Path(), id.String())
}

// spawnSession starts this program once more, with nothing of ours to hold.
func spawnSession(s *store.Store, args ...string) (*os.Process, error) { return spawn(s, nil, args...) }

// spawn starts the process in a session of its own, with none of our
// terminal's descriptors.
func spawn(s *store.Store, control *os.File, args ...string) (*os.Process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close() //nolint:errcheck // opened for the child
	trouble, err := os.OpenFile(filepath.Join(s.Folder(), "slot.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer trouble.Close() //nolint:errcheck // opened for the child
	if control == nil {
		control = null
	}
	return os.StartProcess(selfBinary(), append([]string{"runnel"}, args...), &os.ProcAttr{
		Env:   slotEnvironment(),
		Dir:   "/", // a slot keeps no folder busy
		Files: []*os.File{null, null, trouble, control},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// slotEnvironment is ours without a run's: a slot that a command inside of a
// flow starts, to adopt another run, is none of that flow's tree.
func slotEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "RUNNEL_FLOW_RUN_ID=") || strings.HasPrefix(pair, "RUNNEL_ATTEMPT=")
	})
}

func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	ours := os.NewFile(uintptr(fds[0]), "slot")
	defer ours.Close() //nolint:errcheck // FileConn works on a copy
	theirs := os.NewFile(uintptr(fds[1]), "worker")
	conn, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
