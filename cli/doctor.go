package cli

import (
	"os"
	"strings"

	"runnel/store"
)

// The verdicts of a check.
const (
	checkOK   = "ok"
	checkWarn = "warning"
	checkRed  = "red"
)

// check is one thing that doctor looked at.
type check struct {
	Check   string `json:"check"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Mend    string `json:"mend"` // "" where nothing is to be mended
}

type doctorCmd struct {
	outputFlag
}

// Help ends with examples.
func (doctorCmd) Help() string {
	return "Looks at all that runnel needs, changes nothing, and says what to do. It ends with 1 where something " +
		"is red.\n\nExamples:\n  runnel doctor\n  runnel doctor --jq '.[].mend'"
}

// doctor collects what the checks say.
type doctor struct {
	*app
	store  *store.Store
	checks []check
}

func (d *doctor) say(status, name, message, mend string) {
	d.checks = append(d.checks, check{name, status, message, mend})
}

func (c doctorCmd) Run(a *app) error {
	d := &doctor{app: a}
	d.clock()
	if err := d.open(); err != nil {
		return err
	}
	if d.store != nil {
		for _, look := range []func() error{d.file, d.permissions, d.slept, d.workers, d.owners, d.strays, d.deployments, d.hooks, d.secrets} {
			if err := look(); err != nil {
				return err
			}
		}
	}
	red := false
	for _, check := range d.checks {
		red = red || check.Status == checkRed
	}
	if err := d.report(c.outputFlag); err != nil {
		return err
	}
	if red {
		return &exitError{code: exitFailed}
	}
	return nil
}

// open opens the database, where there is one. One that cannot be opened is
// what the doctor was called for.
func (d *doctor) open() error {
	path, err := d.database()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); os.IsNotExist(err) {
		d.say(checkOK, "database", path+" is not there yet", "")
		return nil
	}
	s, err := d.app.store()
	if err != nil {
		message, hint, _ := describe(err)
		if len(hint) == 0 {
			hint = []string{"runnel db restore FILE puts a backup in its place"}
		}
		d.say(checkRed, "database", message, hint[0])
		return nil
	}
	d.store = s
	return nil
}

var checkColours = map[string]string{checkOK: green, checkWarn: yellow, checkRed: red}

func (d *doctor) report(f outputFlag) error {
	if f.plain() {
		return list[check]{items: d.checks, name: func(c check) string { return c.Check }}.print(d.IO, f)
	}
	rows := make([][]string, 0, len(d.checks))
	for _, c := range d.checks {
		rows = append(rows, []string{d.colour(d.OutTerminal, checkColours[c.Status], c.Status), c.Check, clean(c.Message)})
	}
	for i, lines := range d.foldedLines([]string{"Status", "Check", ""}, rows, d.Width)[1:] {
		d.print("%s", strings.Join(lines, "\n"))
		if mend := d.checks[i].Mend; mend != "" {
			d.print("         mend it: %s", mend)
		}
	}
	return nil
}
