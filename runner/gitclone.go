package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

// Beside the database: a bare mirror of each repository, and a checkout of each
// commit that a run asked for.
const (
	mirrorFolder = "git/mirrors"
	codeShelf    = "git/code"
	// How long a checkout or a mirror is kept that no run uses.
	codeKept   = 48 * time.Hour
	mirrorKept = 30 * 24 * time.Hour
	// fewNames are named where none is like the one that was asked for.
	fewNames = 5
	// sureDigits of a commit are no other's.
	sureDigits = 12
)

// clone is one git_clone step under way.
type clone struct {
	gitRun
	cloneArguments
	head   string // the branch that the commit was found by; "" of a tag and a commit
	commit string // once it is known
	long   bool   // its hash is SHA-256
}

// bring checks the commit out that is asked for, or finds it checked out.
func (c *clone) bring() (Cloned, error) {
	commit, err := c.resolve()
	if err != nil {
		return Cloned{}, err
	}
	done := Cloned{Repository: withoutLogin(c.url), Branch: c.Branch, Commit: commit, Directories: c.Directories}
	if done.Branch == "" {
		done.Branch = c.head
	}
	how := "shared, read-only"
	if c.Writable || !c.shared {
		c.Writable, how = true, "its own"
		done.Folder, err = c.own(commit)
	} else {
		done.Folder, err = c.common(commit)
	}
	if err == nil {
		c.say(fmt.Sprintf("runnel: commit %s, in %s (%s)", strings.TrimSpace(commit[:12]+" "+done.Branch), done.Folder, how))
	}
	return done, err
}

// resolve finds the full commit. One that is pinned in full asks nobody.
func (c *clone) resolve() (commit string, err error) {
	pinned := strings.ToLower(c.CommitSHA)
	switch {
	case isFull(pinned):
		return pinned, nil
	case pinned == "":
		return c.followed()
	}
	err = c.withMirror(func() error {
		if commit, err = c.asked("-C", c.mirror(), "rev-parse", "--verify", "--quiet", pinned+"^{commit}"); err == nil && len(pinned) >= sureDigits {
			return nil
		}
		// A short one cannot be asked for, and may be another's beginning, too: all
		// is fetched, and looked through.
		if err := c.fetchAll(); err != nil {
			return err
		}
		commit, err = c.asked("-C", c.mirror(), "rev-parse", "--verify", pinned+"^{commit}")
		return err
	})
	return commit, err
}

// isFull is true for a commit that is not cut short.
func isFull(commit string) bool { return len(commit) == 40 || len(commit) == 64 }

// followed asks the remote where the branch or tag is now.
func (c *clone) followed() (commit string, err error) {
	names := []string{"HEAD"}
	switch {
	case strings.HasPrefix(c.Branch, "refs/"):
		names = []string{c.Branch + "^{}", c.Branch}
	case c.Branch != "":
		names = []string{"refs/heads/" + c.Branch, "refs/tags/" + c.Branch + "^{}", "refs/tags/" + c.Branch}
	}
	var text string
	err = c.patiently(func() (err error) {
		text, err = c.remotely(append([]string{"ls-remote", "--symref", "--", c.url}, names...)...)
		return err
	})
	if c.shared && (errors.As(err, new(silentError)) || err != nil && networkFailed(err)) {
		err = fmt.Errorf("%w\nno earlier commit runs in place of one that cannot be asked for; one that is pinned, with commit_sha, needs nobody", err)
	}
	if err != nil {
		return "", err
	}
	found := map[string]string{}
	for line := range strings.Lines(text) {
		value, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if branch, is := strings.CutPrefix(value, "ref: refs/heads/"); is {
			c.head = branch
		} else {
			found[name] = value
		}
	}
	for _, name := range names {
		if commit = found[name]; isFull(commit) {
			if branch, is := strings.CutPrefix(name, "refs/heads/"); is {
				c.head = branch
			}
			return commit, nil
		}
	}
	if c.Branch == "" {
		return "", fmt.Errorf("%s has no commit to check out", c.url)
	}
	return "", c.noBranch()
}

// noBranch names those that are nearest.
func (c *clone) noBranch() error {
	err := fmt.Errorf("%s has no branch or tag %q", c.url, c.Branch)
	text, failed := c.remotely("ls-remote", "--heads", "--tags", "--refs", "--", c.url)
	if failed != nil {
		return err
	}
	var names []string
	for line := range strings.Lines(text) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		names = append(names, strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "refs/tags/"))
	}
	if near := store.Nearest(c.Branch, names); near != "" {
		return fmt.Errorf("%w; did you mean %q?", err, near)
	}
	if len(names) > 0 && len(names) <= fewNames {
		return fmt.Errorf("%w; it has %s", err, strings.Join(names, ", "))
	}
	return err
}

// common gives a checkout that all runs of the commit share. Nobody is meant to
// write to it, so its files and folders are read-only; where that did not help,
// as with root, the next run finds it changed and gets another.
func (c *clone) common(commit string) (string, error) {
	leaf := c.DirectoryName
	if leaf == "" {
		leaf = c.name()
	}
	s := shelf{folder: filepath.Join(c.cache, filepath.FromSlash(codeShelf)), rest: c.rest, say: c.say}
	path, held, err := s.take(c.id()+"-"+commit+c.choice(), recipe{
		what:  "the checkout of " + commit[:12],
		sound: func(path, note string) bool { return treeSum(filepath.Join(path, leaf)) == note },
		make: func(path string, held *os.File) (string, error) {
			defer c.hold(held)()
			folder := filepath.Join(path, leaf)
			err := c.checkout(folder, commit)
			if err == nil {
				err = makeReadOnly(folder)
			}
			return treeSum(folder), err
		},
	})
	if err != nil {
		return "", err
	}
	c.hold(held)
	return filepath.Join(path, leaf), nil
}

// own gives a checkout that nobody else uses.
func (c *clone) own(commit string) (string, error) {
	name := c.DirectoryName
	if name == "" {
		name = c.name()
		if c.Branch != "" {
			name += "-" + strings.ReplaceAll(c.Branch, "/", "-")
		}
	}
	parent := c.dir
	if c.clones != "" {
		parent = c.clones
	}
	folder := filepath.Join(parent, name)
	if there, err := os.ReadDir(folder); err == nil && len(there) > 0 {
		return "", fmt.Errorf("%s is there already", folder)
	}
	err := c.checkout(folder, commit)
	if err != nil {
		_ = os.RemoveAll(folder)
	}
	return folder, err
}

// hold has the processes of the steps that follow, and the flow, inherit a lock,
// until it is let go or the run has ended.
func (r *stepRun) hold(file *os.File) (letGo func()) {
	r.held = append(r.held, file)
	return func() { r.held = slices.DeleteFunc(r.held, func(f *os.File) bool { return f == file }) }
}

// name is the repository's, as far as it can be a folder's.
func (c *clone) name() string {
	name := strings.TrimRight(strings.TrimSuffix(strings.TrimRight(c.url, "/"), ".git"), "/")
	name = name[strings.LastIndexAny(name, `/:\`)+1:]
	name = strings.TrimLeft(strings.Map(func(char rune) rune {
		if strings.ContainsRune("-_.+ ", char) || char >= '0' && char <= '9' || char >= 'A' && char <= 'Z' || char >= 'a' && char <= 'z' {
			return char
		}
		return '_'
	}, name), "-. ")
	if name == "" {
		return "repository"
	}
	return name[:min(len(name), 64)]
}

// id names the repository beside the database.
func (c *clone) id() string { return c.name() + "-" + shortHash(c.normal()) }

// normal is an address that is the same for all ways to write it. Where two
// repositories come out alike it does no harm: a commit is what it is.
func (c *clone) normal() string {
	text := c.url
	if user, path, is := strings.Cut(text, ":"); is && !c.local && !strings.Contains(text, "://") {
		text = "ssh://" + user + "/" + strings.TrimPrefix(path, "/")
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
		u.Host = strings.TrimSuffix(u.Host, map[string]string{"https": ":443", "http": ":80", "ssh": ":22", "git": ":9418"}[u.Scheme])
		if u.Scheme != "ssh" {
			u.User = nil
		}
		text = u.String()
	}
	text = strings.TrimPrefix(text, "file://")
	return strings.TrimSuffix(strings.TrimRight(text, "/"), ".git")
}

// choice tells checkouts of one commit apart; "" is the whole commit and no more.
func (c *clone) choice() string {
	if len(c.Directories) == 0 && !c.Submodules && c.DirectoryName == "" {
		return ""
	}
	text, err := json.Marshal([]any{slices.Sorted(slices.Values(c.Directories)), c.Submodules, c.DirectoryName})
	if err != nil {
		panic(err) // texts and a flag
	}
	return "-" + shortHash(string(text))
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// treeSum is of all that a change by mistake would change: names, sizes, modes
// and times. git's own folder is left out, and what Python keeps beside modules.
func treeSum(root string) string {
	sum := sha256.New()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "__pycache__", path == filepath.Join(root, ".git"):
			return filepath.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		size, at := info.Size(), info.ModTime().UnixNano()
		if entry.IsDir() {
			size, at = 0, 0
		}
		fmt.Fprintf(sum, "%q %o %d %d\n", path[len(root):], info.Mode(), size, at)
		return nil
	})
	if err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func makeReadOnly(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Mode()&0o222 == 0 {
			return err
		}
		return os.Chmod(path, info.Mode()&^0o222)
	})
}

// hasAny says whether a message holds one of the texts.
func hasAny(err error, texts ...string) bool {
	return err != nil && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(err.Error(), text) })
}
