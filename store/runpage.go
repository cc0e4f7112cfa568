package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
)

// Runs are listed by the time at which they were meant to start, the newest
// first; behind them what waits for a time that has not come. A list is read
// off an index in this order. Where a filter says more than one index knows,
// the runs of that index are looked at one by one, and no more than maxLook of
// them a page: what a page costs does not grow with the file.

const (
	// maxLook is how many runs a page looks at; each is some microseconds.
	maxLook = 2000
	// MaxCount is as far as the runs of a list are counted.
	MaxCount = 5_000
	// maxKeys is how many walks of an index are merged.
	maxKeys = 24
)

// RunPage is one page of a list.
type RunPage struct {
	Runs []Run
	// Total is how many runs match in all; with More there may be others, which
	// nobody counted.
	Total int
	More  bool
	// Next is where the list goes on: behind this run. nil at its end.
	Next *Run
}

// point is a run's point in the order of time.
type point struct {
	at int64
	id []byte
}

func (p point) before(o point) bool {
	return p.at < o.at || p.at == o.at && bytes.Compare(p.id, o.id) < 0
}

// after is the point to go on behind, nil for the beginning.
func (f RunFilter) after() *point {
	if f.After == nil {
		return nil
	}
	return &point{micros(f.After.ExpectedStartTime), f.After.ID[:]}
}

// stretch is a stretch of the order: from, included, up to to, left out.
type stretch struct{ from, to point }

func (f RunFilter) stretch() stretch {
	s := stretch{point{at: math.MinInt64}, point{at: math.MaxInt64}}
	if !f.Since.IsZero() {
		s.from.at = micros(f.Since)
	}
	if !f.Until.IsZero() {
		s.to.at = micros(f.Until)
	}
	return s
}

func (s stretch) within(o stretch) stretch {
	if s.from.before(o.from) {
		s.from = o.from
	}
	if o.to.before(s.to) {
		s.to = o.to
	}
	return s
}

// runQuery is a filter as SQL, over one querier.
type runQuery struct {
	q        querier
	criteria []criterion
	whole    stretch
	now      int64
}

func (s *Store) runQuery(ctx context.Context, q querier, f RunFilter) (runQuery, error) {
	criteria, err := s.criteria(ctx, q, f)
	return runQuery{q, criteria, f.stretch(), micros(s.Clock())}, err
}

// walk is a way along an index: its keys, and what it does not know.
type walk struct {
	index string
	keys  []condition
	rest  []criterion
}

// walks are the ways to a query's runs. The last, over all runs, is always one.
func (q runQuery) walks() (list []walk) {
	for i, c := range q.criteria {
		if c.index == "" || len(c.keys) > maxKeys {
			continue
		}
		w := walk{index: c.index, keys: c.keys}
		for j, other := range q.criteria {
			if i != j || !c.whole {
				w.rest = append(w.rest, other)
			}
		}
		list = append(list, w)
	}
	return append(list, walk{"flow_run_at", []condition{{"1", nil}}, q.criteria})
}

// sql gives the points of a walk within a stretch, newest first where ordered.
func (w walk) sql(in stretch, ordered bool, limit, skip int) (string, []any) {
	var branches []string
	var args []any
	for _, key := range w.keys {
		text := "SELECT r.expected_start_time AS at, r.id AS id FROM flow_run r INDEXED BY " + w.index + " WHERE " + key.text
		args = append(args, key.args...)
		for _, c := range w.rest {
			text += " AND " + c.text
			args = append(args, c.args...)
		}
		text += " AND (r.expected_start_time, r.id) >= (?, ?) AND (r.expected_start_time, r.id) < (?, ?)"
		args = append(args, in.from.at, in.from.blob(), in.to.at, in.to.blob())
		branches = append(branches, text)
	}
	order := ""
	if ordered {
		order = " ORDER BY at DESC, id DESC"
	}
	return strings.Join(branches, " UNION ALL ") + order + " LIMIT ? OFFSET ?", append(args, limit, skip)
}

// blob is an id for comparing: that of no run is less than any.
func (p point) blob() []byte {
	if p.id == nil {
		return []byte{}
	}
	return p.id
}

func scanPoint(r row) (p point, err error) { return p, r.Scan(&p.at, &p.id) }

// choose gives the walk that gets furthest with maxLook runs, and how far that
// is: the stretch's own beginning, where it finds all that there is.
func (q runQuery) choose(ctx context.Context, in stretch) (best walk, from point, err error) {
	for i, w := range q.walks() {
		if len(w.rest) == 0 {
			return w, in.from, nil
		}
		bare := walk{index: w.index, keys: w.keys}
		text, args := bare.sql(in, true, 1, maxLook)
		edge, err := scanPoint(q.q.QueryRowContext(ctx, text, args...))
		if errors.Is(err, sql.ErrNoRows) {
			return w, in.from, nil
		}
		if err != nil {
			return w, from, err
		}
		if i == 0 || edge.before(from) {
			best, from = w, edge
		}
	}
	return best, from, nil
}

// page gives the points of at most limit runs within a stretch, newest first, and
// where it stopped looking: at the stretch's beginning, unless there is more.
func (q runQuery) page(ctx context.Context, in stretch, limit int) (points []point, from point, err error) {
	w, from, err := q.choose(ctx, in)
	if err != nil {
		return nil, from, err
	}
	text, args := w.sql(stretch{from, in.to}, true, limit, 0)
	points, err = collect(ctx, q.q, scanPoint, text, args...)
	if err == nil && len(points) == limit {
		from = points[limit-1]
	}
	return points, from, err
}

// stages are the two parts of a list: what is due or was, and what waits for
// its time.
func (q runQuery) stages() [2]stretch {
	now := point{at: q.now + 1}
	return [2]stretch{
		q.whole.within(stretch{point{at: math.MinInt64}, now}),
		q.whole.within(stretch{now, point{at: math.MaxInt64}}),
	}
}

// next gives at most limit points behind after, and the point to go on from,
// nil at the end.
func (q runQuery) next(ctx context.Context, after *point, limit int) (found []point, on *point, err error) {
	for i, stage := range q.stages() {
		if after != nil && (after.at > q.now) == (i == 1) {
			stage = stage.within(stretch{point{at: math.MinInt64}, *after})
		} else if after != nil && i == 0 {
			continue // it stood in the second
		}
		points, from, err := q.page(ctx, stage, limit-len(found))
		if err != nil {
			return nil, nil, err
		}
		found = append(found, points...)
		if len(found) == limit || stage.from.before(from) {
			return found, &from, nil
		}
	}
	return found, nil, nil
}

// count gives how many runs match, as far as MaxCount, and whether there may be
// more.
func (q runQuery) count(ctx context.Context) (n int, more bool, err error) {
	w, from, err := q.choose(ctx, q.whole)
	if err != nil {
		return 0, false, err
	}
	text, args := w.sql(stretch{from, q.whole.to}, false, MaxCount+1, 0)
	err = q.q.QueryRowContext(ctx, "SELECT count(*) FROM ("+text+")", args...).Scan(&n)
	return min(n, MaxCount), n > MaxCount || q.whole.from.before(from), err
}

// RunPage lists the next runs of a filter, f.Limit of them.
func (s *Store) RunPage(ctx context.Context, f RunFilter) (p RunPage, err error) {
	q, err := s.runQuery(ctx, s.reader, f)
	if err != nil {
		return p, err
	}
	after := f.after()
	points, next, err := q.next(ctx, after, f.Limit+1) // one more tells whether there are more
	if err != nil {
		return p, err
	}
	if len(points) > f.Limit {
		points = points[:f.Limit]
		next = &points[f.Limit-1]
	}
	if p.Runs, err = s.runsAt(ctx, points); err != nil {
		return p, err
	}
	if next != nil {
		p.Next = &Run{ID: ID(next.id), ExpectedStartTime: instant(next.at)}
	}
	if after == nil && len(points) < f.Limit { // all was looked at, as far as it goes
		p.Total, p.More = len(points), next != nil
		return p, nil
	}
	p.Total, p.More, err = q.count(ctx)
	return p, err
}

// lookPage is how many ids are read at once where all are wanted: no snapshot
// of the file lasts longer than that.
const lookPage = 500

// Runs lists runs, however far it must look for them.
func (s *Store) Runs(ctx context.Context, f RunFilter) (all []Run, err error) {
	q, err := s.runQuery(ctx, s.reader, f)
	if err != nil {
		return nil, err
	}
	after := f.after()
	all = []Run{}
	for {
		limit := lookPage
		if f.Limit > 0 {
			limit = min(limit, f.Limit-len(all))
		}
		points, next, err := q.next(ctx, after, limit)
		if err != nil {
			return nil, err
		}
		runs, err := s.runsAt(ctx, points)
		if err != nil {
			return nil, err
		}
		all = append(all, runs...)
		if next == nil || len(all) == f.Limit {
			return all, nil
		}
		after = next
	}
}

// runsAt reads runs in a given order; those that are gone are left out.
func (s *Store) runsAt(ctx context.Context, points []point) ([]Run, error) {
	ids := make([]ID, len(points))
	for i, p := range points {
		ids[i] = ID(p.id)
	}
	return s.RunsByID(ctx, ids)
}

// RunsByID reads runs in the order of their ids as given; those that are gone
// are left out.
func (s *Store) RunsByID(ctx context.Context, ids []ID) ([]Run, error) {
	runs := []Run{}
	for some := range slices.Chunk(ids, idsAtOnce) {
		args, place := make([]any, len(some)), make(map[ID]int, len(some))
		for i, id := range some {
			args[i], place[id] = id, i
		}
		list := strings.TrimSuffix(strings.Repeat("?, ", len(some)), ", ")
		found, err := collect(ctx, s.reader, s.read, selectRun+" WHERE r.id IN ("+list+")", args...)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b Run) int { return place[a.ID] - place[b.ID] })
		runs = append(runs, found...)
	}
	return runs, nil
}

// idsAtOnce bounds the ids that one query takes.
const idsAtOnce = 500

// NewestRun gives the first run of a filter's list; ok is false where there is
// none.
func (s *Store) NewestRun(ctx context.Context, f RunFilter) (r Run, ok bool, err error) {
	f.Limit = 1
	runs, err := s.Runs(ctx, f)
	if err != nil || len(runs) == 0 {
		return r, false, err
	}
	return runs[0], true, nil
}
