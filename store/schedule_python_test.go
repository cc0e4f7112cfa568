package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// python runs a script in the virtual environment that
// RUNNEL_TEST_CRONITER_VENV names, with JSON in and out:
//
//	python3 -m venv V && V/bin/pip install croniter python-dateutil
func python(t *testing.T, script string, in, out any) {
	t.Helper()
	venv := os.Getenv("RUNNEL_TEST_CRONITER_VENV")
	if venv == "" {
		t.Skip("SKIPPED: RUNNEL_TEST_CRONITER_VENV names no virtual environment with croniter and python-dateutil")
	}
	stdin, err := json.Marshal(in)
	must(t, err)
	cmd := exec.Command(filepath.Join(venv, "bin", "python3"), "-c", script)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), os.Stderr
	stdout, err := cmd.Output()
	must(t, err)
	must(t, json.Unmarshal(stdout, out))
}

// A difference is one that is known, and its reason. One that no reason
// explains fails the test.
type difference struct {
	reason  string
	applies func(text, theirError string) bool
}

func reasonFor(differences []difference, text, theirError string) string {
	for _, d := range differences {
		if d.applies(text, theirError) {
			return d.reason
		}
	}
	return ""
}

func regexpApplies(pattern string) func(string, string) bool {
	re := regexp.MustCompile(pattern)
	return func(text, _ string) bool { return re.MatchString(text) }
}

const croniterScript = `
import json, sys, datetime
from croniter import croniter
def ask(q):
    try:
        c = croniter(q["cron"], datetime.datetime.strptime(q["after"], "%Y%m%dT%H%M%S"), day_or=q["or"])
        return {"ticks": [c.get_next(datetime.datetime).strftime("%Y%m%dT%H%M%S") for _ in range(3)]}
    except Exception as e:
        return {"error": type(e).__name__ + ": " + str(e)}
json.dump([ask(q) for q in json.load(sys.stdin)], sys.stdout)
`

// croniterDiffers lists where runnel differs from croniter 7.0.0.
var croniterDiffers = []difference{
	// croniter takes the last day for a day that the month does not have.
	{"31W does not come in a month of 30 days", regexpApplies(`\b(29|30|31)W`)},
	// croniter keeps W, # and a last weekday apart from the day fields: where
	// both are restricted it loses the other one, or ANDs it.
	{"W, # and L5 beside the other day field are ORed as all else", func(text, _ string) bool {
		f := strings.Fields(text)
		return f[2] != "*" && f[4] != "*" && strings.ContainsAny(f[2]+f[4], "W#L")
	}},
	// croniter reads "0 0 1-31 * MON" as every day: it lifts the restriction
	// of 1-31 only where the other field is a star.
	{"a list of all days beside the other day field counts as *", func(text, _ string) bool {
		f := strings.Fields(text)
		c, err := parseCron("0 0 "+f[2]+" * "+f[4], false)
		return err == nil && f[2] != "*" && f[4] != "*" && (c.anyDay || c.anyDow)
	}},
}

// TestCronAgainstCroniter compares three ticks of 20,000 random expressions.
func TestCronAgainstCroniter(t *testing.T) {
	r := seeded(t)
	type question struct {
		Cron  string `json:"cron"`
		After string `json:"after"`
		Or    bool   `json:"or"`
	}
	var crons []oracleCron
	var questions []question
	for range 20_000 {
		o := randomCron(r, false, r.IntN(3) > 0)
		o.and = r.IntN(4) == 0
		after := time.Date(2000+r.IntN(60), 1, 1+r.IntN(365), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
		crons = append(crons, o)
		questions = append(questions, question{o.text(), after.Format(rruleTime), !o.and})
	}
	var answers []struct {
		Ticks []string
		Error string
	}
	python(t, croniterScript, questions, &answers)
	differ := map[string]int{}
	for i, o := range crons {
		after, _ := time.Parse(rruleTime, questions[i].After)
		var got []string
		s, err := o.schedule("UTC")
		for _, tick := range s.Upcoming(after, 3) {
			got = append(got, tick.At.Format(rruleTime))
		}
		if slices.Equal(got, answers[i].Ticks) {
			continue
		}
		reason := reasonFor(croniterDiffers, o.text(), answers[i].Error)
		if reason == "" {
			t.Errorf("%q or=%v after %s: %v %v, croniter %v %s", o.text(), !o.and, after, got, err, answers[i].Ticks, answers[i].Error)
		}
		differ[reason]++
	}
	for _, reason := range slices.Sorted(maps.Keys(differ)) {
		t.Logf("%d of %d differ: %s", differ[reason], len(crons), reason)
	}
}

const dateutilScript = `
import json, sys, datetime, signal
from itertools import islice
from dateutil.rrule import rrulestr
class Slow(Exception): pass
def late(*_): raise Slow()
signal.signal(signal.SIGVTALRM, late)
def ask(text):
    out = []
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.1)
        for t in islice(rrulestr(text), 6):
            if t.year > 2400: break
            out.append(t.strftime("%Y%m%dT%H%M%S"))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return {"ticks": out}
    except Slow:
        return {"slow": True, "ticks": out}
    except Exception as e:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return {"error": type(e).__name__ + ": " + str(e)}
json.dump([ask(q) for q in json.load(sys.stdin)], sys.stdout)
`

// randomSet makes a recurrence set: a rule or two, dates and exceptions.
func randomSet(r *rand.Rand) (text string) {
	start := time.Date(1997+r.IntN(30), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
	lines := []string{"DTSTART:" + start.Format(rruleTime), "RRULE:" + randomRule(r, start)}
	if r.IntN(10) == 0 {
		lines = append(lines, "RRULE:"+randomRule(r, start))
	}
	near := func() string {
		return start.AddDate(0, r.IntN(3), r.IntN(3)).Format(rruleTime)
	}
	if r.IntN(8) == 0 {
		lines = append(lines, "EXDATE:"+near()+","+start.Format(rruleTime))
	}
	if r.IntN(8) == 0 {
		lines = append(lines, "RDATE:"+near()+","+near())
	}
	return strings.Join(lines, "\n")
}

func randomRule(r *rand.Rand, start time.Time) string {
	freq := r.IntN(len(frequencies))
	rule := "FREQ=" + frequencies[freq]
	list := func(low, high int, signed bool) string {
		var values []string
		for range 1 + r.IntN(4) {
			v := low + r.IntN(high-low+1)
			if signed && r.IntN(3) == 0 {
				v = -v
			}
			values = append(values, strconv.Itoa(v))
		}
		slices.Sort(values)
		return strings.Join(slices.Compact(values), ",")
	}
	maybe := func(oneOf int, part string, value func() string) {
		if r.IntN(oneOf) == 0 {
			rule += ";" + part + "=" + value()
		}
	}
	maybe(2, "INTERVAL", func() string { return strconv.Itoa(1 + r.IntN(1+r.IntN(20))) })
	maybe(4, "WKST", func() string { return rruleDays[r.IntN(7)] })
	maybe(4, "BYMONTH", func() string { return list(1, 12, false) })
	maybe(5, "BYMONTHDAY", func() string { return list(1, 31, true) })
	maybe(9, "BYYEARDAY", func() string { return list(1, 366, true) })
	weeks := freq == int(yearly) && r.IntN(6) == 0
	if weeks {
		rule += ";BYWEEKNO=" + list(1, 53, true)
	}
	maybe(3, "BYDAY", func() string { return randomWeekdays(r, freq <= int(monthly) && !weeks) })
	maybe(3, "BYHOUR", func() string { return list(0, 23, false) })
	maybe(3, "BYMINUTE", func() string { return list(0, 59, false) })
	maybe(6, "BYSECOND", func() string { return list(0, 59, false) })
	maybe(5, "BYSETPOS", func() string { return list(1, 5, true) })
	switch r.IntN(4) {
	case 0:
		rule += ";COUNT=" + strconv.Itoa(1+r.IntN(8))
	case 1:
		rule += ";UNTIL=" + start.AddDate(r.IntN(3), r.IntN(12), 0).Format(rruleTime)
	}
	return rule
}

func randomWeekdays(r *rand.Rand, numbers bool) string {
	var days []string
	for range 1 + r.IntN(3) {
		day := rruleDays[r.IntN(7)]
		if numbers && r.IntN(2) == 0 {
			day = fmt.Sprint(1+r.IntN(5)) + day
			if r.IntN(3) == 0 {
				day = "-" + day
			}
		}
		days = append(days, day)
	}
	return strings.Join(days, ",")
}

// dateutilDiffers lists where runnel differs from dateutil 2.9 and 4.0.
var dateutilDiffers = []difference{
	// dateutil wants both of a plain and a numbered day; the RFC lists days.
	{"BYDAY=FR,2MO is every Friday and the second Monday", regexpApplies(
		`BYDAY=([^;\n]*,)?[A-Z]{2},([^;\n]*,)?-?\d[A-Z]{2}|BYDAY=([^;\n]*,)?-?\d[A-Z]{2},([^;\n]*,)?[A-Z]{2}\b`)},
	// dateutil starts the first week at DTSTART; the RFC takes whole periods.
	{"BYSETPOS counts in the whole first week", regexpApplies(`FREQ=WEEKLY\S*BYSETPOS`)},
	// One rule that never fires makes dateutil refuse the whole set.
	{"a set with one rule that never fires still has the others", func(text, theirs string) bool {
		return strings.Contains(theirs, "empty") && strings.Count(text, "RRULE:")+strings.Count(text, "RDATE:") > 1
	}},
	// dateutil counts 53 weeks in the year before where it has 52, and takes the
	// days before the first week for the 53rd.
	{"a week 53 comes in years that have one", regexpApplies(`BYWEEKNO=([^;\n]*,)?53\b`)},
	// dateutil leaves out the days of December that are in such a week.
	{"the first week of the next year is numbered from its end too", regexpApplies(`BYWEEKNO=[^;\n]*-5[23]`)},
}

// TestRRuleAgainstDateutil compares the first six ticks of 2,000 random sets.
func TestRRuleAgainstDateutil(t *testing.T) {
	r := seeded(t)
	var questions []string
	for range 2000 {
		questions = append(questions, randomSet(r))
	}
	var answers []struct {
		Ticks []string
		Slow  bool
		Error string
	}
	python(t, dateutilScript, questions, &answers)
	differ, slow, never := map[string]int{}, 0, 0
	for i, text := range questions {
		var got []string
		s, _, err := ScheduleSpec{RRule: text}.Normalise(time.Now())
		for _, tick := range s.Upcoming(time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), 6) {
			if tick.At.Year() <= 2400 {
				got = append(got, tick.At.Format(rruleTime))
			}
		}
		want := answers[i]
		switch {
		case want.Slow && len(got) >= len(want.Ticks) && slices.Equal(got[:len(want.Ticks)], want.Ticks):
			slow++
			continue
		case err != nil && len(want.Ticks) == 0:
			never++
			continue
		case slices.Equal(got, want.Ticks):
			continue
		}
		reason := reasonFor(dateutilDiffers, text, want.Error)
		if reason == "" {
			t.Errorf("%s\ngot      %v %v\ndateutil %v %s", text, got, err, want.Ticks, want.Error)
		}
		differ[reason]++
	}
	t.Logf("of %d sets %d never fire, %d took dateutil over 0.1 s of CPU", len(questions), never, slow)
	for _, reason := range slices.Sorted(maps.Keys(differ)) {
		t.Logf("%d differ: %s", differ[reason], reason)
	}
}
