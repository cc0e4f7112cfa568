//go:build unix

package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// maxString is the longest single argument or variable that Linux takes,
// MAX_ARG_STRLEN of execve(2), its closing NUL included.
const maxString = 128 << 10

func keepAlive(files []*os.File) { runtime.KeepAlive(files) }

// startError finds out what a failed start was about. The kernel's one number
// stands for the folder, the program and its interpreter alike, so they are
// looked at afterwards.
func startError(spec Spec, path string, err error) error {
	e := &StartError{Path: path, Err: err}
	seen := inFolder(spec.Dir, path)
	switch {
	case errors.Is(err, unix.EINVAL):
		e.Detail, e.Kind = badString(spec)
	case errors.Is(err, unix.E2BIG):
		e.Kind, e.Detail = ErrTooLong, tooLong(spec)
	case errors.Is(err, unix.EAGAIN):
		e.Kind, e.Detail = ErrNoResources, "the limit of processes is reached (ulimit -u, or the container's)"
	case errors.Is(err, unix.ENOMEM):
		e.Kind, e.Detail = ErrNoResources, "out of memory"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		e.Kind, e.Detail = ErrNoResources, "too many open files"
	case errors.Is(err, unix.ETXTBSY):
		e.Kind, e.Detail = ErrNotExecutable, "the file is open for writing"
	case folderProblem(spec.Dir) != "":
		e.Kind, e.Detail = ErrNoFolder, folderProblem(spec.Dir)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		e.Detail, e.Kind = missing(spec, seen)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		e.Kind, e.Detail = ErrNotExecutable, refused(spec, seen)
	case errors.Is(err, unix.ENOEXEC):
		e.Kind, e.Detail = ErrNotExecutable, "neither a program for this machine nor a script with a #! line"
	}
	if e.Detail == "" {
		e.Detail = err.Error()
	}
	return e
}

func badString(spec Spec) (detail string, kind error) {
	for i, text := range spec.Argv {
		if strings.ContainsRune(text, 0) {
			return fmt.Sprintf("argument %d holds a NUL byte", i), ErrBadArgument
		}
	}
	for _, text := range spec.Env {
		if strings.ContainsRune(text, 0) {
			return fmt.Sprintf("the value of the variable %q holds a NUL byte", nameOf(text)), ErrBadArgument
		}
	}
	return "", nil
}

func nameOf(text string) string {
	name, _, _ := strings.Cut(text, "=")
	return name
}

// tooLong names the string that is over its limit, or the sum.
func tooLong(spec Spec) string {
	const pointer = 8 // the kernel counts the arrays too
	sum := 0
	for i, text := range spec.Argv {
		sum += len(text) + 1 + pointer
		if len(text) >= maxString && runtime.GOOS == "linux" {
			return fmt.Sprintf("argument %d has %d bytes, and the kernel takes %d", i, len(text), maxString-1)
		}
	}
	for _, text := range spec.Env {
		sum += len(text) + 1 + pointer
		if len(text) >= maxString && runtime.GOOS == "linux" {
			return fmt.Sprintf("the variable %s has %d bytes, and the kernel takes %d with its name",
				nameOf(text), len(text), maxString-1)
		}
	}
	return fmt.Sprintf("arguments and environment have %d bytes together, more than the kernel takes (ulimit -s)", sum)
}

func folderProblem(dir string) string {
	if dir == "" {
		return ""
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("the working directory %s does not exist", dir)
	case err != nil:
		return fmt.Sprintf("the working directory cannot be entered: %v", err)
	case !info.IsDir():
		return fmt.Sprintf("the working directory %s is no folder", dir)
	case unix.Access(dir, unix.X_OK) != nil:
		return fmt.Sprintf("the working directory %s cannot be entered: permission denied", dir)
	}
	return ""
}

func missing(spec Spec, path string) (detail string, kind error) {
	if _, err := os.Stat(path); err != nil {
		return "no such file", ErrNotFound
	}
	line, script := firstLine(path)
	switch {
	case !script:
		return "the loader that this program needs is not on this machine", ErrInterpreter
	case strings.HasSuffix(line, "\r"):
		return fmt.Sprintf("its first line asks for %q: the file has Windows line ends",
			interpreter(line)+"\r"), ErrInterpreter
	}
	return fmt.Sprintf("its first line asks for %s, which does not exist",
		inFolder(spec.Dir, interpreter(line))), ErrInterpreter
}

func refused(spec Spec, path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err.Error()
	case info.IsDir():
		return "it is a folder"
	case unix.Access(path, unix.X_OK) != nil:
		return "the file is not executable (chmod +x " + quoted(path) + ")"
	}
	if line, script := firstLine(path); script {
		program := inFolder(spec.Dir, interpreter(line))
		if info, err := os.Stat(program); err != nil || info.IsDir() || unix.Access(program, unix.X_OK) != nil {
			return fmt.Sprintf("its first line asks for %s, which cannot be executed", program)
		}
	}
	return "the system does not let it run; its disk may be mounted noexec"
}

func quoted(path string) string {
	if strings.ContainsAny(path, " \t\n'\"\\$&;|<>()*?[]#~`!{}") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// firstLine is what stands behind #! in a script's first line. The kernel
// reads no more than 256 bytes of it.
func firstLine(path string) (line string, script bool) {
	file, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer file.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false
	}
	text, script := bytes.CutPrefix(head[:n], []byte("#!"))
	text, _, _ = bytes.Cut(text, []byte("\n"))
	return string(text), script
}

func interpreter(line string) string {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return ""
	}
	return filepath.Clean(fields[0])
}
