package cli

import (
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"runnel/store"
)

// Completion. A shell's few lines call the hidden command `runnel complete
// SHELL WORD…` with the words before the cursor, the last one perhaps empty or
// half; it prints what may stand there, a line each. Nothing printed means a
// file, which the shell finds by itself.

// completeCommand is the hidden command that shells ask.
const completeCommand = "complete"

// candidate is a word that may stand at the cursor, and what it is.
type candidate struct{ word, note string }

// complete never fails: a shell that is completing has nowhere to show why.
func (a *app) complete(shell string, words []string) {
	a.path = a.Env("RUNNEL_DB")
	if shell == "bash" && len(words) == 2 {
		a.completeBash(words[0], words[1])
		return
	}
	for _, c := range a.candidates(words) {
		note, _, _ := strings.Cut(clean(c.note), "\n")
		a.print("%s\t%s", c.word, note)
	}
}

// candidates are what may stand in the place of the last word.
func (a *app) candidates(words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	var fitting []candidate
	last := len(words) - 1
	for _, c := range a.allCandidates(words) {
		if strings.HasPrefix(c.word, words[last]) {
			fitting = append(fitting, c)
		}
	}
	return fitting
}

// allCandidates are those that fit, and perhaps others.
func (a *app) allCandidates(words []string) []candidate {
	last := len(words) - 1
	if last == 0 && !strings.HasPrefix(words[0], "-") {
		return commands()
	}
	p := &position{app: a, node: a.model(words), set: map[string][]string{}}
	for _, word := range words[:last] {
		p.pass(word)
	}
	return p.options(words[last])
}

// commands are those of the grammar's top. To read their tags takes a third of
// the time of building the grammar below them.
func commands() (list []candidate) {
	for field := range reflect.TypeFor[grammar]().Fields() {
		if _, is := field.Tag.Lookup("cmd"); is {
			names := commandNames(field)
			list = append(list, candidate{names[len(names)-1], field.Tag.Get("help")})
		}
	}
	return list
}

// model is the grammar that the words are of, cut down to their command where
// there is one.
func (a *app) model(words []string) *kong.Node {
	var target any = &grammar{}
	if len(words) > 1 {
		if narrow := narrowed(words[:len(words)-1]); narrow != nil {
			target = narrow
		}
	}
	parser, err := kong.New(target, kong.Name("runnel"))
	if err != nil {
		return &kong.Node{}
	}
	return parser.Model.Node
}

// position is how far into a command line the words before the cursor lead.
type position struct {
	*app
	node    *kong.Node
	flag    *kong.Flag          // whose value comes next
	given   []string            // positional arguments
	set     map[string][]string // what flags were given, by their full names
	literal bool                // after --
}

// pass goes past a word.
func (p *position) pass(word string) {
	switch {
	case p.flag != nil:
		p.remember(p.flag, word)
		p.flag = nil
	case p.literal:
		p.given = append(p.given, word)
	case word == "--":
		p.literal = true
	case strings.HasPrefix(word, "-") && len(word) > 1:
		name, value, joined := strings.Cut(word, "=")
		flag := p.flagNamed(name)
		switch {
		case flag == nil || flag.IsBool():
		case joined:
			p.remember(flag, value)
		default:
			p.flag = flag
		}
	default:
		if child := p.child(word); child != nil {
			p.node, p.given = child, nil
		} else {
			p.given = append(p.given, word)
		}
	}
}

// remember keeps what a flag was given, and takes the database that one names.
func (p *position) remember(flag *kong.Flag, value string) {
	p.set[flag.Name] = append(p.set[flag.Name], value)
	if flag.Name == "db" {
		p.path = value
	}
}

func (p *position) child(word string) *kong.Node {
	for _, child := range p.node.Children {
		if child.Name == word || slices.Contains(child.Aliases, word) {
			return child
		}
	}
	return nil
}

// flags are those of the command and of all above it.
func (p *position) flags() (flags []*kong.Flag) {
	for node := p.node; node != nil; node = node.Parent {
		flags = append(flags, node.Flags...)
	}
	return flags
}

func (p *position) flagNamed(word string) *kong.Flag {
	for _, flag := range p.flags() {
		long := "--" + flag.Name
		if word == long || flag.Short != 0 && word == "-"+string(flag.Short) {
			return flag
		}
		for _, alias := range flag.Aliases {
			if word == "--"+alias {
				return flag
			}
		}
	}
	return nil
}

// options are what may stand here, whatever has been typed of it.
func (p *position) options(typed string) (list []candidate) {
	if p.flag != nil {
		return p.values(p.flag.Value, typed)
	}
	if name, value, joined := strings.Cut(typed, "="); joined && strings.HasPrefix(name, "--") && !p.literal {
		flag := p.flagNamed(name)
		if flag == nil {
			return nil
		}
		for _, c := range p.values(flag.Value, value) {
			list = append(list, candidate{name + "=" + c.word, c.note})
		}
		return list
	}
	if strings.HasPrefix(typed, "-") && !p.literal {
		for _, flag := range p.flags() {
			if !flag.Hidden {
				list = append(list, candidate{"--" + flag.Name, flag.Help})
			}
		}
		return list
	}
	if len(p.node.Children) > 0 {
		if len(p.given) > 0 { // a command that there is not
			return nil
		}
		for _, child := range p.node.Children {
			if !child.Hidden {
				list = append(list, candidate{child.Name, child.Help})
			}
		}
		return list
	}
	return p.argument(typed)
}

// argument is the positional that comes next; the last of several repeats.
func (p *position) argument(typed string) []candidate {
	arguments := p.node.Positional
	if len(arguments) == 0 {
		return nil
	}
	n := min(len(p.given), len(arguments)-1)
	if len(p.given) > n && !arguments[n].IsCumulative() {
		return nil
	}
	return p.values(arguments[n], typed)
}

// readable is the database, nil where there is none: completing makes nothing.
func (a *app) readable() *store.Store {
	path, err := a.database()
	if err != nil {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	s, err := a.store()
	if err != nil {
		return nil
	}
	return s
}
