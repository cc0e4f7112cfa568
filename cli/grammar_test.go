package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write the goldens as they come out now")

// leaves are the commands that do something.
func leaves(t *testing.T) []*kong.Node {
	t.Helper()
	parser, err := kong.New(&grammar{})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Leaves(true)
}

// commandOf is a leaf as it is typed: "work-pool create".
func commandOf(leaf *kong.Node) string {
	words := []string{}
	for node := leaf; node != nil && node.Type == kong.CommandNode; node = node.Parent {
		words = append([]string{node.Name}, words...)
	}
	return strings.Join(words, " ")
}

// help is what --help prints of a command.
func help(command string) string {
	var out bytes.Buffer
	streams := &IO{Out: &out, Err: &out, Width: 80, Env: func(string) string { return "" }, Clock: time.Now}
	Main(streams, append(strings.Fields(command), "--help"))
	return out.String()
}

func TestEveryCommandHasAScript(t *testing.T) {
	files, err := filepath.Glob("../testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not begin with what a reader learns", file)
		}
		all.Write(text)
	}
	for _, leaf := range leaves(t) {
		if !strings.Contains(all.String(), "runnel "+commandOf(leaf)) {
			t.Errorf("no script runs %q", commandOf(leaf))
		}
	}
}

func TestEveryCommandHasAHelpGoldenWithTwoExamples(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	commands := []string{""}
	for _, leaf := range leaves(t) {
		commands = append(commands, commandOf(leaf))
	}
	for _, command := range commands {
		text := help(command)
		_, examples, _ := strings.Cut(text, "Examples:\n")
		if bare := command == "version" || command == "db path"; command != "" && !bare && strings.Count(examples, "  runnel ")+strings.Count(examples, "  go run") < 2 {
			t.Errorf("%s --help shows fewer than two examples:\n%s", command, text)
		}
		name := "runnel"
		if command != "" {
			name += "_" + strings.ReplaceAll(command, " ", "_")
		}
		golden(t, filepath.Join("../testdata/help", name+".golden"), text)
	}
}

func golden(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text {
		t.Errorf("%s differs (%v); this came out:\n%s", path, err, text)
	}
}

// TestRepeatableFlagsKeepCommas: kong splits at commas unless it is told not
// to, and '0 2,14 * * *' would be two.
func TestRepeatableFlagsKeepCommas(t *testing.T) {
	for _, leaf := range leaves(t) {
		for _, f := range leaf.Flags {
			if f.Target.Kind() == reflect.Slice && f.Tag.Sep != -1 {
				t.Errorf("%s --%s splits at %q", commandOf(leaf), f.Name, f.Tag.Sep)
			}
		}
	}
}
