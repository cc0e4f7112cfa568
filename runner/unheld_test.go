//go:build unix

package runner

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/store"
)

// claimLost has the next run claimed for a slot that is not told of it, as where the
// commit of a claim is done and gives an error.
func (d driven) claimLost(h *hand) store.Run {
	d.t.Helper()
	result, err := d.Store.Claim(context.Background(), store.Round{Worker: d.self, Owners: []store.Owner{h.owner}})
	check(d.t, err)
	if len(result.Claimed) != 1 {
		d.t.Fatalf("claimed %v", result.Claimed)
	}
	return result.Claimed[0].Run
}

// readyForQuick is a worker whose one slot stands ready, and a flow that prints a line.
func readyForQuick(t *testing.T) (*world, driven, *hand) {
	t.Helper()
	w := newWorld(t)
	w.script("quick", "echo here\n", nil)
	d := w.driven(t)
	return w, d, d.until(saysHello)
}

// sweep is a look that finds it time to.
func (d driven) sweep() {
	d.t.Helper()
	d.swept = time.Time{}
	check(d.t, d.look(context.Background()))
}

// TestARunThatNoSlotHoldsIsPutBack: its owner lives, so nobody else would settle it.
func TestARunThatNoSlotHoldsIsPutBack(t *testing.T) {
	ctx := context.Background()
	w, d, h := readyForQuick(t)
	run := w.run("quick")
	lost := d.claimLost(h)
	check(t, Settle(ctx, w.Store, "somebody"))
	if got := must(w.RunByID(ctx, run.ID)); got.State.Type != store.Running || got.Fence != lost.Fence {
		t.Errorf("somebody else settled it: %s", got.State.Name)
	}
	d.sweep()
	if got := must(w.RunByID(ctx, run.ID)); got.State.Type != store.Scheduled || got.Fence <= lost.Fence || got.RunCount != 0 {
		t.Errorf("it is %s, with fence %d after %d, and attempt %d", got.State.Name, got.Fence, lost.Fence, got.RunCount)
	}
	d.until(saysEnd)
	check(t, d.runOnce(ctx))
	if got := w.await(run.ID, terminal); got.State.Type != store.Completed || got.RunCount != 1 || w.output(run.ID) != "here\n" {
		t.Errorf("it is %s after %d attempts, and printed %q", got.State.Name, got.RunCount, w.output(run.ID))
	}
}

// TestTheThirdRunThatNoSlotHoldsIsCrashed, and one that was cancelled meanwhile is
// Cancelled: neither has started.
func TestTheThirdRunThatNoSlotHoldsIsCrashed(t *testing.T) {
	ctx := context.Background()
	w, d, h := readyForQuick(t)
	run := w.run("quick")
	for range 3 {
		d.claimLost(h)
		d.sweep()
	}
	got := must(w.RunByID(ctx, run.ID))
	if got.State.Type != store.Crashed || !strings.Contains(got.State.Message, "never told to begin it (start 3 of 3)") {
		t.Errorf("it is %s: %s", got.State.Name, got.State.Message)
	}
	cancelled := w.run("quick")
	d.claimLost(h)
	_, err := w.Cancel(ctx, cancelled.ID, "test", "test")
	check(t, err)
	d.sweep()
	if got := must(w.RunByID(ctx, cancelled.ID)); got.State.Type != store.Cancelled {
		t.Errorf("the cancelled one is %s: %s", got.State.Name, got.State.Message)
	}
}

// TestASweepLeavesWhatASlotHolds: of two runs that one slot owns by their rows, the
// one that it does goes on.
func TestASweepLeavesWhatASlotHolds(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.script("long", "while [ ! -e go ] && [ -e long.sh ]; do sleep 0.01; done\n", nil)
	w.script("quick", "exit 0\n", nil)
	d := w.driven(t)
	d.until(saysHello)
	held := w.run("long")
	h := d.until(saysPID)
	unheld := w.run("quick")
	d.claimLost(h)
	d.sweep()
	if got := must(w.RunByID(ctx, held.ID)); got.State.Type != store.Running || got.Fence != 1 {
		t.Errorf("what it does is %s, with fence %d", got.State.Name, got.Fence)
	}
	if got := must(w.RunByID(ctx, unheld.ID)); got.State.Type != store.Scheduled {
		t.Errorf("what it does not do is %s", got.State.Name)
	}
	check(t, os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o600))
	for range 2 {
		d.until(saysEnd)
	}
	check(t, d.runOnce(ctx))
	for _, id := range []store.ID{held.ID, unheld.ID} {
		if got := w.await(id, terminal); got.State.Type != store.Completed {
			t.Errorf("it ended %s: %s", got.State.Name, got.State.Message)
		}
	}
}
