package runner

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// chunks gives a text to a masker in pieces.
func maskedIn(secrets []string, pieces ...string) string {
	var out strings.Builder
	visit, flush := newSink(secrets, nil, func(chunk []byte) { out.Write(chunk) })
	for _, piece := range pieces {
		visit([]byte(piece))
	}
	flush()
	return out.String()
}

func TestMaskHidesSecrets(t *testing.T) {
	for _, c := range []struct {
		secrets []string
		pieces  []string
		want    string
	}{
		{nil, []string{"all of ", "it"}, "all of it"},
		{[]string{"abc"}, []string{"abc is too short"}, "abc is too short"},
		{[]string{"hunter2"}, []string{"a hunter2 b hunter2"}, "a ******** b ********"},
		{[]string{"hunter2"}, []string{"hun", "ter", "2"}, "********"},
		{[]string{"hunter2"}, []string{"hun", "ted hunt"}, "hunted hunt"},
		{[]string{"aaab"}, []string{"aaa", "aab"}, "aa********"},
		{[]string{"pass", "passport"}, []string{"pass", "port pass", "ing"}, "******** ********ing"},
		{[]string{"one two/3\""}, []string{`{"x": "one two/3\""} one+two%2F3%22 one%20two%2F3%22`}, `{"x": "********"} ******** ********`},
		{[]string{"-----BEGIN\nabcdefgh\nEND"}, []string{"x abcdefgh y\n-----BEGIN\nabcdefgh\nEND"}, "x ******** y\n********"},
		{[]string{"  spaced  "}, []string{"spaced"}, "********"},
	} {
		if got := maskedIn(c.secrets, c.pieces...); got != c.want {
			t.Errorf("%q of %q: %q, want %q", c.secrets, c.pieces, got, c.want)
		}
	}
}

// TestMaskDoesNotDependOnChunks: wherever a stream is cut, what comes out is the same.
func TestMaskDoesNotDependOnChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(rapid.StringMatching(`[ab]{4,6}`), 1, 3).Draw(t, "secrets")
		text := rapid.StringMatching(`[abc]{0,40}`).Draw(t, "text")
		var pieces []string
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		whole, cut := maskedIn(secrets, text), maskedIn(secrets, pieces...)
		if whole != cut {
			t.Fatalf("%q of %q: %q, in one piece %q", secrets, pieces, cut, whole)
		}
		for _, secret := range secrets {
			if strings.Contains(whole, secret) {
				t.Fatalf("%q is in %q", secret, whole)
			}
		}
	})
}
