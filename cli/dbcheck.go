package cli

import (
	"fmt"

	"runnel/runner"
	"runnel/store"
)

type dbCheckCmd struct {
	outputFlag
}

// Help ends with examples.
func (dbCheckCmd) Help() string {
	return "Every run's history is replayed to its state; attempts, fences, ticks and logs are counted; SQLite checks the file itself. " +
		"Each violation is named, and the exit code is 1 if there is any. It changes nothing but what every look settles.\n\n" +
		"Examples:\n  runnel db check\n  runnel db check -o json"
}

// checked is what db check -o json prints.
type checked struct {
	OK   bool   `json:"ok"`
	Path string `json:"path"`
	store.Report
}

func (c dbCheckCmd) Run(a *app) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	// What cannot be settled is most likely what the check finds.
	settling := runner.Settle(a.ctx, s, "command")
	report, err := s.Check(a.ctx)
	if err != nil {
		return err
	}
	if settling != nil {
		report.Violations = append(report.Violations, store.Violation{Rule: "settle", Thing: "runs", Message: settling.Error()})
	}
	if err := c.show(a, checked{len(report.Violations) == 0, s.Path(), report}); err != nil {
		return err
	}
	if len(report.Violations) > 0 {
		return &exitError{
			code: exitFailed, message: fmt.Sprintf("%s in %s", plural(len(report.Violations), "violation"), s.Path()),
			hint: []string{"keep a copy of the file: this is a fault of runnel, or of the disk"},
		}
	}
	return nil
}

func (c dbCheckCmd) show(a *app, found checked) error {
	switch {
	case c.machine():
		return a.printObject(found, c.outputFlag)
	case c.Output == "name":
		a.print("%s", found.Path)
		return nil
	}
	rows := make([][]string, len(found.Violations))
	for i, v := range found.Violations {
		rows[i] = []string{v.Rule, v.Thing, clean(v.Message)}
	}
	if len(rows) > 0 {
		a.printTable([]string{"Rule", "Of", "Violation"}, rows)
		return nil
	}
	a.print("ok: %s, %s, %s", plural(found.Runs, "run"), plural(found.Attempts, "attempt"), plural(found.Events, "event"))
	return nil
}
