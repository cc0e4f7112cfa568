package cli

import (
	"os"
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
	p := &position{app: a, node: a.model(words)}
	last := len(words) - 1
	for _, word := range words[:last] {
		p.pass(word)
	}
	var fitting []candidate
	for _, c := range p.options(words[last]) {
		if strings.HasPrefix(c.word, words[last]) {
			fitting = append(fitting, c)
		}
	}
	return fitting
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
	flag    *kong.Flag // whose value comes next
	given   int        // positional arguments
	literal bool       // after --
}

// pass goes past a word.
func (p *position) pass(word string) {
	switch {
	case p.flag != nil:
		p.remember(p.flag, word)
		p.flag = nil
	case p.literal:
		p.given++
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
			p.node, p.given = child, 0
		} else {
			p.given++
		}
	}
}

// remember takes the database that the line names.
func (p *position) remember(flag *kong.Flag, value string) {
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
		if p.given > 0 { // a command that there is not
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
	n := min(p.given, len(arguments)-1)
	if p.given > n && !arguments[n].IsCumulative() {
		return nil
	}
	return p.values(arguments[n], typed)
}

// namesOf says what a flag or an argument of this name names.
var namesOf = map[string][]string{
	"deployment": {store.DeploymentNames},
	"target":     {store.DeploymentNames},
	"what":       {store.RunNames, store.DeploymentNames, store.PoolNames},
	"run":        {store.RunNames, store.DeploymentNames},
	"runs":       {store.RunNames, store.DeploymentNames},
	"after":      {store.RunNames},
	"flow":       {store.FlowNames},
	"pool":       {store.PoolNames},
	"work-pool":  {store.PoolNames},
	"queue":      {store.QueueNames},
	"work-queue": {store.QueueNames},
	"worker":     {store.WorkerNames},
}

// values are the words that a flag or an argument takes, as far as they can be
// told: of a list, of the database, or none.
func (p *position) values(v *kong.Value, typed string) (list []candidate) {
	if words := enumOf(v); len(words) > 0 {
		for _, word := range words {
			list = append(list, candidate{word, ""})
		}
		return list
	}
	switch v.Name {
	case "state":
		return stateCandidates()
	case "level":
		return []candidate{{"debug", ""}, {"info", ""}, {"warning", ""}, {"error", ""}, {"critical", ""}}
	}
	kinds := namesOf[v.Name]
	if v.Name == "name" && len(p.node.Positional) > 0 && p.node.Parent != nil && strings.HasPrefix(p.node.Parent.Name, "work-") {
		kinds = []string{strings.TrimPrefix(p.node.Parent.Name, "work-")} // `work-pool inspect NAME`
	}
	if len(kinds) == 0 {
		return nil
	}
	s := p.readable()
	if s == nil {
		return nil
	}
	for _, kind := range kinds {
		names, err := s.Names(p.ctx, kind, typed)
		if err != nil {
			return nil
		}
		for _, n := range names {
			list = append(list, candidate{n.Name, n.Note})
		}
	}
	return list
}

func enumOf(v *kong.Value) (words []string) {
	for word := range strings.SplitSeq(v.Enum, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

func stateCandidates() (list []candidate) {
	for _, t := range store.StateTypes {
		list = append(list, candidate{store.NewState(t, "").Name, ""})
	}
	for _, name := range []string{store.NameLate, store.NameAwaitingRetry, store.NameTimedOut} {
		list = append(list, candidate{name, ""})
	}
	return list
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
