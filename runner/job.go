package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

// Job is what a slot is told: all that one attempt needs.
type Job struct {
	Run     store.ID `json:"run"`
	Attempt int      `json:"attempt"`
	Fence   int64    `json:"fence"`
	Argv    []string `json:"argv"`
	Env     []string `json:"env"` // NAME=value, each name once, in order
	// OldEnv says, on the way to a slot, which places of its last job's Env go
	// between those of Env: the numbers of the first and of the one behind the
	// last, for each stretch of them.
	OldEnv     []int           `json:"old_env,omitempty"`
	Dir        string          `json:"dir"`
	Log        string          `json:"log"`    // path
	Folder     string          `json:"folder"` // of the attempt
	Parameters json.RawMessage `json:"parameters"`
	Timeout    time.Duration   `json:"timeout"` // 0: none
	Grace      time.Duration   `json:"grace"`   // between SIGTERM and SIGKILL
	Nice       int             `json:"nice"`
	Python     bool            `json:"python"`
	// Root is the project root that the code is read in; File the flow's file
	// from there, "" for a module. Code is what is known of the code already.
	Root string     `json:"root,omitempty"`
	File string     `json:"file,omitempty"`
	Code store.Code `json:"code"`
	// Secrets are what the job was given and its log shall not show.
	Secrets []string `json:"secrets,omitempty"`
	// Private says that the parameters hold a secret, and stay off the disk.
	Private bool `json:"private,omitempty"`
	// Pull comes before the flow; nil for most.
	Pull *pullJob `json:"pull,omitempty"`
	// Broken is why the job cannot be started at all, found before any slot
	// was asked; the attempt ends Crashed with it.
	Broken string `json:"broken,omitempty"`
	// Adopt takes over a process whose slot is gone, instead of starting one.
	Adopt bool `json:"adopt,omitempty"`
	// Started is when the attempt to adopt was claimed.
	Started time.Time `json:"started,omitzero"`
}

// DefaultGrace is how long a process has after SIGTERM.
const DefaultGrace = 30 * time.Second

// Maker makes jobs of claimed runs.
type Maker struct {
	Store  *store.Store
	Env    []string // the environment that the flows' own goes over
	Binary string   // RUNNEL_BIN
}

// plan is what to start, be it a deployment's or a command's.
type plan struct {
	entrypoint, kind, root, interpreter string
	pull                                []store.Step
	given                               store.Values // parameters that whoever deployed wrote
	timeout                             *float64
	schema                              json.RawMessage
	parameters                          store.Values
}

// limit is how long an attempt may take; 0: as long as it likes.
func (p plan) limit() time.Duration {
	if p.timeout == nil {
		return 0
	}
	return time.Duration(*p.timeout * float64(time.Second))
}

// Job makes the job of a claimed run. It never fails: what cannot be started
// is a Broken job, whose slot records it.
func (m Maker) Job(c store.Claimed) Job {
	run := c.Run
	job := Job{
		Run: run.ID, Attempt: c.Attempt, Fence: run.Fence, Grace: DefaultGrace,
		Log:    m.Store.LogPath(c.Log),
		Folder: AttemptFolder(m.Store.Folder(), run.ID, c.Attempt),
	}
	p, layers := planOf(c)
	values, err := m.give(&job, &p, layers)
	var variables store.JobVariables
	if err == nil {
		variables, err = store.MergeJobVariables(layers...)
	}
	if err == nil {
		err = m.fill(&job, c, p, variables)
	}
	if err != nil {
		job.Broken = store.OneLine(err)
	}
	if job.Pull != nil {
		job.Pull.Values = values
	}
	return job
}

func planOf(c store.Claimed) (plan, []store.Values) {
	run := c.Run
	p := plan{parameters: run.Parameters, timeout: run.TimeoutSeconds}
	layers := []store.Values{c.Pool}
	var timeout *float64
	if d := c.Deployment; d != nil {
		p.entrypoint, p.kind, p.root, p.interpreter, p.schema = d.Entrypoint, d.Kind, d.Path, d.Interpreter, d.ParameterSchema
		timeout, p.pull, p.given = d.TimeoutSeconds, d.PullSteps, d.Parameters
		if run.ScheduledFor != nil {
			p.given = run.Parameters // the schedule's, too
		}
		layers = append(layers, d.JobVariables)
	} else if j := run.Job; j != nil {
		p.entrypoint, p.kind, p.root, p.interpreter, p.schema = j.Entrypoint, j.Kind, j.Path, j.Interpreter, j.ParameterSchema
		timeout = j.TimeoutSeconds
	}
	if p.timeout == nil {
		p.timeout = timeout
	}
	return p, append(layers, run.JobVariables)
}

func (m Maker) fill(job *Job, c store.Claimed, p plan, v store.JobVariables) (err error) {
	if p.entrypoint == "" {
		return fmt.Errorf("its deployment was deleted")
	}
	job.Timeout = p.limit()
	if v.GraceSeconds != nil {
		job.Grace = time.Duration(*v.GraceSeconds * float64(time.Second))
	}
	job.Nice = v.Nice
	job.Dir = p.root
	job.File, job.Code.Folder = entryFile(p.entrypoint, p.kind), p.root
	if c.Deployment != nil {
		job.Code.Version = c.Deployment.Version
	}
	if v.WorkingDir != "" {
		job.Dir = v.WorkingDir
		if !filepath.IsAbs(job.Dir) {
			job.Dir = filepath.Join(p.root, job.Dir)
		}
	}
	env := environment{}
	env.add(m.Env)
	delete(env, notifyVariable) // to speak to the manager is the worker's
	env["PYTHONUNBUFFERED"] = "1"
	env.overlay(v.Env)
	m.own(env, c, job)
	if len(p.pull) > 0 {
		job.Pull = newPullJob(p, v)
	}
	if p.kind == "script" {
		err = scriptJob(job, p, env)
	} else {
		err = m.pythonJob(job, p, v)
	}
	job.Env = env.list()
	return err
}

// own sets the variables by which a flow knows its run, and by which a
// runnel inside a flow is the same one on the same file.
func (m Maker) own(env environment, c store.Claimed, job *Job) {
	env["RUNNEL_FLOW_RUN_ID"] = c.Run.ID.String()
	env["RUNNEL_FLOW_RUN_NAME"] = c.Run.Name
	env["RUNNEL_FLOW_NAME"] = c.Run.FlowName
	env["RUNNEL_ATTEMPT"] = fmt.Sprint(c.Attempt)
	env["RUNNEL_PARAMETERS"] = filepath.Join(job.Folder, parametersFile)
	if job.Private {
		env["RUNNEL_PARAMETERS"] = privatePath
	}
	env["RUNNEL_DB"] = m.Store.Path()
	env["RUNNEL_BIN"] = m.Binary
	env["RUNNEL_DEPLOYMENT"] = ""
	if c.Run.Deployment != nil {
		env["RUNNEL_DEPLOYMENT"] = *c.Run.Deployment
	}
	scheduled := c.Run.ExpectedStartTime
	if c.Run.ScheduledFor != nil {
		scheduled = *c.Run.ScheduledFor
	}
	env["RUNNEL_SCHEDULED_FOR"] = scheduled.UTC().Format(time.RFC3339Nano)
	// Empty rather than what a worker inside of another flow would pass on.
	env["RUNNEL_PREVIOUS_TICK"], env["RUNNEL_NEXT_TICK"] = tickText(c.PreviousTick), tickText(c.NextTick)
}

func tickText(tick *time.Time) string {
	if tick == nil {
		return ""
	}
	return tick.UTC().Format(time.RFC3339Nano)
}

func (m Maker) pythonJob(job *Job, p plan, v store.JobVariables) error {
	job.Python = true
	job.Parameters = valuesJSON(p.parameters)
	interpreter := p.interpreter
	if v.Python != "" {
		interpreter = v.Python
	}
	if interpreter == "" {
		return fmt.Errorf("no Python interpreter is recorded: deploy again, or set the job variable python")
	}
	main, err := InstallPython(m.Store.Folder())
	if err != nil {
		return fmt.Errorf("write runnel's Python files: %w", err)
	}
	job.Code.Interpreter = interpreter
	if v.Prefect == "" {
		v.Prefect = "auto"
	}
	if job.Pull != nil {
		job.Pull.Main = main
		return nil
	}
	job.Argv = PythonArgv(interpreter, main, p.root, p.entrypoint, filepath.Join(job.Folder, outcomeFile), v.Prefect)
	return nil
}

// scriptJob is for a file that is run by itself. Python applies its own
// defaults; for a script runnel does.
func scriptJob(job *Job, p plan, env environment) error {
	schema, err := store.ParseParameterSchema(p.schema)
	if err != nil {
		return fmt.Errorf("read parameter schema: %w", err)
	}
	parameters := schema.Defaults().Over(p.parameters)
	job.Parameters = valuesJSON(parameters)
	scalars, err := ScriptVariables(parameters)
	if err != nil {
		return err
	}
	for name, value := range scalars {
		env[name] = value
	}
	if job.Pull == nil {
		job.Argv, err = scriptArgv(p.root, p.entrypoint)
		job.interpreted()
	}
	return err
}

// interpreted notes the program of a script that is run by its shebang.
func (j *Job) interpreted() {
	if len(j.Argv) > 1 {
		j.Code.Interpreter = j.Argv[0]
	}
}

// goneScript says what mends it.
func goneScript(root, path string, err error) error {
	if _, there := os.Stat(root); errors.Is(there, os.ErrNotExist) {
		return fmt.Errorf("the project's folder %s is gone: deploy again from where the project is now", root)
	}
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the script %s is gone: put it back, or deploy again", path)
	}
	return fmt.Errorf("read the script: %w", err)
}

// scriptArgv starts a script by itself where it is executable, else by its shebang.
func scriptArgv(root, entrypoint string) ([]string, error) {
	path := entrypoint
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, goneScript(root, path, err)
	}
	if info.Mode()&0o111 != 0 {
		return []string{path}, nil
	}
	shebang, err := readShebang(path)
	return append(shebang, path), err
}

// readShebang splits the first line as the kernel does: the program, and all
// the rest as one argument.
func readShebang(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the script: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	head := make([]byte, 256)
	n, _ := file.Read(head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	text, found := strings.CutPrefix(line, "#!")
	if !found || strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("%s is not executable and has no #! line; mend it: chmod +x %s", path, store.Quote(path))
	}
	program, argument, more := strings.Cut(strings.TrimSpace(text), " ")
	if !more {
		return []string{program}, nil
	}
	return []string{program, strings.TrimSpace(argument)}, nil
}

// ScriptVariables gives RUNNEL_PARAM_<NAME> for each parameter that is a
// scalar. Two names that clash in upper case are refused.
func ScriptVariables(parameters store.Values) (map[string]string, error) {
	variables, from := map[string]string{}, map[string]string{}
	for name, raw := range parameters {
		text, scalar := scalarText(raw)
		if !scalar {
			continue
		}
		variable := "RUNNEL_PARAM_" + strings.Map(envRune, strings.ToUpper(name))
		if other, clash := from[variable]; clash {
			first, second := min(name, other), max(name, other)
			return nil, fmt.Errorf("the parameters %q and %q would both be %s: rename one", first, second, variable)
		}
		variables[variable], from[variable] = text, name
	}
	return variables, nil
}

func envRune(r rune) rune {
	if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
		return r
	}
	return '_'
}

// scalarText is a string's text, or a number's or boolean's JSON.
func scalarText(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil && len(raw) > 0 && raw[0] == '"' {
		return text, true
	}
	trimmed := strings.TrimSpace(string(raw))
	if trimmed == "" || trimmed == "null" || strings.ContainsAny(trimmed[:1], "[{") {
		return "", false
	}
	return trimmed, true
}

func valuesJSON(v store.Values) json.RawMessage {
	if v == nil {
		v = store.Values{}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return b
}

// environment is one that is being put together.
type environment map[string]string

func (e environment) add(list []string) {
	for _, pair := range list {
		if name, value, found := strings.Cut(pair, "="); found {
			e[name] = value
		}
	}
}

// overlay sets variables; null drops one.
func (e environment) overlay(values map[string]*string) {
	for name, value := range values {
		if value == nil {
			delete(e, name)
			continue
		}
		e[name] = *value
	}
}

func (e environment) list() []string {
	list := make([]string, 0, len(e))
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// changedEnv gives what is new in an environment, and the stretches of the old
// one that stay. Both are in order.
func changedEnv(old, env []string) (changed []string, stay []int) {
	i := 0
	for _, pair := range env {
		for i < len(old) && old[i] < pair {
			i++
		}
		switch {
		case i == len(old) || old[i] != pair:
			changed = append(changed, pair)
		case len(stay) > 0 && stay[len(stay)-1] == i:
			stay[len(stay)-1]++
		default:
			stay = append(stay, i, i+1)
		}
	}
	return changed, stay
}

// wholeEnv is the reverse of changedEnv.
func wholeEnv(old, changed []string, stay []int) []string {
	env := slices.Clone(changed)
	for ; len(stay) >= 2; stay = stay[2:] {
		env = append(env, old[stay[0]:stay[1]]...)
	}
	slices.Sort(env)
	return env
}
