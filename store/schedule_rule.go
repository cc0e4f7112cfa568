package store

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

type frequency int

const (
	yearly frequency = iota
	monthly
	weekly
	daily
	hourly
	minutely
	secondly
)

var (
	frequencies = strings.Fields("YEARLY MONTHLY WEEKLY DAILY HOURLY MINUTELY SECONDLY")
	rruleDays   = strings.Fields("SU MO TU WE TH FR SA")
	// ruleParts are the parts that are read, in canonical order.
	ruleParts = strings.Fields("FREQ INTERVAL COUNT UNTIL WKST BYMONTH BYWEEKNO BYYEARDAY BYMONTHDAY BYDAY " +
		"BYHOUR BYMINUTE BYSECOND BYSETPOS")
)

// recurrence is one RRULE from its DTSTART on. Every "any" is written out, so
// that the search knows no defaults.
type recurrence struct {
	text     string // canonical, without "RRULE:"
	freq     frequency
	interval int
	start    time.Time // DTSTART, plain
	last     time.Time // UNTIL, or the last of COUNT; zero: endless
	repeats  bool      // by the hour or finer, without BYHOUR

	weekStart            int
	months               uint16 // a bit for each; 0 is any, as in all day parts
	monthDays            uint32
	monthDaysFromEnd     uint32 // bit 1 is the last
	yearDays, weeks      []int
	weekdays             uint8
	nthDays              []nthDay
	hours, minutes, secs uint64 // never 0
	positions            []int  // BYSETPOS
}

// nthDay is the nth weekday of the month or year, from its end where n < 0.
type nthDay struct{ weekday, n int }

// rule reads the value of an RRULE line.
func (p *rruleParser) rule(value string) (*recurrence, error) {
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.Trim(strings.ToUpper(value), ";"), ";") {
		name, text, ok := strings.Cut(part, "=")
		if _, again := parts[name]; !ok || text == "" || again {
			return nil, rruleError("%q is no part=value, or is there twice", shorten(part))
		}
		if !slices.Contains(ruleParts, name) {
			return nil, rruleError("%s is not one of %s", shorten(name), strings.Join(ruleParts, ", "))
		}
		parts[name] = text
	}
	r := &recurrence{start: p.dtstart, interval: 1, weekStart: 1}
	r.freq = frequency(slices.Index(frequencies, parts["FREQ"]))
	if r.freq < 0 {
		return nil, rruleError("FREQ %q is not one of %s", shorten(parts["FREQ"]), strings.Join(frequencies, ", "))
	}
	if err := r.readParts(parts); err != nil {
		return nil, err
	}
	r.fillFromStart(parts)
	r.text = canonicalRule(parts)
	return r, p.readEnd(r, parts)
}

func canonicalRule(parts map[string]string) string {
	var out []string
	for _, name := range ruleParts {
		if parts[name] != "" {
			out = append(out, name+"="+parts[name])
		}
	}
	return strings.Join(out, ";")
}

func (r *recurrence) readParts(parts map[string]string) (err error) {
	read := func(name string, low, high int, signed bool) (list []int) {
		if text := parts[name]; text != "" && err == nil {
			list, err = intList(name, text, low, high, signed)
		}
		return list
	}
	for _, v := range read("INTERVAL", 1, 1_000_000, false) {
		r.interval = v
	}
	for _, v := range read("BYMONTH", 1, 12, false) {
		r.months |= 1 << v
	}
	for _, v := range read("BYMONTHDAY", 1, 31, true) {
		if v > 0 {
			r.monthDays |= 1 << v
		} else {
			r.monthDaysFromEnd |= 1 << -v
		}
	}
	for _, v := range read("BYHOUR", 0, 23, false) {
		r.hours |= 1 << v
	}
	for _, v := range read("BYMINUTE", 0, 59, false) {
		r.minutes |= 1 << v
	}
	for _, v := range read("BYSECOND", 0, 59, false) {
		r.secs |= 1 << v
	}
	r.yearDays = read("BYYEARDAY", 1, 366, true)
	r.weeks = read("BYWEEKNO", 1, 53, true)
	r.positions = read("BYSETPOS", 1, 366, true)
	if err != nil {
		return err
	}
	if text := parts["WKST"]; text != "" {
		if r.weekStart = slices.Index(rruleDays, text); r.weekStart < 0 {
			return rruleError("WKST %s is not one of %s", shorten(text), strings.Join(rruleDays, ", "))
		}
	}
	return r.readWeekdays(parts["BYDAY"])
}

func (r *recurrence) readWeekdays(value string) error {
	if value == "" {
		return nil
	}
	for text := range strings.SplitSeq(value, ",") {
		number := text[:max(0, len(text)-2)]
		weekday := slices.Index(rruleDays, text[len(number):])
		n, err := strconv.Atoi(number)
		if weekday < 0 || number != "" && (err != nil || n == 0 || n < -53 || n > 53) {
			return rruleError("BYDAY %s is not a day, MO, or its number in the month or year, 2MO, -1FR", shorten(text))
		}
		if number == "" {
			r.weekdays |= 1 << weekday
			continue
		}
		if r.freq > monthly || len(r.weeks) > 0 {
			return rruleError("BYDAY %s: numbers go with FREQ=MONTHLY or YEARLY, without BYWEEKNO", text)
		}
		r.nthDays = append(r.nthDays, nthDay{weekday, n})
	}
	return nil
}

// fillFromStart takes from DTSTART what the rule leaves open.
func (r *recurrence) fillFromStart(parts map[string]string) {
	r.repeats = r.freq >= hourly && r.hours == 0
	if len(r.weeks)+len(r.yearDays)+len(r.nthDays) == 0 && r.monthDays == 0 && r.monthDaysFromEnd == 0 && r.weekdays == 0 {
		switch r.freq {
		case yearly:
			if r.months == 0 {
				r.months = 1 << r.start.Month()
			}
			r.monthDays = 1 << r.start.Day()
		case monthly:
			r.monthDays = 1 << r.start.Day()
		case weekly:
			r.weekdays = 1 << r.start.Weekday()
		}
	}
	fill := func(mask *uint64, finest frequency, all uint64, own int) {
		switch {
		case *mask != 0:
		case r.freq >= finest:
			*mask = all
		default:
			*mask = 1 << own
		}
	}
	fill(&r.hours, hourly, 1<<24-1, r.start.Hour())
	fill(&r.minutes, minutely, 1<<60-1, r.start.Minute())
	fill(&r.secs, secondly, 1<<60-1, r.start.Second())
}

// readEnd reads UNTIL, and walks COUNT to its last date.
func (p *rruleParser) readEnd(r *recurrence, parts map[string]string) error {
	if text := parts["UNTIL"]; text != "" {
		until, isDay, err := p.date(text, p.loc)
		if err != nil {
			return err
		}
		if r.last = until; isDay {
			r.last = until.Add(24*time.Hour - time.Second)
		}
		// The zone may change later; the rule keeps the local time.
		parts["UNTIL"] = r.last.Format(rruleTime)
		r.text = canonicalRule(parts)
	}
	if parts["COUNT"] == "" {
		return nil
	}
	if !p.given {
		return rruleError("COUNT counts from DTSTART, which is missing")
	}
	count, err := intList("COUNT", parts["COUNT"], 1, maxCount, false)
	if err != nil {
		return err
	}
	last, limit, steps := r.start.Add(-1), r.start.AddDate(horizonYears, 0, 0), maxSteps
	for range count[0] {
		next, ok := r.search(last, limit, &steps)
		if !ok {
			break
		}
		last = next
	}
	if r.last = last; steps <= 0 {
		return rruleError("COUNT=%d: its last date is too far to be found; give UNTIL", count[0])
	}
	return nil
}

// matches is true for a day that all parts but those of the time allow.
func (r *recurrence) matches(d calendarDay) bool {
	if r.months != 0 && r.months>>d.month&1 == 0 {
		return false
	}
	if r.monthDays|r.monthDaysFromEnd != 0 && r.monthDays>>d.day&1 == 0 &&
		r.monthDaysFromEnd>>(d.monthLength()-d.day+1)&1 == 0 {
		return false
	}
	if r.weekdays>>d.weekday&1 == 0 && !(r.weekdays == 0 && len(r.nthDays) == 0) && !r.matchesNth(d) {
		return false
	}
	if len(r.yearDays) > 0 && !slices.Contains(r.yearDays, d.yearDay) && !slices.Contains(r.yearDays, d.yearDay-d.yearLength()-1) {
		return false
	}
	if len(r.weeks) == 0 {
		return true
	}
	number, count := d.week(r.weekStart)
	return slices.Contains(r.weeks, number) || slices.Contains(r.weeks, number-count-1)
}

// matchesNth counts within the month, or with FREQ=YEARLY and no BYMONTH
// within the year.
func (r *recurrence) matchesNth(d calendarDay) bool {
	at, length := d.day, d.monthLength()
	if r.freq == yearly && r.months == 0 {
		at, length = d.yearDay, d.yearLength()
	}
	for _, nth := range r.nthDays {
		if nth.weekday == d.weekday && (nth.n == (at-1)/7+1 || nth.n == -(length-at)/7-1) {
			return true
		}
	}
	return false
}

// nextBit gives the first bit set from one on; ok is false where there is none.
func nextBit(mask uint64, from int) (bit int, ok bool) {
	mask = mask >> from << from
	return bits.TrailingZeros64(mask), mask != 0
}
