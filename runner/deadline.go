package runner

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// deadlineFile holds when an attempt has taken too long, on the clock that
// stands still while the machine sleeps: a timeout counts the time awake, and
// a slot that adopts the attempt goes by the same.
const deadlineFile = "deadline"

// keepDeadline writes the deadline of an attempt that has one.
func (a *attempt) keepDeadline() error {
	if a.deadline.IsZero() {
		return nil
	}
	at := awake() + time.Until(a.deadline)
	return os.WriteFile(filepath.Join(a.job.Folder, deadlineFile), []byte(strconv.FormatInt(int64(at), 10)), 0o600)
}

// adoptedDeadline is what was kept. Of an attempt that an older slot began
// nothing was: then the wall clock tells.
func (a *attempt) adoptedDeadline() time.Time {
	if a.job.Timeout == 0 {
		return time.Time{}
	}
	text, _ := os.ReadFile(filepath.Join(a.job.Folder, deadlineFile))
	if at, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return time.Now().Add(time.Duration(at) - awake())
	}
	return a.job.Started.Add(a.job.Timeout)
}
