package store

import (
	"testing"
	"time"
)

// The law of Next: after any instant it gives a later one, the same each
// time, and from anywhere before that one again the same, so that none lies
// between.
func checkNext(t *testing.T, s Schedule, after time.Time) {
	t.Helper()
	for range 4 {
		tick, ok := s.Next(after)
		again, okAgain := s.Next(after)
		if ok != okAgain || !tick.Equal(again) {
			t.Fatalf("%s %s after %s: %s, then %s", s.Definition, s.Timezone, after, tick, again)
		}
		if !ok {
			return
		}
		if !tick.After(after) {
			t.Fatalf("%s %s after %s: %s is not later", s.Definition, s.Timezone, after, tick)
		}
		for _, from := range []time.Time{tick.Add(-1), after.Add(tick.Sub(after) / 2)} {
			if got, ok := s.Next(from); from.Before(tick) && (!ok || !got.Equal(tick)) {
				t.Fatalf("%s %s after %s: %s, but after %s: %s", s.Definition, s.Timezone, after, tick, from, got)
			}
		}
		after = tick
	}
}

func fuzzSchedule(t *testing.T, spec ScheduleSpec, seconds int64) {
	after := time.Unix(seconds%(200*365*daySeconds), 0)
	begin := time.Now()
	s, _, err := spec.Normalise(after)
	if err != nil {
		return
	}
	checkNext(t, s, after)
	s.Upcoming(after, 3)
	row, err := LoadSchedule(s.Kind, s.Definition, s.Timezone)
	if err != nil || row.Definition != s.Definition {
		t.Fatalf("%s is read back as %s: %v", s.Definition, row.Definition, err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Fatalf("%s took %s", s.Definition, took)
	}
}

func FuzzCron(f *testing.F) {
	for _, text := range []string{
		"* * * * *", "*/5 8-17 * * 1-5", "0 0 L * ?", "0 0 15W * *", "0 2 * * 5#2,5L", "@daily", "0 22-2/2 29 FEB *", "99999999999999999999 * * * *",
	} {
		f.Add(text, true, uint16(0), int64(1774746000))
	}
	f.Fuzz(func(t *testing.T, text string, either bool, zone uint16, seconds int64) {
		fuzzSchedule(t, ScheduleSpec{Cron: text, DayOr: &either, Timezone: zoneNames[int(zone)%len(zoneNames)]}, seconds)
	})
}

func FuzzRRule(f *testing.F) {
	for _, text := range []string{
		"FREQ=DAILY", "DTSTART:19970902T090000 RRULE:FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
		"FREQ=SECONDLY;INTERVAL=7;BYHOUR=3;BYSETPOS=-1", "DTSTART:20260101T000000\nRRULE:FREQ=MONTHLY;COUNT=5\nEXDATE;VALUE=DATE:20260201\nRDATE:20260202T000000",
	} {
		f.Add(text, uint16(0), int64(1774746000))
	}
	f.Fuzz(func(t *testing.T, text string, zone uint16, seconds int64) {
		fuzzSchedule(t, ScheduleSpec{RRule: text, Timezone: zoneNames[int(zone)%len(zoneNames)]}, seconds)
	})
}

func FuzzInterval(f *testing.F) {
	f.Add("90m", "2026-01-01T00:00", uint16(0), int64(1774746000))
	f.Add("P1DT2H", "2026-01-01T00:00:00+02:00", uint16(9), int64(1774746000))
	f.Fuzz(func(t *testing.T, text, anchorText string, zone uint16, seconds int64) {
		name := zoneNames[int(zone)%len(zoneNames)]
		every, err := ParseInterval(text)
		anchor, anchorErr := ParseAnchor(anchorText, name)
		if err == nil && anchorErr == nil {
			fuzzSchedule(t, ScheduleSpec{Interval: every, AnchorDate: &anchor, Timezone: name}, seconds)
		}
	})
}

// TestNextIsSteady runs the law over random schedules of all kinds.
func TestNextIsSteady(t *testing.T) {
	r := seeded(t)
	for range 600 {
		spec := ScheduleSpec{Timezone: zoneNames[r.IntN(len(zoneNames))]}
		switch r.IntN(3) {
		case 0:
			spec.Cron = randomCron(r, false, false).text()
		case 1:
			spec.RRule = randomSet(r)
		default:
			spec.Interval = time.Duration(1+r.IntN(1_000_000)) * time.Second
		}
		fuzzSchedule(t, spec, r.Int64())
	}
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct {
		name string
		spec ScheduleSpec
	}{
		{"cron-minutes", ScheduleSpec{Cron: "*/5 * * * *"}},
		{"cron-daily", ScheduleSpec{Cron: "30 2 * * *"}},
		{"cron-weekdays", ScheduleSpec{Cron: "0 6 * * 1-5"}},
		{"cron-leap-day", ScheduleSpec{Cron: "0 0 29 2 *"}},
		{"cron-leap-day-hourly", ScheduleSpec{Cron: "0 * 29 2 *"}},
		{"interval-15m", ScheduleSpec{Interval: 15 * time.Minute}},
		{"interval-1d", ScheduleSpec{Interval: 24 * time.Hour}},
		{"rrule-weekly", ScheduleSpec{RRule: "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9"}},
		{"rrule-yearly", ScheduleSpec{RRule: "FREQ=YEARLY;BYMONTH=12;BYDAY=-1FR"}},
		{"rrule-minutely", ScheduleSpec{RRule: "FREQ=MINUTELY;INTERVAL=7"}},
	} {
		for _, zone := range []string{"UTC", "Europe/Berlin"} {
			c.spec.Timezone = zone
			start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			s, _, err := c.spec.Normalise(start)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(c.name+"/"+zone, func(b *testing.B) {
				after, n := start, 0
				for b.Loop() {
					if after, _ = s.Next(after); n%1000 == 999 {
						after = start
					}
					n++
				}
			})
		}
	}
}

func BenchmarkLoadSchedule(b *testing.B) {
	for b.Loop() {
		if _, err := LoadSchedule(CronSchedule, `{"cron":"30 2 * * 1-5"}`, "Europe/Berlin"); err != nil {
			b.Fatal(err)
		}
	}
}
