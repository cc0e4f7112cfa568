package runner

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"runnel/store"
)

// TestAnOfferThatComesToNothingStartsNothing: a job that was offered begins when
// the slot is told so, the newest one alone; one that never was is put back.
func TestAnOfferThatComesToNothingStartsNothing(t *testing.T) {
	w := newWorld(t)
	w.script("marked", "echo begun\n", nil)
	events := make(chan slotEvent, 8)
	h, err := startSlot(w.Store, events)
	check(t, err)
	check(t, h.awaitHello(events))
	offer := func() (store.ID, Job) {
		run := w.run("marked")
		result, err := w.Claim(context.Background(), store.Round{Worker: store.Worker{Name: "t", WorkPoolName: "p"}, Owners: []store.Owner{h.owner}})
		check(t, err)
		job := Maker{Store: w.Store, Env: os.Environ()}.Job(result.Claimed[0])
		h.offer(job)
		return run.ID, job
	}
	lost, job := offer()
	begun, _ := offer()
	h.begin()
	for e := range events {
		if end := e.said.End; end != nil {
			if end.Run != begun || end.State.Type != store.Completed {
				t.Fatalf("%s ended %s, and %s was begun", end.Run, end.State.Name, begun)
			}
			break
		}
	}
	if _, err := os.Stat(job.Log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the run that was only offered has a log: %v", err)
	}
	offer()
	h.letGo() // while an offer stands
	for e := range events {
		if e.gone {
			break
		}
	}
	w.await(lost, func(r store.Run) bool { return r.State.Type == store.Scheduled })
	if got := w.await(begun, terminal); got.State.Type != store.Completed || w.output(begun) != "begun\n" {
		t.Errorf("the run that was begun is %s, and printed %q", got.State.Name, w.output(begun))
	}
}

// TestTheJobOfAnOlderWorkerBegins: where a slot is started from the program's file,
// that may have been replaced under its worker.
func TestTheJobOfAnOlderWorkerBegins(t *testing.T) {
	var m toSlot
	check(t, json.Unmarshal([]byte(`{"job": {"attempt": 2}, "ack": true}`), &m))
	s := slot{}
	if s.hear(m); s.next == nil || s.next.Attempt != 2 {
		t.Errorf("what is begun is %v", s.next)
	}
}
