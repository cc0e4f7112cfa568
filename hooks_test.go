package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// standIn is a machine's mail and the services that the recipes speak to. They
// refuse what the real ones would.
type standIn struct {
	mu  sync.Mutex
	got []string
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var slack struct{ Text string }
	var run struct{ State, History json.RawMessage }
	text := ""
	switch r.URL.Path {
	case "/slack":
		if r.Header.Get("Content-Type") == "application/json" && json.Unmarshal(body, &slack) == nil {
			text = slack.Text
		}
	case "/ntfy":
		if title := r.Header.Get("Title"); title != "" {
			text = title + ": " + string(body)
		}
	case "/json":
		if json.Unmarshal(body, &run) == nil && len(run.State) > 0 && len(run.History) > 0 {
			text = string(run.State)
		}
	}
	if text == "" || r.Method != http.MethodPost {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, text)
	_, _ = fmt.Fprintln(w, "ok")
}

func (s *standIn) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) == 0 {
		return ""
	}
	return s.got[len(s.got)-1]
}

// sendmail takes a message as the real one does: headers, an empty line, text.
const sendmail = `#!/bin/sh
[ "$1" = me@example.org ] || exit 64
cat >"$HOME/mail"
grep -q '^To: me@example.org$' "$HOME/mail" && grep -q '^Subject: .' "$HOME/mail" && grep -q '^$' "$HOME/mail"
`

// TestRecipes deploys every project file of docs/hooks.md as it stands there, in
// the example project, lets a run fail, and looks at what was told to whom.
func TestRecipes(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl on PATH")
	}
	page, err := os.ReadFile("docs/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	services := &standIn{}
	server := httptest.NewServer(services)
	defer server.Close()
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	wants := []string{"mail", "slack", "ntfy", "json"}
	if len(recipes) != len(wants) {
		t.Fatalf("the page has %d recipes, want %d", len(recipes), len(wants))
	}
	folder := exampleFolder(t)
	project := filepath.Join(folder, "report")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(folder, "bin", "sendmail"), []byte(sendmail), 0o700))
	// A copy, not a link: RUNNEL_BIN is the file that a link leads to.
	must(os.Remove(filepath.Join(folder, "bin", "runnel")))
	must(exec.Command("cp", os.Args[0], filepath.Join(folder, "bin", "runnel")).Run())
	must(os.Mkdir(filepath.Join(folder, ".home"), 0o700))
	must(os.WriteFile(filepath.Join(project, "flows", "archive.sh"), []byte("#!/bin/sh\n# /// flow\n# name: archive-report\n# ///\nexit 3\n"), 0o700))
	shell := func(line string) string {
		t.Helper()
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = project
		for name, value := range scriptEnv(folder, filepath.Join(folder, "bin")+":"+os.Getenv("PATH"), findPython()) {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		cmd.Env = append(cmd.Env, "PATH="+filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	shell("printf %s " + server.URL + "/slack | runnel variable set slack_url - --secret")
	shell("runnel variable set ntfy_url " + server.URL + "/ntfy; runnel variable set hook_url " + server.URL + "/json")
	for i, recipe := range recipes {
		must(os.WriteFile(filepath.Join(project, "runnel.yaml"), []byte(recipe[1]), 0o600))
		shell("runnel deploy --all --create-pools")
		shell("runnel run archive-report/nightly --name " + wants[i])
		shell("runnel worker start -p default --run-once")
		var told string
		for deadline := time.Now().Add(scriptWait); told == "" && time.Now().Before(deadline); time.Sleep(scriptLook) {
			told = strings.TrimSpace(shell("runnel flow-run inspect " + wants[i] + ` --jq '.history[] | select(.who == "hook") | .message'`))
		}
		if !strings.Contains(told, "on_failure of the deployment: done in ") {
			t.Errorf("%s: the history says %q", wants[i], told)
			continue
		}
		got := services.last()
		if wants[i] == "mail" {
			mail, err := os.ReadFile(filepath.Join(folder, ".home", "mail"))
			must(err)
			got = string(mail)
		}
		for _, word := range []string{"Failed", "exited with 3"} {
			if !strings.Contains(got, word) {
				t.Errorf("%s was told %q, without %q", wants[i], got, word)
			}
		}
	}
}
