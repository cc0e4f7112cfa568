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
)

// wizardEnv is a person's environment: a home, a database, no CI.
func wizardEnv(folder string, more ...string) (env []string) {
	for name, value := range scriptEnv(folder, os.Getenv("PATH"), findPython()) {
		if name != "NO_COLOR" && name != "COLUMNS" && name != "RUNNEL_DB" {
			env = append(env, name+"="+value)
		}
	}
	return append(append(env, "TZ=Europe/Berlin", "RUNNEL_DB="+filepath.Join(folder, "runnel.db")), more...)
}

// TestWizardInATerminal goes the shortest way, with a schedule, and holds three
// of its screens to docs/wizard.md. -update writes them into the page.
func TestWizardInATerminal(t *testing.T) {
	folder := exampleFolder(t)
	report := filepath.Join(folder, "report")
	pool := openTerminal(t, report, 80, 24, wizardEnv(folder), "work-pool", "create", "my-process-pool")
	pool.ends(0)

	x := openTerminal(t, report, 80, 24, wizardEnv(folder), "deploy")
	screens := []string{x.wait("Which flow do you want", "type to filter", "folder-report", "Type an entrypoint", "esc: leave")}
	x.press(down, enter)
	x.wait("folder-report/default is new")
	x.press(ctrlU, "nightly", enter)
	x.wait("Run it on a schedule?", "y or n")
	x.press("y", enter)
	x.wait("Which kind of schedule?", "type to filter")
	x.press(down, enter)
	x.wait("In which time zone?", "> Europe/Berlin (this machine's)")
	x.press(enter)
	x.wait("cron expression?", "> 0 6 * * *")
	x.press(ctrlU, "30 6 * * 1-5")
	screen := x.wait("> 30 6 * * 1-5", "06:30:00", "esc: leave")
	screens = append(screens, from(t, screen, "When, as"))
	x.press(enter)
	x.wait("active at once?", "y or n")
	x.press(enter)
	x.wait("Which parameters differ in its runs?", "None")
	x.press(enter)
	x.wait("Another schedule?", "y or n")
	x.press(enter)
	x.wait("Which work pool?", "my-process-pool       process  NOT READY  0 workers online", "Create a new pool")
	x.press(enter)
	x.wait("Which parameters get other values?", "> None: leave the defaults")
	x.press(enter)
	x.wait("Save it to a new runnel.yaml?", "y or n")
	x.press(enter)
	screen = x.wait("Deploy this?", "> Yes", "esc: leave")
	screens = append(screens, from(t, screen, "+ folder-report/nightly"))
	x.press(enter)
	x.ends(0)
	x.wait("deployed folder-report/nightly", "the same without questions: runnel deploy flows/report.py:folder_report -n nigh",
		`no worker polls "my-process-pool"; start one: runnel worker start --pool`, "run it: runnel run folder-report/nightly")
	holdScreens(t, "docs/wizard.md", screens)
	plainColours(t, x.raw.String())
}

var graphics = regexp.MustCompile(`\x1b\[([0-9;:]*)m`)

// plainColours holds that a screen reads on a light ground as on a dark one:
// bold, faint and reversed text, and of colours the terminal's own red, green and
// yellow, in which no more than a sign is written.
func plainColours(t *testing.T, raw string) {
	t.Helper()
	for _, found := range graphics.FindAllStringSubmatch(raw, -1) {
		for code := range strings.SplitSeq(found[1], ";") {
			if !slices.Contains([]string{"", "0", "1", "2", "7", "22", "27", "31", "32", "33"}, code) {
				t.Errorf("graphics %q in %q", found[0], raw[max(0, strings.Index(raw, found[0])-120):min(len(raw), strings.Index(raw, found[0])+80)])
			}
		}
	}
}

var weekday = regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) `)

// holdScreens compares the blocks of a page that are marked screen.
func holdScreens(t *testing.T, page string, screens []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(screen string) string { return alike(weekday.ReplaceAllString(screen, "DAY ")) }
	parts := strings.Split(string(text), "```screen\n")
	if len(parts) != len(screens)+1 {
		t.Fatalf("%s shows %d screens, not %d", page, len(parts)-1, len(screens))
	}
	for i, screen := range screens {
		shown, rest, _ := strings.Cut(parts[i+1], "```")
		if plain(shown) == plain(screen) {
			continue
		}
		if parts[i+1] = screen + "```" + rest; !*update {
			t.Errorf("%s shows\n%s\nand this came out\n%s", page, shown, screen)
		}
	}
	if *update {
		if err := os.WriteFile(page, []byte(strings.Join(parts, "```screen\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWizardKeys counts them: at most eight and the name, in a checkout with a
// remote, where there is most to ask.
func TestWizardKeys(t *testing.T) {
	folder := exampleFolder(t)
	report := filepath.Join(folder, "report")
	inGit(t, report, "init", "-q", "-b", "main")
	inGit(t, report, "add", ".")
	inGit(t, report, "commit", "-qm", "first")
	inGit(t, report, "remote", "add", "origin", "https://git.example/report.git")
	x := openTerminal(t, report, 80, 24, wizardEnv(folder), "deploy")
	keys := 0
	for _, title := range []string{
		"Which flow", "Name of the deployment", "on a schedule?", "Name of the new work pool", "its git remote?",
		"Which parameters get other values?", "Save it", "Deploy this?",
	} {
		x.wait(title, "esc: leave")
		if title == "Name of the deployment" {
			x.press("nightly") // in place of the default
			x.wait("archive-report/nightly is new")
		}
		x.press(enter)
		x.wait(title)
		keys++
	}
	x.ends(0)
	x.wait("deployed archive-report/nightly")
	if keys > 8 {
		t.Errorf("%d keys", keys)
	}
}

// TestWizardMistakes: an error where it is typed, the way back, and out.
func TestWizardMistakes(t *testing.T) {
	folder := exampleFolder(t)
	report := filepath.Join(folder, "report")
	for _, out := range []string{ctrlC, escape} {
		x := openTerminal(t, report, 80, 24, wizardEnv(folder), "deploy")
		x.wait("Which flow", "folder-report")
		x.press("zzz")
		x.wait("nothing matches")
		x.press(enter)
		x.press(ctrlU, "folder")
		x.wait("> folder-report")
		x.press(enter)
		x.wait("folder-report/default is new")
		x.press(ctrlU, "a/b")
		x.wait(`"a/b" cannot name a deployment`)
		x.press(enter)
		x.press(ctrlU, "weekly")
		x.wait("folder-report/weekly is new")
		x.press(enter)
		x.wait("Run it on a schedule?", "y or n")
		x.press(shiftTab)
		cleared(t, x.wait("> weekly", "folder-report/weekly is new", "esc: leave"), "Name of the deployment", "Run it on")
		x.press(shiftTab)
		cleared(t, x.wait("Which flow", "type to filter", "> folder-report", "esc: leave"), "Which flow", "Name of the deployment")
		x.press(out)
		x.ends(130)
		x.wait("left; nothing was changed")
		if _, err := os.Stat(filepath.Join(folder, "runnel.db")); err == nil {
			t.Fatal("there is a database")
		}
	}
}

// cleared holds that a screen asks one question, once, and nothing is left of
// the one that came after it.
func cleared(t *testing.T, screen, asked, left string) {
	t.Helper()
	if strings.Count(screen, asked) != 1 || strings.Contains(screen, left) {
		t.Errorf("going back to %q leaves\n%s", asked, screen)
	}
}

// TestWizardBackFromThePlan: going back takes the plan away with its question.
func TestWizardBackFromThePlan(t *testing.T) {
	folder := exampleFolder(t)
	x := openTerminal(t, filepath.Join(folder, "report"), 80, 30, wizardEnv(folder), "deploy", "flows/report.py:folder_report", "-p", "p", "--create-pools", "--no-schedule", "--no-save")
	x.wait("Name of the deployment", "esc: leave")
	x.press("x", enter)
	x.wait("Which parameters get other values?", "esc: leave")
	x.press(enter)
	x.wait("+ folder-report/x", "Deploy this?", "esc: leave")
	x.press(shiftTab)
	screen := x.wait("Which parameters get other values?", "esc: leave", "> None: leave")
	cleared(t, screen, "Which parameters get other values?", "Deploy this?")
	cleared(t, screen, "Name of the deployment x", "+ folder-report")
	x.press(escape)
	x.ends(130)
}

// TestWizardBackThroughAll: each question leads to the one before it, those of a
// schedule and of a parameter too, and takes its answer from the screen.
func TestWizardBackThroughAll(t *testing.T) {
	folder := exampleFolder(t)
	x := openTerminal(t, filepath.Join(folder, "report"), 80, 40, wizardEnv(folder), "deploy", "flows/report.py:folder_report", "-p", "p", "--create-pools", "--no-save")
	steps := []struct{ title, answer string }{
		{"Name of the deployment", "x"},
		{"Run it on a schedule?", "y"},
		{"Which kind of schedule?", "int"},
		{"In which time zone?", "utc"},
		{"How often?", "15m"},
		{"Is the schedule active at once?", "n"},
		{"Which parameters differ in its runs?", "top"},
		{"Value of top in this schedule's runs", "4"},
		{"Which parameters differ in its runs?", "done"},
		{"Another schedule?", "n"},
		{"Which parameters get other values?", "top"},
		{"Value of top", "5"},
		{"Which parameters get other values?", "done"},
		{"Deploy this?", ""},
	}
	asked := func(i int) (screen string) {
		screen = x.wait(steps[i].title+"\n", "esc: leave")
		if i == len(steps)-1 {
			return screen // the plan stands above it
		}
		above, _, _ := strings.Cut("\n"+screen, "\n"+steps[i].title+"\n")
		lines := strings.Split(above, "\n")[1:]
		for n, line := range lines { // those that the list of zones has left
			if before := steps[i-len(lines)+n].title; !strings.HasPrefix(line, before+" ") {
				t.Errorf("before %q there is %q, not the answer to %q", steps[i].title, line, before)
			}
		}
		return screen
	}
	asked(0)
	for i, step := range steps[:len(steps)-1] {
		x.press(step.answer, enter)
		asked(i + 1)
	}
	for i := len(steps) - 2; i >= 0; i-- {
		x.press(shiftTab)
		cleared(t, asked(i), "esc: leave", steps[i+1].title+"\n")
	}
	x.press(escape)
	x.ends(130)
}

// TestWizardTypedAhead: keys that come before their question are for it, those
// after a refused answer for the one that refused it; Enter in a paste is text.
func TestWizardTypedAhead(t *testing.T) {
	folder := exampleFolder(t)
	for _, keys := range []string{
		"folder\r" + "at night\r" + "\r" + "\r" + "\r" + "\r" + "y\r",
		"folder\n" + "day\n" + "y\n" + shiftTab + shiftTab + "at night\n" + "n\n\n\n\ny\n",
		"folder…\r" + "a/b\r" + strings.Repeat("\x7f", 3) + "\x1b[200~at\rnight\x1b[201~\r" + "\r\r\r\r\r",
	} {
		x := openTerminal(t, filepath.Join(folder, "report"), 80, 24, wizardEnv(folder), "deploy")
		first, rest, waits := strings.Cut(keys, "…")
		x.press(first)
		if waits { // while no question has the terminal, it edits the line itself
			x.wait("> folder-report")
			x.press(rest)
		}
		x.ends(0)
		x.wait("run it: runnel run 'folder-report/at night'")
	}
}

// TestWizardNarrow: a narrow and low terminal shows whole lines of all that
// matters.
func TestWizardNarrow(t *testing.T) {
	folder := exampleFolder(t)
	x := openTerminal(t, filepath.Join(folder, "report"), 40, 12, wizardEnv(folder), "deploy")
	for _, line := range strings.Split(x.wait("Which flow do you want to deploy?", "> archive-report", "esc leave"), "\n") {
		if len([]rune(line)) > 40 {
			t.Errorf("too long: %q", line)
		}
	}
	x.press(enter)
	x.wait("Name of the deployment", "default is new", "esc leave")
	x.press(enter)
	x.wait("Run it on a schedule?")
	x.press("y", enter)
	x.wait("Which kind", "> Interval")
	x.press(enter)
	x.wait("In which time zone?", "(this machine's)", "Africa/Accra", "esc leave")
	x.press("tokyo")
	x.wait("> Asia/Tokyo")
	x.press(enter)
	x.wait("How often?", "JST", "esc leave")
	x.press(ctrlC)
	x.ends(130)
}

// TestWizardManyFlows: 500 flows, found by what is typed.
func TestWizardManyFlows(t *testing.T) {
	folder := t.TempDir()
	for file := range 25 {
		text := "from prefect import flow\n"
		for i := range 20 {
			text += fmt.Sprintf("\n@flow\ndef job_%03d():\n    \"\"\"Does the work of shard %d.\"\"\"\n", file*20+i, file*20+i)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("jobs_%02d.py", file)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	x := openTerminal(t, folder, 80, 24, wizardEnv(folder), "deploy")
	x.wait("type to filter 501 rows", "jobs_00.py", "> job-000", "esc: leave")
	x.press("shard 437")
	x.wait("jobs_21.py", "> job-437                   job_437               Does the work of shard 437.")
	x.press(ctrlU, "jobs_24 9")
	x.wait("> job-489", "  job-499")
	x.press(up)
	x.wait("> job-499")
	x.press(enter)
	x.wait("Its full name is then job-499/NAME.", "is new")
	x.press(ctrlC)
	x.ends(130)
}

// TestWizardAccessible asks line by line, and draws nothing again.
func TestWizardAccessible(t *testing.T) {
	folder := exampleFolder(t)
	x := openTerminal(t, filepath.Join(folder, "report"), 80, 40, wizardEnv(folder, "ACCESSIBLE=1", "NO_COLOR=1"), "deploy")
	x.wait("Which flow", "flows/report.py", "2. folder-report, folder_report, Reports on", "3. Type an entrypoint", "Number, or part of the text [1]:")
	x.press("folder", enter)
	x.wait("Answer [default]:\n")
	x.press("a/b", enter)
	x.wait(`"a/b" cannot name a deployment`, "Answer [default]:\n")
	x.press("<", enter)
	x.wait("Number, or part of the text [2]:\n")
	x.press(enter)
	x.wait("Answer [default]:\n")
	x.press("weekly", enter)
	x.wait("Run it on a schedule?", "2. No: it runs when you say so\nNumber, or part of the text [2]:\n")
	x.press(ctrlC)
	x.ends(130)
	if strings.Contains(x.raw.String(), "\x1b") {
		t.Errorf("escape sequences: %q", x.raw.String())
	}
	// Ctrl-C counts whenever it comes.
	x = openTerminal(t, filepath.Join(folder, "report"), 80, 40, wizardEnv(folder, "ACCESSIBLE=1"), "deploy")
	x.wait("Number, or part of the text [1]:\n")
	x.press("folder", enter, ctrlC)
	x.ends(130)
}

// TestNobodyIsAsked: a line that says enough asks nothing in a terminal, and
// where questions are unwanted one error lists what is missing. Neither asks
// the terminal anything.
func TestNobodyIsAsked(t *testing.T) {
	folder := exampleFolder(t)
	report := filepath.Join(folder, "report")
	for _, c := range []struct {
		env  string
		code int
		args []string
		says []string
	}{
		{"", 0, []string{"deploy", "flows/report.py:folder_report", "-n", "x", "-p", "p", "--create-pools"}, []string{"+ folder-report/x"}},
		{"CI=true", 2, []string{"deploy"}, []string{"the entrypoint:", "-n NAME", "-p NAME"}},
		{"RUNNEL_NO_PROMPT=1", 2, []string{"deploy", "-p", "p"}, []string{"the entrypoint:", "-n NAME"}},
		{"", 2, []string{"deploy", "--no-prompt", "flows/report.py:folder_report"}, []string{"-n NAME", "-p NAME"}},
		{"", 2, []string{"--no-prompt", "deploy"}, []string{"the entrypoint:"}},
		{"RUNNEL_NO_PROMPT=", 0, []string{"version"}, nil},
	} {
		x := openTerminal(t, report, 80, 24, wizardEnv(folder, "NO_COLOR=1", c.env), c.args...)
		x.ends(c.code)
		x.wait(c.says...)
		if strings.Contains(x.raw.String(), "\x1b") {
			t.Errorf("%q writes escape sequences: %q", c.args, x.raw.String())
		}
	}
}

func inGit(t *testing.T, folder string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b.c", "-C", folder}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// from is a screen from a text on.
func from(t *testing.T, screen, text string) string {
	t.Helper()
	_, after, found := strings.Cut(screen, text)
	if !found {
		t.Fatalf("no %q in\n%s", text, screen)
	}
	return text + after
}
