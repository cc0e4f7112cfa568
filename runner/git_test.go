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
	"time"
)

func content(t *testing.T, folder, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	check(t, err)
	return strings.TrimSpace(string(text))
}

func (r *remote) token() string {
	text, _ := json.Marshal(r.password)
	return `, "access_token": ` + string(text)
}

// TestGitIsFollowedAndPinned does the same over each transport: a branch is
// asked for once a run and fetched when it has moved, whichever way; a commit
// that is there asks nobody.
func TestGitIsFollowedAndPinned(t *testing.T) {
	for _, transport := range []string{"daemon", "http", "ssh", "file"} {
		t.Run(transport, func(t *testing.T) {
			r := newRemote(t)
			url, arguments, stop := r.url+"/r.git", r.token(), func() { r.password = "another" }
			switch transport {
			case "daemon":
				url, stop = r.daemon()
				arguments = ""
			case "ssh":
				url, stop = r.ssh(t)
				arguments = ""
			case "file":
				url, arguments = "file://"+filepath.Join(r.folder, "served", "r.git"), ""
				stop = func() { r.shell("mv served gone") }
			}
			r.followedAndPinned(t, url, arguments, stop)
		})
	}
}

func (r *remote) followedAndPinned(t *testing.T, url, arguments string, stop func()) {
	want := func(more, text string, calls map[string]int) {
		t.Helper()
		r.calls()
		folder, out, err := r.clone(t, url, arguments+more)
		if err != nil {
			t.Fatalf("%s: %v\n%s", more, err, out)
		}
		if got := content(t, folder, "a/file"); got != text {
			t.Errorf("%s: %q, want %q", more, got, text)
		}
		if got := r.calls(); fmt.Sprint(got) != fmt.Sprint(calls) {
			t.Errorf("%s: git was called for %v, want %v", more, got, calls)
		}
	}
	main := `, "branch": "main"`
	one := r.shell("cat one")
	want(main, "two", map[string]int{"ls-remote": 1, "init": 2, "fetch": 1, "checkout": 1})
	want(main, "two", map[string]int{"ls-remote": 1})
	want("", "two", map[string]int{"ls-remote": 1}) // HEAD is there
	three := r.push("three")
	want(main, "three", map[string]int{"ls-remote": 1, "init": 1, "fetch": 1, "checkout": 1})
	want(`, "commit_sha": "`+three+`"`, "three", map[string]int{})
	r.shell("cd work; git reset -q --hard " + one + "; echo forced >a/file; git commit -qam forced; git push -qf origin HEAD:main")
	want(main, "forced", map[string]int{"ls-remote": 1, "init": 1, "fetch": 1, "checkout": 1})
	want(`, "branch": "v1"`, "a", map[string]int{"ls-remote": 1, "init": 1, "fetch": 1, "checkout": 1})
	want(`, "commit_sha": "`+strings.ToUpper(one)+`"`, "a", map[string]int{})
	want(`, "commit_sha": "`+one[:12]+`"`, "a", map[string]int{})
	// Cut shorter, it has to be looked for among all that there is.
	want(`, "commit_sha": "`+one[:7]+`"`, "a", map[string]int{"fetch": 1})

	_, _, err := r.clone(t, url, arguments+`, "branch": "gone"`)
	if err == nil || !strings.Contains(err.Error(), `has no branch or tag "gone"`) {
		t.Errorf("a branch that is not there: %v", err)
	}
	_, _, err = r.clone(t, url, arguments+`, "commit_sha": "00000000`+one[8:]+`"`)
	if err == nil {
		t.Error("a commit that is not there was cloned")
	}
	stop()
	if folder, out, err := r.clone(t, url, arguments+main); err == nil {
		t.Errorf("the server is gone, and this was run: %s\n%s", content(t, folder, "a/file"), out)
	}
	want(`, "commit_sha": "`+three+`"`, "three", map[string]int{})
}

func TestGitHostThatIsDownIsNamed(t *testing.T) {
	r := newRemote(t)
	url, stop := r.daemon()
	stop()
	_, out, err := r.clone(t, url, `, "branch": "main"`)
	if err == nil || !strings.Contains(err.Error(), "unable to connect to 127.0.0.1") || !strings.Contains(err.Error(), "no earlier commit runs in place") ||
		strings.Count(out, "is tried again") != cloneTries-1 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestGitServerKilledInTheMiddle: an answer that ends in its middle is asked
// for again.
func TestGitServerKilledInTheMiddle(t *testing.T) {
	r := newRemote(t)
	commit := r.pushBig(1000000)
	r.cut.Store(1)
	folder, out, err := r.clone(t, r.url+"/r.git", r.token()+`, "commit_sha": "`+commit+`"`)
	if err != nil || strings.Count(out, "is tried again") != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	if size := len(content(t, folder, "big")); size < 900000 {
		t.Errorf("%d bytes arrived", size)
	}
}

func TestGitCheckoutsAreByChoice(t *testing.T) {
	r := newRemote(t)
	r.shell(`cd work; git -c protocol.file.allow=always submodule --quiet add ../sub sub
git config -f .gitmodules submodule.sub.url ../sub.git; git add .; git commit -qm sub; git push -q origin HEAD:main`)
	url := r.url + "/r.git"
	folders := map[string]bool{}
	for _, more := range []string{"", `, "include_submodules": true`, `, "directories": ["b"]`, `, "directories": ["a", "b"], "include_submodules": true`, `, "clone_directory_name": "x/y"`} {
		folder, out, err := r.clone(t, url, r.token()+more)
		if err != nil {
			t.Fatalf("%s: %v\n%s", more, err, out)
		}
		folders[folder] = true
		if isThere(filepath.Join(folder, "sub", "file")) != strings.Contains(more, "submodules") {
			t.Errorf("%s: its submodule", more)
		}
		if isThere(filepath.Join(folder, "a", "file")) == strings.Contains(more, `["b"]`) {
			t.Errorf("%s: its directories", more)
		}
		r.calls()
		again, _, err := r.clone(t, url, r.token()+more)
		if calls := r.calls(); err != nil || again != folder || calls["checkout"]+calls["fetch"]+calls["submodule update"] > 0 {
			t.Errorf("%s: the second time %v, %v", more, calls, err)
		}
	}
	if len(folders) != 5 {
		t.Errorf("folders: %v", folders)
	}
}

// TestAChangedCheckoutIsNotUsed: root may write wherever it likes.
func TestAChangedCheckoutIsNotUsed(t *testing.T) {
	r := newRemote(t)
	url := r.url + "/r.git"
	first, _, err := r.keep(t, url, r.token())
	check(t, err)
	for _, name := range []string{".", "a", "a/file"} {
		info, err := os.Stat(filepath.Join(first.Dir, name))
		check(t, err)
		if info.Mode()&0o222 != 0 {
			t.Errorf("%s is %v", name, info.Mode())
		}
	}
	writing(t, first.Dir, func() { check(t, os.Mkdir(filepath.Join(first.Dir, "__pycache__"), 0o755)) })
	same, _, err := r.keep(t, url, r.token())
	if err != nil || same.Dir != first.Dir {
		t.Errorf("what Python keeps is no change: %s, %v", same.Dir, err)
	}
	same.Release()
	writing(t, first.Dir, func() { check(t, os.WriteFile(filepath.Join(first.Dir, "output"), nil, 0o600)) })
	second, out, err := r.keep(t, url, r.token())
	if err != nil || second.Dir == first.Dir || isThere(filepath.Join(second.Dir, "output")) || !isThere(filepath.Join(first.Dir, "output")) {
		t.Errorf("%s after %s: %v\n%s", second.Dir, first.Dir, err, out)
	}
	first.Release()
	second.Release()
	third, out, err := r.clone(t, url, r.token())
	if err != nil || third != first.Dir || isThere(filepath.Join(third, "output")) || !strings.Contains(out, "was changed by a run that used it") {
		t.Errorf("when nobody uses it: %s, %v\n%s", third, err, out)
	}
}

// writing does what modes would keep all but root from.
func writing(t *testing.T, folder string, write func()) {
	t.Helper()
	info, err := os.Stat(folder)
	check(t, err)
	check(t, os.Chmod(folder, 0o755))
	write()
	check(t, os.Chmod(folder, info.Mode()))
}

// TestCodeIsSweptWhenUnused ages what lies beside the database.
func TestCodeIsSweptWhenUnused(t *testing.T) {
	r := newRemote(t)
	url := r.url + "/r.git"
	used, _, err := r.keep(t, url, r.token())
	check(t, err)
	unused, _, err := r.clone(t, url, r.token()+`, "branch": "v1"`)
	check(t, err)
	if n := SweepCode(r.state); n != 0 {
		t.Errorf("%d were swept at once", n)
	}
	old := time.Now().Add(-codeKept - time.Hour)
	locks, err := filepath.Glob(filepath.Join(r.state, "git", "*", "*.lock"))
	check(t, err)
	for _, lock := range locks {
		check(t, os.Chtimes(lock, old, old))
	}
	if n := SweepCode(r.state); n != 1 || isThere(unused) || !isThere(used.Dir) {
		t.Errorf("%d of %d were swept; used %v, unused %v", n, len(locks), isThere(used.Dir), isThere(unused))
	}
	used.Release()
	old = old.Add(-mirrorKept)
	for _, lock := range locks {
		_ = os.Chtimes(lock, old, old)
	}
	if n := SweepCode(r.state); n != 2 {
		t.Errorf("%d were swept", n)
	}
	left, err := filepath.Glob(filepath.Join(r.state, "git", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if folder, out, err := r.clone(t, url, r.token()); err != nil || content(t, folder, "a/file") != "two" {
		t.Errorf("afterwards: %v\n%s", err, out)
	}
}

// TestABrokenMirrorIsMadeAnew breaks a mirror in ways that a power cut, or a
// killed git, may leave behind.
func TestABrokenMirrorIsMadeAnew(t *testing.T) {
	r := newRemote(t)
	url := r.url + "/r.git"
	_, _, err := r.clone(t, url, r.token())
	check(t, err)
	mirrors, err := filepath.Glob(filepath.Join(r.state, "git", "mirrors", "r-*[0-9a-f]"))
	check(t, err)
	for i, script := range []string{
		"for f in config HEAD shallow packed-refs refs/runnel/x objects/pack/x; do mkdir -p $(dirname $f); touch $f.lock; done; touch objects/pack/tmp_pack_x",
		": >HEAD", "rm -r objects", "rm config HEAD", "for f in objects/pack/*.pack; do chmod u+w $f; : >$f; done", "rm -r refs packed-refs 2>/dev/null || true",
		"find refs -type f | while read f; do : >$f; done",
	} {
		r.shell("cd " + mirrors[0] + "; " + script)
		text := fmt.Sprint("after ", i)
		r.push(text)
		folder, out, err := r.clone(t, url, r.token()+`, "branch": "main"`)
		if err != nil || content(t, folder, "a/file") != text {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

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
	for _, address := range []string{"ext::sh -c " + run, "--upload-pack=" + run, "ssh://-oProxyCommand=" + run + "/x", "/etc"} {
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
