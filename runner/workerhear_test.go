package runner

import (
	"context"
	"testing"

	"runnel/store"
)

// TestWithinATransactionTheEndOfASlotWaits: to settle what it left needs the file.
// What was said before goes with the transaction, what comes after stays in order.
func TestWithinATransactionTheEndOfASlotWaits(t *testing.T) {
	first, gone, last := &hand{}, &hand{id: store.NewID(), ready: true}, &hand{}
	w := Worker{events: make(chan slotEvent, 3), hands: map[store.ID]*hand{gone.id: gone}}
	w.events <- slotEvent{hand: first, said: fromSlot{End: &store.End{Attempt: 1}}}
	w.events <- slotEvent{hand: gone, gone: true}
	w.events <- slotEvent{hand: last, said: fromSlot{End: &store.End{Attempt: 2}}}
	for range 2 { // a second transaction takes no more
		w.hearEnds(context.Background())
		if len(w.ends) != 1 || w.ends[0].Attempt != 1 || len(w.hands) != 1 {
			t.Fatalf("ends %v, slots %d", w.ends, len(w.hands))
		}
	}
	w.hearAll(context.Background())
	if len(w.ends) != 2 || w.ends[1].Attempt != 2 || len(w.hands) != 0 {
		t.Errorf("then ends %v, slots %d", w.ends, len(w.hands))
	}
}
