package store

// Every statement that races stands in this file: the claim, the ends, and
// whatever takes a run from its owner. Each names the state that it leaves,
// the fence and, where there is one, the owner.

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Claimed is a run that a slot now owns, with all that is needed to start it.
type Claimed struct {
	Run        Run
	Deployment *Deployment // nil for a run of an entrypoint
	Pool       Values      // the pool's job variables
	Attempt    int
	Log        string // relative to the folder of logs
	// The ticks of its schedule around the run's own; nil where there is none.
	PreviousTick, NextTick *time.Time
	Hooks                  bool // its deployment or pool has some
}

// Round is what a worker wants of one transaction: the ends that its slots
// reported, then runs for the slots that stand ready.
type Round struct {
	Worker Worker
	Owners []Owner // slots that stand ready; one run each
	Ends   []End
	Pids   []Pid
	Codes  []AttemptCode
	// Until leaves runs that fell due later to the next worker; zero: none.
	Until time.Time
	// NoClaim records the ends and takes nothing.
	NoClaim bool
	// Offer, if it is set, is told of each claim, by its place among the owners,
	// before the commit: what it begins may come to nothing. It must not wait.
	Offer func(int, Claimed)
	// Begun, if it is set, may change the round when its transaction has begun,
	// which others may have kept waiting. It must not wait, nor use the store.
	Begun func(*Round)
}

// Pid is the process of an attempt, for those who look.
type Pid struct {
	Run          ID
	Attempt, PID int
}

// RoundResult is what a round did.
type RoundResult struct {
	Claimed []Claimed // in the order of the owners
	// More is true where a run was due and there was no slot left for it,
	// within every limit but the number of owners.
	More bool
	// Next is when the next run falls due; zero: none is scheduled.
	Next time.Time
	// Ring are the owners of runs that were set to Cancelling.
	Ring []Owner
	// Superseded are the ends whose run had been taken by somebody else.
	Superseded []End
	// Left is how the runs of the other ends were left, unless they were
	// recorded already.
	Left map[ID]State
}

// Claim is one round of a worker, in one transaction.
func (s *Store) Claim(ctx context.Context, r Round) (result RoundResult, err error) {
	err = s.update(ctx, func(t *tx) error {
		result = RoundResult{Left: map[ID]State{}}
		if r.Begun != nil {
			r.Begun(&r)
		}
		for _, p := range r.Pids {
			if _, err := t.exec("UPDATE attempt SET pid = ? WHERE run_id = ? AND attempt = ? AND end_time IS NULL",
				p.PID, p.Run, p.Attempt); err != nil {
				return err
			}
		}
		for _, c := range r.Codes {
			if _, err := t.exec("UPDATE attempt SET code = ? WHERE run_id = ? AND attempt = ? AND end_time IS NULL",
				codeJSON(&c.Code), c.Run, c.Attempt); err != nil {
				return err
			}
		}
		for _, end := range r.Ends {
			state, err := t.endBy(end, "worker "+r.Worker.Name, end.Fence)
			switch {
			case errors.Is(err, ErrSuperseded):
				result.Superseded = append(result.Superseded, end)
			case err != nil:
				return err
			case state != nil:
				result.Left[end.Run] = *state
			}
		}
		if r.NoClaim {
			return nil
		}
		return t.claim(r, &result)
	})
	return result, err
}

// start makes a Scheduled run the owner's: Pending and Running at once, since
// the slot stands ready and nothing is left to prepare.
func (t *tx) start(run Run, owner Owner, worker string) (Claimed, error) {
	attempt := run.RunCount + 1
	n, err := t.exec(`
		UPDATE flow_run
		   SET state_type = 'RUNNING', state_name = 'Running', state_message = '', state_time = ?1, updated = ?1,
		       start_time = coalesce(start_time, ?1), attempt = ?2, fence = fence + 1,
		       force_stop = 0, owner_kind = ?3, owner_host = ?4, owner_proof = ?5, worker_name = ?6
		 WHERE id = ?7
		   AND state_type = 'SCHEDULED'
		   AND fence = ?8`,
		t.now, attempt, owner.Kind, owner.Host, owner.Proof, orNull(worker), run.ID, run.Fence)
	if err != nil {
		return Claimed{}, fmt.Errorf("claim run: %w", err)
	}
	if n != 1 {
		return Claimed{}, ErrSuperseded
	}
	run.State = State{Running, stateNames[Running], "", instant(t.now)}
	run.RunCount, run.Owner, run.WorkerName = attempt, owner, worker
	run.Fence++
	at := instant(t.now)
	run.StartTime, run.attemptStart = cmp.Or(run.StartTime, &at), &at
	c := Claimed{Run: run, Attempt: attempt, Log: logName(run.ID, attempt, t.now)}
	return c, t.recordStart(c, worker)
}

func (t *tx) recordStart(c Claimed, worker string) error {
	_, err := t.exec("INSERT INTO attempt (run_id, attempt, fence, log, start_time) VALUES (?, ?, ?, ?, ?)",
		c.Run.ID, c.Attempt, c.Run.Fence, c.Log, t.now)
	if err != nil {
		return fmt.Errorf("record attempt: %w", err)
	}
	who := "command"
	if worker != "" {
		who = "worker " + worker
	}
	return t.addStartEvents(c.Run.ID, c.Attempt, who)
}

// logName is logs' order on disk: a folder a day, a file an attempt.
func logName(run ID, attempt int, now int64) string {
	return fmt.Sprintf("%s/%s.%d.log", instant(now).Format(time.DateOnly), run, attempt)
}

// StartJob makes a run of an entrypoint, owned by a slot that stands ready.
func (s *Store) StartJob(ctx context.Context, flow string, job Job, n NewRun, owner Owner) (c Claimed, err error) {
	if err := checkFreeName("flow", flow); err != nil {
		return c, err
	}
	if err := checkParameters(job.ParameterSchema, true, n.Parameters); err != nil {
		return c, err
	}
	if _, err := CheckJobVariables(n.JobVariables); err != nil {
		return c, err
	}
	if err := errors.Join(checkTimeout(n.TimeoutSeconds), n.Retry.check()); err != nil {
		return c, err
	}
	err = s.update(ctx, func(t *tx) error {
		id, err := t.ensureFlow(flow)
		if err != nil {
			return err
		}
		parameters, sources := layered(layer{FromRun, n.Parameters})
		run, err := t.insertRun(newRun{
			flow: id, job: &job, name: n.Name, tags: mergeTags(n.Tags, nil), due: t.now,
			parameters: parameters, sources: sources, jobVariables: n.JobVariables, timeout: n.TimeoutSeconds, createdBy: n.CreatedBy, retry: n.Retry,
		},
			NewState(Scheduled, ""))
		if err != nil {
			return err
		}
		c, err = t.start(run, owner, "")
		return err
	})
	return c, err
}

// StartAgain makes the next attempt of a run of an entrypoint that awaits its
// retry, owned by a slot that stands ready.
func (s *Store) StartAgain(ctx context.Context, id ID, owner Owner) (c Claimed, err error) {
	err = s.update(ctx, func(t *tx) error {
		run, err := scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", id))
		if err != nil {
			return err
		}
		c, err = t.start(run, owner, "")
		return err
	})
	return c, err
}

// End is how an attempt ended, as its slot or whoever settled it saw it.
type End struct {
	Run      ID    `json:"run"`
	Attempt  int   `json:"attempt"`
	Fence    int64 `json:"fence"`
	State    State `json:"state"`
	ExitCode *int  `json:"exit_code,omitempty"`
	Signal   *int  `json:"signal,omitempty"`
	// CPU times in microseconds, peak memory in bytes, from the kernel.
	UserTime   *int64          `json:"user_time,omitempty"`
	SystemTime *int64          `json:"system_time,omitempty"`
	MaxRSS     *int64          `json:"max_rss,omitempty"`
	PID        *int            `json:"pid,omitempty"`
	Result     json.RawMessage `json:"result,omitempty"`
	Steps      []StepEnd       `json:"steps,omitempty"` // its pull steps
	Code       *Code           `json:"code,omitempty"`
}

// End records the end of an attempt. A write repeated after a lost answer is
// done when the row already says so.
func (s *Store) End(ctx context.Context, e End, who string) error {
	return s.update(ctx, func(t *tx) error {
		_, err := t.endBy(e, who, e.Fence)
		return err
	})
}

// Settle records an end on behalf of an owner that is proven dead, and takes
// the run from it: whatever the owner still sends changes nothing.
func (s *Store) Settle(ctx context.Context, e End, who string) error {
	return s.update(ctx, func(t *tx) error {
		if _, err := t.endBy(e, who, e.Fence+1); err != nil {
			return err
		}
		_, err := t.exec("UPDATE flow_run SET fence = fence + 1 WHERE id = ? AND fence = ?", e.Run, e.Fence)
		return err
	})
}

// endBy ends an attempt under the fence of whoever ends it: the attempt keeps
// it, so that a write repeated is told from one of an owner that was shut out.
// It gives the state in which the run is left, nil where that was recorded
// already.
func (t *tx) endBy(e End, who string, fence int64) (*State, error) {
	run, err := t.held(e.Run)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrSuperseded
	}
	if err != nil {
		return nil, err
	}
	if run.Fence != e.Fence || !run.State.Type.Live() {
		return nil, t.endedAlready(e, fence)
	}
	if !e.State.Type.Terminal() {
		// A word that is no end must not hold up the ends of other runs.
		e.State = NewState(Crashed, fmt.Sprintf("its end was reported as %q, which is none: %s", e.State.Type, e.State.Message))
	}
	if run.State.Type == Cancelling {
		e.State = cancelledState(run.State.Message, e.State)
	}
	if err := t.endAttempt(e, fence); err != nil {
		return nil, err
	}
	if err := t.addSteps(e, run.State, who); err != nil {
		return nil, err
	}
	next, due, err := t.afterEnd(e)
	if err != nil {
		return nil, err
	}
	next.Timestamp = instant(t.now)
	return &next, t.leave(run, next, due, e.Attempt, who)
}

// held reads of a run what its end needs, at a fraction of the whole's cost.
func (t *tx) held(id ID) (run Run, err error) {
	var due int64
	err = t.QueryRowContext(t.ctx, "SELECT name, state_type, state_name, state_message, due, fence FROM flow_run WHERE id = ?", id).
		Scan(&run.Name, &run.State.Type, &run.State.Name, &run.State.Message, &due, &run.Fence)
	run.ID, run.Due = id, instant(due)
	return run, err
}

// endedAlready tells a repeated write from one that came too late.
func (t *tx) endedAlready(e End, fence int64) error {
	var ended sql.NullInt64
	err := t.QueryRowContext(t.ctx, "SELECT end_time FROM attempt WHERE run_id = ? AND attempt = ? AND fence = ?",
		e.Run, e.Attempt, fence).Scan(&ended)
	if err == nil && ended.Valid {
		return nil
	}
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return ErrSuperseded
	}
	return err
}

// cancelledState is the end of a run that was being cancelled: Cancelling
// ends only in Cancelled, and the message says what cancelled it, and how the
// process really ended.
func cancelledState(why string, end State) State {
	how := end.Message
	if end.Type != Cancelled {
		how = strings.TrimSuffix("it had ended by itself: "+end.Name+", "+end.Message, ", ")
	}
	if why != "" && how != "" {
		why += "; "
	}
	return NewState(Cancelled, why+how)
}

func (t *tx) endAttempt(e End, fence int64) error {
	n, err := t.exec(`
		UPDATE attempt
		   SET fence = ?, end_time = ?, state_type = ?, state_name = ?, message = ?, exit_code = ?, signal = ?,
		       user_time = ?, system_time = ?, max_rss = ?, result = ?, pid = coalesce(?, pid),
		       code = coalesce(?, code)
		 WHERE run_id = ?
		   AND attempt = ?
		   AND end_time IS NULL`,
		fence, t.now, e.State.Type, e.State.Name, e.State.Message, e.ExitCode, e.Signal,
		e.UserTime, e.SystemTime, e.MaxRSS, nullJSON(e.Result), e.PID, codeJSON(e.Code), e.Run, e.Attempt)
	if err == nil && n != 1 {
		err = fmt.Errorf("end attempt %d of %s: no such attempt", e.Attempt, e.Run)
	}
	return err
}

func nullJSON(raw json.RawMessage) any {
	if raw == nil {
		return nil
	}
	return string(raw)
}

// afterEnd is the run's next state: the attempt's own, or Scheduled again
// while its budget of retries lasts.
func (t *tx) afterEnd(e End) (State, int64, error) {
	if e.State.Type != Failed && e.State.Type != Crashed {
		return e.State, 0, nil
	}
	run, err := scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", e.Run))
	if err != nil {
		return State{}, 0, err
	}
	var failures, crashes int
	if err := t.QueryRowContext(t.ctx, "SELECT failures, crashes FROM flow_run WHERE id = ?", run.ID).Scan(&failures, &crashes); err != nil {
		return State{}, 0, err
	}
	budget, err := t.budget(run)
	if err != nil {
		return State{}, 0, err
	}
	switch {
	case e.State.Type == Failed && failures < budget.retries:
		delay := budget.delay(failures, e)
		if _, err := t.exec("UPDATE flow_run SET failures = failures + 1, lost_starts = 0 WHERE id = ?", run.ID); err != nil {
			return State{}, 0, err
		}
		return retryState(e, failures+1, budget.retries), t.now + delay.Microseconds(), nil
	case e.State.Type == Crashed && crashes < budget.crashes:
		if _, err := t.exec("UPDATE flow_run SET crashes = crashes + 1, lost_starts = 0 WHERE id = ?", run.ID); err != nil {
			return State{}, 0, err
		}
		return retryState(e, crashes+1, budget.crashes), t.now + budget.delay(crashes, e).Microseconds(), nil
	}
	return e.State, 0, nil
}

func retryState(e End, used, of int) State {
	return State{
		Type: Scheduled, Name: NameAwaitingRetry,
		Message: fmt.Sprintf("retry %d of %d, after: %s", used, of, e.State.Message),
	}
}

// leave takes a run out of its owner's hands, into a terminal state or back
// into the queue.
func (t *tx) leave(run Run, next State, due int64, attempt int, who string) error {
	if !MayFollow(run.State.Type, next.Type) {
		return conflict("the run %s is %s: it cannot become %s", run.Name, run.State.Name, next.Name)
	}
	var ended any
	if next.Type.Terminal() {
		ended, due = t.now, micros(run.Due)
	}
	// With a sign, for what is compared with a condition of an index is planned anew
	// for each value.
	n, err := t.exec(`
		UPDATE flow_run
		   SET state_type = ?1, state_name = ?2, state_message = ?3, state_time = ?4, updated = ?4,
		       end_time = ?5, due = ?6, owner_kind = NULL, owner_host = NULL, owner_proof = NULL
		 WHERE id = ?7
		   AND +state_type = ?8
		   AND fence = ?9`,
		next.Type, next.Name, next.Message, t.now, ended, due, run.ID, run.State.Type, run.Fence)
	if err != nil {
		return fmt.Errorf("record the end: %w", err)
	}
	if n != 1 {
		return ErrSuperseded
	}
	return t.addEvent(run.ID, next, attempt, who)
}

// maxLostStarts is how many starts a run may lose before it is Crashed.
const maxLostStarts = 3

// PutBack returns a run whose owner died before it started anything. The
// third such start is Crashed.
func (s *Store) PutBack(ctx context.Context, run Run, why, who string) error {
	return s.update(ctx, func(t *tx) error {
		now, err := scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", run.ID))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err != nil || now.Fence != run.Fence || !now.State.Type.Live() {
			return ErrSuperseded // it may have been deleted, too
		}
		var lost int
		if err := t.QueryRowContext(t.ctx, `
			UPDATE flow_run
			   SET lost_starts = lost_starts + 1
			 WHERE id = ?
			RETURNING lost_starts`, run.ID).Scan(&lost); err != nil {
			return err
		}
		return t.putBack(now, lost, why, who)
	})
}

func (t *tx) putBack(run Run, lost int, why, who string) error {
	// A run of an entrypoint has no queue to go back to: its command is gone.
	// Without its deployment nobody knows what to start.
	giveUp := lost >= maxLostStarts || run.DeploymentID == nil
	if giveUp || run.State.Type == Cancelling {
		state := NewState(Crashed, fmt.Sprintf("%s (start %d of %d)", why, lost, maxLostStarts))
		if run.State.Type == Cancelling {
			state = cancelledState(run.State.Message, NewState(Cancelled, "it had not started"))
		}
		if err := t.endAttempt(End{Run: run.ID, Attempt: run.RunCount, State: state}, run.Fence+1); err != nil {
			return err
		}
		return errors.Join(t.leave(run, state, 0, run.RunCount, who), t.raiseFence(run))
	}
	// The attempt never was: its number, and with it its log's name, is free.
	if _, err := t.exec("DELETE FROM attempt WHERE run_id = ? AND attempt = ? AND end_time IS NULL",
		run.ID, run.RunCount); err != nil {
		return err
	}
	state := NewState(Scheduled, why)
	if err := t.leave(run, state, micros(run.Due), run.RunCount, who); err != nil {
		return err
	}
	if _, err := t.exec(`
		UPDATE flow_run
		   SET attempt = attempt - 1, start_time = iif(attempt = 1, NULL, start_time)
		 WHERE id = ?`, run.ID); err != nil {
		return err
	}
	return t.raiseFence(run)
}

// raiseFence shuts out whoever held the run before.
func (t *tx) raiseFence(run Run) error {
	_, err := t.exec("UPDATE flow_run SET fence = fence + 1 WHERE id = ? AND fence = ?", run.ID, run.Fence)
	return err
}

// Adopt gives a live run, whose owner is proven dead while its process lives,
// to a new owner with the next fence.
func (s *Store) Adopt(ctx context.Context, run Run, owner Owner, who string) (fence int64, err error) {
	err = s.update(ctx, func(t *tx) error {
		n, err := t.exec(`
			UPDATE flow_run
			   SET fence = fence + 1, owner_kind = ?, owner_host = ?, owner_proof = ?, updated = ?
			 WHERE id = ?
			   AND fence = ?
			   AND state_type IN ('RUNNING', 'CANCELLING')`,
			owner.Kind, owner.Host, owner.Proof, t.now, run.ID, run.Fence)
		if err != nil {
			return err
		}
		if n != 1 {
			return ErrSuperseded
		}
		fence = run.Fence + 1
		if _, err := t.exec("UPDATE attempt SET fence = ? WHERE run_id = ? AND attempt = ?", fence, run.ID, run.RunCount); err != nil {
			return err
		}
		// It may have been cancelled since the caller looked, by the same fence.
		now, err := scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", run.ID))
		if err != nil {
			return err
		}
		state := now.State
		state.Message = "its slot was gone; a new one looks after the process"
		return t.addEvent(run.ID, state, run.RunCount, who)
	})
	return fence, err
}

// Cancel ends a run that has not started, and sets one that runs to
// Cancelling; then owner is whom to ring. A terminal run is a conflict.
func (s *Store) Cancel(ctx context.Context, id ID, why, who string) (owner Owner, err error) {
	err = s.update(ctx, func(t *tx) error {
		owner, err = t.cancel(id, why, who)
		return err
	})
	return owner, err
}

func (t *tx) cancel(id ID, why, who string) (owner Owner, err error) {
	run, err := scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", id))
	if err != nil {
		return owner, err
	}
	switch run.State.Type {
	case Cancelling:
		return run.Owner, nil
	case Scheduled, Paused:
		if err := t.leave(run, NewState(Cancelled, why), 0, run.RunCount, who); err != nil {
			return owner, err
		}
		return owner, errors.Join(t.raiseFence(run), t.advanceOf(run))
	case Pending:
		state := NewState(Cancelled, why)
		if err := t.endAttempt(End{Run: run.ID, Attempt: run.RunCount, State: state}, run.Fence+1); err != nil {
			return owner, err
		}
		return run.Owner, errors.Join(t.leave(run, state, 0, run.RunCount, who), t.raiseFence(run))
	case Running:
		return run.Owner, t.cancelRunning(run, why, who)
	case Completed, Failed, Crashed, Cancelled:
	}
	return owner, conflict("the run %s has ended already: %s", run.Name, run.State.Name)
}

func (t *tx) cancelRunning(run Run, why, who string) error {
	state := NewState(Cancelling, why)
	n, err := t.exec(`
		UPDATE flow_run
		   SET state_type = 'CANCELLING', state_name = ?1, state_message = ?2, state_time = ?3, updated = ?3
		 WHERE id = ?4
		   AND state_type = 'RUNNING'
		   AND fence = ?5`, state.Name, state.Message, t.now, run.ID, run.Fence)
	if err != nil {
		return err
	}
	if n != 1 {
		return ErrSuperseded
	}
	return t.addEvent(run.ID, state, run.RunCount, who)
}
