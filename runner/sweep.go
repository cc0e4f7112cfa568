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

// sweepFolder removes the lock files, bells and attempts' folders that killed
// processes left, but for those that a live run names: its lock is what tells
// whether its owner lives.
func sweepFolder(folder string, live []store.Run) {
	named := map[string]bool{}
	for _, run := range live {
		named[attemptName(run.ID, run.RunCount)] = true
		if p, err := ParseProof(run.Owner.Proof); err == nil {
			named[p.ID.String()] = true
		}
	}
	sweepLocks(folder, named)
	sweepAttempts(folder, named)
}

// sweepAttempts removes the folders of attempts whose slot was killed between
// the record of their end and the cleaning.
func sweepAttempts(folder string, named map[string]bool) {
	entries, err := os.ReadDir(filepath.Join(folder, "runs"))
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || named[entry.Name()] || time.Since(info.ModTime()) < staleAfter {
			continue
		}
		_ = os.RemoveAll(filepath.Join(folder, "runs", entry.Name()))
	}
}

func sweepLocks(folder string, named map[string]bool) {
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
		store.KillPoint("sweep.bell")
		_ = os.Remove(BellPath(bellFolder(folder), id))
		store.KillPoint("sweep.lock")
		_ = os.Remove(path)
	}
}
