package runner

import (
	"errors"
	"sync/atomic"
	"time"
)

// errSilent is a process that was killed for its silence.
var errSilent = errors.New("it was silent")

// hearing kills a process of a step, and those of its group, when it has written
// nothing for too long and has done nothing either: it waits for somebody else, who
// does not come. The rest of the run is not stopped by that.
type hearing struct {
	limit time.Duration
	began time.Time
	last  atomic.Int64 // since began, by the clock that stands still while the machine sleeps
	over  atomic.Bool
}

// listen has a process heard whose output is kept in out; it is started next.
func (c command) listen(out *output) *hearing {
	h := &hearing{limit: c.silence, began: time.Now()}
	if h.limit > 0 {
		out.stdout.heard, out.stderr.heard = h.hear, h.hear
	}
	return h
}

func (h *hearing) hear() { h.last.Store(int64(time.Since(h.began))) }

// left is how long it may go on saying nothing.
func (h *hearing) left() time.Duration {
	return h.limit - time.Since(h.began) + time.Duration(h.last.Load())
}

// watch goes on until stop is called. The group is named by its first process.
func (h *hearing) watch(group int, kill func()) (stop func()) {
	if h.limit == 0 {
		return func() {}
	}
	h.hear()
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if h.falls(group, ended) {
			h.over.Store(true)
			kill()
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// hearingLooks is how often a silence is looked at. Each look counts, and not the
// time alone: who was stopped meanwhile has heard nothing of what was said.
const hearingLooks = 8

// falls returns true when the group has been silent and idle for too long.
func (h *hearing) falls(group int, ended <-chan struct{}) bool {
	heard, quiet, before := h.last.Load(), 0, effort{}
	for quiet < hearingLooks || h.left() > 0 {
		wait := h.limit / hearingLooks
		if left := h.left(); left > 0 {
			wait = min(wait, left)
		}
		select {
		case <-ended:
			return false
		case <-time.After(wait):
		}
		if last := h.last.Load(); last != heard {
			heard, quiet = last, 0
			continue
		}
		now := effortOf(group)
		switch {
		case quiet == 0:
			before = now
		case now.isWork(before, h.limit):
			h.hear()
			heard, quiet = h.last.Load(), 0
			continue
		}
		quiet++
	}
	return true
}

// ended is the error of a process that has ended.
func (h *hearing) ended(err error) error {
	if err != nil && h.over.Load() {
		return errSilent
	}
	return err
}

// effort is what the processes of a group have done.
type effort struct {
	cpu   time.Duration
	bytes int64 // that they read and wrote, wherever
	disk  bool  // one of them waits for a disk
}

// Who waits for a host asks again and again whether something came, and keeps its
// line alive; with git that is a thousandth of a processor and not a byte. More than
// these is work.
const (
	idleShare = 100 // one part in so many of a processor's time
	idleBytes = 512 // a second
)

// isWork says whether so much was done in a time that nobody waits for a host.
func (e effort) isWork(before effort, in time.Duration) bool {
	cpu, bytes := e.cpu-before.cpu, e.bytes-before.bytes
	// Less than before has who ended with work that no process of the group took over.
	return e.disk || max(cpu, -cpu) > in/idleShare || max(bytes, -bytes) > int64(in.Seconds()*idleBytes)
}
