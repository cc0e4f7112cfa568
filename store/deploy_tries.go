package store

import (
	"encoding/json"
	"fmt"
	"slices"
)

// tries are what a deployment may be told and its flow may say itself, in a
// decorator or a script's block.
var tries = []struct {
	name string
	get  func(Deployment) any
	copy func(to *Deployment, from Deployment)
}{
	{"retries", func(d Deployment) any { return d.Retries }, func(to *Deployment, from Deployment) { to.Retries = from.Retries }},
	{"retry_delay_seconds", func(d Deployment) any { return d.RetryDelaySeconds }, func(to *Deployment, from Deployment) { to.RetryDelaySeconds = from.RetryDelaySeconds }},
	{"retry_jitter_factor", func(d Deployment) any { return d.RetryJitterFactor }, func(to *Deployment, from Deployment) { to.RetryJitterFactor = from.RetryJitterFactor }},
	{"retries_on_crash", func(d Deployment) any { return d.RetriesOnCrash }, func(to *Deployment, from Deployment) { to.RetriesOnCrash = from.RetriesOnCrash }},
	{"timeout_seconds", func(d Deployment) any { return plain(d.TimeoutSeconds) }, func(to *Deployment, from Deployment) { to.TimeoutSeconds = from.TimeoutSeconds }},
}

// tries are the wish's, as a deployment has them.
func (w Wish) tries() (d Deployment) {
	d.Retries, d.TimeoutSeconds = w.Retries, w.TimeoutSeconds
	d.RetryDelaySeconds = append([]float64{}, w.RetryDelays...)
	set(&d.RetriesOnCrash, w.RetriesOnCrash)
	set(&d.RetryJitterFactor, w.RetryJitter)
	return d
}

// layTries takes the wish's tries, but for those that were set by hand and that
// it does not set again.
func (d *Deployment) layTries(w Wish) {
	said, before := w.tries(), d.SetByHand
	d.SetByHand = nil
	for _, f := range tries {
		sets := slices.Contains(w.SetTries, f.name)
		if sets || slices.Contains(before, f.name) {
			d.SetByHand = append(d.SetByHand, f.name)
		}
		if sets || !slices.Contains(before, f.name) {
			f.copy(d, said)
		}
	}
}

// keptTries names what was set by hand and is not what the flow says.
func (d Deployment) keptTries(w Wish) (list []string) {
	said := w.tries()
	for _, f := range tries {
		kept := slices.Contains(d.SetByHand, f.name) && !slices.Contains(w.SetTries, f.name)
		if kept && !same(f.get(d), f.get(said)) {
			list = append(list, fmt.Sprintf("%s %s, set by hand; the flow says %s", f.name, tryText(f.get(d)), tryText(f.get(said))))
		}
	}
	return list
}

func tryText(v any) string {
	switch text, err := json.Marshal(v); {
	case err != nil:
		return err.Error()
	case string(text) == "null", string(text) == "[]":
		return "none"
	default:
		return string(text)
	}
}

// markTries writes which tries were set by hand, where nothing else changes.
func (t *tx) markTries(old, next Deployment) error {
	if slices.Equal(old.SetByHand, next.SetByHand) {
		return nil
	}
	_, err := t.exec("UPDATE deployment SET set_by_hand = ? WHERE id = ?", asJSON(next.SetByHand), next.ID)
	return err
}
