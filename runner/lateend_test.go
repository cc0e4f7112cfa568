//go:build unix

package runner

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"runnel/store"
)

// driven is a worker that goes on only as far as a test has it.
type driven struct {
	t *testing.T
	*Worker
}

func (w *world) driven(t *testing.T) driven {
	t.Helper()
	d := driven{t, newWorker(w.open(), "driven", nil)}
	check(t, d.open(context.Background()))
	t.Cleanup(func() {
		check(t, d.close())
		check(t, d.Store.Close())
	})
	return d
}

// until hears what the slots say, and works in between, up to something.
func (d driven) until(said func(slotEvent) bool) *hand {
	d.t.Helper()
	for late := time.After(30 * time.Second); ; {
		d.empty = false
		check(d.t, d.runOnce(context.Background()))
		select {
		case e := <-d.events:
			d.hear(context.Background(), e)
			if said(e) {
				return e.hand
			}
		case <-late:
			d.t.Fatal("it was not said")
		}
	}
}

func saysHello(e slotEvent) bool { return e.said.Hello != nil }
func saysPID(e slotEvent) bool   { return e.said.PID != 0 }
func saysEnd(e slotEvent) bool   { return e.said.End != nil }

// secondWaits is a flow whose first attempt ends at once, and whose second waits.
const secondWaits = "[ $RUNNEL_ATTEMPT = 1 ] && exit 1\nwhile [ ! -e go ] && [ -e twice.sh ]; do sleep 0.01; done\n"

// TestALateEndFreesNoOtherSlot: a slot that wrote the end of an attempt itself is
// heard when another slot of this worker is at the next attempt.
func TestALateEndFreesNoOtherSlot(t *testing.T) {
	w := newWorld(t)
	w.script("twice", secondWaits, func(wish *store.Wish) { wish.Retries = 1 })
	d := w.driven(t)
	d.until(saysHello)
	check(t, d.addSlot())
	d.until(saysHello)
	run := w.run("twice")
	check(t, d.runOnce(context.Background()))
	w.await(run.ID, func(r store.Run) bool { return r.State.Type == store.Scheduled && r.RunCount == 1 })
	d.empty = false
	check(t, d.runOnce(context.Background())) // the end was not heard yet
	second := d.until(saysPID)
	d.stillAt(second, run.ID, 2)
	d.others(w, second)
}

// TestTheEndOfAKilledSlotIsRecorded: it was heard, and the slot killed before it
// could be recorded. It is not taken for that of the next attempt.
func TestTheEndOfAKilledSlotIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.script("twice", secondWaits, nil)
	d := w.driven(t)
	d.until(saysHello)
	run := w.run("twice")
	killed := d.until(saysEnd)
	check(t, killed.process.Kill())
	for e := range d.events {
		if d.hear(context.Background(), e); e.gone && e.hand == killed {
			break
		}
	}
	check(t, d.runOnce(context.Background()))
	if run = w.await(run.ID, terminal); run.State.Type != store.Failed || run.State.Message != "exited with 1" {
		t.Errorf("it is %s: %s", run.State.Name, run.State.Message)
	}
	_, err := w.Retry(context.Background(), run.ID, "test")
	check(t, err)
	second := d.until(saysPID)
	d.stillAt(second, run.ID, 2)
	d.others(w, second)
}

// others holds that a further run goes to another slot than one that is busy.
func (d driven) others(w *world, busy *hand) {
	d.t.Helper()
	at := *busy.claimed
	w.script("quick", "exit 0\n", nil)
	w.run("quick")
	d.until(func(e slotEvent) bool { return saysEnd(e) && e.hand != busy })
	d.stillAt(busy, at.Run.ID, at.Attempt)
	check(d.t, os.WriteFile(filepath.Join(w.folder, "go"), nil, 0o600))
	d.until(saysEnd)
	check(d.t, d.runOnce(context.Background()))
	if run := w.await(at.Run.ID, terminal); run.State.Type != store.Completed {
		d.t.Errorf("it is %s: %s", run.State.Name, run.State.Message)
	}
}

func (d driven) stillAt(h *hand, run store.ID, attempt int) {
	d.t.Helper()
	if c := h.claimed; c == nil || c.Run.ID != run || c.Attempt != attempt {
		d.t.Fatalf("the slot is taken to be at %+v", c)
	}
}
