package cli

import (
	"fmt"
	"runtime/debug"
	"strings"

	"runnel/store"
)

// deployCmd is one line of deploy. All that a person is asked for, and all that
// a project file gives, has a flag here, so that line can write it again.
type deployCmd struct {
	Entrypoint        string   `arg:"" optional:"" help:"path/to/file.py:function, or a script's path; then the project file is not read. Or git+URL@REF#path/to/file.py:function."`
	Name              []string `short:"n" sep:"none" placeholder:"NAME" help:"The deployment's name; without ENTRYPOINT those of the project file: a name, flow/name or a glob; repeatable."`
	All               bool     `help:"Deploy all of the project file."`
	File              string   `type:"path" aliases:"prefect-file" placeholder:"FILE" help:"The project file (default: runnel.yaml, else prefect.yaml, of the project root)."`
	Pool              string   `short:"p" env:"RUNNEL_POOL" placeholder:"NAME" help:"The work pool."`
	WorkQueue         string   `short:"q" placeholder:"NAME" help:"The work queue (default: default)."`
	Description       *string  `short:"d" placeholder:"TEXT" help:"What it does (default: the docstring)."`
	Tag               []string `short:"t" sep:"none" placeholder:"TAG" help:"A tag; repeatable."`
	Param             []string `sep:"none" placeholder:"NAME=VALUE" help:"A parameter's value; repeatable. NAME:=JSON is always JSON."`
	Params            string   `placeholder:"JSON" help:"Parameters as a JSON object, @FILE, or - for stdin."`
	JobVariable       []string `sep:"none" placeholder:"NAME=VALUE" help:"A job variable, such as env.HOME=/x; repeatable (-jv)."`
	Version           *string  `placeholder:"TEXT" help:"Default: the commit of a clean checkout, else a hash of the file."`
	ConcurrencyLimit  *int     `placeholder:"N" help:"At most so many of its runs at once (-cl)."`
	CollisionStrategy *string  `placeholder:"WORD" help:"When the limit is reached: ENQUEUE, CANCEL_NEW, REPLACE."`
	EnforceSchema     *bool    `name:"enforce-parameter-schema" negatable:"" help:"Refuse parameters that the signature does not allow (default: yes)."`
	Paused            *bool    `negatable:"" help:"Start nothing until it is resumed."`
	FromGit           *bool    `negatable:"" help:"Runs clone the code from its git remote; --no-from-git: they use this folder."`
	Branch            string   `placeholder:"NAME" help:"Runs clone this branch or tag of the remote."`
	Commit            string   `placeholder:"SHA" help:"Runs clone just this commit."`
	AccessToken       string   `placeholder:"TEMPLATE" help:"The secret that opens the repository: '{{ prefect.blocks.secret.NAME }}'."`
	scheduleFlags
	Timeout *string `placeholder:"TIME" help:"Stop a run after this time: 90s, 10m; none: it may take as long as it likes."`
	retryFlags
	hookFlags
	Build       *bool  `negatable:"" help:"Run the build and push steps of the project file (default: yes)."`
	Save        *bool  `negatable:"" help:"Write the deployment into the project file."`
	Prune       bool   `help:"With --all: delete the deployments that came from this file and left it."`
	Root        string `type:"path" placeholder:"DIR" help:"The project root (default: the nearest folder with .git, pyproject.toml or a project file)."`
	CreatePools bool   `help:"Make the work pools that are missing."`
	DryRun      bool   `help:"Print the plan and change nothing."`
	ExitCode    bool   `help:"With --dry-run: exit with 4 where something would change."`
	outputFlag
}

// Help ends with examples.
func (deployCmd) Help() string {
	return "In a terminal it asks for what is missing, shows the plan, and asks once more. " +
		"An entrypoint with a name and a pool makes one deployment and asks nothing. --all, or -n without an entrypoint, " +
		"deploys what the project file has, in one transaction: flags such as --pool, --work-queue, --job-variable, " +
		"--tag and --paused then hold for each of them.\n\n" +
		"Examples:\n  runnel deploy flows/report.py:folder_report -n nightly -p my-process-pool\n" +
		"  runnel deploy flows/report.py:folder_report -n nightly -p my-process-pool --param top=5 -t reports --dry-run\n" +
		"  runnel deploy --all --create-pools\n" +
		"  runnel deploy git+https://git.example.org/you/flows.git@main#flows/report.py:folder_report -n nightly -p my-process-pool\n" +
		"  runnel deploy -n folder-report/* --dry-run --exit-code"
}

func (c deployCmd) Run(a *app) error {
	// It lives for moments and parses much: collecting that takes a fifth of them.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	if !c.machine() && c.Output == "table" && a.interactive() && c.asks(a) {
		return c.wizard(a, a.prompter())
	}
	job, err := c.prepare(a)
	if err != nil {
		return err
	}
	return job.run()
}

// check refuses what has no meaning whatever the project holds.
func (c deployCmd) check() error {
	switch {
	case strings.Contains(c.Pool, "="):
		e := usage("-p names the work pool here, and %q looks like a parameter", c.Pool)
		e.hint = []string{"a parameter is: --param " + store.Quote(c.Pool)}
		return e
	case c.Entrypoint != "" && c.All:
		return usage("--all deploys the project file, and the line has an entrypoint: give one of both")
	case c.Entrypoint != "" && len(c.Name) > 1:
		return usage("one entrypoint makes one deployment, and the line has %d names", len(c.Name))
	case c.All && len(c.Name) > 0:
		return usage("--all and -n both say what to deploy: give one of both")
	case c.Prune && !c.All:
		return usage("--prune looks at the whole project file: it goes with --all")
	case c.ExitCode && !c.DryRun:
		return usage("--exit-code goes with --dry-run: it says whether something would change")
	}
	return c.checkGit()
}

// missing lists at once all that a deployment of an entrypoint lacks, with the
// flag that gives it.
func (c deployCmd) missing() error {
	var hints []string
	if c.Entrypoint == "" {
		hints = append(hints, "the entrypoint: runnel deploy flows/report.py:folder_report …  (find them: runnel discover)")
	}
	if len(c.Name) == 0 {
		hints = append(hints, "the deployment's name: -n NAME")
	}
	if c.Pool == "" {
		hints = append(hints, "the work pool: -p NAME  (list them: runnel work-pool ls)")
	}
	if len(hints) == 0 {
		return nil
	}
	return &exitError{code: exitUsage, message: "this is missing:", hint: hints}
}

// single refuses the flags that cannot hold for n deployments at once.
func (c deployCmd) single(n int) error {
	if n < 2 {
		return nil
	}
	kept := deployCmd{
		Name: c.Name, All: c.All, File: c.File, Pool: c.Pool, WorkQueue: c.WorkQueue, Tag: c.Tag, JobVariable: c.JobVariable,
		Paused: c.Paused, Build: c.Build, Prune: c.Prune, Root: c.Root, CreatePools: c.CreatePools, DryRun: c.DryRun,
		ExitCode: c.ExitCode, outputFlag: c.outputFlag,
	}
	if c.Save != nil && !*c.Save {
		kept.Save = c.Save
	}
	extra := c.flagsBeyond(kept)
	if len(extra) == 0 {
		return nil
	}
	return &exitError{
		code:    exitUsage,
		message: fmt.Sprintf("%s: for one deployment, and %d are chosen", strings.Join(extra, ", "), n),
		hint:    []string{"choose one with -n NAME; for all of them there are --pool, --work-queue, --job-variable, --tag and --paused"},
	}
}
