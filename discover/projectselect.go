package discover

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// SelectError is a name or pattern that no entry of the project file matches.
type SelectError struct {
	Pattern string
	Near    []string // most likely meant, best first
	Names   []string // every entry of the file that has a name, as flow/name
}

func (e *SelectError) Error() string {
	switch {
	case len(e.Names) == 0:
		return fmt.Sprintf("no deployment matches %q: the project file has none with a name", e.Pattern)
	case len(e.Near) > 0:
		return fmt.Sprintf("no deployment of the project file matches %q; did you mean %s? It has %s", e.Pattern, e.Near[0], strings.Join(e.Names, ", "))
	}
	return fmt.Sprintf("no deployment of the project file matches %q; it has %s", e.Pattern, strings.Join(e.Names, ", "))
}

// Select picks entries by name, flow/name or a glob of either (*, ?, [a-z]), each
// once and in the file's order; without patterns all that have a name. A pattern
// that matches nothing is a *SelectError. The flow in flow/name is what FlowOf
// knows, so Entry.Flow is to be set first.
func (p *Project) Select(patterns []string) ([]Entry, error) {
	chosen := make([]bool, len(p.Deployments))
	for _, pattern := range patterns {
		places := p.places(pattern)
		if len(places) == 0 {
			return nil, p.noMatch(pattern)
		}
		for _, i := range places {
			chosen[i] = true
		}
	}
	var out []Entry
	for i, e := range p.Deployments {
		if chosen[i] || len(patterns) == 0 && e.Name != "" {
			out = append(out, e)
		}
	}
	return out, nil
}

// places are those of the entries that a pattern means: the ones of just this
// name, which may hold a * itself, else those that it matches as a glob.
func (p *Project) places(pattern string) (exact []int) {
	var globbed []int
	for i, e := range p.Deployments {
		switch {
		case e.Name == "":
		case pattern == e.Name || pattern == e.FullName():
			exact = append(exact, i)
		case matches(pattern, e):
			globbed = append(globbed, i)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return globbed
}

func matches(pattern string, e Entry) bool {
	flow, name, full := strings.Cut(pattern, "/")
	if !full {
		ok, err := path.Match(pattern, e.Name)
		return ok && err == nil
	}
	okFlow, errFlow := path.Match(flow, e.FlowOf())
	okName, errName := path.Match(name, e.Name)
	return okFlow && okName && errFlow == nil && errName == nil
}

func (p *Project) noMatch(pattern string) error {
	e := &SelectError{Pattern: pattern}
	var bare []string
	for _, entry := range p.Deployments {
		if entry.Name != "" {
			e.Names = append(e.Names, entry.FullName())
			bare = append(bare, entry.Name)
		}
	}
	if strings.Contains(pattern, "/") {
		bare = e.Names
	}
	if strings.ContainsAny(pattern, "*?[") {
		return e // a glob is not mistyped: it is like nothing in particular
	}
	for _, name := range near(pattern, bare) {
		if i := slices.Index(bare, name); i >= 0 {
			e.Near = append(e.Near, e.Names[i])
		}
	}
	return e
}
