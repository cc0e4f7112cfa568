package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What a project file took from the environment, or keeps as a secret, is
// stored as it is and shown as its template. A deployment's Shown has the
// template by the value's path, as the file has it: parameters.db.host, tags[1],
// work_pool.job_variables.env.TOKEN.

// The parts of a deployment that are shown by their templates.
const (
	shownParameters   = "parameters"
	shownJobVariables = "work_pool.job_variables"
	shownSchedules    = "schedules"
)

// shownAfter are the templates of a deployment as a wish leaves it: those of the
// parts that it sets, and the old ones of what it keeps.
func shownAfter(old Deployment, w Wish) map[string]string {
	sets := map[string]bool{
		shownParameters: w.Parameters != nil, shownJobVariables: w.JobVariables != nil,
		shownSchedules: w.Schedules != nil, "tags": w.Tags != nil,
		"description": w.Description != nil, "version": w.Version != nil,
		OnFailure: w.Hooks.OnFailure != nil, OnCrash: w.Hooks.OnCrash != nil,
		OnCompletion: w.Hooks.OnCompletion != nil, OnLate: w.Hooks.OnLate != nil,
	}
	shown := map[string]string{}
	for part, set := range sets {
		from := old.Shown
		if set {
			from = w.Shown
		}
		for path, template := range from {
			if inside(path, part) {
				shown[path] = template
			}
		}
	}
	return shown
}

// inside is true for the path of a value, and of all that it holds.
func inside(path, own string) bool {
	return path == own || strings.HasPrefix(path, own+".") || strings.HasPrefix(path, own+"[")
}

// nameShown puts the schedules' slugs in place of their numbers in the wish,
// since they are stored in another order.
func nameShown(shown map[string]string, slugs []string) map[string]string {
	out := map[string]string{}
	for path, template := range shown {
		for i, slug := range slugs {
			for _, numbered := range []string{fmt.Sprintf("schedules[%d].", i), fmt.Sprintf("schedule[%d].", i), "schedule."} {
				if rest, ok := strings.CutPrefix(path, numbered); ok {
					path = shownSchedules + "[" + slug + "]." + rest
				}
			}
		}
		out[path] = template
	}
	return out
}

// Masked is the deployment as it may be printed.
func (d Deployment) Masked() Deployment {
	if len(d.Shown) == 0 {
		return d
	}
	d.Parameters = d.Parameters.masked(shownParameters, d.Shown)
	d.JobVariables = d.JobVariables.masked(shownJobVariables, d.Shown)
	d.Tags = slices.Clone(d.Tags)
	for i := range d.Tags {
		maskText(&d.Tags[i], fmt.Sprintf("tags[%d]", i), d.Shown)
	}
	maskText(&d.Description, "description", d.Shown)
	maskText(&d.Version, "version", d.Shown)
	d.Hooks = d.Hooks.masked(d.Shown)
	d.Schedules = slices.Clone(d.Schedules)
	for i := range d.Schedules {
		s := &d.Schedules[i]
		s.Parameters = s.Parameters.masked(shownSchedules+"["+s.Slug+"].parameters", d.Shown)
	}
	return d
}

func maskText(text *string, path string, shown map[string]string) {
	if template, hidden := shown[path]; hidden {
		*text = template
	}
}

// masked puts the templates in place of what they stand for.
func (v Values) masked(path string, shown map[string]string) Values {
	out := maps.Clone(v)
	for name, raw := range v {
		out[name] = maskJSON(raw, path+"."+name, shown)
	}
	return out
}

func maskJSON(raw json.RawMessage, path string, shown map[string]string) json.RawMessage {
	if template, hidden := shown[path]; hidden {
		return quoteJSON(template)
	}
	within := func(at string) bool { return inside(at, path) }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(shown)), within) {
		return raw
	}
	var object Values
	if json.Unmarshal(raw, &object) == nil && object != nil {
		return json.RawMessage(object.masked(path, shown).text())
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return raw
	}
	for i := range list {
		list[i] = maskJSON(list[i], fmt.Sprintf("%s[%d]", path, i), shown)
	}
	return json.RawMessage(asJSON(list))
}

// closed leaves out, here and in the schema, the parameters whose value is not
// known yet: a secret, what a step will give, another machine's variable. Their
// template is stored in their place, and the run checks them.
func (d Deployment) closed(schema *ParameterSchema) Deployment {
	open := d.Parameters.open(shownParameters, d.Shown)
	for _, s := range d.Schedules {
		open = append(open, s.Parameters.open(shownSchedules+"["+s.Slug+"].parameters", d.Shown)...)
	}
	if len(open) == 0 {
		return d
	}
	d.Parameters, d.Schedules = maps.Clone(d.Parameters), slices.Clone(d.Schedules)
	for _, name := range open {
		if schema.Properties[name] == nil {
			continue // it is refused as any unknown one
		}
		delete(d.Parameters, name)
		delete(schema.Properties, name)
		schema.Required = slices.DeleteFunc(schema.Required, func(r string) bool { return r == name })
		for i := range d.Schedules {
			d.Schedules[i].Parameters = maps.Clone(d.Schedules[i].Parameters)
			delete(d.Schedules[i].Parameters, name)
		}
	}
	return d
}

func (v Values) open(path string, shown map[string]string) (names []string) {
	for name, raw := range v {
		for at, template := range shown {
			if inside(at, path+"."+name) && strings.Contains(string(raw), string(quoteJSON(template))) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// hide takes the values that are shown as templates out of what is said of them.
func (d Deployment) hide(err error) error {
	if err == nil || len(d.Shown) == 0 {
		return err
	}
	message, masked := err.Error(), d.Masked()
	for _, pair := range [][2]Values{{d.Parameters, masked.Parameters}, {d.JobVariables, masked.JobVariables}} {
		for name, raw := range pair[0] {
			if shown := pair[1][name]; string(shown) != string(raw) {
				message = strings.ReplaceAll(message, shorten(string(raw)), string(shown))
			}
		}
	}
	e := &Error{Code: Invalid, Message: message}
	var known *Error
	if errors.As(err, &known) {
		e.Code, e.Hint = known.Code, known.Hint
	}
	return e
}

// Masked is a run of the deployment as it may be printed: a parameter with hidden
// values as the deployment shows it, or, where it has another value than the
// deployment has now, not at all.
func (r Run) Masked(d Deployment) Run {
	if len(d.Shown) == 0 {
		return r
	}
	masked := d.Masked()
	layers := [][2]Values{{d.Parameters, masked.Parameters}}
	for i, s := range d.Schedules {
		layers = append(layers, [2]Values{s.Parameters, masked.Schedules[i].Parameters})
	}
	r.Parameters = maps.Clone(r.Parameters)
	for name, raw := range r.Parameters {
		for _, layer := range layers {
			real, shown := layer[0][name], layer[1][name]
			switch {
			case string(real) == string(shown): // nothing of it is hidden
			case string(real) == string(raw):
				r.Parameters[name] = shown
			case string(r.Parameters[name]) == string(raw):
				r.Parameters[name] = quoteJSON(MaskedValue)
			}
		}
	}
	return r
}
