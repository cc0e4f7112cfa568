package runner

import "os"

// TakeLock is not supported on Windows.
func TakeLock(string) (*os.File, error) { return nil, ErrUnsupported }

// LockState is not supported on Windows.
func LockState(string) (held, missing bool, err error) { return false, false, ErrUnsupported }

// FileLocked is not supported on Windows.
func FileLocked(string) (bool, error) { return false, ErrUnsupported }

func lockExclusive(*os.File) error { return ErrUnsupported }

func tryLock(*os.File, bool) (bool, error) { return false, ErrUnsupported }
