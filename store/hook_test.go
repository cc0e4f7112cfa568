package store

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// withHooks has a hook for every event, named for it and its origin.
func withHooks(origin string) HookChange {
	argv := func(event string) *[]string { return &[]string{"tell", origin, event} }
	return HookChange{OnFailure: argv(OnFailure), OnCrash: argv(OnCrash), OnCompletion: argv(OnCompletion), OnLate: argv(OnLate)}
}

// hooked has hooks on the deployment hello/nightly and on its pool.
func hooked(t *testing.T) *Store {
	t.Helper()
	s := open(t)
	deploy(t, s, func(w *Wish) { w.Hooks, w.Retries = withHooks(OfDeployment), 1 })
	_, err := s.UpdateWorkPool(context.Background(), "p", PoolChange{Hooks: withHooks(OfWorkPool)})
	must(t, err)
	return s
}

func hooksOf(t *testing.T, s *Store, id ID) (titles []string) {
	t.Helper()
	hooks, err := s.HooksOf(context.Background(), id)
	must(t, err)
	for _, h := range hooks {
		titles = append(titles, h.Title())
	}
	return titles
}

func wantSound(t *testing.T, s *Store) {
	t.Helper()
	report, err := s.Check(context.Background())
	must(t, err)
	for _, v := range report.Violations {
		t.Errorf("db check: %+v", v)
	}
}

func TestAnEndOwesItsHooksOnce(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		state State
		event string
	}{
		{NewState(Completed, ""), OnCompletion},
		{NewState(Crashed, "killed"), OnCrash},
		{State{Type: Failed, Name: NameTimedOut}, OnFailure},
		{NewState(Failed, "no"), OnFailure},
		{NewState(Cancelled, ""), ""},
	} {
		s := hooked(t)
		run := create(t, s, "nightly", nil)
		first := claimOne(t, s)
		if c.state.Type == Failed { // the attempt that will be tried again owes nothing
			must(t, s.End(ctx, endOf(first, c.state), "slot"))
			if got := hooksOf(t, s, run.ID); len(got) > 0 {
				t.Errorf("a failed attempt with a retry left owes %v", got)
			}
			first = claimOne(t, s)
		}
		end := endOf(first, c.state)
		for range 2 {
			must(t, s.End(ctx, end, "slot"))
		}
		must(t, ignore(s.Settle(ctx, end, "command")))
		var want []string
		if c.event != "" {
			want = []string{c.event + " of the deployment", c.event + " of the work pool"}
		}
		if got := hooksOf(t, s, run.ID); !slices.Equal(got, want) {
			t.Errorf("%s owes %v, want %v", c.state.Name, got, want)
		}
		hooks, err := s.HooksOf(ctx, run.ID)
		must(t, err)
		for _, h := range hooks {
			if h.Argv[2] != c.event || h.State.Name != c.state.Name || h.Timeout != DefaultHookTimeout || (h.Origin == OfDeployment) != (h.Folder == "/tmp") {
				t.Errorf("%s: %+v", c.state.Name, h)
			}
		}
		wantSound(t, s)
	}
}

func ignore(error) error { return nil }

func TestARetryByHandOwesAnew(t *testing.T) {
	ctx, s := context.Background(), hooked(t)
	run := create(t, s, "nightly", nil)
	for range 2 {
		must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Crashed, "x")), "slot"))
		_, err := s.Retry(ctx, run.ID, "command")
		must(t, err)
	}
	if got := hooksOf(t, s, run.ID); len(got) != 4 {
		t.Errorf("two ends owe %v", got)
	}
	wantSound(t, s)
}

func TestAHookIsTakenOnce(t *testing.T) {
	ctx, s := context.Background(), hooked(t)
	for range 3 {
		create(t, s, "nightly", nil)
		must(t, s.End(ctx, endOf(claimOne(t, s), NewState(Completed, "")), "slot"))
	}
	var taken []*Hook
	for _, owner := range owners(MaxHooks + 1) {
		h, err := s.StartHook(ctx, owner)
		must(t, err)
		if h != nil {
			taken = append(taken, h)
		}
	}
	if len(taken) != MaxHooks {
		t.Fatalf("%d hooks run at once, want %d", len(taken), MaxHooks)
	}
	titles := map[string]bool{}
	for _, h := range taken {
		titles[h.Run.String()+h.Title()] = true
	}
	if len(titles) != MaxHooks {
		t.Errorf("one was taken twice: %v", titles)
	}
	h := *taken[0]
	code := 3
	h.ExitCode, h.Message = &code, "exited with 3: no route"
	other := h
	other.Owner = "somebody"
	if err := s.EndHook(ctx, other); err != ErrSuperseded {
		t.Errorf("somebody else ended it: %v", err)
	}
	before := byID(t, s, h.Run).State
	must(t, s.EndHook(ctx, h))
	if err := s.EndHook(ctx, h); err != ErrSuperseded {
		t.Errorf("it ended twice: %v", err)
	}
	if after := byID(t, s, h.Run).State; after != before {
		t.Errorf("a hook changed the run from %v to %v", before, after)
	}
	events, err := s.Events(ctx, h.Run)
	must(t, err)
	last := events[len(events)-1]
	if last.Who != "hook" || last.State != Completed || last.Message != "on_completion of the deployment: exited with 3: no route" {
		t.Errorf("the history ends in %+v", last)
	}
	next, err := s.StartHook(ctx, owners(1)[0])
	must(t, err)
	if next == nil {
		t.Error("there is room, and nobody gets it")
	}
	wantSound(t, s)
}

func TestLateIsToldOnce(t *testing.T) {
	ctx, s := context.Background(), hooked(t)
	now := freeze(s)
	run := create(t, s, "nightly", nil)
	must(t, s.OweLate(ctx))
	if got := hooksOf(t, s, run.ID); len(got) > 0 {
		t.Errorf("a run in time owes %v", got)
	}
	*now = now.Add(LateAfter + time.Second)
	for range 2 {
		must(t, s.OweLate(ctx))
	}
	if got := hooksOf(t, s, run.ID); !slices.Equal(got, []string{"on_late of the deployment", "on_late of the work pool"}) {
		t.Errorf("a late run owes %v", got)
	}
	h, err := s.StartHook(ctx, owners(1)[0])
	must(t, err)
	c := claimOne(t, s)
	h.Message = "done"
	must(t, s.EndHook(ctx, *h)) // while the run is Running
	must(t, s.PutBack(ctx, c.Run, "lost", "test"))
	*now = now.Add(time.Hour)
	must(t, s.OweLate(ctx))
	if got := hooksOf(t, s, run.ID); len(got) != 2 {
		t.Errorf("late again: %v", got)
	}
	wantSound(t, s)
}

func TestHooksAreKeptRemovedAndSet(t *testing.T) {
	ctx, s := context.Background(), hooked(t)
	d := deploy(t, s, nil)
	if d.OnFailure[2] != OnFailure || d.OnLate[2] != OnLate {
		t.Errorf("a redeploy that says nothing keeps: %+v", d.Hooks)
	}
	d = deploy(t, s, func(w *Wish) {
		w.Hooks = HookChange{OnFailure: &[]string{}, OnCrash: &[]string{"x"}, TimeoutSeconds: ptr(1.5)}
	})
	if len(d.OnFailure) != 0 || d.OnCrash[0] != "x" || d.OnLate[2] != OnLate || *d.HookTimeoutSeconds != 1.5 {
		t.Errorf("after a change: %+v", d.Hooks)
	}
	none := &[]string{}
	d = deploy(t, s, func(w *Wish) {
		w.Hooks = HookChange{none, none, none, none, ptr(0.0)}
	})
	if d.Any() || number(t, s, "SELECT count(*) FROM deployment WHERE hooks IS NOT NULL") != 0 {
		t.Errorf("removed: %+v", d.Hooks)
	}
	_, err := s.UpdateWorkPool(ctx, "p", PoolChange{Hooks: HookChange{OnLate: none}})
	must(t, err)
	p, err := s.WorkPool(ctx, "p")
	must(t, err)
	if len(p.OnLate) != 0 || p.OnCrash[1] != OfWorkPool {
		t.Errorf("the pool's: %+v", p.Hooks)
	}
	for argv, want := range map[string]string{" ": "the program", "a\x00": "NUL", "a {{ b }}": "nothing fills in {{ b }}"} {
		_, err = s.UpdateWorkPool(ctx, "p", PoolChange{Hooks: HookChange{OnCrash: &[]string{argv}}})
		wantError(t, err, Invalid, want)
	}
	_, err = s.UpdateWorkPool(ctx, "p", PoolChange{Hooks: HookChange{TimeoutSeconds: ptr(-1.0)}})
	wantError(t, err, Invalid, "hook_timeout_seconds")
}

// A restore fires no hook, neither one that the backup holds nor one of a run
// that it ends; deleting and pruning a run takes its hooks' logs along.
func TestHooksAndTheFile(t *testing.T) {
	ctx, s := context.Background(), hooked(t)
	for range 2 {
		create(t, s, "nightly", nil)
	}
	ended := claimOne(t, s)
	must(t, s.End(ctx, endOf(ended, NewState(Completed, "")), "slot"))
	h, err := s.StartHook(ctx, owners(1)[0])
	must(t, err)
	must(t, makeFolder(filepath.Dir(s.LogPath(h.Log))))
	must(t, os.WriteFile(s.LogPath(h.Log), []byte("x"), 0o600))
	running := claimOne(t, s)
	backup := filepath.Join(t.TempDir(), "b")
	_, err = s.Backup(ctx, backup, false)
	must(t, err)

	restored := New(filepath.Join(t.TempDir(), "runnel.db"))
	_, err = restored.Restore(ctx, backup)
	must(t, err)
	must(t, restored.Open(ctx))
	defer func() { must(t, restored.Close()) }()
	pending, err := restored.PendingHooks(ctx)
	must(t, err)
	if len(pending) > 0 || number(t, restored, "SELECT count(*) FROM hook") < 4 {
		t.Errorf("after a restore: %+v", pending)
	}
	events, err := restored.Events(ctx, running.Run.ID)
	must(t, err)
	if last := events[len(events)-1]; !strings.Contains(last.Message, "restored") || last.Who != "hook" {
		t.Errorf("the history ends in %+v", last)
	}
	wantSound(t, restored)

	must(t, s.DeleteRuns(ctx, []ID{ended.Run.ID}))
	h.Message = "done"
	if err := s.EndHook(ctx, *h); err != ErrSuperseded {
		t.Errorf("the end of a hook of no run: %v", err)
	}
	if sizeOnDisk(s.LogPath(h.Log)) != 0 {
		t.Error("the log of a deleted run's hook is there")
	}
	wantSound(t, s)
}

func TestNoHookIsLookedForByAScan(t *testing.T) {
	s := hooked(t)
	d := deploy(t, s, nil)
	insertRuns(t, s, d, 300, Completed)
	for _, analyzed := range []bool{false, true} {
		if analyzed {
			change(t, s, "ANALYZE")
		}
		for query, want := range map[string]string{
			"SELECT 1 FROM deployment INDEXED BY deployment_hooks WHERE hooks IS NOT NULL": "INDEX deployment_hooks",
			"SELECT 1 FROM work_pool INDEXED BY work_pool_hooks WHERE hooks IS NOT NULL":   "INDEX work_pool_hooks",
			"SELECT * FROM hook WHERE ended IS NULL ORDER BY created":                      "hook_pending",
		} {
			if plan := explain(t, s, query); !strings.Contains(plan, want) {
				t.Errorf("%s is answered by\n%s", query, plan)
			}
		}
		wantFlat(t, lateRuns, explain(t, s, "SELECT 1"+lateRuns, 1))
	}
}
