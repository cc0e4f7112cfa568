package store

import (
	"testing"
	"time"
)

func TestParseInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3600": time.Hour, "3600.0": time.Hour, "604800.0": 7 * 24 * time.Hour, "1.5": 1500 * time.Millisecond, " 15 ": 15 * time.Second,
		"PT10M": 10 * time.Minute, "P1D": 24 * time.Hour, "P1DT2H": 26 * time.Hour, "p2w": 14 * 24 * time.Hour, "PT0.5H": 30 * time.Minute,
		"01:30:00": 90 * time.Minute, "0:00:30": 30 * time.Second, "36:00:00": 36 * time.Hour, "00:00:01.5": 1500 * time.Millisecond,
		"90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "1d12h": 36 * time.Hour, "2W": 14 * 24 * time.Hour, "45s": 45 * time.Second,
	} {
		if got, err := ParseInterval(text); err != nil || got != want {
			t.Errorf("%q: got %s %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":        `interval "" is not a duration`,
		"soon":    `interval "soon" is not a duration`,
		"1.2.3h":  `interval "1.2.3h" is not a duration`,
		"P1M":     `interval "P1M" is not a duration`,
		"P1Y":     `interval "P1Y" is not a duration`,
		"01:60:0": `interval "01:60:0" is not a duration`,
		"0":       `interval "0" is not in one second to 100 years`,
		"-60":     `interval "-60" is not in one second to 100 years`,
		"0.2":     `interval "0.2" is not in one second to 100 years`,
		"PT":      `interval "PT" is not in one second to 100 years`,
		"NaN":     `interval "NaN" is not in one second to 100 years`,
		"1e300":   `interval "1e300" is not in one second to 100 years`,
	} {
		if _, err := ParseInterval(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestParseAnchor(t *testing.T) {
	for _, c := range []struct{ text, zone, want string }{
		{"2026-01-31", "", "2026-01-31T00:00:00Z"},
		{"2026-07-01", "Europe/Berlin", "2026-06-30T22:00:00Z"},
		{"2026-01-31T09:00", "Europe/Berlin", "2026-01-31T08:00:00Z"},
		{"2026-01-31 09:00:00", "Asia/Tokyo", "2026-01-31T00:00:00Z"},
		{"2026-01-31T09:00:00Z", "Europe/Berlin", "2026-01-31T09:00:00Z"},
		{"2026-01-31t09:00:00z", "Europe/Berlin", "2026-01-31T09:00:00Z"},
		{"2026-01-31T09:00:00.5+02:00", "", "2026-01-31T07:00:00.5Z"},
		{"2026-01-31 09:00:00 +02:00", "", "2026-01-31T07:00:00Z"},
		{"2026-01-31T09:00:00+0200", "", "2026-01-31T07:00:00Z"},
		// Skipped by the clocks: the end of the gap. Shown twice: the first.
		{"2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00:00Z"},
		{"2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"},
	} {
		got, err := ParseAnchor(c.text, c.zone)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != c.want {
			t.Errorf("%q in %q: got %s %v, want %s", c.text, c.zone, got.UTC().Format(time.RFC3339Nano), err, c.want)
		}
	}
	for _, text := range []string{"", "tomorrow", "2026-13-01", "31.12.2026", "2026-01-31T25:00"} {
		if _, err := ParseAnchor(text, ""); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// Ticks of an interval are anchor + n × interval, in instants under 24 hours
// and by the clocks from there on; before the anchor as well as after it.
func TestIntervalDefinition(t *testing.T) {
	r := seeded(t)
	for range 300 {
		zone := zoneNames[r.IntN(len(zoneNames))]
		loc, err := LoadZone(zone)
		must(t, err)
		every := time.Duration(1+r.IntN(100*3600)) * time.Second
		anchor := time.Date(2000+r.IntN(40), 1, 1+r.IntN(365), r.IntN(24), r.IntN(60), 0, 0, time.UTC)
		s := scheduleOf(t, ScheduleSpec{Interval: every, AnchorDate: &anchor, Timezone: zone})
		after := time.Date(2000+r.IntN(40), 1, 1+r.IntN(365), r.IntN(24), 0, 0, 0, time.UTC)
		for range 20 {
			tick, ok := s.Next(after)
			since, between := tick.Sub(anchor), tick.Sub(after)
			if every >= 24*time.Hour {
				since = clock(tick, loc).Sub(clock(anchor, loc))
				between -= 25 * time.Hour // the date line
			}
			// At the end of a gap the clocks are past what was meant.
			_, before := tick.Add(-1).In(loc).Zone()
			_, now := tick.In(loc).Zone()
			if !ok || since%every != 0 && now <= before || !tick.After(after) || between > every {
				t.Fatalf("every %s from %s in %s after %s: got %s", every, anchor, zone, after, tick)
			}
			after = tick
		}
	}
}

// clock writes what clocks show as if it were UTC.
func clock(t time.Time, loc *time.Location) time.Time {
	local := t.In(loc)
	year, month, day := local.Date()
	return time.Date(year, month, day, local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
}

// Spans follow each other without end and without a gap; Go's own bounds
// stand still on the last day of a leap year to come.
func TestSpansMoveOn(t *testing.T) {
	for _, zone := range Zones() {
		loc, err := LoadZone(zone)
		must(t, err)
		span := spanAt(time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC), loc)
		for n := 0; !span.end.IsZero() && span.end.Year() < 2050; n++ {
			next := span.after(loc)
			if n > 200 || !next.start.Equal(span.end) || !next.end.IsZero() && !next.end.After(span.end) {
				t.Fatalf("%s: after %s comes %s", zone, span.end, next.end)
			}
			span = next
		}
		s := scheduleOf(t, ScheduleSpec{Cron: "0 * 15 * *", Timezone: zone})
		checkNext(t, s, time.Date(2040, 12, 20, 0, 0, 0, 0, time.UTC))
	}
}
