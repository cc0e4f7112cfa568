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
	plain, ok := s.times.following(from, horizon(from))
	if !ok {
		return time.Time{}, false
	}
	t, _ := firstShowing(plain, s.loc)
	return t, true
}

// nextShowing finds the next match on the calendar, and walks the spans of the
// zone to the instant that shows it. On the way it looks into the hours that
// clocks show again, and past matches that a gap swallows.
func (s tickStream) nextShowing(after time.Time) (time.Time, bool) {
	horizon := horizon(after)
	span := spanAt(after, s.loc)
	plain, ok := s.times.following(span.show(after), horizon)
	for ok && !span.end.IsZero() && !plain.Before(span.show(span.end)) {
		shown := span.show(span.end)
		span = span.after(s.loc)
		begin := span.show(span.start).Add(-1)
		switch again, repeated := s.times.following(begin, shown.Add(-1)); {
		case repeated:
			plain = again
		case !plain.After(begin):
			plain, ok = s.times.following(begin, horizon)
		}
	}
	return plain.Add(-span.offset).UTC(), ok
}

// horizon is how far a search goes. Rules may start later than the time after
// which they are asked.
func horizon(after time.Time) time.Time {
	if after.Before(defaultAnchor) {
		after = defaultAnchor
	}
	return after.AddDate(horizonYears, 0, 0)
}
