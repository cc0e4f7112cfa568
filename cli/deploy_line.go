package cli

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"runnel/store"
)

// words are the arguments that parse to just this line again: the entrypoint,
// then each flag that is not what it is by default. Short names where there are.
func (c deployCmd) words() []string {
	var words []string
	if c.Entrypoint != "" {
		words = append(words, c.Entrypoint)
	}
	for _, flag := range c.flags() {
		words = append(words, flagWords(flag)...)
	}
	return words
}

// line is the command that does the same without a question, for a shell.
func (c deployCmd) line() string {
	text := "runnel deploy"
	for _, word := range c.words() {
		text += " " + store.Quote(word)
	}
	return text
}

// flagsBeyond are the flags, as they are typed, in which c says more than kept.
func (c deployCmd) flagsBeyond(kept deployCmd) (names []string) {
	other := kept.flags()
	for i, flag := range c.flags() {
		if !reflect.DeepEqual(flag.Target.Interface(), other[i].Target.Interface()) {
			names = append(names, "--"+flag.Name)
		}
	}
	return names
}

// flags are kong's own view of the line, so that a new flag is never forgotten.
func (c deployCmd) flags() []*kong.Flag {
	parser, err := kong.New(&struct {
		Deploy deployCmd `cmd:""`
	}{c})
	if err != nil {
		panic(fmt.Sprintf("deploy's flags: %v", err)) // the grammar is a constant
	}
	return parser.Model.Leaves(true)[0].Flags
}

func flagWords(flag *kong.Flag) []string {
	value := flag.Target
	if value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0 {
		return nil
	}
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	switch value.Kind() {
	case reflect.Bool:
		if value.Bool() {
			return []string{"--" + flag.Name}
		}
		return []string{"--no-" + flag.Name}
	case reflect.Slice:
		var words []string
		for i := range value.Len() {
			words = append(words, valueWords(flag, fmt.Sprint(value.Index(i)))...)
		}
		return words
	}
	text := fmt.Sprint(value)
	if flag.HasDefault && text == flag.Default {
		return nil
	}
	return valueWords(flag, text)
}

// valueWords joins a value that looks like a flag to its name.
func valueWords(flag *kong.Flag, text string) []string {
	if strings.HasPrefix(text, "-") || text == "" {
		return []string{"--" + flag.Name + "=" + text}
	}
	if flag.Short != 0 {
		return []string{"-" + string(flag.Short), text}
	}
	return []string{"--" + flag.Name, text}
}
