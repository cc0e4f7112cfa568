package runner

import (
	"encoding/json"
	"os"
	"path/filepath"

	"runnel/store"
)

// Proof is what a worker or a slot leaves in the database so that others can
// tell whether it lives: the id of the lock that it holds, and who it is.
type Proof struct {
	ID       store.ID `json:"id"`
	Identity Identity `json:"identity"`
}

// text is the proof as the database keeps it.
func (p Proof) text() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return string(b)
}

// ParseProof reads a proof from the database.
func ParseProof(text string) (p Proof, err error) {
	err = json.Unmarshal([]byte(text), &p)
	return p, err
}

// Liveness says whether the holder of a proof lives, by the locks in folder.
func Liveness(folder string) store.Alive {
	return func(text string) bool {
		p, err := ParseProof(text)
		if err != nil {
			return false
		}
		return p.alive(folder)
	}
}

// Suspended says whether the holder of a proof was stopped, by SIGSTOP.
func Suspended(text string) bool {
	p, err := ParseProof(text)
	return err == nil && p.Identity.Stopped()
}

// alive asks the lock, which the kernel lets go when the process is gone. The
// recorded process decides alone where the lock file is missing, and then a
// process that we cannot see is taken to live.
func (p Proof) alive(folder string) bool {
	held, missing, err := LockState(lockPath(folder, p.ID))
	if err != nil || held {
		// What cannot be told is taken to live: a run is never settled on a guess.
		return true
	}
	if !missing {
		return false
	}
	alive, known := p.Identity.Alive()
	return alive || !known
}

func lockPath(folder string, id store.ID) string {
	return filepath.Join(folder, "locks", id.String()+".lock")
}

func bellFolder(folder string) string { return filepath.Join(folder, "bells") }

// AttemptFolder holds the pipes, parameters and outcome of one attempt while
// it runs.
func AttemptFolder(folder string, run store.ID, attempt int) string {
	return filepath.Join(folder, "runs", attemptName(run, attempt))
}

// makeFolders makes what stands beside the database, for its owner alone.
func makeFolders(folder string) error {
	for _, name := range []string{"locks", "bells", "runs", "spare", "logs"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// RingWorkers wakes the workers of a pool after a commit that concerns them.
// A ring that is lost costs the worker's next look, a second at the most.
func RingWorkers(s *store.Store, workers []store.ID) {
	for _, id := range workers {
		_ = Ring(bellFolder(s.Folder()), id.String())
	}
}

// RingOwner wakes the slot that owns a run.
func RingOwner(s *store.Store, owner store.Owner) {
	if p, err := ParseProof(owner.Proof); err == nil {
		_ = Ring(bellFolder(s.Folder()), p.ID.String())
	}
}
