package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"runnel/store"
)

// finished is true where a worker that shall end has nothing left to wait for.
func (w *Worker) finished() bool {
	if w.busy() > 0 || len(w.ends) > 0 {
		return false
	}
	// A container ends with its worker, and with it what tells of the last runs.
	if w.mode != cancelling && !hookRunners.idle() {
		return false
	}
	return w.mode != working || (w.RunOnce && w.empty && w.starting == 0)
}

// containerGrace is how long the runs of a container have once it is stopped:
// most runtimes send SIGKILL after ten seconds, and then nothing is recorded.
const containerGrace = 8 * time.Second

// stop takes one step on the way out.
func (w *Worker) stop(ctx context.Context, signal os.Signal) (err error) {
	if w.mode == working {
		// Last of all: it may have to wait for the file.
		defer func() { err = errors.Join(err, w.Store.DrainWorker(ctx, w.self.ID)) }()
	}
	if os.Getpid() == 1 && signal == syscall.SIGTERM && w.mode != cancelling {
		w.mode = draining
		w.hurry = time.After(containerGrace)
	} else if w.mode == working {
		w.mode = draining
		if n := w.busy(); n > 0 {
			them := "them"
			if n == 1 {
				them = "it"
			}
			w.Notify(Notice{Text: fmt.Sprintf("stopping: no new runs; waiting for %s (once more cancels %s)", count(n, "run"), them)})
		}
		return nil
	}
	if w.mode == cancelling {
		w.force()
		return nil
	}
	w.mode = cancelling
	w.Notify(Notice{Text: fmt.Sprintf("cancelling %s (once more leaves no grace)", count(w.busy(), "run"))})
	return w.cancelAll(ctx)
}

// force leaves out the rest of every grace.
func (w *Worker) force() {
	for _, h := range w.hands {
		h.tell(toSlot{Force: true})
	}
}

func (w *Worker) cancelAll(ctx context.Context) error {
	var conflict *store.Error
	for _, h := range w.hands {
		if h.claimed == nil {
			continue
		}
		_, err := w.Store.Cancel(ctx, h.claimed.Run.ID, "cancelled with its worker", "worker "+w.Name)
		if err != nil && !errors.As(err, &conflict) { // a conflict: it has just ended
			return err
		}
		h.tell(toSlot{Cancel: true})
	}
	return nil
}

// close leaves: idle slots end, busy ones finish alone.
func (w *Worker) close() error {
	store.KillPoint("worker.leaving")
	w.stopPruning()
	for _, h := range w.hands {
		h.letGo()
	}
	defer store.KillPoint("worker.left")
	return errors.Join(w.Store.EndWorker(context.Background(), w.self.ID), w.bell.Close(),
		os.Remove(w.lock.Name()), w.lock.Close())
}
