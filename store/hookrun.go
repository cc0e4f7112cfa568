package store

// Hooks that are owed, and who takes them. The end of a run owes them by a
// trigger, in its own transaction. Each is started once at most: it is taken,
// in a transaction, before anything of it runs.

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxHooks is how many hooks of a database run at once.
const MaxHooks = 4

// Hook is a command that is told of a run, and what became of it.
type Hook struct {
	Run     ID        `json:"run_id"`
	Attempt int       `json:"attempt"` // 0 for on_late
	Event   string    `json:"event"`
	Origin  string    `json:"origin"` // deployment or work_pool
	Created time.Time `json:"created"`
	// Started and Ended are nil until then. One that was started and has no
	// exit code could not be started, was stopped, or nobody knows.
	Started  *time.Time `json:"started"`
	Ended    *time.Time `json:"ended"`
	ExitCode *int       `json:"exit_code"`
	Message  string     `json:"message"`
	Log      string     `json:"log"` // relative to the folder of logs

	Argv    []string      `json:"-"`
	Folder  string        `json:"-"` // where to start it; "" for anywhere
	Timeout time.Duration `json:"-"`
	State   State         `json:"-"` // that it is about
	Owner   string        `json:"-"` // the proof of who started it
}

// Title names a hook in a line.
func (h Hook) Title() string { return h.Event + " of the " + strings.ReplaceAll(h.Origin, "_", " ") }

const selectHook = `
	SELECT run_id,
	       attempt,
	       event,
	       origin,
	       created,
	       started,
	       ended,
	       exit_code,
	       message,
	       coalesce(log, ''),
	       argv,
	       folder,
	       timeout_seconds,
	       state_type,
	       state_name,
	       state_message,
	       state_time,
	       coalesce(owner_proof, '')
	  FROM hook`

func scanHook(r row) (h Hook, err error) {
	var created, stateTime int64
	var started, ended sql.NullInt64
	var argv text
	var timeout *float64
	err = r.Scan(&h.Run, &h.Attempt, &h.Event, &h.Origin, &created, &started, &ended, &h.ExitCode, &h.Message, &h.Log,
		&argv, &h.Folder, &timeout, &h.State.Type, &h.State.Name, &h.State.Message, &stateTime, &h.Owner)
	if err != nil {
		return h, err
	}
	h.Created, h.State.Timestamp, h.Timeout = instant(created), instant(stateTime), hookTimeout(timeout)
	h.Started, h.Ended = instantOrNil(started), instantOrNil(ended)
	return h, json.Unmarshal(argv, &h.Argv)
}

// HooksOf lists the hooks of a run, oldest first.
func (s *Store) HooksOf(ctx context.Context, run ID) ([]Hook, error) {
	return collect(ctx, s.reader, scanHook, selectHook+" WHERE run_id = ? ORDER BY created, attempt, event, origin", run)
}

const selectHookLogs = "SELECT log FROM hook WHERE run_id = ? AND log IS NOT NULL"

// pendingHooks bounds what a look reads of hooks that wait.
const pendingHooks = 100

// PendingHooks lists the hooks that are owed or under way, those under way
// first. It only reads, mostly an empty index.
func (s *Store) PendingHooks(ctx context.Context) ([]Hook, error) {
	return collect(ctx, s.reader, scanHook, selectHook+`
		 WHERE ended IS NULL
		 ORDER BY started IS NULL, created
		 LIMIT ?`, pendingHooks)
}

// StartHook takes the hook that is owed longest for an owner, nil where none is
// owed or enough of them run. Nobody else gets it from here on.
func (s *Store) StartHook(ctx context.Context, owner Owner) (found *Hook, err error) {
	err = s.update(ctx, func(t *tx) error {
		found = nil
		var running int
		if err := t.QueryRowContext(t.ctx, "SELECT count(*) FROM hook WHERE ended IS NULL AND started IS NOT NULL").Scan(&running); err != nil {
			return err
		}
		if running >= MaxHooks {
			return nil
		}
		h, err := scanHook(t.QueryRowContext(t.ctx, selectHook+" WHERE ended IS NULL AND started IS NULL ORDER BY created LIMIT 1"))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		h.Log, h.Owner = hookLogName(h, t.now), owner.Proof
		at := instant(t.now)
		h.Started = &at
		_, err = t.exec("UPDATE hook SET owner_proof = ?, log = ?, started = ?, updated = ?3 WHERE "+thisHook+" AND started IS NULL",
			owner.Proof, h.Log, t.now, h.Run, h.Attempt, h.Event, h.Origin)
		found = &h
		return err
	})
	return found, err
}

const thisHook = "run_id = ? AND attempt = ? AND event = ? AND origin = ?"

// hookLogName lies beside the logs of the run's attempts.
func hookLogName(h Hook, now int64) string {
	return fmt.Sprintf("%s/%s.%d.%s.%s.log", instant(now).Format(time.DateOnly), h.Run, h.Attempt, h.Event, h.Origin)
}

// EndHook records what became of a hook that its owner started, in its row and
// in the run's history, where it changes no state. ErrSuperseded: somebody else
// has ended it, or the run is deleted.
func (s *Store) EndHook(ctx context.Context, h Hook) error {
	return s.update(ctx, func(t *tx) error { return t.endHook(h) })
}

func (t *tx) endHook(h Hook) error {
	n, err := t.exec(`
		UPDATE hook
		   SET owner_proof = NULL, ended = ?1, updated = ?1, exit_code = ?2, message = ?3
		 WHERE run_id = ?4
		   AND attempt = ?5
		   AND event = ?6
		   AND origin = ?7
		   AND ended IS NULL
		   AND coalesce(owner_proof, '') = ?8`,
		t.now, h.ExitCode, h.Message, h.Run, h.Attempt, h.Event, h.Origin, h.Owner)
	if err != nil {
		return fmt.Errorf("record the end of a hook: %w", err)
	}
	if n != 1 {
		return ErrSuperseded
	}
	var now State
	var attempt int
	err = t.QueryRowContext(t.ctx, "SELECT state_type, state_name, attempt FROM flow_run WHERE id = ?", h.Run).
		Scan(&now.Type, &now.Name, &attempt)
	if err != nil {
		return err
	}
	now.Message = h.Title() + ": " + h.Message
	return t.addEvent(h.Run, now, attempt, HookWho)
}

// HookWho is who tells of a hook in a run's history.
const HookWho = "hook"

// dropHooks ends all hooks that wait or run, as a restore does.
func (t *tx) dropHooks(why string) error {
	pending, err := collect(t.ctx, t, scanHook, selectHook+" WHERE ended IS NULL")
	for _, h := range pending {
		if err == nil {
			h.Message = why
			err = t.endHook(h)
		}
	}
	return err
}

// lateRuns are the late runs whose hook for that is not owed yet. A run is Late
// whether somebody looks or not; here somebody did.
const lateRuns = `
	  FROM flow_run r INDEXED BY flow_run_due
	  LEFT JOIN deployment d ON d.id = r.deployment_id AND d.hooks IS NOT NULL
	  LEFT JOIN work_queue q ON q.id = r.work_queue_id
	  LEFT JOIN work_pool p ON p.id = q.work_pool_id AND p.hooks IS NOT NULL
	  JOIN (SELECT 'deployment' AS origin UNION ALL SELECT 'work_pool') o
	 WHERE r.state_type = 'SCHEDULED'
	   AND r.state_name = 'Scheduled'
	   AND r.due < ?1
	   AND iif(o.origin = 'deployment', d.hooks, p.hooks) -> 'on_late' IS NOT NULL
	   AND NOT EXISTS (SELECT 1
	                     FROM hook h
	                    WHERE h.run_id = r.id
	                      AND h.attempt = 0
	                      AND h.event = 'on_late'
	                      AND h.origin = o.origin)`

// OweLate owes the hooks of runs that have become late since the last look.
func (s *Store) OweLate(ctx context.Context) error {
	var any bool
	err := s.reader.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM deployment INDEXED BY deployment_hooks WHERE hooks IS NOT NULL)
		    OR EXISTS (SELECT 1 FROM work_pool INDEXED BY work_pool_hooks WHERE hooks IS NOT NULL)`).Scan(&any)
	if err != nil || !any {
		return err
	}
	before := micros(s.Clock().Add(-LateAfter))
	if err := s.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1"+lateRuns+")", before).Scan(&any); err != nil || !any {
		return err
	}
	return s.update(ctx, func(t *tx) error {
		_, err := t.exec(`
			INSERT OR IGNORE INTO hook (run_id, attempt, event, origin, argv, folder, timeout_seconds,
			                            state_type, state_name, state_message, state_time, created, updated)
			SELECT r.id, 0, 'on_late', o.origin,
			       iif(o.origin = 'deployment', d.hooks, p.hooks) -> 'on_late',
			       iif(o.origin = 'deployment', d.path, ''),
			       iif(o.origin = 'deployment', d.hooks, p.hooks) ->> 'hook_timeout_seconds',
			       'SCHEDULED', 'Late', r.state_message, r.due, ?2, ?2`+lateRuns, before, t.now)
		return err
	})
}
