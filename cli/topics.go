package cli

import (
	"slices"
	"strconv"
	"strings"

	"runnel/store"
)

// helpCmd prints what belongs to no one command. `help COMMAND` has become
// `COMMAND --help` before this is asked.
type helpCmd struct {
	Topic string `arg:"" optional:"" enum:",exit-codes,environment,states" default:"" help:"exit-codes, environment or states; or a command, whose --help this is."`
}

// Help ends with examples.
func (helpCmd) Help() string {
	return "Examples:\n  runnel help exit-codes\n  runnel help states"
}

// topics are what `runnel help TOPIC` knows beside the commands.
var topics = map[string]func(a *app){
	"exit-codes": (*app).helpExitCodes, "environment": (*app).helpEnvironment, "states": (*app).helpStates,
}

func (c helpCmd) Run(a *app) error {
	if topic, known := topics[c.Topic]; known {
		topic(a)
		return nil
	}
	return a.run([]string{"--help"})
}

// helpArgs turns `help COMMAND` into `COMMAND --help`.
func helpArgs(args []string) []string {
	if len(args) > 1 && (topics[args[1]] != nil || slices.Contains(args, "--help") || slices.Contains(args, "-h")) {
		return args
	}
	return append(slices.Clone(args[1:]), "--help")
}

// exitCodes say what each code means, for people and, by a word, for programs.
var exitCodes = []struct {
	code       int
	word, text string
}{
	{exitDone, "", "Done. An empty list is no failure."},
	{exitFailed, "failed", "It did not work: the disk, another process, or your own no to a question. `doctor`: something is red. `db check`: the file is not sound."},
	{exitUsage, "usage", "The command line was wrong. Nothing was done."},
	{exitNotFound, store.NotFound, "What was named is not there."},
	{exitRefused, "refused", "Refused, and nothing was changed: invalid, a conflict, ambiguous, or not asked for (--yes). `deploy --dry-run --exit-code`: something would change."},
	{exitRunFailed, "run_failed", "The run that was watched Failed, or TimedOut."},
	{exitCancelled, "run_cancelled", "The run that was watched was Cancelled."},
	{exitCrashed, "run_crashed", "The run that was watched Crashed."},
	{exitTimeout, "timeout", "The watching timed out (--watch-timeout). The run goes on."},
	{exitInterrupted, "interrupted", "Interrupted by Ctrl-C."},
}

// codeWord names an exit code for programs.
func codeWord(code int) string {
	for _, c := range exitCodes {
		if c.code == code {
			return c.word
		}
	}
	return ""
}

func (a *app) helpExitCodes() {
	var rows [][2]string
	for _, c := range exitCodes {
		rows = append(rows, [2]string{strconv.Itoa(c.code), c.text})
	}
	a.print("Exit codes\n")
	a.columns(rows)
	a.print("\n%s", strings.Join(wrap("With -o json an error is an object on stderr, {\"error\": {\"code\", \"message\", \"hint\"}}, "+
		"whose code is a word: usage, not_found, conflict, invalid, ambiguous, busy, unsupported and such.", a.helpWidth()), "\n"))
}

// environment is what is read of it. TestHelpNamesTheWholeEnvironment holds it
// to the code.
var environment = [][2]string{
	{"RUNNEL_DB", "The database file, where --db does not say: else $XDG_DATA_HOME/runnel/runnel.db, or ~/.local/share/runnel/runnel.db."},
	{"RUNNEL_POOL", "The work pool, where --pool does not say."},
	{"RUNNEL_NO_PROMPT", "Ask nothing, as --no-prompt."},
	{"CI", "Ask nothing either."},
	{"NO_COLOR", "No colour, as --no-color. Nor is there any with TERM=dumb, or off a terminal."},
	{"ACCESSIBLE", "Questions one below the other, for screen readers."},
	{"TZ", "The zone in which times are shown. They are kept in UTC."},
	{"COLUMNS", "How wide to print; it goes before what the terminal says."},
	{"VIRTUAL_ENV", "The interpreter of a deployment that names none; then CONDA_PREFIX, unless CONDA_DEFAULT_ENV is base, .venv and venv of the project, python3 on PATH."},
	{"XDG_CONFIG_HOME", "Where your own services lie (worker install), else ~/.config."},
}

// flowEnvironment is what a flow's process gets.
var flowEnvironment = [][2]string{
	{"RUNNEL_FLOW_RUN_ID", "The run; also RUNNEL_FLOW_RUN_NAME, RUNNEL_FLOW_NAME, RUNNEL_DEPLOYMENT, RUNNEL_ATTEMPT."},
	{"RUNNEL_SCHEDULED_FOR", "When it was meant to start; also RUNNEL_PREVIOUS_TICK and RUNNEL_NEXT_TICK."},
	{"RUNNEL_PARAMETERS", "The path of a JSON file of its parameters; a script gets each as RUNNEL_PARAM_NAME, too."},
	{"RUNNEL_BIN", "This runnel; with RUNNEL_DB a runnel inside a flow is the same one, on the same file."},
}

func (a *app) helpEnvironment() {
	a.print("What runnel reads of its environment. A flag goes before it.\n")
	a.columns(environment)
	a.print("\nWhat a flow's process gets beside it, and beside env of pool, deployment and run.\n")
	a.columns(flowEnvironment)
}

// stateTexts say what each name of a state means.
var stateTexts = [][2]string{
	{store.NewState(store.Scheduled, "").Name, "It waits: for its time, a worker, a limit, or the end of a pause. `runnel why` says which."},
	{store.NameLate, "Scheduled, and 15 s or more past its time."},
	{store.NameAwaitingRetry, "Scheduled again after a failed attempt, while retries are left."},
	{store.NewState(store.Pending, "").Name, "Claimed by a worker, about to start."},
	{store.NewState(store.Running, "").Name, "Its process runs."},
	{store.NewState(store.Paused, "").Name, "No run gets there yet; it is Prefect's."},
	{store.NewState(store.Cancelling, "").Name, "Being cancelled: what is left of its process has not ended yet."},
	{store.NewState(store.Completed, "").Name, "It ended well: exit code 0."},
	{store.NewState(store.Failed, "").Name, "Your code said no: it raised, or exited with another code."},
	{store.NameTimedOut, "Failed, since its timeout was over; its processes were stopped."},
	{store.NewState(store.Crashed, "").Name, "The machinery failed: it could not start, was killed from outside, or its machine went down."},
	{store.NewState(store.Cancelled, "").Name, "Cancelled by a person or a rule; no process of it lives."},
}

func (a *app) helpStates() {
	a.print("The states of a flow run\n")
	a.columns(stateTexts)
	a.print("\n%s", strings.Join(wrap("An attempt that has ended never changes. flow-run retry gives the run a further attempt, and it is Scheduled again.", a.helpWidth()), "\n"))
}
