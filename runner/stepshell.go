package runner

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"runnel/store"
)

type scriptArguments struct {
	Script    string       `json:"script"`
	Directory string       `json:"directory"`
	Env       store.Values `json:"env"`
	Stream    *bool        `json:"stream_output"` // nil: yes
	Expand    bool         `json:"expand_env_vars"`
	Shell     bool         `json:"shell"`
}

// shellScript runs a script line by line without a shell, or all of it in one.
func (r *stepRun) shellScript(a scriptArguments) (map[string]any, error) {
	c := command{env: overlay(r.env, texts(a.Env)), dir: r.within(a.Directory), quiet: a.Stream != nil && !*a.Stream}
	script := a.Script
	if a.Expand {
		script = expand(script, c.env)
	}
	if a.Shell {
		return r.inShell(c, script)
	}
	if maskText(script, r.secrets) != script {
		return nil, errors.New("its script holds a secret, which every user of this machine could read in the list of processes;\n" +
			"give it as env: {NAME: …} and write $NAME, with shell: true")
	}
	lines, err := splitScript(script)
	if err != nil {
		return nil, err
	}
	var all output
	for _, words := range lines {
		c.argv = words
		out, err := r.exec(c)
		if err != nil {
			return nil, shellHint(words, err)
		}
		all.join(out)
	}
	return all.outputs(), nil
}

// inShell stops at the first command that fails, as line by line does.
func (r *stepRun) inShell(c command, script string) (map[string]any, error) {
	c.argv = []string{"/bin/sh", "-ec", script}
	if maskText(script, r.secrets) != script {
		// The list of processes shows arguments to everybody, the environment to us.
		c.argv[2] = `eval "$RUNNEL_SCRIPT"`
		c.env = overlay(c.env, map[string]*string{"RUNNEL_SCRIPT": &script})
	}
	out, err := r.exec(c)
	if err != nil {
		return nil, err
	}
	return out.outputs(), nil
}

// shellHint tells of what only a shell knows.
func shellHint(words []string, err error) error {
	for i, word := range words {
		if slices.Contains(shellsOwn, word) || i == 0 && shellsFirst().MatchString(word) {
			return fmt.Errorf("%w\n%q means that only to a shell: set shell: true", err, word)
		}
	}
	return err
}

var (
	shellsOwn = []string{"&&", "||", "|", ";", ">", ">>", "<", "2>&1", "cd", "export", "source"}
	// shellsFirst are words that begin what only a shell does, an assignment among them.
	shellsFirst = lazily(`^(for|while|until|if|case|set|unset|umask|ulimit|alias|\.|\{|\(.*|\w+=.*|.*;)$`)
)

// texts are the values of env as text; null drops a variable.
func texts(env store.Values) map[string]*string {
	out := map[string]*string{}
	for name, raw := range env {
		if string(raw) == "null" {
			out[name] = nil
			continue
		}
		text := store.TextOf(raw)
		out[name] = &text
	}
	return out
}

var environmentName = lazily(`\$(\w+|\{\w+\})`)

// expand fills in $NAME and ${NAME}; what is not set stays as it is written.
func expand(text string, env []string) string {
	set := environment{}
	set.add(env)
	return environmentName().ReplaceAllStringFunc(text, func(name string) string {
		if value, found := set[strings.Trim(name, "${}")]; found {
			return value
		}
		return name
	})
}

// splitScript splits a script into commands and their words by a shell's rules
// of quoting, and nothing else of it: no variables, no pipes.
func splitScript(script string) (lines [][]string, err error) {
	s := splitter{}
	for _, char := range script {
		s.take(char, &lines)
	}
	if s.quote != 0 || s.escaped {
		return nil, errors.New("its script ends within a quote or after a backslash")
	}
	s.endLine(&lines)
	return lines, nil
}

// splitter is where in a script the reader stands.
type splitter struct {
	words   []string
	word    strings.Builder
	inWord  bool
	quote   rune // ' or ", or 0
	escaped bool
	comment bool
}

func (s *splitter) take(char rune, lines *[][]string) {
	switch {
	case s.comment:
		s.comment = char != '\n'
	case s.escaped:
		s.escaped = false
		s.afterBackslash(char)
	case char == '\\' && s.quote != '\'':
		s.escaped = true
	case s.quote != 0:
		if char == s.quote {
			s.quote = 0
		} else {
			s.word.WriteRune(char)
		}
	case char == '\'' || char == '"':
		s.quote, s.inWord = char, true
	case char == '\n':
		s.endLine(lines)
	case char == ' ' || char == '\t' || char == '\r':
		s.endWord()
	case char == '#' && !s.inWord:
		s.endLine(lines)
		s.comment = true
	default:
		s.word.WriteRune(char)
		s.inWord = true
	}
}

// afterBackslash: a line goes on after one, and within double quotes it is a
// character of its own but before a few.
func (s *splitter) afterBackslash(char rune) {
	if char == '\n' {
		return
	}
	if s.quote == '"' && char != '"' && char != '\\' && char != '$' && char != '`' {
		s.word.WriteRune('\\')
	}
	s.word.WriteRune(char)
	s.inWord = true
}

func (s *splitter) endWord() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

func (s *splitter) endLine(lines *[][]string) {
	s.endWord()
	if len(s.words) > 0 {
		*lines = append(*lines, s.words)
	}
	s.words = nil
}

// lazily compiles a pattern when it is first needed: all of them at once would
// cost every command most of a millisecond at its start.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
