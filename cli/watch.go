package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	open   string // the stream whose line has not ended yet
}

func (p *logPrinter) visit(r runner.Record) error {
	begin, end := "", "\n"
	if p.open != "" && p.open != r.Stream {
		begin = "\n" // the other stream's line is not ours to go on with
	}
	p.open = ""
	if r.Partial && p.prefix == "" {
		p.open, end = r.Stream, ""
	}
	_, err := fmt.Fprintf(p.w, "%s%s%s%s", begin, p.prefix, r.Text, end)
	return err
}

// isBrokenPipe is true where the reader of our output has left.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// follower follows one log beside other work.
type follower struct {
	ended atomic.Bool
	done  chan struct{}
}

func (f *follower) start(ctx context.Context, log string, visit func(runner.Record) error) {
	f.done = make(chan struct{})
	go func() {
		defer close(f.done)
		// The log stays on disk, whatever becomes of the terminal.
		_, _ = runner.FollowLog(ctx, log, 0, f.ended.Load, visit)
	}()
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
	limit time.Duration // of the watching; 0: none
	tail  int           // begin with the last lines; 0: all
	after int           // leave out the attempts up to this one
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
		shown = attempt.Attempt
		path := w.store.LogPath(attempt.Log)
		from, err := w.lastLines(path)
		if err != nil {
			return run, err
		}
		over := w.over(ctx, id, shown)
		if _, err := runner.FollowLog(ctx, path, from, over, w.out.visit); err != nil {
			return run, err
		}
	}
}

// lastLines prints the end of a log, and gives where to go on.
func (w watcher) lastLines(path string) (int64, error) {
	if w.tail == 0 {
		return 0, nil
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
	if err == nil && run.State.Type.Live() && w.Clock().Sub(run.Updated) > time.Second {
		err = runner.SettleRun(ctx, w.store, run, "command")
	}
	return run, err
}

// over is true when the attempt that is being shown has ended.
func (w watcher) over(ctx context.Context, id store.ID, attempt int) func() bool {
	return func() bool {
		run, err := w.look(ctx, id)
		return err != nil || !run.State.Type.Live() || run.RunCount > attempt
	}
}
