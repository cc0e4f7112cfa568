package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// askSchedule asks for schedules, one after the other, and writes them as flags.
func (w *wizard) askSchedule() error {
	if w.c.Entrypoint == "" || w.c.setsSchedules() {
		return nil
	}
	q := question{title: "Run it on a schedule?", rows: yesNoRows("", ": it runs when you say so")}
	if d, there := w.existing(w.c.Name[0]); there && len(d.Schedules) > 0 {
		q.title = "Replace its schedules?"
		q.notes = []string{d.FullName + " keeps the schedules that it has, or gets new ones in their place."}
		q.rows = yesNoRows("", ": leave them as they are")
	}
	more, err := w.askYes(q, false)
	var scheduled []discover.ScheduleEntry
	for err == nil && more {
		var e discover.ScheduleEntry
		if e, err = w.askOneSchedule(len(scheduled) + 1); err != nil {
			return err
		}
		scheduled = append(scheduled, e)
		w.c.ruleFlags, w.c.ScheduleActive = flagsOf(scheduled)
		more, err = w.askYes(question{title: ordinal(len(scheduled), "Another schedule?")}, false)
	}
	return err
}

// ordinal keeps the titles of repeated questions apart.
func ordinal(n int, title string) string {
	if n < 2 {
		return title
	}
	return fmt.Sprintf("%s (schedule %d)", title, n)
}

// askOneSchedule asks of the n-th for a kind, a zone, when, whether it is active, and its
// parameters. The zone comes first, since the runs are shown in it.
func (w *wizard) askOneSchedule(n int) (e discover.ScheduleEntry, err error) {
	kind, err := w.ask(question{title: ordinal(n, "Which kind of schedule?"), rows: kindRows})
	if err != nil {
		return e, err
	}
	if e.Timezone, err = w.ask(question{title: ordinal(n, "In which time zone?"), rows: zoneRows(w.machineZone())}); err != nil {
		return e, err
	}
	text, err := w.ask(w.whenQuestion(n, kind, e.Timezone))
	if err != nil {
		return e, err
	}
	e = setWhen(e, kind, text)
	active, err := w.askYes(question{title: ordinal(n, "Is the schedule active at once?")}, true)
	if err != nil {
		return e, err
	}
	if !active {
		e.Active = &active
	}
	e.Parameters, err = w.askScheduleParameters(n)
	return e, err
}

var kindRows = []row{
	{text: "Interval  every 15 minutes, every 2 hours", value: store.IntervalSchedule},
	{text: "Cron      at 6:30 on weekdays", value: store.CronSchedule},
	{text: "RRule     on the last Friday of each month", value: store.RRuleSchedule},
}

func setWhen(e discover.ScheduleEntry, kind, text string) discover.ScheduleEntry {
	switch kind {
	case store.IntervalSchedule:
		e.Interval = text
	case store.CronSchedule:
		e.Cron = text
	default:
		e.RRule = text
	}
	return e
}

// comingRuns is how many coming runs stand below an expression.
const comingRuns = 5

func (w *wizard) whenQuestion(n int, kind, zone string) question {
	q := question{
		title: ordinal(n, "When, as a cron expression?"), value: "0 6 * * *", below: comingRuns + 2,
		notes: []string{"Minute, hour, day of month, month, day of week; or @hourly, @daily."},
	}
	switch kind {
	case store.IntervalSchedule:
		q.title, q.value = ordinal(n, "How often?"), "1h"
		q.notes = []string{"Such as 15m, 2h, 1d, or a number of seconds."}
	case store.RRuleSchedule:
		q.title, q.value = ordinal(n, "When, as an RFC 5545 rule?"), "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0;BYSECOND=0"
		q.notes = []string{"FREQ=DAILY, WEEKLY, …; with BYDAY, BYHOUR, COUNT, UNTIL."}
	}
	q.check = func(text string) ([]string, error) {
		return w.comingRuns(setWhen(discover.ScheduleEntry{Timezone: zone}, kind, text))
	}
	return q
}

// comingRuns judges a schedule, and lists its next runs with what the clocks do
// to them.
func (w *wizard) comingRuns(e discover.ScheduleEntry) ([]string, error) {
	spec, err := scheduleSpec(e)
	if err != nil {
		return nil, withHint(err)
	}
	now := w.Clock()
	schedule, warnings, err := spec.Normalise(now)
	if err != nil {
		return nil, withHint(err)
	}
	var lines []string
	for _, tick := range schedule.Upcoming(now, comingRuns) {
		line := tick.Local.Format("Mon 2006-01-02 15:04:05 MST")
		if tick.Note != "" {
			line += "  " + tick.Note
		}
		lines = append(lines, line)
	}
	return append(lines, warnings...), nil
}

// askScheduleParameters asks for what differs in the runs of one schedule.
func (w *wizard) askScheduleParameters(n int) (map[string]json.RawMessage, error) {
	if len(w.schema.Properties) == 0 {
		return nil, nil
	}
	f := parameterForm{wizard: w, title: ordinal(n, "Which parameters differ in its runs?"), leave: "None: those of the deployment hold", suffix: ordinal(n, " in this schedule's runs"), values: store.Values{}}
	if err := f.ask(); err != nil || len(f.values) == 0 {
		return nil, err
	}
	return f.values, nil
}

// zoneRows lists every zone, the machine's and UTC first.
func zoneRows(machine string) []row {
	rows := []row{{text: machine + " (this machine's)", value: machine}}
	for _, zone := range append([]string{"UTC"}, store.Zones()...) {
		if zone != machine && (zone != "UTC" || rows[len(rows)-1].value == machine) {
			rows = append(rows, row{text: zone, value: zone})
		}
	}
	return rows
}

// machineZone is the IANA name of the zone that this machine is set to.
func (w *wizard) machineZone() string {
	name := strings.TrimPrefix(w.Env("TZ"), ":")
	if name == "" {
		target, err := os.Readlink("/etc/localtime")
		if err == nil {
			_, name, _ = strings.Cut(target, "zoneinfo/")
		}
	}
	if zone, err := store.LoadZone(name); err == nil && name != "" {
		return zone.String()
	}
	return "UTC"
}

// flagsOf writes schedules as the shortest flags that say them.
func flagsOf(entries []discover.ScheduleEntry) (f ruleFlags, active *bool) {
	plain := true
	for _, e := range entries {
		plain = plain && e.Parameters == nil && e.Timezone == entries[0].Timezone && (e.Active == nil) == (entries[0].Active == nil)
	}
	for _, e := range entries {
		switch {
		case !plain:
			f.Schedule = append(f.Schedule, scheduleText(e))
		case e.Cron != "":
			f.Cron = append(f.Cron, e.Cron)
		case e.RRule != "":
			f.RRule = append(f.RRule, e.RRule)
		default:
			f.Interval = append(f.Interval, e.Interval)
		}
	}
	if plain && len(entries) > 0 {
		f.Timezone, active = entries[0].Timezone, entries[0].Active
	}
	return f, active
}

// scheduleText is a schedule as --schedule takes it: what it says, no more.
func scheduleText(e discover.ScheduleEntry) string {
	parts := map[string]any{}
	for name, text := range map[string]string{"cron": e.Cron, "interval": e.Interval, "rrule": e.RRule, "timezone": e.Timezone} {
		if text != "" {
			parts[name] = text
		}
	}
	if e.Active != nil {
		parts["active"] = *e.Active
	}
	if e.Parameters != nil {
		parts["parameters"] = e.Parameters
	}
	var b strings.Builder
	if err := encodeJSON(&b, parts, ""); err != nil {
		panic(fmt.Sprintf("schedule: %v", err)) // texts and read JSON always encode
	}
	return strings.TrimSpace(b.String())
}
