package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"runnel/store"
)

// HookOptions are what a process that runs hooks is given.
type HookOptions struct {
	Env    []string // the environment that the hooks' own goes over
	Binary string   // RUNNEL_BIN
	// Describe is a run as inspect shows it to programs.
	Describe func(context.Context, *store.Store, store.Run) ([]byte, error)
}

const (
	// maxHookLog bounds what is kept of a hook's output, in bytes.
	maxHookLog = 64 << 10

	// maxHookLine bounds its last line in the run's history, in bytes.
	maxHookLine = 300

	// maxHookValue bounds a variable: a message may be as long as a traceback,
	// and the kernel takes 128 KiB.
	maxHookValue = 8 << 10
)

// hookRunner is a process that runs hooks, one after the other, in a session of
// its own: it holds no slot, and outlives whoever started it.
type hookRunner struct {
	HookOptions
	store *store.Store
	proof Proof
	term  chan os.Signal
}

// RunHooks is the whole life of such a process: it takes the hooks that are
// owed until there is none, or until enough others do. It returns the exit code.
func RunHooks(database string, o HookOptions) int {
	r := &hookRunner{HookOptions: o, term: make(chan os.Signal, 1)}
	if err := r.run(database); err != nil {
		// As with a slot, nobody else is there to be told.
		fmt.Fprintf(os.Stderr, "%s hooks: %v\n", time.Now().UTC().Format(time.RFC3339), err)
		return 1
	}
	return 0
}

func (r *hookRunner) run(database string) (err error) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP)
	signal.Notify(r.term, syscall.SIGTERM)
	if err := BecomeReaper(); err != nil {
		return err
	}
	if r.store, err = openExisting(database); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.store.Close()) }()
	r.proof = Proof{ID: store.NewID(), Identity: Self()}
	lock, err := TakeLock(lockPath(r.store.Folder(), r.proof.ID))
	if err != nil {
		return err
	}
	again := r.serve(context.Background())
	err = errors.Join(os.Remove(lock.Name()), lock.Close())
	if again {
		err = errors.Join(err, tellHooks(context.Background(), r.store, 0))
	}
	return err
}

// serve runs what is owed. It is true where another process has to go on: this
// one has a child left, which the end of the next hook would take for its own.
func (r *hookRunner) serve(ctx context.Context) (again bool) {
	owner := store.Owner{Kind: "hook", Host: r.proof.Identity.Host, Proof: r.proof.text()}
	for {
		store.KillPoint("hook.looking")
		h, err := r.store.StartHook(ctx, owner)
		if err != nil || h == nil {
			return false
		}
		store.KillPoint("hook.taken")
		run := hookRun{hookRunner: r, hook: *h}
		run.do(ctx)
		store.KillPoint("hook.ended")
		if err := r.store.EndHook(ctx, run.hook); errors.Is(err, store.ErrSuperseded) {
			_ = os.Remove(r.store.LogPath(h.Log)) // the run was deleted meanwhile
		}
		if run.stopped {
			return false
		}
		if run.process != nil {
			if left, err := run.process.Children(); err != nil || len(left) > 0 {
				return true
			}
		}
	}
}

// hookRun is one hook under way.
type hookRun struct {
	*hookRunner
	hook    store.Hook
	log     *Log
	process *Process
	keep    keeper
	secrets []string
	written int
	began   time.Time
	stopped bool // by a signal that was meant for this process
}

// do runs the hook, and leaves in it what became of it.
func (h *hookRun) do(ctx context.Context) {
	var err error
	if h.log, err = CreateLog(h.store.LogPath(h.hook.Log)); err == nil {
		defer h.log.Close() //nolint:errcheck // what it holds is told of, too
		err = h.start(ctx)
	}
	if err != nil {
		h.hook.Message = maskText("could not start: "+err.Error(), h.secrets)
		if h.log != nil {
			_ = h.log.Append("stderr", []byte("runnel: "+h.hook.Message+"\n"), time.Now())
		}
	}
}

func (h *hookRun) start(ctx context.Context) error {
	spec, body, err := h.spec(ctx)
	if err != nil {
		return err
	}
	stdin, give, err := os.Pipe()
	if err != nil {
		return err
	}
	take, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdin.Close(), give.Close())
	}
	defer take.Close() //nolint:errcheck // all of it was read
	defer give.Close() //nolint:errcheck // closed already where all was taken
	// Fd makes a pipe's end blocking: programs expect no EAGAIN.
	_, _ = stdin.Fd(), stdout.Fd()
	spec.Stdin, spec.Stdout, spec.Stderr, spec.Extra = stdin, stdout, stdout, []*os.File{h.log.LockFile()}
	h.began = time.Now()
	store.KillPoint("hook.starting")
	h.process, err = Start(spec)
	store.KillPoint("hook.started")
	_, _ = stdin.Close(), stdout.Close()
	if err != nil {
		return err
	}
	go func() {
		_, _ = give.Write(body) // one that reads nothing of it is as good
		_ = give.Close()
	}()
	h.await(ctx, take)
	return nil
}

// spec is what to start, with what it reads from its standard input.
func (h *hookRun) spec(ctx context.Context) (spec Spec, body []byte, err error) {
	run, err := h.store.RunByID(ctx, h.hook.Run)
	if err != nil {
		return spec, nil, fmt.Errorf("read the run: %w", err)
	}
	run.State = h.hook.State
	attempts, err := h.store.Attempts(ctx, run.ID)
	if err != nil {
		return spec, nil, err
	}
	log := ""
	if n := len(attempts); n > 0 {
		log = h.store.LogPath(attempts[n-1].Log)
	}
	if body, err = h.Describe(ctx, h.store, run); err != nil {
		return spec, nil, fmt.Errorf("describe the run: %w", err)
	}
	if spec.Argv, err = h.argv(ctx); err != nil {
		return spec, nil, err
	}
	// A run that Crashed since its folder is gone shall be told of, too.
	spec.Dir, spec.Env = h.store.Folder(), h.env(run, log)
	if info, err := os.Stat(h.hook.Folder); err == nil && info.IsDir() {
		spec.Dir = h.hook.Folder
	}
	return spec, body, nil
}

// argv is the command with the values of its templates.
func (h *hookRun) argv(ctx context.Context) ([]string, error) {
	raw, err := json.Marshal(h.hook.Argv)
	if err != nil || !store.HasTemplate(raw) {
		return h.hook.Argv, err
	}
	values, secrets, err := h.store.TemplateValues(ctx, raw)
	if err != nil {
		return nil, err
	}
	h.secrets = secrets
	raw, err = store.FillTemplates(raw, func(template string) (json.RawMessage, bool, error) {
		value, found := values[template]
		return value, found, nil
	})
	if err != nil {
		return nil, err
	}
	var words []json.RawMessage
	if err := json.Unmarshal(raw, &words); err != nil {
		return nil, err
	}
	argv := make([]string, len(words))
	for i, word := range words {
		argv[i] = store.TextOf(word)
	}
	return argv, nil
}

// env says which run it is about. Of the environment of pools, deployments and
// runs it has nothing: that may hold secrets.
func (h *hookRun) env(run store.Run, log string) []string {
	env := environment{}
	env.add(h.Env)
	for _, name := range []string{notifyVariable, "RUNNEL_ATTEMPT", "RUNNEL_PARAMETERS"} {
		delete(env, name)
	}
	deployment := ""
	if run.Deployment != nil {
		deployment = *run.Deployment
	}
	for name, value := range map[string]string{
		"RUNNEL_HOOK":          h.hook.Event,
		"RUNNEL_FLOW_RUN_ID":   run.ID.String(),
		"RUNNEL_FLOW_RUN_NAME": run.Name,
		"RUNNEL_FLOW_NAME":     run.FlowName,
		"RUNNEL_DEPLOYMENT":    deployment,
		"RUNNEL_WORK_POOL":     run.WorkPoolName,
		"RUNNEL_STATE_TYPE":    string(run.State.Type),
		"RUNNEL_STATE_NAME":    run.State.Name,
		"RUNNEL_STATE_MESSAGE": hookValue(run.State.Message),
		"RUNNEL_LOG":           log,
		"RUNNEL_DB":            h.store.Path(),
		"RUNNEL_BIN":           h.Binary,
	} {
		env[name] = value
	}
	return env.list()
}

func hookValue(text string) string {
	return clipText(strings.ReplaceAll(text, "\x00", ""), maxHookValue)
}

// clipText is the beginning of a text, with whole characters.
func clipText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + " …"
}

// await reads what the hook writes until it has ended or is stopped.
func (h *hookRun) await(ctx context.Context, take *os.File) {
	visit, flush := newSink(h.secrets, &h.keep, h.write)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Pump(take, visit)
		flush()
	}()
	cause, exit := h.wait(ctx)
	_ = take.SetReadDeadline(time.Now().Add(drainTime))
	<-done
	_ = h.log.Flush("stdout")
	store.KillPoint("hook.drained")
	took := time.Since(h.began).Round(time.Millisecond)
	switch {
	case cause == byTimeout:
		h.hook.Message = fmt.Sprintf("timed out after %s, and was stopped", h.hook.Timeout)
	case cause == byTerm:
		h.hook.Message, h.stopped = "was stopped from outside, by SIGTERM", true
	case exit.Signal != 0:
		h.hook.Message = fmt.Sprintf("%s, after %s", signalMessage(exit.Signal), took)
	default:
		h.hook.ExitCode = &exit.Code
		if h.hook.Message = fmt.Sprintf("done in %s", took); exit.Code != 0 {
			h.hook.Message = fmt.Sprintf("%s, after %s", exitMessage(exit.Code), took)
		}
	}
	if line := lastLine(h.keep.tail); line != "" {
		h.hook.Message += ": " + line
	}
}

// wait waits for the hook's end, or stops its whole tree.
func (h *hookRun) wait(ctx context.Context) (cause, Exit) {
	ctx, cancel := context.WithTimeout(ctx, h.hook.Timeout)
	defer cancel()
	why, over := byTimeout, make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-h.term:
			why = byTerm
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := h.process.Wait(ctx)
	if err == nil || errors.Is(err, ErrNoStatus) {
		return byItself, h.process.Reap()
	}
	<-over
	store.KillPoint("hook.stopping")
	return why, h.process.Stop(hookGrace, nil).Exit
}

// write keeps the beginning of the output.
func (h *hookRun) write(chunk []byte) {
	room := maxHookLog - h.written
	if room < 0 {
		return
	}
	h.written += len(chunk)
	_ = h.log.Append("stdout", chunk[:min(room, len(chunk))], time.Now()) // a hook does not end for its log
	if len(chunk) > room {
		_ = h.log.Flush("stdout")
		_ = h.log.Append("stderr", []byte("runnel: the rest of the output is left out\n"), time.Now())
	}
}

// lastLine is the last line that says something.
func lastLine(tail []byte) string {
	tail = bytes.TrimSpace(tail)
	line := tail[bytes.LastIndexAny(tail, "\n\r")+1:]
	return clipText(strings.ToValidUTF8(strings.TrimSpace(string(line)), "\ufffd"), maxHookLine)
}
