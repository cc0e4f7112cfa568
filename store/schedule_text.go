package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func formatSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func (s Schedule) definition() (d definition) {
	// What is not JSON never became a Schedule.
	_ = json.Unmarshal([]byte(s.Definition), &d)
	return d
}

// maxSlug is how long a derived slug may be, in bytes, before it is a hash.
const maxSlug = 40

// slugLetters write a cron expression with what a name may hold.
var slugLetters = strings.NewReplacer(" ", "-", "*", "x", "/", ".", "-", "to", ",", "_", "#", "nth")

// SlugBase derives a slug from the normalised definition: "cron-30-2",
// "cron-x.5", "every-15m", "rrule-weekly-3f9c01aa".
func (s Schedule) SlugBase() string {
	d := s.definition()
	hash := sha256.Sum256([]byte(s.Definition))
	short := hex.EncodeToString(hash[:4])
	switch s.Kind {
	case CronSchedule:
		// What follows the last restricted field is all stars.
		text := d.Cron
		for strings.HasSuffix(text, " *") {
			text = strings.TrimSuffix(text, " *")
		}
		slug := "cron-" + slugLetters.Replace(text)
		if d.DayOr != nil {
			slug += "-both"
		}
		if len(slug) > maxSlug {
			return "cron-" + short
		}
		return slug
	case IntervalSchedule:
		every, _ := ParseInterval(d.Interval.String())
		slug := "every-" + formatInterval(every)
		if d.Anchor != nil {
			slug += "-" + short
		}
		return slug
	case RRuleSchedule:
		_, freq, _ := strings.Cut(d.RRule, "FREQ=")
		freq, _, _ = strings.Cut(freq, ";")
		freq, _, _ = strings.Cut(strings.ToLower(freq), "\n")
		if freq == "" {
			freq = "dates"
		}
		return "rrule-" + freq + "-" + short
	}
	return "schedule"
}

// DeriveSlugs gives a slug to each schedule of one deployment that has none.
// Equal ones get -2, -3 in their order. Two that were given the same are an
// error.
func DeriveSlugs(schedules []Schedule) error {
	taken := map[string]bool{}
	for _, s := range schedules {
		if s.Slug != "" && taken[s.Slug] {
			e := invalid("two schedules have the slug %q", s.Slug)
			e.Hint = []string{"leave slug out, or give each its own"}
			return e
		}
		taken[s.Slug] = true
	}
	for i := range schedules {
		s := &schedules[i]
		if s.Slug != "" {
			continue
		}
		s.Slug = s.SlugBase()
		for n := 2; taken[s.Slug]; n++ {
			s.Slug = fmt.Sprintf("%s-%d", s.SlugBase(), n)
		}
		taken[s.Slug] = true
	}
	return nil
}

// Jitter gives how long after a tick its run is due: always the same for the
// same deployment, slug and tick; from 0 to under most, and under half of the
// time to the schedule's next tick, so that runs keep their order.
func (s Schedule) Jitter(deployment ID, tick time.Time, most time.Duration) time.Duration {
	if next, ok := s.Next(tick); ok {
		most = min(most, next.Sub(tick)/2)
	}
	most = most.Truncate(time.Microsecond)
	if most <= 0 {
		return 0
	}
	h := sha256.New()
	h.Write(deployment[:])
	h.Write([]byte(s.Slug))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(tick.UnixMicro())))
	n := binary.BigEndian.Uint64(h.Sum(nil))
	return time.Duration(n%uint64(most.Microseconds())) * time.Microsecond
}

// Describe says in short when a schedule fires: "every day at 02:30
// (Europe/Berlin)". What has no short name is its own expression.
func (s Schedule) Describe() string {
	d := s.definition()
	var text string
	switch s.Kind {
	case CronSchedule:
		text = describeCron(d.Cron, d.DayOr != nil)
	case IntervalSchedule:
		every, _ := ParseInterval(d.Interval.String())
		text = "every " + describeInterval(every)
		if d.Anchor != nil {
			text += ", counted from " + d.Anchor.In(s.loc).Format("2006-01-02 15:04:05")
		}
	case RRuleSchedule:
		text = "rrule " + shorten(strings.TrimPrefix(strings.ReplaceAll(d.RRule, "\n", " "), "RRULE:"))
	default:
		return "never"
	}
	return text + " (" + s.Timezone + ")"
}

// describeInterval writes one unit in full, several in short: "15 minutes",
// "hour", "1h30m".
func describeInterval(every time.Duration) string {
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"week", 7 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		switch n := every / unit.size; {
		case every == unit.size:
			return unit.name
		case every%unit.size == 0 && n < 100:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return formatInterval(every)
}

var weekdayNames = strings.Fields("Sunday Monday Tuesday Wednesday Thursday Friday Saturday")

func describeCron(text string, both bool) string {
	fallback := "cron " + text
	if both {
		fallback += ", both day fields"
	}
	f := strings.Fields(text)
	minute, minuteErr := strconv.Atoi(f[cronMinute])
	step, stepErr := strconv.Atoi(strings.TrimPrefix(f[cronMinute], "*/"))
	days := describeDays(f[cronDay], f[cronMonth], f[cronWeekday])
	switch {
	case days == "" || both:
		return fallback
	case f[cronHour] == "*" && days != "every day":
		return fallback
	case f[cronHour] == "*" && (f[cronMinute] == "*" || f[cronMinute] == "*/1"):
		return "every minute"
	case f[cronHour] == "*" && f[cronMinute] != strconv.Itoa(step) && stepErr == nil && 60%step == 0:
		return fmt.Sprintf("every %d minutes", step)
	case f[cronHour] == "*" && minuteErr == nil:
		return fmt.Sprintf("every hour at :%02d", minute)
	case minuteErr != nil:
		return fallback
	}
	var times []string
	for h := range strings.SplitSeq(f[cronHour], ",") {
		hour, err := strconv.Atoi(h)
		if err != nil {
			return fallback
		}
		times = append(times, fmt.Sprintf("%02d:%02d", hour, minute))
	}
	return days + " at " + strings.Join(times, ", ")
}

func describeDays(day, month, weekday string) string {
	n, dayErr := strconv.Atoi(day)
	w, weekdayErr := strconv.Atoi(weekday)
	switch {
	case month != "*":
		return ""
	case day == "*" && weekday == "*":
		return "every day"
	case day == "*" && weekday == "1-5":
		return "Monday to Friday"
	case day == "*" && weekdayErr == nil:
		return "every " + weekdayNames[w%7]
	case day == "L" && weekday == "*":
		return "the last day of every month"
	case dayErr == nil && weekday == "*":
		return fmt.Sprintf("day %d of every month", n)
	}
	return ""
}
