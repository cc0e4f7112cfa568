package store

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A dry run runs no step, so what a build step hands on is not known in it. Such
// a value is no change where the rest of its text agrees with what is deployed:
// else a plan would show drift for ever.

// pending are the outputs of steps that have not run, by name.
type pending []string

// asks is true for a text that an output is to be filled into.
func (p pending) asks(text string) bool {
	return slices.ContainsFunc(placeholders(text), func(at placeholder) bool { return slices.Contains(p, at.name) })
}

// agrees is true where a text may become what there is.
func (p pending) agrees(text, there string) bool {
	var pattern strings.Builder
	last := 0
	for _, at := range placeholders(text) {
		if slices.Contains(p, at.name) {
			pattern.WriteString(regexp.QuoteMeta(text[last:at.start]) + ".*")
			last = at.end
		}
	}
	pattern.WriteString(regexp.QuoteMeta(text[last:]))
	return regexp.MustCompile(`(?s)^` + pattern.String() + `$`).MatchString(there)
}

// laidOver is the deployment with what there is in place of each value that may
// become it, and the names of the fields that hold unknown ones.
func (p pending) laidOver(next, old Deployment) (_ Deployment, unknown []string) {
	if len(p) == 0 {
		return next, nil
	}
	note := func(field string, asks bool) {
		if asks && !slices.Contains(unknown, field) {
			unknown = append(unknown, field)
		}
	}
	for _, f := range []struct {
		name  string
		text  *string
		there string
	}{
		{"work_pool", &next.WorkPoolName, old.WorkPoolName},
		{"work_queue", &next.WorkQueueName, old.WorkQueueName},
		{"description", &next.Description, old.Description},
		{"version", &next.Version, old.Version},
	} {
		note(f.name, p.lay(f.text, f.there))
	}
	next.Tags = slices.Clone(next.Tags)
	for i := range next.Tags {
		there := ""
		if len(old.Tags) == len(next.Tags) {
			there = old.Tags[i]
		}
		note("tags", p.lay(&next.Tags[i], there))
	}
	note("parameters", p.layValues(&next.Parameters, old.Parameters))
	note("job_variables", p.layValues(&next.JobVariables, old.JobVariables))
	next.Schedules = slices.Clone(next.Schedules)
	for i := range next.Schedules {
		s := &next.Schedules[i]
		was, _ := scheduleBySlug(old.Schedules, s.Slug)
		note("schedules", p.layValues(&s.Parameters, was.Parameters))
	}
	next.PullSteps = slices.Clone(next.PullSteps)
	for i := range next.PullSteps {
		note("pull_steps", p.layStep(&next.PullSteps[i], i, old.PullSteps))
	}
	return next, unknown
}

// lay puts what there is in place of a text that may become it.
func (p pending) lay(text *string, there string) (asks bool) {
	if asks = p.asks(*text); asks && p.agrees(*text, there) {
		*text = there
	}
	return asks
}

func (p pending) layStep(step *Step, i int, old []Step) (asks bool) {
	var was Step
	if i < len(old) && old[i].Name == step.Name {
		was = old[i]
	}
	if asks = p.layValues(&step.Arguments, was.Arguments); asks {
		step.Shown = was.Shown
	}
	return asks
}

func (p pending) layValues(values *Values, there Values) (asks bool) {
	*values, asks = p.values(*values, there)
	return asks
}

// values lays what there is over the unknown among values.
func (p pending) values(next, old Values) (out Values, asks bool) {
	out = maps.Clone(next)
	for name, raw := range next {
		var tree, there any
		if !HasTemplate(raw) || json.Unmarshal(raw, &tree) != nil {
			continue
		}
		if json.Unmarshal(old[name], &there) != nil {
			there = nil // it is not there
		}
		laid, found := p.tree(tree, there)
		if !found {
			continue
		}
		asks = true
		if same, err := plainJSON(laid); err == nil {
			out[name] = same
		}
	}
	return out, asks
}

func (p pending) tree(next, there any) (_ any, asks bool) {
	switch v := next.(type) {
	case string:
		if !p.asks(v) {
			return next, false
		}
		if text, ok := there.(string); ok && p.agrees(v, text) {
			return text, true
		}
		if found := placeholders(v); there != nil && len(found) == 1 && found[0].end-found[0].start == len(v) {
			return there, true // alone it may be of any type
		}
		return next, true
	case []any:
		list, _ := there.([]any)
		for i := range v {
			var found bool
			if len(list) == len(v) {
				v[i], found = p.tree(v[i], list[i])
			} else {
				_, found = p.tree(v[i], nil)
			}
			asks = asks || found
		}
	case map[string]any:
		object, _ := there.(map[string]any)
		for key := range v {
			var found bool
			v[key], found = p.tree(v[key], object[key])
			asks = asks || found
		}
	}
	return next, asks
}
