package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// order is the queues of a pool as "name:priority", the highest first.
func order(t *testing.T, s *Store, pool string) string {
	t.Helper()
	queues, err := s.WorkQueues(context.Background(), pool)
	must(t, err)
	var words []string
	for _, q := range queues {
		words = append(words, fmt.Sprintf("%s:%d", q.Name, q.Priority))
	}
	return strings.Join(words, " ")
}

func TestATakenPriorityMovesOthersDownToTheNextGap(t *testing.T) {
	ctx, s := context.Background(), open(t)
	_, err := s.CreateWorkPool(ctx, WorkPool{Name: "q"})
	must(t, err)
	for _, step := range []struct {
		name     string
		priority int
		want     string
	}{
		{"a", 0, "default:1 a:2"},
		{"b", 5, "default:1 a:2 b:5"},
		{"c", 1, "c:1 default:2 a:3 b:5"},
		{"d", 3, "c:1 default:2 d:3 a:4 b:5"},
		{"e", 4, "c:1 default:2 d:3 e:4 a:5 b:6"},
		{"f", 8, "c:1 default:2 d:3 e:4 a:5 b:6 f:8"},
		{"g", 6, "c:1 default:2 d:3 e:4 a:5 g:6 b:7 f:8"},
	} {
		var priority *int
		if step.priority != 0 {
			priority = ptr(step.priority)
		}
		_, err := s.CreateWorkQueue(ctx, "q", WorkQueue{Name: step.name}, priority)
		must(t, err)
		if got := order(t, s, "q"); got != step.want {
			t.Fatalf("after %s at %d: %s, want %s", step.name, step.priority, got, step.want)
		}
	}
	_, err = s.UpdateWorkQueue(ctx, "q", "b", QueueChange{Priority: ptr(1)})
	must(t, err)
	if got := order(t, s, "q"); got != "b:1 c:2 default:3 d:4 e:5 a:6 g:7 f:8" {
		t.Errorf("b moved up: %s", got)
	}
}

func TestADeletedPoolCancelsWhatWaitsAndLetsTheRestEnd(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	create(t, s, "nightly", nil)
	running := claimOne(t, s)
	waiting := create(t, s, "nightly", nil)
	touched, err := s.DeleteWorkPool(ctx, "p", "test")
	must(t, err)
	if len(touched.Deployments) != 1 || touched.Waiting != 1 || touched.Running != 1 {
		t.Errorf("touched %+v", touched)
	}
	wantState(t, s, waiting.ID, "Cancelled")
	must(t, s.End(ctx, endOf(running, NewState(Completed, "")), "slot"))
	wantState(t, s, running.Run.ID, "Completed")
}
