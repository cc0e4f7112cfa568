package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
)

// keyboard is a terminal's input, read by one goroutine for all questions, so
// that what is typed ahead comes to the question that it is for: the program of
// one question would take all that there is, and drop what it does not need.
type keyboard struct {
	file *os.File
	ctx  context.Context // done at the end of the input, too

	mu      sync.Mutex
	changed *sync.Cond
	typed   []byte
	given   []byte // the last of it that was given out, shorter than a marker
	pasting bool   // inside a paste Enter is text
	ended   bool
}

func newKeyboard(ctx context.Context, file *os.File) *keyboard {
	ctx, end := context.WithCancel(ctx)
	k := &keyboard{file: file, ctx: ctx}
	k.changed = sync.NewCond(&k.mu)
	go func() {
		defer end()
		chunk := make([]byte, 256)
		for {
			n, err := file.Read(chunk)
			k.change(func() { k.typed, k.ended = append(k.typed, chunk[:n]...), err != nil })
			if err != nil {
				return
			}
		}
	}()
	return k
}

func (k *keyboard) change(set func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	set()
	k.changed.Broadcast()
}

// turn is the keyboard for one question, until its end. It has a terminal's
// descriptor, so that its mode can be set, and no name: by that the library
// would read the file itself.
type turn struct {
	*keyboard
	done  bool
	holds bool // a key was given that may answer: what follows is for the next question
}

func (k *keyboard) turn() *turn { return &turn{keyboard: k} }

// end leaves what is typed from now on to the next question.
func (t *turn) end() { t.change(func() { t.done = true }) }

// more is said when the key that might have answered did not.
func (t *turn) more() { t.change(func() { t.holds = false }) }

// Read gives what was typed, and the end once the question is answered.
func (t *turn) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.done && (t.holds || len(t.whole()) == 0 && !t.ended) {
		t.changed.Wait()
	}
	if t.done || len(t.typed) == 0 {
		return 0, io.EOF
	}
	part, answers := t.part(len(p))
	n := copy(p, part)
	t.holds = answers
	t.typed = t.typed[n:]
	if answers && p[0] == '\n' {
		p[0] = '\r' // Enter, pressed while no question had the terminal
	}
	return n, nil
}

var pasteBegins, pasteEnds = []byte("\x1b[200~"), []byte("\x1b[201~")

// whole is what was typed, without the marker of a paste that has come in part:
// the library waits only a moment for the rest, and takes it for keys then. Two
// bytes of one may be a key themselves: Esc, or Alt and a bracket.
func (k *keyboard) whole() []byte {
	for n := len("\x1b[2"); n < len(pasteBegins) && !k.ended; n++ {
		if bytes.HasSuffix(k.typed, pasteBegins[:n]) || bytes.HasSuffix(k.typed, pasteEnds[:n]) {
			return k.typed[:len(k.typed)-n]
		}
	}
	return k.typed
}

// part is what can be given at once: one key that may answer or leave a question,
// or all before it, as far as there is room.
func (k *keyboard) part(room int) (part []byte, answers bool) {
	text := k.whole()
	text = text[:min(room, len(text))]
	for i := range text {
		n := answerKey(text[i:])
		switch {
		case n == 0 || k.pasting:
			k.follow(text[i])
		case i == 0:
			return text[:n], true
		default:
			return text[:i], false
		}
	}
	return text, false
}

// follow sees a paste begin and end, also where its marker is given in parts.
func (k *keyboard) follow(typed byte) {
	k.given = append(k.given, typed)
	switch {
	case bytes.HasSuffix(k.given, pasteBegins):
		k.pasting = true
	case bytes.HasSuffix(k.given, pasteEnds):
		k.pasting = false
	}
	k.given = k.given[max(0, len(k.given)-len(pasteBegins)+1):]
}

// answerKey is the length of the key that text begins with, where it is one that
// may answer or leave: Enter, Tab, Ctrl-C, Shift-Tab; else 0.
func answerKey(text []byte) int {
	if bytes.IndexByte([]byte("\r\n\t\x03"), text[0]) >= 0 {
		return 1
	}
	for _, key := range []string{"\x1b[Z", "\x1b[9;2u"} {
		if bytes.HasPrefix(text, []byte(key)) {
			return len(key)
		}
	}
	return 0
}

// Write is asked for by the library's interface of a terminal, and not used.
func (t *turn) Write(p []byte) (int, error) { return t.file.Write(p) }

// Close leaves the terminal open.
func (t *turn) Close() error { return nil }

// Fd is the terminal's descriptor.
func (t *turn) Fd() uintptr { return t.file.Fd() }
