package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedules lists the schedules of a deployment, by slug.
func (s *Store) Schedules(ctx context.Context, deployment string) ([]DeploymentSchedule, error) {
	d, err := s.Deployment(ctx, deployment)
	return d.Schedules, err
}

// CreateSchedule adds one schedule to a deployment. A slug that is taken is a
// conflict. The warnings name what is allowed but surely not meant.
func (s *Store) CreateSchedule(ctx context.Context, deployment string, spec ScheduleSpec) (made DeploymentSchedule, warnings []string, err error) {
	err = s.changeSchedules(ctx, deployment, func(t *tx, d *Deployment) error {
		var list []Schedule
		if list, warnings, err = t.normalise([]ScheduleSpec{spec}); err != nil {
			return err
		}
		one := list[0]
		if _, taken := scheduleBySlug(d.Schedules, one.Slug); taken {
			e := conflict("%s has a schedule %q already", d.FullName, one.Slug)
			e.Hint = []string{"see it: runnel deployment schedule ls " + Quote(d.FullName)}
			return e
		}
		made = newSchedule(*d, t.now)
		made.Slug = freeSlug(one, d.Schedules)
		made.means(one)
		set(&made.Active, one.Active)
		made.Parameters = Values{}.Over(one.Parameters)
		warnings = append(warnings, made.twins(d.Schedules)...)
		d.Schedules = append(d.Schedules, made)
		return checkDeployment(*d)
	})
	if err != nil {
		return made, nil, err
	}
	made, err = s.oneSchedule(ctx, deployment, made.Slug)
	return made, warnings, err
}

func newSchedule(d Deployment, now int64) DeploymentSchedule {
	return DeploymentSchedule{ID: NewID(), DeploymentID: d.ID, Active: true, Parameters: Values{}, decided: now, decidedAt: now, since: now}
}

func freeSlug(one Schedule, old []DeploymentSchedule) string {
	if one.Slug != "" {
		return one.Slug
	}
	slug := one.SlugBase()
	for n := 2; ; n++ {
		if _, taken := scheduleBySlug(old, slug); !taken {
			return slug
		}
		slug = fmt.Sprintf("%s-%d", one.SlugBase(), n)
	}
}

// PauseSchedule sets the operator's pause of one schedule, which no redeploy
// lifts. Resuming lifts the file's own, too.
func (s *Store) PauseSchedule(ctx context.Context, deployment, slug string, paused bool) (DeploymentSchedule, error) {
	err := s.changeSchedules(ctx, deployment, func(_ *tx, d *Deployment) error {
		i, err := indexOfSlug(*d, slug)
		if err != nil {
			return err
		}
		d.Schedules[i].OperatorPaused = paused
		if !paused {
			d.Schedules[i].Active = true
		}
		return nil
	})
	if err != nil {
		return DeploymentSchedule{}, err
	}
	return s.oneSchedule(ctx, deployment, slug)
}

// DeleteSchedule removes one schedule. A tick of it that was due and waits is
// cancelled; the next one never comes.
func (s *Store) DeleteSchedule(ctx context.Context, deployment, slug string) (gone DeploymentSchedule, err error) {
	err = s.changeSchedules(ctx, deployment, func(_ *tx, d *Deployment) error {
		i, err := indexOfSlug(*d, slug)
		if err != nil {
			return err
		}
		gone = d.Schedules[i]
		d.Schedules = slices.Delete(d.Schedules, i, i+1)
		return nil
	})
	return gone, err
}

// changeSchedules reads a deployment, lets its schedules be changed, and
// writes what that means.
func (s *Store) changeSchedules(ctx context.Context, deployment string, change func(*tx, *Deployment) error) error {
	return s.update(ctx, func(t *tx) error {
		d, err := deploymentByName(t.ctx, t, deployment)
		if err != nil {
			return err
		}
		if err := withSchedules(t.ctx, t, &d); err != nil {
			return err
		}
		before := d
		d.Schedules = slices.Clone(d.Schedules)
		if err := change(t, &d); err != nil {
			return err
		}
		return t.putSchedules(before, d)
	})
}

func indexOfSlug(d Deployment, slug string) (int, error) {
	i := slices.IndexFunc(d.Schedules, func(s DeploymentSchedule) bool { return s.Slug == slug })
	if i >= 0 {
		return i, nil
	}
	var known []string
	for _, s := range d.Schedules {
		known = append(known, s.Slug)
	}
	e := notFound("schedule", slug, known)
	e.Message += " of " + d.FullName
	switch {
	case len(known) == 0:
		e.Hint = append(e.Hint, "it has none; make one: runnel deployment schedule create "+Quote(d.FullName))
	case len(e.Hint) == 0:
		e.Hint = append(e.Hint, "it has: "+strings.Join(known, ", "))
	}
	return i, e
}

func (s *Store) oneSchedule(ctx context.Context, deployment, slug string) (DeploymentSchedule, error) {
	d, err := s.Deployment(ctx, deployment)
	if err != nil {
		return DeploymentSchedule{}, err
	}
	i, err := indexOfSlug(d, slug)
	if err != nil {
		return DeploymentSchedule{}, err
	}
	return d.Schedules[i], nil
}

// wrongClock is how far ahead of the clock a decision must be to have come
// from a wrong one.
const wrongClock = 24 * time.Hour

// Replan makes the next tick of schedules whose waiting one was deleted, and
// sets those back that a clock more than a day ahead had decided; it says
// which. Where there is nothing to do it only looks, at two indexes.
func (s *Store) Replan(ctx context.Context) (said []string, err error) {
	var wanted bool
	err = s.reader.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM schedule WHERE unplanned = 1)
		       OR EXISTS (SELECT 1 FROM schedule WHERE decided_at > ?)`, micros(s.Clock().Add(wrongClock))).Scan(&wanted)
	if err != nil || !wanted {
		return nil, err
	}
	err = s.update(ctx, func(t *tx) error {
		said = nil
		list, err := collect(t.ctx, t, scanSchedule, selectSchedule+`
			 WHERE s.unplanned = 1
			    OR s.decided_at > ?`, t.now+wrongClock.Microseconds())
		for i := range list {
			if err == nil {
				err = t.replan(&list[i], &said)
			}
		}
		return err
	})
	return said, err
}

func (t *tx) replan(s *DeploymentSchedule, said *[]string) error {
	d, err := scanDeployment(t.QueryRowContext(t.ctx, selectDeployment+" WHERE d.id = ?", s.DeploymentID))
	if err != nil {
		return err
	}
	if s.decidedAt > t.now+wrongClock.Microseconds() {
		*said = append(*said, fmt.Sprintf("schedule %s of %s had been decided up to %s, by a clock that was wrong: it goes on from now",
			s.Slug, d.FullName, instant(s.decided).Format(time.RFC3339)))
		if err := t.unplan(s); err != nil {
			return err
		}
		s.decided, s.decidedAt = t.now, t.now
	}
	if s.Next != nil {
		return t.putPlan(*s)
	}
	return t.plan(d, s)
}
