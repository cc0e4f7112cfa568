package cli

import (
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"
)

// narrowed is the grammar cut down to the globals and the one command that
// args name, nil where that is not plain to see. Building the whole grammar is
// a fifth of a short command's time. What the narrow one refuses, the whole
// one reads again, so that errors and help know every command.
func narrowed(args []string) any {
	if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		return nil
	}
	word := firstWord(args)
	whole := reflect.TypeFor[grammar]()
	var fields []reflect.StructField
	known := false
	for field := range whole.Fields() {
		_, isCommand := field.Tag.Lookup("cmd")
		switch {
		case !isCommand:
			fields = append(fields, field)
		case slices.Contains(commandNames(field), word):
			fields, known = append(fields, field), true
		}
	}
	if !known {
		return nil
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

// firstWord is the first argument that is neither a global flag nor its value.
func firstWord(args []string) string {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--db":
			i++
		case arg == "--no-color", arg == "--no-prompt", strings.HasPrefix(arg, "--db="):
		default:
			return arg
		}
	}
	return ""
}

// commandNames are a command's name, as kong makes it of the field, and its
// aliases.
func commandNames(field reflect.StructField) []string {
	name := field.Tag.Get("name")
	if name == "" {
		var b strings.Builder
		for i, r := range field.Name {
			if unicode.IsUpper(r) && i > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(unicode.ToLower(r))
		}
		name = b.String()
	}
	return append(strings.Split(field.Tag.Get("aliases"), ","), name)
}

// parse reads a command line into g and gives the command that is to run.
func (a *app) parse(g *grammar, args []string, options ...kong.Option) (*kong.Context, error) {
	if narrow := narrowed(args); narrow != nil {
		if parser, err := kong.New(narrow, options...); err == nil {
			if command, err := parser.Parse(args); err == nil {
				globals := reflect.ValueOf(narrow).Elem()
				g.DB = globals.FieldByName("DB").String()
				g.NoColor, g.NoPrompt = globals.FieldByName("NoColor").Bool(), globals.FieldByName("NoPrompt").Bool()
				return command, nil
			}
		}
	}
	parser, err := kong.New(g, options...)
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return nil, usageError(err, args)
	}
	return command, nil
}
