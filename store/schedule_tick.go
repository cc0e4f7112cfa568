package store

import "time"

// plainTimes is what a schedule says before any zone: the times that match on
// a plain calendar.
type plainTimes interface {
	// following gives the first match after a plain time and not after the
	// limit. It always ends, and answers false where there is none.
	following(after, limit time.Time) (time.Time, bool)
}

// tickStream maps plain times to instants. A schedule is one stream, or one
// for each rule of a recurrence set.
type tickStream struct {
	times plainTimes
	loc   *time.Location
	// repeats: fires at every instant whose clocks match, so twice in the
	// hour that autumn repeats and never in a gap. Otherwise a match fires
	// once: at the end of the gap, at the first of two.
	repeats bool
}

// horizonYears bounds every search. The Gregorian calendar repeats, weekdays
// too, after 400 years: what has not come by then never does.
const horizonYears = 400

func (s tickStream) next(after time.Time) (time.Time, bool) {
	if s.repeats {
		return s.nextShowing(after)
	}
	from := shownBy(after, s.loc)
	plain, ok := s.times.following(from, from.AddDate(horizonYears, 0, 0))
	if !ok {
		return time.Time{}, false
	}
	t, _ := firstShowing(plain, s.loc)
	return t, true
}

// nextShowing searches span by span: within one, clocks and instants differ
// by a constant.
func (s tickStream) nextShowing(after time.Time) (time.Time, bool) {
	horizon := after.AddDate(horizonYears, 0, 0)
	span := spanAt(after, s.loc)
	from := span.show(after)
	for {
		limit := span.show(horizon)
		last := span.end.IsZero() || span.end.After(horizon)
		if !last {
			limit = span.show(span.end).Add(-1)
		}
		if plain, ok := s.times.following(from, limit); ok {
			return plain.Add(-span.offset).UTC(), true
		}
		if last {
			return time.Time{}, false
		}
		span = span.after(s.loc)
		from = span.show(span.start).Add(-1)
	}
}
