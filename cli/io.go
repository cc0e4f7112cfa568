package cli

// What the interface keeps to: stdout is data, stderr is talk. Messages are
// lower case, without a full stop. What changed is said in one line, then the
// next command that a user would want. An error says what is wrong, where,
// and how to mend it. No colour off a terminal.

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/term"
)

// IO is the edges of the process. Tests make their own.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Whether each is a terminal.
	InTerminal, OutTerminal, ErrTerminal bool
	Width                                int // columns of the terminal, 80 elsewhere
	Env                                  func(string) string
	Environ                              []string
	Dir                                  string // the current folder
	Clock                                func() time.Time
}

// System is the process's own edges.
func System() *IO {
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	streams := &IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  isTerminal(os.Stdin),
		OutTerminal: isTerminal(os.Stdout),
		ErrTerminal: isTerminal(os.Stderr),
		Width:       80,
		Env:         os.Getenv,
		Environ:     os.Environ(),
		Dir:         dir,
		Clock:       time.Now,
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		streams.Width = columns
	} else if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 { //nolint:gosec // a descriptor is small
		streams.Width = width
	}
	return streams
}

func isTerminal(file *os.File) bool {
	return term.IsTerminal(int(file.Fd())) //nolint:gosec // a descriptor is small
}

// say writes a line of talk.
func (s *IO) say(format string, args ...any) {
	// A closed stderr leaves nobody to tell.
	_, _ = fmt.Fprintf(s.Err, format+"\n", args...)
}

// print writes a line of data.
func (s *IO) print(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, format+"\n", args...)
}

// colour wraps text in an ANSI style where the stream is a terminal that
// wants it.
func (s *IO) colour(terminal bool, code, text string) string {
	if !terminal || s.Env("NO_COLOR") != "" || s.Env("TERM") == "dumb" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// The styles that are used, as ANSI codes: a terminal's own palette keeps
// them readable on light and dark.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
)
