package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"

	"runnel/runner"
)

// logLine is a line of a log, as -o json prints it.
type logLine struct {
	Time    time.Time `json:"time"`
	Attempt int       `json:"attempt"`
	Stream  string    `json:"stream"` // stdout or stderr
	Level   string    `json:"level"`
	Text    string    `json:"text"`
}

// levels are Python's, by what they weigh.
var levels = map[string]int{
	"DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "FATAL": 50, "CRITICAL": 50,
}

func parseLevel(text string) (int, error) {
	if weight, known := levels[strings.ToUpper(text)]; known {
		return weight, nil
	}
	return 0, usage("--level: %q is none of debug, info, warning, error, critical", text)
}

// levelPattern finds a level where loggers write one: first, or after a time, or
// between bars, dashes or brackets. In the midst of a sentence it is a word.
var levelPattern = lazily(`^[\[(]?(?:[\d\-:.,/TZ+ ]+[|\] \-]+)?[\[|]?\s*(DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL|CRITICAL)\s*(?:[\]|:)]|\s-\s|\s{2,}|\s*$)` +
	`|^[^|\[]{0,80}(?:\s-\s|\|\s*|\[)(DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL|CRITICAL)\s*(?:\s-\s|[\]|])`)

// levelOf is a line's level: its own, else its stream's.
func levelOf(stream string, text []byte) string {
	const head = 160 // a level stands at the beginning
	found := levelPattern().FindSubmatch(text[:min(len(text), head)])
	switch {
	case found == nil && stream == "stderr":
		return "ERROR"
	case found == nil:
		return "INFO"
	}
	level := string(found[1]) + string(found[2])
	switch level {
	case "WARN":
		return "WARNING"
	case "FATAL":
		return "CRITICAL"
	}
	return level
}

// longestLine bounds what is kept of a line before it is decided whether it is
// wanted; a longer one is taken for several.
const longestLine = 64 << 10

// logLines makes lines of records, and prints those that are wanted.
type logLines struct {
	*app
	as    outputFlag
	since time.Time
	level int
	grep  *regexp.Regexp

	attempt int
	open    []*openLine
	printed []logLine // of -o json and others, which are one document
	last    *ring     // instead of printing: the last of them
}

// openLine is a line whose end has not come.
type openLine struct {
	stream string
	time   time.Time
	text   []byte
}

func (l *logLines) visit(r runner.Record) error {
	if r.Time.Before(l.since) {
		return nil
	}
	line := l.lineOf(r.Stream)
	if len(line.text) == 0 {
		line.time = r.Time
	}
	line.text = append(line.text, r.Text...)
	if r.Partial && len(line.text) < longestLine {
		return nil
	}
	return l.done(line)
}

func (l *logLines) lineOf(stream string) *openLine {
	for _, line := range l.open {
		if line.stream == stream {
			return line
		}
	}
	l.open = append(l.open, &openLine{stream: stream})
	return l.open[len(l.open)-1]
}

// done prints a line, where it is wanted.
func (l *logLines) done(line *openLine) error {
	level := levelOf(line.stream, line.text)
	wanted := levels[level] >= l.level && (l.grep == nil || l.grep.Match(line.text))
	made := logLine{line.time, l.attempt, line.stream, level, string(line.text)}
	line.text = line.text[:0]
	switch {
	case !wanted:
		return nil
	case l.last != nil:
		l.last.add(made)
		return nil
	}
	return l.print(made)
}

func (l *logLines) print(line logLine) error {
	switch {
	case l.isDocument():
		l.printed = append(l.printed, line)
		return nil
	case l.as.Output == "jsonl":
		return l.printJSON(line, "")
	case l.OutTerminal:
		line.Text = lastText(line.Text)
	}
	_, err := fmt.Fprintln(l.Out, line.Text)
	return err
}

// flush prints the lines that never ended.
func (l *logLines) flush() error {
	for _, line := range l.open {
		if len(line.text) == 0 {
			continue
		}
		if err := l.done(line); err != nil {
			return err
		}
	}
	return nil
}

// isDocument is true for a format that is whole only at its end.
func (l *logLines) isDocument() bool {
	return l.as.machine() && (l.as.Output != "jsonl" || l.as.JQ != "")
}

// document prints one.
func (l *logLines) document() error {
	if !l.isDocument() {
		return nil
	}
	if l.printed == nil {
		l.printed = []logLine{}
	}
	return list[logLine]{items: l.printed}.print(l.IO, l.as)
}

// ring keeps the last lines of many.
type ring struct {
	lines []logLine
	most  int // of them
	next  int
}

func (r *ring) add(line logLine) {
	if len(r.lines) < r.most {
		r.lines = append(r.lines, line)
		return
	}
	r.lines[r.next] = line
	r.next = (r.next + 1) % len(r.lines)
}

func (r *ring) all() []logLine {
	return append(r.lines[r.next:len(r.lines):len(r.lines)], r.lines[:r.next]...)
}

// lastText is what a terminal leaves of a line that was written over.
func lastText(line string) string {
	line = strings.TrimRight(line, "\r")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

// overwritten is what a terminal shows of a record's text: what follows its
// last return, and whether that takes the place of the line so far. A return at
// the end waits for what comes next, or nobody would see the text before it.
func overwritten(text []byte, held, partial bool) (shown []byte, over, holds bool) {
	shown = bytes.TrimRight(text, "\r")
	holds = partial && (len(shown) < len(text) || held && len(text) == 0)
	over = held && len(shown) > 0
	if i := bytes.LastIndexByte(shown, '\r'); i >= 0 {
		shown, over = shown[i+1:], true
	}
	return shown, over, holds
}
