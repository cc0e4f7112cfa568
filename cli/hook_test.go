package cli

import (
	"slices"
	"testing"
)

func TestACommandIsSplitAsByAShell(t *testing.T) {
	for text, want := range map[string][]string{
		`mail me`:                     {"mail", "me"},
		" mail\t me\n":                {"mail", "me"},
		`mail -s "it failed" 'a b' c`: {"mail", "-s", "it failed", "a b", "c"},
		`a"b c"d 'e'"f"`:              {"ab cd", "ef"},
		`a '' ""`:                     {"a", "", ""},
		`a\ b "c\"d" '\' "\n"`:        {"a b", `c"d`, `\`, `\n`},
		`echo $HOME * ; | & > x`:      {"echo", "$HOME", "*", ";", "|", "&", ">", "x"},
		`curl -d {{ a.b }}/x y`:       {"curl", "-d", "{{ a.b }}/x", "y"},
		`sh -c "to {{ it's }}"`:       {"sh", "-c", "to {{ it's }}"},
		`a {{ b`:                      {"a", "{{", "b"},
		`["a b", ""]`:                 {"a b", ""},
		`[]`:                          {},
	} {
		if got, err := splitCommand("--on-failure", text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is split into %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{``, `  `, `a 'b`, `a "b`, `a \`, `[1]`, `["a"`} {
		if got, err := splitCommand("--on-failure", text); err == nil {
			t.Errorf("%q is split into %q", text, got)
		}
	}
}
