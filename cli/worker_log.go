package cli

import (
	"io"
	"strings"
	"sync"
	"time"

	"runnel/store"
)

// logFlag says how a worker's log is written.
type logFlag struct {
	LogFormat string `enum:"auto,human,json" default:"auto" placeholder:"FORMAT" help:"human, or json: an object a line; auto is human on a terminal, json elsewhere."`
}

// open gives the log for programs, nil for people. From then on all that this
// process says is in it.
func (f logFlag) open(a *app) *jsonLog {
	if log, isOpen := a.Err.(*jsonLog); isOpen { // up has several workers
		return log
	}
	if f.LogFormat == "human" || f.LogFormat != "json" && a.ErrTerminal {
		return nil
	}
	log := &jsonLog{to: a.Err, clock: a.Clock}
	a.Err, a.ErrTerminal = log, false
	return log
}

// jsonLog turns each line that is said into an object.
type jsonLog struct {
	mu    sync.Mutex
	to    io.Writer
	clock func() time.Time
	begun string // a line that has not ended
}

// logEntry is a line of a worker's log.
type logEntry struct {
	Time       time.Time       `json:"time"`
	Level      string          `json:"level"` // info, or error for a run that failed
	Event      string          `json:"event"` // note, run_started, output, run_ended, failed
	Message    string          `json:"message"`
	Worker     string          `json:"worker,omitempty"`
	WorkPool   string          `json:"work_pool_name,omitempty"`
	RunID      *store.ID       `json:"flow_run_id,omitempty"`
	RunName    string          `json:"flow_run_name,omitempty"`
	Deployment *string         `json:"deployment,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	StateType  store.StateType `json:"state_type,omitempty"` // of run_ended
	StateName  string          `json:"state_name,omitempty"`
	Seconds    *float64        `json:"seconds,omitempty"`
	Stream     string          `json:"stream,omitempty"`  // of output
	Partial    bool            `json:"partial,omitempty"` // the line goes on in the stream's next
	Hint       string          `json:"hint,omitempty"`    // of failed: how to mend it
}

const (
	levelInfo  = "info"
	levelError = "error"
)

func (e logEntry) line() string {
	var b strings.Builder
	_ = encodeJSON(&b, e, "") // it always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// Write takes lines of talk.
func (l *jsonLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(l.begun+string(b), "\n")
	l.begun = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		entry := logEntry{Time: l.clock().UTC(), Level: levelInfo, Event: "note", Message: strings.TrimSpace(line)}
		if _, err := io.WriteString(l.to, entry.line()+"\n"); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// failed is the last line of a worker that cannot go on.
func (l *jsonLog) failed(message string, hint []string) {
	entry := logEntry{Time: l.clock().UTC(), Level: levelError, Event: "failed", Message: message, Hint: strings.Join(hint, "\n")}
	_, _ = l.raw([]byte(entry.line() + "\n")) // a closed stderr leaves nobody to tell
}

// raw takes lines that are objects already.
func (l *jsonLog) raw(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// entry is something that happened to the worker, or to a run of it.
func (t *workerTerminal) entry(event string, run *store.Run, message string) logEntry {
	e := logEntry{Time: t.Clock().UTC(), Level: levelInfo, Event: event, Message: message, Worker: t.name, WorkPool: t.pool}
	if run == nil {
		return e
	}
	e.RunID, e.RunName, e.Deployment, e.Attempt = &run.ID, run.Name, run.Deployment, run.RunCount
	if event != "run_ended" {
		return e
	}
	e.StateType, e.StateName = run.State.Type, run.State.Name
	if run.State.Type == store.Failed || run.State.Type == store.Crashed {
		e.Level = levelError
	}
	if d, ok := run.Took(t.Clock()); ok && run.EndTime != nil {
		seconds := d.Seconds()
		e.Seconds = &seconds
	}
	return e
}
