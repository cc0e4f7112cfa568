package store

import "time"

// StateType is one of Prefect's nine state types.
type StateType string

// The state types. What each means: docs/states.md.
const (
	Scheduled  StateType = "SCHEDULED"
	Pending    StateType = "PENDING"
	Running    StateType = "RUNNING"
	Cancelling StateType = "CANCELLING"
	Paused     StateType = "PAUSED"
	Completed  StateType = "COMPLETED"
	Failed     StateType = "FAILED"
	Crashed    StateType = "CRASHED"
	Cancelled  StateType = "CANCELLED"
)

// StateTypes lists all of them, in the order of a run's life.
var StateTypes = []StateType{
	Scheduled, Pending, Running, Cancelling, Paused, Completed, Failed, Crashed, Cancelled,
}

// The state names that differ from their type's own.
const (
	NameAwaitingRetry           = "AwaitingRetry"
	NameAwaitingConcurrencySlot = "AwaitingConcurrencySlot"
	NameLate                    = "Late"
	NameTimedOut                = "TimedOut"
)

// LateAfter is how long after its due time a waiting run is shown as Late
// (Prefect's default is 15 s, too).
const LateAfter = 15 * time.Second

// State is where a run is, since when and why.
type State struct {
	Type      StateType `json:"type"`
	Name      string    `json:"name"`
	Message   string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
}

// NewState is a state with its type's own name.
func NewState(t StateType, message string) State {
	return State{Type: t, Name: stateNames[t], Message: message}
}

var stateNames = map[StateType]string{
	Scheduled: "Scheduled", Pending: "Pending", Running: "Running", Cancelling: "Cancelling",
	Paused: "Paused", Completed: "Completed", Failed: "Failed", Crashed: "Crashed", Cancelled: "Cancelled",
}

// Terminal is true where nothing more happens to the attempt.
func (t StateType) Terminal() bool {
	switch t {
	case Completed, Failed, Crashed, Cancelled:
		return true
	case Scheduled, Pending, Running, Cancelling, Paused:
	}
	return false
}

// Live is true where the run has an owner, and counts against the limits.
func (t StateType) Live() bool { return t == Pending || t == Running || t == Cancelling }

// transitions is every step that a run may take, from the state it leaves to
// the states it may enter. Runs are made Scheduled.
var transitions = map[StateType][]StateType{
	Scheduled:  {Pending, Cancelled},
	Pending:    {Running, Scheduled, Crashed, Cancelled},
	Running:    {Completed, Failed, Crashed, Cancelled, Cancelling, Scheduled},
	Cancelling: {Cancelled},
	Completed:  {Scheduled},
	Failed:     {Scheduled},
	Crashed:    {Scheduled},
	Cancelled:  {Scheduled},
}

// MayFollow is true where the transition table has the step.
func MayFollow(from, to StateType) bool {
	for _, t := range transitions[from] {
		if t == to {
			return true
		}
	}
	return false
}
