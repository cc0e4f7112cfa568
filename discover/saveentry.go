package discover

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// change is one key of an entry that saving sets.
type change struct {
	path []string // [work_pool name]
	node *yaml.Node
}

// encode is an entry as the file has it: what it says, in Prefect's order.
func (e Entry) encode() *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, c := range e.changes(Entry{}) {
		setNode(out, c.path, c.node)
	}
	return out
}

func setNode(n *yaml.Node, path []string, value *yaml.Node) {
	inner := child(n, path[0])
	if len(path) == 1 {
		n.Content = append(n.Content, keyNode(n, path[0]), value)
		return
	}
	if inner == nil {
		inner = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		n.Content = append(n.Content, keyNode(n, path[0]), inner)
	}
	setNode(inner, path[1:], value)
}

// differ collects the keys in which an entry says something else than before.
// What it does not say (nil, empty) it leaves.
type differ struct{ out []change }

func (d *differ) add(now, before any, path ...string) {
	if saysSame(now, before) {
		return
	}
	v := reflect.ValueOf(now)
	if v.IsZero() || v.Kind() == reflect.Slice && v.IsNil() {
		return
	}
	raw, err := json.Marshal(now)
	if err != nil {
		return
	}
	node, err := jsonNode(raw, &yaml.Node{})
	if err != nil {
		return
	}
	d.out = append(d.out, change{path, node})
}

// saysSame compares what two values say, whatever the order of their keys.
func saysSame(a, b any) bool {
	x, errX := canonicalJSON(a)
	y, errY := canonicalJSON(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func canonicalJSON(value any) (out any, err error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber() // 1 and 1.0 are written differently
	err = decoder.Decode(&out)
	return out, err
}

func (e Entry) changes(before Entry) []change {
	var d differ
	d.add(e.Name, before.Name, "name")
	d.add(e.FlowName, before.FlowName, "flow_name")
	d.add(e.Version, before.Version, "version")
	d.add(e.VersionType, before.VersionType, "version_type")
	d.add(e.Tags, before.Tags, "tags")
	d.add(e.Description, before.Description, "description")
	d.add(e.Entrypoint, before.Entrypoint, "entrypoint")
	d.add(e.Parameters, before.Parameters, "parameters")
	d.add(e.EnforceParameterSchema, before.EnforceParameterSchema, "enforce_parameter_schema")
	d.add(e.WorkPool.Name, before.WorkPool.Name, "work_pool", "name")
	d.add(e.WorkPool.WorkQueueName, before.WorkPool.WorkQueueName, "work_pool", "work_queue_name")
	d.add(e.WorkPool.JobVariables, before.WorkPool.JobVariables, "work_pool", "job_variables")
	if !saysSame(withoutLines(e.Schedules), withoutLines(before.Schedules)) && e.Schedules != nil {
		d.out = append(d.out, change{[]string{"schedules"}, scheduleNodes(*e.Schedules)})
	}
	d.add(e.Paused, before.Paused, "paused")
	d.concurrency(e.Concurrency, before.Concurrency)
	d.steps(e.Build, before.Build, "build")
	d.steps(e.Push, before.Push, "push")
	d.steps(e.Pull, before.Pull, "pull")
	d.add(e.Retries, before.Retries, "retries")
	d.add(e.RetryJitterFactor, before.RetryJitterFactor, "retry_jitter_factor")
	d.add(e.RetriesOnCrash, before.RetriesOnCrash, "retries_on_crash")
	d.delays(e.RetryDelaySeconds, before.RetryDelaySeconds)
	d.add(e.TimeoutSeconds, before.TimeoutSeconds, "timeout_seconds")
	d.add(e.Catchup, before.Catchup, "catchup")
	d.add(e.MaxLate, before.MaxLate, "max_late")
	d.add(e.Jitter, before.Jitter, "jitter")
	d.add(e.Python, before.Python, "python")
	d.add(e.OnFailure, before.OnFailure, "on_failure")
	d.add(e.OnCrash, before.OnCrash, "on_crash")
	d.add(e.OnCompletion, before.OnCompletion, "on_completion")
	d.add(e.OnLate, before.OnLate, "on_late")
	d.add(e.HookTimeoutSeconds, before.HookTimeoutSeconds, "hook_timeout_seconds")
	d.add(e.Triggers, before.Triggers, "triggers")
	d.add(e.SLA, before.SLA, "sla")
	for _, path := range e.Dropped {
		if before.node != nil && !isNull(nodeAt(before.node, path)) {
			d.out = append(d.out, change{path: strings.Split(path, ".")})
		}
	}
	return d.out
}

func withoutLines(list *[]ScheduleEntry) []ScheduleEntry {
	if list == nil {
		return nil
	}
	out := make([]ScheduleEntry, len(*list))
	for i, s := range *list {
		s.Line = 0
		out[i] = s
	}
	return out
}

func (d *differ) delays(now, before []float64) {
	if len(now) == 1 {
		if !reflect.DeepEqual(now, before) {
			d.add(now[0], nil, "retry_delay_seconds")
			if now[0] == 0 {
				d.out = append(d.out, change{[]string{"retry_delay_seconds"}, valueNode(json.Number("0"), &yaml.Node{})})
			}
		}
		return
	}
	d.add(now, before, "retry_delay_seconds")
}

// concurrency writes the short form where it says all.
func (d *differ) concurrency(now, before *Concurrency) {
	if now == nil || reflect.DeepEqual(now, before) {
		return
	}
	if now.Limit != nil && now.CollisionStrategy == "" && now.GracePeriodSeconds == nil {
		d.add(now.Limit, nil, "concurrency_limit")
		return
	}
	if now.Limit == nil && now.CollisionStrategy != "" {
		return // a file has no word for that: null keeps it
	}
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if now.Limit != nil {
		addPair(out, "limit", json.Number(strconv.Itoa(*now.Limit)))
		addText(out, "collision_strategy", now.CollisionStrategy)
		if now.GracePeriodSeconds != nil {
			addPair(out, "grace_period_seconds", json.Number(strconv.Itoa(*now.GracePeriodSeconds)))
		}
	}
	d.out = append(d.out, change{[]string{"concurrency_limit"}, out})
}

func addPair(n *yaml.Node, key string, value any) {
	n.Content = append(n.Content, keyNode(n, key), valueNode(value, n))
}

func addText(n *yaml.Node, key, value string) {
	if value != "" {
		addPair(n, key, value)
	}
}

func addValues(n *yaml.Node, key string, values map[string]json.RawMessage) {
	if values == nil {
		return
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return
	}
	if node, err := jsonNode(raw, n); err == nil {
		n.Content = append(n.Content, keyNode(n, key), node)
	}
}

func scheduleNodes(list []ScheduleEntry) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, s := range list {
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		addText(n, "cron", s.Cron)
		if number := json.Number(s.Interval); s.Interval != "" && json.Valid([]byte(s.Interval)) {
			addPair(n, "interval", number)
		} else {
			addText(n, "interval", s.Interval)
		}
		addText(n, "rrule", s.RRule)
		addText(n, "anchor_date", s.AnchorDate)
		addText(n, "timezone", s.Timezone)
		if s.DayOr != nil {
			addPair(n, "day_or", *s.DayOr)
		}
		if s.Active != nil {
			addPair(n, "active", *s.Active)
		}
		addValues(n, "parameters", s.Parameters)
		addText(n, "slug", s.Slug)
		addText(n, "replaces", s.Replaces)
		out.Content = append(out.Content, n)
	}
	return out
}

// steps writes an entry's own steps; those that it takes over stay where they are.
func (d *differ) steps(now, before Steps, key string) {
	if now.Origin != StepsOwn || before.Origin == StepsOwn && sameSteps(now.List, before.List) {
		return
	}
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, s := range now.List {
		arguments := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		addText(arguments, "id", s.ID)
		if len(s.Requires) == 1 {
			addText(arguments, "requires", s.Requires[0])
		} else if len(s.Requires) > 1 {
			requires := make([]any, len(s.Requires))
			for i, one := range s.Requires {
				requires[i] = one
			}
			addPair(arguments, "requires", requires)
		}
		for _, name := range s.argumentOrder() {
			if node, err := jsonNode(s.Arguments[name], arguments); err == nil {
				arguments.Content = append(arguments.Content, keyNode(arguments, name), node)
			}
		}
		item := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		item.Content = []*yaml.Node{keyNode(item, s.writtenName()), arguments}
		out.Content = append(out.Content, item)
	}
	d.out = append(d.out, change{[]string{key}, out})
}

// argumentOrder is the order in which people write a step's arguments.
func (s Step) argumentOrder() []string {
	var out []string
	for _, name := range stepSpecs[s.Name].arguments {
		if _, ok := s.Arguments[name]; ok {
			out = append(out, name)
		}
	}
	for _, name := range sortedNames(s.Arguments) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// writtenName is the step's name in a file; Prefect reads the long one alone.
func (s Step) writtenName() string {
	if s.Written == "" {
		return stepModules[0] + s.Name
	}
	return s.Written
}

func sameSteps(a, b []Step) bool {
	plain := func(list []Step) string {
		out := append([]Step{}, list...) // none is none, however it was read
		for i := range out {
			out[i].Written, out[i].Unsupported = out[i].writtenName(), ""
		}
		raw, err := json.Marshal(out)
		if err != nil {
			return err.Error()
		}
		return string(raw)
	}
	return plain(a) == plain(b)
}
