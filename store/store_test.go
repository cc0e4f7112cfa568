package store

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary play another process on the same file.
func TestMain(m *testing.M) {
	if role := os.Getenv("RUNNEL_STORE_TEST_ROLE"); role != "" {
		os.Exit(playRole(role))
	}
	os.Exit(m.Run())
}

// open gives a store on a new file. It does not wait for the disk, which most
// tests do not ask about; the processes that a test starts do.
func open(t *testing.T) *Store {
	t.Helper()
	s := openDurable(t)
	change(t, s, "SELECT 1") // opens the writer
	_, err := s.writer.ExecContext(context.Background(), "PRAGMA synchronous = OFF")
	must(t, err)
	return s
}

func openDurable(t *testing.T) *Store {
	t.Helper()
	s := New(filepath.Join(t.TempDir(), "runnel.db"))
	must(t, s.Open(context.Background()))
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// deploy makes a deployment "hello/nightly" in the pool "p".
func deploy(t *testing.T, s *Store, with func(*Wish)) Deployment {
	t.Helper()
	w := Wish{
		FlowName: "hello", Name: "nightly", Entrypoint: "hello.py:hello", Kind: "python", Path: "/tmp", Pool: "p",
		ParameterSchema: json.RawMessage(`{"properties":{"top":{"type":"integer","default":3,"position":0}}}`),
	}
	if with != nil {
		with(&w)
	}
	_, err := s.Deploy(context.Background(), []Wish{w}, DeployOptions{CreatePools: true})
	must(t, err)
	d, err := s.Deployment(context.Background(), w.FlowName+"/"+w.Name)
	must(t, err)
	return d
}

// freeze gives a store a clock that only moves by hand.
func freeze(s *Store) *time.Time {
	now := time.Now().UTC().Truncate(time.Millisecond)
	s.Clock = func() time.Time { return now }
	return &now
}

// change changes rows directly, as a test's arrangement.
func change(t *testing.T, s *Store, query string, args ...any) {
	t.Helper()
	must(t, tryChange(s, query, args...))
}

func tryChange(s *Store, query string, args ...any) error {
	return s.update(context.Background(), func(x *tx) error {
		_, err := x.s.writer.ExecContext(x.ctx, query, args...)
		return err
	})
}

// number reads one number.
func number(t *testing.T, s *Store, query string, args ...any) (n int64) {
	t.Helper()
	must(t, s.reader.QueryRowContext(context.Background(), query, args...).Scan(&n))
	return n
}

func create(t *testing.T, s *Store, deployment string, with func(*NewRun)) Run {
	t.Helper()
	n := NewRun{Deployment: deployment}
	if with != nil {
		with(&n)
	}
	run, _, err := s.CreateRun(context.Background(), n)
	must(t, err)
	return run
}

// claim is a round of the worker "w" of the pool "p", for n slots.
func claim(t *testing.T, s *Store, n int, with func(*Round)) RoundResult {
	t.Helper()
	r := Round{Worker: Worker{Name: "w", WorkPoolName: "p"}, Owners: owners(n)}
	if with != nil {
		with(&r)
	}
	result, err := s.Claim(context.Background(), r)
	must(t, err)
	return result
}

// claimOne claims the only run that is due.
func claimOne(t *testing.T, s *Store) Claimed {
	t.Helper()
	result := claim(t, s, 1, nil)
	if len(result.Claimed) != 1 {
		t.Fatalf("claimed %d runs, want 1", len(result.Claimed))
	}
	return result.Claimed[0]
}

func endOf(c Claimed, state State) End {
	return End{Run: c.Run.ID, Attempt: c.Attempt, Fence: c.Run.Fence, State: state}
}

func byID(t *testing.T, s *Store, id ID) Run {
	t.Helper()
	run, err := s.RunByID(context.Background(), id)
	must(t, err)
	return run
}

func wantState(t *testing.T, s *Store, id ID, want string) Run {
	t.Helper()
	run := byID(t, s, id)
	if run.State.Name != want {
		t.Errorf("the run is %s (%s), want %s", run.State.Name, run.State.Message, want)
	}
	return run
}

// wantError holds the code of an error, its text, and its hints.
func wantError(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want one of code %s", err, code)
		return
	}
	text := err.Error() + "\n" + strings.Join(e.Hint, "\n")
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("error:\n%s\ndoes not say %q", text, word)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func owners(n int) []Owner {
	list := make([]Owner, n)
	for i := range list {
		list[i] = Owner{Kind: "slot", Host: "here", Proof: NewID().String()}
	}
	return list
}

func TestARunFromCreationToItsEnd(t *testing.T) {
	ctx, s := context.Background(), open(t)
	d := deploy(t, s, nil)
	run, existed, err := s.CreateRun(ctx, NewRun{Deployment: d.FullName, Parameters: Values{"top": json.RawMessage("5")}})
	must(t, err)
	if existed || run.State.Type != Scheduled {
		t.Fatalf("a new run is Scheduled, not %v (existed %v)", run.State, existed)
	}
	result, err := s.Claim(ctx, Round{Worker: Worker{Name: "w", WorkPoolName: "p"}, Owners: owners(2)})
	must(t, err)
	if len(result.Claimed) != 1 || result.Claimed[0].Run.ID != run.ID || result.Claimed[0].Attempt != 1 {
		t.Fatalf("claimed %+v", result.Claimed)
	}
	c := result.Claimed[0]
	end := End{Run: run.ID, Attempt: 1, Fence: c.Run.Fence, State: NewState(Completed, "")}
	for range 2 { // a repeated write is done
		must(t, s.End(ctx, end, "test"))
	}
	got, err := s.RunByID(ctx, run.ID)
	must(t, err)
	if got.State.Type != Completed || got.EndTime == nil || got.Owner.Proof != "" {
		t.Errorf("after the end: %+v", got)
	}
	events, err := s.Events(ctx, run.ID)
	must(t, err)
	var names []string
	for _, e := range events {
		names = append(names, e.Name)
	}
	if text := asJSON(names); text != `["Scheduled","Pending","Running","Completed"]` {
		t.Errorf("history: %s", text)
	}
	found, err := s.FindRuns(ctx, run.ID.Short()[4:])
	must(t, err)
	if len(found) != 1 || found[0].ID != run.ID {
		t.Errorf("found by its ending: %v", found)
	}
}
