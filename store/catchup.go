package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The words of catchup: what becomes of several ticks that no worker took in
// their time.
const (
	CatchupLatest = "latest" // only the newest runs
	CatchupAll    = "all"    // every one runs, the oldest first
	CatchupNone   = "none"   // none of them runs
)

// Catchups lists the words of catchup.
var Catchups = []string{CatchupLatest, CatchupAll, CatchupNone}

func checkCatchup(d Deployment) error {
	if !slices.Contains(Catchups, d.Catchup) {
		e := invalid("no catchup %q", d.Catchup)
		e.Hint = []string{"catchup is one of: " + strings.Join(Catchups, ", ")}
		return e
	}
	return errors.Join(checkLength("max_late", d.MaxLateSeconds), checkLength("jitter", d.JitterSeconds))
}

func checkLength(name string, seconds *float64) error {
	if seconds == nil || *seconds > 0 && *seconds <= maxInterval.Seconds() {
		return nil
	}
	return invalid("%s of %v seconds: it is more than 0, and at most 100 years", name, *seconds)
}

// The reasons why a tick became no run.
const (
	DroppedHostOff = "host off" // no worker was there, or its machine slept
	DroppedPaused  = "paused"
	DroppedOverlap = "overlap" // the deployment's limit was full
	DroppedLate    = "late"    // nothing of these: the workers had no slot for it
)

// onTime is how late a tick may start and still be in its time: a worker that
// is there looks once a second.
const onTime = time.Second

// drop decides the ticks of a schedule that are due, from the one that waits,
// or where none does, from the first after what is decided. Those that shall
// not run become spans. It is false where there was none; where it is true the
// next tick has to be planned.
func (t *tx) drop(d Deployment, s *DeploymentSchedule) (bool, error) {
	tick, more := s.following(s.decided)
	if s.Next != nil {
		tick, more = micros(*s.Next), true
	}
	if !more || tick > max(t.now, s.decided) {
		return false, nil
	}
	last, err := t.dropFrom(d, s, tick, true)
	if err != nil || last == 0 {
		return false, err
	}
	s.decide(last, t.now)
	return true, t.unplan(s)
}

// dropBehind drops what is due behind the tick that waits, for a schedule that
// has no more say in it.
func (t *tx) dropBehind(d Deployment, s DeploymentSchedule) error {
	if !s.waits(t.now) {
		return nil
	}
	s.over = max(t.now, s.decided)
	tick, more := s.following(micros(*s.Next))
	if !more || tick > s.over {
		return nil
	}
	_, err := t.dropFrom(d, &s, tick, false)
	return err
}

// dropFrom makes spans of the ticks from one on, up to the first that shall
// run. It gives the last one, 0 where there is none.
func (t *tx) dropFrom(d Deployment, s *DeploymentSchedule, tick int64, mayMerge bool) (last int64, err error) {
	p := passing{t: t, d: d, s: s}
	if err := errors.Join(p.readAbsences(tick), p.readPauses(tick)); err != nil {
		return 0, err
	}
	p.walk(tick)
	for i, span := range p.spans {
		if err := t.putSpan(*s, span, mayMerge && i == 0); err != nil {
			return 0, err
		}
		last = span.last
	}
	return last, nil
}

// passing is a walk over the due ticks of one schedule.
type passing struct {
	t        *tx
	d        Deployment
	s        *DeploymentSchedule
	absences []Absence
	pauses   []pauseTime
	spans    []span
}

// span is ticks in a row that were dropped for one reason.
type span struct {
	first, last int64
	count       int
	reason      string
}

// maxWalk bounds the ticks that are looked at one by one: a week by the
// second takes a good part of one. What is left of them is one leap.
const maxWalk = 100_000

func (p *passing) walk(tick int64) {
	first := tick
	for n := 0; ; n++ { // after a leap, from there
		next, more := p.s.following(tick)
		passed := more && next <= p.t.now
		reason := p.verdict(tick, next, passed, n > 0)
		if reason == "" {
			return
		}
		p.add(span{tick, tick, 1, reason})
		if !passed {
			return
		}
		tick = next
		if n == maxWalk {
			tick = p.leap(tick, (tick-first)/int64(n+1))
			first, n = tick, 0
		}
	}
}

// verdict is why a due tick shall not run, "" where it shall. It is missed
// once its successor is due.
func (p *passing) verdict(tick, next int64, passed, missed bool) string {
	if p.pauseOf(tick) != nil {
		return DroppedPaused
	}
	due := p.s.due(p.d, tick)
	if tooLate := due + p.maxLate(); p.maxLate() > 0 && p.t.now > tooLate {
		return p.cause(tooLate, DroppedLate)
	}
	full := DroppedLate
	if p.d.ConcurrencyLimit != nil {
		full = DroppedOverlap
	}
	switch {
	case tick <= p.s.over:
		return p.cause(tick, full)
	case passed && p.d.Catchup != CatchupAll:
		return p.cause(next, full)
	case !passed && missed && p.d.Catchup == CatchupNone && p.t.now-due > onTime.Microseconds():
		// Those before it were missed, and it came while nobody could take it.
		return p.cause(tick, full)
	}
	return ""
}

func (p *passing) maxLate() int64 {
	if p.d.MaxLateSeconds == nil {
		return 0
	}
	return seconds(*p.d.MaxLateSeconds).Microseconds()
}

// cause is the reason of a tick that was missed at an instant.
func (p *passing) cause(at int64, otherwise string) string {
	for _, a := range p.absences {
		if micros(a.First) <= at && at <= micros(a.Last) {
			return DroppedHostOff
		}
	}
	return otherwise
}

func (p *passing) add(more span) {
	if n := len(p.spans); n > 0 && p.spans[n-1].reason == more.reason {
		p.spans[n-1].last = more.last
		p.spans[n-1].count += more.count
		return
	}
	p.spans = append(p.spans, more)
}

// leap passes the ticks that are dropped for the reason of the next one, a few
// less than all, without looking at each. How many they were follows from how
// far apart the others lay.
func (p *passing) leap(tick, every int64) int64 {
	reason := p.verdict(tick, tick, true, true)
	target, found := p.s.when.Previous(instant(p.sameUpTo(tick)))
	last, before := p.s.when.Previous(target)
	if reason == "" || !found || !before || micros(last) <= tick {
		return tick
	}
	p.add(span{tick, micros(last), int((micros(target) - tick) / max(every, 1)), reason})
	return micros(target)
}

// sameUpTo is where the reason of a tick that is dropped may end.
func (p *passing) sameUpTo(tick int64) int64 {
	if in := p.pauseOf(tick); in != nil {
		return min(in.last, p.t.now)
	}
	to := p.t.now
	if p.d.Catchup == CatchupAll {
		to = max(p.s.over, p.t.now-p.maxLate())
	}
	for _, one := range p.pauses {
		if one.first > tick {
			to = min(to, one.first)
		}
	}
	return to
}

// putSpan records dropped ticks. They go on a span of the same reason that
// ends where everything before them was decided.
func (t *tx) putSpan(s DeploymentSchedule, add span, mayMerge bool) error {
	if mayMerge {
		n, err := t.exec(`
			UPDATE dropped_tick
			   SET last = ?1, count = count + ?2, updated = ?3
			 WHERE id = (SELECT id
			               FROM dropped_tick
			              WHERE deployment_id = ?4
			                AND schedule_slug = ?5
			              ORDER BY first DESC
			              LIMIT 1)
			   AND last = ?6
			   AND reason = ?7`, add.last, add.count, t.now, s.DeploymentID, s.Slug, s.decided, add.reason)
		if err != nil || n == 1 {
			return err
		}
	}
	_, err := t.exec(`
		INSERT INTO dropped_tick (id, deployment_id, schedule_slug, first, last, count, reason, created, updated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?8, ?8)`,
		NewID(), s.DeploymentID, s.Slug, add.first, add.last, add.count, add.reason, t.now)
	if err != nil {
		return fmt.Errorf("record dropped ticks: %w", err)
	}
	return nil
}
