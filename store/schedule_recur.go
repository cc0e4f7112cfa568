package store

import (
	"math/bits"
	"time"
)

const (
	daySeconds = 24 * 60 * 60
	// maxSteps bounds a search, beside the horizon: each looks at a day or a
	// period, in some 100 ns. 400 years of days are 146,097.
	maxSteps = 1_000_000
)

// calendarDay is a day of the plain calendar with what the parts ask of it.
type calendarDay struct {
	year, day, yearDay, weekday int
	month                       time.Month
	number                      int64 // days since 1970-01-01
}

func dayOf(number int64) calendarDay {
	t := time.Unix(number*daySeconds, 0).UTC()
	d := calendarDay{number: number, weekday: int(t.Weekday()), yearDay: t.YearDay()}
	d.year, d.month, d.day = t.Date()
	return d
}

func (d calendarDay) monthLength() int { return monthLength(d.year, d.month) }
func (d calendarDay) yearLength() int  { return 365 + leapDay(d.year) }

// week numbers a day's week as ISO 8601 does, for weeks that start on any
// day: the first has at least four days in its year. count is how many weeks
// the year of that week has.
func (d calendarDay) week(weekStart int) (number, count int) {
	into := (d.weekday - weekStart + 7) % 7
	middle := dayOf(d.number + int64(3-into))
	count = 52
	// A year has 53 where it starts with the middle of a week, a leap year
	// also where its second day is one.
	first := (middle.weekday - middle.yearDay + 1 + 7*53) % 7
	if back := (middle.weekday - first + 7) % 7; back <= leapDay(middle.year) {
		count = 53
	}
	return (middle.yearDay-1)/7 + 1, count
}

func dayNumber(t time.Time) int64 { return floorDiv(t.Unix(), daySeconds) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// period is one turn of FREQ: the days from first to before end that match,
// each at all times of the three masks.
type period struct {
	first, end           int64
	hours, minutes, secs uint64
}

// following implements plainTimes.
func (r *recurrence) following(after, limit time.Time) (time.Time, bool) {
	steps := maxSteps
	return r.search(after, limit, &steps)
}

// search is following within a number of steps, which it counts down.
func (r *recurrence) search(after, limit time.Time, steps *int) (time.Time, bool) {
	if after.Before(r.start) {
		after = r.start.Add(-1)
	}
	if !r.last.IsZero() && r.last.Before(limit) {
		limit = r.last
	}
	if r.freq >= hourly {
		return r.searchClock(after, limit, steps)
	}
	// The search starts in the period that holds the time after which it is.
	for k := r.periodOf(after); ; k++ {
		p := r.period(k)
		if *steps--; p.first*daySeconds > limit.Unix() || *steps <= 0 {
			return time.Time{}, false
		}
		if t, ok := r.inPeriod(p, after, steps); ok {
			return t, !t.After(limit)
		}
	}
}

// periodOf counts the turns of FREQ and INTERVAL from DTSTART to a time.
func (r *recurrence) periodOf(t time.Time) int64 {
	interval := int64(r.interval)
	switch r.freq {
	case yearly:
		return int64(t.Year()-r.start.Year()) / interval
	case monthly:
		return int64(monthIndex(t)-monthIndex(r.start)) / interval
	case weekly:
		return max(0, floorDiv(dayNumber(t)-r.firstWeek(), 7*interval))
	}
	return max(0, floorDiv(dayNumber(t)-dayNumber(r.start), interval))
}

func monthIndex(t time.Time) int { return t.Year()*12 + int(t.Month()) - 1 }

func (r *recurrence) firstWeek() int64 {
	return dayNumber(r.start) - int64((int(r.start.Weekday())-r.weekStart+7)%7)
}

func (r *recurrence) period(k int64) period {
	p := period{hours: r.hours, minutes: r.minutes, secs: r.secs}
	k *= int64(r.interval)
	switch r.freq {
	case yearly:
		year := r.start.Year() + int(k)
		p.first = dayNumber(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		p.end = dayNumber(time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC))
	case monthly:
		month := monthIndex(r.start) + int(k)
		p.first = dayNumber(time.Date(0, time.Month(month+1), 1, 0, 0, 0, 0, time.UTC))
		p.end = p.first + int64(monthLength(month/12, time.Month(month%12+1)))
	case weekly:
		p.first = r.firstWeek() + 7*k
		p.end = p.first + 7
	default:
		p.first = dayNumber(r.start) + k
		p.end = p.first + 1
	}
	return p
}

// inPeriod gives the first time of a period after one.
func (r *recurrence) inPeriod(p period, after time.Time, steps *int) (time.Time, bool) {
	if len(r.positions) > 0 {
		return r.atPosition(p, after, steps)
	}
	for day := max(p.first, dayNumber(after)); day < p.end; day++ {
		*steps--
		d := dayOf(day)
		if r.months != 0 && r.months>>d.month&1 == 0 {
			day += int64(d.monthLength() - d.day) // to the month's last
			continue
		}
		if !r.matches(d) {
			continue
		}
		if t, ok := p.timeOfDay(day, after); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

// timeOfDay gives the first time of a day after one.
func (p period) timeOfDay(day int64, after time.Time) (time.Time, bool) {
	from := max(0, after.Unix()+1-day*daySeconds)
	if from >= daySeconds {
		return time.Time{}, false
	}
	hour, minute, second := int(from/3600), int(from/60%60), int(from%60)
	h, ok := nextBit(p.hours, hour)
	if !ok {
		return time.Time{}, false
	}
	m, s := bits.TrailingZeros64(p.minutes), bits.TrailingZeros64(p.secs)
	if h == hour {
		m, s, ok = p.inHour(minute, second)
		if !ok {
			if h, ok = nextBit(p.hours, hour+1); !ok {
				return time.Time{}, false
			}
			m, s = bits.TrailingZeros64(p.minutes), bits.TrailingZeros64(p.secs)
		}
	}
	return time.Unix(day*daySeconds+int64(h*3600+m*60+s), 0).UTC(), true
}

func (p period) inHour(minute, second int) (m, s int, ok bool) {
	m, ok = nextBit(p.minutes, minute)
	if !ok {
		return 0, 0, false
	}
	if m == minute {
		if s, ok = nextBit(p.secs, second); ok {
			return m, s, true
		}
		if m, ok = nextBit(p.minutes, minute+1); !ok {
			return 0, 0, false
		}
	}
	return m, bits.TrailingZeros64(p.secs), true
}

// atPosition numbers the times of a whole period and takes those of BYSETPOS.
// They are counted, not listed: a year may have 31 million.
func (r *recurrence) atPosition(p period, after time.Time, steps *int) (best time.Time, ok bool) {
	var days []int64
	for day := p.first; day < p.end; day++ {
		*steps--
		if r.matches(dayOf(day)) {
			days = append(days, day)
		}
	}
	minutes, secs := bits.OnesCount64(p.minutes), bits.OnesCount64(p.secs)
	perDay := bits.OnesCount64(p.hours) * minutes * secs
	for _, position := range r.positions {
		at := position - 1
		if position < 0 {
			at = len(days)*perDay + position
		}
		if at < 0 || at >= len(days)*perDay {
			continue
		}
		inDay := at % perDay
		h, m, s := nthBit(p.hours, inDay/secs/minutes), nthBit(p.minutes, inDay/secs%minutes), nthBit(p.secs, inDay%secs)
		t := time.Unix(days[at/perDay]*daySeconds+int64(h*3600+m*60+s), 0).UTC()
		if t.After(after) && (!ok || t.Before(best)) {
			best, ok = t, true
		}
	}
	return best, ok
}

func nthBit(mask uint64, n int) int {
	for range n {
		mask &= mask - 1
	}
	return bits.TrailingZeros64(mask)
}

// searchClock searches FREQ=HOURLY, MINUTELY and SECONDLY, whose periods
// are too many to walk: it jumps between what the parts allow and what
// INTERVAL does until both agree.
func (r *recurrence) searchClock(after, limit time.Time, steps *int) (time.Time, bool) {
	unit := map[frequency]int64{hourly: 3600, minutely: 60, secondly: 1}[r.freq]
	stride, start := unit*int64(r.interval), floorDiv(r.start.Unix(), unit)*unit
	at := start + max(0, floorDiv(after.Unix()-start, stride))*stride
	for ; at <= limit.Unix() && *steps > 0; *steps-- {
		allowed := r.allowedClock(at)
		if allowed == at {
			if t, ok := r.inPeriod(r.clockPeriod(at), after, steps); ok {
				return t, !t.After(limit)
			}
			allowed++
		}
		at = start - floorDiv(start-allowed, stride)*stride
	}
	return time.Time{}, false
}

// allowedClock gives the time itself where all parts allow its period, else
// a later one before which none does.
func (r *recurrence) allowedClock(at int64) int64 {
	day := floorDiv(at, daySeconds)
	if !r.matches(dayOf(day)) {
		return (day + 1) * daySeconds
	}
	from := at - day*daySeconds
	hour, minute, second := int(from/3600), int(from/60%60), int(from%60)
	if h, ok := nextBit(r.hours, hour); !ok {
		return (day + 1) * daySeconds
	} else if h > hour {
		return day*daySeconds + int64(h)*3600
	}
	if r.freq == hourly {
		return at
	}
	if m, ok := nextBit(r.minutes, minute); !ok {
		return day*daySeconds + int64(hour+1)*3600
	} else if m > minute {
		return day*daySeconds + int64(hour)*3600 + int64(m)*60
	}
	if r.freq == minutely {
		return at
	}
	if s, ok := nextBit(r.secs, second); !ok {
		return at - int64(second) + 60
	} else if s > second {
		return at + int64(s-second)
	}
	return at
}

// clockPeriod is the hour, minute or second that starts at a time.
func (r *recurrence) clockPeriod(at int64) period {
	day := floorDiv(at, daySeconds)
	from := at - day*daySeconds
	p := period{first: day, end: day + 1, hours: 1 << (from / 3600), minutes: r.minutes, secs: r.secs}
	if r.freq >= minutely {
		p.minutes = 1 << (from / 60 % 60)
	}
	if r.freq >= secondly {
		p.secs = 1 << (from % 60)
	}
	return p
}
