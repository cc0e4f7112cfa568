package store

import (
	"errors"
	"fmt"
	"strings"
)

// Error is one that a user can meet: what is wrong, and the lines that mend it.
type Error struct {
	Code    string   // a word for programs: not_found, conflict, invalid, paused, limit, busy, unsupported, ambiguous, disk_full, disk
	Message string   // what and where, lower case, no full stop
	Hint    []string // lines that can be pasted, or that say what to do
}

func (e *Error) Error() string { return e.Message }

// The codes of an Error.
const (
	NotFound    = "not_found"
	Ambiguous   = "ambiguous"
	Conflict    = "conflict"
	Invalid     = "invalid"
	Busy        = "busy"
	Unsupported = "unsupported"
	DiskFull    = "disk_full"
	Disk        = "disk"
)

// ErrSuperseded is what a write answers whose fence is no longer the run's:
// somebody else has taken the run, and nothing was changed.
var ErrSuperseded = errors.New("the run was taken by another owner")

func invalid(format string, args ...any) *Error {
	return &Error{Code: Invalid, Message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) *Error {
	return &Error{Code: Conflict, Message: fmt.Sprintf(format, args...)}
}

// notFound names the thing, and the nearest of the names that exist.
func notFound(kind, name string, known []string) *Error {
	e := &Error{Code: NotFound, Message: fmt.Sprintf("no %s %q", kind, name)}
	if near := Nearest(name, known); near != "" {
		e.Hint = append(e.Hint, fmt.Sprintf("did you mean %q?", near))
	}
	return e
}

// Nearest gives the known name that a misspelt one most likely meant, or "".
func Nearest(name string, known []string) string {
	if name == "" {
		return ""
	}
	best, distance := "", len(name)/3+2
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and substitutions between two
// words (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
