package store

import (
	"context"
	"testing"
)

// TestARoundIsFilledWhenItsTurnComes: what a worker learns while others keep it from
// the file goes with the round that waited.
func TestARoundIsFilledWhenItsTurnComes(t *testing.T) {
	s := open(t)
	insertRuns(t, s, deploy(t, s, nil), 2, Scheduled)
	worker := Worker{Name: "w", WorkPoolName: "p"}
	first, err := s.Claim(context.Background(), Round{Worker: worker, Owners: owners(1)})
	must(t, err)
	begun := 0
	result, err := s.Claim(context.Background(), Round{Worker: worker, Begun: func(r *Round) {
		begun++
		if err := tryBegin(s.Path()); !isBusy(err) {
			t.Errorf("another may write meanwhile: %v", err)
		}
		r.Owners, r.Ends = owners(1), []End{endOf(first.Claimed[0], NewState(Completed, ""))}
	}})
	must(t, err)
	if begun != 1 || len(result.Claimed) != 1 || result.Left[first.Claimed[0].Run.ID].Type != Completed {
		t.Errorf("begun %d times, claimed %d, left %v", begun, len(result.Claimed), result.Left)
	}
}

func tryBegin(path string) error {
	pool, err := openPool(path, nil, 1)
	if err != nil {
		return err
	}
	defer pool.Close() //nolint:errcheck // scratch
	_, err = pool.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	return err
}
