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

// StepOutputs is what steps handed on.
type StepOutputs struct {
	Step map[string]map[string]any // by the step's id and the output's name
	Bare map[string]any            // by the name alone, later steps over earlier ones
	// Dir is where git_clone or set_working_directory went; "" where none did.
	Dir string
	// Clones are what git_clone steps checked out, in order.
	Clones []Cloned

	held []*os.File
}

// Release lets go of the checkouts and environments that the steps use: from
// here on they may be swept.
func (o StepOutputs) Release() {
	for _, file := range o.held {
		_ = file.Close()
	}
}

// StepError is a step that failed.
type StepError struct {
	Step string // its name
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("the step %s failed: %v", e.Step, e.Err) }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// errStopped is a step that was stopped by a cancel, a timeout or a signal.
var errStopped = errors.New("stopped")

// stepRun runs steps one after the other: in a slot before the flow, or in a
// command that deploys.
type stepRun struct {
	dir    string // where the next step starts
	clones string // where git_clone puts folders of its own; "" is dir
	cache  string // beside the database: mirrors, checkouts and environments
	own    string // goes with the run: environments that are not shared
	shared bool   // git_clone gives checkouts that are shared, unless asked otherwise
	env    []string
	python string
	at     int // the step that runs
	done   StepOutputs
	// held are locks that each process inherits.
	held []*os.File
	// secrets are hidden in what is written and said.
	secrets []string
	// fill gives a step as it is to be run, with the values of its templates.
	fill func(step int, done StepOutputs) (store.Step, []string, error)
	// exec runs one process to its end.
	exec func(command) (output, error)
	say  func(string)
	// begin is told of each step before anything of it runs, and end when it is
	// over, in a line; both may be nil.
	begin func(name string) error
	end   func(line string)
	rest  func(time.Duration) error
}

// command is one process of a step.
type command struct {
	argv, env []string
	dir       string
	quiet     bool // its output is only kept, not shown
	// silence is how long it may write nothing before it is killed; 0: for ever.
	silence time.Duration
}

// run runs all steps, named for the error of one that cannot even be filled.
func (r *stepRun) run(steps []store.Step) error {
	r.done = StepOutputs{Step: map[string]map[string]any{}, Bare: map[string]any{}}
	for i, step := range steps {
		r.at = i
		r.say(fmt.Sprintf("runnel: step %d of %d: %s", i+1, len(steps), step.Name))
		if r.begin != nil {
			if err := r.begin(step.Name); err != nil {
				return &StepError{step.Name, err}
			}
		}
		began := time.Now()
		if err := r.step(i); err != nil {
			return r.failed(step, time.Since(began), err)
		}
		r.tell(step, " took "+time.Since(began).Round(time.Millisecond).String())
	}
	return nil
}

func (r *stepRun) failed(step store.Step, after time.Duration, err error) error {
	how := " was stopped"
	if !errors.Is(err, errStopped) {
		err = maskedError{maskText(err.Error(), r.secrets), err}
		first, _, _ := strings.Cut(err.Error(), "\n")
		how = " failed: " + strings.TrimSuffix(first, ":")
	}
	r.tell(step, fmt.Sprintf("%s, after %s", how, after.Round(time.Millisecond)))
	return &StepError{step.Name, err}
}

// tell says how a step ended, in the log and in the run's history.
func (r *stepRun) tell(step store.Step, how string) {
	r.say("runnel: " + step.Name + how)
	if r.end != nil {
		r.end(fmt.Sprintf("pull step %d, %s%s", r.at+1, step.Name, how))
	}
}

// maskedError is an error whose text is safe to show.
type maskedError struct {
	text string
	err  error
}

func (e maskedError) Error() string { return e.text }
func (e maskedError) Unwrap() error { return e.err }

func (r *stepRun) step(i int) error {
	step, secrets, err := r.fill(i, r.done)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		r.hide(secret)
	}
	if err := checkStep(step); err != nil {
		return err
	}
	outputs, err := r.one(step)
	if err != nil {
		return err
	}
	for name, value := range outputs {
		r.done.Bare[name] = value
	}
	if step.ID != "" {
		r.done.Step[step.ID] = outputs
	}
	return nil
}

// checkStep looks at the step as it is to be run; at what templates brought, too,
// where that looks like one.
func checkStep(step store.Step) error {
	err := store.CheckStep(step)
	if err == nil {
		err = store.CheckClone(step)
	}
	var bad *store.ArgumentError
	if errors.As(err, &bad) {
		return fmt.Errorf("its %s %s", bad.Argument, bad.Why)
	}
	return err
}

func (r *stepRun) hide(secret string) { r.secrets = append(r.secrets, secret) }

func (r *stepRun) one(step store.Step) (map[string]any, error) {
	switch step.Name {
	case store.GitClone:
		return perform(step, r.gitClone)
	case store.SetWorkingDirectory:
		return perform(step, r.setWorkingDirectory)
	case store.RunShellScript:
		return perform(step, r.shellScript)
	case store.PipInstallRequirements:
		return perform(step, r.pipInstall)
	}
	return nil, fmt.Errorf("no such step")
}

// perform reads a step's arguments and does it.
func perform[T any](step store.Step, do func(T) (map[string]any, error)) (map[string]any, error) {
	var arguments T
	raw, err := json.Marshal(step.Arguments)
	if err == nil {
		err = json.Unmarshal(raw, &arguments)
	}
	if err != nil {
		return nil, fmt.Errorf("read its arguments: %w", err)
	}
	return do(arguments)
}

type workingDirectoryArguments struct {
	Directory string `json:"directory"`
}

func (r *stepRun) setWorkingDirectory(a workingDirectoryArguments) (map[string]any, error) {
	dir := r.within(a.Directory)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("there is no folder %s", dir)
	}
	return r.enter(dir), nil
}

// enter makes dir the folder of what comes after.
func (r *stepRun) enter(dir string) map[string]any {
	r.dir, r.done.Dir = dir, dir
	return map[string]any{"directory": dir}
}

// within is a path as the step's folder sees it.
func (r *stepRun) within(path string) string {
	if path == "" {
		return r.dir
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(r.dir, path)
}

const (
	// maxKept bounds each stream of a step that later steps can ask for.
	maxKept = 1 << 20

	// maxTail bounds what a message tells of a step's last lines.
	maxTail, tailLines = 1 << 10, 5
)

// output is what the processes of a step wrote.
type output struct {
	stdout, stderr keeper
}

// stream is one of the two; nil where nothing is kept.
func (o *output) stream(name string) *keeper {
	switch {
	case o == nil:
		return nil
	case name == "stdout":
		return &o.stdout
	}
	return &o.stderr
}

// newSink gives what is done with each chunk of a stream and at its end: keep
// has it as it is, show without the secrets.
func newSink(secrets []string, keep *keeper, show func([]byte)) (visit func([]byte), flush func()) {
	visit, flush = show, func() {}
	if keep != nil {
		visit = func(chunk []byte) {
			keep.addShown(chunk)
			show(chunk)
		}
	}
	if m := newMasker(secrets, visit); m != nil {
		visit, flush = m.add, m.flush
	}
	if keep == nil {
		return visit, flush
	}
	shown := visit
	return func(chunk []byte) {
		keep.add(chunk)
		shown(chunk)
	}, flush
}

// join adds what a further process of the same step wrote.
func (o *output) join(next output) {
	o.stdout.join(next.stdout)
	o.stderr.join(next.stderr)
}

// lastLines are the end of stderr, or of stdout where that says nothing.
func (o *output) lastLines() string {
	text := strings.TrimSpace(string(o.stderr.tail))
	if text == "" {
		text = strings.TrimSpace(string(o.stdout.tail))
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines { // as a terminal shows it, which progress writes over
		line = strings.TrimRight(line, "\r")
		lines[i] = line[strings.LastIndexByte(line, '\r')+1:]
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "" })
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// outputs is how a shell step hands its streams on.
func (o *output) outputs() map[string]any {
	return map[string]any{"stdout": o.stdout.text(), "stderr": o.stderr.text()}
}

// keeper keeps the beginning of a stream for later steps, and its last bytes,
// with the secrets hidden, for messages.
type keeper struct {
	head, tail []byte
	heard      func() // told of each chunk; may be nil
}

func (k *keeper) add(chunk []byte) {
	if k.heard != nil {
		k.heard()
	}
	k.head = append(k.head, chunk[:min(len(chunk), maxKept-len(k.head))]...)
}

func (k *keeper) addShown(chunk []byte) {
	k.tail = append(k.tail, chunk...)
	if len(k.tail) > maxTail {
		k.tail = append(k.tail[:0], k.tail[len(k.tail)-maxTail:]...)
	}
}

func (k *keeper) join(next keeper) {
	k.head = append(k.head, next.head[:min(len(next.head), maxKept-len(k.head))]...)
	if len(next.tail) > 0 {
		k.tail = next.tail
	}
}

func (k *keeper) text() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(k.head), "\ufffd"))
}

// ended makes an error of a process that did not end well.
func ended(c command, exit Exit, out *output) error {
	if exit.Code == 0 {
		return nil
	}
	how := exitMessage(exit.Code)
	if exit.Signal != 0 {
		how = signalMessage(exit.Signal)
	}
	text := filepath.Base(c.argv[0]) + " " + how
	if last := out.lastLines(); last != "" {
		text += ":\n" + last
	}
	return errors.New(text)
}

// overlay lays NAME=value pairs over an environment.
func overlay(env []string, over map[string]*string) []string {
	e := environment{}
	e.add(env)
	e.overlay(over)
	return e.list()
}
