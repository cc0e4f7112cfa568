package store

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
)

// open gives a store on a new file.
func open(t *testing.T) *Store {
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
func deploy(t *testing.T, s *Store, change func(*Wish)) Deployment {
	t.Helper()
	w := Wish{FlowName: "hello", Name: "nightly", Entrypoint: "hello.py:hello", Kind: "python", Path: "/tmp", Pool: "p",
		ParameterSchema: json.RawMessage(`{"properties":{"top":{"type":"integer","default":3,"position":0}}}`)}
	if change != nil {
		change(&w)
	}
	_, err := s.Deploy(context.Background(), []Wish{w}, DeployOptions{CreatePools: true})
	must(t, err)
	d, err := s.Deployment(context.Background(), w.FlowName+"/"+w.Name)
	must(t, err)
	return d
}

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
