//go:build unix

package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// pumpFirst is enough for a flow that prints now and then; one that fills
	// it gets pumpMost, the size of the pipe.
	pumpFirst = 64 << 10
	pumpMost  = 1 << 20
)

// Fifo carries one stream of a flow. A plain pipe would kill the flow with
// SIGPIPE when its slot dies, and lose what waits in it.
type Fifo struct {
	Read  *os.File // ours: watched by the poller, so reads take deadlines
	Write *os.File // the child's: open for reading too, and blocking
}

// MakeFifo makes a FIFO, 0600, that holds up to 1 MiB. Close Write when the
// child is started: Read then ends when the last holder is gone.
func MakeFifo(path string) (Fifo, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return Fifo{}, fmt.Errorf("make fifo: %w", &os.PathError{Op: "mkfifo", Path: path, Err: err})
	}
	read, err := OpenFifo(path)
	if err != nil {
		return Fifo{}, err
	}
	write, err := OpenFifoToWrite(path)
	if err != nil {
		return Fifo{}, errors.Join(err, read.Close())
	}
	growPipe(write)
	return Fifo{Read: read, Write: write}, nil
}

// OpenFifo opens a FIFO for reading. An adopter reads on with it where the
// dead slot stopped.
func OpenFifo(path string) (*os.File, error) {
	return openDescriptor(path, unix.O_RDONLY|unix.O_NONBLOCK)
}

// OpenFifoToWrite opens the end of a child, which is open for reading too and
// so waits for nobody.
func OpenFifoToWrite(path string) (*os.File, error) {
	return openDescriptor(path, unix.O_RDWR)
}

// openDescriptor opens without os.OpenFile, which would make the child's
// descriptor nonblocking too; programs do not expect EAGAIN on stdout.
func openDescriptor(path string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("open fifo: %w", &os.PathError{Op: "open", Path: path, Err: err})
		}
	}
}

// firstBuffers are of pumpFirst bytes: a flow after another needs them.
var firstBuffers = sync.Pool{New: func() any { return new([pumpFirst]byte) }}

// Pump gives visit what the flow writes, until the last holder of the FIFO is
// gone (then it is true) or the deadline of fifo passes. Either way all that
// was in the FIFO by then has been given.
func Pump(fifo *os.File, visit func(chunk []byte)) (ended bool) {
	first := firstBuffers.Get().(*[pumpFirst]byte)
	defer firstBuffers.Put(first)
	buf := first[:]
	for {
		n, err := fifo.Read(buf)
		if n > 0 {
			visit(buf[:n])
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				drain(fifo, buf, visit)
			}
			return errors.Is(err, io.EOF)
		}
		if n == len(buf) && n < pumpMost {
			buf = make([]byte, pumpMost)
		}
	}
}

// drain reads what is in the FIFO now, behind the poller, which refuses reads
// after the deadline. No more than that: somebody may write for ever.
func drain(fifo *os.File, buf []byte, visit func([]byte)) {
	conn, err := fifo.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		left, err := unix.IoctlGetInt(int(fd), fionread)
		for err == nil && left > 0 {
			var n int
			n, err = unix.Read(int(fd), buf[:min(left, len(buf))])
			if errors.Is(err, unix.EINTR) {
				err = nil
				continue
			}
			if n <= 0 {
				return
			}
			visit(buf[:n])
			left -= n
		}
	})
}
