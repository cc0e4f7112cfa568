package store

import (
	"fmt"
	"strings"
	"time"
)

// Tick is one coming run of a schedule.
type Tick struct {
	At    time.Time // UTC
	Local time.Time // the same instant in the schedule's zone
	// Note says what daylight saving does to this tick: that it is moved,
	// merged from several, or one of two; or, on the tick after a gap, what
	// the gap dropped. Mostly "".
	Note string
}

// Upcoming gives the next n ticks after an instant; fewer when it ends.
func (s Schedule) Upcoming(after time.Time, n int) []Tick {
	var ticks []Tick
	for range n {
		at, ok := s.Next(after)
		if !ok {
			break
		}
		ticks = append(ticks, Tick{At: at, Local: at.In(s.loc), Note: s.note(after, at)})
		after = at
	}
	return ticks
}

// note explains a tick that follows another, or the start of the list.
func (s Schedule) note(before, at time.Time) string {
	for _, stream := range s.streams {
		t, ok := stream.next(at.Add(-1))
		if !ok || !t.Equal(at) {
			continue
		}
		if every, ok := stream.times.(interval); ok && every.every < keepsLocalTime {
			return noteShift(every.every, before, at, s.loc)
		}
		if stream.repeats {
			return stream.noteRepeats(before, at)
		}
		return stream.noteOnce(at)
	}
	return ""
}

// noteOnce is for ticks that fire once for each local time.
func (s tickStream) noteOnce(at time.Time) string {
	span := spanAt(at, s.loc)
	own := span.show(at)
	if _, _, two := twice(own, s.loc); two {
		return fmt.Sprintf("%s comes twice this day; the first one runs", clockTime(own))
	}
	if !span.start.Equal(at) {
		return ""
	}
	gone := s.inGap(span)
	switch {
	case len(gone) == 0:
		return ""
	case len(gone) == 1 && !s.matches(own):
		return fmt.Sprintf("moved from %s, which the clocks skip", gapTime(gone[0], own))
	case !s.matches(own):
		return fmt.Sprintf("%s are skipped by the clocks and run once, here", listTimes(gone, own))
	}
	return fmt.Sprintf("one run with %s, which the clocks skip", listTimes(gone, own))
}

// noteRepeats is for ticks that fire whenever the clocks match.
func (s tickStream) noteRepeats(before, at time.Time) string {
	span := spanAt(at, s.loc)
	own := span.show(at)
	if note := noteTwice(at, own, s.loc); note != "" {
		return note
	}
	// A gap between the tick before and this one, if it dropped something. A
	// list that starts long before its first tick is not searched.
	for !span.start.IsZero() && span.start.After(before) && at.Sub(span.start) < widest {
		if gone := s.inGap(span); len(gone) > 0 {
			return fmt.Sprintf("before it the clocks skip %s", listTimes(gone, own))
		}
		span = span.before(s.loc)
	}
	return ""
}

func noteTwice(at, own time.Time, loc *time.Location) string {
	first, _, two := twice(own, loc)
	switch {
	case !two:
		return ""
	case at.Equal(first):
		return clockTime(own) + " comes twice this day; this is the first"
	}
	return clockTime(own) + " comes twice this day; this is the second"
}

// noteShift is for intervals that follow UTC: a change of the clocks that is
// not a multiple of them moves their local times.
func noteShift(every time.Duration, before, at time.Time, loc *time.Location) string {
	from, to := spanAt(before, loc), spanAt(at, loc)
	moved := to.offset - from.offset
	if moved%every == 0 {
		return noteTwice(at, to.show(at), loc)
	}
	return fmt.Sprintf("the clocks changed: %s until now, from here %s",
		clockTime(from.show(at)), clockTime(to.show(at)))
}

// inGap lists what the gap before a span swallowed. By the second a gap of an
// hour holds 3,600.
func (s tickStream) inGap(span zoneSpan) (gone []time.Time) {
	if span.start.IsZero() {
		return nil
	}
	from, to := span.before(s.loc).show(span.start), span.show(span.start)
	for at := from.Add(-1); ; {
		t, ok := s.times.following(at, to.Add(-1))
		if !ok {
			return gone
		}
		gone, at = append(gone, t), t
	}
}

func (s tickStream) matches(plain time.Time) bool {
	t, ok := s.times.following(plain.Add(-1), plain)
	return ok && t.Equal(plain)
}

func clockTime(plain time.Time) string {
	if plain.Second() != 0 {
		return plain.Format(time.TimeOnly)
	}
	return plain.Format("15:04")
}

// gapTime names the day too where the clocks skipped one, as at the date line.
func gapTime(t, own time.Time) string {
	if t.YearDay() != own.YearDay() {
		return t.Format("2006-01-02 ") + clockTime(t)
	}
	return clockTime(t)
}

// listTimes writes up to three times, or the first, the last and how many.
func listTimes(times []time.Time, own time.Time) string {
	if len(times) > 3 {
		return fmt.Sprintf("%d times from %s to %s", len(times), gapTime(times[0], own), gapTime(times[len(times)-1], own))
	}
	var out []string
	for _, t := range times {
		out = append(out, gapTime(t, own))
	}
	return strings.Join(out, " and ")
}
