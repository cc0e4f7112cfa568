package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Dropped is a span of ticks that became no run. Of more than 100,000 in one
// span the count is an estimate.
type Dropped struct {
	ID           ID        `json:"id"`
	Deployment   string    `json:"deployment"` // full name
	DeploymentID ID        `json:"deployment_id"`
	ScheduleSlug string    `json:"schedule_slug"`
	First        time.Time `json:"first"`
	Last         time.Time `json:"last"`
	Count        int       `json:"count"`
	Reason       string    `json:"reason"` // host off, paused, overlap or late
	Created      time.Time `json:"created"`
	Updated      time.Time `json:"updated"`
}

// DroppedFilter narrows a list of dropped ticks. Empty fields do not.
type DroppedFilter struct {
	Deployment string // as Store.Deployment reads it
	Flow       string
	Pool       string
	Since      time.Time // the last of the span at or after
	Until      time.Time // the first of the span before
	Limit      int       // 0: all
}

// Dropped lists the ticks that became no run, newest first.
func (s *Store) Dropped(ctx context.Context, f DroppedFilter) ([]Dropped, error) {
	where, args := []string{"1"}, []any{}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Deployment != "" {
		d, err := deploymentByName(ctx, s.reader, f.Deployment)
		if err != nil {
			return nil, err
		}
		add("t.deployment_id = ?", d.ID)
	}
	if f.Flow != "" {
		add("f.name = ?", f.Flow)
	}
	if f.Pool != "" {
		p, err := poolByName(ctx, s.reader, f.Pool)
		if err != nil {
			return nil, err
		}
		add("d.work_queue_id IN (SELECT id FROM work_queue WHERE work_pool_id = ?)", p.ID)
	}
	if !f.Since.IsZero() {
		add("t.last >= ?", micros(f.Since))
	}
	if !f.Until.IsZero() {
		add("t.first < ?", micros(f.Until))
	}
	query := selectDropped + " WHERE " + strings.Join(where, " AND ") + " ORDER BY t.last DESC, t.schedule_slug"
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	return collect(ctx, s.reader, scanDropped, query, args...)
}

const selectDropped = `
	SELECT t.id,
	       f.name || '/' || d.name,
	       t.deployment_id,
	       t.schedule_slug,
	       t.first,
	       t.last,
	       t.count,
	       t.reason,
	       t.created,
	       t.updated
	  FROM dropped_tick t
	  JOIN deployment d ON d.id = t.deployment_id
	  JOIN flow f ON f.id = d.flow_id`

func scanDropped(r row) (d Dropped, err error) {
	var first, last, created, updated int64
	err = r.Scan(&d.ID, &d.Deployment, &d.DeploymentID, &d.ScheduleSlug, &first, &last, &d.Count, &d.Reason,
		&created, &updated)
	d.First, d.Last, d.Created, d.Updated = instant(first), instant(last), instant(created), instant(updated)
	return d, err
}
