package cli

// What the interface keeps to: stdout is data, stderr is talk. Messages are
// lower case, without a full stop. What changed is said in one line, then the
// next command that a user would want. An error says what is wrong, where,
// and how to mend it. No colour off a terminal.

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// IO is the edges of the process. Tests make their own.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	// Whether each is a terminal.
	InTerminal, OutTerminal, ErrTerminal bool
	Width                                int // columns of the terminal, 80 elsewhere
	Height                               int // lines of the terminal, 24 elsewhere
	Env                                  func(string) string
	Environ                              []string
	Dir                                  string // the current folder
	Clock                                func() time.Time
	Example                              fs.FS // the project that quickstart plays
}

// System is the process's own edges.
func System(example fs.FS) *IO {
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
		Height:      24,
		Env:         os.Getenv,
		Environ:     os.Environ(),
		Dir:         dir,
		Clock:       time.Now,
		Example:     example,
	}
	width, height, err := term.GetSize(int(os.Stdout.Fd())) //nolint:gosec // a descriptor is small
	if err == nil && height > 0 {
		streams.Height = height
	}
	if columns, bad := strconv.Atoi(os.Getenv("COLUMNS")); bad == nil && columns > 0 {
		streams.Width = columns
	} else if err == nil && width > 0 {
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
	_, _ = fmt.Fprintln(s.Err, safe(fmt.Sprintf(format, args...)))
}

// print writes a line of data.
func (s *IO) print(format string, args ...any) {
	_, _ = fmt.Fprintln(s.Out, safe(fmt.Sprintf(format, args...)))
}

// style is the one kind of escape sequence that we print ourselves: colour.
var style = lazily("^\x1b\\[[0-9;]*m")

// ownStyle is the colour that a text begins with; "" for none.
func ownStyle(text string) string {
	if text[0] != '\x1b' {
		return "" // for most runes without the pattern
	}
	return style().FindString(text)
}

// clean is safe for text that comes from outside: an exception's message has
// no business to colour what we print after it.
func clean(text string) string { return safe(strings.ReplaceAll(text, "\x1b", `\x1b`)) }

// safe writes control characters and bytes that are no UTF-8 as escapes: a
// name or a message from outside shall not move a terminal's cursor.
func safe(text string) string {
	if strings.IndexFunc(text, unsafe) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		if own := ownStyle(text); own != "" {
			b.WriteString(own)
			text = text[len(own):]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unsafe(r) && r != utf8.RuneError:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// unsafe is true for what a terminal obeys, and for what is no character.
func unsafe(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
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

// lazily compiles a pattern when it is first needed: all of them at once would
// cost every command most of a millisecond at its start.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
