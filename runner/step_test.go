//go:build unix

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runnel/store"
)

func TestScriptsAreSplitAsAShellSplits(t *testing.T) {
	for _, c := range []struct {
		script string
		want   [][]string
	}{
		{"", nil},
		{"# nothing\n\n", nil},
		{"echo a  b\r\nls", [][]string{{"echo", "a", "b"}, {"ls"}}},
		{`echo 'a b' "c d" e\ f ''`, [][]string{{"echo", "a b", "c d", "e f", ""}}},
		{"echo a \\\n  b", [][]string{{"echo", "a", "b"}}},
		{`echo "a\"b\$c\d" 'e\f'`, [][]string{{"echo", `a"b$c\d`, `e\f`}}},
		{"echo 'two\nlines' # and more\necho a#b", [][]string{{"echo", "two\nlines"}, {"echo", "a#b"}}},
		{"a && b | c", [][]string{{"a", "&&", "b", "|", "c"}}},
	} {
		got, err := splitScript(c.script)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %q, %v", c.script, got, err)
		}
	}
	for _, bad := range []string{"echo 'a", `echo "a`, `echo \`} {
		if got, err := splitScript(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// build runs steps that are given as JSON, in a folder.
func build(t *testing.T, ctx context.Context, folder, steps string, change func(*StepOptions)) (StepOutputs, string, error) {
	t.Helper()
	var list []store.Step
	if err := json.Unmarshal([]byte(steps), &list); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	o := StepOptions{Dir: folder, Env: os.Environ(), Stdout: &out, Stderr: &out}
	if change != nil {
		change(&o)
	}
	done, err := RunSteps(ctx, list, o)
	return done, out.String(), err
}

func TestRunStepsHandsOutputsOn(t *testing.T) {
	folder := t.TempDir()
	steps := `[
		{"name": "run_shell_script", "id": "tag", "arguments": {"script": "echo v1", "stream_output": false}},
		{"name": "run_shell_script", "id": "show", "arguments": {"script": "echo $A and ${B} $C; pwd >&2", "shell": true, "env": {"A": 1, "B": "two"}}},
		{"name": "run_shell_script", "arguments": {"script": "echo $A ${NONE} x", "expand_env_vars": true, "env": {"A": "1 2"}}}
	]`
	done, out, err := build(t, context.Background(), folder, steps, nil)
	if err != nil {
		t.Fatal(err)
	}
	if done.Step["tag"]["stdout"] != "v1" || done.Step["show"]["stdout"] != "1 and two" || done.Bare["stdout"] != "1 2 ${NONE} x" || done.Dir != "" {
		t.Errorf("outputs: %+v", done)
	}
	if done.Step["show"]["stderr"] != folder {
		t.Errorf("ran in %v", done.Step["show"]["stderr"])
	}
	if strings.Contains(out, "v1") || !strings.Contains(out, "1 and two\n") || !strings.Contains(out, "runnel: step 3 of 3: run_shell_script\n") {
		t.Errorf("printed %s", out)
	}
}

func TestRunStepsFillsAndHides(t *testing.T) {
	const secret = "hunter2-hunter2"
	steps := `[{"name": "run_shell_script", "id": "a", "arguments": {"script": "x"}}, {"name": "run_shell_script", "arguments": {"script": "x"}}]`
	var seen []string
	_, out, err := build(t, context.Background(), t.TempDir(), steps, func(o *StepOptions) {
		o.Fill = func(i int, done StepOutputs) (store.Step, []string, error) {
			seen = append(seen, fmt.Sprint(done.Bare["stdout"]))
			if i == 1 {
				return store.Step{}, nil, errors.New("it ends with " + secret)
			}
			script, _ := json.Marshal(`echo "$T"; echo done`)
			env, _ := json.Marshal(map[string]string{"T": secret})
			return store.Step{Name: "run_shell_script", Arguments: store.Values{"script": script, "env": env, "shell": []byte("true")}}, []string{secret}, nil
		}
	})
	var failed *StepError
	if !errors.As(err, &failed) || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "it ends with "+masked) {
		t.Errorf("error %v", err)
	}
	if strings.Contains(out, secret) || !strings.Contains(out, masked+"\n") || len(seen) != 2 || seen[1] != secret+"\ndone" {
		t.Errorf("printed %s, handed on %q", out, seen)
	}
}

func TestRunStepsStopsWithItsContext(t *testing.T) {
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan error, 1)
	go func() {
		_, _, err := build(t, ctx, folder, `[{"name": "run_shell_script", "arguments": {"script": "sh -c 'echo $$ >pid; exec sleep 1000'"}}]`, nil)
		stop <- err
	}()
	var pid []byte
	eventually(t, "the step to run", func() bool {
		pid, _ = os.ReadFile(filepath.Join(folder, "pid"))
		return len(pid) > 0
	})
	cancel()
	if err := <-stop; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped with %v", err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil || !errors.Is(unix.Kill(number, 0), unix.ESRCH) {
		t.Error("the step lives", err)
	}
}

func TestRunStepsRefusesWhatTemplatesBrought(t *testing.T) {
	for _, c := range [][2]string{
		{`{"name": "git_clone", "arguments": {"repository": "ext::sh -c true"}}`, "no address that is cloned"},
		{`{"name": "git_clone", "arguments": {"repository": "-u x"}}`, "no address that is cloned"},
		{`{"name": "git_clone", "arguments": {"repository": "r", "branch": "-x"}}`, `"-x" is no branch`},
		{`{"name": "git_clone", "arguments": {"repository": "r", "commit_sha": "main"}}`, `"main" is no commit`},
		{`{"name": "git_clone", "arguments": {"repository": "r", "clone_directory_name": "../x"}}`, "leaves its folder"},
		{`{"name": "git_clone", "arguments": {"repository": "r", "directories": ["--stdin"]}}`, "is no directory of a repository"},
		{`{"name": "git_clone", "arguments": {"repository": "git@host:r", "access_token": "t0ken"}}`, "are for https:// repositories"},
		{`{"name": "git_clone", "arguments": {"repository": "https://h%zz/r?s3cret"}}`, "is no URL that can be read"},
		{`{"name": "git_clone", "arguments": {"repository": "https://h\u0000/r?s3cret"}}`, "no address that is cloned"},
		{`{"name": "set_working_directory", "arguments": {"directory": "gone"}}`, "there is no folder"},
		{`{"name": "set_working_directory", "arguments": {}}`, "needs directory"},
		{`{"name": "run_shell_script", "arguments": {"script": "echo 'x"}}`, "within a quote"},
		{`{"name": "run_shell_script", "arguments": {"script": "no-such-program"}}`, `no program "no-such-program" on PATH`},
	} {
		_, out, err := build(t, context.Background(), t.TempDir(), "["+c[0]+"]", nil)
		var failed *StepError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), c[1]) || strings.Contains(err.Error()+out, "s3cret") {
			t.Errorf("%s: %v, want %s", c[0], err, c[1])
		}
	}
}

// remote is a repository behind http that wants a user and a password, and
// notes what it was sent. A git of ours notes its arguments first.
type remote struct {
	url, user, password string
	folder, arguments   string
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git")
	}
	r := &remote{folder: t.TempDir(), user: "x-access-token", password: "s3cr3t t0ken/%41"}
	r.arguments = filepath.Join(r.folder, "arguments")
	script := fmt.Sprintf(`set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
mkdir sub; cd sub; git init -qb main; echo sub >file; git add .; git commit -qm sub; cd ..
git clone -q --bare sub served/sub.git
git init -qb main work; cd work; mkdir a b; echo a >a/file; echo b >b/file; git add .; git commit -qm one
git rev-parse HEAD >../one; echo two >a/file; git commit -qam two; cd ..
git clone -q --bare work served/r.git
mkdir bin; printf '#!/bin/sh\necho "$@" >>%s\nexec %s "$@"\n' >bin/git; chmod +x bin/git`, r.arguments, git)
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = r.folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("PATH", filepath.Join(r.folder, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(r.folder, "config"))
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Join(r.folder, "served"), "GIT_HTTP_EXPORT_ALL=1"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if user, password, _ := q.BasicAuth(); user != r.user || password != r.password {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		q.Header.Del("Authorization")
		backend.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// clone clones with the arguments that are given beside the repository.
func (r *remote) clone(t *testing.T, repository, arguments string) (folder, out string, err error) {
	t.Helper()
	steps := fmt.Sprintf(`[{"name": "git_clone", "arguments": {"repository": %q%s}}]`, repository, arguments)
	done, out, err := build(t, context.Background(), t.TempDir(), steps, nil)
	return done.Dir, out, err
}

func TestGitCloneKeepsItsToken(t *testing.T) {
	r := newRemote(t)
	helper := filepath.Join(r.folder, "kept")
	config := fmt.Sprintf("[credential]\n\thelper = \"!f() { echo $1 >>%s; cat >>%s; }; f\"\n", helper, helper)
	if err := os.WriteFile(filepath.Join(r.folder, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(r.password)
	for _, arguments := range []string{
		`, "access_token": ` + string(text),
		`, "credentials": {"token": ` + string(text) + `}`,
		`, "credentials": {"username": "x-access-token", "password": ` + string(text) + `}`,
		`, "credentials": "x-access-token:` + r.password + `"`,
	} {
		folder, out, err := r.clone(t, r.url+"/r.git", arguments)
		if err != nil {
			t.Fatalf("%s: %v\n%s", arguments, err, out)
		}
		r.nowhere(t, folder, out)
	}
	within := strings.Replace(r.url, "http://", "http://x-access-token:s3cr3t%20t0ken%2F%2541@", 1)
	folder, out, err := r.clone(t, within+"/r.git", "")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.nowhere(t, folder, out)
	if kept, err := os.ReadFile(helper); err == nil {
		t.Errorf("the user's helper was told: %s", kept)
	}
	if _, out, err = r.clone(t, r.url+"/r.git", `, "access_token": "wr0ng-token"`); err == nil || strings.Contains(err.Error()+out, "wr0ng-token") {
		t.Errorf("a wrong token: %v\n%s", err, out)
	}
	if _, _, err = r.clone(t, r.url+"/r.git", ""); err == nil || !strings.Contains(err.Error(), "terminal prompts disabled") {
		t.Errorf("no token: %v", err)
	}
}

// nowhere fails where the token is in what git was started with, said or kept.
func (r *remote) nowhere(t *testing.T, folder, out string) {
	t.Helper()
	arguments, err := os.ReadFile(r.arguments)
	if err != nil || len(arguments) == 0 {
		t.Fatal("git was not watched", err)
	}
	files := exec.Command("grep", "-rla", "s3cr3t", folder)
	found, _ := files.Output()
	if strings.Contains(string(arguments)+out, "s3cr3t") || len(found) > 0 {
		t.Errorf("the token is in %s\narguments %s\noutput %s", found, arguments, out)
	}
	if content, err := os.ReadFile(filepath.Join(folder, "a", "file")); err != nil || string(content) != "two\n" {
		t.Errorf("cloned %q, %v", content, err)
	}
}

func TestGitCloneOfCommitsAndDirectories(t *testing.T) {
	r := newRemote(t)
	token, _ := json.Marshal(r.password)
	one, err := os.ReadFile(filepath.Join(r.folder, "one"))
	if err != nil {
		t.Fatal(err)
	}
	commit := strings.TrimSpace(string(one))
	for _, c := range []struct{ arguments, file, want string }{
		{fmt.Sprintf(`, "commit_sha": %q`, commit), "a/file", "a\n"},
		{fmt.Sprintf(`, "commit_sha": %q`, commit[:8]), "a/file", "a\n"},
		{fmt.Sprintf(`, "commit_sha": %q, "directories": ["b"]`, commit), "b/file", "b\n"},
		{`, "directories": ["a"], "clone_directory_name": "x/y"`, "a/file", "two\n"},
	} {
		folder, out, err := r.clone(t, r.url+"/r.git", c.arguments+`, "access_token": `+string(token))
		if err != nil {
			t.Errorf("%s: %v\n%s", c.arguments, err, out)
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, c.file))
		if err != nil || string(content) != c.want {
			t.Errorf("%s: %q, %v", c.arguments, content, err)
		}
		if strings.Contains(c.arguments, "directories") == (isThere(filepath.Join(folder, "a")) && isThere(filepath.Join(folder, "b"))) {
			t.Errorf("%s: its directories", c.arguments)
		}
	}
	if _, _, err := r.clone(t, r.url+"/r.git", `, "commit_sha": "00000000", "access_token": `+string(token)); err == nil {
		t.Error("a commit that is not there was cloned")
	}
}

// TestGitCloneOfARemoteReadsNoFolder: a repository from elsewhere names a
// folder of this machine as its submodule.
func TestGitCloneOfARemoteReadsNoFolder(t *testing.T) {
	r := newRemote(t)
	for _, c := range []struct {
		address string
		want    bool
	}{{filepath.Join(r.folder, "sub"), false}, {r.url + "/sub.git", true}} {
		script := `set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
git -c protocol.file.allow=always -C work submodule --quiet add --force "` + filepath.Join(r.folder, "sub") + `" sub 2>/dev/null || true
git -C work config -f .gitmodules submodule.sub.url "` + c.address + `"
git -C work add .; git -C work commit -qm sub; git -C work push -q "` + filepath.Join(r.folder, "served", "r.git") + `" HEAD:main`
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = r.folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		token, _ := json.Marshal(r.password)
		folder, out, err := r.clone(t, r.url+"/r.git", `, "include_submodules": true, "access_token": `+string(token))
		if (err == nil) != c.want {
			t.Errorf("%s: %v\n%s", c.address, err, out)
		}
		if err == nil && !isThere(filepath.Join(folder, "sub", "file")) {
			t.Errorf("%s: the submodule is empty", c.address)
		}
	}
}

func TestGitCloneTriesAgain(t *testing.T) {
	tries := 0
	g := gitRun{stepRun: &stepRun{say: func(string) {}}}
	g.rest = func(time.Duration) error { return nil }
	g.exec = func(command) (output, error) {
		tries++
		return output{}, errors.New("fatal: unable to access: Could not resolve host: example.org")
	}
	if err := g.patiently(func() error { return g.git() }); err == nil || tries != cloneTries {
		t.Errorf("%d tries, %v", tries, err)
	}
	g.rest = func(time.Duration) error { return errStopped }
	if err := g.patiently(func() error { return g.git() }); !errors.Is(err, errStopped) {
		t.Errorf("stopped while it waited: %v", err)
	}
	tries = 0
	g.exec = func(command) (output, error) {
		tries++
		return output{}, errors.New("fatal: repository not found")
	}
	if err := g.patiently(func() error { return g.git() }); err == nil || tries != 1 {
		t.Errorf("%d tries of what will not pass, %v", tries, err)
	}
}
