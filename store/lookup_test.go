package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// named gives a run another id, so that its ending is known.
func named(t *testing.T, s *Store, ending string) Run {
	t.Helper()
	run := create(t, s, "nightly", nil)
	id := run.ID.String()
	id = id[:len(id)-len(ending)] + ending
	other, err := ParseID(id)
	must(t, err)
	change(t, s, "DELETE FROM event WHERE run_id = ?", run.ID)
	change(t, s, "UPDATE flow_run SET id = ?, tail = ? WHERE id = ?", other, other.tail(), run.ID)
	return byID(t, s, other)
}

func find(t *testing.T, s *Store, word string) []ID {
	t.Helper()
	runs, err := s.FindRuns(context.Background(), word)
	must(t, err)
	var ids []ID
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestARunIsFoundByItsNames(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	a, b := named(t, s, "00aa0000beef"), named(t, s, "00bb0000beef")
	c := create(t, s, "nightly", func(n *NewRun) { n.Name = "amber-otter" })
	for word, want := range map[string][]ID{
		a.ID.String():  {a.ID},
		"beef":         {b.ID, a.ID}, // the newest first
		"BEEF":         {b.ID, a.ID},
		"0000beef":     {b.ID, a.ID},
		"aa0000beef":   {a.ID}, // longer than the short id
		"00bb0000beef": {b.ID},
		strings.ReplaceAll(a.ID.String(), "-", ""):     {a.ID},
		strings.ReplaceAll(a.ID.String(), "-", "")[3:]: {a.ID},
		"amber-otter":   {c.ID},
		"hello/nightly": {c.ID}, // the newest of its deployment
	} {
		if got := find(t, s, word); !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", word, got, want)
		}
	}
}

// A word may be the ending of one run's id and the name of another: a command
// that changes something must not take one of the two by itself.
func TestANameThatIsAnEndingMeansBoth(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	a := named(t, s, "0000cafe")
	b := create(t, s, "nightly", func(n *NewRun) { n.Name = "cafe" })
	if got := find(t, s, "cafe"); !slices.Equal(got, []ID{b.ID, a.ID}) {
		t.Errorf("found %v", got)
	}
	_, err := s.OneRun(context.Background(), "cafe")
	wantError(t, err, Ambiguous, `2 runs are called "cafe"`, a.ID.String(), b.ID.String())
}

func TestWhatIsNotFoundGetsAHint(t *testing.T) {
	ctx, s := context.Background(), open(t)
	_, err := s.Deployment(ctx, "nightly")
	wantError(t, err, NotFound, `no deployment "nightly"`, "there are none yet", "runnel deploy")
	deploy(t, s, nil)
	_, err = s.FindRuns(ctx, "hello/nightly")
	wantError(t, err, NotFound, "hello/nightly has no runs yet", "runnel run hello/nightly")
	create(t, s, "nightly", func(n *NewRun) { n.Name = "amber-otter" })
	deploy(t, s, func(w *Wish) { w.FlowName = "bye" })
	for _, c := range []struct {
		look  func() error
		words []string
	}{
		{func() error { _, err := s.FindRuns(ctx, "amber-oter"); return err }, []string{`no flow run "amber-oter"`, `did you mean "amber-otter"?`, "runnel flow-run ls"}},
		{func() error { _, err := s.FindRuns(ctx, "bee"); return err }, []string{`no flow run "bee"`}}, // three digits are no ending
		{func() error { _, err := s.FindRuns(ctx, "hello/nihgtly"); return err }, []string{`no deployment "hello/nihgtly"`, `did you mean "hello/nightly"?`}},
		{func() error { _, err := s.Deployment(ctx, "completely-different"); return err }, []string{"runnel deployment ls"}},
		{func() error { _, err := s.WorkPool(ctx, "q"); return err }, []string{`no work pool "q"`, `did you mean "p"?`, "runnel work-pool create --type process q"}},
		{func() error { _, err := s.WorkQueue(ctx, "p", "defualt"); return err }, []string{`no work queue "defualt" in the work pool "p"`, `did you mean "default"?`}},
		{func() error { _, err := s.Workers(ctx, "nope"); return err }, []string{`no work pool "nope"`}},
		{func() error { _, err := s.Runs(ctx, RunFilter{Pool: "nope"}); return err }, []string{`no work pool "nope"`}},
	} {
		wantError(t, c.look(), NotFound, c.words...)
	}
	_, err = s.Deployment(ctx, "nightly")
	wantError(t, err, Ambiguous, `2 deployments are called "nightly"`, "bye/nightly", "hello/nightly")
}

func TestRunsAreListedByTheirFilters(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	deploy(t, s, func(w *Wish) { w.FlowName, w.Pool = "bye", "p2" })
	make := func(name, deployment string, with func(*NewRun)) Run {
		return create(t, s, deployment, func(n *NewRun) {
			n.Name = name
			if with != nil {
				with(n)
			}
		})
	}
	make("future", "hello/nightly", func(n *NewRun) { n.At = s.Clock().Add(time.Hour) })
	make("done", "hello/nightly", func(n *NewRun) { n.At = s.Clock().Add(-time.Hour) })
	must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Completed, "")), "slot"))
	make("late", "bye/nightly", func(n *NewRun) { n.At = s.Clock().Add(-time.Minute) })
	make("timed-out", "hello/nightly", nil)
	must(t, s.End(ctx, endOf(claimOne(t, s), State{Type: Failed, Name: NameTimedOut}), "slot"))
	make("running", "hello/nightly", nil)
	claimOne(t, s)
	for _, c := range []struct {
		filter RunFilter
		want   string
	}{
		{RunFilter{}, "running timed-out late done future"}, // what waits for its time comes last
		{RunFilter{Limit: 2}, "running timed-out"},
		{RunFilter{States: []string{"completed"}}, "done"},
		{RunFilter{States: []string{"Failed"}}, "timed-out"},
		{RunFilter{States: []string{"TimedOut", "COMPLETED"}}, "timed-out done"},
		{RunFilter{States: []string{"completed", "running", "failed"}, Limit: 2}, "running timed-out"},
		{RunFilter{States: []string{"Late"}}, "late"},
		{RunFilter{States: []string{"scheduled"}}, "late future"}, // Late is what a reader is told of Scheduled
		{RunFilter{States: []string{"late", "scheduled"}}, "late future"},
		{RunFilter{States: []string{"scheduled", "running"}, Deployment: "hello/nightly"}, "running future"},
		{RunFilter{Deployment: "hello/nightly", Limit: 2}, "running timed-out"},
		{RunFilter{Flow: "bye"}, "late"},
		{RunFilter{Flow: "nobody"}, ""},
		{RunFilter{Pool: "p2", States: []string{"late"}}, "late"},
		{RunFilter{Pool: "p2"}, "late"},
		{RunFilter{Since: s.Clock().Add(-30 * time.Minute)}, "running timed-out late future"},
		{RunFilter{Since: s.Clock().Add(time.Hour)}, ""},
		{RunFilter{Until: s.Clock().Add(-30 * time.Minute)}, "done"},
	} {
		runs, err := s.Runs(ctx, c.filter)
		must(t, err)
		var names []string
		for _, r := range runs {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v lists %q, want %q", c.filter, got, c.want)
		}
	}
	_, err := s.Runs(ctx, RunFilter{States: []string{"complete"}})
	wantError(t, err, Invalid, `no state "complete"`, `did you mean "Completed"?`, "the states are: Late, AwaitingRetry, TimedOut, Scheduled")
}

func TestARunThatShouldHaveStartedIsShownLate(t *testing.T) {
	s := open(t)
	now := freeze(s)
	deploy(t, s, nil)
	id := create(t, s, "nightly", nil).ID
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "Scheduled"}, {LateAfter, "Scheduled"}, {LateAfter + time.Second, NameLate}} {
		start := *now
		*now = start.Add(c.after)
		wantState(t, s, id, c.want)
		late, err := s.WorkPool(context.Background(), "p")
		must(t, err)
		if (late.Late == 1) != (c.want == NameLate) {
			t.Errorf("after %v the pool counts %d late", c.after, late.Late)
		}
		*now = start
	}
	if n := number(t, s, "SELECT count(*) FROM event WHERE state_name = 'Late'"); n != 0 {
		t.Error("Late is told, not written")
	}
}

func TestNearestIsNearEnough(t *testing.T) {
	for _, c := range []struct {
		word, want string
	}{{"nihgtly", "nightly"}, {"NIGHTLY", "nightly"}, {"nightly-report", ""}, {"x", "y"}, {"zzzzzz", ""}} {
		if got := Nearest(c.word, []string{"nightly", "weekly", "y"}); got != c.want {
			t.Errorf("nearest to %q is %q, want %q", c.word, got, c.want)
		}
	}
}

func TestAWordIsQuotedForTheShell(t *testing.T) {
	for word, want := range map[string]string{
		"hello/nightly": "hello/nightly", "": "''", "two words": "'two words'", "it's": `'it'\''s'`, "a*": "'a*'", "$x": "'$x'",
	} {
		if got := Quote(word); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestRunNamesAreTwoWords(t *testing.T) {
	for range 100 {
		name := runName()
		if words := strings.Split(name, "-"); len(words) != 2 || checkFreeName("flow run", name) != nil {
			t.Fatal(name)
		}
		// A name must not be taken for an id's ending.
		if isEnding(name) {
			t.Error(fmt.Sprint(name, " looks like an id's ending"))
		}
	}
}
