package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type cloneArguments struct {
	Repository    string          `json:"repository"`
	Branch        string          `json:"branch"` // or a tag
	CommitSHA     string          `json:"commit_sha"`
	Submodules    bool            `json:"include_submodules"`
	AccessToken   string          `json:"access_token"`
	Credentials   json.RawMessage `json:"credentials"`
	Directories   []string        `json:"directories"`
	DirectoryName string          `json:"clone_directory_name"`
}

// cloneTries is how often a remote is asked, and clonePause how long after the
// first time: networks fail at night.
const (
	cloneTries = 3
	clonePause = time.Second
)

var (
	commitSHA = lazily(`^[0-9a-fA-F]{4,64}$`)
	// remoteHelper is git's name::address, which runs a program of that name.
	remoteHelper = lazily(`^[A-Za-z0-9+.-]*::`)
	// scpAddress is host:path as ssh and scp write it.
	scpAddress = lazily(`^([^/:]+@)?[^/:]+:`)
)

// gitClone clones into a new folder, which becomes the working directory.
func (r *stepRun) gitClone(a cloneArguments) (map[string]any, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	repository, login, err := a.login(r.secrets)
	if err != nil {
		return nil, err
	}
	if login.password != "" {
		r.hide(login.password)
	}
	parent := r.dir
	if r.clones != "" {
		parent = r.clones
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	named := repository
	if isLocal(repository) && !strings.HasPrefix(repository, "file://") {
		named = r.within(repository) // "." has a name, too
	}
	folder := filepath.Join(parent, a.folderName(named))
	g := gitRun{stepRun: r, login: login, local: isLocal(repository), dir: existing(r.dir, parent)}
	if err := g.clone(a, repository, folder); err != nil {
		return nil, err
	}
	return r.enter(folder), nil
}

// check refuses what git would take for an option, a program or a way out of
// the folder.
func (a cloneArguments) check() error {
	switch {
	case a.Repository == "":
		return errors.New("its repository is empty")
	case strings.HasPrefix(a.Repository, "-"), remoteHelper().MatchString(a.Repository):
		return errors.New("its repository is no address that is cloned: an https://, ssh:// or file:// URL, user@host:path or a folder is wanted")
	case strings.HasPrefix(a.Branch, "-"):
		return fmt.Errorf("%q is no branch", a.Branch)
	case a.CommitSHA != "" && !commitSHA().MatchString(a.CommitSHA):
		return fmt.Errorf("%q is no commit: 4 to 64 hex digits are wanted", a.CommitSHA)
	case a.DirectoryName != "" && (!filepath.IsLocal(a.DirectoryName) || filepath.Clean(a.DirectoryName) == "."):
		return fmt.Errorf("clone_directory_name %q leaves its folder", a.DirectoryName)
	}
	for _, directory := range a.Directories {
		if directory == "" || strings.HasPrefix(directory, "-") {
			return fmt.Errorf("%q is no directory of a repository", directory)
		}
	}
	return nil
}

// login is what a remote asks for over http.
type login struct {
	host, user, password string // host as https://example.org
}

// login gives the repository without what git must not see on its command line
// nor keep in its files, and that apart.
func (a cloneArguments) login(secrets []string) (string, login, error) {
	token, user, err := a.token()
	if err != nil {
		return "", login{}, err
	}
	u, err := url.Parse(a.Repository)
	web := err == nil && (u.Scheme == "https" || u.Scheme == "http")
	switch {
	case err != nil && strings.Contains(a.Repository, "://"):
		// The parser's own message would quote it, and what is secret in it.
		return "", login{}, errors.New("its repository is no URL that can be read")
	case !web && token != "":
		return "", login{}, errors.New("access_token and credentials are for https:// repositories; this one is asked by other means")
	case !web:
		return a.Repository, login{}, nil
	}
	l := login{host: u.Scheme + "://" + u.Host, user: user, password: token}
	if token == "" {
		l.fromURL(u, secrets)
	} else {
		u.User = nil
	}
	l.complete(u.Host)
	if strings.ContainsAny(l.user+l.password, "\n\r\x00") {
		return "", login{}, errors.New("its token holds a line break")
	}
	return u.String(), l, nil
}

// fromURL takes over user:password@ of a URL, and a secret that stands there
// alone; another name alone is left for git's own means.
func (l *login) fromURL(u *url.URL, secrets []string) {
	password, both := u.User.Password()
	switch name := u.User.Username(); {
	case both:
		l.user, l.password = name, password
	case slices.Contains(secrets, name):
		l.password = name
	default:
		return
	}
	u.User = nil
}

// complete finds the name that goes with a token; one may hold it, as name:token.
func (l *login) complete(host string) {
	if l.password == "" || l.user != "" {
		return
	}
	if name, password, both := strings.Cut(l.password, ":"); both {
		l.user, l.password = name, password
		return
	}
	l.user = tokenUser(host)
}

// token reads access_token or credentials, of which one is given.
func (a cloneArguments) token() (token, user string, err error) {
	if len(a.Credentials) == 0 || string(a.Credentials) == "null" {
		return strings.TrimSpace(a.AccessToken), "", nil
	}
	if json.Unmarshal(a.Credentials, &token) == nil {
		return strings.TrimSpace(token), "", nil
	}
	var named struct{ Token, Username, Password string }
	if err := json.Unmarshal(a.Credentials, &named); err != nil {
		return "", "", errors.New("its credentials are neither a token nor username and password")
	}
	if named.Token != "" {
		named.Password = named.Token
	}
	return strings.TrimSpace(named.Password), named.Username, nil
}

// tokenUser is the name that a host wants beside a token.
func tokenUser(host string) string {
	switch {
	case strings.Contains(host, "gitlab"):
		return "oauth2"
	case strings.Contains(host, "bitbucket"):
		return "x-token-auth"
	}
	return "x-access-token"
}

// folderName is the repository's name, with the branch where one is named.
func (a cloneArguments) folderName(repository string) string {
	if a.DirectoryName != "" {
		return a.DirectoryName
	}
	name := strings.TrimSuffix(strings.TrimRight(repository, "/"), ".git")
	name = strings.TrimRight(name, "/")
	name = name[strings.LastIndexAny(name, `/:\`)+1:]
	if name == "" || name == "." || name == ".." {
		name = "repository"
	}
	if a.Branch != "" {
		name += "-" + strings.ReplaceAll(a.Branch, "/", "-")
	}
	return name
}

// isLocal says whether the repository is a folder of this machine.
func isLocal(repository string) bool {
	if strings.HasPrefix(repository, "file://") {
		return true
	}
	return !strings.Contains(repository, "://") && !scpAddress().MatchString(repository)
}

// gitRun runs git for one clone.
type gitRun struct {
	*stepRun
	login login
	local bool
	dir   string
}

func (g gitRun) clone(a cloneArguments, repository, folder string) error {
	arguments := []string{"clone"}
	if len(a.Directories) > 0 || a.CommitSHA != "" {
		arguments = append(arguments, "--no-checkout")
	}
	if len(a.Directories) > 0 && !g.local {
		arguments = append(arguments, "--filter=blob:none")
	}
	if a.Branch != "" {
		arguments = append(arguments, "--branch", a.Branch)
	}
	// A commit may lie anywhere in the history; a local clone shares its files.
	if a.CommitSHA == "" && (!g.local || strings.HasPrefix(repository, "file://")) {
		arguments = append(arguments, "--depth", "1")
	}
	if err := g.patiently(folder, append(arguments, "--", repository, folder)); err != nil {
		return err
	}
	if len(a.Directories) > 0 {
		if err := g.git(append([]string{"-C", folder, "sparse-checkout", "set"}, a.Directories...)...); err != nil {
			return err
		}
	}
	if err := g.checkout(a, folder); err != nil || !a.Submodules {
		return err
	}
	return g.git("-C", folder, "submodule", "update", "--init", "--recursive")
}

func (g gitRun) checkout(a cloneArguments, folder string) error {
	switch {
	case a.CommitSHA == "" && len(a.Directories) == 0:
		return nil
	case a.CommitSHA == "":
		return g.git("-C", folder, "checkout")
	}
	if g.quiet("-C", folder, "cat-file", "-e", a.CommitSHA+"^{commit}") != nil {
		// On no branch and no tag, as the head of a pull request: asked for by name.
		if err := g.git("-C", folder, "fetch", "origin", a.CommitSHA); err != nil {
			return err
		}
	}
	return g.git("-C", folder, "checkout", "--detach", a.CommitSHA)
}

// patiently tries a clone again where the remote may be to blame.
func (g gitRun) patiently(folder string, arguments []string) error {
	pause := clonePause
	for try := 1; ; try++ {
		err := g.git(arguments...)
		if err == nil || g.local || errors.Is(err, errStopped) || try == cloneTries || !worthAnotherTry(err) {
			return err
		}
		_ = os.RemoveAll(folder) // git removes what it made, unless it was killed
		g.say(fmt.Sprintf("runnel: git_clone is tried again in %s", pause))
		if err := g.rest(pause); err != nil {
			return err
		}
		pause *= 4
	}
}

// worthAnotherTry says whether a clone failed for the network: a wrong name, branch or
// password does not mend itself.
func worthAnotherTry(err error) bool {
	text := strings.ToLower(err.Error())
	for _, sign := range []string{
		"could not resolve host", "timed out", "connection", "early eof", "hung up", "rpc failed", "error: 5", "temporarily", "tls",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func (g gitRun) git(arguments ...string) error { return g.start(false, arguments) }

func (g gitRun) quiet(arguments ...string) error { return g.start(true, arguments) }

func (g gitRun) start(quiet bool, arguments []string) error {
	c := command{argv: append(g.config(), arguments...), env: g.environment(), dir: g.dir, quiet: quiet}
	_, err := g.exec(c)
	return err
}

// credentialHelper answers git from its environment: no argument, no file and
// no other helper ever sees the password.
const credentialHelper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$RUNNEL_GIT_USERNAME" "$RUNNEL_GIT_PASSWORD"; }; f`

// config turns off all by which git would run code that no one asked for.
func (g gitRun) config() []string {
	argv := []string{"git", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false"}
	if g.login.password != "" {
		key := "credential." + g.login.host + ".helper="
		// The empty one forgets the user's helpers, which would keep the password.
		argv = append(argv, "-c", key, "-c", key+credentialHelper)
	}
	return argv
}

// environment is the step's, without what ties git to another repository, and
// with no way to ask anybody. Of a remote, no folder of this machine is cloned,
// be it as a submodule.
func (g gitRun) environment() []string {
	protocols := "git:http:https:ssh"
	if g.local {
		protocols += ":file"
	}
	e := environment{}
	e.add(g.env)
	for _, name := range []string{
		"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
		"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_CONFIG_PARAMETERS", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE",
	} {
		delete(e, name)
	}
	e["GIT_ALLOW_PROTOCOL"] = protocols
	e["LC_ALL"] = "C" // worthAnotherTry reads what it says
	e["GIT_TERMINAL_PROMPT"] = "0"
	e["GIT_ASKPASS"], e["SSH_ASKPASS"], e["SSH_ASKPASS_REQUIRE"] = "", "", "never"
	if g.login.password != "" {
		e["RUNNEL_GIT_USERNAME"], e["RUNNEL_GIT_PASSWORD"] = g.login.user, g.login.password
	}
	return e.list()
}
