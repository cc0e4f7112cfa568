package runner

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"runnel/store"
)

// staleAfter is how old a lock file must be before it is swept: one that is
// being made has no lock yet.
const staleAfter = time.Minute

// sweepFolder removes what killed processes left: lock files, bells and the
// folders of attempts and slots.
func sweepFolder(folder string, live []store.Run) {
	sweepLocks(folder, live)
	sweepAttempts(filepath.Join(folder, "runs"), live)
}

// sweepLocks leaves the files that a live run names: its lock is what tells
// whether its owner lives.
func sweepLocks(folder string, live []store.Run) {
	named := map[string]bool{}
	for _, run := range live {
		if p, err := ParseProof(run.Owner.Proof); err == nil {
			named[p.ID.String()] = true
		}
	}
	entries, err := os.ReadDir(filepath.Join(folder, "locks"))
	if err != nil {
		return
	}
	for _, entry := range entries {
		id := strings.TrimSuffix(entry.Name(), ".lock")
		if named[id] {
			continue
		}
		path := filepath.Join(folder, "locks", entry.Name())
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			continue
		}
		if held, missing, err := LockState(path); err != nil || held || missing {
			continue
		}
		// Without the file the recorded process decides, which is gone as well.
		_ = os.Remove(BellPath(bellFolder(folder), id))
		_ = os.RemoveAll(sparePath(folder, id))
		_ = os.Remove(path)
	}
}

// sweepAttempts leaves the folders of live runs, and those that may be of a
// run which was claimed since.
func sweepAttempts(folder string, live []store.Run) {
	named := map[string]bool{}
	for _, run := range live {
		named[attemptName(run.ID, run.RunCount)] = true
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && !named[entry.Name()] && time.Since(info.ModTime()) >= staleAfter {
			_ = os.RemoveAll(filepath.Join(folder, entry.Name()))
		}
	}
}
