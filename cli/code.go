package cli

import (
	"fmt"
	"slices"
	"strings"

	"runnel/store"
)

// codeDigits of a commit or a hash are as many as people compare.
const codeDigits = 12

// shortCommit is as much of a commit or a hash as people compare.
func shortCommit(sum string) string { return sum[:min(len(sum), codeDigits)] }

// codeCell is a run's code in a cell: its commit, with + where there was more,
// else the hash of its files.
func codeCell(c *store.Code) string {
	switch {
	case c == nil:
		return "-"
	case c.Commit != "" && c.Dirty != nil && *c.Dirty:
		return shortCommit(c.Commit) + "+"
	case c.Commit != "":
		return shortCommit(c.Commit)
	}
	return orDash(shortCommit(c.Content))
}

// listCodes is listRuns with each run's code.
func (a *app) listCodes(s *store.Store, runs []store.Run, f outputFlag) error {
	if err := s.AddCodes(a.ctx, runs); err != nil {
		return err
	}
	last := len(runColumns) - 1 // the message, which a terminal cuts
	return a.listRunsIn(s, runs, f, slices.Insert(slices.Clone(runColumns), last, "Code"), func(r store.Run) []string {
		return slices.Insert(a.runRow(r), last, codeCell(r.Code))
	})
}

// codesDiffer says whether not all attempts ran the same code, as far as it is known.
func codesDiffer(attempts []store.Attempt) bool {
	seen := map[string]bool{}
	for _, at := range attempts {
		if at.Code != nil {
			seen[codeCell(at.Code)+" "+at.Code.Diff] = true
		}
	}
	return len(seen) > 1
}

// codeText is which code ran, in words.
func (a *app) codeText(c *store.Code) string {
	if c == nil {
		return ""
	}
	var lines []string
	if c.Commit != "" {
		line := "commit " + c.Commit
		if c.Branch != "" {
			line += " (" + clean(c.Branch) + ")"
		}
		lines = append(lines, line+", "+cleanness(*c))
	}
	if c.Repository != "" {
		lines = append(lines, "of "+clean(c.Repository))
	}
	if c.Folder != "" {
		lines = append(lines, "in "+clean(c.Folder))
	}
	if c.Content != "" {
		line := "content " + shortCommit(c.Content)
		if n := len(c.Files); n > 0 {
			line += ", " + plural(n, "file") + " as read at the end"
		}
		lines = append(lines, line)
	}
	if len(c.Changed) > 0 {
		lines = append(lines, note{"written while it ran", c.Changed}.String())
	}
	if c.Interpreter != "" {
		lines = append(lines, strings.TrimSpace("with "+clean(c.Interpreter)+" "+pythonVersion(c.PythonVersion)))
	}
	return strings.Join(lines, "\n")
}

func cleanness(c store.Code) string {
	switch {
	case c.Dirty == nil:
		return "clean or dirty: git did not say"
	case !*c.Dirty:
		return "clean as read at the start"
	case c.Diff == "":
		return "dirty as read at the start"
	}
	return "dirty as read at the start (diff " + shortCommit(c.Diff) + ")"
}

func pythonVersion(version string) string {
	if version == "" {
		return ""
	}
	return fmt.Sprintf("(Python %s)", clean(version))
}
