//go:build unix

package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
			url, arguments, stop := r.url+"/r.git", r.token(), func() { r.refuses.Store(true) }
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
	if err == nil || !strings.Contains(err.Error(), `has no branch or tag "gone"; it has main, v1`) {
		t.Errorf("a branch that is not there: %v", err)
	}
	_, _, err = r.clone(t, url, arguments+`, "branch": "mian"`)
	if err == nil || !strings.Contains(err.Error(), `has no branch or tag "mian"; did you mean "main"?`) {
		t.Errorf("a branch that is misspelt: %v", err)
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
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "git://"), ":")
	for address, want := range map[string]string{
		url:                        "unable to connect to 127.0.0.1",
		"http://127.0.0.1:" + port: "127.0.0.1", // in the words of its library
	} {
		_, out, err := r.clone(t, address, `, "branch": "main"`)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "no earlier commit runs in place") ||
			strings.Count(out, "is tried again") != cloneTries-1 || strings.Count(out, "runnel: git exited with 128:\n") != cloneTries {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestGitNetworkFailures(t *testing.T) {
	for text, want := range map[string]bool{
		"fatal: unable to access 'http://h/r/': Failed to connect to h port 80 after 0 ms: Couldn't connect to server":  true,
		"fatal: unable to access 'http://h/r/': Failed to connect to h port 80 after 0 ms: Could not connect to server": true,
		"fatal: unable to access 'https://h/r/': Could not resolve host: h":                                             true,
		"fatal: unable to access 'https://h/r/': The requested URL returned error: 503":                                 true,
		"ssh: connect to host h port 22: No route to host":                                                              true,
		"fatal: Authentication failed for 'https://h/r/'":                                                               false,
		"fatal: repository 'https://h/connect/' not found":                                                              false,
	} {
		if got := networkFailed(errors.New(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
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

// TestAMirrorTakesTheRemotesHash: the beginning of a commit does not say which
// hash it is of.
func TestAMirrorTakesTheRemotesHash(t *testing.T) {
	r := newRemote(t)
	short := r.shell(`git init -q --object-format=sha256 -b main long; cd long
git config uploadpack.allowAnySHA1InWant true; echo long >file; git add .
git -c user.name=a -c user.email=a@b commit -qm one; git rev-parse --short=10 HEAD`)
	folder, out, err := r.clone(t, "file://"+filepath.Join(r.folder, "long"), `, "commit_sha": "`+short+`"`)
	if err != nil || content(t, folder, "file") != "long" {
		t.Errorf("%v\n%s", err, out)
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
