package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"runnel/store"
)

// gitState is what is known of a checkout at a time.
type gitState struct {
	repository, branch, commit, diff string
	dirty                            *bool
	asOf                             time.Time
}

func (g gitState) describe(code *store.Code) {
	if g.commit == "" {
		return // no checkout; what git_clone said of the commit stays
	}
	code.Commit, code.Dirty, code.Diff = g.commit, g.dirty, g.diff
	if g.branch != "" { // else what git_clone followed
		code.Branch = g.branch
	}
	if code.Repository == "" {
		code.Repository = g.repository
	}
	if !g.asOf.IsZero() {
		code.AsOf = &g.asOf
	}
}

// codeAge is how old git's word may be for it to stand for another run of the
// same commit, index and flow file; of a git that takes long, ten times as long
// as it took. So it costs a run of many a tenth of its own time at the most.
const codeAge = time.Second

// checkout remembers what a slot last found out.
type checkout struct {
	mark  string
	state gitState
	took  time.Duration
	// The address of the remote, as long as the configuration is the same.
	config, repository string
}

// look says of which commit a checkout is. HEAD is read as the file that it is;
// git is asked what is not committed. It is for one goroutine at a time.
func (c *checkout) look(ctx context.Context, top, gitDir, file string) gitState {
	branch, commit := readHead(gitDir)
	mark := strings.Join([]string{gitDir, branch, commit, stamp(filepath.Join(gitDir, "index")), stamp(file)}, "\x00")
	if mark == c.mark && time.Since(c.state.asOf) < max(codeAge, 10*c.took) {
		return c.state
	}
	state := gitState{branch: branch, commit: commit, asOf: time.Now().UTC()}
	remote, err := state.ask(ctx, top)
	if err != nil {
		return state
	}
	config := remote + stamp(filepath.Join(commonDir(gitDir), "config"))
	if config != c.config {
		c.config, c.repository = config, remoteOf(ctx, top, remote)
	}
	state.repository = c.repository
	c.mark, c.state, c.took = mark, state, time.Since(state.asOf)
	return state
}

// stamp tells one version of a file from the next, without reading it.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size())
}

// findCheckout is the top of the checkout that a folder lies in, and its .git
// folder, which of a worktree or submodule lies elsewhere.
func findCheckout(folder string) (top, gitDir string) {
	for dir := filepath.Clean(folder); ; dir = filepath.Dir(dir) {
		gitDir := filepath.Join(dir, ".git")
		info, err := os.Stat(gitDir)
		if err == nil && info.IsDir() {
			return dir, gitDir
		}
		if err == nil {
			text, _ := os.ReadFile(gitDir)
			if named, found := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: "); found {
				return dir, inFolderOf(dir, named)
			}
		}
		if filepath.Dir(dir) == dir {
			return "", ""
		}
	}
}

// commonDir is where the refs and the configuration of a worktree are.
func commonDir(gitDir string) string {
	text, err := os.ReadFile(filepath.Join(gitDir, "commondir"))
	if err != nil {
		return gitDir
	}
	return inFolderOf(gitDir, strings.TrimSpace(string(text)))
}

// readHead reads HEAD and the ref that it names; the commit is "" where it is
// not kept in these files.
func readHead(gitDir string) (branch, commit string) {
	text, err := os.ReadFile(filepath.Join(gitDir, "HEAD"))
	if err != nil {
		return "", ""
	}
	head := strings.TrimSpace(string(text))
	ref, named := strings.CutPrefix(head, "ref: ")
	if !named {
		return "", head
	}
	common := commonDir(gitDir)
	branch = strings.TrimPrefix(ref, "refs/heads/")
	if text, err := os.ReadFile(filepath.Join(common, filepath.FromSlash(ref))); err == nil {
		return branch, strings.TrimSpace(string(text))
	}
	packed, _ := os.ReadFile(filepath.Join(common, "packed-refs"))
	for line := range strings.Lines(string(packed)) {
		if sum, name, _ := strings.Cut(strings.TrimSpace(line), " "); name == ref {
			return branch, sum
		}
	}
	return branch, ""
}

// ask fills in what only git can tell, and gives the name of the remote that is
// followed.
func (g *gitState) ask(ctx context.Context, top string) (remote string, err error) {
	var status bytes.Buffer
	err = askGit(ctx, top, &status, "status", "--porcelain=v2", "--branch", "-z", "--no-renames",
		"--untracked-files=normal", "--ignore-submodules=dirty")
	if err != nil {
		return "", err
	}
	remote, changed, untracked := g.read(status.String())
	dirty := changed || len(untracked) > 0
	g.dirty = &dirty
	if !dirty || g.commit == "" {
		return remote, nil
	}
	sum := sha256.New()
	if changed {
		err = askGit(ctx, top, sum, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
	}
	for _, name := range untracked {
		fmt.Fprintf(sum, "? %s\x00", name)
	}
	if err == nil {
		g.diff = hex.EncodeToString(sum.Sum(nil))
	}
	return remote, err
}

// read reads git's own account. What Python keeps beside its modules is no
// change: running a flow makes it.
func (g *gitState) read(status string) (remote string, changed bool, untracked []string) {
	remote = "origin"
	for entry := range strings.SplitSeq(status, "\x00") {
		kind, rest, _ := strings.Cut(entry, " ")
		switch kind {
		case "#":
			name, value, _ := strings.Cut(rest, " ")
			switch {
			case name == "branch.oid" && value != "(initial)":
				g.commit = value
			case name == "branch.head" && value != "(detached)":
				g.branch = value
			case name == "branch.upstream":
				remote, _, _ = strings.Cut(value, "/")
			}
		case "1", "2", "u":
			changed = true
		case "?":
			if path.Base(rest) != "__pycache__" && path.Ext(rest) != ".pyc" {
				untracked = append(untracked, rest)
			}
		}
	}
	return remote, changed, untracked
}

// remoteOf is the address of a remote as it was configured, without a login.
func remoteOf(ctx context.Context, top, remote string) string {
	var out bytes.Buffer
	if askGit(ctx, top, &out, "config", "--get-all", "remote."+remote+".url") != nil {
		return ""
	}
	first, _, _ := strings.Cut(out.String(), "\n")
	return withoutLogin(first)
}

// withoutLogin is an address as it may be kept and shown.
func withoutLogin(repository string) string {
	u, err := url.Parse(repository)
	switch {
	case err != nil && strings.Contains(repository, "://"):
		return ""
	case err != nil:
		return repository // host:path
	case u.Scheme == "http" || u.Scheme == "https":
		u.User = nil
		return u.String()
	}
	if _, secret := u.User.Password(); secret {
		u.User = url.User(u.User.Username())
		return u.String()
	}
	return repository
}

// askGit runs a git command that only reads, in a group of its own, and ends it
// with ctx. All is off by which a repository could run code of its own: hooks,
// the file system monitor and, in the calls, programs that show differences.
func askGit(ctx context.Context, dir string, out io.Writer, arguments ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close() //nolint:errcheck // only read
	argv := append([]string{"git", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "core.pager=cat"}, arguments...)
	process, err := Start(Spec{Argv: argv, Env: readingEnvironment(), Dir: dir, Stdout: write})
	_ = write.Close()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, process.killGroup)()
	_, copied := io.Copy(out, read)
	_, waited := process.Wait(context.Background())
	if exit := process.Reap(); exit.Code != 0 {
		return errors.Join(ctx.Err(), fmt.Errorf("git %s", exitMessage(exit.Code)))
	}
	return errors.Join(copied, waited)
}

// tyingVariables tie git to another repository than the one in its folder.
var tyingVariables = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_CONFIG_PARAMETERS", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE",
}

// readingEnvironment is this process's, for a git that takes no lock, asks
// nobody and fetches nothing.
func readingEnvironment() []string {
	e := environment{}
	e.add(os.Environ())
	for _, name := range tyingVariables {
		delete(e, name)
	}
	e["GIT_OPTIONAL_LOCKS"], e["GIT_TERMINAL_PROMPT"], e["GIT_NO_LAZY_FETCH"], e["LC_ALL"] = "0", "0", "1", "C"
	return e.list()
}
