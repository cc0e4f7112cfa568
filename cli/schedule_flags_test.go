package cli

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"runnel/store"
)

func parseScheduleFlags(t *testing.T, args ...string) (*[]store.ScheduleSpec, error) {
	t.Helper()
	var f scheduleFlags
	parser, err := kong.New(&f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f.specs()
}

func TestScheduleFlags(t *testing.T) {
	specs, err := parseScheduleFlags(t,
		"--cron", "0 2,14 * * *", "--cron", "30 6 * * MON,FRI", "--interval", "1.5", "--interval", "1h",
		"--rrule", "FREQ=WEEKLY;BYDAY=MO,FR", "--rrule", `{"rrule": "FREQ=DAILY", "timezone": "Asia/Tokyo"}`,
		"--schedule", `{"interval": 90, "anchor_date": "2026-01-01T09:00", "slug": "a", "active": true, "parameters": {"names": ["x", "y"]}}`,
		"--schedule", `{"cron": "0 0 1,15 * 1", "day_or": true}`,
		"--timezone", "Europe/Berlin", "--no-day-or", "--anchor-date", "2026-07-01", "--no-schedule-active")
	if err != nil {
		t.Fatal(err)
	}
	var crons []string
	for _, s := range *specs {
		crons = append(crons, s.Cron)
	}
	if want := []string{"0 2,14 * * *", "30 6 * * MON,FRI", "", "", "", "", "", "0 0 1,15 * 1"}; !slices.Equal(crons, want) {
		t.Fatalf("crons %q", crons)
	}
	s := *specs
	july := time.Date(2026, 6, 30, 22, 0, 0, 0, time.UTC)
	for what, holds := range map[string]bool{
		"the day fields hold for both crons":   !*s[0].DayOr && !*s[1].DayOr,
		"but for one that says so itself":      *s[7].DayOr,
		"an interval has none":                 s[2].DayOr == nil,
		"half seconds":                         s[2].Interval == 1500*time.Millisecond,
		"the anchor is local":                  s[3].AnchorDate.Equal(july),
		"a rule has no anchor":                 s[4].AnchorDate == nil,
		"a rule keeps its comma":               s[4].RRule == "FREQ=WEEKLY;BYDAY=MO,FR",
		"the zone holds for all":               s[0].Timezone == "Europe/Berlin" && s[6].Timezone == "Europe/Berlin",
		"but for one that names its own":       s[5].Timezone == "Asia/Tokyo",
		"an object's anchor is its own":        s[6].AnchorDate.Equal(time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)),
		"an object's parameters keep commas":   string(s[6].Parameters["names"]) == `["x", "y"]`,
		"inactive, but for one that says so":   !*s[0].Active && *s[6].Active && s[6].Slug == "a",
		"a number of seconds in an object":     s[6].Interval == 90*time.Second,
		"what is given is a list of all eight": len(s) == 8,
	} {
		if !holds {
			t.Errorf("it does not hold: %s", what)
		}
	}
}

func TestScheduleFlagsThatSayNothing(t *testing.T) {
	if specs, err := parseScheduleFlags(t, "--catchup", "all"); specs != nil || err != nil {
		t.Errorf("without a schedule flag: %v, %v", specs, err)
	}
	if specs, err := parseScheduleFlags(t, "--no-schedule"); specs == nil || len(*specs) != 0 || err != nil {
		t.Errorf("--no-schedule: %v, %v", specs, err)
	}
}

// TestScheduleFlagErrors: each names its flag and how to mend it.
func TestScheduleFlagErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--cron", "61 * * * *"}, `--cron "61 * * * *": minute 61 is not in 0-59`},
		{[]string{"--cron", " "}, `--cron is empty`},
		{[]string{"--interval", "soon"}, `--interval "soon" is not a duration`},
		{[]string{"--rrule", "FREQ=NEVER"}, `--rrule: FREQ "NEVER" is not one of YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY`},
		{[]string{"--cron", "0 6 * * *", "--timezone", "Berlin"}, `--timezone "Berlin" is not an IANA zone`},
		{[]string{"--interval", "1h", "--anchor-date", "noon"}, `--anchor-date "noon" is not a date`},
		{[]string{"--timezone", "UTC"}, `--timezone says something of a schedule, and the line has none that it fits`},
		{[]string{"--cron", "0 6 * * *", "--anchor-date", "2026-01-01"}, `--anchor-date says something of a schedule, and the line has none that it fits`},
		{[]string{"--interval", "1h", "--day-or"}, `--day-or says something of a schedule, and the line has none that it fits`},
		{[]string{"--no-schedule-active"}, `--schedule-active says something of a schedule, and the line has none that it fits`},
		{[]string{"--schedule", `{"cron": 5}`}, `--schedule: {"cron": 5} is no schedule: cron cannot be of the type number`},
		{[]string{"--schedule", `{"crom": "0 6 * * *"}`}, `--schedule: {"crom": "0 6 * * *"} is no schedule: it cannot have "crom"`},
		{[]string{"--schedule", `{"slug": "x"}`}, `--schedule: a schedule has exactly one of cron, interval and rrule; this one has 0 of them`},
		{[]string{"--cron", "0 6 * * *", "--no-schedule"}, `--no-schedule removes the schedules, and the line sets some`},
	} {
		_, err := parseScheduleFlags(t, c.args...)
		var known *store.Error
		var exit *exitError
		if message, hint, _ := describe(err); message != c.says || len(hint) == 0 {
			t.Errorf("%q says %q, %q", c.args, message, hint)
		}
		if !errors.As(err, &known) && !errors.As(err, &exit) {
			t.Errorf("%q: %T has no exit code", c.args, err)
		}
	}
}
