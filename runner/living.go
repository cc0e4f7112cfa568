package runner

import (
	"os"
	"path/filepath"
	"strings"

	"runnel/store"
)

// Holder is a process that holds a lock beside a database.
type Holder struct {
	ID   store.ID // of a worker or a slot; zero for a flow
	Flow string   // RUN-ID.ATTEMPT, for a flow
}

// Living lists who holds a lock in the folder beside a database: workers,
// slots, and flows whose slot may be gone. It needs no database.
func Living(folder string) (list []Holder, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "locks", "*.lock"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		id, err := store.ParseID(strings.TrimSuffix(filepath.Base(file), ".lock"))
		if err != nil {
			continue
		}
		if held, err := FileLocked(file); err != nil {
			return nil, err
		} else if held {
			list = append(list, Holder{ID: id})
		}
	}
	running, err := os.ReadDir(filepath.Join(folder, "runs"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, entry := range running {
		logs, _ := filepath.Glob(filepath.Join(folder, "logs", "*", entry.Name()+".log"))
		for _, log := range logs {
			if held, err := FileLocked(log); err == nil && held {
				list = append(list, Holder{Flow: entry.Name()})
			}
		}
	}
	return list, nil
}
