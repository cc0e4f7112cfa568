package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PoolTypes are the kinds of work pool that exist. Others are refused by name.
var PoolTypes = []string{"process"}

// WorkPool is a place where runs wait for workers.
type WorkPool struct {
	ID               ID              `json:"id"`
	Name             string          `json:"name"`
	Type             string          `json:"type"`
	Description      string          `json:"description"`
	IsPaused         bool            `json:"is_paused"`
	ConcurrencyLimit *int            `json:"concurrency_limit"`
	JobVariables     json.RawMessage `json:"job_variables"`
	Hooks
	// Status is READY while a worker polls, NOT_READY, or PAUSED.
	Status string `json:"status"`
	// Workers is how many are alive, Late how many runs are past their time.
	Workers int       `json:"workers"`
	Late    int       `json:"late"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// CreateWorkPool makes a pool with its queue "default". A name that is taken
// is a conflict.
func (s *Store) CreateWorkPool(ctx context.Context, p WorkPool) (WorkPool, error) {
	if err := p.check(); err != nil {
		return WorkPool{}, err
	}
	err := s.update(ctx, func(t *tx) error { return t.createPool(&p) })
	if err != nil {
		return WorkPool{}, err
	}
	return s.WorkPool(ctx, p.Name)
}

func (p *WorkPool) check() error {
	if err := checkPlainName("work pool", p.Name); err != nil {
		return err
	}
	if p.Type == "" {
		p.Type = PoolTypes[0]
	}
	if len(p.JobVariables) == 0 {
		p.JobVariables = json.RawMessage("{}")
	}
	if err := checkLimit(p.ConcurrencyLimit); err != nil {
		return err
	}
	if !slices.Contains(PoolTypes, p.Type) {
		e := invalid("no work pool type %q", p.Type)
		e.Hint = []string{"the types that exist: " + strings.Join(PoolTypes, ", ")}
		return e
	}
	p.Hooks = p.Hooks.whole()
	return errors.Join(p.Hooks.check(), checkPoolVariables(p.JobVariables))
}

func checkLimit(limit *int) error {
	if limit != nil && *limit < 0 {
		return invalid("a concurrency limit of %d: it is 0 or more", *limit)
	}
	return nil
}

// checkPoolVariables refuses a variable that the pool's type does not know: as
// a default for every run it could only be a slip.
func checkPoolVariables(raw json.RawMessage) error {
	v, err := ParseValues(raw)
	if err != nil {
		return fmt.Errorf("read job variables: %w", err)
	}
	unknown, err := CheckJobVariables(v)
	if err != nil || len(unknown) == 0 {
		return err
	}
	var known []string
	for _, v := range ProcessVariables {
		known = append(known, v.Name)
	}
	e := invalid("a process pool has no job variable %q", unknown[0])
	if near := Nearest(unknown[0], known); near != "" {
		e.Hint = append(e.Hint, fmt.Sprintf("did you mean %q?", near))
	}
	e.Hint = append(e.Hint, "those that it has: "+strings.Join(known, ", "), "the environment's are set as env."+unknown[0]+"=…")
	return e
}

func (t *tx) createPool(p *WorkPool) error {
	p.ID = NewID()
	_, err := t.exec(`
		INSERT INTO work_pool (id, name, type, description, is_paused, concurrency_limit, job_variables, hooks, created, updated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.ID, p.Name, p.Type, p.Description, p.IsPaused, p.ConcurrencyLimit, string(p.JobVariables), p.Hooks.text(), t.now, t.now)
	if isUnique(err) {
		e := conflict("the work pool %q exists already", p.Name)
		e.Hint = []string{"see it: runnel work-pool inspect " + p.Name}
		return e
	}
	if err != nil {
		return fmt.Errorf("create work pool: %w", err)
	}
	_, _, err = t.ensureQueue(p.ID, DefaultQueue)
	return err
}

const selectPool = `
	SELECT p.id,
	       p.name,
	       p.type,
	       p.description,
	       p.is_paused,
	       p.concurrency_limit,
	       p.job_variables,
	       p.hooks,
	       p.created,
	       p.updated
	  FROM work_pool p`

func scanPool(r row) (p WorkPool, err error) {
	var limit sql.NullInt64
	var created, updated int64
	var hooks text
	err = r.Scan(&p.ID, &p.Name, &p.Type, &p.Description, &p.IsPaused, &limit, (*text)(&p.JobVariables), &hooks, &created, &updated)
	if err != nil {
		return p, err
	}
	p.Hooks, err = readHooks(hooks)
	p.ConcurrencyLimit = intOrNil(limit)
	p.Created, p.Updated = instant(created), instant(updated)
	return p, err
}

// WorkPool reads one by name.
func (s *Store) WorkPool(ctx context.Context, name string) (WorkPool, error) {
	p, err := poolByName(ctx, s.reader, name)
	if err != nil {
		return p, err
	}
	pools := []WorkPool{p}
	err = s.addPoolStatus(ctx, pools)
	return pools[0], err
}

func poolByName(ctx context.Context, q querier, name string) (WorkPool, error) {
	p, err := scanPool(q.QueryRowContext(ctx, selectPool+" WHERE p.name = ?", name))
	if !errors.Is(err, sql.ErrNoRows) {
		return p, err
	}
	known, err := names(ctx, q, "SELECT name FROM work_pool ORDER BY name")
	if err != nil {
		return p, err
	}
	e := notFound("work pool", name, known)
	e.Hint = append(e.Hint, "create it: runnel work-pool create --type process "+Quote(name))
	return p, e
}

// WorkPools lists all, by name.
func (s *Store) WorkPools(ctx context.Context) ([]WorkPool, error) {
	pools, err := collect(ctx, s.reader, scanPool, selectPool+" ORDER BY p.name")
	if err != nil {
		return nil, err
	}
	return pools, s.addPoolStatus(ctx, pools)
}

// addPoolStatus fills in what is not a column: who polls, and what is late.
func (s *Store) addPoolStatus(ctx context.Context, pools []WorkPool) error {
	workers, err := s.Workers(ctx, "")
	if err != nil {
		return err
	}
	alive := map[string]int{}
	for _, w := range workers {
		if w.Status == Online {
			alive[w.WorkPoolName]++
		}
	}
	for i := range pools {
		p := &pools[i]
		p.Workers = alive[p.Name]
		p.Status = readiness(p.IsPaused, p.Workers > 0)
		p.Late, err = s.countLate(ctx, "SELECT id FROM work_queue WHERE work_pool_id = ?", p.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// countLate counts the runs of some queues that should have started.
func (s *Store) countLate(ctx context.Context, queues string, id ID) (n int, err error) {
	err = s.reader.QueryRowContext(ctx, `
		SELECT count(*)
		  FROM flow_run INDEXED BY flow_run_due
		 WHERE state_type = 'SCHEDULED'
		   AND due < ?
		   AND work_queue_id IN (`+queues+`)`, micros(s.Clock().Add(-LateAfter)), id).Scan(&n)
	return n, err
}

// The words of a pool's and a queue's status are Prefect's.
const (
	StatusReady    = "READY"
	StatusNotReady = "NOT_READY"
	StatusPaused   = "PAUSED"
)

func readiness(paused, polled bool) string {
	switch {
	case paused:
		return StatusPaused
	case polled:
		return StatusReady
	}
	return StatusNotReady
}

func names(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	return collect(ctx, q, func(r row) (name string, err error) { return name, r.Scan(&name) }, query, args...)
}

func intOrNil(n sql.NullInt64) *int {
	if !n.Valid {
		return nil
	}
	i := int(n.Int64)
	return &i
}

// text scans a TEXT or BLOB column into bytes; NULL is nil.
type text json.RawMessage

// Scan copies: the driver may use its buffer again.
func (b *text) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*b = nil
	case string:
		*b = text(v)
	case []byte:
		*b = append(text{}, v...)
	default:
		return fmt.Errorf("scan text: %T", value)
	}
	return nil
}
