package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"runnel/discover"
	"runnel/runner"
	"runnel/store"
)

// hookCommand is the hidden command that a process is which runs hooks.
const hookCommand = "run-hooks"

// runHooks is such a process's life.
func (a *app) runHooks(database string) int {
	maker := a.maker(nil)
	return runner.RunHooks(database, runner.HookOptions{
		Env: maker.Env, Binary: maker.Binary,
		Describe: func(_ context.Context, s *store.Store, run store.Run) ([]byte, error) {
			i, err := a.inspect(s, run)
			if err != nil {
				return nil, err
			}
			var b bytes.Buffer
			err = encodeJSON(&b, i, "  ")
			return b.Bytes(), err
		},
	})
}

// hookFlags are the commands that are told of runs.
type hookFlags struct {
	OnFailure    *string `placeholder:"COMMAND" help:"Start this when a run has failed, its retries used up; [] removes it."`
	OnCrash      *string `placeholder:"COMMAND" help:"The same, when one has crashed."`
	OnCompletion *string `placeholder:"COMMAND" help:"The same, when one has completed."`
	OnLate       *string `placeholder:"COMMAND" help:"The same, when one has not started in time."`
	HookTimeout  *string `placeholder:"TIME" help:"Stop such a command after this time (default: 30s)."`
}

// change is what the flags make another.
func (f hookFlags) change() (c store.HookChange, err error) {
	for _, flag := range []struct {
		name string
		text *string
		argv **[]string
	}{
		{"--on-failure", f.OnFailure, &c.OnFailure},
		{"--on-crash", f.OnCrash, &c.OnCrash},
		{"--on-completion", f.OnCompletion, &c.OnCompletion},
		{"--on-late", f.OnLate, &c.OnLate},
	} {
		if flag.text == nil {
			continue
		}
		argv, err := splitCommand(flag.name, *flag.text)
		if err != nil {
			return c, err
		}
		*flag.argv = &argv
	}
	if f.HookTimeout != nil {
		limit, err := parseDuration("--hook-timeout", *f.HookTimeout)
		if err != nil {
			return c, err
		}
		seconds := limit.Seconds()
		c.TimeoutSeconds = &seconds
	}
	return c, nil
}

// splitCommand reads a command as JSON, or splits it into words as a shell
// does, by spaces, quotes and backslashes alone: nothing is expanded.
func splitCommand(flag, text string) ([]string, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		argv := []string{}
		if err := json.Unmarshal([]byte(text), &argv); err != nil {
			return nil, badCommand(flag, "%s is no list of texts", store.Quote(text))
		}
		return argv, nil
	}
	argv, err := splitWords(text)
	switch {
	case err != nil:
		return nil, badCommand(flag, "%v: %s", err, text)
	case len(argv) == 0:
		return nil, badCommand(flag, "no command is given")
	}
	return argv, nil
}

func badCommand(flag, format string, args ...any) error {
	e := usage("%s: %s", flag, fmt.Sprintf(format, args...))
	e.hint = []string{`such as: ` + flag + ` 'mail -s "it failed" me@example.org', or a list: ["mail", "-s", …]; [] removes it`}
	return e
}

// splitWords is the part of a shell's grammar that has no surprises. A template,
// {{ … }}, is of one word, whatever is in it.
func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	inWord, quote := false, rune(0)
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch end := templateEnd(runes[i:]); {
		case end > 0:
			word.WriteString(string(runes[i : i+end]))
			i, inWord = i+end-1, true
		case r == '\\' && quote != '\'':
			if i++; i == len(runes) {
				return nil, fmt.Errorf("a backslash at the end")
			}
			if quote == '"' && !strings.ContainsRune(`"\$`+"`", runes[i]) {
				word.WriteRune('\\')
			}
			word.WriteRune(runes[i])
			inWord = true
		case r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if inWord {
				words, inWord = append(words, word.String()), false
				word.Reset()
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c without its end", quote)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// templateEnd is the length of the template that a text begins with, or 0.
func templateEnd(runes []rune) int {
	if len(runes) < 4 || runes[0] != '{' || runes[1] != '{' {
		return 0
	}
	text := string(runes)
	if !strings.Contains(text, "}}") {
		return 0
	}
	return len([]rune(text[:strings.Index(text, "}}")+2]))
}

// overlayHooks lays the flags over an entry.
func overlayHooks(e *discover.Entry, f hookFlags) error {
	c, err := f.change()
	layHooks(e, c)
	return err
}

func layHooks(e *discover.Entry, c store.HookChange) {
	overridePointer(&e.OnFailure, c.OnFailure)
	overridePointer(&e.OnCrash, c.OnCrash)
	overridePointer(&e.OnCompletion, c.OnCompletion)
	overridePointer(&e.OnLate, c.OnLate)
	overridePointer(&e.HookTimeoutSeconds, c.TimeoutSeconds)
}

// hookChange is what an entry wants of hooks.
func hookChange(e discover.Entry) store.HookChange {
	return store.HookChange{
		OnFailure: e.OnFailure, OnCrash: e.OnCrash, OnCompletion: e.OnCompletion, OnLate: e.OnLate,
		TimeoutSeconds: e.HookTimeoutSeconds,
	}
}

// lacking is the program of a hook that is not found here.
type lacking struct{ event, program string }

func (l lacking) on(whose string) string {
	return fmt.Sprintf("%s%s: no program %q on PATH", l.event, whose, l.program)
}

// lackingPrograms are those of hooks: a note, since the worker that starts them may
// have another PATH. What is shown in another form than it has was filled in, and is
// not looked for.
func lackingPrograms(hooks store.Hooks, shown map[string]string) (list []lacking) {
	for _, event := range store.HookEvents {
		argv := hooks.Of(event)
		if len(argv) == 0 || strings.Contains(argv[0], "/") || strings.Contains(argv[0], "{{") || shown[event+"[0]"] != "" {
			continue
		}
		if _, err := exec.LookPath(argv[0]); err != nil {
			list = append(list, lacking{event, argv[0]})
		}
	}
	return list
}

func (a *app) sayLackingPrograms(c store.HookChange) {
	for _, one := range lackingPrograms(store.Hooks{}.With(c), nil) {
		a.say("%s", one.on(""))
	}
}

// hookPairs are the hooks as inspect shows them.
func hookPairs(h store.Hooks) (pairs [][2]string) {
	for _, event := range store.HookEvents {
		var words []string
		for _, word := range h.Of(event) {
			words = append(words, store.Quote(word))
		}
		pairs = append(pairs, [2]string{strings.ReplaceAll(event, "_", " "), clean(strings.Join(words, " "))})
	}
	if s := h.HookTimeoutSeconds; s != nil {
		pairs = append(pairs, [2]string{"hook timeout", fmt.Sprintf("%gs", *s)})
	}
	return pairs
}

// printHooks is what the hooks of a run wrote.
func (a *app) printHooks(s *store.Store, run store.Run) error {
	hooks, err := s.HooksOf(a.ctx, run.ID)
	if err != nil {
		return err
	}
	if len(hooks) == 0 {
		a.say("%s has no hooks: none was owed by its end", run.Name)
	}
	for _, h := range hooks {
		text := h.Message
		switch {
		case h.Started == nil && h.Ended == nil:
			text = "owed, and not started yet"
		case h.Ended == nil:
			text = "under way since " + a.local(*h.Started)
		}
		a.say("%s: %s", h.Title(), clean(text))
		path := s.LogPath(h.Log)
		if _, err := os.Stat(path); h.Log == "" || err != nil {
			continue // it was never started
		}
		printer := logPrinter{w: a.Out, terminal: a.OutTerminal}
		if err := runner.ReadLog(path, printer.visit); err != nil {
			return err
		}
	}
	return nil
}
