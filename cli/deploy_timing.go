package cli

import (
	"errors"
	"fmt"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// timing puts the entry's schedules, and what becomes of missed ticks, into the
// wish. What is wrong comes with its place in the file, all at once.
func (j *deployJob) timing(w *store.Wish, e discover.Entry) (err error) {
	var problems []discover.Problem
	if e.Schedules != nil {
		specs := make([]store.ScheduleSpec, len(*e.Schedules))
		for i, one := range *e.Schedules {
			spec, err := scheduleSpec(one)
			if err == nil {
				_, _, err = spec.Normalise(j.Clock())
			}
			if err != nil {
				problems = append(problems, scheduleProblem(e, i, err))
			}
			specs[i] = spec
		}
		w.Schedules = &specs
	}
	if e.Catchup != "" {
		w.Catchup = &e.Catchup
	}
	if w.MaxLate, err = lengthOrNone("max_late", textOrNil(e.MaxLate)); err != nil {
		problems = append(problems, lengthProblem(e, "max_late", err))
	}
	if w.Jitter, err = lengthOrNone("jitter", textOrNil(e.Jitter)); err != nil {
		problems = append(problems, lengthProblem(e, "jitter", err))
	}
	if len(problems) > 0 {
		return &discover.ProjectError{Problems: problems}
	}
	return nil
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// fieldOfMessage finds the field that the store's messages begin with.
var fieldOfMessage = lazily(`^(cron|interval|rrule|timezone|anchor_date|slug|replaces|max_late|jitter)\b:? ?`)

// scheduleProblem is what is wrong with a schedule, at the field that it names.
// Files call the list schedules, or schedule for one alone.
func scheduleProblem(e discover.Entry, i int, err error) discover.Problem {
	field := ""
	if found := fieldOfMessage().FindStringSubmatch(err.Error()); found != nil {
		field = "." + found[1]
	}
	message := fieldOfMessage().ReplaceAllString(err.Error(), "")
	var p discover.Problem
	for _, path := range []string{fmt.Sprintf("schedules[%d]", i), "schedule", fmt.Sprintf("schedule[%d]", i)} {
		if p = e.At(path+field, message, hintOf(err)); p.Line != e.Line {
			break
		}
	}
	return p
}

func lengthProblem(e discover.Entry, field string, err error) discover.Problem {
	return e.At(field, fieldOfMessage().ReplaceAllString(err.Error(), ""), hintOf(err))
}

// hintOf are the lines that say how to mend an error.
func hintOf(err error) string {
	var known *store.Error
	var exit *exitError
	switch {
	case errors.As(err, &known):
		return strings.Join(known.Hint, "\n")
	case errors.As(err, &exit):
		return strings.Join(exit.hint, "\n")
	}
	return ""
}
