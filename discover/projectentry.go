package discover

import (
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// entryForeign are keys of other systems and of older versions, with what to
// write instead. All were met in real files.
var entryForeign = map[string]string{
	"pool":                     "write work_pool: {name: …}",
	"work_pool_name":           "write work_pool: {name: …}",
	"work_queue":               "write work_pool: {work_queue_name: …}",
	"work_queue_name":          "it belongs inside work_pool",
	"job_variables":            "it belongs inside work_pool",
	"infra_overrides":          "write work_pool: {job_variables: …}",
	"environment":              "write work_pool: {job_variables: {env: …}}",
	"env":                      "write work_pool: {job_variables: {env: …}}",
	"flow_path":                "write entrypoint: path/to/file.py:function",
	"path":                     "write entrypoint: path/to/file.py:function",
	"is_paused":                "write paused: true or false",
	"is_schedule_active":       "write paused: true or false, or active inside the schedule",
	"time_zone":                "write timezone inside the schedule",
	"timezone":                 "it belongs inside the schedule",
	"cron":                     "write schedules: [{cron: …}]",
	"interval":                 "write schedules: [{interval: …}]",
	"rrule":                    "write schedules: [{rrule: …}]",
	"max_active_runs":          "write concurrency_limit",
	"on_cancellation":          "there is no such hook: whoever cancels a run knows it",
	"on_crashed":               "write on_crash: [program, argument, …]",
	"on_running":               "there is no such hook: let the flow say so itself",
	"requirements":             "write a pull step: pip_install_requirements",
	"parameter_openapi_schema": "the schema is read from the flow itself",
}

var poolForeign = map[string]string{
	"flow_variables":    "write job_variables",
	"variables":         "write job_variables",
	"env":               "write job_variables: {env: …}",
	"command":           "write job_variables: {command: …}",
	"type":              "a pool's type is set where it is made: runnel work-pool create",
	"concurrency_limit": "a pool's limit is set with runnel work-pool update; a deployment's stands beside work_pool",
}

func (r *reader) entry(n *yaml.Node, path string) Entry {
	e := Entry{Line: n.Line, node: n, path: path, file: r.file}
	b := r.block(n, path)
	e.Name, e.Entrypoint, e.FlowName = b.plain("name"), b.plain("entrypoint"), b.text("flow_name")
	e.Description, e.Version, e.VersionType = b.text("description"), b.text("version"), b.text("version_type")
	e.Tags = b.tags()
	e.Parameters = b.values("parameters")
	e.EnforceParameterSchema = b.flag("enforce_parameter_schema")
	e.Schedules = b.schedules()
	e.Paused = b.flag("paused")
	e.Concurrency = b.concurrency()
	e.WorkPool = b.workPool()
	e.Build, e.Push, e.Pull = b.steps("build"), b.steps("push"), b.steps("pull")
	b.own(&e)
	e.Triggers, e.SLA = b.unacted("triggers"), b.unacted("sla")
	b.checkName("name", e.Name)
	if e.FlowName != nil {
		b.checkName("flow_name", *e.FlowName)
	}
	if e.Name == "" {
		b.unnamed(e.Entrypoint)
	}
	b.rest(entryForeign)
	return e
}

// unnamed says why an entry will not be deployed.
func (b *block) unnamed(entrypoint string) {
	at := b.node
	if n := child(b.node, "name"); n != nil {
		at = n
	}
	hint := ""
	if entrypoint != "" {
		hint = "give it a name"
	}
	b.r.note(at, b.path, hint, "has no name, so it is left out")
}

// own reads runnel's own fields.
func (b *block) own(e *Entry) {
	e.Retries = b.whole("retries", 0)
	e.RetryDelaySeconds = b.delays("retry_delay_seconds")
	e.RetryJitterFactor = b.positive("retry_jitter_factor", "a number")
	e.RetriesOnCrash = b.whole("retries_on_crash", 0)
	e.TimeoutSeconds = b.positive("timeout_seconds", "a number of seconds")
	e.Catchup = b.catchup()
	e.MaxLate, e.Jitter, e.Python = b.plain("max_late"), b.plain("jitter"), b.plain("python")
	e.OnFailure, e.OnCrash = b.command("on_failure"), b.command("on_crash")
	e.OnCompletion, e.OnLate = b.command("on_completion"), b.command("on_late")
	e.HookTimeoutSeconds = b.positive("hook_timeout_seconds", "a number of seconds")
}

// command is a program with its arguments. A text is refused: nobody but a
// shell knows how to split it.
func (b *block) command(key string) *[]string {
	n := b.take(key)
	if isNull(n) {
		return nil
	}
	path := joinPath(b.path, key)
	if n.Kind != yaml.SequenceNode {
		b.r.fail(n, path, "write "+key+": [program, argument, …]; a line for a shell: [sh, -c, '…']", "must be a list, not a %s", kindName(n))
		return nil
	}
	out := []string{}
	for i, item := range n.Content {
		if item.Kind != yaml.ScalarNode || isNull(item) {
			b.r.fail(item, indexPath(path, i), "", "must be text, not a %s", kindName(item))
			continue
		}
		out = append(out, item.Value)
	}
	return &out
}

// positive is a number of 0 or more.
func (b *block) positive(key, what string) *float64 {
	n := b.scalar(key, what)
	if n == nil || hasTemplate(n.Value) {
		return nil
	}
	value, ok := b.number(n, joinPath(b.path, key))
	if !ok {
		return nil
	}
	return &value
}

func (b *block) delays(key string) []float64 {
	n := b.take(key)
	if isNull(n) || n.Kind == yaml.ScalarNode && hasTemplate(n.Value) {
		return nil
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	out := make([]float64, 0, len(items))
	for _, item := range items {
		if value, ok := b.number(item, joinPath(b.path, key)); ok {
			out = append(out, value)
		}
	}
	return out
}

// catchup is what becomes of missed ticks. Airflow has a key of this name that
// is true or false.
func (b *block) catchup() string {
	n := b.scalar("catchup", "latest, all or none")
	if n == nil || hasTemplate(n.Value) {
		return ""
	}
	path := joinPath(b.path, "catchup")
	switch value := strings.ToLower(n.Value); {
	case value == "latest" || value == "all" || value == "none":
		return value
	case n.Tag == "!!bool":
		b.r.warn(n, path, "write catchup: latest (the default), all or none", "true and false are not read")
	default:
		b.r.fail(n, path, "", "must be latest, all or none, not %s", b.quote(n, path))
	}
	return ""
}

// tags is a list, or one text that is one tag.
func (b *block) tags() *[]string {
	n := b.take("tags")
	if isNull(n) {
		return nil
	}
	items := []*yaml.Node{n}
	switch n.Kind {
	case yaml.SequenceNode:
		items = n.Content
	case yaml.MappingNode:
		if len(n.Content) > 0 {
			b.r.fail(n, joinPath(b.path, "tags"), "write tags: [one, two]", "must be a list of text")
			return nil
		}
		items = nil
	}
	out := []string{}
	for i, item := range items {
		path := indexPath(joinPath(b.path, "tags"), i)
		switch {
		case isNull(item):
			b.r.warn(item, path, "", "an empty tag is left out")
		case item.Kind != yaml.ScalarNode:
			b.r.fail(item, path, "", "must be text, not a %s", kindName(item))
		case !slices.Contains(out, item.Value):
			out = append(out, item.Value)
		}
	}
	return &out
}

// concurrency reads both forms: a number, and a mapping with a strategy.
func (b *block) concurrency() *Concurrency {
	const key = "concurrency_limit"
	n := b.take(key)
	path := joinPath(b.path, key)
	switch {
	case isNull(n), n.Kind == yaml.ScalarNode && hasTemplate(n.Value):
		return nil
	case n.Kind == yaml.ScalarNode:
		if limit := b.wholeOf(n, path, 1); limit != nil {
			return &Concurrency{Limit: limit}
		}
		return nil
	case n.Kind != yaml.MappingNode:
		b.r.fail(n, path, "write concurrency_limit: 1", "must be a number, or a mapping with limit and collision_strategy")
		return nil
	}
	inner := b.r.block(n, path)
	out := &Concurrency{Limit: inner.whole("limit", 1), CollisionStrategy: inner.strategy()}
	out.GracePeriodSeconds = inner.whole("grace_period_seconds", 0)
	inner.rest(nil)
	limit := child(n, "limit")
	switch {
	case len(n.Content) == 0:
		return out // {} removes the limit
	case !isNull(limit):
		return out
	case out.CollisionStrategy != "":
		b.r.warn(n, joinPath(path, "collision_strategy"), "add limit: 1", "without a limit it does nothing")
	}
	return nil
}

func (b *block) strategy() string {
	n := b.scalar("collision_strategy", "ENQUEUE or CANCEL_NEW")
	if n == nil || hasTemplate(n.Value) {
		return ""
	}
	path := joinPath(b.path, "collision_strategy")
	switch value := strings.ToUpper(n.Value); value {
	case "ENQUEUE", "CANCEL_NEW", "REPLACE":
		return value
	}
	b.r.fail(n, path, "", "must be ENQUEUE, CANCEL_NEW or REPLACE, not %s", b.quote(n, path))
	return ""
}

func (b *block) workPool() WorkPool {
	n := b.mapping("work_pool", "write work_pool: {name: my-pool}")
	if n == nil {
		return WorkPool{}
	}
	inner := b.r.block(n, joinPath(b.path, "work_pool"))
	w := WorkPool{inner.plain("name"), inner.plain("work_queue_name"), inner.values("job_variables")}
	inner.rest(poolForeign)
	return w
}

// unacted keeps a part that runnel does not act on.
func (b *block) unacted(key string) []byte {
	n := b.take(key)
	if isNull(n) {
		return nil
	}
	if !isEmpty(n) {
		b.r.unacted[key] = append(b.r.unacted[key], n)
	}
	b.r.account[joinPath(b.path, key)] = "kept: not acted on"
	return b.r.json(n, joinPath(b.path, key))
}

// checkName holds a name to what the rest can print and select.
func (b *block) checkName(key, name string) {
	n := child(b.node, key)
	path := joinPath(b.path, key)
	if strings.ContainsFunc(name, unicode.IsControl) {
		b.r.fail(n, path, "", "holds a line break or a control character")
		return
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 && !hasTemplate(name) {
		hint := "choose a name without /"
		if last := name[i+1:]; last != "" && b.r.shown[path] == "" {
			hint = "the flow's name is put before it: write " + key + ": " + last
		}
		b.r.fail(n, path, hint, "%s holds a /", b.quote(n, path))
	}
}

// inherit gives the entry the file's steps where it has no key of its own.
func (e *Entry) inherit(p *Project) {
	take := func(own, top Steps) Steps {
		if own.Origin == StepsAbsent && top.Origin == StepsOwn {
			return Steps{StepsInherited, top.List}
		}
		return own
	}
	e.Build, e.Push, e.Pull = take(e.Build, p.Build), take(e.Push, p.Push), take(e.Pull, p.Pull)
}
