package store

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	minInterval = time.Second            // the scheduler looks once a second
	maxInterval = 36525 * 24 * time.Hour // a hundred years; a Duration ends at 292
	// keepsLocalTime is from where on an interval follows clocks, not UTC.
	keepsLocalTime = 24 * time.Hour
)

// defaultAnchor, in the schedule's zone, is where intervals and rules without
// an anchor start, so that deploying again moves nothing.
var defaultAnchor = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// interval fires every so often, before and after its anchor alike.
type interval struct {
	every  time.Duration
	anchor time.Time
}

// following implements plainTimes.
func (i interval) following(after, limit time.Time) (time.Time, bool) {
	// In microseconds, which hold 290,000 years; a Duration holds 292.
	every, from := i.every.Microseconds(), i.anchor.UnixMicro()
	next := from + (floorDiv(after.UnixMicro()-from, every)+1)*every
	t := time.UnixMicro(next).UTC()
	return t, !t.After(limit)
}

// stream follows UTC under 24 hours, and the clocks of the zone from there on.
func (i interval) stream(loc *time.Location) tickStream {
	if i.every < keepsLocalTime {
		return tickStream{times: i, loc: time.UTC}
	}
	return tickStream{times: interval{every: i.every, anchor: plainOf(i.anchor, loc)}, loc: loc}
}

// newInterval checks an interval and its anchor; nil is the default one.
func newInterval(every time.Duration, anchor *time.Time, loc *time.Location) (interval, error) {
	if every < minInterval || every > maxInterval {
		e := invalid("interval %s: from one second to 100 years are read", every)
		e.Hint = []string{"write seconds, 90m, 1h30m, 01:30:00 or PT1H30M"}
		return interval{}, e
	}
	i := interval{every: every.Round(time.Microsecond)}
	if i.anchor, _ = firstShowing(defaultAnchor, loc); anchor != nil {
		i.anchor = anchor.UTC().Round(time.Microsecond)
	}
	if year := i.anchor.Year(); year < 1 || year > 9999 {
		return interval{}, invalid("anchor_date: the year %d is not in 1-9999", year)
	}
	return i, nil
}

var (
	clockInterval = lazily(`^(\d{1,6}):([0-5]?\d):([0-5]?\d(?:\.\d+)?)$`)
	isoInterval   = lazily(`^P(?:([\d.]+)W)?(?:([\d.]+)D)?(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?$`)
	shortInterval = lazily(`^(?:([\d.]+)W)?(?:([\d.]+)D)?(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?$`)
)

// ParseInterval reads seconds (3600, 0.5e3), an ISO 8601 duration (PT1H30M,
// P1D, P2W), HH:MM:SS, or units (90m, 1h30m, 1d, 2w). Months and years have no
// fixed length and are refused.
func ParseInterval(text string) (time.Duration, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	if seconds, err := strconv.ParseFloat(upper, 64); err == nil {
		return intervalSeconds(text, seconds)
	}
	if m := clockInterval().FindStringSubmatch(upper); m != nil {
		return intervalOf(text, m[1:], []float64{3600, 60, 1})
	}
	units := []float64{7 * daySeconds, daySeconds, 3600, 60, 1}
	if m := isoInterval().FindStringSubmatch(upper); m != nil {
		return intervalOf(text, m[1:], units)
	}
	if m := shortInterval().FindStringSubmatch(upper); m != nil && upper != "" {
		return intervalOf(text, m[1:], units)
	}
	return 0, badInterval(text, "is not a duration")
}

func badInterval(text, what string) *Error {
	e := invalid("interval %q %s", shorten(text), what)
	e.Hint = []string{"write seconds, 90m, 1h30m, 01:30:00 or PT1H30M; for months use cron"}
	return e
}

func intervalOf(text string, amounts []string, units []float64) (time.Duration, error) {
	seconds := 0.0
	for i, amount := range amounts {
		if amount == "" {
			continue
		}
		v, err := strconv.ParseFloat(amount, 64)
		if err != nil {
			return 0, badInterval(text, "is not a duration")
		}
		seconds += v * units[i]
	}
	return intervalSeconds(text, seconds)
}

func intervalSeconds(text string, seconds float64) (time.Duration, error) {
	if !(seconds >= minInterval.Seconds() && seconds <= maxInterval.Seconds()) {
		return 0, badInterval(text, "is not in one second to 100 years")
	}
	return time.Duration(math.Round(seconds*1e6)) * time.Microsecond, nil
}

// formatInterval writes an interval by its units: "1d12h", "90s" as "1m30s".
func formatInterval(every time.Duration) string {
	var b strings.Builder
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		n := every / unit.size
		// Only whole weeks: 8 days read better than one week and one.
		if n > 0 && (unit.name != "w" || every%unit.size == 0) {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
			every %= unit.size
		}
	}
	if every > 0 {
		b.WriteString(strconv.FormatFloat(every.Seconds(), 'f', -1, 64) + "s")
	}
	return b.String()
}

var anchorLayouts = []string{
	"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999-07",
}

var localAnchorLayouts = []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly}

// ParseAnchor reads an anchor_date: RFC 3339 with an offset, or a date, or a
// date and time without one, which are local times of the timezone ("" is UTC).
func ParseAnchor(text, timezone string) (time.Time, error) {
	loc, err := LoadZone(timezone)
	if err != nil {
		return time.Time{}, err
	}
	written := strings.Replace(strings.TrimSpace(text), " ", "T", 1)
	if len(written) > len(time.DateOnly) && written[len(time.DateOnly)] == 't' {
		written = strings.ToUpper(written)
	}
	// "2026-01-01 09:00:00 +02:00", as YAML writes it.
	written = strings.ReplaceAll(written, " ", "")
	for _, layout := range anchorLayouts {
		if t, err := time.Parse(layout, written); err == nil {
			return t, nil
		}
	}
	for _, layout := range localAnchorLayouts {
		if plain, err := time.Parse(layout, written); err == nil {
			t, _ := firstShowing(plain, loc)
			return t.In(loc), nil
		}
	}
	e := invalid("anchor_date %q is not a date", shorten(text))
	e.Hint = []string{"write 2026-01-31, 2026-01-31T09:00 or 2026-01-31T09:00:00+01:00"}
	return time.Time{}, e
}
