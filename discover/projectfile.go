package discover

import (
	"encoding/json"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// Project is a project file (runnel.yaml or prefect.yaml) as it was read:
// aliases and merge keys are followed, templates still stand as {{ … }}.
type Project struct {
	Path string // as it was given to ReadProject
	Name string // "" where the file gives none

	// The steps at the top of the file, which an entry without its own takes over.
	Build, Push, Pull Steps

	Deployments []Entry
	Warnings    []Problem // by line; what they name does not stop a deployment

	raw     []byte
	root    *yaml.Node        // expanded
	doc     *yaml.Node        // the file's own nodes, for saving
	account map[string]string // what became of each key, by path
}

// Problem is one thing that is wrong in a project file, or worth a warning.
type Problem struct {
	File         string // "" where it is of no file; Path then says of what
	Line, Column int    // from 1; 0 where the file has no such place
	Path         string // deployments[2].schedules[0].cron; "" for the whole file
	Message      string
	Hint         string // how to mend it; may be empty
}

// Error is the problem on one line, place first.
func (p Problem) Error() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", p.File, p.Line, max(1, p.Column))
	}
	if p.Path != "" && place != "" {
		place += ": "
	}
	return place + p.Path + ": " + p.Message
}

// ProjectError is a project file that cannot be used, with all its problems.
type ProjectError struct{ Problems []Problem }

func (e *ProjectError) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		line := p.Error()
		if p.Hint != "" {
			line += "\n  " + p.Hint
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// Entry is one deployment of a project file. A pointer, slice or map that is nil
// was not given or null: what is deployed already is kept.
type Entry struct {
	Name       string  `json:"name"`      // "" for the placeholder that other tools scaffold
	FlowName   *string `json:"flow_name"` // as the file says; the decorator decides
	Entrypoint string  `json:"entrypoint"`

	Description *string   `json:"description"`
	Version     *string   `json:"version"`
	VersionType *string   `json:"version_type"` // kept, not used
	Tags        *[]string `json:"tags"`         // empty removes them

	Parameters             map[string]json.RawMessage `json:"parameters"`
	EnforceParameterSchema *bool                      `json:"enforce_parameter_schema"`
	Schedules              *[]ScheduleEntry           `json:"schedules"` // empty removes them
	Paused                 *bool                      `json:"paused"`
	Concurrency            *Concurrency               `json:"concurrency_limit"`
	WorkPool               WorkPool                   `json:"work_pool"`

	// The steps that hold for this entry: its own, else the file's.
	Build Steps `json:"build"`
	Push  Steps `json:"push"`
	Pull  Steps `json:"pull"`

	// runnel's own fields, in either file.
	Retries           *int      `json:"retries"`
	RetryDelaySeconds []float64 `json:"retry_delay_seconds"` // one for all retries, or one each
	RetryJitterFactor *float64  `json:"retry_jitter_factor"`
	RetriesOnCrash    *int      `json:"retries_on_crash"`
	TimeoutSeconds    *float64  `json:"timeout_seconds"`
	Catchup           string    `json:"catchup"`  // latest, all or none; "" not given
	MaxLate           string    `json:"max_late"` // as written: seconds, PT1H or 01:00:00
	Jitter            string    `json:"jitter"`   // likewise
	Python            string    `json:"python"`
	// Commands that are told of runs, as argv; empty removes one.
	OnFailure          *[]string `json:"on_failure"`
	OnCrash            *[]string `json:"on_crash"`
	OnCompletion       *[]string `json:"on_completion"`
	OnLate             *[]string `json:"on_late"`
	HookTimeoutSeconds *float64  `json:"hook_timeout_seconds"`

	// Read and kept, not acted on.
	Triggers json.RawMessage `json:"triggers"`
	SLA      json.RawMessage `json:"sla"`

	Line  int `json:"-"` // where it begins; 0 when it is of no file
	Index int `json:"-"` // its place in the file, from 0
	// Flow is the flow's own name, for the caller to set once it has read the
	// entrypoint; Select compares flow/name with it.
	Flow string `json:"-"`
	// Shown is what to print in place of each value that came from the
	// environment or a secret: its template, by path in the entry
	// (parameters.db.host, tags[1]). Set by Resolve.
	Shown map[string]string `json:"-"`

	// Dropped are the keys, such as tags or work_pool.work_queue_name, that saving
	// the entry takes out of the file.
	Dropped []string `json:"-"`

	file, path string
	node       *yaml.Node // expanded; nil for an entry that was not read
}

// Concurrency is concurrency_limit, a number or a mapping.
type Concurrency struct {
	Limit              *int   `json:"limit"` // nil removes the limit
	CollisionStrategy  string `json:"collision_strategy"`
	GracePeriodSeconds *int   `json:"grace_period_seconds"` // kept, not used
}

// WorkPool says where an entry's runs go.
type WorkPool struct {
	Name          string                     `json:"name"`
	WorkQueueName string                     `json:"work_queue_name"`
	JobVariables  map[string]json.RawMessage `json:"job_variables"` // nil when not given
}

// ScheduleEntry is one schedule as the file has it. Exactly one of Cron, Interval
// and RRule is not empty; whether it is a good one is for the store to say.
type ScheduleEntry struct {
	Cron       string                     `json:"cron"`
	Interval   string                     `json:"interval"` // as written: 3600, 60.0, PT10M, 01:00:00
	RRule      string                     `json:"rrule"`
	AnchorDate string                     `json:"anchor_date"`
	Timezone   string                     `json:"timezone"`
	DayOr      *bool                      `json:"day_or"`
	Active     *bool                      `json:"active"`
	Parameters map[string]json.RawMessage `json:"parameters"`
	Slug       string                     `json:"slug"`
	Replaces   string                     `json:"replaces"`

	Line int `json:"-"`
}

// Origin is where a list of steps comes from.
type Origin string

// The origins. They differ in what a pull does: [] runs nothing, none at all
// means that runs use the project's folder.
const (
	StepsAbsent    Origin = ""          // neither the entry nor the file has the key
	StepsNull      Origin = "null"      // the key is there and null: none
	StepsOwn       Origin = "own"       // the entry's own, or for Project the file's
	StepsInherited Origin = "inherited" // the file's, for an entry without the key
)

// Steps is a build, push or pull section.
type Steps struct {
	Origin Origin
	List   []Step
}

// At makes a problem of what the entry has at path, such as
// "schedules[0].cron": its place in the file, or of the nearest thing around it.
func (e Entry) At(path, message, hint string) Problem {
	p := Problem{File: e.file, Path: joinPath(e.path, path), Message: message, Hint: hint, Line: e.Line}
	for near := path; e.node != nil; {
		if n := nodeAt(e.node, near); n != nil {
			p.Line, p.Column = n.Line, n.Column
			break
		}
		near = near[:max(0, strings.LastIndexAny(near, ".["))]
	}
	return p
}

// FlowOf is the name of the entry's flow as far as it is known: the one that
// discovery read, else the file's, else the one that follows from the function.
func (e Entry) FlowOf() string {
	if e.Flow != "" {
		return e.Flow
	}
	if e.FlowName != nil && *e.FlowName != "" {
		return *e.FlowName
	}
	name := functionOf(e.Entrypoint)
	return strings.ReplaceAll(name[strings.LastIndexByte(name, '.')+1:], "_", "-")
}

// functionOf is the function's part of an entrypoint; "" where it names a file.
func functionOf(entrypoint string) string {
	file, name, ok := splitEntrypoint(entrypoint)
	if !ok && !strings.ContainsAny(file, `/\`) && !strings.HasSuffix(file, ".py") {
		return file // a dotted module.function
	}
	return name
}

// FullName is flow/name, with what FlowOf knows.
func (e Entry) FullName() string { return e.FlowOf() + "/" + e.Name }
