package cli

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLaunchdText reads the property list back: macOS is not here to do it.
func TestLaunchdText(t *testing.T) {
	s := service{
		Name: "etl", Pool: "etl", Database: "/Users/you/a & b/<x>.db", Path: "/usr/bin:/bin", Log: "/tmp/w.log", User: "you",
		Command: []string{"/usr/local/bin/runnel", "--db", "/Users/you/a & b/<x>.db", "worker", "start"},
	}
	text := launchdText(s)
	var words []string
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if data, isText := token.(xml.CharData); isText && strings.TrimSpace(string(data)) != "" {
			words = append(words, string(data))
		}
	}
	want := slices.Concat([]string{"Label", "runnel.etl", "ProgramArguments"}, s.Command, []string{"UserName", "you"})
	if !slices.Equal(words[:len(want)], want) {
		t.Errorf("%q", words)
	}
	for _, key := range []string{"RunAtLoad", "KeepAlive", "AbandonProcessGroup", "/usr/bin:/bin", "/tmp/w.log"} {
		if !slices.Contains(words, key) {
			t.Errorf("%q is not in %q", key, words)
		}
	}
	golden(t, filepath.Join("testdata", "launchd.golden"), launchdText(service{
		Name: "etl", Pool: "etl", Database: "/Users/you/runnel.db", Path: "/usr/bin", Log: "/Users/you/runnel.db.d/worker-etl.log",
		Command: []string{"/usr/local/bin/runnel", "--db", "/Users/you/runnel.db", "worker", "start", "--pool", "etl"},
	}))
	calls := launchd.start(s, "/x.plist")
	if len(calls) != 2 || calls[1][0] != "bootstrap" || calls[1][2] != "/x.plist" {
		t.Errorf("%v", calls)
	}
	file, err := launchd.file(&app{IO: &IO{Env: os.Getenv}}, service{Name: "etl", System: true})
	if err != nil || file != "/Library/LaunchDaemons/runnel.etl.plist" {
		t.Errorf("%s, %v", file, err)
	}
}

func TestSystemdQuote(t *testing.T) {
	for word, want := range map[string]string{
		`plain`: `"plain"`, `a b`: `"a b"`, `50%`: `"50%%"`, `$HOME`: `"$$HOME"`, `a"b\c`: `"a\"b\\c"`,
	} {
		if got := systemdArgument(word); got != want {
			t.Errorf("%s is quoted %s, not %s", word, got, want)
		}
	}
	if got := systemdQuote("PATH=$x"); got != `"PATH=$x"` {
		t.Errorf("a variable's value has no dollars to double: %s", got)
	}
}
