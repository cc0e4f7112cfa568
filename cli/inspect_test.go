package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"runnel/store"
)

// retried is a run that failed in each of its attempts, with all that an
// inspection can have.
func retried(attempts int) inspection {
	start := time.Date(2026, 12, 1, 3, 0, 0, 0, time.Local)
	deployment, message := "load-orders/nightly", "FileNotFoundError: [Errno 2] No such file or directory: 'orders.csv'"
	failed, slug := store.Failed, "cron-0-3"
	ended := store.State{Type: failed, Name: "Failed", Message: message, Timestamp: start}
	i := inspection{Run: store.Run{
		ID: store.NewID(), Name: "indigo-mink", Deployment: &deployment, WorkPoolName: "etl", WorkQueueName: "default",
		WorkerName: "vm-23386", ExpectedStartTime: start, ScheduledFor: &start, ScheduleSlug: &slug, Created: start.Add(-time.Hour), JobVariables: store.Values{},
	}}
	i.ParametersFrom = []store.Parameter{
		{Name: "source", Value: json.RawMessage(`"orders.csv"`), From: "schedule"},
		{Name: "top", Value: json.RawMessage(`10`), From: store.FromDefault},
		{Name: "mode", Value: json.RawMessage(`"fast"`), From: store.FromDefault},
	}
	i.History = []store.Event{{Time: start, State: store.Scheduled, Name: "Scheduled", Who: "worker vm-23386"}}
	for n := range attempts {
		end, one := start.Add(time.Duration(n+1)*time.Second), 1
		i.Attempts = append(i.Attempts, store.Attempt{
			Attempt: n + 1, StartTime: end.Add(-time.Second), EndTime: &end, StateName: &ended.Name, ExitCode: &one,
			Log: fmt.Sprintf("2026-12-01/run.%d.log", n+1),
			Code: &store.Code{
				Content: strings.Repeat("40a84cec", 8), Folder: "/home/you/report",
				Commit: strings.Repeat("40a84cec", 5), Branch: "main", Interpreter: "/home/you/report/.venv/bin/python3", PythonVersion: "3.11.7",
			},
		})
		i.History = append(i.History,
			store.Event{Time: end.Add(-time.Second), State: store.Pending, Name: "Pending", Who: "worker vm-23386"},
			store.Event{Time: end.Add(-time.Second), State: store.Running, Name: "Running", Who: "worker vm-23386"})
		if n+1 < attempts {
			i.History = append(i.History, store.Event{
				Time: end, State: store.Scheduled, Name: store.NameAwaitingRetry, Who: "worker vm-23386",
				Message: fmt.Sprintf("retry %d of %d, after: %s", n+1, attempts-1, message),
			})
			continue
		}
		i.History = append(i.History, store.Event{Time: end, State: failed, Name: "Failed", Who: "worker vm-23386", Message: message})
		ended.Timestamp = end
	}
	i.State, i.Code = ended, i.Attempts[attempts-1].Code
	i.LogTail = []string{
		"03:00:03.201 | INFO    | Flow run 'indigo-mink' - loads the night",
		"03:00:03.202 | INFO    | Flow run 'indigo-mink' - reading orders.csv",
		"Traceback (most recent call last):",
		`  File "/home/you/report/etl.py", line 14, in load_orders`,
		"    with open(source) as f:",
		"         ^^^^^^^^^^^^",
		message,
	}
	return i
}

// shownInspection is what inspect prints on a screen of 80 columns.
func shownInspection(i inspection, terminal, brief bool, height int) string {
	return inspectionOn(i, terminal, brief, 80, height)
}

func inspectionOn(i inspection, terminal, brief bool, width, height int) string {
	var out bytes.Buffer
	a := &app{ctx: context.Background(), IO: &IO{
		Out: &out, Err: &out, OutTerminal: terminal, Width: width, Height: height,
		Env: func(string) string { return "dumb" }, Clock: func() time.Time { return i.State.Timestamp.Add(5 * time.Hour) },
	}}
	a.showInspection(store.New("runnel.db"), i, brief)
	return out.String()
}

// TestInspectFitsAScreen of 80 by 24 with the line that is typed next, however
// often the run was retried; a higher one has more of the log.
func TestInspectFitsAScreen(t *testing.T) {
	for _, attempts := range []int{1, 2, 3, 4, 30} {
		shown := shownInspection(retried(attempts), true, true, 24)
		lines := strings.Split(strings.TrimSuffix(shown, "\n"), "\n")
		if len(lines) > 23 {
			t.Errorf("%d attempts: %d lines\n%s", attempts, len(lines), shown)
		}
		for _, line := range lines {
			if width := ansi.StringWidth(line); width > 80 {
				t.Errorf("%d attempts: %d columns: %s", attempts, width, line)
			}
		}
		for _, want := range []string{
			"indigo-mink", "load-orders/nightly", "Failed since", "FileNotFoundError", "by the schedule cron-0-3",
			fmt.Sprintf("attempt %d", attempts), "exit code 1", "Scheduled", "\n  FileNotFoundError",
		} {
			if !strings.Contains(shown, want) {
				t.Errorf("%d attempts: no %q\n%s", attempts, want, shown)
			}
		}
	}
	if shown := shownInspection(retried(4), true, true, 40); !strings.Contains(shown, "loads the night\n") {
		t.Errorf("a higher screen shows no more of the log\n%s", shown)
	}
}

// TestInspectOfMuchFitsAScreen, whatever a run has: long messages, each layer of
// parameters, tags, variables, hooks, a history of days, and a state that goes on.
func TestInspectOfMuchFitsAScreen(t *testing.T) {
	much := func(attempts int) inspection {
		i := retried(attempts)
		i.Tags = []string{"night", "finance", strings.Repeat("a tag that is long ", 8)}
		i.JobVariables = store.Values{"env": json.RawMessage(`{"REGION":"` + strings.Repeat("eu-west-1 ", 12) + `"}`)}
		i.ParametersFrom = append(i.ParametersFrom,
			store.Parameter{Name: "mode", Value: json.RawMessage(`"` + strings.Repeat("full ", 30) + `"`), From: "run"},
			store.Parameter{Name: "region", Value: json.RawMessage(`"emea"`), From: "deployment"})
		for n := range i.History {
			i.History[n].Time = i.History[n].Time.Add(time.Duration(n) * 20 * time.Hour)
		}
		for n, hook := range []string{"on_failure of the deployment: done", "on_failure of the work pool: could not start: no program"} {
			i.History = append(i.History, store.Event{
				Time: i.History[len(i.History)-1].Time.Add(time.Duration(n) * 24 * time.Hour), State: i.State.Type, Name: i.State.Name,
				Who: store.HookWho, Message: hook,
			})
		}
		return i
	}
	failed := much(4)
	failed.State.Message = strings.Repeat("no such file, ", 30)
	completed := much(4)
	completed.State.Type, completed.State.Name, completed.State.Message = store.Completed, "Completed", ""
	completed.Result = json.RawMessage(`{"rows":"` + strings.Repeat("1234 ", 40) + `"}`)
	running := much(4)
	running.State.Type, running.State.Name, running.State.Message = store.Running, "Running", ""
	running.Why = "Running for 2m 03s, processes 1740 1741 1742 1743 1744 and 4 more, in slot process 1728 on vm; " +
		"its process 1740 was stopped (SIGSTOP): kill -CONT 1740 lets it go on"
	waiting := much(4)
	waiting.State.Type, waiting.State.Name, waiting.State.Message = store.Scheduled, store.NameAwaitingRetry, "retry 4 of 9, after: no such file"
	waiting.Why = `the work queue "default" is paused: runnel work-queue resume etl/default; and no worker polls it: runnel worker start --pool etl; 1h 20m late`
	for name, i := range map[string]inspection{"failed": failed, "completed": completed, "running": running, "waiting": waiting} {
		shown := shownInspection(i, true, true, 24)
		if n := strings.Count(shown, "\n"); n > 23 {
			t.Errorf("%s: %d lines\n%s", name, n, shown)
		}
		for line := range strings.Lines(shown) {
			if width := ansi.StringWidth(line); width > 80 {
				t.Errorf("%s: %d columns: %s", name, width, line)
			}
		}
		for _, want := range []string{
			"indigo-mink", i.State.Name + " since", "source = ", "tags ", "job variables ", "etl/default", "cron-0-3", "attempt 4", "Scheduled", "more: --wide", "\n  FileNotFoundError",
		} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: no %q\n%s", name, want, shown)
			}
		}
		why := strings.Fields(i.Why)
		for _, word := range why {
			if !strings.Contains(shown, word) {
				t.Errorf("%s: of why it says no %q\n%s", name, word, shown)
			}
		}
	}
}

// TestInspectShowsWhatWasGiven before the defaults, which may fill the room.
func TestInspectShowsWhatWasGiven(t *testing.T) {
	i := retried(2)
	i.ParametersFrom = []store.Parameter{
		{Name: "long", Value: json.RawMessage(`"` + strings.Repeat("default ", 20) + `"`), From: store.FromDefault},
		{Name: "top", Value: json.RawMessage(`4`), From: "deployment"},
		{Name: "mode", Value: json.RawMessage(`"full"`), From: "run"},
	}
	shown := shownInspection(i, true, true, 24)
	for _, want := range []string{"top = 4 (deployment)", `mode = "full" (run)`} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %s\n%s", want, shown)
		}
	}
}

// TestInspectOnANarrowTerminal has little room, and says what it has room for.
func TestInspectOnANarrowTerminal(t *testing.T) {
	i := retried(4)
	i.JobVariables = store.Values{"env": json.RawMessage(`{"A":"b"}`)}
	for _, width := range []int{1, 2, 15, 16, 17, 30} {
		if shown := inspectionOn(i, true, true, width, 24); !strings.Contains(shown, "attempt 4") {
			t.Errorf("%d columns: %s", width, shown)
		}
	}
}

// TestInspectWideLeavesNothingOut, and neither does what is no terminal.
func TestInspectWideLeavesNothingOut(t *testing.T) {
	i := retried(4)
	for _, terminal := range []bool{true, false} {
		shown := shownInspection(i, terminal, false, 24)
		for _, want := range []string{"attempt 1 ", "attempt 2 ", "attempt 3 ", "attempt 4 ", "retry 1 of 3", "retry 3 of 3", "run.4.log", "loads the night\n", i.ID.String()} {
			if !strings.Contains(shown, want) {
				t.Errorf("terminal %v: no %q\n%s", terminal, want, shown)
			}
		}
	}
}

// TestInspectSaysWhyOnce: the message of a run that awaits its retry is in why.
func TestInspectSaysWhyOnce(t *testing.T) {
	i := retried(1)
	i.State = store.State{Type: store.Scheduled, Name: store.NameAwaitingRetry, Message: "retry 1 of 2, after: no such file", Timestamp: i.State.Timestamp}
	i.Why = "waits for its time; " + i.State.Message
	if shown := shownInspection(i, true, true, 24); strings.Count(shown, "retry 1 of 2") != 1 {
		t.Errorf("not once\n%s", shown)
	}
	i.Why = "waits for its time"
	if shown := shownInspection(i, true, true, 24); strings.Count(shown, "retry 1 of 2") != 1 {
		t.Errorf("not where only the message has it\n%s", shown)
	}
}

// TestInspectOnAScreen is what a person sees of a run that was retried.
func TestInspectOnAScreen(t *testing.T) {
	i := retried(4)
	i.ID, _ = store.ParseID("01a209ae-448e-73a8-be87-38671ca3b8ae")
	golden := filepath.Join("..", "testdata", "screens", "inspect_retried.golden")
	got := shownInspection(i, true, true, 24)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	const page = "../docs/finding.md"
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "\n```text\n"+got+"```\n") {
		t.Errorf("%s does not show it: %v", page, err)
	}
}
