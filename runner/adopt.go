package runner

import (
	"cmp"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"runnel/store"
)

// adoptedLook is how often an adopter asks whether the process it did not
// start is gone: no kernel call waits for a lock and a message at once.
const adoptedLook = 50 * time.Millisecond

// adopt looks after a process whose slot was killed: it reads on from the
// FIFOs, waits for the attempt's lock to be free, and ends the run from the
// outcome file that a Python flow writes at its end. The exit status went to
// another parent and cannot be had.
func (a *attempt) adopt(end *store.End) store.State {
	defer a.close()
	var err error
	if a.log, err = OpenLogForAppend(a.job.Log); err != nil {
		return store.NewState(store.Crashed, "its slot was killed, and its log cannot be opened: "+err.Error())
	}
	store.KillPoint("adopt.log")
	flow := a.adopted() // before anything is said: who hears it may end the process
	a.say("runnel: the slot of this run was killed; a new one reads on")
	for _, stream := range []string{stdoutFifo, stderrFifo} {
		if fifo, err := OpenFifo(filepath.Join(a.job.Folder, stream)); err == nil {
			a.pump(fifo, stream, nil, false)
		}
	}
	store.KillPoint("adopt.reading")
	a.outlive(flow)
	store.KillPoint("adopt.outlived")
	a.drain()
	store.KillPoint("adopt.drained")
	if a.cause == byCancel || a.cause == byTimeout {
		return a.stoppedState(StopReport{})
	}
	return AdoptedState(a.job.Folder, a.job.Python, end)
}

// AdoptedState is the state of an attempt that ended with nobody waiting for
// its process.
func AdoptedState(folder string, python bool, end *store.End) store.State {
	if python {
		if outcome, found, err := ReadOutcome(filepath.Join(folder, outcomeFile)); err == nil && found {
			end.Result = outcome.Result
			return store.NewState(store.StateType(outcome.StateType), outcome.Message)
		}
	}
	if step := stepOf(folder); step != "" {
		return store.NewState(store.Crashed, "its slot was killed in the pull step "+step+": the flow was not started")
	}
	return store.NewState(store.Crashed, "its slot was killed while it ran: exit status unknown")
}

// outlive returns when the process is gone, by itself or because it was
// cancelled or took too long.
func (a *attempt) outlive(flow Identity) {
	ticker := time.NewTicker(adoptedLook)
	defer ticker.Stop()
	var timeout <-chan time.Time
	if a.job.Timeout > 0 {
		timer := time.NewTimer(a.job.Timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	var looked, asked time.Time
	for {
		if alive, known := flow.Alive(); a.cause == byItself && known && !alive {
			return // as with its own slot: what it left behind holds nothing up
		}
		if free, err := a.log.TryLock(); err != nil || free {
			return
		}
		if a.cause == byCancel || a.cause == byTimeout {
			if !a.force && time.Since(looked) > lookEvery {
				looked = time.Now()
				a.lookForce()
			}
			asked = a.signalOrphans(asked)
		} else if time.Since(looked) > lookEvery {
			looked = time.Now()
			a.look()
		}
		select {
		case <-ticker.C:
		case <-timeout:
			a.cause = byTimeout
		case <-a.slot.bell.C():
			a.look()
		case m, open := <-a.slot.inbox:
			a.hear(m, open)
		case <-a.slot.term:
			// The process is not ours to end with us; another slot adopts it.
			return
		}
	}
}

// adopted is the flow's process: the oldest of its tree. Its recorded number may
// not be there yet, or be another process's in this pid namespace. The zero
// Identity where none is found: then the lock alone tells.
func (a *attempt) adopted() Identity {
	orphans, err := Orphans(a.job.Run.String(), a.job.Attempt, Identity{}, a.job.Log)
	if err != nil || len(orphans) == 0 {
		return Identity{}
	}
	oldest := slices.MinFunc(orphans, func(x, y Orphan) int {
		return cmp.Or(cmp.Compare(x.StartTime, y.StartTime), cmp.Compare(x.PID, y.PID))
	})
	flow := place()
	flow.PID, flow.StartTime = oldest.PID, oldest.StartTime
	return flow
}

// signalOrphans asks what is left of the tree to end, and after the grace ends it.
func (a *attempt) signalOrphans(asked time.Time) time.Time {
	number := int(syscall.SIGKILL)
	switch {
	case a.force:
	case asked.IsZero():
		asked, number = time.Now(), int(syscall.SIGTERM)
	case time.Since(asked) < a.job.Grace:
		return asked
	}
	flow, _ := IdentityOf(a.job.PID)
	orphans, err := Orphans(a.job.Run.String(), a.job.Attempt, flow, a.job.Log)
	if err != nil {
		return asked
	}
	store.KillPoint("adopt.signalling")
	for _, o := range orphans {
		_ = o.Signal(number)
	}
	store.KillPoint("adopt.signalled")
	return asked
}
