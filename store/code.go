package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Code is which code an attempt ran, as far as it was found out: the commit of
// the checkout that it ran from, and the contents of the files that it is known
// to have used.
type Code struct {
	// Folder is where it ran from; empty where git_clone brought the code.
	Folder string `json:"folder,omitempty"`
	// Version is that of the deployment when the run was claimed.
	Version string `json:"version,omitempty"`

	Repository string `json:"repository,omitempty"` // address of the remote, without a login
	Branch     string `json:"branch,omitempty"`     // or the tag that git_clone followed; empty of a commit
	Commit     string `json:"commit,omitempty"`     // in full; empty outside of git
	// Dirty is true where the checkout had what is not committed; nil where git
	// did not say in time.
	Dirty *bool `json:"dirty,omitempty"`
	// Diff is the SHA-256 of what is not committed, in hex.
	Diff string `json:"diff,omitempty"`
	// AsOf is when git was asked, at most a moment before the start.
	AsOf *time.Time `json:"as_of,omitempty"`

	// Content is the SHA-256 of the flow's file and of the modules of the project
	// that the flow's process had imported, as they were at its end.
	Content string `json:"content,omitempty"`
	// Files are the first 16 hex digits of each one's SHA-256, by path; only
	// where no commit tells them.
	Files map[string]string `json:"files,omitempty"`
	// Changed are those of them that were written after the start, so that what
	// ran may have been another.
	Changed []string `json:"changed,omitempty"`

	Interpreter   string `json:"interpreter,omitempty"`    // path
	PythonVersion string `json:"python_version,omitempty"` // as the process itself said at its end
}

// Clean is true where the commit alone tells what ran.
func (c Code) Clean() bool { return c.Commit != "" && c.Dirty != nil && !*c.Dirty }

// AttemptCode is what is known of an attempt's code while it runs.
type AttemptCode struct {
	Run     ID
	Attempt int
	Code    Code
}

// codeJSON is code as it is stored.
func codeJSON(c *Code) any {
	if c == nil {
		return nil
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil // of texts and a time: it always encodes
	}
	return string(raw)
}

func scanCode(raw text) (*Code, error) {
	if raw == nil {
		return nil, nil
	}
	c := &Code{}
	return c, json.Unmarshal(raw, c)
}

// codesPage is how many runs are asked for at once.
const codesPage = 500

// AddCodes gives each run the code of its newest attempt.
func (s *Store) AddCodes(ctx context.Context, runs []Run) error {
	for len(runs) > 0 {
		page := runs[:min(codesPage, len(runs))]
		runs = runs[len(page):]
		codes, args := map[ID]*Code{}, []any{}
		for i := range page {
			args = append(args, page[i].ID)
		}
		// The last row of a run is its newest attempt.
		_, err := collect(ctx, s.reader, func(r row) (_ struct{}, err error) {
			var id ID
			var raw text
			if err = r.Scan(&id, &raw); err == nil {
				codes[id], err = scanCode(raw)
			}
			return struct{}{}, err
		}, "SELECT run_id, code FROM attempt WHERE run_id IN (?"+strings.Repeat(", ?", len(page)-1)+") ORDER BY run_id, attempt", args...)
		if err != nil {
			return err
		}
		for i := range page {
			page[i].Code = codes[page[i].ID]
		}
	}
	return nil
}
