package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cloneTries is how often a remote is asked, and clonePause how long after the
// first time: networks fail at night. Tests have less time.
const cloneTries = 3

var clonePause = time.Second

// gitSilence is how long a remote may say nothing: git itself would wait for ever.
// It tells its progress while it fetches, also that of the other side, so that what
// goes on is heard, over whatever transport; of what it does without a word, such as
// the look for what connects after a large fetch, see effort. Tests wait less.
var gitSilence = 2 * time.Minute

// silentError is a remote that said nothing. It is not asked again: it had its time.
type silentError struct {
	from  string
	after time.Duration
	last  string
}

func (e silentError) Error() string {
	text := fmt.Sprintf("nothing came from %s for %s, so git was ended: is that host well, and does the network let it through?", e.from, e.after)
	if e.last != "" {
		text += "\nthe last that git said:\n" + e.last
	}
	return text
}

// gitRun runs git for one clone.
type gitRun struct {
	*stepRun
	login login
	local bool
	url   string // without what logs in
}

// patiently does what asks a remote again where the network may be to blame.
func (g gitRun) patiently(ask func() error) error {
	pause := clonePause
	for try := 1; ; try++ {
		err := ask()
		if err == nil || g.local || errors.Is(err, errStopped) || try == cloneTries || !networkFailed(err) {
			return err
		}
		g.say(fmt.Sprintf("runnel: git_clone is tried again in %s", pause))
		if err := g.rest(pause); err != nil {
			return err
		}
		pause *= 4
	}
}

// networkFailed says whether a remote was not reached: a wrong name, branch or
// password does not mend itself.
func networkFailed(err error) bool {
	if errors.As(err, new(silentError)) {
		return false
	}
	text := strings.ToLower(err.Error())
	for _, sign := range []string{
		"could not resolve host", "timed out", "connection", "connect to", "no route to host", "early eof", "hung up", "rpc failed", "error: 5", "temporarily", "tls",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func (g gitRun) git(arguments ...string) error {
	_, err := g.start(command{}, arguments)
	return err
}

// asked gives what git prints, which is not shown.
func (g gitRun) asked(arguments ...string) (string, error) {
	out, err := g.start(command{quiet: true}, arguments)
	return out.stdout.text(), err
}

// remotely is asked of what waits for a remote. Progress is not worth showing;
// what git says last, where it fails, is.
func (g gitRun) remotely(arguments ...string) (string, error) {
	out, err := g.start(command{quiet: true, silence: gitSilence}, arguments)
	switch {
	case errors.Is(err, errSilent):
		err = silentError{g.url, gitSilence, out.lastLines()}
	case hasAny(err, "terminal prompts disabled"):
		err = fmt.Errorf("%w\nit asks for a login: keep a token as a secret (runnel variable set NAME - --secret) and name it by access_token (deploy git+…: --access-token), or set up a credential helper of git", err)
	}
	if err != nil && !errors.Is(err, errStopped) {
		g.say("runnel: " + err.Error())
	}
	return out.stdout.text(), err
}

func (g gitRun) start(c command, arguments []string) (output, error) {
	if line := strings.Join(arguments, " "); maskText(line, g.secrets) != line {
		return output{}, errors.New("its arguments hold a secret, which every user of this machine could read in the list of processes;\n" +
			"give it as access_token or credentials")
	}
	c.argv, c.env, c.dir = append(g.config(), arguments...), g.environment(), g.cache
	return g.exec(c)
}

// credentialHelper answers git from its environment: no argument, no file and
// no other helper ever sees the password.
const credentialHelper = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$RUNNEL_GIT_USERNAME" "$RUNNEL_GIT_PASSWORD"; }; f`

// config turns off all by which git would run code that no one asked for.
func (g gitRun) config() []string {
	argv := []string{
		"git", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false",
		// What tidies up does so while the mirror is locked, or not at all.
		"-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false",
		// What is fetched stays one pack, which git has on disk before it says so.
		"-c", "fetch.unpackLimit=1",
	}
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
	for _, name := range tyingVariables {
		delete(e, name)
	}
	e["GIT_CEILING_DIRECTORIES"] = filepath.Dir(g.cache) // no repository around it is meant
	e["GIT_ALLOW_PROTOCOL"] = protocols
	e["LC_ALL"] = "C" // networkFailed reads what it says
	e["GIT_TERMINAL_PROMPT"] = "0"
	e["GIT_ASKPASS"], e["SSH_ASKPASS"], e["SSH_ASKPASS_REQUIRE"] = "", "", "never"
	if g.login.password != "" {
		e["RUNNEL_GIT_USERNAME"], e["RUNNEL_GIT_PASSWORD"] = g.login.user, g.login.password
	}
	return e.list()
}
