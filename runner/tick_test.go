//go:build linux

package runner

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/store"
)

// Schedules that tick five times a second together: no run begins before its
// tick, and each knows the ticks around its own. RUNNEL_TEST_TICKS=200 measures
// so many, and holds how late their own code began.
func TestTicksBeginInTimeAndNeverEarly(t *testing.T) {
	want, measured := 6, os.Getenv("RUNNEL_TEST_TICKS")
	if measured != "" {
		n, err := strconv.Atoi(measured)
		check(t, err)
		want = n
	}
	w := newWorld(t)
	for i := range 5 {
		w.script(fmt.Sprint("tick", i), "date +%s.%N\necho $RUNNEL_SCHEDULED_FOR $RUNNEL_PREVIOUS_TICK $RUNNEL_NEXT_TICK\n", func(wish *store.Wish) {
			anchor := time.Date(2026, 1, 1, 0, 0, 0, i*200_000_000, time.UTC)
			wish.Schedules = &[]store.ScheduleSpec{{Interval: time.Second, AnchorDate: &anchor}}
		})
	}
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- newWorker(w.open(), "w", nil).Run(ctx, nil) }()
	var runs []store.Run
	for deadline := time.Now().Add(30*time.Second + time.Duration(want)*time.Second); len(runs) < want; time.Sleep(50 * time.Millisecond) {
		var err error
		runs, err = w.Runs(context.Background(), store.RunFilter{States: []string{"completed"}})
		check(t, err)
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d ticks ran", len(runs), want)
		}
	}
	leave()
	check(t, <-ended)
	var late []time.Duration
	for _, run := range runs {
		late = append(late, w.lateness(run))
	}
	slices.Sort(late)
	median, worst := late[len(late)/2], late[len(late)-1]
	t.Logf("%d ticks: %s late in the median, %s at worst", len(late), median, worst)
	if late[0] < 0 {
		t.Errorf("a tick began %s early", -late[0])
	}
	if measured != "" && median > 20*time.Millisecond {
		t.Errorf("the median is over 20 ms")
	}
}

// lateness is how long after its tick the code of a run began, by what it wrote.
func (w *world) lateness(run store.Run) time.Duration {
	w.t.Helper()
	words := strings.Fields(w.output(run.ID))
	tick := *run.ScheduledFor
	want := []string{tick.Format(time.RFC3339Nano), tick.Add(-time.Second).Format(time.RFC3339Nano), tick.Add(time.Second).Format(time.RFC3339Nano)}
	if len(words) != 4 || !slices.Equal(words[1:], want) {
		w.t.Fatalf("the run of %s wrote %q, want %q", tick, words, want)
	}
	whole, part, _ := strings.Cut(words[0], ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	check(w.t, err)
	nanos, err := strconv.ParseInt(part, 10, 64)
	check(w.t, err)
	return time.Unix(seconds, nanos).Sub(tick)
}
