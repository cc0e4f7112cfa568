package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Recurrence sets are RFC 5545's: lines or words DTSTART, RRULE (several are
// united), RDATE, EXDATE; a lone RRULE needs no "RRULE:". What the RFC leaves
// open or other tools disagree on:
//   - without DTSTART it is 2020-01-01T00:00 in the schedule's zone, as the
//     anchor of an interval is; COUNT then is refused, since it counts from there
//   - a DTSTART that its own rule does not match is no tick
//   - UNTIL and EXDATE that are dates mean the whole day, which is still
//     included, or is excluded
//   - BYMONTHDAY, BYYEARDAY and BYWEEKNO filter with every FREQ (as dateutil
//     does; the RFC allows fewer), and BYWEEKNO alone gives all days of the week

const (
	maxRRule = 6500   // bytes; Prefect's bound
	maxRules = 20     // each is searched for itself
	maxCount = 10_000 // COUNT is walked from DTSTART each time that it is read
)

// recurrenceSet is a parsed rrule. All its times are plain ones in loc.
type recurrenceSet struct {
	text    string // canonical
	loc     *time.Location
	streams []tickStream
}

// parseRRule reads a set for a zone. zone "" takes DTSTART's TZID, else UTC.
func parseRRule(text, zone string) (*recurrenceSet, error) {
	if len(text) > maxRRule {
		return nil, rruleError("%d characters, at most %d are read", len(text), maxRRule)
	}
	// Flags often carry the two characters \n for a line break.
	lines := strings.Fields(strings.ReplaceAll(text, `\n`, "\n"))
	p := rruleParser{}
	for i, line := range lines {
		if !strings.Contains(line, ":") {
			lines[i] = "RRULE:" + line
		}
	}
	if err := p.start(lines, zone); err != nil {
		return nil, err
	}
	for _, line := range lines {
		if err := p.line(line); err != nil {
			return nil, err
		}
	}
	return p.set()
}

func rruleError(format string, args ...any) *Error {
	e := invalid("rrule: %s", fmt.Sprintf(format, args...))
	e.Hint = []string{"a rule is like DTSTART:20260101T090000 RRULE:FREQ=WEEKLY;BYDAY=MO,TH"}
	return e
}

type rruleParser struct {
	loc             *time.Location
	dtstart         time.Time
	given           bool // DTSTART was
	rules           []*recurrence
	added, excluded dateList
}

// start reads DTSTART, wherever it stands, since all else depends on it.
func (p *rruleParser) start(lines []string, zone string) (err error) {
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(strings.ToUpper(line), "DTSTART") })
	tzid := ""
	if at >= 0 {
		tzid, _ = rruleZone(lines[at])
	}
	if zone != "" && tzid != "" && zone != tzid {
		e := rruleError("DTSTART has TZID=%s, the schedule's timezone is %s", tzid, zone)
		e.Hint = []string{"give one of them, or both the same"}
		return e
	}
	if zone == "" {
		zone = tzid
	}
	if p.loc, err = LoadZone(zone); err != nil {
		return err
	}
	p.dtstart = defaultAnchor
	if at < 0 {
		return nil
	}
	dates, err := p.dates(lines[at])
	if err != nil {
		return err
	}
	if len(dates.times)+len(dates.days) != 1 {
		return rruleError("DTSTART is one date")
	}
	p.dtstart, p.given = append(dates.times, dates.days...)[0], true
	return nil
}

func (p *rruleParser) line(line string) error {
	name, value, _ := strings.Cut(line, ":")
	name, _, _ = strings.Cut(strings.ToUpper(name), ";")
	switch name {
	case "DTSTART":
		if first, err := p.dates(line); err != nil || !slices.EqualFunc(append(first.times, first.days...), []time.Time{p.dtstart}, time.Time.Equal) {
			return rruleError("there are two DTSTART")
		}
		return nil
	case "RRULE":
		rule, err := p.rule(value)
		p.rules = append(p.rules, rule)
		return err
	case "RDATE", "EXDATE":
		dates, err := p.dates(line)
		into := &p.added
		if name == "EXDATE" {
			into = &p.excluded
		}
		into.times = append(into.times, dates.times...)
		into.days = append(into.days, dates.days...)
		return err
	case "EXRULE":
		e := rruleError("EXRULE was removed from the standard")
		e.Hint = []string{"list what is excluded: EXDATE:20261224T090000,20261231T090000"}
		return e
	}
	return rruleError("%q is not one of DTSTART, RRULE, RDATE, EXDATE", shorten(name))
}

// dateList are plain times, and dates without a time of day (as their midnight).
type dateList struct{ times, days []time.Time }

// rruleZone gives the TZID of a line's parameters.
func rruleZone(line string) (tzid string, err error) {
	head, _, _ := strings.Cut(line, ":")
	for _, parameter := range strings.Split(head, ";")[1:] {
		name, value, _ := strings.Cut(parameter, "=")
		switch name, upper := strings.ToUpper(name), strings.ToUpper(value); {
		case name == "TZID":
			tzid = strings.Trim(value, `"`)
		case name == "VALUE" && (upper == "DATE" || upper == "DATE-TIME"):
		case strings.HasPrefix(name, "X-"):
		default:
			return "", rruleError("%s is not read: TZID and VALUE=DATE or DATE-TIME are", shorten(parameter))
		}
	}
	return tzid, nil
}

// dates reads the dates of a line: 20260329, 20260329T023000 (in the line's
// TZID, else in the schedule's zone) or 20260329T013000Z.
func (p *rruleParser) dates(line string) (list dateList, err error) {
	tzid, err := rruleZone(line)
	if err != nil {
		return list, err
	}
	loc := p.loc
	if tzid != "" {
		if loc, err = LoadZone(tzid); err != nil {
			return list, err
		}
	}
	_, values, _ := strings.Cut(line, ":")
	for value := range strings.SplitSeq(values, ",") {
		t, isDay, err := p.date(value, loc)
		if err != nil {
			return list, err
		}
		if isDay {
			list.days = append(list.days, t)
		} else {
			list.times = append(list.times, t)
		}
	}
	return list, nil
}

const (
	rruleDay  = "20060102"
	rruleTime = "20060102T150405"
)

func (p *rruleParser) date(value string, loc *time.Location) (plain time.Time, isDay bool, err error) {
	value = strings.ToUpper(value)
	if t, err := time.Parse(rruleDay, value); err == nil && t.Year() >= 1 {
		return t, true, nil
	}
	text, utc := strings.CutSuffix(value, "Z")
	t, err := time.Parse(rruleTime, text)
	if err != nil || t.Year() < 1 {
		return t, false, rruleError("%q is not a date: 20261231, 20261231T090000 or 20261231T080000Z", shorten(value))
	}
	switch {
	case utc:
		t = plainOf(t, p.loc)
	case loc.String() != p.loc.String():
		instant, _ := firstShowing(t, loc)
		t = plainOf(instant, p.loc)
	}
	return t, false, nil
}

// set puts the rules together: a stream each, and one for the added dates.
func (p *rruleParser) set() (*recurrenceSet, error) {
	dates := append(slices.Clone(p.added.times), p.added.days...)
	if len(p.rules)+len(dates) == 0 {
		return nil, rruleError("there is no RRULE and no RDATE")
	}
	if len(p.rules) > maxRules {
		return nil, rruleError("%d RRULE, at most %d are read", len(p.rules), maxRules)
	}
	out := &recurrenceSet{loc: p.loc}
	without := excluded{times: unixSet(p.excluded.times), days: unixSet(p.excluded.days)}
	var lines []string
	if p.given {
		lines = append(lines, "DTSTART:"+p.dtstart.Format(rruleTime))
	}
	for _, rule := range p.rules {
		lines = append(lines, "RRULE:"+rule.text)
		without.plainTimes = rule
		out.add(without, p.dtstart, rule.repeats)
	}
	if len(dates) > 0 {
		slices.SortFunc(dates, time.Time.Compare)
		lines = append(lines, "RDATE:"+formatDates(dates, rruleTime))
		without.plainTimes = plainList(dates)
		out.add(without, p.dtstart, false)
	}
	if len(p.excluded.times) > 0 {
		lines = append(lines, "EXDATE:"+formatDates(p.excluded.times, rruleTime))
	}
	if len(p.excluded.days) > 0 {
		lines = append(lines, "EXDATE;VALUE=DATE:"+formatDates(p.excluded.days, rruleDay))
	}
	out.text = strings.Join(lines, "\n")
	if len(out.streams) == 0 {
		return nil, rruleError("never fires: no date fits all of it in %d years", horizonYears)
	}
	return out, nil
}

// add leaves out what never fires, so that Next need not search for it.
func (s *recurrenceSet) add(times plainTimes, dtstart time.Time, repeats bool) {
	if _, ok := times.following(time.Time{}, dtstart.AddDate(horizonYears, 0, 0)); ok {
		s.streams = append(s.streams, tickStream{times: times, loc: s.loc, repeats: repeats})
	}
}

func formatDates(dates []time.Time, layout string) string {
	texts := make([]string, len(dates))
	for i, t := range dates {
		texts[i] = t.Format(layout)
	}
	return strings.Join(texts, ",")
}

// plainList are dates, sorted.
type plainList []time.Time

func (l plainList) following(after, limit time.Time) (time.Time, bool) {
	for _, t := range l {
		if t.After(after) {
			return t, !t.After(limit)
		}
	}
	return time.Time{}, false
}

// excluded leaves out times and whole days. There are few: maxRRule bounds them.
type excluded struct {
	plainTimes
	times, days map[int64]bool // by Unix seconds
}

func unixSet(dates []time.Time) map[int64]bool {
	set := make(map[int64]bool, len(dates))
	for _, t := range dates {
		set[t.Unix()] = true
	}
	return set
}

func (e excluded) following(after, limit time.Time) (time.Time, bool) {
	for {
		t, ok := e.plainTimes.following(after, limit)
		day := t.Truncate(24 * time.Hour)
		switch {
		case !ok:
			return t, false
		case e.days[day.Unix()]:
			after = day.Add(24*time.Hour - 1)
		case e.times[t.Unix()]:
			after = t
		default:
			return t, true
		}
	}
}

// intList reads "1,-2,3" within bounds; with signed also from -high to -low.
func intList(name, value string, low, high int, signed bool) (list []int, err error) {
	for text := range strings.SplitSeq(value, ",") {
		v, err := strconv.Atoi(text)
		size := v
		if signed && v < 0 {
			size = -v
		}
		if err != nil || size < low || size > high {
			allowed := fmt.Sprintf("%d-%d", low, high)
			if signed {
				allowed += fmt.Sprintf(" or -%d to -%d", high, low)
			}
			return nil, rruleError("%s %s is not in %s", name, shorten(text), allowed)
		}
		list = append(list, v)
	}
	return list, nil
}
