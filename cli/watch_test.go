package cli

import (
	"bytes"
	"testing"

	"runnel/runner"
)

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
