package runner

import (
	"context"
	"time"

	"runnel/store"
)

// acknowledge frees the slots whose ends are recorded, and gives what is to be
// shown of them, and whether there are hooks to be told. They are told with
// their next job, or after all jobs. An end whose run somebody else has taken is
// done too.
func (w *Worker) acknowledge() (ended []Notice, hooks bool) {
	for _, end := range w.ends {
		for _, h := range w.hands {
			if !h.did(end) {
				continue
			}
			ended = append(ended, Notice{Run: h.claimed.Run, Attempt: h.claimed.Attempt, End: &end, Quiet: h.quiet})
			hooks = hooks || h.claimed.Hooks
			h.claimed, h.since, h.ack = nil, time.Now(), true
			if !h.again {
				h.acknowledge()
				h.ready = false
				h.letGo()
			}
			h.again = false
		}
	}
	w.ends, w.pids, w.codes = nil, nil, nil
	return ended, hooks
}

// notifyEnd shows an end as the database has it: a retry is no end.
func (w *Worker) notifyEnd(ctx context.Context, n Notice, left map[store.ID]store.State) {
	state, known := left[n.Run.ID]
	if !known {
		state = n.End.State
		if run, err := w.Store.RunByID(ctx, n.Run.ID); err == nil {
			n.Run, state = run, run.State
		}
	} else if state.Type.Terminal() {
		n.Run.EndTime = &state.Timestamp
	}
	n.Run.State = state
	w.Notify(n)
}

// offer tells a slot its job before it is its own, and gives the path of the log. The
// lock on the file is held meanwhile, so this is done beside the claim: what looks at
// the project's folder may wait for its disk.
func (w *Worker) offer(h *hand, c store.Claimed) (log string) {
	job := w.Maker.Job(c)
	store.KillPoint("worker.offering")
	h.offer(job)
	store.KillPoint("worker.offered")
	return job.Log
}

// handOut has the slot begin what is now its own; log is the path of its log where
// it knows the job already.
func (w *Worker) handOut(h *hand, c store.Claimed, log string) Notice {
	h.claimed = &c
	if log != "" {
		store.KillPoint("worker.beginning")
		h.begin()
		store.KillPoint("worker.begun")
	} else {
		job := w.Maker.Job(c)
		log = job.Log
		store.KillPoint("worker.handing")
		h.give(job)
		store.KillPoint("worker.handed")
	}
	_, layers := planOf(c)
	return Notice{Run: c.Run, Attempt: c.Attempt, Log: log, Variables: layers}
}
