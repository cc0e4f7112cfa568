package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"runnel/store"
)

// The files in an attempt's folder.
const (
	parametersFile = "parameters.json"
	outcomeFile    = "outcome.json"
	stdoutFifo     = "stdout" // and the stream that goes through it
	stderrFifo     = "stderr"
)

// drainTime is how long a slot goes on reading when the flow has ended and a
// process that it left behind still holds its output open.
const drainTime = 100 * time.Millisecond

// shortTime is how long a process gets by with what its end alone needs.
const shortTime = 20 * time.Millisecond

// lookEvery is how often a slot without a worker looks at its row, and a
// worker at the database: the fallback for a ring that was lost.
const lookEvery = time.Second

func attemptName(run store.ID, attempt int) string { return fmt.Sprintf("%s.%d", run, attempt) }

// attempt is one attempt of a run, in the slot that does it.
type attempt struct {
	slot    *slot
	job     Job
	log     *Log
	process *Process
	pumps   []*pump
	cause   cause
	// deadline is when the attempt has taken too long; zero: never.
	deadline time.Time
	// flow is the process that was adopted, as far as it is known.
	flow Identity
	// stopped is how a pull step was stopped.
	stopped StopReport
	steps   []store.StepEnd // its pull steps, for the history
	// held are locks that the flow inherits: what they stand for is in use.
	held []*os.File
	// private holds parameters that stay off the disk; nil for most.
	private *os.File
	ooms    int       // kills for want of memory in this group, before its own end; -1: not known
	force   bool      // it gets no grace
	began   time.Time // when the flow's process was started
	code    *codeLook
	clone   *Cloned // what the flow runs from; nil for no git_clone
}

// cause is why a slot stopped a process.
type cause int

const (
	byItself cause = iota
	byCancel
	byTimeout
	byTerm // of the slot itself
)

// pump reads one stream into the log.
type pump struct {
	fifo  *os.File
	name  string
	ended bool // once done: nobody holds the other end any more
	done  chan struct{}
}

// stopAt ends the reading by then.
func (p *pump) stopAt(deadline time.Time) {
	select {
	case <-p.done:
	default:
		_ = p.fifo.SetReadDeadline(deadline)
		<-p.done
	}
}

// run does the attempt. clean is true where nothing of it is left that would
// keep the slot from another.
func (a *attempt) run() (end store.End, clean bool) {
	end = store.End{Run: a.job.Run, Attempt: a.job.Attempt, Fence: a.job.Fence}
	if a.job.Adopt {
		end.State = a.adopt(&end)
		return end, false
	}
	if a.job.Timeout > 0 {
		a.deadline = time.Now().Add(a.job.Timeout)
	}
	if err := a.prepare(); err != nil {
		end.State = store.NewState(store.Crashed, "could not start: "+err.Error())
		a.close()
		return end, true
	}
	if a.job.Pull != nil && a.job.Broken == "" {
		state := a.pull()
		end.Steps = a.steps
		if state != nil {
			end.State = *state
			return end, a.leave()
		}
	}
	if err := a.start(); err != nil {
		a.say("runnel: " + err.Error())
		end.State = store.NewState(store.Crashed, a.startMessage(err))
		return end, a.leave()
	}
	a.lookAtCode()
	pid := a.process.PID
	end.PID = &pid
	return a.finish(end)
}

// prepare makes the log, and with it the mark that this attempt has begun,
// before anything of the user's runs.
func (a *attempt) prepare() (err error) {
	store.KillPoint("attempt.preparing")
	if err := a.slot.place.become(a.job.Folder); err != nil {
		return err
	}
	store.KillPoint("attempt.folder")
	if a.log, err = a.slot.place.createLog(a.job.Log); err != nil {
		return err
	}
	store.KillPoint("attempt.locked")
	if err := a.keepDeadline(); err != nil {
		return err
	}
	if a.job.Private {
		a.private, err = privateFile(a.job.Folder, a.job.Parameters)
		return err
	}
	return a.slot.place.parameters(a.job.Parameters)
}

// leave ends an attempt whose flow was not started. It is true where no
// process of it is left.
func (a *attempt) leave() bool {
	a.close()
	if a.process == nil {
		return true
	}
	left, _ := a.process.Children()
	return len(left) == 0
}

func (a *attempt) start() error {
	if a.job.Broken != "" {
		return errors.New(a.job.Broken)
	}
	a.began = time.Now()
	return a.launch(Spec{Argv: a.job.Argv, Env: a.job.Env, Dir: a.job.Dir}, nil, false)
}

// launch starts a process, its output going through two FIFOs that it holds
// open for reading too, so that our death neither kills it nor loses what waits.
func (a *attempt) launch(spec Spec, keep *output, quiet bool) error {
	out, err := a.slot.place.fifo(stdoutFifo)
	if err != nil {
		return err
	}
	a.pump(out.Read, stdoutFifo, keep, quiet)
	defer out.Write.Close() //nolint:errcheck // nothing was written through it
	errs, err := a.slot.place.fifo(stderrFifo)
	if err != nil {
		return err
	}
	a.pump(errs.Read, stderrFifo, keep, quiet)
	defer errs.Write.Close() //nolint:errcheck // nothing was written through it
	spec.Stdout, spec.Stderr, spec.Extra = out.Write, errs.Write, []*os.File{a.log.LockFile()}
	if a.private != nil {
		spec.Extra = append(spec.Extra, a.private) // privatePath names its descriptor
	}
	spec.Extra = append(spec.Extra, a.held...)
	if err := a.forgetProcess(); err != nil {
		return err
	}
	store.KillPoint("attempt.starting")
	process, err := startNice(spec, a.job.Nice)
	store.KillPoint("attempt.started")
	if err == nil {
		a.process = process
	}
	return err
}

func (a *attempt) pump(fifo *os.File, stream string, keep *output, quiet bool) {
	p := &pump{fifo: fifo, name: stream, done: make(chan struct{})}
	a.pumps = append(a.pumps, p)
	visit, flush := newSink(a.job.Secrets, keep.stream(stream), func(chunk []byte) {
		if !quiet {
			_ = a.log.Append(stream, chunk, time.Now()) // kept in log.Err; the flow must not stop for it
		}
	})
	go func() {
		defer close(p.done)
		p.ended = Pump(fifo, visit)
		flush()
		_ = a.log.Flush(stream)
	}()
}

// startMessage adds what to do where the cause is one that users meet.
func (a *attempt) startMessage(err error) string {
	message := "could not start: " + err.Error()
	var start *StartError
	if !errors.As(err, &start) {
		return message
	}
	if a.job.Python && errors.Is(err, ErrNotFound) {
		return fmt.Sprintf("the Python interpreter %s is gone: deploy again, or set the job variable python", a.job.Argv[0])
	}
	if errors.Is(err, ErrNoFolder) && a.job.Pull == nil && a.job.Dir != a.job.Code.Folder {
		return message + ": mend the job variable working_dir"
	}
	if errors.Is(err, ErrNoFolder) {
		return fmt.Sprintf("could not start: the working directory %s is gone: deploy again from where the project is now", a.job.Dir)
	}
	return message
}

// finish waits for the end of the process, or brings it about.
func (a *attempt) finish(end store.End) (store.End, bool) {
	report := a.wait()
	store.KillPoint("attempt.ended")
	drained := time.Now().Add(drainTime)
	a.drain()
	store.KillPoint("attempt.drained")
	if a.cause == byItself {
		report.Exit = a.process.Reap()
	}
	store.KillPoint("attempt.reaped")
	left := a.process.leftAt(drained)
	a.describe(&end, report)
	end.State.Message = withLeft(end.State.Message, left)
	a.close()
	return end, len(left) == 0
}

// wait returns when the process has ended by itself (its zombie is left for
// Reap) or when its whole tree was stopped.
func (a *attempt) wait() StopReport {
	ctx, stopWaiting := context.WithCancel(context.Background())
	defer stopWaiting()
	ended := make(chan error, 1)
	go func() {
		_, err := a.process.Wait(ctx)
		ended <- err
	}()
	if a.until(ended) {
		return StopReport{}
	}
	stopWaiting()
	<-ended
	return a.stop()
}

// until is true when the process ended by itself, false when it is to be
// stopped; cause says why.
func (a *attempt) until(ended <-chan error) bool {
	var timeout <-chan time.Time
	if !a.deadline.IsZero() {
		timer := time.NewTimer(time.Until(a.deadline))
		defer timer.Stop()
		timeout = timer.C
	}
	s := a.slot
	var look <-chan time.Time
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	lasts := time.NewTimer(shortTime)
	defer lasts.Stop()
	var child <-chan os.Signal
	var known <-chan struct{} // the code of a run that lasts
	if s.rung {
		s.rung = false
		a.look()
	}
	for a.cause == byItself {
		if s.inbox == nil {
			look = ticker.C // no worker looks for us any more
		}
		select {
		case <-ended:
			return true
		case <-timeout:
			a.stopFor(byTimeout)
		case <-s.term:
			a.stopFor(byTerm)
		case <-s.bell.C():
			a.look()
		case <-look:
			a.look()
		case <-lasts.C:
			if child != nil {
				if a.code != nil {
					known = a.code.done
				}
				continue
			}
			lasts.Reset(lookEvery)
			a.settleIn()
			wake, stop := childSignals()
			defer stop()
			child = wake
			reapOrphans()
		case <-known:
			known = nil
			a.tellCode()
		case <-child:
			reapOrphans()
		case m, open := <-s.inbox:
			a.hear(m, open)
		}
	}
	return false
}

// settleIn does what a process is worth that lasts longer than most: who it is is
// kept and told, and the kills for want of memory are counted before there is its own.
func (a *attempt) settleIn() {
	a.ooms, _ = oomKills()
	if a.process != nil {
		a.keepProcess()
		a.slot.tell(fromSlot{PID: a.process.PID})
		store.KillPoint("attempt.told")
	}
}

// stopFor is why the process is stopped; of several reasons the first.
func (a *attempt) stopFor(why cause) {
	if a.cause == byItself {
		a.cause = why
	}
}

func (a *attempt) look() {
	cancel, force := a.slot.asked(a.job)
	if cancel {
		a.stopFor(byCancel)
	}
	a.force = a.force || force
}

func (a *attempt) hear(m toSlot, open bool) {
	if !open {
		a.slot.inbox = nil
		return
	}
	if m.Cancel {
		a.stopFor(byCancel)
	}
}

// stop stops the tree, and leaves out the rest of the grace when the worker or
// the row says so.
func (a *attempt) stop() StopReport {
	a.code.end()
	force := make(chan struct{})
	stopped := make(chan StopReport, 1)
	go func() { stopped <- a.stopAll(force) }()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	if a.cause == byCancel {
		a.look() // it may have been there before we were told
	}
	for told := false; ; {
		if a.force && !told {
			told = true
			close(force)
		}
		select {
		case report := <-stopped:
			return report
		case <-a.slot.bell.C():
			a.lookForce()
		case <-look.C:
			a.lookForce()
		case m, open := <-a.slot.inbox:
			if !open {
				a.slot.inbox = nil
			}
			a.force = a.force || m.Force
		}
	}
}

func (a *attempt) lookForce() {
	_, force := a.slot.asked(a.job)
	a.force = a.force || force
}

// stopAll tries again while something is left that we may not signal: a run
// is Cancelled when nothing of it lives.
func (a *attempt) stopAll(force <-chan struct{}) StopReport {
	for {
		report := a.process.Stop(a.job.Grace, force)
		if len(report.Left) == 0 {
			return report
		}
		a.say(fmt.Sprintf("runnel: cannot stop %v: %v", report.Left, report.Err))
		time.Sleep(lookEvery)
	}
}

// drain reads what is left of the output.
func (a *attempt) drain() {
	deadline := time.Now().Add(drainTime)
	for _, p := range a.pumps {
		p.stopAt(deadline)
	}
}

// describe says how the attempt ended.
func (a *attempt) describe(end *store.End, report StopReport) {
	exit := report.Exit
	user, system := exit.UserTime.Microseconds(), exit.SystemTime.Microseconds()
	end.UserTime, end.SystemTime, end.MaxRSS = &user, &system, &exit.MaxRSS
	if exit.Signal != 0 {
		end.Signal = &exit.Signal
	} else {
		end.ExitCode = &exit.Code
	}
	var outcome Outcome
	if a.cause != byItself {
		end.State = a.stoppedState(report)
	} else {
		end.State, outcome = endedState(a.job, exit)
		end.Result = outcome.Result
		if a.ooms >= 0 && syscall.Signal(exit.Signal) == syscall.SIGKILL {
			if n, limit := oomKills(); n > a.ooms {
				end.State.Message = oomMessage(limit)
			}
		}
	}
	end.Code = a.codeAtEnd(outcome)
	if err := a.log.Err(); err != nil {
		end.State.Message = also(end.State.Message, fmt.Sprintf("its log is incomplete: %v", err))
	}
}

func (a *attempt) stoppedState(report StopReport) store.State {
	by := "by SIGTERM"
	switch {
	case report.Killed && a.force:
		by = "by SIGKILL, without the rest of its grace"
	case report.Killed:
		by = fmt.Sprintf("by SIGKILL, %s after SIGTERM", a.job.Grace)
	}
	switch a.cause {
	case byTimeout:
		return store.State{
			Type: store.Failed, Name: store.NameTimedOut,
			Message: fmt.Sprintf("timed out after %s; stopped %s", a.job.Timeout, by),
		}
	case byTerm:
		return store.NewState(store.Crashed, "stopped from outside: its slot was sent SIGTERM")
	case byItself, byCancel:
	}
	return store.NewState(store.Cancelled, "stopped "+by)
}

// endedState is the state of a process that ended by itself, with what a Python
// flow said of its end.
func endedState(job Job, exit Exit) (store.State, Outcome) {
	outcome, found, err := Outcome{}, false, error(nil)
	if job.Python {
		outcome, found, err = ReadOutcome(filepath.Join(job.Folder, outcomeFile))
	}
	switch {
	case exit.Signal != 0:
		return store.NewState(store.Crashed, signalMessage(exit.Signal)), Outcome{}
	case err != nil:
		return store.NewState(store.Crashed, err.Error()), Outcome{}
	case found:
		return outcomeState(outcome, exit), outcome
	case exit.Code == 0:
		return store.NewState(store.Completed, ""), outcome
	}
	return store.NewState(store.Failed, exitMessage(exit.Code)), outcome
}

// outcomeState trusts the outcome file but for one thing: a process that then
// ended with another code did not complete.
func outcomeState(o Outcome, exit Exit) store.State {
	if store.StateType(o.StateType) == store.Completed && exit.Code != 0 {
		return store.NewState(store.Failed, "the flow returned, then its process "+exitMessage(exit.Code))
	}
	return store.NewState(store.StateType(o.StateType), o.Message)
}

func exitMessage(code int) string {
	message := fmt.Sprintf("exited with %d", code)
	switch {
	case code == 126:
		message += ": a command was found and is not executable"
	case code == 127:
		message += ": a command was not found"
	case code == 128+int(syscall.SIGKILL):
		message += ": killed, most likely out of memory"
	case code > 128 && code < 128+65:
		message += ": " + SignalName(code-128)
	}
	return message
}

func signalMessage(number int) string {
	message := "killed by " + SignalName(number)
	if syscall.Signal(number) == syscall.SIGKILL {
		message += ", which runnel did not send: by somebody, or by the kernel for want of memory"
	}
	return message
}

// oomMessage is for a process that died by SIGKILL while the kernel counted a
// kill for want of memory. limit is that of the control group, 0 for none.
func oomMessage(limit int64) string {
	message := "killed by SIGKILL: the kernel was out of memory"
	if limit > 0 {
		message += fmt.Sprintf(", of which its control group may have %d MiB", limit>>20)
	}
	return message
}

// say writes a line of runnel's own into the log.
func (a *attempt) say(text string) {
	_ = a.log.Append("stderr", []byte(maskText(text, a.job.Secrets)+"\n"), time.Now())
}

func (a *attempt) close() {
	a.closePumps()
	StepOutputs{held: a.held}.Release()
	if a.private != nil {
		_ = a.private.Close()
	}
	if a.log != nil {
		_ = a.log.Close()
	}
}

// closePumps ends the reading, and keeps the FIFOs for a next process where
// nobody else does.
func (a *attempt) closePumps() {
	for _, p := range a.pumps {
		// Without a process that holds the other end, the pump is over at once.
		p.stopAt(time.Now())
		switch place := a.slot.place; {
		case place.reads[p.name] != p.fifo: // an adopter's
			_ = p.fifo.Close()
		case !p.ended:
			place.giveUp(p.name)
		}
	}
	a.pumps = nil
}
