package cli

import (
	"context"
	"io"
	"os"
)

// keyboard is a terminal's input, read by one goroutine for all questions. Left
// alone, the program of one question may still be waiting in read when it has
// ended, and swallow the first key of the next.
type keyboard struct {
	file   *os.File
	chunks chan []byte
	ctx    context.Context // done at the end of the input, too
}

func newKeyboard(ctx context.Context, file *os.File) *keyboard {
	ctx, end := context.WithCancel(ctx)
	k := &keyboard{file: file, chunks: make(chan []byte), ctx: ctx}
	go func() {
		defer end()
		for {
			chunk := make([]byte, 256)
			n, err := file.Read(chunk)
			if err != nil {
				return
			}
			select {
			case k.chunks <- chunk[:n]:
			case <-ctx.Done():
				return
			}
		}
	}()
	return k
}

// turn is the keyboard for one question, until done is closed. It has a
// terminal's descriptor, so that its mode can be set, and no name: by that the
// library would read the file itself.
type turn struct {
	*keyboard
	done chan struct{}
	rest []byte
}

func (k *keyboard) turn() *turn { return &turn{keyboard: k, done: make(chan struct{})} }

// Read gives what was typed, and the end once the question is answered.
func (t *turn) Read(p []byte) (int, error) {
	select {
	case <-t.done: // what is typed now is for the next question
		return 0, io.EOF
	default:
	}
	if len(t.rest) == 0 {
		select {
		case <-t.done:
			return 0, io.EOF
		case <-t.ctx.Done():
			return 0, io.EOF
		case t.rest = <-t.chunks:
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// Write is asked for by the library's interface of a terminal, and not used.
func (t *turn) Write(p []byte) (int, error) { return t.file.Write(p) }

// Close leaves the terminal open.
func (t *turn) Close() error { return nil }

// Fd is the terminal's descriptor.
func (t *turn) Fd() uintptr { return t.file.Fd() }
