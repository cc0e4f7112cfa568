package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// shortestEnding is how few digits of an id may name a run.
const shortestEnding = 4

// FindRuns gives the runs that a word on the command line may mean, newest
// first: the full id, an ending of it, the run's name, or "flow/name" for
// that deployment's newest run: one that waits for its time only where no other is. It never gives an empty list without an error.
func (s *Store) FindRuns(ctx context.Context, word string) ([]Run, error) {
	if id, err := ParseID(word); err == nil {
		return s.found(ctx, word, " WHERE r.id = ?", id)
	}
	if strings.Contains(word, "/") {
		name, err := s.NameOfRuns(ctx, word)
		if err != nil {
			return nil, err
		}
		run, ok, err := s.NewestRun(ctx, RunFilter{Deployment: name})
		if err == nil && !ok {
			return nil, &Error{
				Code: NotFound, Message: fmt.Sprintf("%s has no runs yet", name),
				Hint: []string{"make one: runnel run " + Quote(name)},
			}
		}
		return []Run{run}, err
	}
	if isEnding(word) {
		prefix := reverse(strings.ToLower(word))
		// The ending may be longer than the column: the rest is compared.
		column := prefix[:min(len(prefix), 8)]
		// A run may be called like another one's ending: then both are meant.
		runs, err := collect(ctx, s.reader, s.read, selectRun+`
			 WHERE r.id IN (SELECT id
			                  FROM flow_run
			                 WHERE tail >= ?1
			                   AND tail < ?2
			                   AND lower(hex(id)) LIKE ?3
			                 UNION
			                SELECT id
			                  FROM flow_run
			                 WHERE name = ?4)
			 ORDER BY r.id DESC`, column, column+"g", "%"+strings.ToLower(word), word)
		if err != nil || len(runs) > 0 {
			return runs, err
		}
	}
	return s.found(ctx, word, " WHERE r.name = ? ORDER BY r.id DESC LIMIT 20", word)
}

// NameOfRuns gives the full name of a deployment; where there is none, that of a
// deleted one that has left runs.
func (s *Store) NameOfRuns(ctx context.Context, word string) (string, error) {
	d, err := s.Deployment(ctx, word)
	var known *Error
	if err == nil || !errors.As(err, &known) || known.Code != NotFound || strings.ContainsAny(word, "*?[") {
		return d.FullName, err
	}
	if left, failed := hasLeft(ctx, s.reader, leftCondition(word)); failed != nil || !left {
		return "", cmp.Or(failed, err)
	}
	return word, nil
}

func (s *Store) found(ctx context.Context, word, where string, args ...any) ([]Run, error) {
	runs, err := collect(ctx, s.reader, s.read, selectRun+where, args...)
	if err != nil || len(runs) > 0 {
		return runs, err
	}
	recent, err := names(ctx, s.reader, "SELECT name FROM flow_run ORDER BY id DESC LIMIT 200")
	if err != nil {
		return nil, err
	}
	e := notFound("flow run", word, recent)
	e.Hint = append(e.Hint, "list them: runnel flow-run ls")
	return nil, e
}

func isEnding(word string) bool {
	if len(word) < shortestEnding || len(word) > 32 {
		return false
	}
	return strings.Trim(strings.ToLower(word), "0123456789abcdef") == ""
}

// OneRun is FindRuns for a command that changes something: several are
// refused, and listed.
func (s *Store) OneRun(ctx context.Context, word string) (Run, error) {
	runs, err := s.FindRuns(ctx, word)
	if err != nil {
		return Run{}, err
	}
	if len(runs) == 1 {
		return runs[0], nil
	}
	e := &Error{Code: Ambiguous, Message: fmt.Sprintf("%d runs are called %q", len(runs), word)}
	for _, r := range runs {
		e.Hint = append(e.Hint, fmt.Sprintf("%s  %s  %s", r.ID, r.Name, r.State.Name))
	}
	return Run{}, e
}
