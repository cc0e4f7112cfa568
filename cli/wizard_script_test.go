package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// said is what a script's person answers to the question with this title: the
// value or a part of the text of a row, a text, "" for Enter alone, back or leave.
type said struct{ title, answer string }

const (
	back  = "\x00back"
	leave = "\x00leave"
)

// script is the prompter of tests.
type script struct {
	t     *testing.T
	out   io.Writer // what is printed above a question
	says  []said
	asked []question
}

func (s *script) ask(q question) (string, error) {
	s.t.Helper()
	if len(s.asked) == len(s.says) {
		s.t.Fatalf("one question more: %q %q", q.title, q.notes)
	}
	now := s.says[len(s.asked)]
	s.asked = append(s.asked, q)
	if q.above != "" {
		_, _ = fmt.Fprintln(s.out, q.above)
	}
	if !strings.Contains(q.title, now.title) {
		s.t.Fatalf("question %d is %q, not %q", len(s.asked), q.title, now.title)
	}
	switch {
	case now.answer == back:
		return "", errBack
	case now.answer == leave:
		return "", errLeft
	case q.rows != nil:
		return s.choose(q, now.answer), nil
	case now.answer == "":
		now.answer = q.value
	}
	if _, err := q.judge(now.answer); err != nil {
		s.t.Fatalf("%s: %v", q.title, err)
	}
	return now.answer, nil
}

func (s *script) choose(q question, answer string) string {
	s.t.Helper()
	if answer == "" {
		return q.rows[q.place()].value
	}
	for _, match := range []func(r row) bool{
		func(r row) bool { return r.value == answer },
		func(r row) bool { return strings.Contains(r.text, answer) },
	} {
		if i := slices.IndexFunc(q.rows, match); i >= 0 {
			return q.rows[i].value
		}
	}
	s.t.Fatalf("%s has no row %q: %v", q.title, answer, q.rows)
	return ""
}

// desk is a folder with flows, a home, and where the output goes.
type desk struct {
	t        *testing.T
	dir      string
	out, err bytes.Buffer
	env      map[string]string
}

const deskFlows = `from prefect import flow

@flow
def plain():
    """Does nothing."""

@flow(name="Load all")
def load(table: str, top: int = 3, mode: str = "full"):
    """Loads a table."""

if __name__ == "__main__":
    load.serve(name="from-serve")
`

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: t.TempDir(), env: map[string]string{"HOME": t.TempDir(), "TZ": "Europe/Berlin", "PATH": os.Getenv("PATH")}}
	d.write("flows.py", deskFlows)
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) io() *IO {
	return &IO{
		In: strings.NewReader(""), Out: &d.out, Err: &d.err, Width: 80, Dir: d.dir,
		Env: func(name string) string { return d.env[name] }, Clock: time.Now,
	}
}

func (d *desk) database() string { return filepath.Join(d.env["HOME"], "runnel.db") }

// wizard runs the wizard with the answers of a script.
func (d *desk) wizard(c deployCmd, says ...said) (*script, error) {
	d.t.Helper()
	c.Output = "table"
	s := &script{t: d.t, out: &d.err, says: says}
	a := &app{IO: d.io(), ctx: d.t.Context(), path: d.database()}
	err := c.wizard(a, s)
	d.t.Cleanup(func() { // the questions' checks still look into it
		if a.opened != nil {
			_ = a.opened.Close()
		}
	})
	if len(s.asked) != len(says) {
		d.t.Fatalf("%d questions, not %d: %v\n%s", len(s.asked), len(says), err, d.err.String())
	}
	return s, err
}

// run is a command line, which must end with 0.
func (d *desk) run(database string, args ...string) string {
	d.t.Helper()
	d.out.Reset()
	d.err.Reset()
	if code := Main(d.io(), append([]string{"--db", database}, args...)); code != 0 {
		d.t.Fatalf("%q ends with %d: %s", args, code, d.err.String())
	}
	return d.out.String()
}

// deployments are all of a database as JSON, without what differs each time.
func (d *desk) deployments(database string) string {
	d.t.Helper()
	var all []map[string]any
	for name := range strings.Lines(d.run(database, "deployment", "ls", "-o", "name")) {
		var one map[string]any
		if err := json.Unmarshal([]byte(d.run(database, "deployment", "inspect", strings.TrimSpace(name), "-o", "json")), &one); err != nil {
			d.t.Fatal(err)
		}
		all = append(all, one)
	}
	forget(all)
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func forget(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range []string{"id", "flow_id", "deployment_id", "created", "updated"} {
			delete(v, name)
		}
		for _, inner := range v {
			forget(inner)
		}
	case []map[string]any:
		for _, inner := range v {
			forget(inner)
		}
	case []any:
		for _, inner := range v {
			forget(inner)
		}
	}
}

// printedLine is the command that the wizard printed, as a shell reads it.
func (d *desk) printedLine() []string {
	d.t.Helper()
	_, after, found := strings.Cut(d.err.String(), "the same without questions: ")
	line, _, _ := strings.Cut(after, "\n")
	if !found {
		d.t.Fatalf("no line was printed:\n%s", d.err.String())
	}
	out, err := exec.Command("sh", "-c", "printf '%s\\0' "+line).Output()
	if err != nil {
		d.t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")[1:]
}
