package store

// Ticks as rows. Of each schedule only the next tick exists, as a Scheduled
// run that is made in the transaction that claims, cancels, drops or moves the
// one before. With claim.go and choose.go this file holds what races.

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// BySchedule is who created a run that a schedule made.
const BySchedule = "schedule"

// live is true where a schedule makes runs: without a work pool nobody could
// take them.
func (s DeploymentSchedule) live(d Deployment) bool {
	return s.Active && !s.OperatorPaused && !d.Paused && !d.OperatorPaused && !d.queueID.IsZero()
}

// waits is true where the next tick's time has come: by the clock, or by what
// was decided before the clock was set back.
func (s DeploymentSchedule) waits(now int64) bool {
	return s.Next != nil && micros(*s.Next) <= max(now, s.decided)
}

// following is the tick after another, and after all that is decided.
func (s DeploymentSchedule) following(tick int64) (int64, bool) {
	next, more := s.when.Next(instant(max(tick, s.decided)))
	return micros(next), more
}

// due is when the run of a tick may start.
func (s DeploymentSchedule) due(d Deployment, tick int64) int64 {
	if d.JitterSeconds == nil {
		return tick
	}
	return tick + s.when.Jitter(d.ID, instant(tick), seconds(*d.JitterSeconds)).Microseconds()
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// plan makes the run of the first tick after what is decided. A tick that has
// its run already (it was backfilled, or the clock was set back) is passed.
func (t *tx) plan(d Deployment, s *DeploymentSchedule) error {
	s.Next = nil
	for s.live(d) {
		tick, more := s.following(s.decided)
		if !more {
			break
		}
		taken, err := t.tickTaken(d, s.Slug, tick)
		if err != nil {
			return err
		}
		if !taken {
			at := instant(tick)
			s.Next = &at
			if err := t.insertTick(d, *s, tick); err != nil {
				return err
			}
			break
		}
		s.decide(tick, t.now)
	}
	return t.putPlan(*s)
}

func (t *tx) tickTaken(d Deployment, slug string, tick int64) (taken bool, err error) {
	err = t.QueryRowContext(t.ctx, `
		SELECT EXISTS (SELECT 1
		                 FROM flow_run INDEXED BY flow_run_tick
		                WHERE deployment_id = ?
		                  AND schedule_slug = ?
		                  AND scheduled_for = ?)`, d.ID, slug, tick).Scan(&taken)
	return taken, err
}

func (t *tx) insertTick(d Deployment, s DeploymentSchedule, tick int64) error {
	parameters, sources := s.layered(d)
	_, err := t.insertRow(newRun{
		flow: d.FlowID, deployment: d.ID, deploymentName: d.FullName, queue: d.queueID,
		parameters: parameters, sources: sources, tags: d.Tags, due: s.due(d, tick), createdBy: BySchedule,
		slug: s.Slug, tick: tick,
	}, NewState(Scheduled, ""))
	return err
}

func (t *tx) putPlan(s DeploymentSchedule) error {
	var next any
	if s.Next != nil {
		next = micros(*s.Next)
	}
	_, err := t.exec("UPDATE schedule SET decided = ?, decided_at = ?, next = ?, unplanned = 0 WHERE id = ?",
		s.decided, s.decidedAt, next, s.ID)
	if err != nil {
		return fmt.Errorf("plan the next tick: %w", err)
	}
	return nil
}

// unplan takes the waiting tick away, undecided.
func (t *tx) unplan(s *DeploymentSchedule) error {
	if s.Next == nil {
		return nil
	}
	tick := micros(*s.Next)
	s.Next = nil
	if err := t.putPlan(*s); err != nil { // first, or the deletion would be a decision
		return err
	}
	_, err := t.exec(`
		DELETE FROM flow_run INDEXED BY flow_run_tick
		 WHERE deployment_id = ?
		   AND schedule_slug = ?
		   AND scheduled_for = ?
		   AND state_type = 'SCHEDULED'
		   AND attempt = 0`, s.DeploymentID, s.Slug, tick)
	return err
}

// refresh gives the waiting tick what its deployment says now.
func (t *tx) refresh(d Deployment, s DeploymentSchedule) error {
	tick := micros(*s.Next)
	parameters, sources := s.layered(d)
	_, err := t.exec(`
		UPDATE flow_run INDEXED BY flow_run_tick
		   SET parameters = ?1, tags = ?2, work_queue_id = ?3, expected_start_time = ?4, due = ?4, updated = ?5,
		       parameter_sources = ?9
		 WHERE deployment_id = ?6
		   AND schedule_slug = ?7
		   AND scheduled_for = ?8
		   AND state_type = 'SCHEDULED'
		   AND attempt = 0`,
		parameters.text(), asJSON(d.Tags), d.queueID, s.due(d, tick), t.now, d.ID, s.Slug, tick, sources)
	return err
}

// settle decides what became due: ticks that shall not run any more are
// dropped. Then the tick that waits may start now, or lies ahead.
func (t *tx) settle(d Deployment, s *DeploymentSchedule) (dropped bool, err error) {
	if dropped, err = t.drop(d, s); err != nil || !dropped {
		return false, err
	}
	return true, t.plan(d, s)
}

// advance makes the next tick where a run was the waiting one of its schedule
// and has just been claimed or cancelled. The schedule may be gone.
func (t *tx) advance(d Deployment, run Run) (s DeploymentSchedule, err error) {
	s, err = t.scheduleOf(run)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil || s.Next == nil || !s.Next.Equal(*run.ScheduledFor) {
		return s, err
	}
	s.decide(micros(*run.ScheduledFor), t.now)
	return s, t.plan(d, &s)
}

func (t *tx) scheduleOf(run Run) (DeploymentSchedule, error) {
	return scanSchedule(t.QueryRowContext(t.ctx, selectSchedule+" WHERE s.deployment_id = ? AND s.slug = ?",
		run.DeploymentID, run.ScheduleSlug))
}

// advanceOf is advance for a run whose deployment was not read.
func (t *tx) advanceOf(run Run) error {
	if run.ScheduleSlug == nil || run.DeploymentID == nil {
		return nil
	}
	d, err := scanDeployment(t.QueryRowContext(t.ctx, selectDeployment+" WHERE d.id = ?", *run.DeploymentID))
	if err != nil {
		return err
	}
	_, err = t.advance(d, run)
	return err
}

// putSchedules writes what a change of a deployment means for its schedules
// and their waiting ticks.
func (t *tx) putSchedules(old, next Deployment) error {
	before := map[ID]DeploymentSchedule{}
	for _, s := range old.Schedules {
		before[s.ID] = s
		if slices.ContainsFunc(next.Schedules, func(n DeploymentSchedule) bool { return n.ID == s.ID }) {
			continue
		}
		if err := t.removeSchedule(old, s); err != nil {
			return err
		}
	}
	if err := t.renameSchedules(before, next.Schedules); err != nil {
		return err
	}
	for i := range next.Schedules {
		s := &next.Schedules[i]
		s.DeploymentID = next.ID
		was, found := before[s.ID]
		was.Slug = s.Slug
		if !found {
			was = *s
			was.Active = false // so that it begins now
		}
		if err := t.changeSchedule(old, was, next, s, !found); err != nil {
			return fmt.Errorf("write schedule %q: %w", s.Slug, err)
		}
	}
	return nil
}

// changeSchedule decides all up to now by what the schedule was, and from here
// on by what it is. A tick that is due and may still start stays.
func (t *tx) changeSchedule(oldD Deployment, was DeploymentSchedule, d Deployment, s *DeploymentSchedule, isNew bool) error {
	redefined := was.when.Definition != s.when.Definition || was.Timezone != s.Timezone || was.Kind != s.Kind
	wasLive, isLive := was.live(oldD), s.live(d)
	if redefined || wasLive != isLive || isNew {
		switch {
		case redefined && !(wasLive && isLive):
			was.over = max(t.now, was.decided)
		case !isLive:
			was.over = was.decided // what an older definition left cannot come back
		}
		if _, err := t.settle(oldD, &was); err != nil {
			return err
		}
		if redefined {
			if err := t.dropBehind(oldD, was); err != nil {
				return err
			}
		}
		if was.Next != nil && (!isLive || !was.waits(t.now)) {
			if err := t.unplan(&was); err != nil {
				return err
			}
		}
		s.Next, s.decided, s.decidedAt = was.Next, was.decided, was.decidedAt
		if redefined {
			s.decide(t.now, t.now)
			s.since = s.decided
		}
		if err := t.putPause(s.ID, isNew || wasLive, isLive); err != nil {
			return err
		}
	}
	if err := t.putSchedule(*s); err != nil {
		return err
	}
	if isLive && s.Next != nil {
		return errors.Join(t.refresh(d, *s), t.putPlan(*s))
	}
	return t.plan(d, s)
}

func (t *tx) putSchedule(s DeploymentSchedule) error {
	_, err := t.exec(`
		INSERT INTO schedule (id, deployment_id, slug, kind, definition, timezone, active, operator_paused,
		                      parameters, decided, decided_at, since, created, updated)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)
		    ON CONFLICT (id) DO UPDATE
		   SET slug = ?3, kind = ?4, definition = ?5, timezone = ?6, active = ?7, operator_paused = ?8,
		       parameters = ?9, decided = ?10, decided_at = ?11, since = ?12, updated = ?13`,
		s.ID, s.DeploymentID, s.Slug, s.Kind, s.when.Definition, s.Timezone, s.Active, s.OperatorPaused,
		s.Parameters.text(), s.decided, s.decidedAt, s.since, t.now)
	return err
}

// removeSchedule takes a schedule away. A tick that was due is a cancelled
// run; one that lies ahead never was.
func (t *tx) removeSchedule(d Deployment, s DeploymentSchedule) error {
	if !s.live(d) {
		s.over = max(t.now, s.decided)
	}
	if _, err := t.settle(d, &s); err != nil {
		return err
	}
	if err := t.dropBehind(d, s); err != nil {
		return err
	}
	if s.waits(t.now) {
		var run ID
		if err := t.QueryRowContext(t.ctx, `
			SELECT id
			  FROM flow_run INDEXED BY flow_run_tick
			 WHERE deployment_id = ?
			   AND schedule_slug = ?
			   AND scheduled_for = ?`, d.ID, s.Slug, micros(*s.Next)).Scan(&run); err != nil {
			return err
		}
		s.Next = nil
		if err := t.putPlan(s); err != nil { // no tick comes after it
			return err
		}
		if _, err := t.cancel(run, "its schedule was removed", "operator"); err != nil {
			return err
		}
	}
	if err := t.unplan(&s); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM schedule WHERE id = ?", s.ID)
	return err
}

// renameSchedules gives schedules, waiting ticks and dropped spans their new
// slugs, by way of a name that nothing has: two may change names with each other.
func (t *tx) renameSchedules(before map[ID]DeploymentSchedule, next []DeploymentSchedule) error {
	var renamed []DeploymentSchedule
	for _, s := range next {
		was, found := before[s.ID]
		if !found || was.Slug == s.Slug {
			continue
		}
		renamed = append(renamed, s)
		if err := t.rename(was, was.Slug, s.ID.String()); err != nil {
			return err
		}
	}
	for _, s := range renamed {
		if err := t.rename(s, s.ID.String(), s.Slug); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) rename(s DeploymentSchedule, from, to string) error {
	for _, statement := range []string{
		"UPDATE schedule SET slug = ?1 WHERE deployment_id = ?2 AND slug = ?3",
		"UPDATE dropped_tick SET schedule_slug = ?1 WHERE deployment_id = ?2 AND schedule_slug = ?3",
	} {
		if _, err := t.exec(statement, to, s.DeploymentID, from); err != nil {
			return err
		}
	}
	if s.Next == nil {
		return nil
	}
	_, err := t.exec(`
		UPDATE flow_run INDEXED BY flow_run_tick
		   SET schedule_slug = ?
		 WHERE deployment_id = ?
		   AND schedule_slug = ?
		   AND scheduled_for = ?`, to, s.DeploymentID, from, micros(*s.Next))
	return err
}
