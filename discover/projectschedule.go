package discover

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// scheduleForeign are keys that real files have inside a schedule. runnel's own
// three stand on the deployment, since Prefect refuses unknown keys here.
var scheduleForeign = map[string]string{
	"catchup":            "it stands on the deployment, as latest, all or none",
	"max_late":           "it stands on the deployment",
	"jitter":             "it stands on the deployment",
	"max_active_runs":    "write concurrency_limit on the deployment",
	"max_scheduled_runs": "one tick is made ahead, so there is nothing to limit",
	"time_zone":          "write timezone",
	"tz":                 "write timezone",
	"is_active":          "write active",
	"enabled":            "write active",
	"anchor":             "write anchor_date",
}

// schedules reads schedules and the older schedule. nil keeps what is deployed,
// an empty list removes it: [] and {} both say so.
func (b *block) schedules() *[]ScheduleEntry {
	many, one := b.take("schedules"), b.take("schedule")
	path, oldPath := joinPath(b.path, "schedules"), joinPath(b.path, "schedule")
	switch {
	case isNull(many) && isNull(one):
		return nil
	case isNull(one):
		return b.scheduleList(many, path, "schedules")
	case isNull(many):
		return b.scheduleList(one, oldPath, "schedule")
	case isEmpty(one):
		b.r.warn(one, oldPath, "remove it", "empty beside schedules, so it is passed over")
		return b.scheduleList(many, path, "schedules")
	case isEmpty(many):
		b.r.warn(many, path, "remove it", "empty beside schedule, so it is passed over")
		return b.scheduleList(one, oldPath, "schedule")
	}
	b.r.fail(one, oldPath, "put both under schedules, as a list", "stands beside schedules (line %d)", many.Line)
	return nil
}

func (b *block) scheduleList(n *yaml.Node, path, key string) *[]ScheduleEntry {
	out := []ScheduleEntry{}
	switch n.Kind {
	case yaml.ScalarNode:
		if hasTemplate(n.Value) && strings.HasPrefix(n.Value, "{{") {
			return nil
		}
		s, ok := b.bareCron(n, path)
		if ok {
			out = append(out, s)
		}
		return &out
	case yaml.MappingNode:
		if isEmpty(n) {
			b.r.emptySchedule(n, path)
			return &out
		}
		if key == "schedules" {
			b.r.note(n, path, "begin it with a dash", "a list is meant; this is read as its one schedule")
		}
		out = append(out, b.r.schedule(n, path))
		return &out
	}
	if key == "schedule" && len(n.Content) > 0 {
		b.r.note(n, path, "call the key schedules", "a list; it is read as schedules")
	}
	for i, item := range n.Content {
		if s, ok := b.scheduleItem(item, indexPath(path, i)); ok {
			out = append(out, s)
		}
	}
	return &out
}

func (b *block) scheduleItem(n *yaml.Node, path string) (ScheduleEntry, bool) {
	switch {
	case isNull(n):
		b.r.warn(n, path, "", "empty, so it is left out")
		return ScheduleEntry{}, false
	case n.Kind == yaml.ScalarNode:
		return b.bareCron(n, path)
	case n.Kind == yaml.SequenceNode:
		b.r.fail(n, path, "an alias of a whole list takes the list's place: schedules: *name", "must be a schedule, not a list")
		return ScheduleEntry{}, false
	}
	return b.r.schedule(n, path), true
}

// bareCron reads schedule: "0 6 * * *", which real files have.
func (b *block) bareCron(n *yaml.Node, path string) (ScheduleEntry, bool) {
	if len(strings.Fields(n.Value)) != 5 && !strings.HasPrefix(n.Value, "@") {
		b.r.fail(n, path, `write schedules: [{cron: "0 6 * * *"}]`, "must be a schedule with cron, interval or rrule, not %s", b.quote(n, path))
		return ScheduleEntry{}, false
	}
	b.r.warn(n, path, "write cron: "+b.quote(n, path), "text alone is read as cron")
	return ScheduleEntry{Cron: n.Value, Line: n.Line}, true
}

// emptySchedule accounts for the keys of a scaffold whose values are all null.
func (r *reader) emptySchedule(n *yaml.Node, path string) {
	b := r.block(n, path)
	b.scheduleFields()
	b.rest(scheduleForeign)
}

func (r *reader) schedule(n *yaml.Node, path string) ScheduleEntry {
	b := r.block(n, path)
	s := b.scheduleFields()
	b.rest(scheduleForeign)
	var given []string
	for _, one := range []struct{ key, value string }{{"cron", s.Cron}, {"interval", s.Interval}, {"rrule", s.RRule}} {
		if one.value != "" {
			given = append(given, one.key)
		}
	}
	switch {
	case len(given) == 0:
		r.fail(n, path, `such as cron: "0 6 * * *" or interval: 3600`, "needs one of cron, interval and rrule")
	case len(given) > 1:
		r.fail(n, path, "make them two schedules, or remove one", "has %s; a schedule has one of them", strings.Join(given, " and "))
	case s.AnchorDate != "" && s.Interval == "":
		r.warn(child(n, "anchor_date"), joinPath(path, "anchor_date"), "", "only an interval has an anchor; it is passed over")
	case s.DayOr != nil && s.Cron == "":
		r.account[joinPath(path, "day_or")] = "kept: only a cron has it" // scaffolds write it everywhere
	}
	return s
}

func (b *block) scheduleFields() ScheduleEntry {
	return ScheduleEntry{
		Line:     b.node.Line,
		Cron:     strings.TrimSpace(b.plain("cron")),
		Interval: strings.TrimSpace(b.plain("interval")), RRule: b.plain("rrule"),
		AnchorDate: b.plain("anchor_date"), Timezone: b.plain("timezone"),
		DayOr: b.flag("day_or"), Active: b.flag("active"),
		Parameters: b.values("parameters"),
		Slug:       b.plain("slug"), Replaces: b.plain("replaces"),
	}
}
