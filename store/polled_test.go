package store

import (
	"context"
	"testing"
)

// TestANewQueueIsPolledFromTheFirstClaim: not only from the next heartbeat on.
func TestANewQueueIsPolledFromTheFirstClaim(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	deploy(t, s, nil)
	all, other := register(t, s, "all", nil), register(t, s, "other", nil, "other")
	_, err := s.CreateWorkQueue(ctx, "p", WorkQueue{Name: "new"}, nil)
	must(t, err)
	polled := func(by Worker, want bool) {
		t.Helper()
		_, err := s.Claim(ctx, Round{Worker: by, Owners: owners(1)})
		must(t, err)
		q, err := s.WorkQueue(ctx, "p", "new")
		must(t, err)
		if q.Healthy != want {
			t.Errorf("after a claim by %s: healthy is %v", by.Name, q.Healthy)
		}
	}
	polled(other, false)
	polled(all, true)
}
