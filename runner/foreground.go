package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"runnel/store"
)

// Foreground runs one entrypoint here and now, recorded like any other run
// and through the same slot, with the calling command in the worker's place.
type Foreground struct {
	Store *store.Store
	Maker Maker
	// Started is told of the run and its log's path when the slot has the job,
	// once for each attempt.
	Started func(run store.Run, log string)
	// Stopping is told that the run is being cancelled, at the first stop.
	Stopping func()
}

// Run makes the run and waits for its end, its retries included. The first
// value on stops cancels it, the second leaves out the rest of the grace. If
// this process is killed, the slot goes on and records the end itself.
func (f Foreground) Run(ctx context.Context, flow string, job store.Job, n store.NewRun, stops <-chan os.Signal) (store.Run, error) {
	return f.tries(ctx, stops, func(owner store.Owner) (store.Claimed, error) {
		return f.Store.StartJob(ctx, flow, job, n, owner)
	})
}

// Again is Run for a further attempt of a run that was retried by hand.
func (f Foreground) Again(ctx context.Context, id store.ID, stops <-chan os.Signal) (store.Run, error) {
	return f.tries(ctx, stops, func(owner store.Owner) (store.Claimed, error) {
		return f.Store.StartAgain(ctx, id, owner)
	})
}

func (f Foreground) tries(ctx context.Context, stops <-chan os.Signal, start func(store.Owner) (store.Claimed, error)) (store.Run, error) {
	for {
		run, err := f.attempt(ctx, stops, start)
		if err != nil || run.State.Type != store.Scheduled {
			return run, err
		}
		start = func(owner store.Owner) (store.Claimed, error) { return f.Store.StartAgain(ctx, run.ID, owner) }
		select {
		case <-time.After(run.Due.Sub(f.Store.Clock())):
		case <-stops:
			if _, err := f.Store.Cancel(ctx, run.ID, "its command was interrupted", "command"); err != nil {
				return run, err
			}
			return f.Store.RunByID(ctx, run.ID)
		}
	}
}

// attempt does one attempt in a slot of its own.
func (f Foreground) attempt(ctx context.Context, stops <-chan os.Signal, start func(store.Owner) (store.Claimed, error)) (store.Run, error) {
	events := make(chan slotEvent, 8)
	h, err := startSlot(f.Store, events)
	if err != nil {
		return store.Run{}, err
	}
	defer h.letGo()
	if err := h.awaitHello(events); err != nil {
		return store.Run{}, err
	}
	claimed, err := start(h.owner)
	if err != nil {
		return store.Run{}, err
	}
	h.claimed = &claimed
	work := f.Maker.Job(claimed)
	h.give(work)
	f.Started(claimed.Run, work.Log)
	if err := f.wait(ctx, h, events, stops); err != nil {
		return claimed.Run, err
	}
	return f.Store.RunByID(ctx, claimed.Run.ID)
}

// awaitHello waits until the slot stands ready.
func (h *hand) awaitHello(events <-chan slotEvent) error {
	for e := range events {
		if e.gone {
			break
		}
		if e.said.Hello != nil {
			h.hello(*e.said.Hello)
			return nil
		}
	}
	return errors.New("the slot ended before it stood ready: see slot.log beside the database")
}

func (f Foreground) wait(ctx context.Context, h *hand, events <-chan slotEvent, stops <-chan os.Signal) error {
	cancelled := false
	for {
		select {
		case <-stops:
			if cancelled {
				h.tell(toSlot{Force: true})
				continue
			}
			cancelled = true
			f.Stopping()
			if err := f.cancel(ctx, h); err != nil {
				return err
			}
		case e := <-events:
			switch {
			case e.gone:
				return f.settle(ctx, h)
			case e.said.End != nil:
				err := f.Store.End(ctx, *e.said.End, "command")
				h.tell(toSlot{Ack: true})
				return ignoreSuperseded(err)
			}
		}
	}
}

func (f Foreground) cancel(ctx context.Context, h *hand) error {
	_, err := f.Store.Cancel(ctx, h.claimed.Run.ID, "its command was interrupted", "command")
	var conflict *store.Error
	if err != nil && !errors.As(err, &conflict) { // a conflict: it has just ended
		return err
	}
	h.tell(toSlot{Cancel: true})
	return nil
}

// settle is for a slot that died under us.
func (f Foreground) settle(ctx context.Context, h *hand) error {
	run, err := f.Store.RunByID(ctx, h.claimed.Run.ID)
	if err != nil || !run.State.Type.Live() {
		return err
	}
	if err := SettleRun(ctx, f.Store, run, "command"); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}
