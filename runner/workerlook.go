package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"runnel/store"
)

// sweepEvery is how often a worker looks for runs whose owner is gone. Its
// own slots' ends it sees at once.
const sweepEvery = 5 * time.Second

// idleSlot is how long a slot without work is kept, but for one that stays warm.
const idleSlot = time.Minute

// look is the fallback for what no bell told: cancelled runs of our slots,
// runs whose owner is gone, slots that idle.
func (w *Worker) look(ctx context.Context) error {
	now := w.Store.Clock()
	if now.Sub(w.beat) >= store.HeartbeatEvery {
		w.beat = now
		if err := w.Store.Heartbeat(ctx, w.self.ID); err != nil {
			return fmt.Errorf("heartbeat: %w", err)
		}
	}
	if err := w.lookAtClock(ctx); err != nil {
		return err
	}
	if err := w.replan(ctx); err != nil {
		return err
	}
	w.prune(ctx, now)
	w.trim()
	w.flush = len(w.pids)+len(w.codes) > 0
	if err := w.checkpoint(ctx); err != nil {
		return err
	}
	if os.Getpid() == 1 {
		ownSlots.reapOthers()
	}
	sweep := now.Sub(w.swept) >= sweepEvery
	w.tellHooks(ctx, sweep)
	if w.busy() == 0 && len(w.adopted) == 0 && !sweep {
		return nil // no run of ours that could have been cancelled
	}
	runs, err := w.Store.LiveRuns(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if h := w.holder(run); h != nil && run.State.Type == store.Cancelling {
			h.tell(toSlot{Cancel: true})
		}
	}
	w.notifyAdopted(ctx, runs)
	if !sweep {
		return nil
	}
	w.swept = now
	if now.Sub(w.tidied) >= staleAfter {
		w.tidied = now
		sweepFolder(w.Store.Folder(), runs)
	}
	for _, run := range runs {
		if err := w.sweepRun(ctx, run); err != nil {
			w.Notify(Notice{Text: fmt.Sprintf("cannot settle %s: %v", run.Name, err)})
		}
	}
	return nil
}

// sweepRun decides a run that no slot of ours holds.
func (w *Worker) sweepRun(ctx context.Context, run store.Run) error {
	switch {
	case w.holder(run) != nil:
		return nil
	case w.owns(run):
		return ignoreSuperseded(w.putBack(ctx, run))
	}
	return SettleRun(ctx, w.Store, run, "worker "+w.Name)
}

// putBack returns a run that a slot of ours owns and was never told to begin: an
// error at the commit of a claim proves nothing, and this one was done. The slot
// lives, so nobody else would.
func (w *Worker) putBack(ctx context.Context, run store.Run) error {
	attempt, err := w.Store.LiveAttempt(ctx, run)
	if err != nil {
		return err
	}
	if _, err := os.Stat(w.Store.LogPath(attempt.Log)); !errors.Is(err, os.ErrNotExist) {
		return err // nil: it has begun
	}
	return w.Store.PutBack(ctx, run, "its slot was never told to begin it", "worker "+w.Name)
}

// notifyAdopted shows the ends of runs whose slot was killed.
func (w *Worker) notifyAdopted(ctx context.Context, live []store.Run) {
	for id, attempt := range w.adopted {
		at := slices.IndexFunc(live, func(r store.Run) bool { return r.ID == id })
		if at >= 0 && live[at].RunCount == attempt {
			continue
		}
		delete(w.adopted, id)
		run, err := w.Store.RunByID(ctx, id)
		if err == nil && run.RunCount == attempt {
			w.Notify(Notice{Run: run, Attempt: attempt, End: &store.End{Run: id, State: run.State}})
		}
	}
}

// replan makes the next ticks that are missing; mostly it only looks.
func (w *Worker) replan(ctx context.Context) error {
	said, err := w.Store.Replan(ctx)
	if err != nil {
		return fmt.Errorf("plan schedules: %w", err)
	}
	for _, text := range said {
		w.Notify(Notice{Text: text})
	}
	return nil
}

// lookAtClock says when the clock was set, and records when the machine slept.
// Nothing has to be done about the schedules: each claim goes by the clock as
// it is then.
func (w *Worker) lookAtClock(ctx context.Context) error {
	before := w.clock
	w.clock = watchClock()
	slept, set := w.clock.since(before)
	if set.Abs() >= clockStep {
		w.Notify(Notice{Text: "the clock was set by " + set.Round(time.Second).String()})
	}
	if slept < clockStep {
		return nil
	}
	w.Notify(Notice{Text: fmt.Sprintf("this machine slept for %s", slept.Round(time.Second))})
	if err := w.Store.Slept(ctx, w.self.ID, before.wall, before.wall.Add(slept+set)); err != nil {
		return fmt.Errorf("record the sleep: %w", err)
	}
	return nil
}

// checkpoint moves the write-ahead log into the file when there is nothing
// else to do, so that it stays short and commands open quickly.
func (w *Worker) checkpoint(ctx context.Context) error {
	if !w.wrote || w.busy() > 0 {
		return nil
	}
	w.wrote = false
	return w.Store.Checkpoint(ctx)
}

// holder is our slot that has a run, or nil.
func (w *Worker) holder(run store.Run) *hand {
	for _, h := range w.hands {
		if h.claimed != nil && h.claimed.Run.ID == run.ID && h.owner.Proof == run.Owner.Proof {
			return h
		}
	}
	return nil
}

// owns is true of a run whose row names one of our slots, whatever that does.
func (w *Worker) owns(run store.Run) bool {
	for _, h := range w.hands {
		if h.owner.Proof == run.Owner.Proof {
			return true
		}
	}
	return false
}

// trim lets slots go that have had no work for a while, but for one.
func (w *Worker) trim() {
	kept := false
	for _, h := range w.hands {
		idle := h.ready && h.claimed == nil
		if idle && kept && time.Since(h.since) > idleSlot {
			h.ready = false
			h.letGo()
			continue
		}
		kept = kept || idle
	}
}
