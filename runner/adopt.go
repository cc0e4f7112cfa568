package runner

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	// First of all: what waits in a FIFO is lost when the last who holds it ends.
	fifos := map[string]*os.File{}
	for _, stream := range []string{stdoutFifo, stderrFifo} {
		if fifo, err := OpenFifo(filepath.Join(a.job.Folder, stream)); err == nil {
			fifos[stream] = fifo
		}
	}
	over := a.adopted() // before anything is said: who hears it may end the process
	a.say("runnel: the slot of this run was killed; a new one reads on")
	heard, kept := a.hearOrphan()
	for stream, fifo := range fifos {
		a.pump(fifo, stream, kept, kept != nil) // git's progress is not worth showing
	}
	defer heard.watch(a.flow.PID, a.endSilent)()
	store.KillPoint("adopt.reading")
	a.deadline = a.adoptedDeadline()
	stop := a.outlive(over)
	store.KillPoint("adopt.outlived")
	a.drain()
	store.KillPoint("adopt.drained")
	if stop.reached {
		return a.stoppedState(StopReport{Killed: stop.killed})
	}
	state, outcome := AdoptedState(a.job.Folder, end)
	end.Code = adoptedCode(a.job, outcome)
	left, _ := a.orphans()
	pids := make([]int, len(left))
	for i, o := range left {
		pids[i] = o.PID
	}
	state.Message = withLeft(state.Message, pids)
	return state
}

// hearOrphan has a git heard that was at a remote when its slot was killed: the lock
// of the mirror that it holds keeps other runs waiting.
func (a *attempt) hearOrphan() (*hearing, *output) {
	if stepOf(a.job.Folder) != store.GitClone {
		return command{}.listen(nil), nil
	}
	kept := new(output)
	return command{silence: gitSilence}.listen(kept), kept
}

// endSilent ends it where it hears nothing any more.
func (a *attempt) endSilent() {
	a.say(fmt.Sprintf("runnel: nothing came from the remote for %s, so git was ended", gitSilence))
	orphans, _ := a.orphans()
	for _, o := range orphans {
		_ = o.stop(true)
	}
}

// AdoptedState is the state of an attempt that ended with nobody waiting for
// its process, and what a Python flow said of its end.
func AdoptedState(folder string, end *store.End) (store.State, Outcome) {
	outcome, found, err := ReadOutcome(filepath.Join(folder, outcomeFile))
	if err == nil && found {
		end.Result = outcome.Result
		return store.NewState(store.StateType(outcome.StateType), outcome.Message), outcome
	}
	if step := stepOf(folder); step != "" {
		return store.NewState(store.Crashed, "its slot was killed in the pull step "+step+": the flow was not started"), outcome
	}
	return store.NewState(store.Crashed, "its slot was killed while it ran: exit status unknown"), outcome
}

// outlive returns when the process is gone, by itself or because it was
// cancelled, took too long, or its slot was told to end. over: it was gone before.
func (a *attempt) outlive(over bool) (stop orphanStop) {
	ticker := time.NewTicker(adoptedLook)
	defer ticker.Stop()
	var timeout <-chan time.Time
	if !a.deadline.IsZero() {
		timer := time.NewTimer(time.Until(a.deadline))
		defer timer.Stop()
		timeout = timer.C
	}
	a.look() // of what is being cancelled nothing may stay
	looked := time.Now()
	for {
		if alive, known := a.flow.Alive(); a.cause == byItself && (over || known && !alive) {
			return stop // as with its own slot: what it left behind holds nothing up
		}
		if free, err := a.log.TryLock(); err != nil || free {
			return stop
		}
		if a.cause != byItself {
			if !a.force && time.Since(looked) > lookEvery {
				looked = time.Now()
				a.lookForce()
			}
			a.signalOrphans(&stop)
		} else if time.Since(looked) > lookEvery {
			looked = time.Now()
			a.look()
		}
		select {
		case <-ticker.C:
		case <-timeout:
			a.stopFor(byTimeout)
		case <-a.slot.bell.C():
			a.look()
		case m, open := <-a.slot.inbox:
			a.hear(m, open)
		case <-a.slot.term:
			a.stopFor(byTerm)
		}
	}
}

// adopted finds the flow's process, and is true where that is known to be gone,
// whatever it left behind. Then its number names nothing any more: neither it nor
// its group may be signalled by it.
func (a *attempt) adopted() (over bool) {
	kept := keptProcess(a.job.Folder)
	alive, known := kept.Alive()
	switch {
	case !known:
		a.flow = a.oldest()
	case alive:
		a.flow = kept
	}
	return known && !alive
}

// oldest of the attempt's processes is the flow's where none was kept. The zero
// Identity where none is found: then the lock alone tells.
func (a *attempt) oldest() Identity {
	orphans, err := a.orphans()
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

// orphanStop is how far the stop of an adopted tree has come.
type orphanStop struct {
	asked   time.Time // when it got SIGTERM
	reached bool      // something of it was there to be signalled
	killed  bool      // and got SIGKILL
}

// signalOrphans asks what is left of the tree to end, and after the grace ends it.
func (a *attempt) signalOrphans(stop *orphanStop) {
	kill := a.force || !stop.asked.IsZero()
	if !a.force && kill && time.Since(stop.asked) < a.job.Grace {
		return
	}
	orphans, err := a.orphans()
	if err != nil {
		return
	}
	if stop.asked.IsZero() {
		stop.asked = time.Now()
	}
	store.KillPoint("adopt.signalling")
	for _, o := range orphans {
		stop.reached = true
		stop.killed = stop.killed || kill
		_ = o.stop(kill)
	}
	store.KillPoint("adopt.signalled")
}

// orphans are the processes of a tree whose slot died.
func (a *attempt) orphans() ([]Orphan, error) {
	return Orphans(a.job.Run.String(), a.job.Attempt, a.flow, a.job.Log)
}
