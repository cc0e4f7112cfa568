package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"runnel/discover"
	"runnel/store"
)

// ruleFlags say when schedules fire.
type ruleFlags struct {
	Cron       []string `sep:"none" placeholder:"EXPR" help:"A cron schedule, five fields such as '30 6 * * 1-5'; repeatable."`
	Interval   []string `sep:"none" placeholder:"TIME" help:"An interval schedule: seconds, 15m, PT1H30M or 01:30:00; repeatable."`
	RRule      []string `name:"rrule" sep:"none" placeholder:"RULE" help:"An RFC 5545 schedule such as 'FREQ=WEEKLY;BYDAY=MO'; repeatable."`
	AnchorDate string   `placeholder:"TIME" help:"What the intervals count from (default: 2020-01-01T00:00 in their zone)."`
	Timezone   string   `placeholder:"ZONE" help:"The IANA zone of the schedules, such as Europe/Berlin (default: UTC)."`
	DayOr      *bool    `negatable:"" aliases:"day_or" help:"Cron: either day field is enough (default), or both must match."`
	Schedule   []string `sep:"none" placeholder:"JSON" help:"A schedule as the project file has it: {\"cron\": …, \"slug\": …, \"parameters\": {…}}; repeatable."`
}

// scheduleFlags are what a deployment's schedules are set by.
type scheduleFlags struct {
	ruleFlags
	ScheduleActive *bool   `negatable:"" help:"Whether the schedules fire (default: yes)."`
	NoSchedule     bool    `help:"Remove all schedules."`
	Catchup        *string `placeholder:"WORD" help:"Which missed ticks run after all: latest (default), all, none."`
	MaxLate        *string `placeholder:"TIME" help:"Drop a tick that is later than this; none: run it however late."`
	Jitter         *string `placeholder:"TIME" help:"Put each tick off by up to so much, always the same for the same tick; none: not."`
}

// specs are the schedules that the line gives: nil where it says nothing of
// them, empty for --no-schedule.
func (f scheduleFlags) specs() (*[]store.ScheduleSpec, error) {
	specs, err := f.ruleFlags.specs(f.ScheduleActive)
	switch {
	case err != nil:
		return nil, err
	case f.NoSchedule && len(specs) > 0:
		e := usage("--no-schedule removes the schedules, and the line sets some")
		e.hint = []string{"leave one of both out: those on the line take the place of all that there are"}
		return nil, e
	case f.NoSchedule:
		return &[]store.ScheduleSpec{}, nil
	case len(specs) == 0 && f.ScheduleActive != nil:
		return nil, strayFlag("--schedule-active", `--cron "30 6 * * *" --no-schedule-active`)
	case len(specs) == 0:
		return nil, nil
	}
	return &specs, nil
}

// lengthOrNone reads a length of time as intervals are written; "none" is 0,
// which removes what was set, nil says nothing.
func lengthOrNone(field string, text *string) (*time.Duration, error) {
	var length time.Duration
	if text == nil || *text == "none" {
		if text == nil {
			return nil, nil
		}
		return &length, nil
	}
	length, err := store.ParseInterval(*text)
	if err != nil {
		return nil, &exitError{
			code: exitRefused, message: fmt.Sprintf("%s: %q is not a length of time from one second on", field, clip(*text, 100)),
			hint: []string{"write seconds, 90m, 1h30m, 01:30:00 or PT1H30M, or none"},
		}
	}
	return &length, nil
}

// strayFlag refuses a flag that says something of a schedule that is not there.
func strayFlag(flag, instead string) error {
	e := usage("%s says something of a schedule, and the line has none that it fits", flag)
	e.hint = []string{"such as: " + instead}
	return e
}

// specs reads each schedule of the line by itself, so that an error names its
// flag. Zone, anchor and the rest hold for those that say nothing themselves.
func (f ruleFlags) specs(active *bool) (specs []store.ScheduleSpec, err error) {
	for _, kind := range []struct {
		flag  string
		texts []string
		entry func(text string) discover.ScheduleEntry
	}{
		{"--cron", f.Cron, func(text string) discover.ScheduleEntry { return discover.ScheduleEntry{Cron: text} }},
		{"--interval", f.Interval, func(text string) discover.ScheduleEntry { return discover.ScheduleEntry{Interval: text} }},
		{"--rrule", f.RRule, func(text string) discover.ScheduleEntry { return discover.ScheduleEntry{RRule: text} }},
		{"--schedule", f.Schedule, nil},
	} {
		for _, text := range kind.texts {
			spec, err := f.spec(kind.flag, text, active, kind.entry)
			if err != nil {
				return nil, err
			}
			specs = append(specs, spec)
		}
	}
	return specs, f.stray(specs)
}

func (f ruleFlags) spec(flag, text string, active *bool, entry func(string) discover.ScheduleEntry) (store.ScheduleSpec, error) {
	if strings.TrimSpace(text) == "" {
		e := usage("%s is empty", flag)
		e.hint = []string{`such as --cron "30 6 * * 1-5", --interval 15m or --rrule "FREQ=WEEKLY;BYDAY=MO"`}
		return store.ScheduleSpec{}, e
	}
	var e discover.ScheduleEntry
	// Prefect's --rrule takes an object, too, which can name the zone.
	if asObject := strings.HasPrefix(strings.TrimSpace(text), "{"); entry == nil || flag == "--rrule" && asObject {
		var err error
		if e, err = parseScheduleObject(flag, text); err != nil {
			return store.ScheduleSpec{}, err
		}
	} else {
		e = entry(text)
	}
	if e.Timezone == "" {
		e.Timezone = f.Timezone
	}
	if e.Active == nil {
		e.Active = active
	}
	if e.AnchorDate == "" && e.Interval != "" {
		e.AnchorDate = f.AnchorDate
	}
	if e.DayOr == nil && e.Cron != "" {
		e.DayOr = f.DayOr
	}
	spec, err := scheduleSpec(e)
	if err == nil {
		_, _, err = spec.Normalise(time.Time{}) // what is wrong is wrong at any time
	}
	return spec, naming(flag, err)
}

// stray refuses what belongs to a kind of schedule that the line lacks.
func (f ruleFlags) stray(specs []store.ScheduleSpec) error {
	var cron, interval bool
	for _, s := range specs {
		cron, interval = cron || s.Cron != "", interval || s.Interval != 0
	}
	switch {
	case f.Timezone != "" && len(specs) == 0:
		return strayFlag("--timezone", `--cron "30 6 * * *" --timezone `+store.Quote(f.Timezone))
	case f.AnchorDate != "" && !interval:
		return strayFlag("--anchor-date", "--interval 1h --anchor-date "+store.Quote(f.AnchorDate))
	case f.DayOr != nil && !cron:
		return strayFlag("--day-or", `--cron "0 6 13 * 5" --no-day-or`)
	}
	return nil
}

// naming puts the flag into what the store says of its value.
func naming(flag string, err error) error {
	var known *store.Error
	if !errors.As(err, &known) {
		return err
	}
	named := *known
	named.Message = flag + ": " + known.Message
	if word := errorField().FindString(known.Message); word != "" && flag != "--schedule" {
		named.Message = "--" + strings.ReplaceAll(word, "_", "-") + strings.TrimPrefix(known.Message, word)
	}
	return &named
}

// errorField finds the field that the store's messages begin with.
var errorField = lazily(`^(cron|interval|rrule|timezone|anchor_date)\b`)

// scheduleObject is a schedule in JSON. An interval may be a number there.
type scheduleObject struct {
	discover.ScheduleEntry
	Interval json.RawMessage `json:"interval"`
}

func parseScheduleObject(flag, text string) (discover.ScheduleEntry, error) {
	var o scheduleObject
	read := json.NewDecoder(strings.NewReader(text))
	read.DisallowUnknownFields()
	err := read.Decode(&o)
	if err == nil && read.More() {
		err = errors.New("something stands behind it")
	}
	if err != nil {
		return discover.ScheduleEntry{}, notASchedule(flag, text, err)
	}
	entry := o.ScheduleEntry
	entry.Interval = string(o.Interval)
	if text := ""; json.Unmarshal(o.Interval, &text) == nil {
		entry.Interval = text
	}
	return entry, nil
}

func notASchedule(flag, text string, err error) error {
	why := err.Error()
	e := usage("%s: %s is no schedule", flag, clip(text, 100))
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		why = "it is no object"
		if field := kind.Field[strings.LastIndex(kind.Field, ".")+1:]; field != "" {
			why = fmt.Sprintf("%s cannot be of the type %s", field, kind.Value)
		}
	}
	if _, key, found := strings.Cut(why, "unknown field "); found {
		why = "it cannot have " + key
		if near := store.Nearest(strings.Trim(key, `"`), scheduleKeys); near != "" {
			e.hint = append(e.hint, fmt.Sprintf("did you mean %q?", near))
		}
	}
	e.message += ": " + why
	e.hint = append(e.hint, `such as {"cron": "30 6 * * 1-5", "timezone": "Europe/Berlin", "parameters": {"top": 3}}`,
		"it may have: "+strings.Join(scheduleKeys, ", "))
	return e
}

var scheduleKeys = []string{
	"cron", "interval", "rrule", "anchor_date", "timezone", "day_or", "active", "parameters", "slug", "replaces",
}

// scheduleSpec is a schedule of the project file, or of a flag, as the store
// takes it.
func scheduleSpec(e discover.ScheduleEntry) (spec store.ScheduleSpec, err error) {
	spec = store.ScheduleSpec{
		Cron: e.Cron, DayOr: e.DayOr, RRule: e.RRule, Timezone: e.Timezone,
		Slug: e.Slug, Active: e.Active, Parameters: e.Parameters, Replaces: e.Replaces,
	}
	if e.Cron == "" {
		spec.DayOr = nil // scaffolds write day_or everywhere
	}
	if e.Interval == "" {
		return spec, nil // and anchor_date is passed over, said by who read it
	}
	if spec.Interval, err = store.ParseInterval(e.Interval); err != nil || e.AnchorDate == "" {
		return spec, err
	}
	anchor, err := store.ParseAnchor(e.AnchorDate, e.Timezone)
	spec.AnchorDate = &anchor
	return spec, err
}
