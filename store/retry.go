package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"
)

// RetryPolicy is how often and when a run is tried again. What is nil is left
// to the layer below: run over deployment or job.
type RetryPolicy struct {
	Retries *int `json:"retries,omitempty"`
	// DelaySeconds is the wait before each retry; the last one repeats.
	DelaySeconds []float64 `json:"retry_delay,omitempty"`
	// OnCrash is the budget of attempts that were Crashed, apart from Retries.
	OnCrash *int `json:"retries_on_crash,omitempty"`
	// JitterFactor makes a delay longer by up to so many times itself.
	JitterFactor *float64 `json:"retry_jitter_factor,omitempty"`
}

func (p RetryPolicy) check() error {
	if p.Retries != nil && *p.Retries < 0 {
		return invalid("retries of %d: it is 0 or more", *p.Retries)
	}
	if p.OnCrash != nil && *p.OnCrash < 0 {
		return invalid("retries_on_crash of %d: it is 0 or more", *p.OnCrash)
	}
	if err := checkDelays(p.DelaySeconds); err != nil {
		return err
	}
	if p.JitterFactor != nil {
		return checkJitterFactor(*p.JitterFactor)
	}
	return nil
}

func checkDelays(delays []float64) error {
	for _, delay := range delays {
		if !(delay >= 0 && delay <= maxRetryDelay) { // NaN, too
			return invalid("a retry delay of %v seconds: it is from 0 to a year of them", delay)
		}
	}
	return nil
}

// maxJitterFactor keeps a delay within sight of what was asked for.
const maxJitterFactor = 100

func checkJitterFactor(factor float64) error {
	if factor >= 0 && factor <= maxJitterFactor {
		return nil
	}
	return invalid("a retry jitter factor of %v: it is from 0 to %d", factor, maxJitterFactor)
}

func (p RetryPolicy) text() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // checked: it holds finite numbers only
	}
	return string(b)
}

// Over is p, with what it leaves open taken from lower.
func (p RetryPolicy) Over(lower RetryPolicy) RetryPolicy {
	p.Retries, p.OnCrash = cmp.Or(p.Retries, lower.Retries), cmp.Or(p.OnCrash, lower.OnCrash)
	p.JitterFactor = cmp.Or(p.JitterFactor, lower.JitterFactor)
	if p.DelaySeconds == nil {
		p.DelaySeconds = lower.DelaySeconds
	}
	return p
}

// budget is what a run's layers make of retries together.
type budget struct {
	retries, crashes int
	delays           []float64
	jitter           float64
}

// delay is the wait after an attempt, when so many retries were used. Its
// jitter follows from the attempt alone, so that a write repeated says the same.
func (b budget) delay(used int, e End) time.Duration {
	if len(b.delays) == 0 {
		return 0
	}
	seconds := b.delays[min(used, len(b.delays)-1)] * (1 + b.jitter*spread(e))
	return time.Duration(math.Min(seconds, maxRetryDelay) * float64(time.Second))
}

// spread is a number from 0 to 1 that looks random and belongs to one attempt.
func spread(e End) float64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s.%d", e.Run, e.Attempt)
	mixed := h.Sum64() * 0x9e3779b97f4a7c15 // FNV's high bits alone differ too little
	return float64(mixed>>11) / (1 << 53)
}

// over lays a run's own policy over the budget.
func (b *budget) over(p RetryPolicy) {
	set(&b.retries, p.Retries)
	set(&b.crashes, p.OnCrash)
	set(&b.jitter, p.JitterFactor)
	if p.DelaySeconds != nil {
		b.delays = p.DelaySeconds
	}
}

func (t *tx) budget(run Run) (b budget, err error) {
	switch {
	case run.Job != nil:
		b = budget{run.Job.Retries, run.Job.RetriesOnCrash, run.Job.RetryDelaySeconds, run.Job.RetryJitterFactor}
	case run.DeploymentID == nil:
		return b, nil // nobody knows any more what to start
	default:
		var delays text
		err = t.QueryRowContext(t.ctx, `
			SELECT retries, retries_on_crash, retry_delay_seconds, retry_jitter_factor
			  FROM deployment
			 WHERE id = ?`, *run.DeploymentID).Scan(&b.retries, &b.crashes, &delays, &b.jitter)
		if errors.Is(err, sql.ErrNoRows) {
			return budget{}, nil
		}
		if err := errors.Join(err, json.Unmarshal(delays, &b.delays)); err != nil {
			return b, err
		}
	}
	b.over(run.Retry)
	return b, nil
}

// Retry schedules a further attempt of a run that has ended, with the same
// parameters. Its budgets of retries start anew; the ends of its attempts stay.
func (s *Store) Retry(ctx context.Context, id ID, who string) (run Run, err error) {
	err = s.update(ctx, func(t *tx) error {
		run, err = t.retryByID(id, who, true)
		return err
	})
	return run, err
}

// retryByID leaves a run of an entrypoint where nobody is here to start it.
func (t *tx) retryByID(id ID, who string, here bool) (run Run, err error) {
	if run, err = scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", id)); err != nil {
		return run, err
	}
	if run.Job != nil && !here {
		e := conflict("the run %s is of an entrypoint, which runs here and now", run.Name)
		e.Hint = []string{"retry it alone: runnel flow-run retry " + run.ID.Short()}
		return run, e
	}
	queue, err := t.retryQueue(run)
	if err != nil {
		return run, err
	}
	if err := t.retry(run, queue, who); err != nil {
		return run, err
	}
	return scanRun(t.QueryRowContext(t.ctx, selectRun+" WHERE r.id = ?", id))
}

// retryQueue is where a run waits for its further attempt: its own queue or,
// where that is gone, its deployment's. A run of an entrypoint has none.
func (t *tx) retryQueue(run Run) (queue ID, err error) {
	switch {
	case !run.State.Type.Terminal():
		e := conflict("the run %s has not ended: it is %s", run.Name, run.State.Name)
		e.Hint = []string{"see why: runnel why " + run.ID.Short()}
		return queue, e
	case run.Job != nil:
		return queue, nil
	case run.DeploymentID == nil:
		e := conflict("the deployment of the run %s was deleted: %s", run.Name, *run.Deployment)
		e.Hint = []string{"deploy the flow again, and make a new run of it"}
		return queue, e
	}
	if err = t.QueryRowContext(t.ctx, "SELECT work_queue_id FROM flow_run WHERE id = ?", run.ID).Scan(&queue); err != nil || !queue.IsZero() {
		return queue, err
	}
	d, err := scanDeployment(t.QueryRowContext(t.ctx, selectDeployment+" WHERE d.id = ?", *run.DeploymentID))
	if err != nil {
		return queue, err
	}
	return t.runQueue(d, "")
}

func (t *tx) retry(run Run, queue ID, who string) error {
	state := State{Type: Scheduled, Name: NameAwaitingRetry, Message: "retried by hand, after: " + run.State.Name}
	if run.RunCount == 0 {
		state.Name = stateNames[Scheduled]
	}
	n, err := t.exec(`
		UPDATE flow_run
		   SET state_type = ?1, state_name = ?2, state_message = ?3, state_time = ?4, updated = ?4, due = ?4,
		       end_time = NULL, failures = 0, crashes = 0, lost_starts = 0, work_queue_id = ?5
		 WHERE id = ?6
		   AND state_type = ?7
		   AND fence = ?8`,
		state.Type, state.Name, state.Message, t.now, queue, run.ID, run.State.Type, run.Fence)
	if err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	if n != 1 {
		return ErrSuperseded
	}
	return t.addEvent(run.ID, state, run.RunCount, who)
}
