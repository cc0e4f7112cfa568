package cli

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// Enter is text inside a paste, and a key again behind it, however the paste is
// cut: by the room that the library has, or on its way here.
func TestKeyboardGivesPastes(t *testing.T) {
	const begins, ends = "\x1b[200~", "\x1b[201~"
	long := begins + strings.Repeat("x", 4500) + "\r" + strings.Repeat("y", 400) + ends
	cut := begins + strings.Repeat("x", 4096-len(begins)-2) + ends
	for name, test := range map[string]struct{ typed, given []string }{
		"longer than the room":            {[]string{long, "\rahead"}, []string{long[:4096], long[4096:], "\r"}},
		"a marker cut by the room":        {[]string{cut, "\rahead"}, []string{cut[:4096], cut[4096:], "\r"}},
		"its beginning in two":            {[]string{"\x1b[20", "0~one\rtwo" + ends, "\rahead"}, []string{begins + "one\rtwo" + ends, "\r"}},
		"its beginning in two, early":     {[]string{"\x1b", "[200~one\rtwo" + ends, "\rahead"}, []string{"\x1b", "[200~one\rtwo" + ends, "\r"}},
		"its end in two":                  {[]string{begins + "one\rtwo\x1b[2", "01~", "\rahead"}, []string{begins + "one\rtwo", ends, "\r"}},
		"its end in two, early":           {[]string{begins + "one\rtwo\x1b[", "201~", "\rahead"}, []string{begins + "one\rtwo\x1b[", "201~", "\r"}},
		"another key, in two":             {[]string{"\x1b[2", "~", "\rahead"}, []string{"\x1b[2~", "\r"}},
		"one that the input's end cut":    {[]string{"one\x1b[20"}, []string{"one", "\x1b[20"}},
		"Esc, which nothing need follow":  {[]string{"\x1b"}, []string{"\x1b"}},
		"keys typed ahead, without paste": {[]string{"one\rtwo\r"}, []string{"one", "\r"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := &keyboard{}
			k.changed = sync.NewCond(&k.mu)
			keys := k.turn()
			var given []string
			give := func() {
				for room := make([]byte, 4096); len(k.whole()) > 0 && !keys.holds; {
					n, err := keys.Read(room)
					if err != nil {
						t.Fatal(err)
					}
					given = append(given, string(room[:n]))
				}
			}
			for _, typed := range test.typed {
				k.change(func() { k.typed = append(k.typed, typed...) })
				give()
			}
			k.change(func() { k.ended = true })
			give()
			if !slices.Equal(given, test.given) {
				t.Errorf("given %.60q, not %.60q", given, test.given)
			}
		})
	}
}
