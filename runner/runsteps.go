package runner

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"runnel/store"
)

// StepOptions say how RunSteps runs steps.
type StepOptions struct {
	Dir string // where the first step starts, and git_clone puts its folder
	// Folder is beside the database, and keeps mirrors and environments from one
	// time to the next; empty: nothing is kept.
	Folder string
	// Shared has git_clone give the checkouts that runs share.
	Shared bool
	Env    []string // the whole environment as NAME=value
	Python string   // the interpreter of pip_install_requirements; python3 where it is empty
	// Stdout and Stderr get what the steps write, at once and with the secrets
	// hidden; Stderr gets a line before and after each step, too.
	Stdout, Stderr io.Writer
	// Fill gives a step as it is to be run, when its turn comes, with the values
	// of its templates and the secrets among them. nil runs the steps as they are.
	Fill func(step int, done StepOutputs) (store.Step, []string, error)
}

// RunSteps runs build or push steps one after the other in the calling process,
// as a slot runs pull steps. It stops at the first that fails, with a *StepError;
// when ctx ends it stops that step and all that came of it. The process must have no
// other children meanwhile.
func RunSteps(ctx context.Context, steps []store.Step, o StepOptions) (StepOutputs, error) {
	out := &console{stdout: o.Stdout, stderr: o.Stderr}
	r := &stepRun{dir: o.Dir, cache: o.Folder, shared: o.Shared, env: o.Env, python: o.Python, fill: o.Fill}
	scratch, err := os.MkdirTemp("", "runnel-steps-")
	if err != nil {
		return StepOutputs{}, err
	}
	defer func() { _ = removeTree(scratch) }()
	r.own = scratch
	if r.cache == "" {
		r.cache = scratch
	}
	if r.fill == nil {
		r.fill = func(i int, _ StepOutputs) (store.Step, []string, error) { return steps[i], nil, nil }
	}
	r.say = func(text string) { out.endLine(); out.write("stderr", []byte(maskText(text, r.secrets)+"\n")) }
	r.exec = func(c command) (output, error) { return out.exec(ctx, c, r) }
	r.rest = func(pause time.Duration) error {
		select {
		case <-time.After(pause):
			return nil
		case <-ctx.Done():
			return errStopped
		}
	}
	err = r.run(steps)
	out.endLine()
	r.done.held = r.held
	if err != nil && ctx.Err() != nil {
		err = &StepError{steps[r.at].Name, context.Cause(ctx)}
	}
	return r.done, err
}

// console is where the steps of a command write.
type console struct {
	mu             sync.Mutex
	stdout, stderr io.Writer
	last           byte // written, to either
}

func (o *console) write(stream string, chunk []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := o.stderr
	if stream == "stdout" {
		to = o.stdout
	}
	_, _ = to.Write(chunk) // a closed terminal does not stop a build
	if len(chunk) > 0 {
		o.last = chunk[len(chunk)-1]
	}
}

// endLine keeps what a step wrote last from running into what we say.
func (o *console) endLine() {
	o.mu.Lock()
	open := o.last != 0 && o.last != '\n'
	o.mu.Unlock()
	if open {
		o.write("stderr", []byte("\n"))
	}
}

// exec runs one process of a step, its output passing through us.
func (o *console) exec(ctx context.Context, c command, run *stepRun) (out output, err error) {
	if ctx.Err() != nil {
		return out, errStopped
	}
	var readers []*reader
	defer func() {
		for _, r := range readers {
			r.close()
		}
	}()
	heard := c.listen(&out)
	spec := Spec{Argv: c.argv, Env: c.env, Dir: c.dir, Extra: run.held, Session: true}
	for stream, file := range map[string]**os.File{"stdout": &spec.Stdout, "stderr": &spec.Stderr} {
		r, err := o.read(stream, out.stream(stream), c.quiet, run.secrets)
		if err != nil {
			return out, err
		}
		*file, readers = r.theirs, append(readers, r)
	}
	process, err := Start(spec)
	for _, r := range readers {
		_ = r.theirs.Close()
	}
	if err != nil {
		return out, err
	}
	defer heard.watch(process.PID, process.killGroup)()
	if _, err = process.Wait(ctx); err != nil && ctx.Err() != nil {
		process.Stop(DefaultGrace, nil)
		return out, errStopped
	}
	for _, r := range readers {
		r.drain()
	}
	return out, heard.ended(ended(c, process.Reap(), &out))
}

// reader passes one stream of a process on.
type reader struct {
	ours, theirs *os.File
	done         chan struct{}
}

func (o *console) read(stream string, keep *keeper, quiet bool, secrets []string) (*reader, error) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r := &reader{ours, theirs, make(chan struct{})}
	visit, flush := newSink(secrets, keep, func(chunk []byte) {
		if !quiet {
			o.write(stream, chunk)
		}
	})
	go func() {
		defer close(r.done)
		Pump(ours, visit)
		flush()
	}()
	return r, nil
}

// drain reads what is left, and waits no longer for a process that stays behind.
func (r *reader) drain() {
	_ = r.ours.SetReadDeadline(time.Now().Add(drainTime))
	<-r.done
}

func (r *reader) close() {
	_ = r.theirs.Close()
	r.drain()
	_ = r.ours.Close()
}
