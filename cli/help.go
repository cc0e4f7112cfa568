package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Help is printed by our own hand, since kong's repeats aliases in every line,
// puts the global flags first and flows examples into the text. A command's
// Help method gives what there is to say beyond one line, and after a line
// "Examples:" two of them.

// examplesMark parts a Help text from its examples.
const examplesMark = "Examples:\n"

// helpWidth keeps lines readable in a wide terminal.
const helpWidth = 100

// printHelp is kong's HelpPrinter.
func (a *app) printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	switch {
	case node == nil:
		a.rootHelp(ctx.Model.Node)
	case len(node.Children) > 0:
		a.groupHelp(node)
	default:
		a.leafHelp(node)
	}
	return nil
}

// rootHelp fits a terminal of 24 lines: the commands by what they are for, and
// those that are marked brief only by name.
func (a *app) rootHelp(root *kong.Node) {
	a.print("%s\nUsage: runnel COMMAND [flags]      New here: runnel quickstart\n", root.Help)
	group := ""
	var brief []string
	for _, node := range root.Children {
		if node.Tag.Has("brief") {
			brief = append(brief, node.Name)
			continue
		}
		shown := ""
		if node.Tag.Group != group {
			group, shown = node.Tag.Group, node.Tag.Group
		}
		a.print("%-8s %-11s %s", shown, node.Name, node.Help)
	}
	a.print("%-8s %s", "Also", strings.Join(brief, ", "))
	a.print("\nWith all: --db FILE, --no-color, --no-prompt. In a terminal, runnel: status.")
	a.print("More: runnel COMMAND --help; runnel help exit-codes, environment, states.")
}

func (a *app) groupHelp(node *kong.Node) {
	path := commandPath(node)
	a.print("%s\n\nUsage: %s COMMAND [flags]", node.Help, path)
	if len(node.Aliases) > 0 {
		a.print("Also:  %s", strings.Join(node.Aliases, ", "))
	}
	a.print("\nCommands:")
	a.columns(commandRows(node))
	a.print("\nOf one command: %s COMMAND --help", path)
}

func (a *app) leafHelp(node *kong.Node) {
	detail, examples, _ := strings.Cut(node.Detail, examplesMark)
	a.print("%s", node.Help)
	if detail = strings.TrimSpace(detail); detail != "" {
		for paragraph := range strings.SplitSeq(detail, "\n\n") {
			a.print("\n%s", strings.Join(wrap(paragraph, a.helpWidth()), "\n"))
		}
	}
	a.print("\nUsage: %s", usageLine(node))
	if len(node.Positional) > 0 {
		a.print("\nArguments:")
		var rows [][2]string
		for _, p := range node.Positional {
			rows = append(rows, [2]string{argumentName(p), p.Help})
		}
		a.columns(rows)
	}
	root := node
	for root.Parent != nil {
		root = root.Parent
	}
	a.print("\nFlags:")
	a.columns(append(flagRows(node.Flags), flagRows(root.Flags)...))
	if examples != "" {
		a.print("\n%s%s", examplesMark, strings.TrimRight(examples, "\n"))
	}
}

func usageLine(node *kong.Node) string {
	words := []string{commandPath(node)}
	for _, flag := range node.Flags {
		if flag.Required {
			words = append(words, "--"+flag.Name+" "+valueName(flag))
		}
	}
	for _, p := range node.Positional {
		word := argumentName(p)
		if !p.Required {
			word = "[" + word + "]"
		}
		words = append(words, word)
	}
	return strings.Join(append(words, "[flags]"), " ")
}

// argumentName is a positional as the texts call it: RUN, or RUN… for several.
func argumentName(p *kong.Positional) string {
	name := strings.ToUpper(p.Name)
	if p.IsCumulative() {
		name += "…"
	}
	return name
}

// commandPath is "runnel work-pool create", without the aliases.
func commandPath(node *kong.Node) string {
	var words []string
	for ; node != nil; node = node.Parent {
		words = append(words, node.Name)
	}
	slices.Reverse(words)
	return strings.Join(words, " ")
}

func commandRows(node *kong.Node) (rows [][2]string) {
	for _, child := range node.Children {
		if !child.Hidden {
			rows = append(rows, [2]string{child.Name, child.Help})
		}
	}
	return rows
}

func flagRows(flags []*kong.Flag) (rows [][2]string) {
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		name := "    --" + flag.Name
		if flag.Tag.Negatable != "" {
			name = "    --[no-]" + flag.Name
		}
		if flag.Short != 0 {
			name = "-" + string(flag.Short) + ", " + name[4:]
		}
		if !flag.IsBool() {
			name += " " + valueName(flag)
		}
		help := flag.Help
		for _, other := range flag.Aliases {
			help += " Also --" + other + "."
		}
		for _, env := range flag.Envs {
			help += " ($" + env + ")"
		}
		rows = append(rows, [2]string{name, help})
	}
	return rows
}

func valueName(flag *kong.Flag) string {
	if flag.PlaceHolder != "" {
		return flag.PlaceHolder
	}
	return strings.ToUpper(flag.Name)
}

func (a *app) helpWidth() int { return max(40, min(a.Width, helpWidth)) }

// columns prints names and their texts side by side; a name that is too long
// for its column has its text below.
func (a *app) columns(rows [][2]string) {
	const widest = 30
	width := 0
	for _, row := range rows {
		if n := len([]rune(row[0])); n <= widest {
			width = max(width, n)
		}
	}
	indent := strings.Repeat(" ", width+4)
	for _, row := range rows {
		lines := wrap(row[1], a.helpWidth()-len(indent))
		head := fmt.Sprintf("  %-*s  ", width, row[0])
		if len([]rune(row[0])) > width {
			a.print("  %s", row[0])
			head = indent
		}
		for _, line := range lines {
			a.print("%s", strings.TrimRight(head+line, " "))
			head = indent
		}
	}
}

// wrap breaks text at spaces into lines of at most width characters.
func wrap(text string, width int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len([]rune(*last))+1+len([]rune(word)) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
