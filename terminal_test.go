package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// terminal is runnel in a pseudo-terminal, with the screen that a person sees.
type terminal struct {
	t       *testing.T
	pty     *os.File
	screen  vt10x.Terminal
	changed chan struct{} // something was drawn; closed at the end
	command *exec.Cmd
	raw     bytes.Buffer // all that was written; to be read after the end
}

// The keys that a person presses.
const (
	enter    = "\r"
	down     = "\x1b[B"
	up       = "\x1b[A"
	shiftTab = "\x1b[Z"
	escape   = "\x1b"
	ctrlC    = "\x03"
	ctrlU    = "\x15"
)

// patience is longer than any sound screen takes.
const patience = 60 * time.Second

func openTerminal(t *testing.T, folder string, columns, rows int, env []string, args ...string) *terminal {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "runnel")
	if err := os.Symlink(os.Args[0], binary); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, changed: make(chan struct{}, 1), command: exec.Command(binary, args...)}
	x.command.Dir, x.command.Env = folder, append([]string{"TERM=xterm-256color", "RUNNEL_NO_PROMPT=", "CI="}, env...)
	size := pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)} //nolint:gosec // a screen is small
	// A test that was started in the background has SIGINT ignored, and what it
	// starts would inherit that, as nothing does that a person starts.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, os.Interrupt)
	defer signal.Stop(heard)
	var err error
	if x.pty, err = pty.StartWithSize(x.command, &size); err != nil {
		t.Fatal(err)
	}
	x.screen = vt10x.New(vt10x.WithSize(columns, rows), vt10x.WithWriter(x.pty))
	go x.draw()
	t.Cleanup(func() { _ = x.command.Process.Kill(); _ = x.pty.Close() })
	return x
}

// vt10x takes the sequences that ask for a keyboard's mode for one that puts the
// cursor back where it was saved. They are taken out, whole.
var (
	keyboardMode = regexp.MustCompile(`\x1b\[[<=>?][0-9;]*u`)
	begun        = regexp.MustCompile(`\x1b(\[[<=>?]?[0-9;]*)?$`)
)

func (x *terminal) draw() {
	defer close(x.changed)
	chunk := make([]byte, 4096)
	var held []byte
	for {
		n, err := x.pty.Read(chunk)
		x.raw.Write(chunk[:n])
		held = keyboardMode.ReplaceAll(append(held, chunk[:n]...), nil)
		whole := len(held) - len(begun.Find(held))
		_, _ = x.screen.Write(held[:whole]) // it cannot fail
		held = bytes.Clone(held[whole:])
		if err != nil {
			return
		}
		select {
		case x.changed <- struct{}{}:
		default:
		}
	}
}

// wait waits for a screen that shows all of the texts, and gives it.
func (x *terminal) wait(texts ...string) string {
	x.t.Helper()
	late := time.After(patience)
	for open := true; ; {
		shown := x.text()
		missing := ""
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				missing = text
			}
		}
		if missing == "" {
			return shown
		}
		if !open {
			x.t.Fatalf("it ended, and the screen has no %q:\n%s", missing, shown)
		}
		select {
		case _, open = <-x.changed:
		case <-late:
			x.t.Fatalf("the screen has no %q:\n%s", missing, shown)
		}
	}
}

// text is the screen without what is blank.
func (x *terminal) text() string {
	var lines []string
	for line := range strings.Lines(x.screen.String()) {
		lines = append(lines, strings.TrimRight(line, " \n\x00"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

func (x *terminal) press(keys ...string) {
	x.t.Helper()
	for _, key := range keys {
		if _, err := x.pty.WriteString(key); err != nil {
			x.t.Fatal(err)
		}
	}
}

// ends waits for the end, and holds its code.
func (x *terminal) ends(code int) {
	x.t.Helper()
	late := time.After(patience)
	for open := true; open; {
		select {
		case _, open = <-x.changed:
		case <-late:
			x.t.Fatalf("it does not end:\n%s", x.text())
		}
	}
	_ = x.command.Wait() // the code says it
	state := x.command.ProcessState
	got := state.ExitCode()
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		got = 128 + int(status.Signal())
	}
	if got != code {
		x.t.Fatalf("exit code %d, not %d:\n%s", got, code, x.text())
	}
}
