package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The kinds of a schedule.
const (
	CronSchedule     = "cron"
	IntervalSchedule = "interval"
	RRuleSchedule    = "rrule"
)

// ScheduleSpec is a schedule as a file, a flag or the wizard gives it: exactly
// one of Cron, Interval and RRule.
type ScheduleSpec struct {
	Cron       string
	DayOr      *bool         // cron only; nil and true: either day field, false: both
	Interval   time.Duration // ParseInterval reads it; 0 is none
	AnchorDate *time.Time    // interval only, an instant: ParseAnchor reads it
	RRule      string
	Timezone   string // IANA; "" is UTC, or what DTSTART's TZID names
	Slug       string // "" derives: see DeriveSlugs
	Active     *bool  // nil keeps what is
	Parameters Values
	Replaces   string // the slug that this one had before
}

// Schedule is one that was validated. Make it by ScheduleSpec.Normalise or
// LoadSchedule; the zero value never fires.
type Schedule struct {
	Kind string
	// Definition is JSON, and the same for all ways of writing the same:
	//   {"cron":"30 2 * * 1-5"}, with "day_or":false where it is
	//   {"interval":3600}, in seconds, with "anchor_date":RFC 3339 UTC where given
	//   {"rrule":"DTSTART:…\nRRULE:…"}, in local times of the zone
	Definition string
	Timezone   string // IANA, never ""
	Slug       string // "" until DeriveSlugs
	Active     *bool
	Parameters Values
	Replaces   string

	loc     *time.Location
	streams []tickStream
}

// definition is what the column of that name holds.
type definition struct {
	Cron     string      `json:"cron,omitempty"`
	DayOr    *bool       `json:"day_or,omitempty"`
	Interval json.Number `json:"interval,omitempty"`
	Anchor   *time.Time  `json:"anchor_date,omitempty"`
	RRule    string      `json:"rrule,omitempty"`
}

func (d definition) text() string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		panic(fmt.Sprintf("schedule definition: %v", err)) // its fields always encode
	}
	return strings.TrimSpace(b.String())
}

// Normalise validates a schedule. The warnings name what is allowed but
// surely not meant. now only decides whether a rule is over already, which
// warns; what never fires at all is refused.
func (s ScheduleSpec) Normalise(now time.Time) (Schedule, []string, error) {
	if err := s.check(); err != nil {
		return Schedule{}, nil, err
	}
	out := Schedule{Slug: s.Slug, Active: s.Active, Parameters: s.Parameters, Replaces: s.Replaces}
	var warnings []string
	var err error
	switch {
	case s.Cron != "":
		warnings, err = out.setCron(s.Cron, s.DayOr, s.Timezone)
	case s.RRule != "":
		err = out.setRRule(s.RRule, s.Timezone)
	default:
		err = out.setInterval(s.Interval, s.AnchorDate, s.Timezone)
	}
	if err != nil {
		return Schedule{}, nil, err
	}
	if _, more := out.Next(now); !more {
		warnings = append(warnings, fmt.Sprintf("%s: it is over, nothing of it is to come", out.Kind))
	}
	return out, warnings, nil
}

// check holds for what concerns several fields.
func (s ScheduleSpec) check() error {
	var kinds []string
	for kind, given := range map[string]bool{
		CronSchedule: s.Cron != "", IntervalSchedule: s.Interval != 0, RRuleSchedule: s.RRule != "",
	} {
		if given {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) != 1 {
		e := invalid("a schedule has exactly one of cron, interval and rrule; this one has %d of them", len(kinds))
		e.Hint = []string{`cron is like "30 6 * * 1-5", interval like 15m, rrule like FREQ=WEEKLY;BYDAY=MO`}
		return e
	}
	if s.AnchorDate != nil && s.Interval == 0 {
		return invalid("anchor_date belongs to an interval; this schedule is a %s", kinds[0])
	}
	if s.DayOr != nil && s.Cron == "" {
		return invalid("day_or belongs to a cron; this schedule is an %s", kinds[0])
	}
	for _, slug := range []string{s.Slug, s.Replaces} {
		if slug == "" {
			continue
		}
		if err := checkPlainName("schedule", slug); err != nil {
			return err
		}
	}
	return nil
}

// LoadSchedule makes a schedule of its row's columns kind, definition and
// timezone.
func LoadSchedule(kind, text, timezone string) (Schedule, error) {
	var d definition
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return Schedule{}, fmt.Errorf("read schedule definition: %w", err)
	}
	var out Schedule
	var err error
	switch kind {
	case CronSchedule:
		_, err = out.setCron(d.Cron, d.DayOr, timezone)
	case RRuleSchedule:
		err = out.setRRule(d.RRule, timezone)
	case IntervalSchedule:
		var every time.Duration
		if every, err = ParseInterval(d.Interval.String()); err == nil {
			err = out.setInterval(every, d.Anchor, timezone)
		}
	default:
		err = invalid("schedule kind %q is not one of cron, interval, rrule", kind)
	}
	if err != nil {
		return Schedule{}, err
	}
	return out, nil
}

func (s *Schedule) setZone(name string) (err error) {
	if s.loc, err = LoadZone(name); err == nil {
		s.Timezone = s.loc.String()
	}
	return err
}

func (s *Schedule) setCron(text string, dayOr *bool, zone string) (warnings []string, err error) {
	if err := s.setZone(zone); err != nil {
		return nil, err
	}
	d := definition{}
	and := dayOr != nil && !*dayOr
	if and {
		d.DayOr = dayOr
	}
	c, err := parseCron(text, and)
	if err != nil {
		return nil, err
	}
	d.Cron = c.text
	s.Kind, s.Definition = CronSchedule, d.text()
	s.streams = []tickStream{{times: c, loc: s.loc, repeats: c.repeats}}
	for _, w := range c.warn(dayOr != nil) {
		warnings = append(warnings, fmt.Sprintf("cron %q: %s", shorten(text), w))
	}
	return warnings, nil
}

func (s *Schedule) setInterval(every time.Duration, anchor *time.Time, zone string) error {
	if err := s.setZone(zone); err != nil {
		return err
	}
	i, err := newInterval(every, anchor, s.loc)
	if err != nil {
		return err
	}
	d := definition{Interval: json.Number(formatSeconds(i.every))}
	if anchor != nil {
		d.Anchor = &i.anchor
	}
	s.Kind, s.Definition = IntervalSchedule, d.text()
	s.streams = []tickStream{i.stream(s.loc)}
	return nil
}

func (s *Schedule) setRRule(text, zone string) error {
	set, err := parseRRule(text, zone)
	if err != nil {
		return err
	}
	s.loc, s.Timezone = set.loc, set.loc.String()
	s.Kind, s.Definition = RRuleSchedule, definition{RRule: set.text}.text()
	s.streams = set.streams
	return nil
}

// Next gives the first tick strictly after an instant, in UTC. ok is false
// when there is none any more. The search is bounded: it looks 400 years
// ahead, and answers in well under a second in the worst case.
func (s Schedule) Next(after time.Time) (tick time.Time, ok bool) {
	for _, stream := range s.streams {
		t, found := stream.next(after)
		if found && (!ok || t.Before(tick)) {
			tick, ok = t, true
		}
	}
	return tick, ok
}

// Previous gives the last tick strictly before an instant; false where there
// is none, or none in a hundred years.
func (s Schedule) Previous(before time.Time) (tick time.Time, ok bool) {
	low, step := before, time.Second
	for ; ; step *= 2 {
		if step > maxInterval {
			return tick, false
		}
		if tick, ok = s.Next(before.Add(-step)); ok && tick.Before(before) {
			low = tick
			break
		}
	}
	for high := before; ; {
		next, more := s.Next(low)
		if !more || !next.Before(before) {
			return low, true
		}
		low = next
		// Halving what is left saves walking through thousands.
		middle := low.Add(high.Sub(low) / 2)
		if next, more = s.Next(middle); more && next.Before(before) {
			low = next
		} else {
			high = middle
		}
	}
}
