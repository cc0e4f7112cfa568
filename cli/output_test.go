package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// TestATableKeepsToItsLines on a terminal: its last column is cut, and left out
// where nothing of it could be read; what is no terminal gets it whole.
func TestATableKeepsToItsLines(t *testing.T) {
	print := func(name string, terminal bool) string {
		var out bytes.Buffer
		s := &IO{Out: &out, OutTerminal: terminal, Width: 40, Env: func(string) string { return "dumb" }}
		rows := []string{strings.Repeat("why ", 20)}
		err := list[string]{
			items: rows, columns: []string{"Name", "Message"}, cut: true,
			row: func(message string) []string { return []string{name, message} },
		}.print(s, asTable)
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, c := range []struct {
		width   int
		message string
	}{{10, "why why why why why why why…"}, {30, "why why…"}, {31, ""}, {38, ""}} {
		shown := print(strings.Repeat("n", c.width), true)
		if strings.Contains(shown, "Message") != (c.message != "") || !strings.HasSuffix(shown, c.message+"\n") {
			t.Errorf("a name of %d: not %q\n%s", c.width, c.message, shown)
		}
		for line := range strings.SplitSeq(shown, "\n") {
			if width := ansi.StringWidth(line); width > 40 {
				t.Errorf("a name of %d: %d columns: %s", c.width, width, line)
			}
		}
	}
	if shown := print(strings.Repeat("n", 38), false); !strings.Contains(shown, strings.TrimSpace(strings.Repeat("why ", 20))) {
		t.Errorf("no terminal, and cut\n%s", shown)
	}
}
