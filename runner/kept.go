package runner

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// processFile holds the Identity of an attempt's process, for a slot that adopts
// it: what a flow left behind looks like the flow.
const processFile = "process"

// keepProcess writes who the attempt's process is. Without it an adopter goes by
// what it finds.
func (a *attempt) keepProcess() {
	if _, ended := a.process.ended(); ended {
		return // between two tries of a step, when its number may be another's
	}
	id, err := IdentityOf(a.process.PID)
	if err != nil {
		return
	}
	if text, err := json.Marshal(id); err == nil {
		_ = os.WriteFile(filepath.Join(a.job.Folder, processFile), text, 0o600)
	}
}

// forgetProcess is for before the next process of the attempt is started: that the
// one of a pull step is gone says nothing of the flow's.
func (a *attempt) forgetProcess() error {
	if a.process == nil {
		return nil
	}
	err := os.Remove(filepath.Join(a.job.Folder, processFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// keptProcess is what was kept, or the zero Identity.
func keptProcess(folder string) (id Identity) {
	text, err := os.ReadFile(filepath.Join(folder, processFile))
	if err != nil || json.Unmarshal(text, &id) != nil {
		return Identity{}
	}
	return id
}
