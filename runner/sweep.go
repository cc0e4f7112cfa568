package runner

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// staleAfter is how old a lock file must be before it is swept: one that is
// being made has no lock yet.
const staleAfter = time.Minute

// sweepFolder removes the lock files and bells that killed processes left.
func sweepFolder(folder string) {
	entries, err := os.ReadDir(filepath.Join(folder, "locks"))
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(folder, "locks", entry.Name())
		info, err := entry.Info()
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			continue
		}
		if held, missing, err := LockState(path); err != nil || held || missing {
			continue
		}
		// Without the file the recorded process decides, which is gone as well.
		_ = os.Remove(BellPath(bellFolder(folder), strings.TrimSuffix(entry.Name(), ".lock")))
		_ = os.Remove(path)
	}
}
