package cli

import (
	"maps"
	"strings"

	"github.com/alecthomas/kong"

	"runnel/store"
)

// namesOf says what a flag or an argument of this name names.
var namesOf = map[string][]string{
	"deployment": {store.DeploymentNames},
	"target":     {store.DeploymentNames},
	"what":       {store.RunNames, store.DeploymentNames, store.PoolNames, store.QueuePaths},
	"run":        {store.RunNames, store.DeploymentNames},
	"runs":       {store.RunNames, store.DeploymentNames},
	"after":      {store.RunNames},
	"flow":       {store.FlowNames},
	"other":      {store.RunNames, store.DeploymentNames},
	"pool":       {store.PoolNames},
	"work-pool":  {store.PoolNames},
	"worker":     {store.WorkerNames},
}

// values are the words that a flag or an argument takes, as far as they can be
// told: of a list, of the database, or none.
func (p *position) values(v *kong.Value, typed string) (list []candidate) {
	if words := enumOf(v); len(words) > 0 {
		for _, word := range words {
			list = append(list, candidate{word, ""})
		}
		return list
	}
	switch v.Name {
	case "state":
		return stateCandidates()
	case "level":
		return []candidate{{"debug", ""}, {"info", ""}, {"warning", ""}, {"error", ""}, {"critical", ""}}
	case "param":
		return p.parameters(typed)
	case "unset-param":
		return p.parameterNames("")
	case "slug":
		return p.slugs()
	case "queue", "work-queue":
		return p.queues(v, typed)
	}
	kinds := namesOf[v.Name]
	if v.Name == "name" && len(p.node.Positional) > 0 && p.node.Parent != nil {
		switch p.node.Parent.Name {
		case "work-pool": // `work-pool inspect NAME`
			kinds = []string{store.PoolNames}
		case "work-queue": // `work-queue create POOL/NAME`
			return p.poolsOfQueues(typed)
		}
	}
	for _, kind := range kinds {
		list = append(list, p.names(kind, typed)...)
	}
	return list
}

// names are those of a kind that the database has.
func (p *position) names(kind, typed string) (list []candidate) {
	s := p.readable()
	if s == nil {
		return nil
	}
	names, err := s.Names(p.ctx, kind, typed)
	if err != nil {
		return nil
	}
	for _, n := range names {
		list = append(list, candidate{n.Name, n.Note})
	}
	return list
}

// queues are POOL/QUEUE where the argument takes that, else names: of the pool
// that the line has, or of all.
func (p *position) queues(v *kong.Value, typed string) (list []candidate) {
	pool := p.lastSet("pool")
	switch {
	case pool != "":
		for _, c := range p.names(store.QueuePaths, pool+"/"+typed) {
			list = append(list, candidate{strings.TrimPrefix(c.word, pool+"/"), c.note})
		}
		return list
	case v.Flag == nil:
		return p.names(store.QueuePaths, typed)
	}
	return p.names(store.QueueNames, typed)
}

// poolsOfQueues begin the full name of a queue that there is not yet.
func (p *position) poolsOfQueues(typed string) (list []candidate) {
	if p.lastSet("pool") != "" {
		return nil
	}
	for _, c := range p.names(store.PoolNames, typed) {
		list = append(list, candidate{c.word + "/", c.note})
	}
	return list
}

// lastSet is what a flag was given last.
func (p *position) lastSet(flag string) string {
	if values := p.set[flag]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// deployment is the one that the line names so far.
func (p *position) deployment() (d store.Deployment, found bool) {
	name := p.lastSet("deployment")
	for i, arg := range p.node.Positional {
		if i < len(p.given) && (arg.Name == "deployment" || arg.Name == "target") {
			name = p.given[i]
		}
	}
	if name == "" {
		return d, false
	}
	s := p.readable()
	if s == nil {
		return d, false
	}
	d, err := s.Deployment(p.ctx, name)
	return d, err == nil
}

func (p *position) slugs() (list []candidate) {
	if p.node.Name == "create" { // it names a new one
		return nil
	}
	d, _ := p.deployment()
	for _, schedule := range d.Schedules {
		list = append(list, candidate{schedule.Slug, schedule.Description})
	}
	return list
}

// parameters are NAME=, and after that the values, where they can be told.
func (p *position) parameters(typed string) (list []candidate) {
	name, _, valued := strings.Cut(typed, "=")
	if !valued {
		return p.parameterNames("=")
	}
	d, found := p.deployment()
	schema, err := store.ParseParameterSchema(d.ParameterSchema)
	if !found || err != nil {
		return nil
	}
	of := propertyOf(schema, name)
	for _, raw := range of.Enum {
		list = append(list, candidate{name + "=" + plainText(schema, name, raw), ""})
	}
	if len(of.Enum) == 0 && of.Type == "boolean" {
		list = []candidate{{name + "=true", ""}, {name + "=false", ""}}
	}
	return list
}

// parameterNames are those of the deployment that the line has not, each with
// what it is, and what it has where nothing is said.
func (p *position) parameterNames(end string) (list []candidate) {
	d, found := p.deployment()
	schema, err := store.ParseParameterSchema(d.ParameterSchema)
	if !found || err != nil {
		return nil
	}
	values := schema.Defaults()
	maps.Copy(values, d.Masked().Parameters)
	for _, name := range schema.Names() {
		if hasParam(p.set["param"], name) {
			continue
		}
		note := schema.Describe(name)
		if raw, set := values[name]; set {
			note += ", now " + clip(string(raw), 30)
		}
		list = append(list, candidate{name + end, note})
	}
	return list
}

func enumOf(v *kong.Value) (words []string) {
	for word := range strings.SplitSeq(v.Enum, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

func stateCandidates() (list []candidate) {
	for _, t := range store.StateTypes {
		list = append(list, candidate{store.NewState(t, "").Name, ""})
	}
	for _, name := range []string{store.NameLate, store.NameAwaitingRetry, store.NameTimedOut} {
		list = append(list, candidate{name, ""})
	}
	return list
}
