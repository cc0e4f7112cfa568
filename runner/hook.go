package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"runnel/store"
)

// StartHooks sees to the commands that are told of runs: what became late is
// noted, and what is owed gets a process that runs it. Whoever looks at runs
// calls it; where there are no hooks it reads a few empty pages.
func StartHooks(ctx context.Context, s *store.Store) error {
	if err := s.OweLate(ctx); err != nil {
		return fmt.Errorf("look for late runs: %w", err)
	}
	return tellHooks(ctx, s, leftToWorkers)
}

// leftToWorkers is how long a living worker has to start what is owed before
// others do: the environment of a hook is that of who starts it, and the worker's
// is the one that stays the same.
const leftToWorkers = 10 * time.Second

// tellHooks starts what is owed longer than that, or at all where no worker lives.
func tellHooks(ctx context.Context, s *store.Store, left time.Duration) error {
	if hookRunners.full() || insideFlow() {
		return nil
	}
	pending, err := s.PendingHooks(ctx)
	if err != nil || len(pending) == 0 {
		return err
	}
	if left > 0 {
		alive, err := workerLives(ctx, s)
		if err != nil {
			return err
		}
		if !alive {
			left = 0
		}
	}
	owed, running := 0, 0
	for _, h := range pending {
		switch over, err := settleHook(ctx, s, h); {
		case err != nil:
			return err
		case h.Started != nil && !over:
			running++
		case h.Started == nil && s.Clock().Sub(h.Created) >= left:
			owed++
		}
	}
	if owed == 0 || running >= store.MaxHooks {
		return nil
	}
	return hookRunners.start(s)
}

// workerLives asks the locks.
func workerLives(ctx context.Context, s *store.Store) (bool, error) {
	workers, err := s.Workers(ctx, "")
	if err != nil {
		return false, err
	}
	alive := Liveness(s.Folder())
	return slices.ContainsFunc(workers, func(w store.Worker) bool { return w.Ended == nil && alive(w.Proof) }), nil
}

// insideFlow is true for a command that a flow gives: a process that it leaves
// behind would end with the flow's tree. The worker looks soon enough.
func insideFlow() bool { return os.Getenv("RUNNEL_FLOW_RUN_ID") != "" }

// giveUpHook is how long after its time a hook that cannot be ended holds one of
// the few places.
const giveUpHook = time.Minute

const unknownOutcome = "it was started, and nobody knows how it ended: what looked after it was killed"

// settleHook ends a hook whose runner is proven dead and of which no process
// is left; it is not started again. One that takes too long is stopped.
func settleHook(ctx context.Context, s *store.Store, h store.Hook) (over bool, err error) {
	if h.Started == nil {
		return false, nil
	}
	proof, err := ParseProof(h.Owner)
	if err != nil {
		return false, fmt.Errorf("read the proof: %w", err)
	}
	if proof.alive(s.Folder()) {
		return false, nil
	}
	log := s.LogPath(h.Log)
	if locked, err := FileLocked(log); err != nil {
		return false, err
	} else if locked {
		late := s.Clock().Sub(*h.Started) - h.Timeout - hookGrace
		if late > 0 {
			killHook(log)
		}
		if late < giveUpHook {
			return false, nil
		}
	}
	h.Message = unknownOutcome
	store.KillPoint("hook.settling")
	return true, ignoreSuperseded(s.EndHook(ctx, h))
}

// killHook ends the processes that hold the lock on a hook's log.
func killHook(log string) {
	left, err := Orphans("", -1, Identity{}, log)
	if err != nil {
		return
	}
	for _, o := range left {
		_ = o.Signal(9)
	}
}

// hookSet are the processes that this one has started to run hooks.
type hookSet struct {
	mu     sync.Mutex
	living int
}

var hookRunners hookSet

// hookCommand is the hidden command that such a process is.
const hookCommand = "run-hooks"

func (h *hookSet) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.living >= store.MaxHooks
}

// idle is true where all have ended.
func (h *hookSet) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.living == 0
}

func (h *hookSet) start(s *store.Store) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := makeFolders(s.Folder()); err != nil {
		return fmt.Errorf("make folders: %w", err)
	}
	store.KillPoint("hook.spawning")
	process, err := spawnSession(s, hookCommand, s.Path())
	if errors.Is(err, ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("start the hooks: %w", err)
	}
	store.KillPoint("hook.spawned")
	h.living++
	go func() {
		_, _ = process.Wait() // as process 1 of a container somebody else may have reaped it
		h.mu.Lock()
		defer h.mu.Unlock()
		h.living--
	}()
	return nil
}

// tellHooks sees to the hooks of what has ended, and of what is late where that
// is to be looked for. Trouble with it is said, and holds no run up.
func (w *Worker) tellHooks(ctx context.Context, late bool) {
	var err error
	if late {
		err = w.Store.OweLate(ctx)
	}
	if err = errors.Join(err, tellHooks(ctx, w.Store, 0)); err != nil && ctx.Err() == nil {
		w.sayOnce(&w.hooking, fmt.Sprintf("cannot start the hooks, and tries on: %v", err))
		return
	}
	w.overcome(&w.hooking)
}

// hookGrace is what a hook has between SIGTERM and SIGKILL.
const hookGrace = 2 * time.Second
