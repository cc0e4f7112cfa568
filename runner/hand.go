package runner

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"runnel/store"
)

// hand is the hold of a worker, or of a command, on one of its slots.
type hand struct {
	id      store.ID
	owner   store.Owner // set when the slot has said that it stands ready
	ready   bool
	claimed *store.Claimed // what it does; nil while idle
	again   bool           // it has told the end of that, and can be given another
	quiet   bool           // the log of that is empty
	ack     bool           // its end is recorded, and it has not been told yet
	env     []string       // of the last job that it was told
	since   time.Time      // idle since
	process *os.Process
	conn    net.Conn
	send    *json.Encoder
}

// slotEvent is something that a slot said, or its end.
type slotEvent struct {
	hand *hand
	said fromSlot
	gone bool
}

// slotArgument is the hidden command that a slot process is.
const slotArgument = "slot"

// startSlot starts a slot process. What it says arrives on events, its end last.
func startSlot(s *store.Store, events chan<- slotEvent) (*hand, error) {
	if err := makeFolders(s.Folder()); err != nil {
		return nil, fmt.Errorf("make folders: %w", err)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close() //nolint:errcheck // the slot has its own copy
	h := &hand{id: store.NewID(), conn: ours, send: json.NewEncoder(ours)}
	store.KillPoint("slot.spawning")
	if h.process, err = ownSlots.start(s, h.id, theirs); err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("start a slot: %w", err)
	}
	store.KillPoint("slot.spawned")
	go h.listen(events)
	return h, nil
}

// listen passes on what the slot says until it is gone, and then reaps it: no
// thread waits in the kernel meanwhile.
func (h *hand) listen(events chan<- slotEvent) {
	decoder := json.NewDecoder(h.conn)
	for {
		var m fromSlot
		if err := decoder.Decode(&m); err != nil {
			break
		}
		events <- slotEvent{hand: h, said: m}
	}
	_ = h.conn.Close()
	_, _ = h.process.Wait()
	ownSlots.forget(h.process.Pid)
	events <- slotEvent{hand: h, gone: true}
}

// hello notes that the slot stands ready.
func (h *hand) hello(p Proof) {
	h.owner = store.Owner{Kind: "slot", Host: p.Identity.Host, Proof: p.text()}
	h.ready, h.since = true, time.Now()
}

// tellTime bounds how long a message may wait for the other side to read: one
// that was stopped (SIGSTOP) shall hold nobody up.
const tellTime = time.Second

// offer tells the slot a job that it is to begin when it is told to, if it ever
// is.
func (h *hand) offer(job Job) { h.tell(toSlot{Job: h.changed(job), Offer: true}) }

// begin has the slot begin the job that was offered last.
func (h *hand) begin() {
	h.tell(toSlot{Begin: true, Ack: h.ack})
	h.ack = false
}

// give tells the slot a job to begin at once.
func (h *hand) give(job Job) {
	h.tell(toSlot{Job: h.changed(job), Ack: h.ack})
	h.ack = false
}

// changed leaves of the environment, which is most of a job, what differs from
// that of the last one that the slot was told.
func (h *hand) changed(job Job) *Job {
	env := job.Env
	job.Env, job.OldEnv = changedEnv(h.env, env)
	h.env = env
	return &job
}

// tell says something to the slot. One that is gone is noticed by listen; one
// that does not take its job is killed, and the job goes to another.
func (h *hand) tell(m toSlot) {
	_ = h.conn.SetWriteDeadline(time.Now().Add(tellTime))
	if err := h.send.Encode(m); err != nil && (m.Job != nil || m.Begin) {
		_ = h.process.Kill()
	}
}

// did is true of the end of what the slot does.
func (h *hand) did(end store.End) bool {
	return h.claimed != nil && h.claimed.Run.ID == end.Run && h.claimed.Run.Fence == end.Fence
}

// acknowledge tells the slot that its end is recorded, if it does not know.
func (h *hand) acknowledge() {
	if !h.ack {
		return
	}
	h.ack = false
	store.KillPoint("worker.acknowledging")
	h.tell(toSlot{Ack: true})
	store.KillPoint("worker.acknowledged")
}

// letGo ends an idle slot, and leaves a busy one to finish alone.
func (h *hand) letGo() { _ = h.conn.Close() }

// slotSet are the slots that are children of this process, whichever of its
// workers they belong to.
type slotSet struct {
	mu   sync.Mutex
	pids map[int]bool
}

var ownSlots = slotSet{pids: map[int]bool{}}

func (s *slotSet) start(db *store.Store, id store.ID, control *os.File) (*os.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	process, err := spawnSlot(db, id, control)
	if err == nil {
		s.pids[process.Pid] = true
	}
	return process, err
}

func (s *slotSet) forget(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pids, pid)
}

// reapOthers takes away what process 1 of a container inherits.
func (s *slotSet) reapOthers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	reapAsInit(s.pids)
}
