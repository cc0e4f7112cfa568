package cli

import (
	"fmt"
	"strings"
	"time"

	"runnel/store"
)

// nextReason says what the next run of a deployment waits for, whoever made it,
// or when there will be one, or why there is none.
func (a *app) nextReason(s *store.Store, d store.Deployment) (reason, error) {
	tick, fires := nextOf(d)
	r, waits, err := s.NextRun(a.ctx, d.ID)
	switch {
	case err != nil:
		return reason{}, err
	case waits && !r.Due.After(a.Clock()):
		now, err := a.reasonOf(s, r)
		now.Why = "its run " + r.Name + " is due: " + now.Why
		return now, err
	case waits && (!fires || !r.Due.After(*tick.Next)):
		return a.timedReason(s, d, r)
	case fires:
		return reason{Why: "fires next at " + a.tickText(*tick.Next, tick.Timezone)}, nil
	}
	why, err := a.silence(s, d)
	return reason{Why: why}, err
}

// timedReason is that of a run whose time has not come: a tick, one that was made
// for later, or one that awaits its retry.
func (a *app) timedReason(s *store.Store, d store.Deployment, r store.Run) (reason, error) {
	why := "its run " + r.Name + " " + a.waitText(r, store.Wait{For: store.WaitTime})
	for _, one := range d.Schedules {
		if r.State.Name != store.NameAwaitingRetry && r.ScheduleSlug != nil && *r.ScheduleSlug == one.Slug {
			why = fmt.Sprintf("waits for its time, %s, by the schedule %s", a.tickText(r.Due, one.Timezone), one.Slug)
		}
	}
	obstacle, err := a.obstacle(s, r)
	if obstacle != "" {
		obstacle = "; as it stands it will not start then: " + obstacle
	}
	return reason{ID: r.ID, State: &r.State, Why: why + obstacle}, err
}

// obstacle is what would hold a run today if its time had come, and goes on
// holding it: a limit that is reached may be free again by then, one of 0 not.
func (a *app) obstacle(s *store.Store, r store.Run) (string, error) {
	r.Due = a.Clock()
	w, err := s.Waits(a.ctx, r)
	if err != nil || w.For == store.WaitClaim || w.Limit > 0 {
		return "", err
	}
	return a.heldText(s, r, w), nil
}

// silence is why no schedule of a deployment fires, and what it would take for
// it to run.
func (a *app) silence(s *store.Store, d store.Deployment) (string, error) {
	switch {
	case d.WorkPoolName == "":
		return poolGone(d), nil
	case paused(d):
		text := "the deployment is paused: runnel deployment resume " + store.Quote(d.FullName)
		if pool, err := s.WorkPool(a.ctx, d.WorkPoolName); err == nil {
			text += unpolledToo(pool, false)
		}
		return text, nil
	case len(d.Schedules) > 0:
		return a.quiet(d), nil
	}
	obstacle, err := a.obstacle(s, store.Run{DeploymentID: &d.ID, WorkPoolName: d.WorkPoolName, WorkQueueName: d.WorkQueueName})
	if obstacle != "" {
		return "it has no schedule, and a run of it would not start: " + obstacle, err
	}
	return "nothing is wrong: it has no schedule, and runs when it is told to: runnel run " + store.Quote(d.FullName), err
}

func poolGone(d store.Deployment) string {
	return "its work pool was deleted: runnel deployment update " + store.Quote(d.FullName) + " --pool NAME"
}

// quiet is why none of the schedules fires, with what makes each do so.
func (a *app) quiet(d store.Deployment) string {
	var parts []string
	for _, one := range d.Schedules {
		part := fmt.Sprintf("%s is %s", one.Slug, a.nextText(one, ""))
		if one.OperatorPaused || !one.Active {
			part += fmt.Sprintf(": runnel deployment schedule resume %s %s", store.Quote(d.FullName), store.Quote(one.Slug))
		}
		parts = append(parts, part)
	}
	return "no schedule of it fires: " + strings.Join(parts, "; ")
}

// lateText says how late a run started, or is, and which absence of workers
// explains it; "" where it was in time.
func (a *app) lateText(s *store.Store, r store.Run) (string, error) {
	l, err := s.Lateness(a.ctx, r)
	if err != nil || l.By < store.LateAfter {
		return "", err
	}
	text := duration(l.By) + " late"
	if r.StartTime != nil {
		text = "it started " + text
	}
	switch l.Reason {
	case store.AbsentAsleep:
		text += ": this machine slept " + timesText(l.From, l.To)
	case store.AbsentOff:
		text += ": no worker ran " + timesText(l.From, l.To)
	}
	return text, nil
}

// timesText is a stretch of time: "23:04 to 07:40", with days where it is
// longer than one.
func timesText(from, to time.Time) string {
	layout := "15:04"
	switch {
	case to.Sub(from) >= 24*time.Hour:
		layout = "2006-01-02 15:04"
	case to.Sub(from) < 10*time.Minute:
		layout = time.TimeOnly
	}
	return from.Local().Format(layout) + " to " + to.Local().Format(layout)
}
