package store

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// parseSpecialDay reads L (the last day), LW (the last weekday from Monday to
// Friday) and 15W (the one nearest to the 15th, within the month).
func (c *cronExpr) parseSpecialDay(item string) (canonical string, special bool, err error) {
	day, isNear := strings.CutSuffix(item, "W")
	switch {
	case item == "L":
		c.lastDay = true
	case item == "LW":
		c.lastWorkday = true
	case isNear:
		v, err := cronFields[cronDay].value(day)
		if err != nil {
			return "", true, fmt.Errorf("%w: W follows one day, 15W, or L", err)
		}
		c.nearWorkday |= 1 << v
		return fmt.Sprintf("%dW", v), true, nil
	default:
		return "", false, nil
	}
	return item, true, nil
}

// parseSpecialWeekday reads 5#2 (the second Friday) and 5L or L5 (the last).
func (c *cronExpr) parseSpecialWeekday(item string) (canonical string, special bool, err error) {
	f := cronFields[cronWeekday]
	if day, nth, ok := strings.Cut(item, "#"); ok {
		v, err := f.value(day)
		if err != nil {
			return "", true, err
		}
		if len(nth) != 1 || nth[0] < '1' || nth[0] > '5' {
			return "", true, fmt.Errorf("day of week %s: # is followed by 1-5", item)
		}
		c.nthWeekday[nth[0]-'0'] |= 1 << (v % 7)
		return fmt.Sprintf("%d#%s", v%7, nth), true, nil
	}
	// JUL is no weekday, so a trailing or leading L is always "last".
	day, last := strings.CutSuffix(item, "L")
	if !last {
		day, last = strings.CutPrefix(item, "L")
	}
	if !last {
		return "", false, nil
	}
	if day == "" {
		return "", true, fmt.Errorf("day of week L: it says of which day it is the last, 5L or FRIL")
	}
	v, err := f.value(day)
	if err != nil {
		return "", true, err
	}
	c.lastWeekday |= 1 << (v % 7)
	return fmt.Sprintf("%dL", v%7), true, nil
}

// following implements plainTimes. A match has no seconds.
func (c *cronExpr) following(after, limit time.Time) (time.Time, bool) {
	t := after.Truncate(time.Minute).Add(time.Minute)
	year, month, day := t.Date()
	hour, minute := t.Hour(), t.Minute()
	for {
		days := c.days(year, month) >> day << day
		if days == 0 {
			month, day, hour, minute = month+1, 1, 0, 0
			if month > time.December {
				year, month = year+1, time.January
			}
			if year > limit.Year() {
				return time.Time{}, false
			}
			continue
		}
		if first := bits.TrailingZeros32(days); first > day {
			day, hour, minute = first, 0, 0
		}
		if h, m, ok := c.timeOfDay(hour, minute); ok {
			match := time.Date(year, month, day, h, m, 0, 0, time.UTC)
			return match, !match.After(limit)
		}
		day, hour, minute = day+1, 0, 0
	}
}

// timeOfDay gives the first time that matches, from one on.
func (c *cronExpr) timeOfDay(hour, minute int) (h, m int, ok bool) {
	minutes := c.fields[cronMinute]
	if late := minutes >> minute << minute; late != 0 && c.fields[cronHour]>>hour&1 == 1 {
		return hour, bits.TrailingZeros64(late), true
	}
	hours := c.fields[cronHour] >> (hour + 1) << (hour + 1)
	if hours == 0 {
		return 0, 0, false
	}
	return bits.TrailingZeros64(hours), bits.TrailingZeros64(minutes), true
}

// days gives the days of a month that match: bit 1 for the first, to 31.
func (c *cronExpr) days(year int, month time.Month) uint32 {
	if c.fields[cronMonth]>>month&1 == 0 {
		return 0
	}
	length := monthLength(year, month)
	first := int(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Weekday())
	all := uint32(1)<<(length+1) - 2
	switch {
	case c.anyDay && c.anyDow:
		return all
	case c.anyDay:
		return c.daysByWeekday(first, length) & all
	case c.anyDow:
		return c.daysOfMonth(first, length) & all
	case c.and:
		return c.daysByWeekday(first, length) & c.daysOfMonth(first, length) & all
	}
	return (c.daysByWeekday(first, length) | c.daysOfMonth(first, length)) & all
}

// daysOfMonth is what the day field allows in a month that starts on a weekday.
func (c *cronExpr) daysOfMonth(first, length int) uint32 {
	days := uint32(c.fields[cronDay])
	if c.lastDay {
		days |= 1 << length
	}
	if c.lastWorkday {
		days |= 1 << nearestWorkday(length, first, length)
	}
	for near := c.nearWorkday; near != 0; near &= near - 1 {
		// As a plain 31, 31W does not come in a month of 30 days.
		if day := bits.TrailingZeros32(near); day <= length {
			days |= 1 << nearestWorkday(day, first, length)
		}
	}
	return days
}

// nearestWorkday gives the day from Monday to Friday that is nearest to one,
// without leaving the month.
func nearestWorkday(day, first, length int) int {
	switch weekday := (first + day - 1) % 7; {
	case weekday == 6 && day == 1:
		return 3
	case weekday == 6:
		return day - 1
	case weekday == 0 && day == length:
		return day - 2
	case weekday == 0:
		return day + 1
	}
	return day
}

func (c *cronExpr) daysByWeekday(first, length int) (days uint32) {
	for day := 1; day <= length; day++ {
		weekday := (first + day - 1) % 7
		matches := uint8(c.fields[cronWeekday]) | c.nthWeekday[(day-1)/7+1]
		if day > length-7 {
			matches |= c.lastWeekday
		}
		days |= uint32(matches>>weekday&1) << day
	}
	return days
}

func monthLength(year int, month time.Month) int {
	if month == time.February {
		return 28 + leapDay(year)
	}
	return 30 + int(month+month>>3)&1
}

func leapDay(year int) int {
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 1
	}
	return 0
}

// neverFires gives the reason why no day ever matches, or "".
func (c *cronExpr) neverFires() string {
	const year = 2000 // any: the calendar repeats after horizonYears
	for y := year; y < year+horizonYears; y++ {
		for month := time.January; month <= time.December; month++ {
			if c.days(y, month) != 0 {
				return ""
			}
		}
	}
	fields := strings.Fields(c.text)
	if c.anyDow {
		return fmt.Sprintf("day %s does not come in month %s", fields[cronDay], fields[cronMonth])
	}
	return fmt.Sprintf("no day is both day of month %s and day of week %s in month %s",
		fields[cronDay], fields[cronWeekday], fields[cronMonth])
}

// warn says what is surely not meant. orGiven: day_or was given, so its
// meaning is known.
func (c *cronExpr) warn(orGiven bool) []string {
	warnings := c.warnings
	fields := strings.Fields(c.text)
	if !c.anyDay && !c.anyDow && !c.and && !orGiven {
		warnings = append(warnings, fmt.Sprintf(
			"day of month %s or day of week %s: a day that either allows fires (day_or: false wants both)",
			fields[cronDay], fields[cronWeekday]))
	}
	if c.anyDay || !c.anyDow && !c.and {
		return warnings
	}
	var without []string
	for month := time.January; month <= time.December; month++ {
		// 2000 has a 29 February; only the length of the months matters.
		length := monthLength(2000, month)
		if c.fields[cronMonth]>>month&1 == 1 && c.daysOfMonth(0, length)&(1<<(length+1)-2) == 0 {
			without = append(without, month.String())
		}
	}
	if len(without) > 0 {
		warnings = append(warnings, fmt.Sprintf("day %s does not come in %s; L is the last day of every month",
			fields[cronDay], strings.Join(without, ", ")))
	} else if c.fields[cronMonth]>>time.February&1 == 1 && c.daysOfMonth(0, 28)&(1<<29-2) == 0 {
		warnings = append(warnings, fmt.Sprintf("day %s comes in February in leap years only", fields[cronDay]))
	}
	return warnings
}
