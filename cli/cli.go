// Package cli is the command line: it parses, calls and prints. It holds no
// SQL, no process code and no rules.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"runnel/runner"
	"runnel/store"
)

// Version is set at build time: -ldflags "-X runnel/cli.Version=1.2.3".
var Version = "dev"

// grammar is the whole command line.
type grammar struct {
	DB       string `name:"db" env:"RUNNEL_DB" placeholder:"FILE" help:"The database (~/.local/share/runnel/runnel.db)."`
	NoColor  bool   `help:"No colour."`
	NoPrompt bool   `help:"Ask nothing. ($RUNNEL_NO_PROMPT)"`

	// The groups of the help, in their order. What is brief there is only named.
	Quickstart quickstartCmd  `cmd:"" group:"Start" help:"Play the whole main job on an example."`
	Init       initCmd        `cmd:"" group:"Start" help:"Write a project file for this folder."`
	Discover   discoverCmd    `cmd:"" group:"Start" help:"List the flows in a folder, without running them."`
	Deploy     deployCmd      `cmd:"" group:"Deploy" help:"Make or change a deployment of a flow."`
	Up         upCmd          `cmd:"" group:"Deploy" help:"Deploy all of the project file, and work for its pools."`
	Deployment deploymentCmd  `cmd:"" group:"Deploy" aliases:"deployments" help:"Look at deployments and schedules, change them."`
	Variable   variableCmd    `cmd:"" group:"Deploy" brief:"" aliases:"variables" help:"Values and secrets that deployments and flows ask for by name."`
	Schema     schemaCmd      `cmd:"" group:"Deploy" brief:"" help:"Print the JSON Schema of the project file."`
	Run        runCmd         `cmd:"" group:"Run" help:"Run a deployment, or an entrypoint here and now."`
	Worker     workerCmd      `cmd:"" group:"Run" aliases:"workers" help:"Start workers, install them as services, look at them."`
	WorkPool   workPoolCmd    `cmd:"" group:"Run" aliases:"work-pools,pool,pools" help:"Make work pools, look at them, change them."`
	WorkQueue  workQueueCmd   `cmd:"" group:"Run" aliases:"work-queues,queue,queues" help:"Order and limit the runs within a pool."`
	Status     statusCmd      `cmd:"" group:"Look" help:"Show on one screen what runs, waits, failed, comes next."`
	FlowRun    flowRunCmd     `cmd:"" group:"Look" aliases:"flow-runs,runs" help:"Look at flow runs, read logs, cancel, retry, delete."`
	Logs       flowRunLogsCmd `cmd:"" group:"Look" brief:"" help:"Print a run's log, or follow it."`
	Why        whyCmd         `cmd:"" group:"Look" help:"Say in a sentence what a run waits for, or a pool."`
	Doctor     doctorCmd      `cmd:"" group:"Operate" help:"Look at all that runnel needs, and say what to mend."`
	DBGroup    dbCmd          `cmd:"" group:"Operate" name:"db" help:"Measure the database, back it up, restore and prune it."`
	Completion completionCmd  `cmd:"" group:"Operate" brief:"" help:"Print what makes bash, zsh or fish complete its words."`
	HelpCmd    helpCmd        `cmd:"" group:"Operate" brief:"" name:"help" help:"Explain a command, or exit-codes, environment, states."`
	VersionCmd versionCmd     `cmd:"" group:"Operate" brief:"" name:"version" help:"Print the version."`
}

// app is what a command works with.
type app struct {
	*IO
	ctx      context.Context
	path     string // of the database
	noPrompt bool
	opened   *store.Store
	source   *source // the repository that was read; nil for most
}

// Main runs one command line and gives the exit code. Nothing below it exits.
func Main(streams *IO, args []string) int {
	if len(args) == 3 && args[0] == slotCommand {
		return runSlot(args[1], args[2])
	}
	a := &app{IO: streams, ctx: context.Background()}
	if len(args) == 2 && args[0] == hookCommand {
		return a.runHooks(args[1])
	}
	if len(args) > 1 && args[0] == completeCommand {
		a.complete(args[1], args[2:])
		return exitDone
	}
	args = rewrite(args)
	err := a.run(args)
	a.forgetSource()
	if a.opened != nil {
		err = errors.Join(err, a.opened.Close())
	}
	if err != nil {
		streams.report(err, wantsJSON(args))
	}
	return exitCode(err)
}

// exited is how kong's --help leaves: by a panic that only parse sees.
type exited int

func (a *app) run(args []string) (err error) {
	if err := checkText(args); err != nil {
		return err
	}
	var g grammar
	defer func() {
		switch caught := recover().(type) {
		case nil:
		case exited:
			if caught != 0 {
				err = &exitError{code: int(caught)}
			}
		default:
			panic(caught) // a defect of ours is no success
		}
	}()
	if len(args) == 0 {
		args = a.nothingAsked()
	}
	command, err := a.parse(&g, args,
		kong.Name("runnel"),
		kong.Description("Runnel deploys flows and runs them, on one machine, from one SQLite file."),
		kong.Writers(a.Out, a.Err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Help(a.printHelp),
		kong.Bind(a),
	)
	if err != nil {
		return err
	}
	if g.NoColor {
		env := a.Env
		a.Env = func(name string) string {
			if name == "NO_COLOR" {
				return "1"
			}
			return env(name)
		}
	}
	a.path, a.noPrompt = g.DB, g.NoPrompt || a.isOn("RUNNEL_NO_PROMPT")
	err = command.Run()
	if c, isRun := command.Selected().Target.Interface().(runCmd); isRun {
		err = c.habit(err)
	}
	return err
}

// nothingAsked is what runnel alone does: on a terminal, once there is
// something to look at, it shows how things stand.
func (a *app) nothingAsked() []string {
	a.path = a.Env("RUNNEL_DB")
	if a.OutTerminal && a.hasDatabase() {
		return []string{"status"}
	}
	return []string{"--help"}
}

// store opens the database at its first use. A command that makes one says where.
func (a *app) store() (*store.Store, error) {
	if a.opened != nil {
		return a.opened, nil
	}
	path, err := a.database()
	if err != nil {
		return nil, err
	}
	s := store.New(path)
	s.Clock = a.Clock
	if err := s.Open(a.ctx); err != nil {
		return nil, err
	}
	s.Alive, s.Stopped = runner.Liveness(s.Folder()), runner.Suspended
	if s.Created {
		a.say("made a new database: %s", s.Path())
	}
	a.opened = s
	return s, nil
}

// settled is the store after every run whose owner is gone has been settled.
func (a *app) settled() (*store.Store, error) {
	s, err := a.store()
	if err != nil {
		return nil, err
	}
	return s, runner.Settle(a.ctx, s, "command")
}

// database is where the file is: flag, environment, else the user's data folder.
func (a *app) database() (string, error) {
	if a.path != "" {
		return filepath.Abs(a.path)
	}
	data := a.Env("XDG_DATA_HOME")
	if data == "" {
		home := a.Env("HOME")
		if home == "" {
			return "", usage("neither --db, RUNNEL_DB, XDG_DATA_HOME nor HOME says where the database is")
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "runnel", "runnel.db"), nil
}

// slotCommand is the hidden command that a slot process is.
const slotCommand = "slot"

// runSlot is a slot's life; its worker's end of the pair is descriptor 3.
func runSlot(database, text string) int {
	id, err := store.ParseID(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "slot:", err)
		return exitUsage
	}
	return runner.RunSlot(database, id, os.NewFile(3, "worker"))
}
