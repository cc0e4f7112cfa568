//go:build unix

package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// probeTime bounds how long taking a lock waits for those who only ask about
// it; an ask holds its shared lock for some microseconds.
const probeTime = time.Second

// TakeLock creates the file where it is missing, 0600, and holds an exclusive
// lock on it until the file is closed or the process is gone. A lock that
// somebody holds is ErrLocked. Children do not inherit it.
func TakeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := lockExclusive(file); err != nil {
		return nil, errors.Join(fmt.Errorf("take lock %s: %w", path, err), file.Close())
	}
	return file, nil
}

// LockState asks whether a process holds the lock, without keeping it from
// anyone, and whether the file is missing.
func LockState(path string) (held, missing bool, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, true, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("ask lock: %w", err)
	}
	defer file.Close()
	err = flock(file, unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("ask lock %s: %w", path, err)
	}
	// Unlocked by name: a child that is between fork and exec holds a copy of
	// the descriptor, and closing ours alone would leave the lock with it.
	return false, false, flock(file, unix.LOCK_UN)
}

// FileLocked says whether a process holds the lock; nobody holds the lock of a
// file that is missing.
func FileLocked(path string) (bool, error) {
	held, _, err := LockState(path)
	return held, err
}

// lockExclusive takes the lock or returns ErrLocked. An ask holds a shared lock
// for a moment and must not look like an owner: while a shared lock can be had,
// there is no owner, and the exclusive one is tried again.
func lockExclusive(file *os.File) error {
	for start := time.Now(); ; runtime.Gosched() {
		err := flock(file, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		err = flock(file, unix.LOCK_SH|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) || time.Since(start) > probeTime {
			return ErrLocked
		}
		if err != nil {
			return err
		}
		if err := flock(file, unix.LOCK_UN); err != nil {
			return err
		}
	}
}

// tryLock takes a lock that many may share, or one for itself alone, and does
// not wait for it. A lock that the file had before is gone where it fails.
func tryLock(file *os.File, alone bool) (bool, error) {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	err := flock(file, how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(descriptor(file), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// descriptor is the file's number. It does not go through Fd, which makes a
// descriptor blocking that the poller watches.
func descriptor(file *os.File) int {
	number := -1
	if conn, err := file.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { number = int(fd) })
	}
	return number
}
