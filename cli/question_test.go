package cli

import "testing"

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
