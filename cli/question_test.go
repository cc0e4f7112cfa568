package cli

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// TestNearestRow: a row's own name counts before a text that merely holds it.
func TestNearestRow(t *testing.T) {
	q := question{rows: []row{
		{text: "All of runnel.yaml (2 deployments)"},
		{text: "Something new"},
		{group: "One of runnel.yaml", text: column("once-more", 24) + "  flows.py:none"},
		{group: "One of runnel.yaml", text: column("one-more", 24) + "  flows.py:plain"},
		{group: "One of runnel.yaml", text: column("one", 24) + "  flows.py:plain"},
	}}
	for _, c := range []struct {
		text string
		want int
	}{{"one", 4}, {"ONE", 4}, {"one-", 3}, {"some", 1}, {"yaml", 0}, {"", 0}} {
		places := q.matches(c.text)
		if at := places[q.nearest(places, c.text)]; at != c.want {
			t.Errorf("%q leads to row %d, not %d", c.text, at, c.want)
		}
	}
}

// TestNarrowNotes: what a check says is wrapped, not cut.
func TestNarrowNotes(t *testing.T) {
	long := "Sun 2026-03-29 03:00:00 CEST  moved from 02:30, which the clocks skip"
	f := newField(question{title: "When?", below: 5, check: func(string) ([]string, error) { return []string{long, "Mon"}, nil }})
	for _, width := range []int{20, 40, 50, 80} {
		f.resize(width, 24)
		body := f.body()
		if got := strings.Join(strings.Fields(strings.Join(body, " ")), " "); got != strings.Join(strings.Fields(long+" Mon"), " ") {
			t.Errorf("%d columns: %q", width, body)
		}
		for _, line := range body {
			if len(line) > width {
				t.Errorf("%d columns: %q is longer", width, line)
			}
		}
	}
}

// TestListHasRoom: a screen that is high enough shows every row with its heading.
func TestListHasRoom(t *testing.T) {
	f := newField(question{title: "Which?", rows: []row{
		{group: "a.py", text: "one"}, {group: "b.py", text: "two"}, {group: "b.py", text: "three"}, {text: "another"},
	}})
	f.resize(80, 24)
	got := ansi.Strip(strings.Join(f.body(), "\n"))
	if want := "a.py\n> one\nb.py\n  two\n  three\n\n  another"; got != want {
		t.Errorf("the list is\n%s\nnot\n%s", got, want)
	}
}

// TestAnsweredField: the frame after the answer looks like the one before it.
func TestAnsweredField(t *testing.T) {
	f := newField(question{title: "What?", value: "this"})
	f.resize(80, 24)
	before := f.View()
	f.Blur()
	if after := f.View(); after != before {
		t.Errorf("%q became %q", before, after)
	}
}
