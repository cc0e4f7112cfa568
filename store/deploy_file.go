package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ensurePools finds the pools that the wishes name, and makes those that are
// missing where that was asked for; else one error has the commands that would.
func (t *tx) ensurePools(wishes []Wish, o DeployOptions, plan *Plan) error {
	seen := map[string]bool{}
	var missing []string
	var first *Error
	var wrong WishErrors
	for i, w := range wishes {
		if w.Pool == "" || seen[w.Pool] || pending(w.Built).asks(w.Pool) {
			continue
		}
		seen[w.Pool] = true
		if err := CheckPoolName(w.Pool); err != nil {
			wrong = append(wrong, &WishError{i, err}) // no command could make it
			continue
		}
		_, err := poolByName(t.ctx, t, w.Pool)
		var e *Error
		switch {
		case err == nil:
		case !errors.As(err, &e) || e.Code != NotFound:
			return err
		case o.CreatePools:
			pool := WorkPool{Name: w.Pool}
			if err := pool.check(); err != nil {
				return err
			}
			if err := t.createPool(&pool); err != nil {
				return err
			}
			plan.Pools = append(plan.Pools, w.Pool)
		default:
			if first == nil {
				first = e
			}
			missing = append(missing, w.Pool)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return missingPools(first, missing)
}

func missingPools(first *Error, missing []string) error {
	switch len(missing) {
	case 0:
		return nil
	case 1:
		first.Hint = append(first.Hint, "or make it on the way: --create-pools")
		return first
	}
	e := &Error{Code: NotFound, Message: fmt.Sprintf("%d work pools are missing: %s", len(missing), strings.Join(missing, ", "))}
	for _, name := range missing {
		e.Hint = append(e.Hint, "create it: runnel work-pool create --type process "+Quote(name))
	}
	e.Hint = append(e.Hint, "or make them on the way: --create-pools")
	return e
}

// leftovers are the deployments that came from the project file and are no
// longer in it.
func (t *tx) leftovers(wishes []Wish, o DeployOptions, plan *Plan) error {
	if o.File == "" {
		return nil
	}
	wished := map[string]bool{}
	for _, w := range wishes {
		wished[w.FlowName+"/"+w.Name] = true
	}
	all, err := collect(t.ctx, t, scanDeployment, selectDeployment+" WHERE d.project_file = ? ORDER BY f.name, d.name", o.File)
	if err != nil {
		return err
	}
	for _, d := range all {
		switch {
		case wished[d.FullName]:
		case !o.Prune:
			plan.Left = append(plan.Left, d.FullName)
		default:
			if _, err := t.deleteDeployment(d); err != nil {
				return err
			}
			plan.Changes = append(plan.Changes, Change{Action: "-", Deployment: d.FullName, Fields: []FieldChange{}})
		}
	}
	return nil
}

// shownJSON writes the templates that stand for values.
func shownJSON(shown map[string]string) string {
	if len(shown) == 0 {
		return "{}"
	}
	b, err := json.Marshal(shown)
	if err != nil {
		panic(fmt.Sprintf("templates: %v", err)) // texts always encode
	}
	return string(b)
}
