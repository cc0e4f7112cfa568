package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"runnel/store"
)

// A worker deletes old runs once an hour, the first time when it has been up
// for a while: one that is started and stopped again has other things to do.
const (
	pruneEvery = time.Hour
	pruneFirst = 5 * time.Minute
)

// pruner is the goroutine that prunes, of which a worker has one at a time.
type pruner struct {
	next time.Time     // when to prune again
	stop func()        // ends the one under way
	done chan struct{} // closed when it has ended; nil: none is under way
	said string        // what it did, once done
}

// prune starts pruning when its time has come, and tells what the last one did.
func (w *Worker) prune(ctx context.Context, now time.Time) {
	p := &w.pruner
	if p.done != nil {
		select {
		case <-p.done:
			p.stop()
			p.done = nil
			if p.said != "" {
				w.Notify(Notice{Text: p.said})
			}
		default:
		}
		return
	}
	if w.RunOnce || w.mode != working || now.Before(p.next) {
		return
	}
	p.next = now.Add(pruneEvery)
	ctx, p.stop = context.WithCancel(ctx)
	done := make(chan struct{})
	p.done, p.said = done, ""
	go func() {
		defer close(done)
		SweepCode(w.Store.Folder())
		p.said = pruneByPolicy(ctx, w.Store)
	}()
}

// stopPruning waits for the batch under way, a few milliseconds.
func (w *Worker) stopPruning() {
	if w.pruner.done != nil {
		w.pruner.stop()
		<-w.pruner.done
	}
}

// pruneByPolicy gives what there is to tell, "" for nothing.
func pruneByPolicy(ctx context.Context, s *store.Store) string {
	policy, err := s.Retention(ctx)
	if err != nil {
		return fmt.Sprintf("cannot read which old runs to delete: %v", err)
	}
	pruned, err := s.Prune(ctx, policy)
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Sprintf("cannot delete old runs: %v", err)
	}
	if pruned.Runs == 0 {
		return ""
	}
	return fmt.Sprintf("deleted %s that had ended long ago, with their logs", count(int(pruned.Runs), "run"))
}

// SweepCode removes the checkouts, mirrors and environments beside a database
// that no run has used for a while. It gives how many those were.
func SweepCode(folder string) int {
	return sweepShelf(filepath.Join(folder, filepath.FromSlash(codeShelf)), codeKept) +
		sweepShelf(filepath.Join(folder, filepath.FromSlash(mirrorFolder)), mirrorKept) +
		sweepShelf(filepath.Join(folder, pythonShelf), pythonKept)
}
