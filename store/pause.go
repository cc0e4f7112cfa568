package store

import "math"

// pauseTime is a time in which the ticks of a schedule were not to run.
type pauseTime struct{ first, last int64 }

func scanPauseTime(r row) (p pauseTime, err error) { return p, r.Scan(&p.first, &p.last) }

// readPauses reads what of the pauses of the schedule, its queue and its pool
// concerns the ticks from one on. One that lasts has no end.
func (p *passing) readPauses(from int64) (err error) {
	p.pauses, err = collect(p.t.ctx, p.t, scanPauseTime, `
		SELECT first,
		       ifnull(last, ?1)
		  FROM pause
		 WHERE subject IN (?2, ?3, (SELECT work_pool_id FROM work_queue WHERE id = ?3))
		   AND (last IS NULL OR last >= ?4)
		 ORDER BY first`, int64(math.MaxInt64), p.s.ID, p.d.queueID, from)
	return err
}

// pauseOf is the pause that a tick fell into, nil where it did not.
func (p *passing) pauseOf(tick int64) *pauseTime {
	for i, one := range p.pauses {
		if one.first <= tick && tick <= one.last {
			return &p.pauses[i]
		}
	}
	return nil
}

// putPause records that a schedule stops or goes on: by itself, or with its
// deployment.
func (t *tx) putPause(schedule ID, wasLive, isLive bool) (err error) {
	switch {
	case wasLive && !isLive:
		_, err = t.exec("INSERT INTO pause (subject, first) VALUES (?, ?)", schedule, t.now)
	case !wasLive && isLive:
		_, err = t.exec("UPDATE pause SET last = ? WHERE subject = ? AND last IS NULL", t.now, schedule)
	}
	return err
}
