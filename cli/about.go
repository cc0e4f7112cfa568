package cli

import "runtime/debug"

type versionCmd struct {
	outputFlag
}

// Help ends with examples.
func (versionCmd) Help() string {
	return "Examples:\n  runnel version\n  runnel version -o json"
}

// about is what `version -o json` prints.
type about struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

func (c versionCmd) Run(a *app) error {
	if !c.machine() {
		a.print("%s", Version)
		return nil
	}
	is := about{Version: Version}
	if info, ok := debug.ReadBuildInfo(); ok {
		is.Go = info.GoVersion
	}
	return a.printObject(is, c.outputFlag)
}

type dbCmd struct {
	Path    dbPathCmd    `cmd:"" help:"Print where the database is."`
	Info    dbInfoCmd    `cmd:"" help:"Measure it: rows and bytes, and what a day adds."`
	Check   dbCheckCmd   `cmd:"" help:"Verify the file: histories, counts, orphans, integrity."`
	Backup  dbBackupCmd  `cmd:"" help:"Copy it into a file, while workers go on."`
	Restore dbRestoreCmd `cmd:"" help:"Put a backup in its place."`
	Prune   dbPruneCmd   `cmd:"" help:"Delete runs that ended long ago."`
}

type dbPathCmd struct {
	outputFlag
}

// Help ends with examples.
func (dbPathCmd) Help() string {
	return "The file need not be there yet: the first command that writes makes it.\n\n" +
		"Examples:\n  runnel db path\n  runnel db path --db ./runs.db"
}

func (c dbPathCmd) Run(a *app) error {
	path, err := a.database()
	if err != nil {
		return err
	}
	if !c.machine() {
		a.print("%s", path)
		return nil
	}
	return a.printObject(map[string]string{"path": path}, c.outputFlag)
}
