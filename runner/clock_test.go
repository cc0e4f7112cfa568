package runner

import (
	"testing"
	"time"
)

func TestSleepIsToldFromAClockThatWasSet(t *testing.T) {
	start := clockWatch{wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct{ wall, awake, whole, slept, set time.Duration }{
		"a second":          {wall: time.Second, awake: time.Second, whole: time.Second},
		"a night":           {wall: 8 * time.Hour, awake: time.Second, whole: 8 * time.Hour, slept: 8*time.Hour - time.Second},
		"set forward":       {wall: time.Hour + time.Second, awake: time.Second, whole: time.Second, set: time.Hour},
		"set back":          {wall: time.Second - time.Hour, awake: time.Second, whole: time.Second, set: -time.Hour},
		"slept and set":     {wall: 2 * time.Hour, awake: 0, whole: time.Hour, slept: time.Hour, set: time.Hour},
		"nothing, very new": {},
	} {
		slept, set := clockWatch{start.wall.Add(c.wall), c.awake, c.whole}.since(start)
		if slept != c.slept || set != c.set {
			t.Errorf("%s: slept %s, set by %s", name, slept, set)
		}
	}
	before := watchClock()
	if slept, set := watchClock().since(before); slept.Abs() > clockStep || set.Abs() > clockStep {
		t.Errorf("two looks in a row: slept %s, set by %s", slept, set)
	}
}
