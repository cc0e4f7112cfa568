package discover

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// gitPatience bounds each question to git. A repository on a dead network disk
// must not hold a command up; the tree is read without git then.
const gitPatience = 20 * time.Second

// git runs a git command that only reads, with everything off by which a
// repository could run code of its own: hooks and the file system monitor.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	args = append([]string{"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "core.pager=cat", "-C", dir}, args...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "LC_ALL=C")
	cmd.WaitDelay = time.Second
	return cmd.Output()
}

// shortDigits is how long a short commit is, wherever a version is one.
const shortDigits = "--short=12"

// GitVersion is the short commit of the checkout that dir lies in, when nothing
// tracked below dir's checkout is changed; "" otherwise, and without git.
func GitVersion(ctx context.Context, dir string) string {
	status, err := git(ctx, dir, "status", "--porcelain", "--ignore-submodules=all")
	if err != nil || len(bytes.TrimSpace(status)) > 0 {
		return ""
	}
	commit, err := git(ctx, dir, "rev-parse", shortDigits, "HEAD")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(commit))
}

// gitFiles lists the files below dir that git tracks or does not ignore,
// relative to dir with slashes; ok is false outside a checkout.
func gitFiles(ctx context.Context, dir string) (files []string, ok bool) {
	inside, err := git(ctx, dir, "rev-parse", "--is-inside-work-tree")
	if err != nil || strings.TrimSpace(string(inside)) != "true" {
		return nil, false
	}
	out, err := git(ctx, dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", ".")
	if err != nil {
		return nil, false
	}
	for name := range bytes.SplitSeq(out, []byte{0}) {
		if len(name) > 0 && name[len(name)-1] != '/' { // a nested checkout is listed as a folder
			files = append(files, string(name))
		}
	}
	return files, true
}

// projectMarks make a folder a project's root, beside projectFiles.
var projectMarks = [...]string{".git", "pyproject.toml"}

// ProjectRoot is the nearest folder at or above from that holds .git,
// pyproject.toml or a project file; from itself (absolute) where none does.
func ProjectRoot(from string) string {
	start, err := filepath.Abs(from)
	if err != nil {
		return from
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		for _, mark := range slices.Concat(projectMarks[:], projectFiles[:]) {
			if _, err := os.Lstat(filepath.Join(dir, mark)); err == nil {
				return dir
			}
		}
		if filepath.Dir(dir) == dir {
			return start
		}
	}
}
