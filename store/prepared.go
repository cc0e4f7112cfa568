package store

import (
	"context"
	"database/sql"
	"sync"
)

const (
	// prepareAfter is how often a query is asked before it is kept prepared: a
	// command asks most of its own once, and preparing apart costs it more.
	prepareAfter = 3

	// maxPrepared bounds the queries that are kept; few texts vary.
	maxPrepared = 64
)

// readers is the pool of connections that only read. Preparing a query is most
// of its cost, and a worker asks the same few every second.
type readers struct {
	*sql.DB

	mu       sync.Mutex
	asked    map[string]int
	prepared map[string]*sql.Stmt
}

// QueryContext makes the pool a querier.
func (r *readers) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := r.stmt(query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return r.DB.QueryContext(ctx, query, args...)
}

// QueryRowContext makes the pool a querier.
func (r *readers) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := r.stmt(query); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return r.DB.QueryRowContext(ctx, query, args...)
}

// stmt is the prepared form of a query that is asked often, or nil. It is
// closed with the pool.
func (r *readers) stmt(query string) *sql.Stmt {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stmt := r.prepared[query]; stmt != nil {
		return stmt
	}
	if r.asked == nil {
		r.asked, r.prepared = map[string]int{}, map[string]*sql.Stmt{}
	}
	if len(r.asked) >= maxPrepared {
		return nil
	}
	if r.asked[query]++; r.asked[query] < prepareAfter {
		return nil
	}
	stmt, err := r.Prepare(query)
	if err != nil {
		return nil // asked as it is, it says what is wrong
	}
	r.prepared[query] = stmt
	return stmt
}
