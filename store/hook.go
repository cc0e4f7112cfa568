package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// The events that a hook may be told of.
const (
	OnFailure    = "on_failure"    // the run is Failed, timed out included
	OnCrash      = "on_crash"      // the run is Crashed
	OnCompletion = "on_completion" // the run is Completed
	OnLate       = "on_late"       // the run should have started; once a run
)

// HookEvents lists them, in the order that people are shown.
var HookEvents = []string{OnFailure, OnCrash, OnCompletion, OnLate}

// The origins of a hook.
const (
	OfDeployment = "deployment"
	OfWorkPool   = "work_pool"
)

// DefaultHookTimeout is how long a hook may take where nothing else is said.
const DefaultHookTimeout = 30 * time.Second

// maxHookTimeout keeps a hook from holding one of the few places for a day.
const maxHookTimeout = time.Hour

// Hooks are the commands that are told of a run: argv by event, empty for none.
type Hooks struct {
	OnFailure    []string `json:"on_failure"`
	OnCrash      []string `json:"on_crash"`
	OnCompletion []string `json:"on_completion"`
	OnLate       []string `json:"on_late"`
	// HookTimeoutSeconds is how long each may take; null: 30.
	HookTimeoutSeconds *float64 `json:"hook_timeout_seconds"`
}

// HookChange is what of hooks shall be another. Nil keeps, an empty list
// removes, and a timeout of 0 is the default.
type HookChange struct {
	OnFailure, OnCrash, OnCompletion, OnLate *[]string
	TimeoutSeconds                           *float64
}

// Nothing is true where nothing is to change.
func (c HookChange) Nothing() bool { return c == HookChange{} }

// forget drops the templates of commands that are no longer theirs.
func (c HookChange) forget(shown map[string]string) {
	for event, set := range map[string]bool{
		OnFailure: c.OnFailure != nil, OnCrash: c.OnCrash != nil, OnCompletion: c.OnCompletion != nil, OnLate: c.OnLate != nil,
	} {
		maps.DeleteFunc(shown, func(path, _ string) bool { return set && strings.HasPrefix(path, event+"[") })
	}
}

// Of is the command of an event, nil for none.
func (h Hooks) Of(event string) []string {
	switch event {
	case OnFailure:
		return h.OnFailure
	case OnCrash:
		return h.OnCrash
	case OnCompletion:
		return h.OnCompletion
	}
	return h.OnLate
}

// Any is true where there is a command at all.
func (h Hooks) Any() bool {
	return slices.ContainsFunc(HookEvents, func(event string) bool { return len(h.Of(event)) > 0 })
}

// With has the changes made.
func (h Hooks) With(c HookChange) Hooks {
	set(&h.OnFailure, c.OnFailure)
	set(&h.OnCrash, c.OnCrash)
	set(&h.OnCompletion, c.OnCompletion)
	set(&h.OnLate, c.OnLate)
	if c.TimeoutSeconds != nil {
		if h.HookTimeoutSeconds = c.TimeoutSeconds; *c.TimeoutSeconds == 0 {
			h.HookTimeoutSeconds = nil
		}
	}
	return h.whole()
}

// whole has [] for no command, as JSON shows it.
func (h Hooks) whole() Hooks {
	for _, argv := range []*[]string{&h.OnFailure, &h.OnCrash, &h.OnCompletion, &h.OnLate} {
		if *argv == nil {
			*argv = []string{}
		}
	}
	return h
}

// text is the column: what there is of the hooks, NULL for nothing.
func (h Hooks) text() any {
	kept := map[string]any{}
	for _, event := range HookEvents {
		if argv := h.Of(event); len(argv) > 0 {
			kept[event] = argv
		}
	}
	if h.HookTimeoutSeconds != nil {
		kept["hook_timeout_seconds"] = *h.HookTimeoutSeconds
	}
	if len(kept) == 0 {
		return nil
	}
	raw, err := plainJSON(kept)
	if err != nil {
		panic(fmt.Sprintf("hooks: %v", err)) // texts and a finite number always encode
	}
	return string(raw)
}

func readHooks(column text) (h Hooks, err error) {
	if len(column) > 0 {
		err = json.Unmarshal(column, &h)
	}
	return h.whole(), err
}

// check refuses commands that cannot be started, and templates that nothing
// fills in when the time comes.
func (h Hooks) check() error {
	for _, event := range HookEvents {
		if err := checkArgv(event, h.Of(event)); err != nil {
			return err
		}
	}
	if s := h.HookTimeoutSeconds; s != nil && !(*s > 0 && *s <= maxHookTimeout.Seconds()) { // NaN, too
		return invalid("hook_timeout_seconds: %v; it is more than 0, and an hour at most", *s)
	}
	return nil
}

func checkArgv(event string, argv []string) error {
	if len(argv) > 0 && strings.TrimSpace(argv[0]) == "" {
		return invalid("%s: its first word, the program, is empty", event).hint(`write a list: ["notify-send", "a run failed"]`)
	}
	for i, word := range argv {
		if strings.ContainsRune(word, 0) {
			return invalid("%s: word %d holds a NUL byte, which no program can be given", event, i+1)
		}
		for _, p := range placeholders(word) {
			if _, _, known := VariableOf(p.name); !known {
				return invalid("%s: nothing fills in {{ %s }}", event, p.name).
					hint("a hook has {{ prefect.variables.NAME }} and {{ prefect.blocks.secret.NAME }}; of the run it has RUNNEL_FLOW_RUN_ID and others in its environment")
			}
		}
	}
	return nil
}

// masked shows the templates of words that are hidden.
func (h Hooks) masked(shown map[string]string) Hooks {
	for _, argv := range []struct {
		event string
		words *[]string
	}{{OnFailure, &h.OnFailure}, {OnCrash, &h.OnCrash}, {OnCompletion, &h.OnCompletion}, {OnLate, &h.OnLate}} {
		*argv.words = slices.Clone(*argv.words)
		for i := range *argv.words {
			maskText(&(*argv.words)[i], fmt.Sprintf("%s[%d]", argv.event, i), shown)
		}
	}
	return h
}

func hookTimeout(seconds *float64) time.Duration {
	if seconds == nil || math.IsNaN(*seconds) || *seconds <= 0 {
		return DefaultHookTimeout
	}
	return time.Duration(*seconds * float64(time.Second))
}
