package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mirror is the path of the repository's bare mirror.
func (c *clone) mirror() string {
	return filepath.Join(c.cache, filepath.FromSlash(mirrorFolder), c.id())
}

// withMirror locks the mirror for one piece of work. git inherits the lock: one
// that outlives its slot keeps others away until it has ended.
func (c *clone) withMirror(work func() error) error {
	if err := os.MkdirAll(filepath.Dir(c.mirror()), 0o700); err != nil {
		return err
	}
	lock, err := c.lockMirror()
	if err != nil {
		return err
	}
	letGo := c.hold(lock)
	err = c.mended(work)
	letGo()
	return errors.Join(err, lock.Close())
}

func (c *clone) lockMirror() (*os.File, error) {
	return waitFor(c.rest, c.say, "the mirror of "+c.url, func() (*os.File, bool, error) {
		return openLock(c.mirror(), true)
	})
}

// mended does the work, and once more where it failed because the mirror is
// broken: by a power cut, or by somebody. It is made anew for that.
func (c *clone) mended(work func() error) error {
	err := c.prepared(work)
	otherHash := hasAny(err, "mismatched algorithms")
	if err == nil || errors.Is(err, errStopped) || !otherHash && c.isWhole() {
		return err
	}
	c.long = hasAny(err, "server sha256") || !otherHash && c.long
	c.say("runnel: the mirror of " + c.url + " is broken: it is made anew")
	if err := os.RemoveAll(c.mirror()); err != nil {
		return err
	}
	return c.prepared(work)
}

func (c *clone) prepared(work func() error) error {
	tidyMirror(c.mirror())
	now := time.Now()
	_ = os.Chtimes(c.mirror()+lockSuffix, now, now) // the sweep goes by it
	if _, err := os.Stat(filepath.Join(c.mirror(), "HEAD")); err != nil {
		if err := c.git(append([]string{"init", "--quiet", "--bare", "--template=", c.format(), "--"}, c.mirror())...); err != nil {
			return err
		}
	}
	err := work()
	if err != nil {
		tidyMirror(c.mirror()) // half a pack may be what fills the disk, and keeps the end from being recorded
	}
	return err
}

// format is the kind of hash that a pinned commit is written in.
func (c *clone) format() string {
	if c.long {
		return "--object-format=sha256"
	}
	return "--object-format=sha1"
}

// isWhole asks whether all is there that the mirror's branches lead to, and the
// commit if the mirror says that it has it.
func (c *clone) isWhole() bool {
	arguments := []string{"-C", c.mirror(), "rev-list", "--objects", "--quiet", "--all"}
	if c.commit != "" && c.has(c.commit) {
		arguments = append(arguments, c.commit)
	}
	_, err := c.asked(arguments...)
	return err == nil
}

// tidyMirror removes what a killed git left: nobody else is at the mirror now.
func tidyMirror(mirror string) {
	_ = filepath.WalkDir(mirror, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // what cannot be read, git will tell of
		}
		name := entry.Name()
		if strings.HasSuffix(name, lockSuffix) || strings.HasSuffix(name, ".keep") || strings.HasPrefix(name, "tmp_") {
			_ = os.Remove(path)
		}
		return nil
	})
}

func (c *clone) has(commit string) bool {
	_, err := c.asked("-C", c.mirror(), "cat-file", "-e", commit+"^{commit}")
	return err == nil
}

// fetch brings one commit, without its history, where it is not there yet.
func (c *clone) fetch(commit string) error {
	if c.has(commit) {
		return nil
	}
	err := c.fetchInto("--depth=1", "+"+commit+":refs/runnel/at/"+shortHash(c.Branch))
	// Old servers give no commit but what a branch is at, simple ones no part of a history.
	if hasAny(err, "not our ref", "unadvertised object", "shallow", "find remote ref") {
		err = c.fetchAll()
	}
	if err == nil && !c.has(commit) {
		err = fmt.Errorf("%s has no commit %s", c.url, commit)
	}
	return err
}

// fetchAll brings all branches and tags with their history.
func (c *clone) fetchAll() error {
	refs := []string{"+refs/heads/*:refs/runnel/heads/*", "+refs/tags/*:refs/runnel/tags/*"}
	if _, err := os.Stat(filepath.Join(c.mirror(), "shallow")); err == nil {
		return c.fetchInto("--unshallow", refs...)
	}
	return c.fetchInto("--prune", refs...)
}

func (c *clone) fetchInto(how string, refs ...string) error {
	arguments := []string{
		"-C", c.mirror(), "fetch", "--progress", how, "--update-shallow", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", c.url,
	}
	return c.patiently(func() error {
		c.say("runnel: fetches from " + c.url)
		_, err := c.remotely(append(arguments, refs...)...)
		return err
	})
}

// checkout makes a repository of its own of a commit: of the mirror it has the
// same files by another name, so that it needs the mirror no more.
func (c *clone) checkout(folder, commit string) error {
	c.commit, c.long = commit, len(commit) == 64
	err := c.withMirror(func() error {
		if err := c.fetch(commit); err != nil {
			return err
		}
		return c.fill(folder, commit)
	})
	if err != nil || !c.Submodules {
		return err
	}
	return c.patiently(func() error {
		c.say("runnel: fetches its submodules")
		_, err := c.remotely("-C", folder, "submodule", "update", "--init", "--recursive", "--progress")
		return err
	})
}

func (c *clone) fill(folder, commit string) error {
	if err := removeTree(folder); err != nil {
		return err
	}
	if err := c.git("init", "--quiet", "--template=", c.format(), "--", folder); err != nil {
		return err
	}
	if err := linkObjects(c.mirror(), filepath.Join(folder, ".git")); err != nil {
		return err
	}
	if err := c.git("-C", folder, "remote", "add", "origin", c.url); err != nil {
		return err
	}
	if len(c.Directories) > 0 {
		if err := c.git(append([]string{"-C", folder, "sparse-checkout", "set"}, c.Directories...)...); err != nil {
			return err
		}
	}
	arguments := []string{"-C", folder, "checkout", "--quiet"}
	if c.Writable && c.head != "" {
		return c.git(append(arguments, "-B", c.head, commit)...)
	}
	return c.git(append(arguments, "--detach", commit)...)
}

// linkObjects gives one repository the objects of another, which never change.
func linkObjects(from, to string) error {
	objects := filepath.Join(from, "objects")
	err := filepath.WalkDir(objects, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, path[len(from):])
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755) //nolint:gosec // as git makes it; what is above is for the owner alone
		}
		if os.Link(path, target) == nil {
			return nil
		}
		return copyFile(path, target) // on another disk, most likely
	})
	if err != nil {
		return err
	}
	shallow, err := os.ReadFile(filepath.Join(from, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "shallow"), shallow, 0o644) //nolint:gosec // as above
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()                                                     //nolint:errcheck // only read
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444) //nolint:gosec // as git makes it
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
