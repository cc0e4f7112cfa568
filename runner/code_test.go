//go:build unix

package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// repository makes a repository with a commit, and gives what runs git in it.
func repository(t *testing.T) (dir string, git func(...string) string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	dir = t.TempDir()
	git = func(arguments ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-C", dir}, arguments...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", arguments, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	put(t, filepath.Join(dir, "a.py"), "a")
	git("add", ".")
	git("commit", "-qm", "one")
	return dir, git
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHeadIsReadAsFiles(t *testing.T) {
	dir, git := repository(t)
	tree := filepath.Join(t.TempDir(), "tree")
	head := git("rev-parse", "HEAD")
	read := func(what, folder, branch string) {
		t.Helper()
		top, gitDir := findCheckout(folder)
		gotBranch, got := readHead(gitDir)
		if gotBranch != branch || got != head || !strings.HasPrefix(folder, top) {
			t.Errorf("%s: %q %q of %q, want %q %q", what, gotBranch, got, top, branch, head)
		}
	}
	read("loose", dir, "main")
	git("pack-refs", "--all")
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	read("packed, from below", filepath.Join(dir, "below"), "main")
	git("worktree", "add", "-q", "-b", "side/one", tree)
	read("a worktree", tree, "side/one")
	git("checkout", "-q", "--detach")
	read("detached", dir, "")
	if top, _ := findCheckout(t.TempDir()); top != "" {
		t.Errorf("outside of git: %s", top)
	}
}

func TestALookIsRememberedAndNeverOfOtherCode(t *testing.T) {
	dir, git := repository(t)
	var c checkout
	look := func() gitState {
		top, gitDir := findCheckout(dir)
		return c.look(context.Background(), top, gitDir, filepath.Join(dir, "a.py"))
	}
	clean := look()
	if clean.dirty == nil || *clean.dirty || clean.commit != git("rev-parse", "HEAD") {
		t.Fatalf("clean: %+v", clean)
	}
	if again := look(); again.asOf != clean.asOf && time.Since(clean.asOf) < codeAge {
		t.Errorf("git was asked again within %s", codeAge)
	}
	put(t, filepath.Join(dir, "a.py"), "changed")
	dirty := look()
	if dirty.dirty == nil || !*dirty.dirty || len(dirty.diff) != 64 {
		t.Errorf("dirty: %+v", dirty)
	}
	git("commit", "-qam", "two")
	if next := look(); next.commit == clean.commit || *next.dirty {
		t.Errorf("the next commit: %+v", next)
	}
	put(t, filepath.Join(dir, "new.py"), "new")
	c.state.asOf = time.Time{} // as if it were long ago
	if found := look(); !*found.dirty || found.diff == dirty.diff {
		t.Errorf("a new file: %+v", found)
	}
	cut, stop := context.WithCancel(context.Background())
	stop()
	c = checkout{}
	top, gitDir := findCheckout(dir)
	if known := c.look(cut, top, gitDir, ""); known.dirty != nil || known.commit != git("rev-parse", "HEAD") || c.mark != "" {
		t.Errorf("a git that is too slow: %+v", known)
	}
}

func TestAddressesLoseTheirLogin(t *testing.T) {
	for from, want := range map[string]string{
		"https://you:s3cret@host/a.git": "https://host/a.git",
		"https://s3cret@host/a.git":     "https://host/a.git",
		"ssh://git@host/a.git":          "ssh://git@host/a.git",
		"ssh://git:s3cret@host/a.git":   "ssh://git@host/a.git",
		"git@host:you/a.git":            "git@host:you/a.git",
		"/srv/a.git":                    "/srv/a.git",
		"https://you:s3%zz@host/a.git":  "",
	} {
		if got := withoutLogin(from); got != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}

// TestTheOutcomeNamesTheProjectsModules: what was imported of the project, by
// whatever name, and nothing that belongs to others; nothing is loaded for it.
func TestTheOutcomeNamesTheProjectsModules(t *testing.T) {
	t.Parallel()
	p := newPythonProject(t, "start")
	for name, content := range map[string]string{
		"flows/a.py":             "import pkg.inner, sys, types\nsys.path.append('.venv/lib/site-packages')\nsys.path.append(sys.path[-1])\nimport helper, strange\n\ndef go(fail=False):\n    import late\n    if fail:\n        raise ValueError('x')\n",
		"flows/helper.py":        "import importlib.util as u, sys\ns = u.find_spec('lazy')\nl = u.LazyLoader(s.loader)\ns.loader = l\nm = u.module_from_spec(s)\nsys.modules['lazy'] = m\nl.exec_module(m)\n",
		"lazy.py":                "open('loaded', 'w')\n",
		"strange.py":             "import sys\n\nclass Odd:\n    def __getattribute__(self, name):\n        open('asked', 'w')\n\nsys.modules['odd'] = Odd()\n",
		"late.py":                "",
		"unused.py":              "",
		"pkg/__init__.py":        "",
		"pkg/inner.py":           "",
		"lib/site-packages/v.py": "",
	} {
		p.write(t, name, content)
	}
	want := "flows/a.py flows/helper.py late.py lazy.py pkg/__init__.py pkg/inner.py strange.py"
	for _, parameters := range []string{"{}", `{"fail": true}`} {
		end := p.run(t, "flows/a.py:go", parameters)
		slices.Sort(end.Modules)
		if got := strings.Join(end.Modules, " "); got != want || !strings.HasPrefix(end.Python, "3.") {
			t.Errorf("%s: %q %q, want %q\n%s", parameters, got, end.Python, want, end.stderr)
		}
	}
	for _, trace := range []string{"loaded", "asked"} {
		if _, err := os.Stat(filepath.Join(p.root, trace)); err == nil {
			t.Errorf("a module was %s to be listed", trace)
		}
	}
}
