package store

import (
	"strings"
	"sync"
	"time"
	// Every zone comes with the binary: machines and containers often have none.
	_ "time/tzdata"
)

// What a schedule says is a plain time: a date and a time of day as clocks
// show it, written as a time.Time in UTC. This file maps plain times to
// instants and is the only place that knows daylight saving.

// widest is more than any two clocks on earth differ (-12 to +14 hours today,
// 31 hours between local mean times before the zones, 24 at the date line).
const widest = 36 * time.Hour

// zones keeps what LoadLocation read: it opens a file at every call. Rules
// that the system learns later are seen after a restart.
var zones sync.Map

// LoadZone gives an IANA time zone by its name; "" is UTC. The machine's own
// ("Local") is refused: a schedule must mean the same on every machine.
func LoadZone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	for _, zone := range zoneNames {
		if zone != name && strings.EqualFold(zone, name) {
			return nil, unknownZone(name)
		}
	}
	// "right/…" counts leap seconds, "posix/…" is a second name for all.
	if name == "Local" || strings.HasPrefix(name, "right/") || strings.HasPrefix(name, "posix") {
		return nil, unknownZone(name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknownZone(name)
	}
	zones.Store(name, loc)
	return loc, nil
}

func unknownZone(name string) error {
	e := invalid("timezone %q is not an IANA zone", shorten(name))
	near := ""
	if len(name) <= maxName { // the distance takes time by length
		near = Nearest(name, zoneNames)
	}
	// "Berlin", "New York": most think of the city.
	city := "/" + strings.ReplaceAll(strings.ToLower(name), " ", "_")
	for _, zone := range zoneNames {
		if strings.HasSuffix(strings.ToLower(zone), city) {
			near = zone
		}
	}
	if near != "" {
		e.Hint = append(e.Hint, "did you mean \""+near+"\"?")
	} else {
		e.Hint = append(e.Hint, "an IANA zone is UTC, Europe/Berlin, America/New_York and the like")
	}
	return e
}

// zoneSpan is a stretch of instants during which a zone keeps one offset:
// from start (zero: since ever) to before end (zero: for good).
type zoneSpan struct {
	start, end time.Time
	offset     time.Duration
}

func spanAt(t time.Time, loc *time.Location) zoneSpan {
	local := t.In(loc)
	start, end := local.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		// Go's rule for years to come ends the span before the turn of the
		// year after 365 days, so on the last day of a leap year end is past.
		end = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	_, seconds := local.Zone()
	return zoneSpan{start: start, end: end, offset: time.Duration(seconds) * time.Second}
}

func (s zoneSpan) before(loc *time.Location) zoneSpan {
	before := spanAt(s.start.Add(-1), loc)
	before.end = s.start
	return before
}

// after starts where the span ends. Go's own start may lie before: see spanAt.
func (s zoneSpan) after(loc *time.Location) zoneSpan {
	after := spanAt(s.end, loc)
	after.start = s.end
	return after
}

// show gives the plain time that clocks show at an instant of the span.
func (s zoneSpan) show(t time.Time) time.Time { return t.UTC().Add(s.offset) }

// plainOf gives what clocks show at an instant.
func plainOf(t time.Time, loc *time.Location) time.Time { return spanAt(t, loc).show(t) }

// firstShowing gives the instant at which clocks first show a plain time. For
// one that spring swallows it is the end of the gap, and exists is false.
func firstShowing(plain time.Time, loc *time.Location) (t time.Time, exists bool) {
	span := spanAt(plain.Add(-widest), loc)
	for {
		t = plain.Add(-span.offset)
		if !span.start.IsZero() && t.Before(span.start) {
			return span.start.UTC(), false
		}
		if span.end.IsZero() || t.Before(span.end) {
			return t.UTC(), true
		}
		span = span.after(loc)
	}
}

// shownBy gives the greatest plain time that clocks have shown up to and
// including an instant. It is ahead of what they show now in the hour that
// autumn repeats, so that nothing of that hour is taken twice.
func shownBy(t time.Time, loc *time.Location) time.Time {
	span := spanAt(t, loc)
	top := span.show(t)
	for !span.start.IsZero() && t.Sub(span.start) < widest {
		end := span.start
		span = span.before(loc)
		if last := span.show(end).Add(-1); last.After(top) {
			top = last
		}
	}
	return top
}

// twice gives both instants of a plain time that clocks show two times.
func twice(plain time.Time, loc *time.Location) (first, second time.Time, ok bool) {
	first, exists := firstShowing(plain, loc)
	if !exists {
		return first, second, false
	}
	for span := spanAt(first, loc); !span.end.IsZero() && span.end.Sub(first) < widest; {
		span = span.after(loc)
		second = plain.Add(-span.offset).UTC()
		if !second.Before(span.start) && (span.end.IsZero() || second.Before(span.end)) {
			return first, second, true
		}
	}
	return first, second, false
}
