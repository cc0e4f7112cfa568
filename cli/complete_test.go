package cli

import (
	"slices"
	"testing"
)

func TestSplitLine(t *testing.T) {
	for line, want := range map[string]struct {
		words  []string
		last   string
		quoted bool
	}{
		``:                  {nil, "", false},
		`runnel`:            {nil, "runnel", false},
		`runnel `:           {[]string{"runnel"}, "", false},
		`runnel run say\ i`: {[]string{"runnel", "run"}, "say i", false},
		`runnel run 'say i`: {[]string{"runnel", "run"}, "say i", true},
		`a "b c" 'd'"e" `:   {[]string{"a", "b c", "de"}, "", false},
		`a "b\"c" '\' '' d`: {[]string{"a", `b"c`, `\`, ""}, "d", false},
		"a\tb":              {[]string{"a"}, "b", false},
	} {
		words, last, quoted := splitLine(line)
		if !slices.Equal(words, want.words) || last != want.last || quoted != want.quoted {
			t.Errorf("%s is %q, %q, %v", line, words, last, quoted)
		}
	}
}

// TestTheCommandsThatAreOffered are those of the grammar, with its words.
func TestTheCommandsThatAreOffered(t *testing.T) {
	var want []candidate
	for _, child := range (&app{}).model(nil).Children {
		want = append(want, candidate{child.Name, child.Help})
	}
	if got := commands(); !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

// FuzzComplete: whatever stands on a line, completing it ends well, and what it
// offers goes on from what was typed.
func FuzzComplete(f *testing.F) {
	f.Add("run", "--", "a")
	f.Add("worker", "start", "--pool=")
	f.Add("--db", "", "-")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		app := &app{IO: &IO{Env: func(string) string { return "" }}}
		for _, candidate := range app.candidates([]string{a, b, c}) {
			if len(candidate.word) < len(c) || candidate.word[:len(c)] != c {
				t.Errorf("%q is offered for %q", candidate.word, c)
			}
		}
	})
}
