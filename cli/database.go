package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"runnel/runner"
	"runnel/store"
)

type dbBackupCmd struct {
	File  string `arg:"" help:"The file to write."`
	Logs  bool   `help:"The logs, too: as FILE.logs.tar."`
	Force bool   `help:"Replace what is there."`
}

// Help ends with examples.
func (dbBackupCmd) Help() string {
	return "Workers go on meanwhile; the file holds one moment, and only you can read it.\n\n" +
		"Examples:\n  runnel db backup runs.backup\n  runnel db backup /mnt/disk/runs.backup --logs --force"
}

func (c dbBackupCmd) Run(a *app) error {
	s, err := a.existing()
	if err != nil {
		return err
	}
	ctx, done := stoppable(a.ctx)
	defer done()
	if c.Logs && !c.Force {
		// Refused before anything is written.
		if _, err := os.Lstat(store.LogsBeside(c.File)); err == nil {
			return &exitError{
				code: exitRefused, message: store.LogsBeside(c.File) + " is there already",
				hint: []string{"replace it: --force"},
			}
		}
	}
	size, err := s.Backup(ctx, c.File, c.Force)
	if err != nil {
		return err
	}
	a.say("backed up %s to %s, %s", s.Path(), c.File, bytesText(size))
	if c.Logs {
		n, err := s.BackupLogs(ctx, c.File, c.Force)
		if err != nil {
			return err
		}
		a.say("and %s to %s", plural(n, "log"), store.LogsBeside(c.File))
	}
	if n, _ := s.Secrets(ctx); n > 0 {
		a.say("the key of its secrets is not in it; keep a copy of that elsewhere: %s", s.KeyPath())
	}
	a.say("put it back: runnel db restore %s", store.Quote(c.File))
	return nil
}

// existing is the database, which the command does not make.
func (a *app) existing() (*store.Store, error) {
	path, err := a.database()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, &store.Error{
			Code: store.NotFound, Message: fmt.Sprintf("there is no database %s yet", path),
			Hint: []string{"name another with --db or RUNNEL_DB"},
		}
	}
	return a.store()
}

// stoppable is a context that the first Ctrl-C ends.
func stoppable(ctx context.Context) (context.Context, func()) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

type dbRestoreCmd struct {
	File string `arg:"" help:"A file that db backup wrote."`
	outputFlag
}

// Help ends with examples.
func (dbRestoreCmd) Help() string {
	return "The old database is kept beside the new one, with the logs that only it knows. No worker, and no run, may be under way. " +
		"What was due up to now counts as done, since it may have run after the backup was made: it is " +
		"cancelled, what was running then has crashed, and schedules go on with their next tick from now.\n\n" +
		"Logs that lie beside it, in FILE.logs.tar, are put back where they are missing.\n\n" +
		"Examples:\n  runnel db restore runs.backup\n  runnel db restore runs.backup --db /var/tmp/copy.db"
}

func (c dbRestoreCmd) Run(a *app) error {
	path, err := a.database()
	if err != nil {
		return err
	}
	if err := a.nobodyLives(path); err != nil {
		return err
	}
	ctx, done := stoppable(a.ctx)
	defer done()
	s := store.New(path)
	s.Clock = a.Clock
	r, err := s.Restore(ctx, c.File)
	if err != nil {
		return err
	}
	if c.machine() {
		return a.printObject(r, c.outputFlag)
	}
	a.say("restored %s from %s", r.Path, c.File)
	if r.Crashed > 0 {
		a.say("%s running when it was made: crashed", were(r.Crashed))
	}
	if r.Cancelled > 0 {
		a.say("%s due since: cancelled; see them: runnel flow-run ls --state Cancelled", were(r.Cancelled))
	}
	if r.Logs > 0 {
		a.say("put %s back", plural(r.Logs, "log"))
	}
	a.saySecrets()
	if r.Kept != "" {
		a.say("the old one is kept; undo this: runnel db restore %s", store.Quote(r.Kept))
	}
	return nil
}

func were(n int) string {
	if n == 1 {
		return "1 run was"
	}
	return fmt.Sprintf("%d runs were", n)
}

// saySecrets says of a database that came from elsewhere that its key did not.
func (a *app) saySecrets() {
	s, err := a.store()
	if err == nil {
		_, err = s.Secrets(a.ctx)
	}
	if err != nil {
		message, hint, _ := describe(err)
		a.say("%s", strings.Join(append([]string{message}, hint...), "\n  "))
	}
}

type dbInfoCmd struct {
	outputFlag
}

// Help ends with examples.
func (dbInfoCmd) Help() string {
	return "It reads the whole file.\n\nExamples:\n  runnel db info\n  runnel db info -o json"
}

func (c dbInfoCmd) Run(a *app) error {
	s, err := a.existing()
	if err != nil {
		return err
	}
	i, err := s.Info(a.ctx)
	if err != nil {
		return err
	}
	if c.machine() {
		return a.printObject(i, c.outputFlag)
	}
	if c.Output == "name" {
		a.print("%s", i.Path)
		return nil
	}
	a.pairs([][2]string{
		{"file", i.Path},
		{"size", fmt.Sprintf("%s, of which %s free", bytesText(i.Bytes), bytesText(i.FreeBytes))},
		{"write-ahead log", bytesText(i.WALBytes)},
		{"logs", fmt.Sprintf("%s in %s", bytesText(i.LogBytes), plural(int(i.LogFiles), "file"))},
		{"growth", fmt.Sprintf("%.0f runs a day: %s, and %s of logs", i.RunsADay, bytesText(i.GrowthADay), bytesText(i.LogGrowthADay))},
		{"kept", retentionText(i.Retention)},
		{"versions", fmt.Sprintf("SQLite %s, schema %d", i.SQLite, i.Schema)},
	})
	a.print("")
	rows := make([][]string, len(i.Tables))
	for n, t := range i.Tables {
		rows[n] = []string{t.Name, fmt.Sprint(t.Rows), bytesText(t.Bytes)}
	}
	a.printTable([]string{"Table", "Rows", "Size"}, rows)
	return nil
}

func retentionText(r store.Retention) string {
	if r.Off {
		return "every run, for ever"
	}
	keep := r.Keep().String()
	if days := r.Keep().Hours() / 24; days >= 1 {
		keep = fmt.Sprintf("%.4g days", days)
	}
	return fmt.Sprintf("runs that ended within %s, and the last %d of each deployment", keep, r.KeepLast)
}

type dbPruneCmd struct {
	Keep     string `placeholder:"TIME" help:"Keep what ended within this: 30d, 12h; or forever."`
	KeepLast *int   `placeholder:"N" help:"Keep the last N runs of each deployment, however old."`
	DryRun   bool   `help:"Only say what would be deleted."`
	Save     bool   `help:"Make this what workers do every hour."`
	yesFlag
	outputFlag
}

// Help ends with examples.
func (dbPruneCmd) Help() string {
	return "Deletes runs that have ended, with their history, attempts and logs, and gives the space back. " +
		"What has not ended stays, and a tick that was deleted never fires again.\n\n" +
		"Every worker does so each hour: until told otherwise, what ended 90 days ago, but for the last 100 " +
		"runs of each deployment. These are the defaults here as well; --save changes them. Checkouts and " +
		"environments of pull steps that no run has used for days go, too.\n\n" +
		"On a terminal it says what would go, and asks. Elsewhere, as from cron, it does not ask, and needs no --yes.\n\n" +
		"Examples:\n  runnel db prune --keep 30d --keep-last 20 --dry-run\n  runnel db prune --keep 30d --save"
}

func (c dbPruneCmd) Run(a *app) error {
	s, err := a.existing()
	if err != nil {
		return err
	}
	r, err := s.Retention(a.ctx)
	if err != nil {
		return err
	}
	if r, err = c.retention(r); err != nil {
		return err
	}
	ctx, done := stoppable(a.ctx)
	defer done()
	if err := c.agreed(ctx, a, s, r); err != nil {
		return err
	}
	prune := s.Prune
	if c.DryRun {
		prune = s.PreviewPrune
	} else if c.Save {
		if err := s.SetRetention(ctx, r); err != nil {
			return err
		}
		a.say("workers keep, from now on: %s", retentionText(r))
	}
	p, err := prune(ctx, r)
	if err != nil {
		return err
	}
	if !c.DryRun {
		if n := runner.SweepCode(s.Folder()); n > 0 {
			a.say("removed %s of code that no run has used for a while", plural(n, "folder"))
		}
	}
	if c.machine() {
		return a.printObject(p, c.outputFlag)
	}
	verb := "deleted"
	if c.DryRun {
		verb = "would delete"
	}
	a.say("%s %s", verb, prunedText(p))
	if p.Freed > 0 {
		a.say("gave %s of the file back", bytesText(p.Freed))
	}
	return nil
}

// agreed shows a person what would go, and asks. Nobody else is asked: it is
// made for cron.
func (c dbPruneCmd) agreed(ctx context.Context, a *app, s *store.Store, r store.Retention) error {
	if c.DryRun || c.Yes || !a.interactive() {
		return nil
	}
	p, err := s.PreviewPrune(ctx, r)
	if err != nil || p.Runs == 0 {
		return err
	}
	a.say("to be deleted: %s", prunedText(p))
	return a.confirm(fmt.Sprintf("delete %s?", plural(int(p.Runs), "run")), c.yesFlag)
}

func prunedText(p store.Pruned) string {
	return fmt.Sprintf("%s with %d entries of history, %s and %s of logs", plural(int(p.Runs), "run"), p.Events,
		plural(int(p.Attempts), "attempt"), bytesText(p.LogBytes))
}

// retention is the policy as the flags change it.
func (c dbPruneCmd) retention(r store.Retention) (store.Retention, error) {
	switch c.Keep {
	case "":
	case "forever":
		return store.Retention{Off: true}, nil
	case "0", "0s", "0d":
		r.Off, r.KeepSeconds = false, 0
	default:
		keep, err := parseDuration("--keep", c.Keep)
		if err != nil {
			return r, err
		}
		r.Off, r.KeepSeconds = false, int64(keep.Seconds())
	}
	if c.KeepLast != nil {
		if *c.KeepLast < 0 {
			return r, usage("--keep-last: %d; it is 0 or more", *c.KeepLast)
		}
		r.KeepLast = *c.KeepLast
	}
	return r, nil
}
