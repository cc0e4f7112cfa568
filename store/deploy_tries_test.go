package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// ofTheFlow is a wish with the tries that a flow says, n times each.
func ofTheFlow(n int) func(*Wish) {
	return func(w *Wish) {
		times := float64(n)
		w.Retries, w.RetryDelays, w.TimeoutSeconds = n, []float64{times}, &times
		w.RetriesOnCrash, w.RetryJitter = &n, &times
	}
}

func triesOf(t *testing.T, s *Store) (list []string) {
	t.Helper()
	d, err := s.Deployment(context.Background(), "nightly")
	must(t, err)
	for _, f := range tries {
		list = append(list, fmt.Sprint(f.get(d)))
	}
	return list
}

// A try that was set by hand stays, each by itself; the others follow the flow,
// back to nothing, too.
func TestTriesSetByHandAreKeptAndTheOthersFollowTheFlow(t *testing.T) {
	for i, f := range tries {
		s := open(t)
		apply(t, s, ofTheFlow(1))
		apply(t, s, func(w *Wish) { ofTheFlow(2)(w); w.SetTries = []string{f.name} })
		c := apply(t, s, ofTheFlow(3))
		wanted := []string{"3", "[3]", "3", "3", "3"}
		wanted[i] = []string{"2", "[2]", "2", "2", "2"}[i]
		if got := triesOf(t, s); !slices.Equal(got, wanted) || len(c.Fields) != len(tries)-1 {
			t.Errorf("%s: %q, changed %q", f.name, got, fieldNames(c))
		}
		if kept := f.name + " " + wanted[i] + ", set by hand; the flow says " + []string{"3", "[3]", "3", "3", "3"}[i]; !slices.Equal(c.Kept, []string{kept}) {
			t.Errorf("kept %q, not %q", c.Kept, kept)
		}
		c = apply(t, s, nil)
		none := []string{"0", "[]", "0", "0", "<nil>"}
		none[i] = wanted[i]
		if got := triesOf(t, s); !slices.Equal(got, none) {
			t.Errorf("%s: %q where the flow says nothing; changed %q", f.name, got, fieldNames(c))
		}
		if c = apply(t, s, nil); c.Action != "=" || len(c.Kept) != 1 {
			t.Errorf("%s: again: %+v", f.name, c)
		}
	}
}

// What is set to what the flow says is set all the same, and no change.
func TestATrySetToWhatTheFlowSaysOutlivesTheFlows(t *testing.T) {
	s := open(t)
	apply(t, s, ofTheFlow(2))
	set := func(w *Wish) { ofTheFlow(2)(w); w.SetTries = []string{"timeout_seconds", "retries"} }
	before := number(t, s, "SELECT updated FROM deployment")
	_, err := s.Deploy(context.Background(), []Wish{wish(set)}, DeployOptions{DryRun: true})
	must(t, err)
	if marks := number(t, s, "SELECT json_array_length(set_by_hand) FROM deployment"); marks != 0 {
		t.Error("a dry run marked")
	}
	for range 2 {
		if c := apply(t, s, set); c.Action != "=" || c.Kept != nil {
			t.Errorf("changed %+v", c)
		}
	}
	if number(t, s, "SELECT updated FROM deployment") != before {
		t.Error("a mark is no change")
	}
	apply(t, s, nil)
	if got := triesOf(t, s); !slices.Equal(got, []string{"2", "[]", "0", "0", "2"}) {
		t.Errorf("%q", got)
	}
}

// An update sets by hand what it names, and nothing else.
func TestAnUpdatesTriesOutliveADeploy(t *testing.T) {
	s := open(t)
	apply(t, s, func(w *Wish) { ofTheFlow(2)(w); w.SetTries = []string{"retries"} })
	update := func(c DeploymentChange) Change {
		change, err := s.UpdateDeployment(context.Background(), "nightly", c)
		must(t, err)
		return change
	}
	if c := update(DeploymentChange{RetriesOnCrash: ptr(7), RetryJitter: ptr(2.0)}); fieldNames(c) != "retries_on_crash" || c.Kept != nil {
		t.Errorf("changed %+v", c)
	}
	if c := update(DeploymentChange{Description: ptr("x")}); fieldNames(c) != "description" {
		t.Errorf("changed %q", fieldNames(c))
	}
	apply(t, s, ofTheFlow(4))
	if got := triesOf(t, s); !slices.Equal(got, []string{"2", "[4]", "2", "7", "4"}) {
		t.Errorf("%q", got)
	}
}
