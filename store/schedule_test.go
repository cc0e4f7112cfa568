package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func scheduleOf(t *testing.T, spec ScheduleSpec) Schedule {
	t.Helper()
	s, _, err := spec.Normalise(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	must(t, err)
	return s
}

// The two awkward days of a year in Europe/Berlin, as the documentation quotes
// them: on 2026-03-29 clocks go from 02:00 to 03:00, on 2026-10-25 from 03:00
// back to 02:00.
var awkwardDays = []struct {
	spec  ScheduleSpec
	after string // UTC
	want  []string
}{
	{ScheduleSpec{Cron: "30 2 * * *"}, "2026-03-28T12:00", []string{
		"2026-03-29T01:00Z 03:00+02:00 moved from 02:30, which the clocks skip",
		"2026-03-30T00:30Z 02:30+02:00",
	}},
	{ScheduleSpec{Cron: "30 2 * * *"}, "2026-10-24T12:00", []string{
		"2026-10-25T00:30Z 02:30+02:00 02:30 comes twice this day; the first one runs",
		"2026-10-26T01:30Z 02:30+01:00",
	}},
	{ScheduleSpec{Cron: "0,30 2,3 * * *"}, "2026-03-28T12:00", []string{
		"2026-03-29T01:00Z 03:00+02:00 one run with 02:00 and 02:30, which the clocks skip",
		"2026-03-29T01:30Z 03:30+02:00",
		"2026-03-30T00:00Z 02:00+02:00",
	}},
	{ScheduleSpec{Cron: "15,45 2 * * *"}, "2026-03-28T12:00", []string{
		"2026-03-29T01:00Z 03:00+02:00 02:15 and 02:45 are skipped by the clocks and run once, here",
		"2026-03-30T00:15Z 02:15+02:00",
	}},
	{ScheduleSpec{Cron: "*/5 2 * * *"}, "2026-03-28T12:00", []string{
		"2026-03-29T01:00Z 03:00+02:00 12 times from 02:00 to 02:55 are skipped by the clocks and run once, here",
		"2026-03-30T00:00Z 02:00+02:00",
	}},
	{ScheduleSpec{Cron: "0 * * * *"}, "2026-03-29T00:00", []string{
		"2026-03-29T01:00Z 03:00+02:00 before it the clocks skip 02:00",
		"2026-03-29T02:00Z 04:00+02:00",
	}},
	{ScheduleSpec{Cron: "0 * * * *"}, "2026-10-24T23:00", []string{
		"2026-10-25T00:00Z 02:00+02:00 02:00 comes twice this day; this is the first",
		"2026-10-25T01:00Z 02:00+01:00 02:00 comes twice this day; this is the second",
		"2026-10-25T02:00Z 03:00+01:00",
	}},
	// An hour field that is neither * nor a step: once for each local time.
	{ScheduleSpec{Cron: "0 1-4 * * *"}, "2026-10-24T22:30", []string{
		"2026-10-24T23:00Z 01:00+02:00",
		"2026-10-25T00:00Z 02:00+02:00 02:00 comes twice this day; the first one runs",
		"2026-10-25T02:00Z 03:00+01:00",
	}},
	{ScheduleSpec{Cron: "0 */2 * * *"}, "2026-10-24T22:30", []string{
		"2026-10-25T00:00Z 02:00+02:00 02:00 comes twice this day; this is the first",
		"2026-10-25T01:00Z 02:00+01:00 02:00 comes twice this day; this is the second",
		"2026-10-25T03:00Z 04:00+01:00",
	}},
	{ScheduleSpec{Interval: 12 * time.Hour}, "2026-03-28T12:00", []string{
		"2026-03-28T23:00Z 00:00+01:00",
		"2026-03-29T11:00Z 13:00+02:00 the clocks changed: 12:00 until now, from here 13:00",
	}},
	{ScheduleSpec{Interval: time.Hour}, "2026-10-24T23:30", []string{
		"2026-10-25T00:00Z 02:00+02:00 02:00 comes twice this day; this is the first",
		"2026-10-25T01:00Z 02:00+01:00 02:00 comes twice this day; this is the second",
	}},
	{ScheduleSpec{Interval: 24 * time.Hour}, "2026-03-28T12:00", []string{
		"2026-03-28T23:00Z 00:00+01:00",
		"2026-03-29T22:00Z 00:00+02:00",
	}},
	{ScheduleSpec{Interval: 24 * time.Hour, AnchorDate: utcTime("2026-01-01T01:30")}, "2026-03-28T12:00", []string{
		"2026-03-29T01:00Z 03:00+02:00 moved from 02:30, which the clocks skip",
		"2026-03-30T00:30Z 02:30+02:00",
	}},
	{ScheduleSpec{Interval: 36 * time.Hour, AnchorDate: utcTime("2026-03-27T23:00")}, "2026-03-27T22:00", []string{
		"2026-03-27T23:00Z 00:00+01:00",
		"2026-03-29T10:00Z 12:00+02:00",
		"2026-03-30T22:00Z 00:00+02:00",
	}},
	{ScheduleSpec{RRule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"}, "2026-10-24T12:00", []string{
		"2026-10-25T00:30Z 02:30+02:00 02:30 comes twice this day; the first one runs",
		"2026-10-26T01:30Z 02:30+01:00",
	}},
	{ScheduleSpec{RRule: "FREQ=HOURLY"}, "2026-10-24T23:30", []string{
		"2026-10-25T00:00Z 02:00+02:00 02:00 comes twice this day; this is the first",
		"2026-10-25T01:00Z 02:00+01:00 02:00 comes twice this day; this is the second",
	}},
	// At the date line a whole day can be missing, and clocks can move by half an hour.
	{ScheduleSpec{Cron: "0 6 * * *", Timezone: "Pacific/Apia"}, "2011-12-29T00:00", []string{
		"2011-12-29T16:00Z 06:00-10:00",
		"2011-12-30T10:00Z 00:00+14:00 moved from 2011-12-30 06:00, which the clocks skip",
		"2011-12-30T16:00Z 06:00+14:00",
	}},
	{ScheduleSpec{Cron: "15 2 * * *", Timezone: "Australia/Lord_Howe"}, "2026-10-03T00:00", []string{
		"2026-10-03T15:30Z 02:30+11:00 moved from 02:15, which the clocks skip",
		"2026-10-04T15:15Z 02:15+11:00",
	}},
}

// utcTime reads a UTC time, for tables.
func utcTime(text string) *time.Time {
	t, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		panic(err)
	}
	return &t
}

func TestAwkwardDays(t *testing.T) {
	for _, c := range awkwardDays {
		if c.spec.Timezone == "" {
			c.spec.Timezone = "Europe/Berlin"
		}
		s := scheduleOf(t, c.spec)
		for i, tick := range s.Upcoming(*utcTime(c.after), len(c.want)) {
			got := strings.TrimSpace(tick.At.Format("2006-01-02T15:04Z07:00 ") + tick.Local.Format("15:04Z07:00 ") + tick.Note)
			if got != c.want[i] {
				t.Errorf("%s after %s, tick %d:\ngot  %s\nwant %s", s.Definition, c.after, i, got, c.want[i])
			}
		}
	}
}

// Schedules that say the same in three languages fire the same, around every
// change of the clocks.
func TestKindsAgree(t *testing.T) {
	r := seeded(t)
	for range 200 {
		zone := zoneNames[r.IntN(len(zoneNames))]
		for _, same := range [][]ScheduleSpec{
			{{Cron: "0 0 * * *"}, {Interval: 24 * time.Hour}, {RRule: "FREQ=DAILY"}, {RRule: "FREQ=HOURLY;BYHOUR=0"}},
			{{Cron: "30 2 * * 1"}, {RRule: "FREQ=WEEKLY;BYDAY=MO;BYHOUR=2;BYMINUTE=30"}},
			{{Cron: "*/20 * * * *"}, {RRule: "FREQ=MINUTELY;INTERVAL=20"}, {RRule: "FREQ=HOURLY;BYMINUTE=0,20,40"}},
		} {
			after := time.Date(2020+r.IntN(20), 1, 2+r.IntN(364), r.IntN(24), 0, 0, 0, time.UTC)
			var want []time.Time
			for i, spec := range same {
				spec.Timezone = zone
				var got []time.Time
				for _, tick := range scheduleOf(t, spec).Upcoming(after, 100) {
					got = append(got, tick.At)
				}
				if want == nil {
					want = got
				}
				if !slices.EqualFunc(got, want, time.Time.Equal) {
					t.Fatalf("%v and %v differ in %s after %s:\n%s\n%s", same[i], same[0], zone, after, got, want)
				}
			}
		}
	}
}

func TestScheduleErrors(t *testing.T) {
	no := false
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		spec ScheduleSpec
		want string
	}{
		{ScheduleSpec{}, "a schedule has exactly one of cron, interval and rrule; this one has 0 of them"},
		{ScheduleSpec{Cron: "* * * * *", Interval: time.Hour}, "a schedule has exactly one of cron, interval and rrule; this one has 2 of them"},
		{ScheduleSpec{Cron: "* * * * *", AnchorDate: &now}, "anchor_date belongs to an interval; this schedule is a cron"},
		{ScheduleSpec{Interval: time.Hour, DayOr: &no}, "day_or belongs to a cron; this schedule is an interval"},
		{ScheduleSpec{Cron: "* * * * *", Slug: "a b"}, `"a b" cannot name a schedule`},
		{ScheduleSpec{Cron: "* * * * *", Timezone: "europe/berlin"}, `timezone "europe/berlin" is not an IANA zone`},
		{ScheduleSpec{Cron: "* * * * *", Timezone: "Local"}, `timezone "Local" is not an IANA zone`},
		{ScheduleSpec{Cron: "* * * * *", Timezone: "../etc/passwd"}, `timezone "../etc/passwd" is not an IANA zone`},
		{ScheduleSpec{Cron: "61 * * * *"}, `cron "61 * * * *": minute 61 is not in 0-59`},
		{ScheduleSpec{Cron: "* 24 * * *"}, `cron "* 24 * * *": hour 24 is not in 0-23`},
		{ScheduleSpec{Cron: "0 0 0 * *"}, `cron "0 0 0 * *": day of month 0 is not in 1-31`},
		{ScheduleSpec{Cron: "0 0 * 13 *"}, `cron "0 0 * 13 *": month 13 is not in 1-12 or JAN-DEC`},
		{ScheduleSpec{Cron: "0 0 * * MOON"}, `cron "0 0 * * MOON": day of week "MOON" is not in 0-7 or SUN-SAT`},
		{ScheduleSpec{Cron: "0 0 * * 1-"}, `cron "0 0 * * 1-": day of week "" is not in 0-7 or SUN-SAT`},
		{ScheduleSpec{Cron: "*/0 * * * *"}, `cron "*/0 * * * *": minute */0: a step is a number from 1`},
		{ScheduleSpec{Cron: "? * * * *"}, `cron "? * * * *": minute "?" is not in 0-59`},
		{ScheduleSpec{Cron: "H * * * *"}, `cron "H * * * *": minute "H" is not in 0-59`},
		{ScheduleSpec{Cron: "0 0 * * L"}, `cron "0 0 * * L": day of week L: it says of which day it is the last, 5L or FRIL`},
		{ScheduleSpec{Cron: "0 0 * * 5#6"}, `cron "0 0 * * 5#6": day of week 5#6: # is followed by 1-5`},
		{ScheduleSpec{Cron: "0 0 1-5W * *"}, `cron "0 0 1-5W * *": day of month "1-5" is not in 1-31: W follows one day, 15W, or L`},
		{ScheduleSpec{Cron: "0 0 * *"}, `cron "0 0 * *": 4 fields, five are wanted`},
		{ScheduleSpec{Cron: "0 0 12 * * *"}, `cron "0 0 12 * * *": 6 fields, five are read: tools disagree whether a sixth is seconds or a year, first or last`},
		{ScheduleSpec{Cron: "@reboot"}, `cron "@reboot": no such name`},
		{ScheduleSpec{Cron: "@every 5m"}, `cron "@every 5m": @every is an interval`},
		{ScheduleSpec{Cron: "CRON_TZ=UTC 0 0 * * *"}, `cron "CRON_TZ=UTC 0 0 * * *": the zone is not part of the expression`},
		{ScheduleSpec{Cron: "0 0 31 2 *"}, `cron "0 0 31 2 *": never fires: day 31 does not come in month 2`},
		{ScheduleSpec{Cron: "0 0 1 * 5#2", DayOr: &no}, `cron "0 0 1 * 5#2": never fires: no day is both day of month 1 and day of week 5#2 in month *`},
		{ScheduleSpec{Interval: time.Millisecond}, "interval 1ms: from one second to 100 years are read"},
		{ScheduleSpec{RRule: "FREQ=OFTEN"}, `rrule: FREQ "OFTEN" is not one of YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY`},
		{ScheduleSpec{RRule: "FREQ=DAILY;BYHOUR=24"}, "rrule: BYHOUR 24 is not in 0-23"},
		{ScheduleSpec{RRule: "FREQ=DAILY;BYMONTHDAY=0"}, "rrule: BYMONTHDAY 0 is not in 1-31 or -31 to -1"},
		{ScheduleSpec{RRule: "FREQ=DAILY;BYDAY=1MO"}, "rrule: BYDAY 1MO: numbers go with FREQ=MONTHLY or YEARLY, without BYWEEKNO"},
		{ScheduleSpec{RRule: "FREQ=DAILY;BYEASTER=1"}, "rrule: BYEASTER is not one of FREQ, INTERVAL, COUNT, UNTIL, WKST, BYMONTH, BYWEEKNO, BYYEARDAY, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSECOND, BYSETPOS"},
		{ScheduleSpec{RRule: "FREQ=DAILY;COUNT=3"}, "rrule: COUNT counts from DTSTART, which is missing"},
		{ScheduleSpec{RRule: "FREQ=DAILY;FREQ=DAILY"}, `rrule: "FREQ=DAILY" is no part=value, or is there twice`},
		{ScheduleSpec{RRule: "DTSTART:2026 RRULE:FREQ=DAILY"}, `rrule: "2026" is not a date: 20261231, 20261231T090000 or 20261231T080000Z`},
		{ScheduleSpec{RRule: "DTSTART;TZID=Europe/Rome:20260101T000000 RRULE:FREQ=DAILY", Timezone: "UTC"}, "rrule: DTSTART has TZID=Europe/Rome, the schedule's timezone is UTC"},
		{ScheduleSpec{RRule: "DTSTART:20260101T000000"}, "rrule: there is no RRULE and no RDATE"},
		{ScheduleSpec{RRule: "FREQ=DAILY EXRULE:FREQ=WEEKLY"}, "rrule: EXRULE was removed from the standard"},
		{ScheduleSpec{RRule: "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule: never fires: no date fits all of it in 400 years"},
		{ScheduleSpec{RRule: "FREQ=HOURLY;INTERVAL=2;BYHOUR=1"}, "rrule: never fires: no date fits all of it in 400 years"},
	} {
		_, _, err := c.spec.Normalise(now)
		var e *Error
		if !errors.As(err, &e) || e.Message != c.want {
			t.Errorf("%+v:\ngot  %v\nwant %s", c.spec, err, c.want)
		} else if strings.Contains(e.Message, "\n") || e.Code != Invalid {
			t.Errorf("%q: code %s", e.Message, e.Code)
		}
	}
}

func TestScheduleWarnings(t *testing.T) {
	yes := true
	for _, c := range []struct {
		spec ScheduleSpec
		want string
	}{
		{ScheduleSpec{Cron: "0 0 * * *"}, ""},
		{ScheduleSpec{Cron: "0 0 L * *"}, ""},
		{ScheduleSpec{Cron: "0 0 31 1 *"}, ""},
		{ScheduleSpec{Cron: "0 0 31 * *"}, `cron "0 0 31 * *": day 31 does not come in February, April, June, September, November; L is the last day of every month`},
		{ScheduleSpec{Cron: "0 0 30 1,2 *"}, `cron "0 0 30 1,2 *": day 30 does not come in February; L is the last day of every month`},
		{ScheduleSpec{Cron: "0 0 29 2 *"}, `cron "0 0 29 2 *": day 29 comes in February in leap years only`},
		{ScheduleSpec{Cron: "*/90 * * * *"}, `cron "*/90 * * * *": minute */90: the step is longer than the range, only 0 is left`},
		{ScheduleSpec{Cron: "0 0 1-7 * MON"}, `cron "0 0 1-7 * MON": day of month 1-7 or day of week 1: a day that either allows fires (day_or: false wants both)`},
		{ScheduleSpec{Cron: "0 0 1-7 * MON", DayOr: &yes}, ""},
		{ScheduleSpec{RRule: "DTSTART:20200101T000000 RRULE:FREQ=DAILY;COUNT=3"}, "rrule: it is over, nothing of it is to come"},
	} {
		_, warnings, err := c.spec.Normalise(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		must(t, err)
		if got := strings.Join(warnings, "; "); got != c.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", c.spec, got, c.want)
		}
	}
}

// One meaning has one definition and one slug, however it is written, and a
// row gives back the schedule that it was made from.
func TestScheduleDefinitions(t *testing.T) {
	no := false
	for _, c := range []struct {
		spec                   ScheduleSpec
		definition, slug, text string
	}{
		{ScheduleSpec{Cron: " 05  06 * JAN-mar  ? "}, `{"cron":"5 6 * 1-3 *"}`, "cron-5-6-x-1to3", "cron 5 6 * 1-3 * (UTC)"},
		{ScheduleSpec{Cron: "@Daily"}, `{"cron":"0 0 * * *"}`, "cron-0-0", "every day at 00:00 (UTC)"},
		{ScheduleSpec{Cron: "* * * * *"}, `{"cron":"* * * * *"}`, "cron-x", "every minute (UTC)"},
		{ScheduleSpec{Cron: "*/5 * * * *"}, `{"cron":"*/5 * * * *"}`, "cron-x.5", "every 5 minutes (UTC)"},
		{ScheduleSpec{Cron: "5 * * * *"}, `{"cron":"5 * * * *"}`, "cron-5", "every hour at :05 (UTC)"},
		{ScheduleSpec{Cron: "30 2 * * MON-FRI", Timezone: "Europe/Berlin"}, `{"cron":"30 2 * * 1-5"}`, "cron-30-2-x-x-1to5", "Monday to Friday at 02:30 (Europe/Berlin)"},
		{ScheduleSpec{Cron: "0 8,20 * * 7"}, `{"cron":"0 8,20 * * 0"}`, "cron-0-8_20-x-x-0", "every Sunday at 08:00, 20:00 (UTC)"},
		{ScheduleSpec{Cron: "0 9 1-7 * 1", DayOr: &no}, `{"cron":"0 9 1-7 * 1","day_or":false}`, "cron-0-9-1to7-x-1-both", "cron 0 9 1-7 * 1, both day fields (UTC)"},
		{ScheduleSpec{Interval: 15 * time.Minute}, `{"interval":900}`, "every-15m", "every 15 minutes (UTC)"},
		{ScheduleSpec{Interval: 90 * time.Minute}, `{"interval":5400}`, "every-1h30m", "every 90 minutes (UTC)"},
		{ScheduleSpec{Interval: 1500 * time.Millisecond}, `{"interval":1.5}`, "every-1.5s", "every 1.5s (UTC)"},
		{
			ScheduleSpec{Interval: 24 * time.Hour, AnchorDate: utcTime("2026-01-01T08:00"), Timezone: "Asia/Tokyo"},
			`{"interval":86400,"anchor_date":"2026-01-01T08:00:00Z"}`, "every-1d-a8e5d3ee", "every day, counted from 2026-01-01 17:00:00 (Asia/Tokyo)",
		},
		{ScheduleSpec{RRule: "rrule:byday=mo;freq=weekly"}, `{"rrule":"RRULE:FREQ=WEEKLY;BYDAY=MO"}`, "rrule-weekly-4f2722da", "rrule FREQ=WEEKLY;BYDAY=MO (UTC)"},
		{
			ScheduleSpec{RRule: `DTSTART;TZID=Asia/Tokyo:20260101T090000\nRRULE:FREQ=DAILY;UNTIL=20270101T000000Z\nEXDATE:20260102T000000Z`},
			`{"rrule":"DTSTART:20260101T090000\nRRULE:FREQ=DAILY;UNTIL=20270101T090000\nEXDATE:20260102T090000"}`, "rrule-daily-b1e611ec", "rrule DTSTART:20260101T090000 RRULE:FREQ=DAILY;UNTIL=20270101T090000 EXDATE:20260102T090000 (Asia/Tokyo)",
		},
	} {
		s := scheduleOf(t, c.spec)
		if s.Definition != c.definition || s.SlugBase() != c.slug || s.Describe() != c.text {
			t.Errorf("got  %s %s %s\nwant %s %s %s", s.Definition, s.SlugBase(), s.Describe(), c.definition, c.slug, c.text)
		}
		row, err := LoadSchedule(s.Kind, s.Definition, s.Timezone)
		must(t, err)
		after := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		if row.Definition != s.Definition || !slices.Equal(row.Upcoming(after, 20), s.Upcoming(after, 20)) {
			t.Errorf("%s: read back as %s", s.Definition, row.Definition)
		}
	}
}

func TestDeriveSlugs(t *testing.T) {
	schedules := []Schedule{
		scheduleOf(t, ScheduleSpec{Cron: "0 6 * * *"}),
		scheduleOf(t, ScheduleSpec{Cron: "0 6 * * *", Timezone: "Europe/Berlin"}),
		scheduleOf(t, ScheduleSpec{Cron: "0 7 * * *", Slug: "cron-0-6-2"}),
		scheduleOf(t, ScheduleSpec{Cron: "@hourly"}),
		scheduleOf(t, ScheduleSpec{Cron: "00 * * * *"}),
	}
	must(t, DeriveSlugs(schedules))
	var got []string
	for _, s := range schedules {
		got = append(got, s.Slug)
	}
	if want := []string{"cron-0-6", "cron-0-6-3", "cron-0-6-2", "cron-0", "cron-0-2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	schedules[0].Slug = "cron-0"
	if err := DeriveSlugs(schedules); err == nil || err.Error() != `two schedules have the slug "cron-0"` {
		t.Errorf("two equal slugs: %v", err)
	}
}

func TestJitter(t *testing.T) {
	s := scheduleOf(t, ScheduleSpec{Cron: "*/10 * * * *"})
	s.Slug = "a"
	other := s
	other.Slug = "b"
	id, tick := NewID(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	differ, most := 0, time.Duration(0)
	for range 1000 {
		tick, _ = s.Next(tick)
		got := s.Jitter(id, tick, time.Hour)
		if got < 0 || got >= 5*time.Minute || got != s.Jitter(id, tick, time.Hour) {
			t.Fatalf("jitter %s at %s", got, tick)
		}
		if got != other.Jitter(id, tick, time.Hour) {
			differ++
		}
		most = max(most, got)
		if got := s.Jitter(id, tick, 2*time.Second); got >= 2*time.Second {
			t.Fatalf("jitter %s of at most 2 s", got)
		}
	}
	if differ < 990 || most < 4*time.Minute {
		t.Errorf("%d of 1000 differ by slug, the most is %s", differ, most)
	}
	if got := s.Jitter(id, tick, 0); got != 0 {
		t.Errorf("no jitter gives %s", got)
	}
}
