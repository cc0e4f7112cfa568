package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"

	"runnel/store"
)

type variableCmd struct {
	Set    variableSetCmd    `cmd:"" help:"Make a variable or a secret, or change it."`
	Get    variableGetCmd    `cmd:"" help:"Print the value of one."`
	Ls     variableLsCmd     `cmd:"" aliases:"list" help:"List them; secrets are masked."`
	Delete variableDeleteCmd `cmd:"" aliases:"unset" help:"Remove variables or secrets."`
}

type variableSetCmd struct {
	Name      string  `arg:"" help:"Its name."`
	Value     *string `arg:"" optional:"" help:"JSON, or else text; - reads it from stdin."`
	Secret    bool    `help:"Keep it encrypted, and mask it wherever it would be shown. Its value is text."`
	Overwrite bool    `hidden:"" help:"Prefect's word; it is always so here."`
	outputFlag
}

// Help ends with examples.
func (variableSetCmd) Help() string {
	return "Flows and the project file ask for it: {{ prefect.variables.NAME }}, and a secret by\n" +
		"{{ prefect.blocks.secret.NAME }}. Without a value a secret is asked for, unseen.\n\n" +
		"Examples:\n  runnel variable set region eu-west-1\n  runnel variable set api-token --secret\n" +
		"  pass show api-token | runnel variable set api-token - --secret"
}

func (c variableSetCmd) Run(a *app) error {
	text, err := c.text(a)
	if err != nil {
		return err
	}
	value, err := store.VariableValue(text, c.Secret)
	if err != nil {
		return err
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	old, err := s.SetVariable(a.ctx, c.Name, value, c.Secret)
	if err != nil {
		return err
	}
	v, err := s.Variable(a.ctx, c.Name)
	if err != nil {
		return err
	}
	return a.printChanged(v, v.Name, c.outputFlag, setLine(old, v))
}

// setLine says what became of the variable.
func setLine(old *store.Variable, v store.Variable) string {
	switch {
	case v.IsSecret && old == nil:
		return fmt.Sprintf("set the secret %s", v.Name)
	case v.IsSecret && !old.IsSecret:
		return fmt.Sprintf("%s is a secret now", v.Name)
	case v.IsSecret:
		return fmt.Sprintf("changed the secret %s", v.Name)
	case old == nil:
		return fmt.Sprintf("set %s to %s", v.Name, valueLine(v))
	case string(old.Value) == string(v.Value):
		return fmt.Sprintf("%s is %s as before", v.Name, valueLine(v))
	}
	return fmt.Sprintf("set %s to %s; it was %s", v.Name, valueLine(v), valueLine(*old))
}

// valueLine is a value as JSON on one line, so that 5 and "5" are told apart.
func valueLine(v store.Variable) string { return clip(clean(string(v.Value)), 60) }

// text is the value as given, as stdin has it, or as typed unseen.
func (c variableSetCmd) text(a *app) (string, error) {
	if c.Value != nil && *c.Value != "-" {
		return *c.Value, nil
	}
	if c.Value == nil && !c.Secret {
		return "", &exitError{
			code: exitUsage, message: "VALUE is missing: JSON, or else text",
			hint: []string{"runnel variable set " + store.Quote(c.Name) + " VALUE", "or from stdin: runnel variable set " + store.Quote(c.Name) + " -"},
		}
	}
	if c.Value == nil {
		return a.unseen(c.Name)
	}
	text, err := io.ReadAll(a.In)
	// echo and editors end a file with a newline that is not of the value.
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), err
}

// unseen asks for a secret on the terminal, without echo.
func (a *app) unseen(name string) (string, error) {
	file, isFile := a.In.(*os.File)
	if !isFile || !a.InTerminal || !a.ErrTerminal || a.Env("CI") != "" || a.Env("RUNNEL_NO_PROMPT") != "" {
		return "", &exitError{
			code: exitUsage, message: "the value of the secret is missing",
			hint: []string{"from stdin: … | runnel variable set " + store.Quote(name) + " - --secret"},
		}
	}
	_, _ = fmt.Fprintf(a.Err, "%s: ", clean(name))
	defer a.say("")
	return readUnseen(int(file.Fd())) //nolint:gosec // a descriptor is small
}

// readUnseen reads a line without echo. A Ctrl-C would leave the terminal
// without it, so it is caught.
func readUnseen(terminal int) (string, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	defer signal.Stop(interrupt)
	type line struct {
		text []byte
		err  error
	}
	lines := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(terminal)
		lines <- line{text, err}
	}()
	select {
	case <-interrupt:
		return "", errors.Join(context.Canceled, term.Restore(terminal, before))
	case l := <-lines:
		if errors.Is(l.err, io.EOF) {
			return "", context.Canceled
		}
		return string(l.text), l.err
	}
}

type variableGetCmd struct {
	Name string `arg:"" help:"The variable."`
	Show bool   `help:"Print a secret, too."`
	outputFlag
}

// Help ends with examples.
func (variableGetCmd) Help() string {
	return "Text is printed as it is, any other value as JSON.\n\n" +
		"Examples:\n  runnel variable get region\n  runnel variable get api-token --show"
}

func (c variableGetCmd) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	v, err := s.Variable(a.ctx, c.Name)
	if err != nil {
		return err
	}
	if c.Output == "name" {
		a.print("%s", v.Name)
		return nil
	}
	if v.IsSecret {
		if v.Value, err = c.reveal(a, s); err != nil {
			return err
		}
	}
	if c.machine() {
		return a.printObject(v, c.outputFlag)
	}
	text := store.TextOf(v.Value)
	if a.OutTerminal {
		text = clean(text)
	}
	_, err = fmt.Fprintln(a.Out, text)
	return err
}

func (c variableGetCmd) reveal(a *app, s *store.Store) (json.RawMessage, error) {
	if !c.Show {
		return nil, &exitError{
			code: exitRefused, message: c.Name + " is a secret",
			hint: []string{"print it nevertheless: runnel variable get " + c.Name + " --show"},
		}
	}
	text, err := s.Secret(a.ctx, c.Name)
	if err != nil {
		return nil, err
	}
	return store.VariableValue(text, true)
}

type variableLsCmd struct {
	outputFlag
}

// Help ends with examples.
func (variableLsCmd) Help() string {
	return "Examples:\n  runnel variable ls\n  runnel variable ls -o json"
}

func (c variableLsCmd) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	variables, err := s.Variables(a.ctx)
	if err != nil {
		return err
	}
	return list[store.Variable]{
		items:   variables,
		name:    func(v store.Variable) string { return v.Name },
		columns: []string{"Name", "Value", "Secret", "Updated"},
		row: func(v store.Variable) []string {
			value := valueLine(v)
			if v.IsSecret {
				value = store.MaskedValue
			}
			return []string{v.Name, value, yesNo(v.IsSecret), a.ago(v.Updated)}
		},
		empty: "no variables yet; set one: runnel variable set region eu-west-1",
	}.print(a.IO, c.outputFlag)
}

type variableDeleteCmd struct {
	Name []string `arg:"" sep:"none" help:"The variables."`
}

// Help ends with examples.
func (variableDeleteCmd) Help() string {
	return "Several are removed together, or none. A run that asks for one that is gone is Crashed.\n\n" +
		"Examples:\n  runnel variable delete region\n  runnel variable delete api-token region"
}

func (c variableDeleteCmd) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	if err := s.DeleteVariables(a.ctx, c.Name); err != nil {
		return err
	}
	a.print("deleted %s", strings.Join(c.Name, ", "))
	return nil
}
