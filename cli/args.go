package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"runnel/store"
)

// What stands between a person's line and kong: spellings that people bring
// along are turned into ours before it parses, and what it refuses is said in
// our words after.

// twoLetters are Prefect's short flags that kong would read as two.
var twoLetters = map[string]string{"-jv": "--job-variable", "-cl": "--concurrency-limit"}

// numbers are the flags whose value may look like a short flag: "--limit -1"
// shall be told what a limit is, and nothing of flags.
var numbers = []string{
	"--limit", "-l", "--concurrency-limit", "--priority", "--hours", "--retries", "--retry-delay",
	"--retries-on-crash", "--retry-jitter", "--tail", "--attempt",
	"--in", "--start-in", "--since", "--until", "--timeout", "--watch-timeout",
	"--keep", "--keep-last", "--interval", "--max-late", "--jitter", "-n", "--limit-concurrent",
}

var negative = lazily(`^-[0-9]`)

// rewrite gives the arguments as kong is to read them.
func rewrite(args []string) []string {
	if len(args) > 0 {
		switch args[0] {
		case "--version", "-V":
			args = append([]string{"version"}, args[1:]...)
		case "help":
			args = helpArgs(args)
		}
	}
	var rewritten []string
	for i, arg := range args {
		if arg == "--" {
			return append(rewritten, args[i:]...)
		}
		flag, value, joined := strings.Cut(arg, "=")
		if name, known := twoLetters[flag]; known {
			arg = name
			if joined {
				arg = name + "=" + value
			}
		}
		if n := len(rewritten); n > 0 && negative().MatchString(arg) && slices.Contains(numbers, rewritten[n-1]) {
			if strings.HasPrefix(rewritten[n-1], "--") {
				arg = "=" + arg
			}
			rewritten[n-1] += arg
			continue
		}
		rewritten = append(rewritten, arg)
	}
	return rewritten
}

// checkText refuses an argument that is no text: it would be stored, or sought
// as a file's name, with its bytes replaced.
func checkText(args []string) error {
	for _, arg := range args {
		if !utf8.ValidString(arg) {
			return usage("an argument is not UTF-8 text: %q", arg[:min(len(arg), 200)])
		}
	}
	return nil
}

// wantsJSON is true where an error shall be an object, too.
func wantsJSON(args []string) bool {
	isJSON := func(word string) bool { return word == "json" || word == "jsonl" }
	for i, arg := range args {
		if arg == "--" {
			break
		}
		flag, value, joined := strings.Cut(arg, "=")
		switch {
		case (flag == "-o" || flag == "--output") && joined && isJSON(value):
			return true
		case (arg == "-o" || arg == "--output") && i+1 < len(args) && isJSON(args[i+1]):
			return true
		case strings.HasPrefix(arg, "-o") && isJSON(arg[2:]):
			return true
		}
	}
	return false
}

// usageError says what kong refused, and what was most likely meant.
func usageError(err error, args []string) error {
	e := usage("%s", err.Error())
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return e
	}
	node := parse.Context.Selected()
	if node == nil {
		node = parse.Context.Model.Node
	}
	message, near, _ := strings.Cut(err.Error(), ", did you mean ")
	e.message = message
	if near != "" {
		e.hint = append(e.hint, "did you mean "+near)
	}
	for _, translate := range translations {
		if found := translate.pattern().FindStringSubmatch(message); found != nil {
			translate.say(e, node, found)
			break
		}
	}
	path := commandPath(node)
	e.hint = append(e.hint, "see: "+path+" --help")
	return e
}

// translations put kong's messages into our words; the first that fits holds.
var translations = []struct {
	pattern func() *regexp.Regexp
	say     func(e *exitError, node *kong.Node, found []string)
}{
	{lazily(`^unexpected argument (.*)$`), unexpectedArgument},
	{lazily(`^unknown flag --(retries|retry-delay|retry-jitter)$`), deploysOwn},
	{lazily(`^expected (one of )?"`), somethingMissing},
	{lazily(`^missing flags: --([^=]+)=(.*)$`), func(e *exitError, _ *kong.Node, found []string) {
		e.message = fmt.Sprintf("--%s %s is missing", found[1], found[2])
		if found[1] == "pool" {
			e.hint = append(e.hint, "list them: runnel work-pool ls")
		}
	}},
	{lazily(`^(--\S+|<\S+>) must be one of (.*) but got "(.*)"$`), func(e *exitError, _ *kong.Node, found []string) {
		if name, isArgument := strings.CutPrefix(found[1], "<"); isArgument {
			found[1] = strings.ToUpper(strings.TrimSuffix(name, ">"))
		}
		words := strings.ReplaceAll(strings.ReplaceAll(found[2], `"`, ""), ",", ", ")
		e.message = fmt.Sprintf("%s: %q is none of %s", found[1], found[3], words)
	}},
	{lazily(`: (--jq: .*)$`), func(e *exitError, _ *kong.Node, found []string) { e.message = found[1] }},
	{lazily(`^(--[^:]+): expected .*\bint\b.* but got (".*?")`), func(e *exitError, _ *kong.Node, found []string) {
		e.message = fmt.Sprintf("%s: %s is no whole number", found[1], found[2])
	}},
	{lazily(`^(--[^:]+): bool value must be .* but got (".*")`), func(e *exitError, _ *kong.Node, found []string) {
		e.message = fmt.Sprintf("%s: %s is neither true nor false", found[1], found[2])
	}},
	{lazily(`^(--[^:]+): (expected .* value|missing value)`), func(e *exitError, _ *kong.Node, found []string) {
		e.message = found[1] + ": its value is missing"
		e.hint = append(e.hint, "a value that begins with - is given as "+found[1]+"=-…")
	}},
}

// deploysOwn are flags of deploy that a deployment's update has not.
func deploysOwn(e *exitError, node *kong.Node, found []string) {
	if commandPath(node) == "runnel deployment update" {
		e.hint = []string{"deploy changes that: runnel deploy ENTRYPOINT -n NAME --" + found[1] + " …"}
	}
}

// unexpectedArgument is a word too many, or a command that there is not.
func unexpectedArgument(e *exitError, node *kong.Node, found []string) {
	word := found[1]
	if len(node.Children) == 0 {
		e.message = fmt.Sprintf("unexpected argument %q", word)
		if commandPath(node) == "runnel worker start" {
			e.hint = append(e.hint, "the pool is a flag: --pool "+store.Quote(word))
		}
		return
	}
	e.message = fmt.Sprintf("%s has no command %q", commandPath(node), word)
	if node.Parent == nil {
		e.message = fmt.Sprintf("there is no command %q", word)
	}
	var verbs []string
	for _, leaf := range root(node).Leaves(true) {
		if leaf.Name == word || slices.Contains(leaf.Aliases, word) {
			verbs = append(verbs, "there is: "+commandPath(leaf))
		}
	}
	switch {
	case len(verbs) > 0:
		e.hint = verbs // nearer than a word that is spelt alike
	case len(e.hint) == 0:
		e.hint = []string{"the commands are: " + strings.Join(childNames(node), ", ")}
	}
}

// somethingMissing is a group without its command, or a command without its
// argument.
func somethingMissing(e *exitError, node *kong.Node, _ []string) {
	if len(node.Children) > 0 {
		e.message = fmt.Sprintf("%s needs a command: %s", commandPath(node), strings.Join(childNames(node), ", "))
		return
	}
	for _, p := range node.Positional {
		if p.Required {
			e.message = fmt.Sprintf("%s is missing: %s", argumentName(p), lowerFirst(strings.TrimSuffix(p.Help, ".")))
			return
		}
	}
}

func childNames(node *kong.Node) (names []string) {
	for _, row := range commandRows(node) {
		names = append(names, row[0])
	}
	return names
}

func root(node *kong.Node) *kong.Node {
	for node.Parent != nil {
		node = node.Parent
	}
	return node
}

func lowerFirst(text string) string {
	runes := []rune(text)
	if len(runes) > 1 && unicode.IsLower(runes[1]) || len(runes) > 1 && runes[1] == ' ' {
		runes[0] = unicode.ToLower(runes[0])
	}
	return string(runes)
}

// habit adds to an error of `run` what a newcomer most likely meant.
func (c runCmd) habit(err error) error {
	var known *store.Error
	if !errors.As(err, &known) {
		return err
	}
	verbs := []string{"ls", "list", "inspect", "logs", "cancel"}
	if known.Code == store.NotFound && slices.Contains(verbs, c.Target) {
		known.Hint = []string{"runs are looked at with: runnel flow-run " + c.Target}
	}
	for _, p := range c.Param {
		if known.Code == store.Invalid && !strings.Contains(p, "=") {
			known.Hint = append(known.Hint, "-p is a parameter here: a run goes to the work pool of its deployment")
			break
		}
	}
	return err
}
