package store

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// The layers that a run's parameter may come from.
const (
	FromDefault    = "default"
	FromDeployment = "deployment"
	FromSchedule   = "schedule"
	FromRun        = "run"
)

// Parameter is a run's parameter with the layer that gave it, "" where an older
// runnel made the run.
type Parameter struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
	From  string          `json:"from"`
}

// layer is what one layer gives.
type layer struct {
	name   string
	values Values
}

// layered merges layers, the later over the earlier, and names the one that
// gave each parameter.
func layered(layers ...layer) (Values, string) {
	merged, from := Values{}, map[string]string{}
	for _, l := range layers {
		for name, value := range l.values {
			merged[name], from[name] = value, l.name
		}
	}
	names, err := json.Marshal(from)
	if err != nil {
		panic(err) // it is text alone
	}
	return merged, string(names)
}

// layered are the parameters of the schedule's runs.
func (s DeploymentSchedule) layered(d Deployment) (Values, string) {
	return layered(layer{FromDeployment, d.Parameters}, layer{FromSchedule, s.Parameters})
}

// ParametersOf lists a run's parameters in the order of the signature, those
// that the flow's own default stands for included. The values are the run's, so
// that those of a masked run are.
func (s *Store) ParametersOf(ctx context.Context, r Run) (list []Parameter, err error) {
	from := map[string]string{}
	var sources text
	err = s.reader.QueryRowContext(ctx, "SELECT parameter_sources FROM flow_run WHERE id = ?", r.ID).Scan(&sources)
	if err == nil {
		err = json.Unmarshal(sources, &from)
	}
	if err != nil {
		return nil, err
	}
	raw := json.RawMessage(nil)
	if r.Job != nil {
		raw = r.Job.ParameterSchema
	} else if r.DeploymentID != nil {
		err = s.reader.QueryRowContext(ctx, "SELECT parameter_schema FROM deployment WHERE id = ?", *r.DeploymentID).Scan((*text)(&raw))
	}
	if err != nil {
		return nil, err
	}
	schema, err := ParseParameterSchema(raw)
	if err != nil {
		return nil, err
	}
	defaults := schema.Defaults()
	names := schema.Names()
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if value, given := r.Parameters[name]; given {
			list = append(list, Parameter{name, value, from[name]})
		} else if value, has := defaults[name]; has {
			list = append(list, Parameter{name, value, FromDefault})
		}
	}
	return list, nil
}
