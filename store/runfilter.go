package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// RunFilter narrows the runs that a command lists or changes. Empty fields do
// not; of those that are given, all must hold.
type RunFilter struct {
	States     []string // types or names, any case; one of them holds
	Deployment string   // full name, name where it is unique, or a pattern such as flow/*
	Flow       string
	Pool       string
	Queue      string // in the pool, or of this name in any
	Worker     string
	Tags       []string  // it has all of them
	Parameters []string  // name=value or name:=JSON; dots lead into objects
	Since      time.Time // meant to start at or after
	Until      time.Time // meant to start before
	Begun      bool      // it has an attempt, and so a log
	// Ended leaves only the runs that have ended, or that have not.
	Ended *bool
	// Before leaves out what was made later than this.
	Before time.Time
	After  *Run // only what a list has behind this run
	Limit  int  // 0: all
}

// condition is a piece of SQL with what it binds.
type condition struct {
	text string
	args []any
}

// criterion is one narrowing of a filter, in SQL about flow_run r.
type criterion struct {
	condition
	// index has the runs of each key in the order of their time; "" where the
	// criterion has no index.
	index string
	keys  []condition
	whole bool // the keys alone say what the condition says
}

// criteria makes SQL of a filter, but for what it says of time and order.
func (s *Store) criteria(ctx context.Context, q querier, f RunFilter) (all []criterion, err error) {
	add := func(c criterion, failed error) {
		all, err = append(all, c), errors.Join(err, failed)
	}
	if len(f.States) > 0 {
		add(s.stateCriterion(f.States))
	}
	if f.Ended != nil {
		add(endedCriterion(*f.Ended), nil)
	}
	if f.Deployment != "" {
		add(deploymentCriterion(ctx, q, f.Deployment))
	}
	if f.Flow != "" {
		add(keyed("flow_run_at_flow", "r.flow_id", "SELECT id FROM flow WHERE name = ?", f.Flow), nil)
	}
	if f.Pool != "" || f.Queue != "" {
		add(queueCriterion(ctx, q, f.Pool, f.Queue))
	}
	if f.Worker != "" {
		add(keyed("flow_run_at_worker", "r.worker_name", "?", f.Worker), nil)
	}
	for _, tag := range f.Tags {
		add(sifted("EXISTS (SELECT 1 FROM json_each(r.tags) WHERE value = ?)", tag), nil)
	}
	for _, parameter := range f.Parameters {
		add(parameterCriterion(parameter))
	}
	if f.Begun {
		add(sifted("r.attempt > 0"), nil)
	}
	if !f.Before.IsZero() {
		add(sifted("r.created <= ?", micros(f.Before)), nil)
	}
	return all, err
}

func sifted(text string, args ...any) criterion {
	return criterion{condition: condition{text, args}}
}

// keyed is a criterion of one column that has one value.
func keyed(index, column, value string, args ...any) criterion {
	c := condition{column + " = (" + value + ")", args}
	return criterion{c, index, []condition{c}, true}
}

// oneOf is a criterion of one column that has one of some values.
func oneOf[T any](index, column string, values []T) criterion {
	c := criterion{index: index, whole: true}
	for _, value := range values {
		c.keys = append(c.keys, condition{column + " = ?", []any{value}})
		c.args = append(c.args, value)
	}
	c.text = column + " IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ") + ")"
	return c
}

// leftCondition finds, by a name or a pattern, the runs that deployments left
// when they were deleted.
func leftCondition(word string) condition {
	name := "r.deployment_name"
	if !strings.Contains(word, "/") {
		name = "substr(r.deployment_name, instr(r.deployment_name, '/') + 1)"
	}
	return condition{"r.deployment_id IS NULL AND " + name + " GLOB ?", []any{word}}
}

// hasLeft is true where a deleted deployment has left a run.
func hasLeft(ctx context.Context, q querier, left condition) (found bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM flow_run r INDEXED BY flow_run_at_deployment WHERE "+left.text+")",
		left.args...).Scan(&found)
	return found, err
}

// deploymentCriterion takes a word for a name, and where there is none of it
// for a pattern. Both find what deleted deployments have left, too.
func deploymentCriterion(ctx context.Context, q querier, word string) (c criterion, err error) {
	d, err := deploymentByName(ctx, q, word)
	var known *Error
	if err == nil {
		return oneOf("flow_run_at_deployment", "r.deployment_id", []ID{d.ID}), nil
	}
	if !errors.As(err, &known) || known.Code != NotFound {
		return c, err
	}
	ids, failed := collect(ctx, q, scanID, `
		SELECT d.id
		  FROM deployment d
		  JOIN flow f ON f.id = d.flow_id
		 WHERE iif(instr(?1, '/'), f.name || '/' || d.name, d.name) GLOB ?1`, word)
	if failed != nil {
		return c, failed
	}
	left := leftCondition(word)
	found, failed := hasLeft(ctx, q, left)
	if failed != nil || !found && len(ids) == 0 {
		return c, cmp.Or(failed, err)
	}
	c = oneOf("flow_run_at_deployment", "r.deployment_id", ids)
	if found {
		c.text, c.args = "("+c.text+" OR "+left.text+")", append(c.args, left.args...)
		c.keys, c.whole = append(c.keys, condition{"r.deployment_id IS NULL", nil}), false
	}
	return c, nil
}

func queueCriterion(ctx context.Context, q querier, pool, queue string) (c criterion, err error) {
	if pool != "" {
		p, err := poolByName(ctx, q, pool)
		var known *Error
		if errors.As(err, &known) && known.Code == NotFound {
			known.Hint = append(known.Hint, "the runs of a pool that was deleted are in none: find them by --deployment or --flow")
		}
		if err != nil {
			return c, err
		}
		if queue != "" {
			one, err := queueByName(ctx, q, p, queue)
			return oneOf("flow_run_at_queue", "r.work_queue_id", []ID{one.ID}), err
		}
		ids, err := collect(ctx, q, scanID, "SELECT id FROM work_queue WHERE work_pool_id = ?", p.ID)
		return oneOf("flow_run_at_queue", "r.work_queue_id", ids), err
	}
	ids, err := collect(ctx, q, scanID, "SELECT id FROM work_queue WHERE name = ?", queue)
	if err == nil && len(ids) == 0 {
		known, failed := names(ctx, q, "SELECT DISTINCT name FROM work_queue")
		e := notFound("work queue", queue, known)
		if len(e.Hint) == 0 {
			e.Hint = append(e.Hint, "list them: runnel work-queue ls")
		}
		return c, errors.Join(failed, e)
	}
	return oneOf("flow_run_at_queue", "r.work_queue_id", ids), err
}

func endedCriterion(ended bool) criterion {
	var types []StateType
	for _, t := range StateTypes {
		if t.Terminal() == ended {
			types = append(types, t)
		}
	}
	return oneOf("flow_run_at_state", "r.state_type", types)
}

// stateCriterion makes SQL of state types and names, Late among them. A name
// comes with its type, which has an index.
func (s *Store) stateCriterion(states []string) (c criterion, err error) {
	var types []StateType
	var either []string
	c.whole = true
	for _, state := range states {
		name := stateName(state)
		if name == "" {
			return c, unknownState(state)
		}
		of, one := s.stateCondition(name)
		c.whole = c.whole && string(of) == name
		if !slices.Contains(types, of) {
			types = append(types, of)
		}
		either, c.args = append(either, one.text), append(c.args, one.args...)
	}
	c.text = "(" + strings.Join(either, " OR ") + ")"
	c.index, c.keys = "flow_run_at_state", oneOf("", "r.state_type", types).keys
	return c, nil
}

// stateCondition is a state's type, and what tells the state from others of it.
func (s *Store) stateCondition(name string) (StateType, condition) {
	switch name {
	case NameLate:
		return Scheduled, condition{
			"r.state_type = 'SCHEDULED' AND r.state_name = 'Scheduled' AND r.due < ?",
			[]any{micros(s.Clock().Add(-LateAfter))},
		}
	case NameAwaitingRetry:
		return Scheduled, condition{"r.state_type = 'SCHEDULED' AND r.state_name = ?", []any{name}}
	case NameTimedOut:
		return Failed, condition{"r.state_type = 'FAILED' AND r.state_name = ?", []any{name}}
	}
	return StateType(name), condition{"r.state_type = ?", []any{name}}
}

// parameterCriterion reads "name=value", where the value is JSON or, where the
// parameter is text, that text; and "name:=JSON".
func parameterCriterion(arg string) (c criterion, err error) {
	name, value, err := ParameterSchema{}.Parse(arg)
	if err != nil {
		return c, err
	}
	if strings.Contains(name, `"`) {
		return c, invalid("the parameter %q cannot be looked for: its name has a quotation mark", name)
	}
	head, given, _ := strings.Cut(arg, "=")
	asText := !strings.HasSuffix(head, ":")
	paths := []string{`$."` + name + `"`}
	if strings.Contains(name, ".") {
		paths = append(paths, `$."`+strings.ReplaceAll(name, ".", `"."`)+`"`)
	}
	var either []string
	for _, path := range paths {
		equal, arg := "r.parameters -> ? = json(?)", any(string(value))
		var number json.Number
		if value[0] != '"' && json.Unmarshal(value, &number) == nil && number != "" {
			// 3 and 3.0 are one number.
			equal, arg = "json_extract(r.parameters, ?) = json_extract(?, '$')", string(value)
		}
		either, c.args = append(either, equal), append(c.args, path, arg)
		if asText {
			either = append(either, "json_extract(r.parameters, ?) = ?")
			c.args = append(c.args, path, given)
		}
	}
	c.text = "(" + strings.Join(either, " OR ") + ")"
	return c, nil
}

// stateName gives a type in capitals, another state's name, or "".
func stateName(text string) string {
	for _, t := range StateTypes {
		if strings.EqualFold(text, string(t)) {
			return string(t)
		}
	}
	for _, name := range []string{NameLate, NameAwaitingRetry, NameTimedOut} {
		if strings.EqualFold(text, name) {
			return name
		}
	}
	return ""
}

func unknownState(text string) error {
	known := []string{NameLate, NameAwaitingRetry, NameTimedOut}
	for _, t := range StateTypes {
		known = append(known, stateNames[t])
	}
	e := invalid("no state %q", text)
	if near := Nearest(text, known); near != "" {
		e.Hint = append(e.Hint, fmt.Sprintf("did you mean %q?", near))
	}
	e.Hint = append(e.Hint, "the states are: "+strings.Join(known, ", "))
	return e
}
