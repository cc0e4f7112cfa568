package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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

func TestEveryCommandHasAHelpGolden(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	commands := []string{""}
	for _, leaf := range leaves(t) {
		commands = append(commands, commandOf(leaf))
		if leaf.Parent.Type == kong.CommandNode && !slices.Contains(commands, commandOf(leaf.Parent)) {
			commands = append(commands, commandOf(leaf.Parent))
		}
	}
	known := map[string]bool{}
	for _, command := range commands {
		name := "runnel"
		if command != "" {
			name += "_" + strings.ReplaceAll(command, " ", "_")
		}
		path := filepath.Join("../testdata/help", name+".golden")
		known[path] = true
		golden(t, path, help(command))
	}
	files, err := filepath.Glob("../testdata/help/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !known[file] {
			t.Errorf("%s is of no command", file)
		}
	}
}

// TestHelpExamplesParse: two of them, and what they show is no usage error.
func TestHelpExamplesParse(t *testing.T) {
	for _, leaf := range leaves(t) {
		command := commandOf(leaf)
		_, examples, _ := strings.Cut(help(command), "Examples:\n")
		count := 0
		for line := range strings.Lines(examples) {
			line = strings.Replace(line, "go run . ", "runnel ", 1)
			words, ours := strings.CutPrefix(strings.TrimSpace(line), "runnel ")
			if !ours {
				continue
			}
			count++
			words, _, _ = strings.Cut(words, " > ")
			words, _, _ = strings.Cut(words, " && ")
			if _, jq, has := strings.Cut(words, "--jq "); has && strings.Contains(jq, "[") && jq[0] != '\'' {
				t.Errorf("%s --help shows %q: zsh takes [ for a pattern, where it is not quoted", command, line)
			}
			args, _, _ := splitLine(words + " ")
			if _, err := (&app{IO: &IO{}}).parse(&grammar{}, rewrite(args), kong.Name("runnel")); err != nil {
				t.Errorf("%s --help shows %q: %v", command, line, err)
			}
		}
		if count < 2 {
			t.Errorf("%s --help shows fewer than two examples", command)
		}
	}
}

// TestHelpFits: the first screen that anybody sees has 24 lines of 80 columns,
// that of what is typed next among them, and no help is wider but in an example.
func TestHelpFits(t *testing.T) {
	if lines := strings.Count(help(""), "\n"); lines > 23 {
		t.Errorf("the help of runnel itself has %d lines", lines)
	}
	for line := range strings.Lines(help("")) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("the help of runnel itself has a line of %d columns: %s", n, line)
		}
	}
	for _, leaf := range leaves(t) {
		text, _, _ := strings.Cut(help(commandOf(leaf)), "Examples:\n")
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
				t.Errorf("%s --help has a line of %d columns: %s", commandOf(leaf), n, line)
			}
		}
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

// TestADefectIsNoSuccess: a panic ends the program as one.
func TestADefectIsNoSuccess(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a panic was swallowed")
		}
	}()
	Main(&IO{Env: func(string) string { return "" }}, []string{"version"}) // nowhere to print
}
