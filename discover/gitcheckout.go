package discover

import (
	"context"
	"strings"
)

// Checkout is a folder's git checkout that has a remote.
type Checkout struct {
	Remote     string // its address
	RemoteName string // as the checkout calls it
	Branch     string // at the remote; "" where the branch is not there
	Commit     string // what the checkout has
	// Published is the short commit that the remote's branch had when it was last
	// asked; without a branch there, that of the checkout.
	Published string
	Folder    string // of the asked one, from the top of the checkout; "" at the top
	Top       string // absolute

	Uncommitted []string // files, from the top
	Unpushed    []string // commits that the remote's branch lacks: hash and subject
}

// GitCheckout describes the checkout that dir lies in, as far as it is known
// without asking the remote; ok is false without one, or without a remote or a
// commit.
func GitCheckout(ctx context.Context, dir string) (c Checkout, ok bool) {
	ask := func(args ...string) (string, bool) {
		out, err := git(ctx, dir, args...)
		return strings.TrimRight(string(out), "\n"), err == nil
	}
	c.Top, ok = ask("rev-parse", "--show-toplevel")
	if !ok {
		return c, false
	}
	folder, _ := ask("rev-parse", "--show-prefix")
	c.Folder = strings.TrimSuffix(folder, "/")
	remote := "origin"
	upstream, tracked := ask("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")
	if !tracked {
		upstream, tracked = sameBranch(ask, remote)
	}
	if tracked {
		remote, c.Branch, _ = strings.Cut(upstream, "/")
	}
	c.RemoteName = remote
	// As it was configured: whoever clones it has an insteadOf of their own.
	addresses, ok := ask("config", "--get-all", "remote."+remote+".url")
	if c.Remote, _, _ = strings.Cut(addresses, "\n"); !ok {
		return c, false
	}
	if c.Commit, ok = ask("rev-parse", "HEAD"); !ok {
		return c, false
	}
	published := "HEAD"
	if tracked {
		published = upstream
	}
	c.Published, _ = ask("rev-parse", shortDigits, published)
	// -z leaves the names as they are; the second name of a rename has no status.
	status, _ := ask("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all")
	for entry := range strings.SplitSeq(status, "\x00") {
		if len(entry) > 3 {
			c.Uncommitted = append(c.Uncommitted, entry[3:])
		}
	}
	since := "--not --remotes=" + remote
	if tracked {
		since = "--not " + upstream
	}
	if log, _ := ask(append([]string{"log", "--format=%h %s", "HEAD"}, strings.Fields(since)...)...); log != "" {
		c.Unpushed = strings.Split(log, "\n")
	}
	return c, true
}

// sameBranch is the remote's branch that has the name of the checkout's: it was
// pushed without becoming its upstream.
func sameBranch(ask func(...string) (string, bool), remote string) (string, bool) {
	own, onBranch := ask("symbolic-ref", "-q", "--short", "HEAD")
	if !onBranch {
		return "", false
	}
	_, published := ask("rev-parse", "-q", "--verify", "refs/remotes/"+remote+"/"+own)
	return remote + "/" + own, published
}

// GitTop is the top folder of the checkout that dir lies in, "" without one.
func GitTop(ctx context.Context, dir string) string {
	out, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(out), "\n")
}
