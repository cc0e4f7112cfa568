package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"runnel/runner"
)

func TestALineHasTheLevelThatLoggersWrite(t *testing.T) {
	for _, c := range []struct{ stream, line, want string }{
		{"stderr", "08:51:21.123 | INFO    | Flow run 'amber-otter' - text", "INFO"},
		{"stderr", "08:51:21.123 | WARNING | Task run 'x' - ERROR in the text", "WARNING"},
		{"stdout", "ERROR:root:no", "ERROR"},
		{"stderr", "DEBUG:my.module:no", "DEBUG"},
		{"stderr", "2026-11-23 08:51:21,123 - my.module - WARNING - no", "WARNING"},
		{"stderr", "2026-11-23 08:51:21,123 - CRITICAL - no", "CRITICAL"},
		{"stderr", "2026-11-23T08:51:21Z [INFO] no", "INFO"},
		{"stderr", "[WARN] no", "WARNING"},
		{"stderr", "[2026-11-23 08:51:21] ERROR: no", "ERROR"},
		{"stdout", "2026/11/23 08:51:21 INFO  no", "INFO"},
		{"stdout", "FATAL: no", "CRITICAL"},
		{"stdout", "there was an ERROR in it", "INFO"},
		{"stdout", "ERROR is what it says", "INFO"},
		{"stdout", "INFORMATION: none", "INFO"},
		{"stdout", "DEBUGGING: none", "INFO"},
		{"stderr", "Traceback (most recent call last):", "ERROR"},
		{"stderr", "curl: (6) Could not resolve host", "ERROR"},
		{"stdout", "", "INFO"},
	} {
		if got := levelOf(c.stream, []byte(c.line)); got != c.want {
			t.Errorf("%s %q is %s, not %s", c.stream, c.line, got, c.want)
		}
	}
}

// TestLogLinesJoinsRecords: a line is decided as a whole, whatever the records
// are that it came in, and the other stream's come between.
func TestLogLinesJoinsRecords(t *testing.T) {
	var out bytes.Buffer
	l := &logLines{app: &app{IO: &IO{Out: &out}}, as: asTable, level: levels["ERROR"], grep: regexp.MustCompile("whole")}
	record := func(stream, text string, partial bool) {
		r := runner.Record{Time: time.Now(), Stream: stream, Text: []byte(text), Partial: partial}
		if err := l.visit(r); err != nil {
			t.Fatal(err)
		}
	}
	record("stdout", "ERR", true)
	record("stderr", "the wh", true)
	record("stdout", "OR: whole", false)
	record("stdout", "whole, but INFO", false)
	record("stderr", "ole", true)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if out.String() != "ERROR: whole\nthe whole\n" {
		t.Errorf("%q", out.String())
	}
	// What never ends is decided in pieces, and memory stays flat.
	record("stderr", strings.Repeat("x", longestLine), true)
	if n := len(l.lineOf("stderr").text); n != 0 {
		t.Errorf("%d bytes are kept", n)
	}
}

func TestTheRingKeepsTheLast(t *testing.T) {
	many := &ring{most: 1 << 62} // takes no more room than what it holds
	if many.add(logLine{}); len(many.all()) != 1 {
		t.Error("it has not kept the one line")
	}
	r := &ring{most: 3}
	for i := range 8 {
		r.add(logLine{Attempt: i})
		var got []int
		for _, line := range r.all() {
			got = append(got, line.Attempt)
		}
		for n, attempt := range got {
			if want := max(0, i-2) + n; attempt != want || len(got) != min(3, i+1) {
				t.Fatalf("after %d lines it has %v", i+1, got)
			}
		}
	}
}

// TestATerminalShowsTheLastText plays records as they come to a terminal, and
// reads what stands on its line at the end.
func TestATerminalShowsTheLastText(t *testing.T) {
	type piece struct {
		text    string
		partial bool
	}
	for _, c := range []struct {
		pieces []piece
		want   string
	}{
		{[]piece{{"10%\r50%\r100%", false}}, "100%"},
		{[]piece{{"windows\r", false}}, "windows"},
		{[]piece{{"\r10%", true}, {"\r100% done", true}, {"\rall", false}}, "all"},
		{[]piece{{"10%\r", true}, {"100%\r", true}, {"", false}}, "100%"},
		{[]piece{{"long text\r", true}, {"short", false}}, "short"},
		{[]piece{{"one ", true}, {"line", false}}, "one line"},
	} {
		var out bytes.Buffer
		p := &logPrinter{w: &out, terminal: true}
		for _, piece := range c.pieces {
			if err := p.visit(runner.Record{Stream: "stderr", Text: []byte(piece.text), Partial: piece.partial}); err != nil {
				t.Fatal(err)
			}
		}
		line, ended := strings.CutSuffix(out.String(), "\n")
		parts := strings.Split(line, "\r\x1b[K")
		if got := parts[len(parts)-1]; got != c.want || !ended || strings.Contains(got, "\r") {
			t.Errorf("%v leaves %q, not %q: %q", c.pieces, got, c.want, out.String())
		}
	}
}
