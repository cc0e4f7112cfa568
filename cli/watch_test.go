package cli

import (
	"bytes"
	"context"
	"testing"

	"runnel/runner"
	"runnel/store"
)

// TestALostStartIsWatchedOn: whoever follows an attempt whose start is lost
// follows the next try, which has its number.
func TestALostStartIsWatchedOn(t *testing.T) {
	h := newShelf(t)
	h.run("deploy report.sh -n nightly -p my-process-pool")
	h.run("run folder-report/nightly")
	ctx := context.Background()
	claim := func() store.Claimed {
		result, err := h.store.Claim(ctx, store.Round{
			Worker: store.Worker{Name: "w", WorkPoolName: "my-process-pool"}, Owners: []store.Owner{{Kind: "slot", Proof: "{}"}},
		})
		if err != nil || len(result.Claimed) != 1 {
			t.Fatal(result.Claimed, err)
		}
		return result.Claimed[0]
	}
	c := claim()
	over := watcher{app: &app{IO: &IO{Clock: h.store.Clock}, ctx: ctx}, store: h.store}.over(ctx, c.Run.ID, c.Attempt)
	if over() {
		t.Error("over while it runs")
	}
	if err := h.store.PutBack(ctx, c.Run, "lost", "test"); err != nil {
		t.Fatal(err)
	}
	if over() {
		t.Error("over when its start is lost")
	}
	if c = claim(); over() {
		t.Error("over while the next try runs")
	}
	end := store.End{Run: c.Run.ID, Attempt: c.Attempt, Fence: c.Run.Fence, State: store.NewState(store.Completed, "")}
	if err := h.store.End(ctx, end, "test"); err != nil {
		t.Fatal(err)
	}
	if !over() {
		t.Error("not over when it has ended")
	}
}

// TestLogPrinterKeepsStreamsApart: a line that has not ended is gone on with
// by its own stream only.
func TestLogPrinterKeepsStreamsApart(t *testing.T) {
	records := []runner.Record{
		{Stream: "stderr", Partial: true, Text: []byte("no newline")},
		{Stream: "stdout", Text: []byte("a line")},
		{Stream: "stdout", Partial: true, Text: []byte("long ")},
		{Stream: "stdout", Text: []byte("line")},
		{Stream: "stdout", Partial: true, Text: []byte("the end")},
	}
	for prefix, want := range map[string]string{
		"":    "no newline\na line\nlong line\nthe end",
		"r: ": "r: no newline\nr: a line\nr: long \nr: line\nr: the end\n",
	} {
		var out bytes.Buffer
		printer := &logPrinter{w: &out, prefix: prefix}
		for _, record := range records {
			if err := printer.visit(record); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != want {
			t.Errorf("with the prefix %q: %q, not %q", prefix, out.String(), want)
		}
	}
}

// TestAFlowsBytesDoNotWorkTheTerminal: what moves a cursor, sets a title or is
// no text is shown and not obeyed; colours stay within their line.
func TestAFlowsBytesDoNotWorkTheTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain, tab\tand ü":              "plain, tab\tand ü",
		"\x1b[2J\x1b[Hgone":              `\x1b[2J\x1b[Hgone`,
		"\x1b]0;title\a":                 `\x1b]0;title\a`,
		"\x1b[31mred":                    "\x1b[31mred\x1b[0m",
		"\x00\xff\x9b2J \u009b2J \u202e": `\x00\xff\x9b2J \u009b2J \u202e`,
		" 10%\r100%\r":                   "100%",
	} {
		for _, terminal := range []bool{true, false} {
			var out bytes.Buffer
			printer := &logPrinter{w: &out, prefix: "r | ", terminal: terminal}
			if err := printer.visit(runner.Record{Stream: "stdout", Text: []byte(text)}); err != nil {
				t.Fatal(err)
			}
			if !terminal {
				want = text
			}
			if got := out.String(); got != "r | "+want+"\n" {
				t.Errorf("on a terminal (%t) %q is printed as %q, not %q", terminal, text, got, want)
			}
		}
	}
}

// TestALineWrittenOverShowsItsLastText: as a terminal would leave it, though
// its pieces come one by one.
func TestALineWrittenOverShowsItsLastText(t *testing.T) {
	var out bytes.Buffer
	printer := &logPrinter{w: &out, terminal: true}
	for _, record := range []runner.Record{
		{Stream: "stdout", Partial: true, Text: []byte(" 10%\r")},
		{Stream: "stdout", Partial: true, Text: []byte(" 20%\r 50%\r")},
		{Stream: "stdout", Text: []byte("done")},
		{Stream: "stdout", Text: []byte("a\rb")},
	} {
		if err := printer.visit(record); err != nil {
			t.Fatal(err)
		}
	}
	if want := " 10%\r\x1b[K 50%\r\x1b[Kdone\nb\n"; out.String() != want {
		t.Errorf("printed %q, not %q", out.String(), want)
	}
}
