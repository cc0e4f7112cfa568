// Package docs holds the pages, and the tests that keep them true.
package docs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The pages' examples are run as they stand. What a page may hold:
//
//   - ```console: lines that begin with "$ " are commands, the lines below one
//     are all that it prints, on stdout and stderr. They run in order, in one
//     bash for the whole page, in an empty folder with a home of its own.
//   - ```LANGUAGE file=PATH: a file, written before the next command runs.
//   - any other block: text. It may not look like commands.
//
// In what is shown, "…" stands for the rest of a line, and alone on a line for
// any number of lines. Spaces count as one. Times, lengths of time, sizes and
// hashes may differ from what is shown. So may ids and run names, but only the
// first time: from then on the page must go on with the same one, and in its
// commands it is replaced by the real one.
//
// A command must succeed unless an error is shown ("runnel: …"). After one that
// starts a worker in the background ("&") the page waits until it polls, after
// a kill until the job has ended. Commands of go run in the source folder.
const (
	shownHome   = "/home/ada"
	shownPython = "/usr/bin/python3"
	commandTime = 2 * time.Minute
	windowsSkip = "SKIPPED: the pages' commands need a Unix shell"
)

// block is one fenced block of a page.
type block struct {
	line int // of its first line of text
	info string
	text []string
}

// step is one command of a page, and what the page says that it prints.
type step struct {
	line    int
	command string
	shown   []string
}

func TestPagesShowWhatCommandsPrint(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip(windowsSkip)
	}
	for _, program := range []string{"bash", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: there is no %s on PATH, so the pages' commands are not run", program)
		}
	}
	bin := build(t)
	commands := 0
	for _, page := range pages(t) {
		blocks := blocksOf(t, page)
		if !slices.ContainsFunc(blocks, func(b block) bool { return b.info == "console" }) {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			s := open(t, bin)
			for _, b := range blocks {
				commands += s.play(page, b)
			}
		})
	}
	if commands == 0 {
		t.Error("no page shows a command")
	}
}

// A block with commands that nobody runs is how a page becomes untrue.
func TestEveryBlockWithCommandsIsRun(t *testing.T) {
	command := regexp.MustCompile(`^\s*(\$ |(sudo |export |cd |runnel |go (run|test|install|build) ))`)
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			if b.info == "console" || strings.Contains(b.info, "file=") {
				continue
			}
			for i, line := range b.text {
				if command.MatchString(line) {
					t.Errorf("%s:%d: a command in a block that is not run; make it ```console: %s", page, b.line+i, line)
				}
			}
		}
	}
}

// pages are the README and all of docs.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"../*.md", "*.md", "decisions/*.md"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, matches...)
	}
	return found
}

func blocksOf(t *testing.T, page string) (blocks []block) {
	t.Helper()
	inside := false
	for i, line := range linesOf(t, page) {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && inside:
			inside = false
		case fence:
			inside = true
			blocks = append(blocks, block{line: i + 2, info: info})
		case inside:
			last := &blocks[len(blocks)-1]
			last.text = append(last.text, line)
		}
	}
	if inside {
		t.Errorf("%s: the last block is not closed", page)
	}
	return blocks
}

func linesOf(t *testing.T, page string) []string {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(content), "\n")
}

func build(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "runnel"), "..").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// session is the bash of one page.
type session struct {
	t      *testing.T
	folder string // scratch: home and temporary folder
	source string
	script *os.File // what bash reads
	lines  chan string
	done   chan error
	python string            // the real path of what is shown as shownPython
	real   map[string]string // ids and run names, by what the page calls them
}

// endMark is printed after each command, with its exit code.
const endMark = "@end-of-command@"

func open(t *testing.T, bin string) *session {
	t.Helper()
	folder, err := os.MkdirTemp("", "runnel-docs-")
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, folder: folder, source: source, lines: make(chan string), done: make(chan error, 1), real: map[string]string{}}
	demo := filepath.Join(s.home(), "demo")
	for _, path := range []string{demo, filepath.Join(folder, "tmp")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	read, script, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.script = script
	s.start(exec.Command("bash", "--norc", "/dev/fd/3"), read, demo, environment(t, folder, bin))
	t.Cleanup(s.close)
	s.python = strings.TrimSpace(strings.Join(s.must("command -v python3"), ""))
	return s
}

func (s *session) home() string { return filepath.Join(s.folder, "home") }

// environment is all that a page's commands see: a machine as on the first day.
func environment(t *testing.T, folder, bin string) []string {
	t.Helper()
	env := []string{
		"HOME=" + filepath.Join(folder, "home"), "TMPDIR=" + filepath.Join(folder, "tmp"),
		"TZ=UTC", "LC_ALL=C.UTF-8", "NO_COLOR=1", "COLUMNS=100", "GOBIN=" + bin,
	}
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOFLAGS", "GOPROXY"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	path := os.Getenv("PATH")
	// A version manager's stand-in takes longer to start than a flow runs.
	if out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output(); err == nil {
		path = filepath.Dir(strings.TrimSpace(string(out))) + string(filepath.ListSeparator) + path
	}
	return append(env, "PATH="+bin+string(filepath.ListSeparator)+path)
}

func (s *session) start(bash *exec.Cmd, script *os.File, folder string, env []string) {
	s.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	bash.Dir, bash.Env = folder, env
	bash.Stdout, bash.Stderr, bash.ExtraFiles = write, write, []*os.File{script}
	if err := bash.Start(); err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(write.Close(), script.Close()); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		for scanner := bufio.NewScanner(read); scanner.Scan(); {
			s.lines <- scanner.Text()
		}
		close(s.lines)
	}()
	go func() { s.done <- bash.Wait() }()
}

// close ends what still runs in the background, and removes the folder; slots
// that notice the end of their worker may still tidy up in it.
func (s *session) close() {
	fmt.Fprintln(s.script, "kill $(jobs -p) 2>/dev/null; wait; exit 0")
	_ = s.script.Close()
	for range s.lines { //nolint:revive // what is left is not shown
	}
	if err := <-s.done; err != nil {
		s.t.Errorf("bash: %v", err)
	}
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = os.RemoveAll(s.folder); err == nil {
			return
		}
	}
	s.t.Error(err)
}

// run gives a line to bash, and what it prints.
func (s *session) run(command string) (printed []string, code string) {
	s.t.Helper()
	fmt.Fprintf(s.script, "%s\nprintf '%%s %%s\\n' '%s' $?\n", command, endMark)
	timeout := time.After(commandTime)
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				s.t.Fatalf("bash has ended in: %s", command)
			}
			if before, code, found := strings.Cut(line, endMark+" "); found {
				if before != "" { // the output did not end its last line
					printed = append(printed, before)
				}
				return printed, code
			}
			printed = append(printed, line)
		case <-timeout:
			s.t.Fatalf("%s: not done after %s; so far:\n%s", command, commandTime, strings.Join(printed, "\n"))
		}
	}
}

func (s *session) must(command string) []string {
	s.t.Helper()
	printed, code := s.run(command)
	if code != "0" {
		s.t.Fatalf("%s: exit code %s\n%s", command, code, strings.Join(printed, "\n"))
	}
	return printed
}

// play does what a block says, and counts its commands.
func (s *session) play(page string, b block) int {
	s.t.Helper()
	if _, path, isFile := strings.Cut(b.info, "file="); isFile {
		s.write(filepath.Join(s.home(), "demo", path), strings.Join(b.text, "\n")+"\n")
	}
	if b.info != "console" {
		return 0
	}
	steps := stepsOf(b)
	for _, step := range steps {
		s.check(page, step)
	}
	return len(steps)
}

func (s *session) write(path, content string) {
	s.t.Helper()
	mode := os.FileMode(0o644)
	if strings.HasPrefix(content, "#!") {
		mode = 0o755
	}
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err := errors.Join(err, os.WriteFile(path, []byte(content), mode)); err != nil {
		s.t.Fatal(err)
	}
}

func stepsOf(b block) (steps []step) {
	for i, line := range b.text {
		if command, isCommand := strings.CutPrefix(line, "$ "); isCommand {
			steps = append(steps, step{line: b.line + i, command: command})
		} else if n := len(steps); n > 0 {
			steps[n-1].shown = append(steps[n-1].shown, line)
		}
	}
	for i := range steps {
		shown := &steps[i].shown
		for len(*shown) > 0 && (*shown)[len(*shown)-1] == "" {
			*shown = (*shown)[:len(*shown)-1]
		}
	}
	return steps
}

func (s *session) check(page string, st step) {
	s.t.Helper()
	at := fmt.Sprintf("%s:%d: $ %s", page, st.line, st.command)
	command, skip := s.prepare(st.command)
	if skip {
		s.t.Logf("%s: not run here", at)
		return
	}
	printed, code := s.run(command)
	isError := slices.ContainsFunc(st.shown, func(line string) bool { return strings.HasPrefix(line, "runnel: ") })
	if (code != "0") != isError {
		s.t.Errorf("%s\nends with exit code %s, and prints:\n%s", at, code, strings.Join(printed, "\n"))
	}
	for i, line := range printed {
		printed[i] = strings.ReplaceAll(strings.ReplaceAll(line, s.home(), shownHome), s.python, shownPython)
	}
	if !s.matches(st.shown, printed) {
		s.t.Errorf("%s\nprints:\n%s\n\nbut is shown with:\n%s", at, strings.Join(printed, "\n"), strings.Join(st.shown, "\n"))
	}
	switch {
	case strings.HasSuffix(command, "&"):
		s.must("until runnel worker ls -o json 2>/dev/null | grep -q ONLINE; do sleep 0.02; done")
	case strings.HasPrefix(command, "kill "):
		s.must("wait")
	}
}

// prepare turns a shown command into the one to run.
func (s *session) prepare(command string) (real string, skip bool) {
	command = anyOf(s.real).ReplaceAllStringFunc(command, func(shown string) string { return s.real[shown] })
	switch {
	case strings.HasPrefix(command, "go test"):
		return "", true // this is that
	case strings.HasPrefix(command, "go "):
		return fmt.Sprintf("(cd '%s' && %s)", s.source, command), testing.Short()
	}
	return command, false
}

// anyOf matches any of the keys as a word; of none, nothing.
func anyOf(m map[string]string) *regexp.Regexp {
	words := []string{`[^\s\S]`}
	for shown := range m {
		words = append(words, `\b`+regexp.QuoteMeta(shown)+`\b`)
	}
	return regexp.MustCompile(strings.Join(words, "|"))
}

// matches holds lines to what is shown of them, and binds the ids and names
// that are new.
func (s *session) matches(shown, printed []string) bool {
	if len(shown) == 0 {
		return len(printed) == 0
	}
	if shown[0] == "…" {
		for n := range len(printed) + 1 {
			if s.matches(shown[1:], printed[n:]) {
				return true
			}
		}
		return false
	}
	return len(printed) > 0 && s.matchesLine(shown[0], printed[0]) && s.matches(shown[1:], printed[1:])
}

const (
	uuidForm  = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
	shortForm = `[0-9a-f]{8}`
	nameForm  = `[a-z]+-[a-z]+`
)

// forms are what varies from run to run: what is shown in a form may come out
// as anything of it. Those that are bound must be the same from then on.
var forms = []struct {
	form  string
	bound bool
}{
	{uuidForm, true},
	{`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC)?`, false},
	{`\d{4}-\d\d-\d\d`, false},
	{`\d\d:\d\d:\d\d(?:\.\d+)?`, false},
	{`[0-9a-f]{12}`, false},
	{shortForm, true},
	{`(?:now|(?:\d+h \d\dm|\d+m \d\ds|\d+(?:\.\d)?s|\d+ms)(?: ago)?)`, false},
	{`\d+(?:\.\d+)? (?:B|kB|MB|KiB|MiB|GiB)`, false},
	{`process \d+`, false},
}

// newName is where a run's name is met first.
var newName = regexp.MustCompile(`flow run (` + nameForm + `) \(`)

// matchesLine builds a pattern of the shown line, and binds what is new in it.
func (s *session) matchesLine(shown, printed string) bool {
	var pattern strings.Builder
	var names []string // of the groups of the pattern
	for rest := shown; rest != ""; {
		token, form, bound, before := s.nextToken(rest)
		pattern.WriteString(literal(rest[:before]))
		rest = rest[before+len(token):]
		if token == "" {
			break
		}
		switch real, known := s.real[token]; {
		case known:
			pattern.WriteString(regexp.QuoteMeta(real))
		case bound:
			names = append(names, token)
			pattern.WriteString("(" + form + ")")
		default:
			pattern.WriteString(form)
		}
	}
	found := regexp.MustCompile(`^` + pattern.String() + `\s*$`).FindStringSubmatch(printed)
	if found == nil {
		return false
	}
	for i, name := range names {
		s.bind(name, found[i+1])
	}
	return true
}

func (s *session) bind(shown, real string) {
	s.real[shown] = real
	if len(shown) == 36 { // an id's ending is its short form
		s.real[shown[28:]] = real[28:]
	}
}

// nextToken finds the first thing in text that may come out otherwise, and
// where. With none, token is empty and before is the whole text.
func (s *session) nextToken(text string) (token, form string, bound bool, before int) {
	before = len(text)
	take := func(from, to int, f string, b bool) {
		if from < before || (from == before && to-from > len(token)) {
			token, form, bound, before = text[from:to], f, b, from
		}
	}
	for _, f := range forms {
		if at := regexp.MustCompile(`\b(?:` + f.form + `)\b`).FindStringIndex(text); at != nil {
			take(at[0], at[1], f.form, f.bound)
		}
	}
	if at := newName.FindStringSubmatchIndex(text); at != nil {
		take(at[2], at[3], nameForm, true)
	}
	if at := anyOf(s.real).FindStringIndex(text); at != nil {
		take(at[0], at[1], "", true)
	}
	return token, form, bound, before
}

var spaces = regexp.MustCompile(` +`)

func literal(text string) string {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".*")
	return spaces.ReplaceAllString(quoted, " +")
}

// TestTheReplayCanFail shows that it is no rubber stamp.
func TestTheReplayCanFail(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"created flow run amber-otter (0123abcd)\namber-otter Completed after 12ms", "created flow run wry-cat (99999999)\nwry-cat Completed after 3.1s", true},
		{"created flow run amber-otter (0123abcd)\namber-otter Completed after 12ms", "created flow run wry-cat (99999999)\nwry-dog Completed after 3.1s", false},
		{"flow run amber-otter (0123abcd)\nid 01a207f4-1588-783b-a7ab-71a00123abcd", "flow run a-b (aaaaaaaa)\nid 01a207f4-1588-783b-a7ab-71a0bbbbbbbb", false},
		{"amber-otter Completed", "amber-otter Failed", false},
		{"a  b", "a      b", true},
		{"a\n…\nd", "a\nb\nc\nd", true},
		{"a\n…\nd", "a\nb\nc", false},
		{"a", "a\nb", false},
		{"", "a", false},
		{"hello …", "hello you", true},
		{"exit code 0", "exit code 1", false},
	} {
		s := &session{real: map[string]string{}}
		shown := strings.Split(c.shown, "\n")
		if c.shown == "" {
			shown = nil
		}
		if got := s.matches(shown, strings.Split(c.printed, "\n")); got != c.want {
			t.Errorf("%q shown for %q: %v", c.shown, c.printed, got)
		}
	}
}

// TestTheReadmeNamesEveryCommand holds the table of commands to the program's
// own help, both ways.
func TestTheReadmeNamesEveryCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip(windowsSkip)
	}
	binary := filepath.Join(build(t), "runnel")
	row := regexp.MustCompile("^\\| `runnel ([a-z -]+)")
	documented := map[string]bool{}
	for _, line := range linesOf(t, "../README.md") {
		if found := row.FindStringSubmatch(line); found != nil {
			group, verbs, _ := strings.Cut(strings.TrimSpace(found[1]), " ")
			documented[strings.TrimSpace(group+" "+verbs)] = true
			// `runnel flow-run ls`, `inspect`, `logs`: the further verbs of a group.
			first, _, _ := strings.Cut(line[1:], "|")
			for _, verb := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(first, -1) {
				documented[group+" "+verb[1]] = true
			}
		}
	}
	real := commandsOf(t, binary)
	for command := range real {
		if !documented[command] {
			t.Errorf("the README's table lacks: runnel %s", command)
		}
	}
	for command := range documented {
		if !real[command] {
			t.Errorf("the README's table has what there is not: runnel %s", command)
		}
	}
}

// commandsOf walks the help for all commands that are no groups.
func commandsOf(t *testing.T, binary string, path ...string) map[string]bool {
	t.Helper()
	out, err := exec.Command(binary, append(slices.Clone(path), "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	if len(path) > 0 && !bytes.Contains(out, []byte("\nCommands:\n")) {
		all[strings.Join(path, " ")] = true
		return all
	}
	for line := range strings.Lines(string(out)) {
		if found := regexp.MustCompile(`^  ([a-z][a-z-]*)  `).FindStringSubmatch(line); found != nil {
			for command := range commandsOf(t, binary, append(slices.Clone(path), found[1])...) {
				all[command] = true
			}
		}
	}
	return all
}
