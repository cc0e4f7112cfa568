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

// TestATableFoldsWhatIsTooWide on a terminal: each cell within its column, and
// nothing of it is lost; what is no terminal gets a line a row.
func TestATableFoldsWhatIsTooWide(t *testing.T) {
	const long = "Quarterly reconciliation of accounts receivable/production europe west with a long name"
	rows := [][]string{{long, "etl", "in 1h 05m"}, {"load/nightly", strings.Repeat("x", 50), "-"}}
	print := func(terminal bool, width int) []string {
		var out bytes.Buffer
		s := &IO{Out: &out, OutTerminal: terminal, Width: width, Env: func(string) string { return "dumb" }}
		s.printTable([]string{"Name", "Work Pool", "Next"}, rows)
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	for _, width := range []int{44, 60, 80, 100} {
		lines := print(true, width)
		edge := strings.Index(lines[0], "Work Pool")
		var name strings.Builder
		for _, line := range lines {
			if got := ansi.StringWidth(line); got > width {
				t.Errorf("%d columns in %d: %s", got, width, line)
			}
		}
		for _, line := range lines[1:] {
			if line[0:4] == "load" {
				break
			}
			name.WriteString(strings.TrimRight(line[:min(edge, len(line))], " ") + " ")
		}
		if got := strings.ReplaceAll(name.String(), "/ ", "/"); strings.TrimSpace(got) != long {
			t.Errorf("%d columns: the name is %q\n%s", width, got, strings.Join(lines, "\n"))
		}
		if !strings.HasSuffix(lines[1], "in 1h 05m") {
			t.Errorf("%d columns: its time is not beside it\n%s", width, strings.Join(lines, "\n"))
		}
	}
	if lines := print(false, 40); len(lines) != 3 || !strings.Contains(lines[1], long) {
		t.Errorf("no terminal, and folded\n%s", strings.Join(lines, "\n"))
	}
}

// TestRunsKeepToALine each, on a terminal: the widest names are cut.
func TestRunsKeepToALine(t *testing.T) {
	for _, width := range []int{50, 80} {
		var out bytes.Buffer
		s := &IO{Out: &out, OutTerminal: true, Width: width, Env: func(string) string { return "dumb" }}
		err := list[int]{
			items: []int{0, 1}, columns: []string{"ID", "Deployment", "State", "Message"}, cut: true,
			row: func(n int) []string {
				return []string{"8042e9d2", []string{"load/nightly", strings.Repeat("long name ", 12)}[n], "Completed", "it failed"}
			},
		}.print(s, asTable)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 3 || !strings.Contains(lines[2], "…  Completed") || !strings.Contains(lines[1], "load/nightly") {
			t.Errorf("%d columns:\n%s", width, out.String())
		}
		for _, line := range lines {
			if got := ansi.StringWidth(line); got > width {
				t.Errorf("%d columns in %d: %s", got, width, line)
			}
		}
	}
}
