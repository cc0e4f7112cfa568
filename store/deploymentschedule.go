package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DeploymentSchedule is a schedule of a deployment as it stands. The JSON
// names are those of Prefect's REST API where it has them.
type DeploymentSchedule struct {
	ID           ID     `json:"id"`
	DeploymentID ID     `json:"deployment_id"`
	Slug         string `json:"slug"`
	Kind         string `json:"kind"`
	// Definition is Schedule's, with "timezone" in it.
	Definition  json.RawMessage `json:"schedule"`
	Timezone    string          `json:"timezone"`
	Description string          `json:"description"`
	// Active is what the flags or the file say, OperatorPaused what a person
	// said afterwards: both must allow.
	Active         bool   `json:"active"`
	OperatorPaused bool   `json:"operator_paused"`
	Parameters     Values `json:"parameters"` // over the deployment's
	// Next is the tick whose run waits; null where it is paused or over.
	Next    *time.Time `json:"next"`
	Created time.Time  `json:"created"`
	Updated time.Time  `json:"updated"`

	when      Schedule
	decided   int64 // nothing up to here is made again
	decidedAt int64 // what the clock said then
	since     int64 // what was decided when the definition began to hold
	over      int64 // ticks up to here shall not run any more; not stored
}

// decide makes an instant the newest decided one; it only moves forward.
func (s *DeploymentSchedule) decide(at, now int64) {
	if at > s.decided {
		s.decided, s.decidedAt = at, now
	}
}

// Schedule is what the definition means.
func (s DeploymentSchedule) Schedule() Schedule { return s.when }

const selectSchedule = `
	SELECT s.id,
	       s.deployment_id,
	       s.slug,
	       s.kind,
	       s.definition,
	       s.timezone,
	       s.active,
	       s.operator_paused,
	       s.parameters,
	       s.decided,
	       s.decided_at,
	       s.since,
	       s.next,
	       s.created,
	       s.updated
	  FROM schedule s`

func scanSchedule(r row) (s DeploymentSchedule, err error) {
	var next sql.NullInt64
	var definition string
	var parameters text
	var created, updated int64
	err = r.Scan(&s.ID, &s.DeploymentID, &s.Slug, &s.Kind, &definition, &s.Timezone, &s.Active, &s.OperatorPaused,
		&parameters, &s.decided, &s.decidedAt, &s.since, &next, &created, &updated)
	if err != nil {
		return s, err
	}
	s.Next, s.Created, s.Updated = instantOrNil(next), instant(created), instant(updated)
	if err := json.Unmarshal(parameters, &s.Parameters); err != nil {
		return s, err
	}
	when, err := LoadSchedule(s.Kind, definition, s.Timezone)
	if err != nil {
		return s, fmt.Errorf("read schedule %q: %w", s.Slug, err)
	}
	s.means(when)
	return s, nil
}

// means sets what a schedule says, and all that follows from it.
func (s *DeploymentSchedule) means(when Schedule) {
	when.Slug = s.Slug
	s.when, s.Kind, s.Timezone, s.Description = when, when.Kind, when.Timezone, when.Describe()
	zone := `,"timezone":"` + when.Timezone + `"}` // its letters need no escape
	s.Definition = json.RawMessage(strings.TrimSuffix(when.Definition, "}") + zone)
}

func schedulesOf(ctx context.Context, q querier, deployment ID) ([]DeploymentSchedule, error) {
	return collect(ctx, q, scanSchedule, selectSchedule+" WHERE s.deployment_id = ? ORDER BY s.slug", deployment)
}

// withSchedules reads a deployment's schedules into it.
func withSchedules(ctx context.Context, q querier, d *Deployment) (err error) {
	d.Schedules, err = schedulesOf(ctx, q, d.ID)
	return err
}

// addSchedules reads the schedules of many deployments at once.
func addSchedules(ctx context.Context, q querier, list []Deployment) error {
	all, err := collect(ctx, q, scanSchedule, selectSchedule+" ORDER BY s.deployment_id, s.slug")
	if err != nil {
		return err
	}
	shareSchedules(list, all)
	return nil
}

// shareSchedules gives each deployment its own of all schedules.
func shareSchedules(list []Deployment, all []DeploymentSchedule) {
	by := map[ID][]DeploymentSchedule{}
	for _, s := range all {
		by[s.DeploymentID] = append(by[s.DeploymentID], s)
	}
	for i := range list {
		list[i].Schedules = append([]DeploymentSchedule{}, by[list[i].ID]...)
	}
}

// scheduleLines is how a plan shows the schedules of a deployment.
func scheduleLines(list []DeploymentSchedule) []string {
	lines := []string{}
	for _, s := range list {
		line := s.Slug + ": " + s.Description
		if s.Kind == RRuleSchedule { // its description may be short of something
			line = s.Slug + ": rrule " + s.when.definition().RRule + " (" + s.Timezone + ")"
		}
		if !s.Active {
			line += ", inactive"
		}
		if len(s.Parameters) > 0 {
			line += ", with " + s.Parameters.text()
		}
		lines = append(lines, line)
	}
	return lines
}

// wantedSchedules lays the wish's schedules over those that are there. A
// schedule keeps its identity by the slug; without one by its definition; and
// the only one before is the only one after.
//
// slugs are those of the wish's schedules, in its order.
func (t *tx) wantedSchedules(d *Deployment, w Wish) (slugs, warnings []string, err error) {
	if w.Schedules == nil {
		return nil, nil, nil
	}
	specs, warnings, err := t.normalise(*w.Schedules)
	if err != nil {
		return nil, nil, err
	}
	if err := nameSchedules(specs, d.Schedules); err != nil {
		return nil, nil, err
	}
	next := []DeploymentSchedule{}
	for _, spec := range specs {
		s, found := scheduleBySlug(d.Schedules, spec.Slug)
		if !found {
			s, found = scheduleBySlug(d.Schedules, spec.Replaces)
		}
		if !found {
			s = newSchedule(*d, t.now)
		}
		s.Slug = spec.Slug
		s.means(spec)
		set(&s.Active, spec.Active)
		if spec.Parameters != nil {
			s.Parameters = spec.Parameters
		}
		warnings = append(warnings, s.twins(next)...)
		next, slugs = append(next, s), append(slugs, s.Slug)
	}
	slices.SortFunc(next, func(a, b DeploymentSchedule) int { return strings.Compare(a.Slug, b.Slug) })
	d.Schedules = next
	return slugs, warnings, nil
}

// twins warns of a schedule that another one of its deployment says, too.
func (s DeploymentSchedule) twins(others []DeploymentSchedule) []string {
	for _, o := range others {
		same := o.Kind == s.Kind && o.when.Definition == s.when.Definition && o.Timezone == s.Timezone
		if same && o.Active && s.Active && o.Parameters.text() == s.Parameters.text() {
			return []string{fmt.Sprintf("schedules %s and %s are the same: each tick makes two runs", o.Slug, s.Slug)}
		}
	}
	return nil
}

// normalise validates the wished schedules, and says of which one an error is.
func (t *tx) normalise(specs []ScheduleSpec) (list []Schedule, warnings []string, err error) {
	for i, spec := range specs {
		s, warned, err := spec.Normalise(instant(t.now))
		if err != nil {
			name := fmt.Sprintf("schedule %d", i+1)
			if spec.Slug != "" {
				name = fmt.Sprintf("schedule %q", spec.Slug)
			}
			if len(specs) == 1 && spec.Slug == "" {
				name = "schedule"
			}
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		list, warnings = append(list, s), append(warnings, warned...)
	}
	return list, warnings, nil
}

// nameSchedules gives each schedule its slug.
func nameSchedules(specs []Schedule, old []DeploymentSchedule) error {
	taken := map[string]bool{}
	for _, s := range specs {
		taken[s.Slug], taken[s.Replaces] = true, true
	}
	free := func(s DeploymentSchedule) bool { return !taken[s.Slug] }
	if len(specs) == 1 && len(old) == 1 && specs[0].Slug == "" && free(old[0]) {
		specs[0].Slug = old[0].Slug
	}
	for i := range specs {
		spec := &specs[i]
		for _, s := range old {
			same := s.when.Kind == spec.Kind && s.when.Definition == spec.Definition && s.Timezone == spec.Timezone
			if spec.Slug == "" && same && free(s) {
				spec.Slug = s.Slug
				taken[s.Slug] = true
			}
		}
	}
	return DeriveSlugs(specs)
}

func scheduleBySlug(list []DeploymentSchedule, slug string) (DeploymentSchedule, bool) {
	for _, s := range list {
		if s.Slug == slug && slug != "" {
			return s, true
		}
	}
	return DeploymentSchedule{}, false
}
