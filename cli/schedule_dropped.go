package cli

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"runnel/store"
)

// dropped lists the ticks that became no run, with the filters of ls.
func (c flowRunLsCmd) dropped(a *app) error {
	if len(c.State) > 0 {
		return usage("--dropped lists ticks that became no run, so they have no --state")
	}
	if only := (runFilterFlags{Deployment: c.Deployment, Flow: c.Flow, Pool: c.Pool, Since: c.Since}); c.After != "" || c.Watch || !reflect.DeepEqual(only, c.runFilterFlags) {
		return usage("--dropped lists ticks that became no run: by --deployment, --flow, --pool, --since and --limit alone")
	}
	s, err := a.settled()
	if err != nil {
		return err
	}
	filter := store.DroppedFilter{Deployment: c.Deployment, Flow: c.Flow, Pool: c.Pool}
	if c.Limit > 0 {
		filter.Limit = c.Limit + 1 // one more tells whether there are more
	}
	if filter.Since, err = a.since("--since", c.Since); err != nil {
		return err
	}
	spans, err := s.Dropped(a.ctx, filter)
	if err != nil {
		return err
	}
	more := c.Limit > 0 && len(spans) > c.Limit
	if more {
		spans = spans[:c.Limit]
	}
	err = list[store.Dropped]{
		items:   spans,
		name:    func(d store.Dropped) string { return d.ID.String() },
		columns: append([]string{"Deployment"}, droppedColumns...),
		row:     func(d store.Dropped) []string { return append([]string{d.Deployment}, droppedRow(d)...) },
		empty:   "no tick was dropped",
	}.print(a.IO, c.outputFlag)
	if more && c.Output == "table" {
		a.say("the newest %d; more: --limit %d", c.Limit, 5*c.Limit)
	}
	return err
}

var droppedColumns = []string{"Schedule", "Ticks", "When", "Reason"}

func droppedRow(d store.Dropped) []string {
	when := tickTime(d.First.Local(), "2006-01-02 15:04", "")
	if d.Count > 1 {
		layout := "2006-01-02 15:04"
		if first, last := d.First.Local(), d.Last.Local(); first.YearDay() == last.YearDay() && first.Year() == last.Year() {
			layout = "15:04"
		}
		when += " to " + tickTime(d.Last.Local(), layout, "")
	}
	return []string{d.ScheduleSlug, fmt.Sprint(d.Count), when, d.Reason}
}

// fewDropped is how many spans inspect shows.
const fewDropped = 5

// showDropped lists the newest ticks of a deployment that became no run.
func (a *app) showDropped(s *store.Store, d store.Deployment) error {
	spans, err := s.Dropped(a.ctx, store.DroppedFilter{Deployment: d.FullName, Limit: fewDropped + 1})
	if err != nil || len(spans) == 0 {
		return err
	}
	var rows [][]string
	for _, span := range spans[:min(len(spans), fewDropped)] {
		rows = append(rows, droppedRow(span))
	}
	a.print("ticks without a run")
	a.printTable(droppedColumns, rows)
	if len(spans) > fewDropped {
		a.say("more: runnel flow-run ls --dropped --deployment %s", store.Quote(d.FullName))
	}
	return nil
}

type backfillCmd struct {
	Deployment      string `arg:"" help:"flow/name, or the name alone where it is unique."`
	From            string `required:"" placeholder:"TIME" help:"The first tick at or after this instant: 2026-12-01T08:00, local unless it has an offset."`
	To              string `placeholder:"TIME" help:"The last tick before this instant (default: now)."`
	Slug            string `placeholder:"NAME" help:"Only of this schedule (default: of all)."`
	LimitConcurrent *int   `placeholder:"N" help:"At most so many at once: the runs wait in the queue \"backfill\" of the pool, which gets this limit."`
	DryRun          bool   `help:"List the ticks and change nothing."`
	outputFlag
}

// Help ends with examples.
func (backfillCmd) Help() string {
	return "Each run gets its tick as its logical time (RUNNEL_SCHEDULED_FOR). A tick that has its run gets no second one, nor does one that the schedule as it is now ran and whose run was deleted since.\n\n" +
		"Examples:\n  runnel deployment backfill folder-report/nightly --from 2026-11-01 --to 2026-12-01 --dry-run\n" +
		"  runnel deployment backfill nightly --from 2026-11-01 --slug every-1h --limit-concurrent 2"
}

func (c backfillCmd) Run(a *app) error {
	b := store.Backfill{Deployment: c.Deployment, To: a.Clock(), Slug: c.Slug, DryRun: c.DryRun, CreatedBy: "backfill"}
	var err error
	if b.From, err = momentFlag("--from", c.From); err != nil {
		return err
	}
	if c.To != "" {
		if b.To, err = momentFlag("--to", c.To); err != nil {
			return err
		}
	}
	if c.LimitConcurrent != nil {
		if b.LimitConcurrent = *c.LimitConcurrent; b.LimitConcurrent < 1 {
			return usage("--limit-concurrent: %d; it is 1 or more", b.LimitConcurrent)
		}
	}
	s, d, err := a.settledDeployment(c.Deployment)
	if err != nil {
		return err
	}
	ticks, err := s.Backfill(a.ctx, b)
	if err != nil {
		return err
	}
	slices.SortStableFunc(ticks, func(x, y store.BackfillTick) int { return x.At.Compare(y.At) })
	if !c.DryRun {
		a.ring(s, d.WorkPoolName)
	}
	if err := a.listBackfill(ticks, d, c.outputFlag); err != nil {
		return err
	}
	c.sayBackfilled(a, s, d, ticks)
	return nil
}

func (a *app) listBackfill(ticks []store.BackfillTick, d store.Deployment, f outputFlag) error {
	zones := map[string]*time.Location{}
	for _, s := range d.Schedules {
		zones[s.Slug], _ = store.LoadZone(s.Timezone) // it was loaded before
	}
	return list[store.BackfillTick]{
		items: ticks,
		name: func(t store.BackfillTick) string {
			if t.Run == nil {
				return t.At.Format(time.RFC3339)
			}
			return t.Run.ID.String()
		},
		columns: []string{"Tick", "Schedule", "Run", "State", "Dropped"},
		row: func(t store.BackfillTick) []string {
			run, state := "-", t.Action
			if t.Run != nil {
				run = t.Run.Name
			}
			if t.Run != nil && t.Action != store.BackfillNew {
				state = t.Run.State.Name
			}
			return []string{tickTime(t.At.In(zones[t.Slug]), "Mon 2006-01-02 15:04", " MST"), t.Slug, run, state, orDash(t.Dropped)}
		},
		empty: "no tick lies in this time",
	}.print(a.IO, f)
}

func (c backfillCmd) sayBackfilled(a *app, s *store.Store, d store.Deployment, ticks []store.BackfillTick) {
	made := 0
	for _, t := range ticks {
		if t.Action == store.BackfillNew {
			made++
		}
	}
	switch {
	case c.DryRun:
		a.say("%d of %d ticks would get a run; nothing was changed (--dry-run)", made, len(ticks))
		return
	case made == 0:
		return
	}
	a.say("made %d runs of %d ticks", made, len(ticks))
	if pool, err := s.WorkPool(a.ctx, d.WorkPoolName); err == nil {
		if line := noWorker(pool); line != "" {
			a.say("%s", line)
		}
	}
}
