package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"runnel/store"
)

// shapes is a line for every command that prints JSON, played in a copy of the
// folder that exampleState makes. A command that is not here fails the test.
var shapes = map[string]string{
	"discover":                   "",
	"deploy":                     "say.sh -n new -p etl",
	"deployment ls":              "",
	"deployment inspect":         "say/nightly",
	"deployment run":             "say/nightly --name made",
	"deployment update":          "say/nightly --param top=4",
	"deployment pause":           "say/nightly",
	"deployment resume":          "say/nightly",
	"deployment backfill":        "say/nightly --from 2026-01-01 --to 2026-01-02 --dry-run",
	"deployment schedule ls":     "say/nightly",
	"deployment schedule next":   "say/nightly -n 1",
	"deployment schedule create": "say/nightly --interval 15m",
	"deployment schedule update": "say/nightly --timezone Europe/Berlin",
	"deployment schedule pause":  "say/nightly",
	"deployment schedule resume": "say/nightly",
	"variable set":               "region eu-west-2",
	"variable get":               "region",
	"variable ls":                "",
	"run":                        "say/nightly --name made -p top=3",
	"worker ls":                  "",
	"work-pool create":           "new",
	"work-pool ls":               "",
	"work-pool inspect":          "etl",
	"work-pool update":           "etl --concurrency-limit 4",
	"work-pool pause":            "etl",
	"work-pool resume":           "etl",
	"work-pool preview":          "etl --hours 48",
	"work-queue create":          "etl/new",
	"work-queue ls":              "",
	"work-queue inspect":         "etl/slow",
	"work-queue update":          "etl/slow --priority 1",
	"work-queue pause":           "etl/slow",
	"work-queue resume":          "etl/slow",
	"work-queue preview":         "etl/default --hours 48",
	"status":                     "",
	"flow-run ls":                "--state Failed",
	"flow-run inspect":           "bad",
	"flow-run diff":              "good bad",
	"flow-run cancel":            "later --yes",
	"flow-run retry":             "bad",
	"flow-run logs":              "good",
	"flow-run watch":             "good",
	"flow-run wait":              "good",
	"logs":                       "good",
	"why":                        "say/nightly",
	"doctor":                     "",
	"db path":                    "",
	"db info":                    "",
	"db check":                   "",
	"db restore":                 "DIR/runs.backup",
	"db prune":                   "--dry-run",
	"version":                    "",
}

// player runs command lines in this process, as a shell in a folder would.
type player struct {
	t      *testing.T
	folder string
	clock  time.Time
	origin string // the folder that this one is a copy of
}

func (p player) play(words ...string) (out, talk string, code int) {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	for i := range words { // this process stands elsewhere
		words[i] = strings.ReplaceAll(words[i], "DIR", p.folder)
	}
	env := map[string]string{"RUNNEL_DB": filepath.Join(p.folder, "runnel.db"), "PATH": os.Getenv("PATH"), "HOME": p.folder}
	code = Main(&IO{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr, Width: 80, Dir: p.folder,
		Env: func(name string) string { return env[name] }, Clock: func() time.Time { return p.clock },
	}, append([]string{"--db", env["RUNNEL_DB"]}, words...))
	return stdout.String(), stderr.String(), code
}

func (p player) must(line string) {
	p.t.Helper()
	if _, talk, code := p.play(strings.Fields(line)...); code != exitDone {
		p.t.Fatalf("%s: exit code %d: %s", line, code, talk)
	}
}

// exampleState is a folder with a database that has some of all there is.
func exampleState(t *testing.T) player {
	t.Helper()
	p := player{t: t, folder: t.TempDir(), clock: time.Now()}
	script := "#!/bin/sh\n# /// flow\n# name: say\n# description: Says how many.\n# parameters:\n#   top: {type: integer, default: 1}\n# ///\necho $RUNNEL_PARAM_TOP\n"
	if err := os.WriteFile(filepath.Join(p.folder, "say.sh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p.must("work-pool create etl -d loads")
	p.must("work-queue create etl/slow")
	p.must("deploy say.sh -n nightly -p etl --cron @yearly -t loads --param top=2")
	p.must("variable set region eu-west-1")
	for _, name := range []string{"good", "bad"} {
		p.must("run say/nightly --name " + name)
	}
	s := store.New(filepath.Join(p.folder, "runnel.db"))
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	endAll(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p.must("run say/nightly --name later --in 2h")
	p.must("db backup DIR/runs.backup")
	return p
}

// endAll is a worker that has run what is due, and left.
func endAll(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := context.Background()
	w, err := s.RegisterWorker(ctx, store.Worker{ID: store.NewID(), Name: "host-1", WorkPoolName: "etl", Host: "host", PID: 4711, Proof: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	owners := []store.Owner{{Kind: "slot", Host: "host", Proof: "a"}, {Kind: "slot", Host: "host", Proof: "b"}}
	round, err := s.Claim(ctx, store.Round{Worker: w, Owners: owners})
	if err != nil || len(round.Claimed) != 2 {
		t.Fatal(len(round.Claimed), err)
	}
	ok, three, pid, cpu, memory := 0, 3, 4712, int64(2000), int64(1<<21)
	for _, c := range round.Claimed {
		writeLog(t, s.LogPath(c.Log))
		end := store.End{
			Run: c.Run.ID, Attempt: c.Attempt, Fence: c.Run.Fence, State: store.NewState(store.Completed, ""),
			ExitCode: &ok, PID: &pid, UserTime: &cpu, SystemTime: &cpu, MaxRSS: &memory, Result: json.RawMessage(`{"rows":3}`),
		}
		if c.Run.Name == "bad" {
			end.State, end.ExitCode, end.Result = store.NewState(store.Failed, "exited with 3"), &three, nil
		}
		if err := s.End(ctx, end, "slot"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.EndWorker(ctx, w.ID); err != nil {
		t.Fatal(err)
	}
}

func writeLog(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("2026-01-02T03:04:05.000000Z stdout F 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// copied is the same in a folder of its own, so that a command may change it.
func (p player) copied() player {
	p.t.Helper()
	to := filepath.Join(p.t.TempDir(), "state")
	if err := os.CopyFS(to, os.DirFS(p.folder)); err != nil {
		p.t.Fatal(err)
	}
	p.folder, p.origin = to, p.folder
	err := filepath.WalkDir(to, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode()&0o700) // as they were: CopyFS asks the umask
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return p
}

func hasOutput(leaf *kong.Node) bool {
	return slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return f.Name == "output" })
}

// TestJSONShapes holds what every command prints with -o json to a golden, with
// ids, times and sizes made alike, and docs/json.md to the goldens.
func TestJSONShapes(t *testing.T) {
	state := exampleState(t)
	var page strings.Builder
	page.WriteString(jsonPage)
	known := map[string]bool{}
	for _, leaf := range leaves(t) {
		command := commandOf(leaf)
		if !hasOutput(leaf) {
			continue
		}
		line, listed := shapes[command]
		if !listed {
			t.Errorf("no line shows what %s -o json prints", command)
			continue
		}
		p := state.copied()
		out, talk, code := p.play(append(strings.Fields(command+" "+line), "-o", "json")...)
		if code != exitDone {
			t.Errorf("%s %s: exit code %d: %s", command, line, code, talk)
			continue
		}
		shape := p.alike(command, out)
		path := filepath.Join("../testdata/json", strings.ReplaceAll(command, " ", "_")+".golden")
		known[path] = true
		golden(t, path, shape)
		page.WriteString("\n## `" + strings.TrimSpace(command+" "+strings.ReplaceAll(line, "DIR/", "")) + "`\n\n```json\n" + shape + "```\n")
	}
	golden(t, "../docs/json.md", page.String())
	files, err := filepath.Glob("../testdata/json/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !known[file] {
			t.Errorf("%s is of no command", file)
		}
	}
}

const jsonPage = `# JSON

What each command prints with ` + "`-o json`" + `, as it is tested: these are the tests'
goldens, with ids, times and sizes made alike, and of each list the first
element. Fields may be added; none is taken away or changes its meaning. Names
are those of Prefect's REST API where it has them.

A command that lists prints an array, empty where there is nothing, any other an
object. A time is RFC 3339 in UTC, a length of time a number of seconds unless
its name says otherwise, a size a number of bytes. What is not known, or not
set, is null or an empty string. ` + "`-o jsonl`" + ` prints an element a line, ` + "`-o yaml`" + ` and
` + "`-o csv`" + ` the same fields, ` + "`-o name`" + ` one name or id a line, ` + "`--jq EXPR`" + ` what an
expression makes of the JSON. An error is an object on stderr, with
` + "`code`, `message` and `hint`" + ` in ` + "`error`" + `; what a watched run ended as is the exit code
(` + "`runnel help exit-codes`" + `).
`

// masks make alike what differs from one time, or one machine, to the next.
var masks = []struct {
	pattern *regexp.Regexp
	alike   string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}`), "01a20964-0000-7000-8000-000000000000"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "2026-01-02T03:04:05Z"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d([ /])`), "2026-01-02${1}"},
	{regexp.MustCompile(`\d\d:\d\d(:\d\d)?(\.\d+)? [A-Z]{3,4}`), "03:04 UTC"},
	{regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b`), "Fri"},
	{regexp.MustCompile(`\b(in )?\d+(\.\d+)?(ms|s|m \d\ds|h \d\dm|d)( ago)?\b|\bnow\b`), "1h 00m"},
	{regexp.MustCompile(`("\w*(bytes|_time_us|runs_a_day|pid|bytes_a_day)": )[\d.]+`), "${1}1024"},
	{regexp.MustCompile(`\d+ (KiB|MiB|GiB|B)\b`), "1 MiB"},
	{regexp.MustCompile(`\b(go1|3)\.\d+\.\d+`), "${1}.99.0"},
	{regexp.MustCompile(`schema \d+|("schema": )\d+`), "${1}1"},
	{regexp.MustCompile(`("version": ")[0-9a-f]{12}"`), `${1}0123456789ab"`},
	{regexp.MustCompile(`\d{8}T\d{6}`), "20260102T030405"},
}

func (p player) alike(command, out string) string {
	p.t.Helper()
	var value any
	if err := json.Unmarshal([]byte(out), &value); err != nil {
		p.t.Fatalf("%s: %v: %s", command, err, out)
	}
	// In the order of the fields as they are printed: re-encoding would sort them.
	text := firstElements(p.t, out)
	text = strings.NewReplacer(p.folder, "/home/you/report", p.origin, "/home/you/report").Replace(text)
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.alike)
	}
	return text
}

// firstElements keeps of each list of objects the first: the shape of all.
func firstElements(t *testing.T, text string) string {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	cutLists(&node)
	var b bytes.Buffer
	writeNode(t, &b, node.Content[0], "")
	return b.String() + "\n"
}

func cutLists(node *yaml.Node) {
	if node.Kind == yaml.SequenceNode && len(node.Content) > 1 && node.Content[0].Kind == yaml.MappingNode {
		node.Content = node.Content[:1]
	}
	for _, child := range node.Content {
		cutLists(child)
	}
}

// writeNode is JSON again, with the order kept.
func writeNode(t *testing.T, b *bytes.Buffer, node *yaml.Node, indent string) {
	t.Helper()
	deeper := indent + "  "
	open, end, step := "[", "]", 1
	switch node.Kind {
	case yaml.MappingNode:
		open, end, step = "{", "}", 2
	case yaml.SequenceNode:
	default:
		var value any
		if err := node.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if node.Style == yaml.DoubleQuotedStyle {
			value = node.Value
		}
		var scalar bytes.Buffer
		if err := encodeJSON(&scalar, value, ""); err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.TrimSpace(scalar.String()))
		return
	}
	b.WriteString(open)
	for i := 0; i < len(node.Content); i += step {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n" + deeper)
		writeNode(t, b, node.Content[i], deeper)
		if step == 2 {
			b.WriteString(": ")
			writeNode(t, b, node.Content[i+1], deeper)
		}
	}
	if len(node.Content) > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

// TestEveryOutputFormat: each command that prints JSON prints the same in the
// other formats, too.
func TestEveryOutputFormat(t *testing.T) {
	state := exampleState(t)
	for command, line := range shapes {
		if strings.HasSuffix(command, "logs") || strings.HasSuffix(command, "watch") {
			continue // it prints lines, as text or as JSON
		}
		for _, format := range []string{"jsonl", "yaml", "csv", "name"} {
			p := state.copied()
			out, talk, code := p.play(append(strings.Fields(command+" "+line), "-o", format)...)
			if code != exitDone {
				t.Errorf("%s -o %s: exit code %d: %s", command, format, code, talk)
			}
			if err := parses(format, out); err != nil {
				t.Errorf("%s -o %s: %v: %s", command, format, err, out)
			}
		}
		p := state.copied()
		out, talk, code := p.play(append(strings.Fields(command+" "+line), "--jq", "type")...)
		if code != exitDone || out != "array\n" && out != "object\n" {
			t.Errorf("%s --jq type: exit code %d: %s%s", command, code, out, talk)
		}
	}
}

func parses(format, out string) error {
	switch format {
	case "jsonl":
		for line := range strings.Lines(out) {
			if err := json.Unmarshal([]byte(line), new(any)); err != nil {
				return err
			}
		}
	case "yaml":
		return yaml.Unmarshal([]byte(out), new(any))
	case "csv":
		_, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		return err
	}
	return nil
}

// TestNothingThereIsOneDocument: on a new machine, stdout of -o json is one
// document, or empty with an error that is one.
func TestNothingThereIsOneDocument(t *testing.T) {
	for command, line := range shapes {
		p := player{t: t, folder: t.TempDir(), clock: time.Now()}
		out, talk, code := p.play(append(strings.Fields(command+" "+line), "-o", "json")...)
		if code == exitDone || command == "doctor" {
			if err := json.Unmarshal([]byte(out), new(any)); err != nil {
				t.Errorf("%s: %v: %s", command, err, out)
			}
			continue
		}
		lines := strings.Split(strings.TrimSpace(talk), "\n")
		var object errorObject
		err := json.Unmarshal([]byte(lines[len(lines)-1]), &object)
		if err != nil || object.Error.Code == "" || object.Error.Message == "" || out != "" {
			t.Errorf("%s: exit code %d, %v: %s%s", command, code, err, out, talk)
		}
	}
}

// named is what arguments name, and what is said of one that is not there.
var named = []string{"deployment", "run", "queue"}

// TestEveryCommandKeepsTheExitCodes: of all commands, a flag that there is not
// and an argument too few are usage errors, and what is not there is not found.
func TestEveryCommandKeepsTheExitCodes(t *testing.T) {
	state := exampleState(t)
	for _, leaf := range leaves(t) {
		command := strings.Fields(commandOf(leaf))
		if _, talk, code := state.play(append(command, "--no-such-flag")...); code != exitUsage || !strings.Contains(talk, "no-such-flag") {
			t.Errorf("%s --no-such-flag: exit code %d: %s", commandOf(leaf), code, talk)
		}
		if hasOutput(leaf) {
			out, talk, code := state.play(append(command, "-o", "json", "--no-such-flag")...)
			if err := json.Unmarshal([]byte(talk), &errorObject{}); err != nil || code != exitUsage || out != "" {
				t.Errorf("%s -o json --no-such-flag: exit code %d, %v: %s%s", commandOf(leaf), code, err, out, talk)
			}
		}
		if len(leaf.Positional) == 0 {
			continue
		}
		first := leaf.Positional[0]
		if first.Required {
			if _, talk, code := state.play(command...); code != exitUsage || !strings.Contains(talk, " is missing") {
				t.Errorf("%s without its argument: exit code %d: %s", commandOf(leaf), code, talk)
			}
		}
		if isNamed(leaf, first) {
			words := append(append(command, "no-such-thing"), strings.Fields(notFoundFlags[commandOf(leaf)])...)
			if _, talk, code := state.play(words...); code != exitNotFound || !strings.Contains(talk, "no-such-thing") {
				t.Errorf("%s: exit code %d: %s", strings.Join(words, " "), code, talk)
			}
		}
	}
}

// notFoundFlags are what a line needs beside the name to be no usage error.
var notFoundFlags = map[string]string{
	"deployment update":          "-d x",
	"flow-run diff":              "good",
	"deployment backfill":        "--from 2026-01-01 --to 2026-01-02",
	"deployment schedule create": "--cron @daily",
	"deployment schedule update": "--active",
	"work-pool update":           "-d x",
	"work-queue update":          "-d x",
}

func isNamed(leaf *kong.Node, argument *kong.Positional) bool {
	if argument.Name == "name" {
		group := leaf.Parent.Name
		return leaf.Name != "create" && leaf.Name != "set" && (strings.HasPrefix(group, "work-") || group == "variable")
	}
	return slices.Contains(named, argument.Name)
}

// TestHelpNamesTheWholeEnvironment holds `help environment` to what the code
// reads, and the other topics to the tables of the code.
func TestHelpNamesTheWholeEnvironment(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	reads := regexp.MustCompile(`(?:Env|isOn|Getenv)\("([A-Z_]+)"\)|env:"([A-Z_]+)"`)
	text := topic("environment")
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range reads.FindAllStringSubmatch(string(code), -1) {
			name := found[1] + found[2]
			if name == "HOME" || name == "PATH" || strings.Contains(text, name) {
				continue
			}
			t.Errorf("%s reads %s, and help environment does not name it", file, name)
		}
	}
	states := topic("states")
	for _, state := range store.StateTypes {
		if !strings.Contains(states, "\n  "+store.NewState(state, "").Name+" ") {
			t.Errorf("help states lacks %s", state)
		}
	}
	for _, m := range marks {
		if !strings.Contains(states, "\n  "+m.state+" ") {
			t.Errorf("help states lacks %s", m.state)
		}
	}
}

func topic(name string) string {
	var out bytes.Buffer
	Main(&IO{Out: &out, Err: &out, Width: 80, Env: func(string) string { return "" }, Clock: time.Now}, []string{"help", name})
	return out.String()
}
