package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"runnel/store"
)

// Settle looks at every run that has an owner, and ends or puts back those
// whose owner is proven dead. Any command that looks at runs calls it first.
// It is a few microseconds a live run, and writes only what it must.
func Settle(ctx context.Context, s *store.Store, who string) error {
	runs, err := s.LiveRuns(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if err := SettleRun(ctx, s, run, who); err != nil {
			return fmt.Errorf("settle %s: %w", run.Name, err)
		}
	}
	return StartHooks(ctx, s)
}

// SettleRun decides one run by the locks: owner alive, left to it; owner dead
// and no log in this boot, never started, put back; log there and locked, the
// flow lives, adopted; log there and free, ended, from its outcome file, else
// Crashed. The write names the fence that was read, so that of two who look
// at once one settles.
func SettleRun(ctx context.Context, s *store.Store, run store.Run, who string) error {
	proof, err := ParseProof(run.Owner.Proof)
	if err != nil {
		return fmt.Errorf("read the proof: %w", err)
	}
	if proof.alive(s.Folder()) {
		return nil
	}
	if err := settleDead(ctx, s, run, proof, who); err != nil {
		return ignoreSuperseded(err)
	}
	return tellHooks(ctx, s, leftToWorkers)
}

// settleDead is SettleRun where the owner is proven dead.
func settleDead(ctx context.Context, s *store.Store, run store.Run, proof Proof, who string) error {
	attempt, err := s.LiveAttempt(ctx, run)
	if err != nil {
		return err
	}
	log := s.LogPath(attempt.Log)
	rebooted := proof.Identity.BootID != Self().BootID
	if _, err := os.Stat(log); errors.Is(err, os.ErrNotExist) && !rebooted {
		return s.PutBack(ctx, run, "its slot was gone before it started anything", who)
	}
	if locked, err := FileLocked(log); err != nil {
		return err
	} else if locked {
		return adoptRun(ctx, s, run, attempt, who)
	}
	folder := AttemptFolder(s.Folder(), run.ID, run.RunCount)
	end := store.End{Run: run.ID, Attempt: run.RunCount, Fence: run.Fence}
	state, outcome := AdoptedState(folder, &end)
	end.State = state
	job := Job{Folder: folder, Started: attempt.StartTime}
	p, _ := planOf(claimedAgain(ctx, s, run))
	job.codeBefore(p, attempt.Code)
	end.Code = adoptedCode(job, outcome)
	if rebooted && end.State.Type == store.Crashed {
		end.State.Message = "the machine was restarted while it ran"
	}
	if err := s.Settle(ctx, end, who); err != nil {
		return err
	}
	store.KillPoint("settle.cleaning")
	return os.RemoveAll(folder)
}

func ignoreSuperseded(err error) error {
	if errors.Is(err, store.ErrSuperseded) {
		return nil // another one who looked was faster
	}
	return err
}

// adoptRun starts a slot for a run whose slot is dead while its process
// lives. The slot works without a worker: it records the end itself.
func adoptRun(ctx context.Context, s *store.Store, run store.Run, a store.Attempt, who string) error {
	events := make(chan slotEvent, 8)
	h, err := startSlot(s, events)
	if err != nil {
		return err
	}
	// The job is sent and the pair closed: the slot goes on alone.
	defer h.letGo()
	if err := h.awaitHello(events); err != nil {
		return err
	}
	store.KillPoint("adopt.offering")
	fence, err := s.Adopt(ctx, run, h.owner, who)
	if err != nil {
		return err
	}
	job := Job{
		Run: run.ID, Attempt: run.RunCount, Fence: fence, Adopt: true, Grace: DefaultGrace,
		Log: s.LogPath(a.Log), Folder: AttemptFolder(s.Folder(), run.ID, run.RunCount),
		Parameters: json.RawMessage("{}"),
	}
	c := claimedAgain(ctx, s, run)
	p, layers := planOf(c)
	job.Timeout, job.Grace, job.Started = p.limit(), graceOf(layers), a.StartTime
	job.codeBefore(p, a.Code)
	// What cannot be read any more cannot be hidden; the run is looked after.
	_, _ = Maker{Store: s}.give(&job, &p, layers)
	h.give(job)
	store.KillPoint("adopt.handed")
	return nil
}

// claimedAgain is a run as its slot was given it, as far as it is still there.
func claimedAgain(ctx context.Context, s *store.Store, run store.Run) store.Claimed {
	c := store.Claimed{Run: run}
	if run.Deployment != nil {
		if d, err := s.Deployment(ctx, *run.Deployment); err == nil {
			c.Deployment = &d
		}
	}
	if pool, err := s.WorkPool(ctx, run.WorkPoolName); err == nil {
		c.Pool, _ = store.ParseValues(pool.JobVariables)
	}
	return c
}

// graceOf is what job variables leave a process after SIGTERM.
func graceOf(layers []store.Values) time.Duration {
	v, err := store.MergeJobVariables(layers...)
	if err != nil || v.GraceSeconds == nil {
		return DefaultGrace
	}
	return time.Duration(*v.GraceSeconds * float64(time.Second))
}
