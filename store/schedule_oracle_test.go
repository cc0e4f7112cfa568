package store

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var scheduleSeed = flag.Uint64("schedule-seed", 0, "seed of the random schedules; 0 takes one from the clock")

// seeded gives randomness whose seed is printed when the test fails or is verbose.
func seeded(t *testing.T) *rand.Rand {
	seed := *scheduleSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -schedule-seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// An oracleField is one field of an expression as the definition of cron has
// it: its text, and which dates and times it allows. It shares no code with
// the parser.
type oracleField struct {
	text   string
	allows func(t time.Time) bool
	every  bool
}

type oracleCron struct {
	fields  [5]oracleField
	and     bool
	repeats bool
}

func (o oracleCron) text() string {
	var texts []string
	for _, f := range o.fields {
		texts = append(texts, f.text)
	}
	return strings.Join(texts, " ")
}

func (o oracleCron) matches(t time.Time) bool {
	if !o.fields[0].allows(t) || !o.fields[1].allows(t) || !o.fields[3].allows(t) {
		return false
	}
	day, weekday := o.fields[2], o.fields[4]
	if !day.every && !weekday.every && !o.and {
		return day.allows(t) || weekday.allows(t)
	}
	return day.allows(t) && weekday.allows(t)
}

var oracleValues = [5]func(time.Time) int{
	time.Time.Minute, time.Time.Hour, time.Time.Day,
	func(t time.Time) int { return int(t.Month()) },
	func(t time.Time) int { return int(t.Weekday()) },
}

// randomField makes a field of one to three items. plain leaves out L, W and #.
func randomField(r *rand.Rand, i int, plain bool) oracleField {
	low, high := []int{0, 0, 1, 1, 0}[i], []int{59, 23, 31, 12, 6}[i]
	if r.IntN(3) == 0 {
		return oracleField{text: "*", allows: func(time.Time) bool { return true }, every: true}
	}
	if !plain && r.IntN(4) == 0 && (i == 2 || i == 4) {
		return randomSpecial(r, i)
	}
	allowed := map[int]bool{}
	var texts []string
	for range 1 + r.IntN(3)*r.IntN(2) {
		texts = append(texts, randomItem(r, i, low, high, allowed))
	}
	return oracleField{
		text:   strings.Join(texts, ","),
		allows: func(t time.Time) bool { return allowed[oracleValues[i](t)] },
		every:  len(allowed) == high-low+1,
	}
}

func randomItem(r *rand.Rand, i, low, high int, allowed map[int]bool) string {
	from, to, step := low+r.IntN(high-low+1), 0, 1+r.IntN(high-low)
	name := func(v int) string {
		names := [][]string{
			3: {"jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
			4: {"sun", "MON", "Tue", "wed", "thu", "fri", "sat"},
		}
		switch {
		case i >= 3 && r.IntN(3) == 0:
			return names[i][v-low]
		case r.IntN(5) == 0:
			return fmt.Sprintf("%02d", v)
		}
		return fmt.Sprint(v)
	}
	add := func(from, to, step int) {
		for v := from; v <= to; v += step {
			allowed[v] = true
		}
	}
	switch r.IntN(6) {
	case 0:
		add(low, high, step)
		return fmt.Sprintf("*/%d", step)
	case 1:
		add(from, high, step)
		return fmt.Sprintf("%s/%d", name(from), step)
	case 2, 3:
		if to = from + 1 + r.IntN(high-low); to > high {
			to = high
		}
		if from == to {
			from--
		}
		if r.IntN(2) == 0 {
			add(from, to, step)
			return fmt.Sprintf("%s-%s/%d", name(from), name(to), step)
		}
		add(from, to, 1)
		return name(from) + "-" + name(to)
	}
	if i == 4 && r.IntN(4) == 0 {
		add(0, 0, 1)
		return "7"
	}
	add(from, from, 1)
	return name(from)
}

func randomSpecial(r *rand.Rand, i int) oracleField {
	weekday, n := r.IntN(7), 1+r.IntN(5)
	lastOf := func(t time.Time) int { return t.AddDate(0, 0, 1-t.Day()).AddDate(0, 1, -1).Day() }
	switch {
	case i == 4 && r.IntN(2) == 0:
		return oracleField{text: fmt.Sprintf("%d#%d", weekday, n), allows: func(t time.Time) bool {
			return int(t.Weekday()) == weekday && t.AddDate(0, 0, -7*(n-1)).Month() == t.Month() && t.AddDate(0, 0, -7*n).Month() != t.Month()
		}}
	case i == 4:
		return oracleField{text: fmt.Sprintf("L%d", weekday), allows: func(t time.Time) bool {
			return int(t.Weekday()) == weekday && t.AddDate(0, 0, 7).Month() != t.Month()
		}}
	case r.IntN(2) == 0:
		return oracleField{text: "L", allows: func(t time.Time) bool { return t.Day() == lastOf(t) }}
	}
	day := 1 + r.IntN(31)
	return oracleField{text: fmt.Sprintf("%dW", day), allows: func(t time.Time) bool {
		if day > lastOf(t) {
			return false
		}
		// The nearest working day of the month, the earlier of two as near.
		for _, off := range []int{0, -1, 1, -2, 2} {
			near := t.AddDate(0, 0, day-t.Day()+off)
			if near.Month() == t.Month() && near.Weekday() != time.Saturday && near.Weekday() != time.Sunday {
				return near.Day() == t.Day()
			}
		}
		return false
	}}
}

// randomCron makes an expression; dense ones leave the date alone, so that
// they fire on any day.
func randomCron(r *rand.Rand, dense, plain bool) oracleCron {
	o := oracleCron{}
	for i := range o.fields {
		o.fields[i] = randomField(r, i, plain)
		if dense && i >= 2 {
			o.fields[i] = oracleField{text: "*", allows: func(time.Time) bool { return true }, every: true}
		}
	}
	if dense && r.IntN(3) == 0 {
		hour := r.IntN(4) // most clocks change in these
		o.fields[1] = oracleField{text: fmt.Sprint(hour), allows: func(t time.Time) bool { return t.Hour() == hour }}
	}
	o.repeats = strings.ContainsAny(o.fields[1].text, "*/") || o.fields[1].every
	return o
}

func (o oracleCron) schedule(zone string) (Schedule, error) {
	spec := ScheduleSpec{Cron: o.text(), Timezone: zone}
	if o.and {
		spec.DayOr = new(bool)
	}
	s, _, err := spec.Normalise(time.Now())
	return s, err
}

// window is what the clocks of a zone show, minute by minute, from before a
// change to after it.
type window struct {
	start time.Time
	shown []time.Time // in UTC dress
	from  int         // where the comparison starts; before it only memory
}

func newWindow(loc *time.Location, change time.Time) window {
	const memory, around = 30 * time.Hour, 26 * time.Hour
	w := window{start: change.Add(-memory - around).Truncate(time.Minute), from: int(memory / time.Minute)}
	for m := range int((memory + 2*around) / time.Minute) {
		local := w.start.Add(time.Duration(m) * time.Minute).In(loc)
		year, month, day := local.Date()
		w.shown = append(w.shown, time.Date(year, month, day, local.Hour(), local.Minute(), 0, 0, time.UTC))
	}
	return w
}

// ticks walks the window minute by minute. One that repeats fires whenever the
// clocks match. Any other fires when the clocks show a match for the first
// time, and at the end of a gap that held one.
func (w window) ticks(o oracleCron) (ticks []time.Time) {
	seen := map[time.Time]bool{}
	for m, shown := range w.shown {
		fires := o.matches(shown) && (o.repeats || !seen[shown])
		if m > 0 && !o.repeats {
			for gone := w.shown[m-1].Add(time.Minute); gone.Before(shown); gone = gone.Add(time.Minute) {
				fires = fires || o.matches(gone) && !seen[gone]
				seen[gone] = true
			}
		}
		seen[shown] = true
		if fires && m >= w.from {
			ticks = append(ticks, w.start.Add(time.Duration(m)*time.Minute).UTC())
		}
	}
	return ticks
}

// changes lists the instants at which a zone changes its offset.
func changes(loc *time.Location, from, to time.Time) (list []time.Time) {
	for t := from; ; {
		end := spanAt(t, loc).end
		if end.IsZero() || end.After(to) {
			return list
		}
		_, before := end.Add(-time.Second).In(loc).Zone()
		if _, after := end.In(loc).Zone(); before != after {
			list = append(list, end)
		}
		t = end
	}
}

// TestCronZones compares cron with the oracle around the changes of the
// clocks from 2000 to 2040: a sample, or all of them in all zones where
// RUNNEL_TEST_ALL_ZONES is set.
func TestCronZones(t *testing.T) {
	r := seeded(t)
	all := os.Getenv("RUNNEL_TEST_ALL_ZONES") != ""
	const share = 40 // one change of so many is in the sample
	windows, compared := 0, 0
	for _, zone := range Zones() {
		loc, err := LoadZone(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range changes(loc, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC)) {
			if !all && r.IntN(share) != 0 {
				continue
			}
			w := newWindow(loc, change)
			windows++
			for range 3 {
				compared += compareWindow(t, r, w, randomCron(r, true, true), zone)
			}
		}
	}
	t.Logf("%d changes of the clocks, %d ticks", windows, compared)
	if windows < 100 || compared < 1000 {
		t.Error("the sample is empty")
	}
}

func compareWindow(t *testing.T, r *rand.Rand, w window, o oracleCron, zone string) int {
	t.Helper()
	s, err := o.schedule(zone)
	if err != nil {
		t.Fatal(err)
	}
	want := w.ticks(o)
	// From anywhere, the hour that comes twice above all, and then tick by tick.
	middle := w.from + (len(w.shown)-w.from)/2
	for range 5 {
		after := w.start.Add(time.Duration(middle-90+r.IntN(180))*time.Minute + time.Second)
		i := slices.IndexFunc(want, func(tick time.Time) bool { return tick.After(after) })
		if got, _ := s.Next(after); i >= 0 && !got.Equal(want[i]) {
			t.Fatalf("%q in %s after %s: got %s, the oracle has %s", o.text(), zone, after, got, want[i])
		}
	}
	after, end := w.start.Add(time.Duration(w.from)*time.Minute-1), w.start.Add(time.Duration(len(w.shown))*time.Minute)
	for _, tick := range append(want, time.Time{}) {
		got, ok := s.Next(after)
		if tick.IsZero() {
			if ok && got.Before(end) {
				t.Fatalf("%q in %s after %s: got %s, the oracle has none before %s", o.text(), zone, after, got, end)
			}
			return len(want)
		}
		if !ok || !got.Equal(tick) {
			t.Fatalf("%q in %s after %s: got %s, the oracle has %s", o.text(), zone, after, got, tick)
		}
		after = got
	}
	return len(want)
}

// TestCronCalendar compares random dates with the oracle on a plain calendar,
// day fields with L, W and # and day_or: false among them.
func TestCronCalendar(t *testing.T) {
	r := seeded(t)
	never, compared := 0, 0
	for range 3000 {
		o := randomCron(r, false, false)
		o.and = r.IntN(3) == 0
		after := time.Date(1990+r.IntN(60), time.Month(1+r.IntN(12)), 1+r.IntN(31), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
		s, err := o.schedule("UTC")
		if err != nil {
			never++
			if at, ok := o.scan(after, 30); ok {
				t.Fatalf("%q: refused (%v), but the oracle has %s", o.text(), err, at)
			}
			continue
		}
		for range 3 {
			want, ok := o.scan(after, 10)
			got, gotOK := s.Next(after)
			if ok && (!gotOK || !got.Equal(want)) {
				t.Fatalf("%q, and=%v, after %s: got %s, the oracle has %s", o.text(), o.and, after, got, want)
			}
			if !ok && gotOK && got.Before(after.AddDate(10, 0, -1)) {
				t.Fatalf("%q, and=%v, after %s: got %s, the oracle has none", o.text(), o.and, after, got)
			}
			if after = got; !gotOK {
				t.Fatalf("%q: ends", o.text())
			}
			compared++
		}
	}
	t.Logf("%d ticks, %d expressions that never fire", compared, never)
}

// scan walks days, and the minutes of those whose date matches.
func (o oracleCron) scan(after time.Time, years int) (time.Time, bool) {
	clock := o
	for i := 2; i < 5; i++ {
		clock.fields[i] = oracleField{allows: func(time.Time) bool { return true }, every: true}
	}
	date := o
	for i := range 2 {
		date.fields[i] = oracleField{allows: func(time.Time) bool { return true }}
	}
	for day := after.Truncate(24 * time.Hour); day.Before(after.AddDate(years, 0, 0)); day = day.AddDate(0, 0, 1) {
		if !date.matches(day) {
			continue
		}
		for m := range 24 * 60 {
			if at := day.Add(time.Duration(m) * time.Minute); at.After(after) && clock.matches(at) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// TestCronFields holds the fields that the oracle does not make: ranges that
// go round, 7 as Sunday, LW.
func TestCronFields(t *testing.T) {
	for text, same := range map[string]string{
		"0 22-2 * * *":       "0 22,23,0,1,2 * * *",
		"0 22-4/2 * * *":     "0 22,0,2,4 * * *",
		"0 0 * NOV-feb *":    "0 0 * 11,12,1,2 *",
		"0 0 * * fri-MON":    "0 0 * * 5,6,0,1",
		"0 0 * * 7":          "0 0 * * 0",
		"0 0 * * 5-7":        "0 0 * * 5,6,0",
		"0 0 * * 7-2":        "0 0 * * 0,1,2",
		"0 0 * * 7-7":        "0 0 * * 0",
		"0 0 * * 0-7":        "0 0 * * *",
		"0 0 * * 1-7/2":      "0 0 * * 1,3,5,0",
		"0 0 * * 7/3":        "0 0 * * 0,3,6",
		"0 0 * * SUN#2":      "0 0 * * 7#2",
		"0 0 * * FRIL":       "0 0 * * L5",
		"5-5 * * * *":        "5 * * * *",
		"*,5 * * * *":        "* * * * *",
		"0 0 LW 2 *":         "0 0 28W,29W 2 *", // of 2026, whose 28th is a Saturday
		"0 0 1-31 * MON":     "0 0 * * 1",
		"0 0 15 * 0-6":       "0 0 15 * *",
		"00 007 ? * MON-FRI": "0 7 * * 1-5",
	} {
		a, b := scheduleOf(t, ScheduleSpec{Cron: text}), scheduleOf(t, ScheduleSpec{Cron: same})
		after := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		n := 40
		if strings.Contains(text, "LW") {
			n = 1
		}
		if got, want := a.Upcoming(after, n), b.Upcoming(after, n); !slices.Equal(got, want) {
			t.Errorf("%q and %q differ: %v, %v", text, same, got, want)
		}
	}
}
