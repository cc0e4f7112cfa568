package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cronField is one of the five: its name, its bounds, and the names that
// stand for its numbers, the first of them for low.
type cronField struct {
	name      string
	low, high int
	names     []string
}

const (
	cronMinute = iota
	cronHour
	cronDay
	cronMonth
	cronWeekday
)

var cronFields = [5]cronField{
	{name: "minute", low: 0, high: 59},
	{name: "hour", low: 0, high: 23},
	{name: "day of month", low: 1, high: 31},
	{name: "month", low: 1, high: 12, names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")},
	{name: "day of week", low: 0, high: 6, names: strings.Fields("SUN MON TUE WED THU FRI SAT")},
}

var cronNames = map[string]string{
	"@YEARLY": "0 0 1 1 *", "@ANNUALLY": "0 0 1 1 *", "@MONTHLY": "0 0 1 * *", "@WEEKLY": "0 0 * * 0",
	"@DAILY": "0 0 * * *", "@MIDNIGHT": "0 0 * * *", "@HOURLY": "0 * * * *",
}

// maxCron bounds the length of an expression, in bytes.
const maxCron = 1000

// cronExpr is a parsed expression: for each field the values that match, a
// bit each, and beside them the days that depend on the month.
type cronExpr struct {
	text   string // canonical: single spaces, numbers for names, * for ?
	fields [5]uint64

	lastDay        bool   // L
	lastWorkday    bool   // LW
	nearWorkday    uint32 // 15W: a bit for the day
	nthWeekday     [6]uint8
	lastWeekday    uint8 // 5L: a bit for the weekday
	anyDay, anyDow bool  // the field matches every day
	and            bool  // day_or: false
	repeats        bool  // the hour field is *, has a step or names all 24
	warnings       []string
}

// parseCron reads five fields or a @name. Where both day fields are
// restricted a day that either allows matches; with and, one that both allow.
func parseCron(text string, and bool) (*cronExpr, error) {
	fields, err := splitCron(text)
	if err != nil {
		return nil, err
	}
	c := &cronExpr{and: and}
	for i, field := range fields {
		if fields[i], err = c.parseField(i, field); err != nil {
			return nil, cronError(text, "%v", err)
		}
	}
	c.text = strings.Join(fields, " ")
	c.anyDay = c.fields[cronDay] == 1<<32-2
	c.anyDow = c.fields[cronWeekday] == 1<<7-1
	c.repeats = strings.ContainsAny(fields[cronHour], "*/") || c.fields[cronHour] == 1<<24-1
	if reason := c.neverFires(); reason != "" {
		return nil, cronError(text, "never fires: %s", reason)
	}
	return c, nil
}

func cronError(text, format string, args ...any) *Error {
	e := invalid("cron %q: %s", shorten(text), fmt.Sprintf(format, args...))
	e.Hint = []string{"the fields are minute, hour, day of month, month, day of week: 30 6 * * 1-5"}
	return e
}

func splitCron(text string) ([]string, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	if expanded, ok := cronNames[upper]; ok {
		upper = expanded
	}
	fields := strings.Fields(upper)
	switch {
	case len(upper) > maxCron:
		return nil, cronError(text, "%d characters, at most %d are read", len(upper), maxCron)
	case strings.HasPrefix(upper, "@EVERY"):
		e := cronError(text, "@every is an interval")
		e.Hint = []string{"use an interval: 90m, PT1H30M or seconds"}
		return nil, e
	case strings.HasPrefix(upper, "@"):
		e := cronError(text, "no such name")
		e.Hint = []string{"the names are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"}
		return nil, e
	case len(fields) > 0 && strings.Contains(fields[0], "TZ="):
		e := cronError(text, "the zone is not part of the expression")
		e.Hint = []string{"give it as the schedule's timezone"}
		return nil, e
	case len(fields) == 6 || len(fields) == 7:
		e := cronError(text, "%d fields, five are read: tools disagree whether a sixth is seconds or a year, first or last", len(fields))
		e.Hint = []string{"below a minute use an interval, in seconds"}
		return nil, e
	case len(fields) == 1:
		return nil, cronError(text, "1 field, five are wanted")
	case len(fields) != 5:
		return nil, cronError(text, "%d fields, five are wanted", len(fields))
	}
	return fields, nil
}

// parseField adds what one field allows, and gives its canonical text.
func (c *cronExpr) parseField(i int, field string) (string, error) {
	if field == "?" && (i == cronDay || i == cronWeekday) {
		field = "*"
	}
	items := strings.Split(field, ",")
	for k, item := range items {
		canonical, special := "", false
		var err error
		switch i {
		case cronDay:
			canonical, special, err = c.parseSpecialDay(item)
		case cronWeekday:
			canonical, special, err = c.parseSpecialWeekday(item)
		}
		if !special {
			canonical, err = c.parseItem(i, item)
		}
		if err != nil {
			return "", err
		}
		items[k] = canonical
	}
	return strings.Join(items, ","), nil
}

// parseItem reads "*", "5", "1-5" and each with a step. A range that ends
// before it starts goes round: 22-2 is 22, 23, 0, 1, 2.
func (c *cronExpr) parseItem(i int, item string) (canonical string, err error) {
	f := cronFields[i]
	base, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 || stepText[0] == '+' {
			return "", fmt.Errorf("%s %s: a step is a number from 1", f.name, item)
		}
	}
	from, to, text, err := f.bounds(base, stepped)
	if err != nil {
		return "", err
	}
	if stepped {
		text += "/" + strconv.Itoa(step)
		if step > f.high-f.low {
			c.warnings = append(c.warnings, fmt.Sprintf("%s %s: the step is longer than the range, only %d is left", f.name, item, from))
		}
	}
	size := f.high - f.low + 1
	// Compared before the addition: a step may be as great as an int.
	for v := from; v <= to; v += step {
		c.fields[i] |= 1 << ((v-f.low)%size + f.low)
		if step > to-v {
			break
		}
	}
	return text, nil
}

// bounds reads what stands before a step. to is beyond high where the range
// goes round.
func (f cronField) bounds(base string, stepped bool) (from, to int, text string, err error) {
	if base == "*" {
		return f.low, f.high, base, nil
	}
	first, second, ranged := strings.Cut(base, "-")
	if from, err = f.value(first); err != nil {
		return 0, 0, "", err
	}
	if !ranged {
		to = from
		if from > f.high {
			from, to = f.low, f.low // 7 is Sunday, as 0 is
		}
		if stepped {
			to = f.high
		}
		return from, to, strconv.Itoa(from), nil
	}
	if to, err = f.value(second); err != nil {
		return 0, 0, "", err
	}
	text = strconv.Itoa(from) + "-" + strconv.Itoa(to)
	if from > f.high {
		from -= f.high - f.low + 1
		if to > f.high {
			to = from
		}
	}
	if to < from {
		to += f.high - f.low + 1
	}
	return from, to, text, nil
}

// value reads a number or a name. Of weekdays 7 is allowed too.
func (f cronField) value(text string) (int, error) {
	if at := slices.Index(f.names, text); at >= 0 {
		return at + f.low, nil
	}
	high := f.high
	if f.high == 6 {
		high = 7
	}
	allowed := fmt.Sprintf("%d-%d", f.low, high)
	if len(f.names) > 0 {
		allowed += " or " + f.names[0] + "-" + f.names[len(f.names)-1]
	}
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%s %q is not in %s", f.name, text, allowed)
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < f.low || v > high {
		return 0, fmt.Errorf("%s %s is not in %s", f.name, text, allowed)
	}
	return v, nil
}
