package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"runnel/store"
)

// TestDocs plays every block of README.md and docs/ that is marked console, in
// order, each page in a copy of the example project with a database of its
// own, and holds the output to what the page shows. -update writes the pages as they
// come out. What differs from one time to the next (ids, times, lengths of
// time, versions, the folder) is made alike on both sides; so is the width of
// columns.
func TestDocs(t *testing.T) {
	if testing.Short() {
		t.Skip("in full without -short")
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "```console\n") {
			continue
		}
		t.Run(page, func(t *testing.T) {
			if findPython() == "" {
				t.Skip("no python3 on PATH: the example is a Python flow")
			}
			replay(t, page, string(text))
		})
	}
}

func replay(t *testing.T, page, text string) {
	folder := exampleFolder(t)
	if strings.Contains(text, "git.example.org") {
		serveExample(t, folder)
	}
	parts := strings.Split(text, "```console\n")
	changed := false
	for i := 1; i < len(parts); i++ {
		block, rest, _ := strings.Cut(parts[i], "```")
		played := play(t, folder, block)
		if same(played, block) {
			continue
		}
		changed = true
		parts[i] = played + "```" + rest
		if !*update {
			t.Errorf("%s shows\n%s\nand this came out\n%s", page, block, played)
		}
	}
	if changed && *update {
		if err := os.WriteFile(page, []byte(strings.Join(parts, "```console\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// exampleFolder is a copy of the example with runnel on PATH.
func exampleFolder(t *testing.T) string {
	folder, err := os.MkdirTemp("", "docs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for _, words := range [][]string{
		{"cp", "-R", "testdata/projects/report", filepath.Join(folder, "report")},
		{"mkdir", filepath.Join(folder, "bin")},
		{"ln", "-s", os.Args[0], filepath.Join(folder, "bin", "runnel")},
	} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", words, err, out)
		}
	}
	return folder
}

// serveExample serves a small project as a repository, under an address that only
// this page's git knows.
func serveExample(t *testing.T, folder string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git on PATH")
	}
	script := `set -e
		export GIT_AUTHOR_NAME=you GIT_AUTHOR_EMAIL=you@example.org GIT_COMMITTER_NAME=you GIT_COMMITTER_EMAIL=you@example.org
		export GIT_AUTHOR_DATE=2026-01-01T00:00:00Z GIT_COMMITTER_DATE=2026-01-01T00:00:00Z
		mkdir -p .home served/you && cd work
		git init -q -b main && git add . && git commit -qm one
		git clone -q --bare . ../served/you/flows.git`
	if err := os.CopyFS(filepath.Join(folder, "work"), os.DirFS("testdata/projects/greet")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "HOME="+folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address, stop, err := gitDaemon(filepath.Join(folder, "served"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	config := fmt.Sprintf("[url \"git://%s/\"]\n\tinsteadOf = https://git.example.org/\n", address)
	if err := os.WriteFile(filepath.Join(folder, ".home", ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// play runs the commands of a block in one shell, and gives the block as a
// terminal would show it.
func play(t *testing.T, folder, block string) string {
	var script strings.Builder
	script.WriteString("exec 2>&1\n")
	for line := range strings.Lines(block) {
		if command, found := strings.CutPrefix(line, "$ "); found {
			// The command goes through a variable, so that its quotes stay.
			fmt.Fprintf(&script, "cat <<'SHOWN'\n%sSHOWN\n%s", line, command)
			if strings.HasSuffix(command, "&\n") {
				// A person who types is slower than a worker that starts.
				script.WriteString("until runnel worker ls 2>&1 | grep -q ONLINE; do sleep 0.05; done\n")
			}
		}
	}
	shell := exec.Command("sh", "-c", script.String())
	shell.Dir = filepath.Join(folder, "report")
	for name, value := range scriptEnv(folder, filepath.Join(folder, "bin")+":"+os.Getenv("PATH"), findPython()) {
		shell.Env = append(shell.Env, name+"="+value)
	}
	shell.Env = append(shell.Env, "RUNNEL_DB="+filepath.Join(folder, "runnel.db"))
	out, _ := shell.CombinedOutput() // what a command answers is part of the page
	return strings.NewReplacer(folder, "/home/you", findPython(), "/usr/bin/python3",
		os.Args[0], "/usr/local/bin/runnel").Replace(string(out))
}

// varying is what differs from one time to the next, and what stands for it.
var varying = []struct {
	pattern *regexp.Regexp
	alike   string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{40}([0-9a-f]{24})?\b`), "COMMIT"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "VERSION"},
	{regexp.MustCompile(`\b[0-9a-f]{8}\b`), "ID"},
	{regexp.MustCompile(`\d{8}T\d{6}`), "STAMP"},
	{regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d [A-Z]{2,5}( = ([A-Z][a-z]{2} )?\d\d:\d\d [A-Z]{2,5})?\b`), "TICK"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T/]?`), "DATE "},
	{regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d+)?( [A-Z]{2,5}\b)?`), "TIME"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(ms|s|m \d\ds|h \d\dm|d)( ago)?|(just )?now)\b`), "LONG"},
	{regexp.MustCompile(`python /\S+`), "python PATH"},
	{regexp.MustCompile(`\b[\w.-]+-\d{3,}\b`), "WORKER"},
	{regexp.MustCompile(`\b\d+ ([KMG]i)?B\b`), "SIZE"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(`(?m) +$`), ""},
}

// same compares two forms of a block. One that asks for the ticks from a given
// instant on is the same at all times, dates included.
func same(played, block string) bool {
	if strings.Contains(block, "schedule next") && strings.Count(block, " --from ") == strings.Count(block, "$ ") {
		return played == block
	}
	return alike(played) == alike(block)
}

func alike(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.alike)
	}
	return text
}

// TestGuaranteesNameTheirTests holds every test and script that the page of
// guarantees names to being there.
func TestGuaranteesNameTheirTests(t *testing.T) {
	page, err := os.ReadFile("docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*/*_test.go")
	own, ownErr := filepath.Glob("*_test.go")
	if err != nil || ownErr != nil {
		t.Fatal(err, ownErr)
	}
	files = append(files, own...)
	var code strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	names := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(page), -1)
	if len(names) < 10 {
		t.Errorf("the page names %d tests only", len(names))
	}
	for _, name := range names {
		if !strings.Contains(code.String(), "func "+name+"(") {
			t.Errorf("docs/guarantees.md names %s, and there is no such test", name)
		}
	}
	for _, script := range regexp.MustCompile(`\b\w+\.txtar\b`).FindAllString(string(page), -1) {
		if _, err := os.Stat(filepath.Join("testdata", "script", script)); err != nil {
			t.Errorf("docs/guarantees.md names %s: %v", script, err)
		}
	}
}

// TestStatesPageIsTheTransitionTable holds the table of docs/states.md to the
// code: a row a state, "from | to, to".
func TestStatesPageIsTheTransitionTable(t *testing.T) {
	page, err := os.ReadFile("docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range store.StateTypes {
		var follow []string
		for _, to := range store.StateTypes {
			if store.MayFollow(from, to) {
				follow = append(follow, string(to))
			}
		}
		row := fmt.Sprintf("| %s | %s |", from, strings.Join(follow, ", "))
		if len(follow) == 0 {
			row = fmt.Sprintf("| %s | - |", from)
		}
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/states.md lacks the row %s", row)
		}
	}
}

// TestImportsGoOneWay holds the packages to their layers.
func TestImportsGoOneWay(t *testing.T) {
	allowed := map[string]string{
		"runnel/store": "", "runnel/discover": "", "runnel/runner": "runnel/store",
		"runnel/cli": "runnel/discover runnel/runner runnel/store",
	}
	for name, may := range allowed {
		out, err := exec.Command("go", "list", "-f", `{{range .Imports}}{{println .}}{{end}}`, name).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", name, err)
		}
		for _, imported := range strings.Fields(string(out)) {
			if strings.HasPrefix(imported, "runnel/") && !strings.Contains(may, imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
	}
}

// setUp are the commands of the README that .ci/run runs: they are no examples
// in the example's folder.
var setUp = []string{"go run . quickstart", "go test ./..."}

// TestEveryShownCommandIsRun finds blocks that look like commands and are not
// marked console: nobody would notice when they become untrue.
func TestEveryShownCommandIsRun(t *testing.T) {
	check, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range setUp {
		if !strings.Contains(string(check), "\n"+command+"\n") {
			t.Errorf(".ci/run does not run %q", command)
		}
	}
	looksLikeOne := regexp.MustCompile(`^(\$ |runnel |go |cd |export |sudo )`)
	pages, err := filepath.Glob("docs/*.md")
	records, recordsErr := filepath.Glob("docs/decisions/*.md")
	if err != nil || recordsErr != nil {
		t.Fatal(err, recordsErr)
	}
	for _, page := range append(append(pages, records...), "README.md", "CHANGELOG.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(text), "```") {
			if i%2 == 0 || strings.HasPrefix(part, "console\n") {
				continue
			}
			for line := range strings.Lines(part) {
				command, _, _ := strings.Cut(line, "#")
				if looksLikeOne.MatchString(line) && !slices.Contains(setUp, strings.TrimSpace(command)) {
					t.Errorf("%s shows a command in a block that is not run: %s", page, line)
				}
			}
		}
	}
}

// TestReadmeNamesEveryCommand holds the table of commands to the program's own
// help, both ways. A row is "runnel COMMAND", or "runnel GROUP VERB, VERB".
func TestReadmeNamesEveryCommand(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	cell := regexp.MustCompile("`runnel ([a-z][^`]*)`")
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `runnel ") {
			continue
		}
		first, _, _ := strings.Cut(line[1:], "|")
		for _, found := range cell.FindAllStringSubmatch(first, -1) {
			shown = append(shown, commandsOfCell(found[1])...)
		}
	}
	binary := filepath.Join(t.TempDir(), "runnel")
	if err := os.Symlink(os.Args[0], binary); err != nil {
		t.Fatal(err)
	}
	real := commandsOfHelp(t, binary)
	for _, command := range real {
		if !slices.Contains(shown, command) {
			t.Errorf("the README's table lacks: runnel %s", command)
		}
	}
	for _, command := range shown {
		if !slices.Contains(real, command) {
			t.Errorf("the README's table has what there is not: runnel %s", command)
		}
	}
}

var commandWord = regexp.MustCompile(`^[a-z][a-z-]*$`)

// commandsOfCell reads "deploy ENTRYPOINT -n NAME", "worker start, ls" and
// "deployment schedule ls, create".
func commandsOfCell(cell string) (commands []string) {
	first, more, _ := strings.Cut(cell, ", ")
	var words []string
	for word := range strings.FieldsSeq(first) {
		if !commandWord.MatchString(word) {
			break
		}
		words = append(words, word)
	}
	commands = []string{strings.Join(words, " ")}
	if more == "" {
		return commands
	}
	group := strings.Join(words[:len(words)-1], " ")
	for verb := range strings.SplitSeq(more, ", ") {
		commands = append(commands, group+" "+verb)
	}
	return commands
}

// commandsOfHelp walks the help for every command that is no group.
func commandsOfHelp(t *testing.T, binary string, path ...string) (commands []string) {
	t.Helper()
	help, err := exec.Command(binary, append(slices.Clone(path), "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(path) > 0 && !strings.Contains(string(help), "\nCommands:\n") {
		return []string{strings.Join(path, " ")}
	}
	row := regexp.MustCompile(`(?m)^  ([a-z][a-z-]*)  `)
	if len(path) == 0 { // by what they are for, with the brief ones in a line
		row = regexp.MustCompile(`(?m)^[A-Z ][a-z ]{7} ([a-z][a-z-]*)  `)
	}
	var names []string
	for _, found := range row.FindAllStringSubmatch(string(help), -1) {
		names = append(names, found[1])
	}
	if _, more, any := strings.Cut(string(help), "\nAlso     "); any && len(path) == 0 {
		line, _, _ := strings.Cut(more, "\n")
		names = append(names, strings.Split(line, ", ")...)
	}
	for _, name := range names {
		commands = append(commands, commandsOfHelp(t, binary, append(slices.Clone(path), name)...)...)
	}
	return commands
}
