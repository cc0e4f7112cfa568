package discover

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// GitSource is a flow in a repository, as it is typed:
// git+https://host/repo.git@branch#path/file.py:function.
type GitSource struct {
	Repository string // as git takes it
	Ref        string // a branch, tag or commit; "" is the remote's own branch
	Entrypoint string // "" where the repository shall be looked through
}

// String is the source as it is typed.
func (s GitSource) String() string {
	text := s.Repository
	if !strings.HasPrefix(text, "git@") {
		text = "git+" + text
	}
	if s.Ref != "" {
		text += "@" + s.Ref
	}
	if s.Entrypoint != "" {
		text += "#" + s.Entrypoint
	}
	return text
}

// GitSourceError says what is wrong with a source, and how to mend it.
type GitSourceError struct {
	Message string
	Hint    []string
}

func (e *GitSourceError) Error() string { return e.Message }

func badSource(hint, format string, args ...any) error {
	e := &GitSourceError{Message: fmt.Sprintf(format, args...)}
	if hint != "" {
		e.Hint = []string{hint}
	}
	return e
}

const sourceForm = "such as: git+https://host/repo.git@branch#path/file.py:function"

var (
	// sourceAddress is user@host:path, as ssh takes it.
	sourceAddress = lazily(`^[A-Za-z0-9_][\w.-]*@([A-Za-z0-9][\w.-]*):([^/:].*|/.*)$`)
	fullCommit    = lazily(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)
	anyCommit     = lazily(`^[0-9a-fA-F]{4,64}$`)
)

// ParseGitSource reads a source. is is false for a text that is none: an
// entrypoint of this folder. Whatever git might take for an option or a program
// is refused; a login is the caller's to judge.
func ParseGitSource(text string) (s GitSource, is bool, err error) {
	rest, plus := strings.CutPrefix(text, "git+")
	if scheme, _, isURL := strings.Cut(text, "://"); isURL && !plus && knownScheme(scheme) {
		return s, true, badSource(sourceForm, "the address of a repository begins with git+")
	}
	if !plus && (!strings.HasPrefix(text, "git@") || !strings.Contains(text, ":")) {
		return s, false, nil
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }); i >= 0 {
		return s, true, badSource("", "the address of a repository holds %q", text[i:i+1])
	}
	address, entrypoint, _ := strings.Cut(rest, "#")
	if strings.Contains(address, "://") {
		s, err = parseURL(address)
	} else {
		s, err = parseAddress(address)
	}
	if err != nil {
		return s, true, err
	}
	if s.Ref != "" {
		if err := CheckGitRef(s.Ref); err != nil {
			return s, true, err
		}
	}
	s.Entrypoint = entrypoint
	return s, true, checkSourceEntrypoint(entrypoint)
}

// cutRef takes @ref off a path: behind the last @, since a branch holds none.
func cutRef(text string) (rest, ref string, err error) {
	i := strings.LastIndex(text, "@")
	if i < 0 {
		return text, "", nil
	}
	if text[i+1:] == "" {
		return text, "", badSource(sourceForm, "nothing follows the @ of the address: a branch, tag or commit is wanted")
	}
	return text[:i], text[i+1:], nil
}

func parseURL(address string) (s GitSource, err error) {
	scheme, rest, _ := strings.Cut(address, "://")
	authority, place, found := strings.Cut(rest, "/")
	host := authority[strings.LastIndex(authority, "@")+1:]
	login := strings.TrimSuffix(authority[:len(authority)-len(host)], "@")
	if !knownScheme(scheme) {
		return s, badSource(sourceForm, "repositories are read by https, http, ssh, git and file, and not by %q", scheme)
	}
	switch {
	case (scheme == "file") != (host == "") || !found || place == "":
		return s, badSource(sourceForm, "the address names no repository")
	case strings.HasPrefix(host, "-") || strings.HasPrefix(login, "-"):
		return s, badSource(sourceForm, "%q is no host", host)
	}
	place, s.Ref, err = cutRef(place)
	if err != nil {
		return s, err
	}
	s.Repository = scheme + "://" + authority + "/" + place
	if _, err := url.Parse(s.Repository); err != nil || place == "" {
		return s, badSource(sourceForm, "the address of the repository cannot be read")
	}
	return s, nil
}

func knownScheme(scheme string) bool {
	switch scheme {
	case "https", "http", "ssh", "git", "file":
		return true
	}
	return false
}

func parseAddress(address string) (s GitSource, err error) {
	found := sourceAddress().FindStringSubmatch(address)
	if found == nil || strings.HasPrefix(found[2], "-") {
		return s, badSource(sourceForm, "this is no address of a repository that is read: a URL, or user@host:path, is wanted")
	}
	place, ref, err := cutRef(found[2])
	s.Repository, s.Ref = strings.TrimSuffix(address, found[2])+place, ref
	return s, err
}

// CheckGitRef refuses what is no branch, tag or commit, by the rules of git's
// own check-ref-format.
func CheckGitRef(ref string) error {
	bad := ref == "" || strings.HasPrefix(ref, "-") || strings.HasPrefix(ref, "/") || strings.HasSuffix(ref, "/") ||
		strings.HasSuffix(ref, ".") || strings.HasSuffix(ref, ".lock") || strings.ContainsAny(ref, "~^:?*[{\\ ") ||
		strings.Contains(ref, "..") || strings.Contains(ref, "//") ||
		strings.ContainsFunc(ref, func(r rune) bool { return r < ' ' || r == 0x7f })
	if bad {
		return badSource("", "%q is no branch, tag or commit", ref)
	}
	return nil
}

func checkSourceEntrypoint(entrypoint string) error {
	file, _, _ := strings.Cut(entrypoint, ":")
	if strings.HasPrefix(file, "/") || strings.HasPrefix(file, "-") || file != "" && strings.HasPrefix(path.Clean(file), "..") {
		return badSource(sourceForm, "#%s: the path starts at the top of the repository", entrypoint)
	}
	return nil
}

// IsCommit is true for a whole commit, which names nothing else.
func (s GitSource) IsCommit() bool { return fullCommit().MatchString(s.Ref) }

// MayBeCommit is true for what may be the beginning of a commit, too.
func (s GitSource) MayBeCommit() bool { return anyCommit().MatchString(s.Ref) }

// GitHead is the commit that a checkout has, and its branch; "" for none.
func GitHead(ctx context.Context, dir string) (commit, branch string, err error) {
	out, err := git(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return "", "", fmt.Errorf("read the commit of %s: %w", dir, err)
	}
	name, _ := git(ctx, dir, "symbolic-ref", "--quiet", "--short", "HEAD")
	return strings.TrimSpace(string(out)), strings.TrimSpace(string(name)), nil
}

// GitCommit is the commit in full that a name means in a checkout, "" where it
// is not there; published is true where a branch of the remote has it, as far
// as is known here.
func GitCommit(ctx context.Context, dir, name, remote string) (commit string, published bool) {
	out, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return "", false
	}
	commit = strings.TrimSpace(string(out))
	branches, err := git(ctx, dir, "for-each-ref", "--count=1", "--contains", commit, "refs/remotes/"+remote+"/")
	return commit, err == nil && len(branches) > 0
}
