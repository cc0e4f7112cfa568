package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"runnel/runner"
	"runnel/store"
)

// logPrinter writes log records as the flow wrote them, in the order of the
// log.
type logPrinter struct {
	w      io.Writer
	prefix string // before each line, where several runs share a terminal
	// terminal says that what is written is seen, not kept: a line that was
	// written over shows its last text, and a flow's output does not work the
	// terminal. The log has the bytes as they were.
	terminal bool
	open     string // the stream whose line has not ended yet
	held     bool   // its text ended in a return
}

func (p *logPrinter) visit(r runner.Record) error {
	begin, end := "", "\n"
	if p.open != "" && p.open != r.Stream {
		begin = "\n" // the other stream's line is not ours to go on with
	}
	text := string(r.Text)
	if p.terminal {
		goesOn := p.open == r.Stream
		shown, over, holds := overwritten(r.Text, p.held && goesOn, r.Partial)
		text, p.held = tame(shown), holds
		if over && goesOn {
			begin = "\r\x1b[K" // a shorter text leaves nothing of a longer one
		}
	}
	p.open = ""
	if r.Partial && p.prefix == "" {
		p.open, end = r.Stream, ""
	}
	_, err := fmt.Fprintf(p.w, "%s%s%s%s", begin, p.prefix, text, end)
	return err
}

// tame leaves of a flow's control characters what its own line needs: colours,
// which end with it.
func tame(text []byte) string {
	shown := safe(string(text))
	if strings.Contains(shown, "\x1b") {
		shown += "\x1b[0m"
	}
	return shown
}

// isBrokenPipe is true where the reader of our output has left.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// follower follows one log beside other work.
type follower struct {
	ended atomic.Bool
	done  chan struct{}
	first *time.Timer // until the first look
}

func (f *follower) start(ctx context.Context, log string, visit func(runner.Record) error) {
	f.startAfter(ctx, 0, log, visit)
}

// startAfter leaves a run some time before the first look into its log.
func (f *follower) startAfter(ctx context.Context, wait time.Duration, log string, visit func(runner.Record) error) {
	f.done = make(chan struct{})
	f.first = time.AfterFunc(wait, func() {
		defer close(f.done)
		// The log stays on disk, whatever becomes of the terminal.
		_, _ = runner.FollowLog(ctx, log, 0, f.ended.Load, visit)
	})
}

// finish shows what is left of the log of a run that has ended.
func (f *follower) finish() {
	f.ended.Store(true)
	if f.done != nil {
		<-f.done
	}
}

// watcher follows a run to its end, across its attempts.
type watcher struct {
	*app
	store *store.Store
	out   logPrinter
	lines *logLines     // in place of out, where not all is wanted as it is
	limit time.Duration // of the watching; 0: none
	tail  int           // begin with the last lines; 0: all
	after int           // leave out the attempts up to this one
	only  int           // end with this attempt; 0: with the run
	// until ends the watching, too: a Ctrl-C that came before it began.
	until context.Context
}

// watchEvery is how often a watched run's row is read: quick enough that a
// person sees no delay.
const watchEvery = 20 * time.Millisecond

var errWatchTimeout = errors.New("the watching timed out")

func (w watcher) follow(id store.ID) (store.Run, error) {
	if w.until == nil {
		w.until = w.ctx
	}
	ctx, stop := signal.NotifyContext(w.until, os.Interrupt)
	defer stop()
	if w.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, w.limit, errWatchTimeout)
		defer cancel()
	}
	run, err := w.followAttempts(ctx, id)
	if ctx.Err() == nil {
		return run, err
	}
	run, err = w.store.RunByID(w.ctx, id)
	if err != nil || run.State.Type.Terminal() {
		return run, err
	}
	if errors.Is(context.Cause(ctx), errWatchTimeout) {
		return run, &exitError{
			code: exitTimeout, message: fmt.Sprintf("%s is still %s after %s of watching", run.Name, run.State.Name, w.limit),
			hint: []string{"it goes on; cancel it: runnel flow-run cancel " + run.ID.Short()},
		}
	}
	w.say("")
	return run, &exitError{
		code: exitInterrupted, message: fmt.Sprintf("stopped watching; %s goes on", run.Name),
		hint: []string{"cancel it: runnel flow-run cancel " + run.ID.Short()},
	}
}

func (w watcher) followAttempts(ctx context.Context, id store.ID) (store.Run, error) {
	shown := w.after
	for {
		attempt, run, err := w.awaitAttempt(ctx, id, shown)
		if err != nil || attempt.Attempt == 0 {
			return run, err
		}
		if shown > w.after {
			w.say("attempt %d of %s", attempt.Attempt, run.Name)
			w.tail = 0
		}
		shown = attempt.Attempt
		if err := w.followAttempt(ctx, id, attempt); err != nil || shown == w.only {
			return w.read(ctx, id, err)
		}
	}
}

func (w watcher) read(ctx context.Context, id store.ID, err error) (store.Run, error) {
	run, failed := w.store.RunByID(ctx, id)
	return run, errors.Join(err, failed)
}

func (w watcher) followAttempt(ctx context.Context, id store.ID, attempt store.Attempt) error {
	w.begin(attempt.Attempt)
	path := w.store.LogPath(attempt.Log)
	from, err := w.lastLines(path)
	if err == nil {
		_, err = runner.FollowLog(ctx, path, from, w.over(ctx, id, attempt.Attempt), w.visit)
	}
	return errors.Join(err, w.end())
}

func (w *watcher) begin(attempt int) {
	if w.lines != nil {
		w.lines.attempt = attempt
	}
}

func (w *watcher) visit(r runner.Record) error {
	if w.lines != nil {
		return w.lines.visit(r)
	}
	return w.out.visit(r)
}

// end prints what an attempt's log has not ended, and the whole document.
func (w *watcher) end() error {
	if w.lines == nil {
		return nil
	}
	return errors.Join(w.lines.flush(), w.lines.document())
}

// lastLines prints the end of a log, and gives where to go on.
func (w *watcher) lastLines(path string) (int64, error) {
	if w.tail == 0 {
		return 0, nil
	}
	if w.lines != nil {
		return w.lastWanted(path)
	}
	records, from, err := runner.TailLog(path, w.tail)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	for _, r := range records {
		if err := w.out.visit(r); err != nil {
			return from, err
		}
	}
	return from, err
}

// lastWanted prints the last of the lines that are wanted: all must be read to
// know them, once, and no more than those are kept.
func (w *watcher) lastWanted(path string) (int64, error) {
	w.lines.last = &ring{most: w.tail}
	now := func() bool { return true }
	from, err := runner.FollowLog(w.ctx, path, 0, now, w.lines.visit)
	last := w.lines.last
	w.lines.last = nil
	for _, line := range last.all() {
		err = errors.Join(err, w.lines.print(line))
	}
	return from, err
}

// awaitAttempt waits for an attempt after the shown ones; with none to come,
// the run has ended, and the attempt is zero.
func (w watcher) awaitAttempt(ctx context.Context, id store.ID, shown int) (store.Attempt, store.Run, error) {
	for {
		run, err := w.look(ctx, id)
		if err != nil {
			return store.Attempt{}, run, err
		}
		attempts, err := w.store.Attempts(ctx, id)
		if err != nil {
			return store.Attempt{}, run, err
		}
		for _, attempt := range attempts {
			if attempt.Attempt > shown {
				return attempt, run, nil
			}
		}
		if run.State.Type.Terminal() {
			return store.Attempt{}, run, nil
		}
		select {
		case <-ctx.Done():
			return store.Attempt{}, run, ctx.Err()
		case <-time.After(watchEvery):
		}
	}
}

// look reads the run, and settles it where its owner is gone.
func (w watcher) look(ctx context.Context, id store.ID) (store.Run, error) {
	run, err := w.store.RunByID(ctx, id)
	if err != nil {
		return run, err
	}
	return w.settle(ctx, run)
}

func (w watcher) settle(ctx context.Context, run store.Run) (store.Run, error) {
	if !run.State.Type.Live() || w.Clock().Sub(run.Updated) <= time.Second {
		return run, nil
	}
	return run, runner.SettleRun(ctx, w.store, run, "command")
}

// over is true when the attempt that is being shown has ended. One whose start was
// lost gives its number to the next try, which is the one to be shown.
func (w watcher) over(ctx context.Context, id store.ID, attempt int) func() bool {
	return func() bool {
		run, err := w.look(ctx, id)
		putBack := run.RunCount < attempt && !run.State.Type.Terminal()
		return err != nil || !run.State.Type.Live() && !putBack || run.RunCount > attempt
	}
}
