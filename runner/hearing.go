package runner

import (
	"errors"
	"sync/atomic"
	"time"
)

// errSilent is a process that was killed for its silence.
var errSilent = errors.New("it was silent")

// hearing kills a process of a step, and those of its group, when it has written
// nothing for too long. The rest of the run is not stopped by that.
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

// watch goes on until stop is called.
func (h *hearing) watch(process *Process) (stop func()) {
	if h.limit == 0 {
		return func() {}
	}
	h.hear()
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for left := h.limit; left > 0; left = h.limit - time.Since(h.began) + time.Duration(h.last.Load()) {
			select {
			case <-ended:
				return
			case <-time.After(left):
			}
		}
		h.over.Store(true)
		process.killGroup()
	}()
	return func() {
		close(ended)
		<-done
	}
}

// ended is the error of a process that has ended.
func (h *hearing) ended(err error) error {
	if err != nil && h.over.Load() {
		return errSilent
	}
	return err
}
