package store

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// ArgumentError is an argument of a step that is refused.
type ArgumentError struct {
	Argument string
	Why      string // what is wrong with it, to follow its name
	err      *Error
}

func (e *ArgumentError) Error() string { return e.err.Message }

// Unwrap gives what says how to mend it.
func (e *ArgumentError) Unwrap() error { return e.err }

func badArgument(step, argument, why string, hint ...string) error {
	e := invalid("%s: %s %s", step, argument, why)
	e.Hint = hint
	return &ArgumentError{argument, why, e}
}

var (
	// badRef is what git has in no name of a branch or tag.
	badRef    = lazily(`^-|[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|//|/$|\.lock$`)
	commitSHA = lazily(`^[0-9a-fA-F]{4,64}$`)
	// notCloned is what git would take for an option, also in front of the host,
	// for a program (name::address), or for two lines.
	notCloned = lazily(`^-|^[A-Za-z0-9+.-]*::|\p{Cc}|^[A-Za-z0-9+.-]+://([^/]*@)?-|^[^/:]*@-`)
	// A token is known by its host's beginning for it, or by being long and without
	// the dashes and dots of a name.
	hostsToken = lazily(`(?i)^(gh[oprsu]_|github_pat_|gl(pat|dt|cbt|ptt|ft|rt|oas)-|ATBB|ATCTT)`)
	longToken  = lazily(`^[A-Za-z0-9]{20,}$`)
)

// CheckClone refuses arguments of git_clone that exclude each other, and what
// git would take for an option, a program or a way out of the folder.
func CheckClone(step Step) error { return checkClone(step, func(json.RawMessage) bool { return true }) }

// checkClone leaves out what is not known yet.
func checkClone(step Step, known func(json.RawMessage) bool) error {
	if step.Name != GitClone {
		return nil
	}
	for _, group := range [][]string{{"branch", "commit_sha"}, {"access_token", "credentials"}} {
		var given []string
		for _, name := range group {
			if _, there := step.Arguments[name]; there {
				given = append(given, name)
			}
		}
		if len(given) > 1 {
			return invalid("git_clone: %s exclude each other", strings.Join(given, " and "))
		}
	}
	for _, c := range cloneChecks {
		raw, given := step.Arguments[c.argument]
		if !given || !known(raw) {
			continue
		}
		for _, text := range textsOf(raw) {
			if !c.bad(text) {
				continue
			}
			if c.argument == "repository" { // which may hold what is secret
				return badArgument(GitClone, c.argument, c.why)
			}
			return badArgument(GitClone, c.argument, fmt.Sprintf("%q %s", text, c.why))
		}
	}
	return nil
}

var cloneChecks = []struct {
	argument, why string
	bad           func(string) bool
}{
	{
		"repository", "is no address that is cloned: an https://, ssh:// or file:// URL, user@host:path or a folder is wanted",
		func(text string) bool { return text == "" || notCloned().MatchString(text) },
	},
	{"branch", "is no branch or tag", func(text string) bool { return badRef().MatchString(text) }},
	{
		"commit_sha", "is no commit: 4 to 64 hex digits are wanted",
		func(text string) bool { return text != "" && !commitSHA().MatchString(text) },
	},
	{"clone_directory_name", "leaves its folder", func(text string) bool {
		return text != "" && (!filepath.IsLocal(text) || filepath.Clean(text) == ".")
	}},
	{"directories", "is no directory of a repository", func(text string) bool {
		return text == "" || strings.HasPrefix(text, "-") || strings.ContainsFunc(text, unicode.IsControl)
	}},
}

// textsOf is a text, or those of a list.
func textsOf(raw json.RawMessage) (list []string) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []string{text}
	}
	_ = json.Unmarshal(raw, &list) // of another kind: its own check says so
	return list
}

// CheckLogin refuses a login in plain words, which would be stored and shown. A
// value from the environment is hidden.
func CheckLogin(step Step) error {
	if step.Name != GitClone {
		return nil
	}
	for _, name := range []string{"repository", "access_token", "credentials"} {
		raw := step.Arguments[name]
		if !HasTemplate(raw) && !step.Hides(name) && holdsLogin(name, raw) {
			return badArgument(GitClone, name, "holds a login, which would be stored and shown",
				"keep it as a secret: runnel variable set git-token - --secret",
				"and name that: access_token: '{{ prefect.blocks.secret.git-token }}'")
		}
	}
	return nil
}

// Hides is true where an argument, or a part of it, is stored and not shown.
func (s Step) Hides(argument string) bool {
	for path := range s.Shown {
		if path == argument || strings.HasPrefix(path, argument+".") {
			return true
		}
	}
	return false
}

// holdsLogin is true of an address with a login, and of any token.
func holdsLogin(argument string, raw json.RawMessage) bool {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return len(raw) > 0 // credentials by name
	}
	if argument != "repository" {
		return text != ""
	}
	return HoldsLogin(text)
}

// HoldsLogin is true of a password in an address, and of a token that stands
// there as a name. Another name alone opens nothing: hosts offer such addresses to
// copy, and who has a credential helper needs it.
func HoldsLogin(address string) bool {
	scheme, rest, isURL := strings.Cut(strings.ToLower(address), "://")
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if !isURL || at < 0 {
		return false
	}
	name := authority[:at]
	if strings.Contains(name, ":") {
		return true
	}
	if scheme != "https" && scheme != "http" {
		return false
	}
	return hostsToken().MatchString(name) || longToken().MatchString(name) && strings.ContainsAny(name, "0123456789")
}
