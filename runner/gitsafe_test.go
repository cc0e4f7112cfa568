//go:build unix

package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGitIsNeverTricked: whatever a repository's address, names or content say,
// no program is run.
func TestGitIsNeverTricked(t *testing.T) {
	r := newRemote(t)
	pwned := filepath.Join(r.folder, "pwned")
	run := "touch " + pwned
	local := filepath.Join(r.folder, "served", "r.git")
	r.shell(`mkdir -p hooks; for hook in post-checkout post-merge reference-transaction post-index-change fsmonitor-watchman; do
printf '#!/bin/sh\n` + run + `\n' >hooks/$hook; chmod +x hooks/$hook; cp hooks/$hook served/r.git/hooks/; done
git -C served/r.git config core.fsmonitor '` + run + `'; git -C served/r.git config core.hooksPath '` + r.folder + `/hooks'
git -C served/r.git config uploadpack.packObjectsHook '` + run + `'; git -C served/r.git config core.sshCommand '` + run + `'
git -C served/r.git config filter.x.smudge '` + run + `'; git -C served/r.git config core.alternateRefsCommand '` + run + `'
cd work; echo '* filter=x' >.gitattributes; git add .; git commit -qm x; git push -q origin HEAD:main; rm -f ../pwned`) // the push ran hooks
	check(t, os.WriteFile(filepath.Join(r.folder, "config"), []byte("[core]\n\thooksPath = "+r.folder+"/hooks\n\tfsmonitor = "+run+"\n[protocol \"ext\"]\n\tallow = always\n"), 0o600))
	if folder, out, err := r.cloneOnce(t, local, ""); err != nil || content(t, folder, "a/file") != "two" {
		t.Errorf("a folder with hooks: %v\n%s", err, out)
	}
	for _, repository := range []string{
		"ext::sh -c " + strings.ReplaceAll(run, " ", "% "), "--upload-pack=" + run, "-c", "-oProxyCommand=" + run + ":x",
		"ssh://-oProxyCommand=" + run + "/x", "git@-oProxyCommand=" + run + ":x", "ssh://git@-oProxyCommand=" + run + "/x",
		"fd::17", "foo://h/x", "file://" + local + "\n" + run, "https://127.0.0.1:1/x\nprotocol=https", "git://127.0.0.1:1/x\x00y",
		"transport::https://127.0.0.1:1/x", "git://-x/y", "", "$(" + run + ")", "`" + run + "`", "; " + run,
	} {
		if _, out, err := r.cloneOnce(t, repository, ""); err == nil {
			t.Errorf("%q was cloned\n%s", repository, out)
		}
	}
	for _, more := range []string{
		`"branch": "--upload-pack=` + run + `"`, `"branch": "main:refs/heads/x"`, `"branch": "+main"`, `"branch": "main\n"`, `"branch": "*"`, `"branch": "$(` + run + `)"`,
		`"commit_sha": "--help"`, `"directories": ["--stdin"]`, `"directories": ["a\nb"]`, `"clone_directory_name": "../../x"`, `"clone_directory_name": "/x"`,
	} {
		if folder, out, err := r.cloneOnce(t, local, ", "+more); err == nil {
			t.Errorf("%s was cloned into %s\n%s", more, folder, out)
		}
	}
	for _, address := range []string{"ext::sh -c " + strings.ReplaceAll(run, " ", "% "), "--upload-pack=" + run, "ssh://-oProxyCommand=" + run + "/x", "/etc"} {
		for _, update := range []string{"checkout", "!" + run} {
			r.shell(`cd work; git -c protocol.file.allow=always submodule --quiet add --force ../sub sub 2>/dev/null || true
git config -f .gitmodules submodule.sub.url '` + address + `'; git config -f .gitmodules submodule.sub.update '` + update + `'
git add .; git commit -qm x --allow-empty; git push -q origin HEAD:main; rm -f ../pwned`)
			if folder, out, err := r.cloneOnce(t, r.url+"/r.git", r.token()+`, "include_submodules": true`); err == nil {
				t.Errorf("the submodule %s, %s was cloned into %s\n%s", address, update, folder, out)
			}
		}
	}
}

// cloneOnce clones, and fails the test where that ran a program.
func (r *remote) cloneOnce(t *testing.T, repository, arguments string) (folder, out string, err error) {
	t.Helper()
	folder, out, err = r.clone(t, repository, arguments)
	if isThere(filepath.Join(r.folder, "pwned")) {
		t.Errorf("%q %s ran a program: %v\n%s", repository, arguments, err, out)
	}
	var failed *StepError
	if err != nil && !errors.As(err, &failed) {
		t.Errorf("%q: %v", repository, err)
	}
	return folder, out, err
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
	if _, _, err = r.clone(t, r.url+"/r.git", ""); err == nil || !strings.Contains(err.Error(), "terminal prompts disabled") || !strings.Contains(err.Error(), "name it by access_token") {
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
	files := exec.Command("grep", "-rla", "s3cr3t", folder, r.state)
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
	commit := r.shell("cat one")
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
		r.shell(`git -c protocol.file.allow=always -C work submodule --quiet add --force "` + filepath.Join(r.folder, "sub") + `" sub 2>/dev/null || true
git -C work config -f .gitmodules submodule.sub.url "` + c.address + `"
git -C work add .; git -C work commit -qm sub; git -C work push -q "` + filepath.Join(r.folder, "served", "r.git") + `" HEAD:main`)
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

func TestNoSecretIsGivenToGitByArgument(t *testing.T) {
	r := newRemote(t)
	step := `[{"name": "git_clone", "arguments": {"repository": "` + r.url + `/r.git?token=s3cr3t-t0ken"}}]`
	_, out, err := build(t, t.Context(), r.folder, step, func(o *StepOptions) {
		o.Fill = filling(t, step, "s3cr3t-t0ken")
	})
	if err == nil || !strings.Contains(err.Error(), "its arguments hold a secret") || strings.Contains(err.Error()+out, "s3cr3t") {
		t.Errorf("%v\n%s", err, out)
	}
	if arguments, _ := exec.Command("cat", r.arguments).Output(); strings.Contains(string(arguments), "s3cr3t") {
		t.Errorf("git was given %s", arguments)
	}
}
