package runner

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
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
	Writable      bool            `json:"writable"`
}

// scpAddress is host:path as ssh and scp write it.
var scpAddress = lazily(`^([^/:]+@)?[^/:]+:`)

// Cloned is a folder that git_clone checked out, and what is in it.
type Cloned struct {
	Folder     string
	Repository string // its address, without what logs in
	Branch     string // or tag, that was followed; "" where a commit is pinned
	Commit     string // in full
	// Directories are all that was asked for; none is all.
	Directories []string
}

// gitClone brings a commit into a folder, which becomes the working directory.
func (r *stepRun) gitClone(a cloneArguments) (map[string]any, error) {
	repository, login, err := a.login(r.secrets)
	if err != nil {
		return nil, err
	}
	if login.password != "" {
		r.hide(login.password)
	}
	local := isLocal(repository)
	if local && !strings.HasPrefix(repository, "file://") {
		repository = r.within(repository) // "." has a name, too
	}
	if err := os.MkdirAll(r.cache, 0o700); err != nil {
		return nil, err
	}
	c := clone{
		gitRun:         gitRun{stepRun: r, login: login, local: local, url: repository},
		cloneArguments: a,
	}
	done, err := c.bring()
	if err != nil {
		return nil, err
	}
	r.done.Clones = append(r.done.Clones, done)
	return r.enter(done.Folder), nil
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
		return "", login{}, errors.New("its repository is no URL that can be read; a token does not belong there: name it by access_token")
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

// isLocal says whether the repository is a folder of this machine.
func isLocal(repository string) bool {
	if strings.HasPrefix(repository, "file://") {
		return true
	}
	return !strings.Contains(repository, "://") && !scpAddress().MatchString(repository)
}
