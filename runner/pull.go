package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

// pullJob is what comes before the flow of a deployment with pull steps, and
// what is needed to find the flow after them.
type pullJob struct {
	Steps []pullStep `json:"steps"`
	// Values are the variables and secrets that their templates ask for, by name.
	Values map[string]json.RawMessage `json:"values"`

	Root        string `json:"root"`
	Entrypoint  string `json:"entrypoint"`
	Interpreter string `json:"interpreter"`
	Main        string `json:"main"` // runnel's own Python file; "" for a script
	Prefect     string `json:"prefect"`
}

// pullStep is a step with its hidden values, which store.Step leaves out of JSON.
type pullStep store.Step

const (
	// codeFolder is where git_clone puts its folders, in the attempt's.
	codeFolder = "code"
	// stepFile names the step that runs, for whoever finds its slot killed.
	stepFile = "step"
)

func newPullJob(p plan, v store.JobVariables) *pullJob {
	job := &pullJob{Root: p.root, Entrypoint: p.entrypoint, Interpreter: p.interpreter, Prefect: v.Prefect}
	if v.Python != "" {
		job.Interpreter = v.Python
	}
	for _, step := range p.pull {
		job.Steps = append(job.Steps, pullStep(step))
	}
	return job
}

// give reads the variables and secrets that are asked for by pull steps, job
// variables and the parameters that whoever deployed wrote, and fills the latter
// two. Nothing is read where none is asked for.
func (m Maker) give(job *Job, p *plan, layers []store.Values) (map[string]json.RawMessage, error) {
	var asking []json.RawMessage
	for _, layer := range layers {
		asking = append(asking, templated(layer)...)
	}
	for _, step := range p.pull {
		asking = append(asking, templated(step.Arguments)...)
	}
	// A value that came with the run is just that value, whatever it looks like.
	own := store.Values{}
	for name, raw := range p.given {
		if store.HasTemplate(raw) && bytes.Equal(raw, p.parameters[name]) {
			own[name] = raw
		}
	}
	if asking = append(asking, templated(own)...); len(asking) == 0 {
		return nil, nil
	}
	values, secrets, err := m.Store.TemplateValues(context.Background(), asking...)
	if err != nil {
		return nil, err
	}
	job.Secrets = secrets
	for i, layer := range layers {
		if layers[i], err = filledVariables(layer, values); err != nil {
			return nil, err
		}
	}
	if own, err = filled(own, values); err != nil {
		return nil, fmt.Errorf("parameter %w", err)
	}
	p.parameters = p.parameters.Over(own)
	job.Private = len(own) > 0 && len(secrets) > 0
	return values, nil
}

// templated are the values that may hold a template.
func templated(values store.Values) (found []json.RawMessage) {
	for _, raw := range values {
		if store.HasTemplate(raw) {
			found = append(found, raw)
		}
	}
	return found
}

// filled has the values of templates in their places.
func filled(layer store.Values, values map[string]json.RawMessage) (store.Values, error) {
	out := store.Values{}
	for name, raw := range layer {
		var err error
		out[name], err = store.FillTemplates(raw, func(template string) (json.RawMessage, bool, error) {
			value, found := values[template]
			return value, found, nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// filledVariables is a layer of job variables, checked now that it is known.
func filledVariables(layer store.Values, values map[string]json.RawMessage) (store.Values, error) {
	out, err := filled(layer, values)
	if err != nil {
		return nil, fmt.Errorf("job variable %w", err)
	}
	if raw, set := out["env"]; set && string(raw) != string(layer["env"]) {
		out["env"] = textEnv(raw)
	}
	_, err = store.CheckJobVariables(out)
	return out, err
}

// textEnv writes numbers that came out of templates as the text that an
// environment holds.
func textEnv(raw json.RawMessage) json.RawMessage {
	var env store.Values
	if json.Unmarshal(raw, &env) != nil {
		return raw
	}
	written, err := json.Marshal(texts(env))
	if err != nil {
		return raw
	}
	return written
}

// pull runs the pull steps and points the job at what they brought. It gives
// the state that the attempt ends with, or nil when the flow can start.
func (a *attempt) pull() *store.State {
	p := a.job.Pull
	steps := make([]store.Step, len(p.Steps))
	for i, s := range p.Steps {
		steps[i] = store.Step(s)
	}
	r := &stepRun{
		dir: a.job.Dir, clones: filepath.Join(a.job.Folder, codeFolder), own: a.job.Folder, cache: a.slot.folder, shared: true, env: a.job.Env,
		python: p.Interpreter, secrets: a.job.Secrets, begin: a.beginStep, end: a.endStep, rest: a.rest,
	}
	r.say = func(text string) { a.say(maskText(text, r.secrets)) }
	r.fill = func(i int, done StepOutputs) (store.Step, []string, error) {
		step, err := p.fill(steps[i], done)
		return step, nil, err
	}
	r.exec = func(c command) (output, error) {
		a.job.Secrets, a.held = r.secrets, r.held
		return a.exec(c)
	}
	err := r.run(steps)
	a.job.Secrets, a.held = r.secrets, r.held
	if err == nil {
		a.job.Env, p.Interpreter = r.env, r.python
		a.pulledCode(r.done)
		err = a.found(r.done.Dir)
	}
	_ = os.Remove(filepath.Join(a.job.Folder, stepFile))
	return a.pulled(err)
}

// pulled is the state after an error of the steps.
func (a *attempt) pulled(err error) *store.State {
	var failed *StepError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errStopped) && errors.As(err, &failed):
		state := a.stoppedState(a.stopped)
		state.Message += ", in the pull step " + failed.Step
		return &state
	case errors.As(err, &failed):
		err = fmt.Errorf("the pull step %s failed: %w", failed.Step, failed.Err)
	}
	state := store.NewState(store.Crashed, maskText(err.Error(), a.job.Secrets))
	return &state
}

// fill puts values, and what the steps before handed on, in place of templates.
func (p *pullJob) fill(step store.Step, done StepOutputs) (store.Step, error) {
	value := func(name string) (json.RawMessage, bool, error) {
		if raw, found := p.Values[name]; found {
			return raw, true, nil
		}
		out, found := done.Bare[name]
		if id, key, dotted := strings.Cut(name, "."); dotted {
			out, found = done.Step[id][key]
		}
		if !found {
			return nil, false, fmt.Errorf("nothing fills in {{ %s }}", name)
		}
		raw, err := json.Marshal(out)
		return raw, true, err
	}
	filled := store.Values{}
	for name, raw := range step.Arguments {
		var err error
		if filled[name], err = store.FillTemplates(raw, value); err != nil {
			return step, fmt.Errorf("%s: %w", name, err)
		}
	}
	step.Arguments = filled
	return step, nil
}

// found makes dir, where the steps went, the project root of the flow.
func (a *attempt) found(dir string) (err error) {
	p := a.job.Pull
	root := dir
	if root == "" {
		root = p.Root
	} else {
		a.job.Dir = dir
	}
	a.job.Root = root
	if err := a.lacking(root); err != nil {
		return err
	}
	if p.Main == "" {
		a.job.Argv, err = scriptArgv(root, p.Entrypoint)
		a.job.interpreted()
		return err
	}
	a.job.Argv = PythonArgv(p.Interpreter, p.Main, root, p.Entrypoint, filepath.Join(a.job.Folder, outcomeFile), p.Prefect)
	return nil
}

// lacking says that what git_clone brought has no file of the entrypoint's name.
func (a *attempt) lacking(root string) error {
	path := inFolderOf(root, a.job.File)
	if a.clone == nil || path == "" || !within(a.clone.Folder, path) {
		return nil
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil //nolint:nilerr // starting it says what else is wrong
	}
	file, err := filepath.Rel(a.clone.Folder, path)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("commit %s of %s has no file %s", a.clone.Commit[:sureDigits], a.clone.Repository, file)
	if len(a.clone.Directories) > 0 {
		text = fmt.Sprintf("%s is not in the directories of %s that are checked out (%s)", file, a.clone.Repository, strings.Join(a.clone.Directories, ", "))
	}
	if names := likeNamed(a.clone.Folder, file); len(names) > 0 {
		text += "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return fmt.Errorf("%s (entrypoint %s)", text, a.job.Pull.Entrypoint)
}

// maxLikeNamed bounds the names that are looked through for one like another.
const maxLikeNamed = 20000

// likeNamed are files below a folder that a path may have meant: those of its own
// name elsewhere, else one of the nearest name.
func likeNamed(folder, path string) (names []string) {
	all, seen := map[string]string{}, 0 // by the file's own name
	_ = filepath.WalkDir(folder, func(at string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || seen == maxLikeNamed:
			return filepath.SkipAll // what is known is enough for a guess
		case entry.IsDir() && entry.Name() == ".git":
			return filepath.SkipDir
		case entry.Type().IsRegular() && filepath.Ext(at) == filepath.Ext(path):
			seen++
			all[filepath.Base(at)] = at[len(folder)+1:]
			if filepath.Base(at) == filepath.Base(path) {
				names = append(names, at[len(folder)+1:])
			}
		}
		return nil
	})
	if near := store.Nearest(filepath.Base(path), slices.Sorted(maps.Keys(all))); len(names) == 0 && near != "" {
		names = []string{all[near]}
	}
	return names[:min(len(names), 3)]
}

// beginStep notes the step before anything of it runs.
func (a *attempt) beginStep(name string) error {
	return os.WriteFile(filepath.Join(a.job.Folder, stepFile), []byte(name), 0o600)
}

// endStep keeps a line for the run's history.
func (a *attempt) endStep(line string) {
	a.steps = append(a.steps, store.StepEnd{Time: time.Now(), Message: maskText(line, a.job.Secrets)})
}

// stepOf is the pull step that a killed slot was at, or "".
func stepOf(folder string) string {
	name, err := os.ReadFile(filepath.Join(folder, stepFile))
	if err != nil {
		return ""
	}
	return string(name)
}

// exec runs one process of a step as the flow itself is run: in a group of its
// own, ended by a cancel or the timeout, holding the attempt's lock.
func (a *attempt) exec(c command) (out output, err error) {
	defer a.closePumps()
	heard := c.listen(&out)
	if err := a.launch(Spec{Argv: c.argv, Env: c.env, Dir: c.dir}, &out, c.quiet); err != nil {
		return out, err
	}
	defer heard.watch(a.process.PID, a.process.killGroup)()
	report := a.wait()
	a.drain()
	if a.cause != byItself {
		a.stopped = report
		return out, errStopped
	}
	return out, heard.ended(ended(c, a.process.Reap(), &out))
}

// rest waits between two tries of a step.
func (a *attempt) rest(pause time.Duration) error {
	over := make(chan error, 1)
	timer := time.AfterFunc(pause, func() { over <- nil })
	defer timer.Stop()
	if a.until(over) {
		return nil
	}
	if a.process != nil {
		a.stopped = a.stop()
	}
	return errStopped
}
