package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

const (
	contentionLimit     = 3 // of the deployment "limited"
	contentionPoolLimit = 6
)

// sound checks the whole file, as `db check` does.
func sound(t *testing.T, s *Store) {
	t.Helper()
	report, err := s.Check(context.Background())
	must(t, err)
	for _, v := range report.Violations {
		t.Errorf("%s %s: %s", v.Rule, v.Thing, v.Message)
	}
}

// insertRuns makes many runs in one transaction.
func insertRuns(t testing.TB, s *Store, d Deployment, n int, state StateType) {
	t.Helper()
	err := s.update(context.Background(), func(x *tx) error {
		var end any
		if state.Terminal() {
			end = x.now
		}
		for range n {
			id := NewID()
			_, err := x.exec(`
				INSERT INTO flow_run (id, tail, name, flow_id, deployment_id, deployment_name, work_queue_id, state_type,
				                      state_name, state_time, expected_start_time, due, end_time, created, updated)
				VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?10, ?11, ?10, ?10)`,
				id, id.tail(), runName(), d.FlowID, d.ID, d.FullName, d.queueID, state, stateNames[state], x.now, end)
			if err == nil {
				err = x.addEvent(id, NewState(Scheduled, ""), 0, "test")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEightProcessesClaimEachRunOnceWithinEveryLimit(t *testing.T) {
	s := openDurable(t)
	d := deploy(t, s, func(w *Wish) { w.Name, w.ConcurrencyLimit = "limited", ptr(contentionLimit) })
	free := deploy(t, s, func(w *Wish) { w.Name = "free" })
	change(t, s, "UPDATE work_pool SET concurrency_limit = ?", contentionPoolLimit)
	const each = 60
	insertRuns(t, s, d, each, Scheduled)
	insertRuns(t, s, free, each, Scheduled)
	var processes []*process
	for range 8 {
		processes = append(processes, play(t, "claim all", s.Path()))
	}
	claimed := map[ID]int{}
	said := make(chan ID)
	ended := make(chan error)
	for _, p := range processes {
		go func() {
			for p.lines.Scan() {
				var id ID
				if err := json.Unmarshal(p.lines.Bytes(), &id); err != nil {
					t.Error(err)
				}
				said <- id
			}
			ended <- p.cmd.Wait()
		}()
	}
	for left := len(processes); left > 0; {
		select {
		case id := <-said:
			claimed[id]++
		case err := <-ended:
			left--
			if err != nil { // what it held, the others would wait for
				t.Errorf("a process ended with %v", err)
				for _, p := range processes {
					_ = p.cmd.Process.Kill()
				}
			}
		}
	}
	for id, n := range claimed {
		if n != 1 {
			t.Errorf("run %s was claimed %d times", id, n)
		}
	}
	if len(claimed) != 2*each {
		t.Errorf("%d runs were claimed, want %d", len(claimed), 2*each)
	}
	if n := number(t, s, "SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED' AND attempt = 1 AND fence = 1"); n != 2*each {
		t.Errorf("%d runs completed in one attempt, want %d", n, 2*each)
	}
	sound(t, s)
}

// What a call has answered is on disk, whatever kills the process next; and
// a death in the middle holds up nobody else.
func TestAKilledProcessLosesNothingThatWasAnswered(t *testing.T) {
	s := openDurable(t)
	deploy(t, s, nil)
	pauses := rand.New(rand.NewPCG(1, 2))
	answered := map[string]string{}
	say := func(line, did string) {
		if answered[line] != "claimed" {
			answered[line] = did
		}
	}
	for range 6 {
		creating, claiming := play(t, "create", s.Path()), play(t, "claim", s.Path())
		// A claim needs a run to exist; its line means that both are at work.
		say(claiming.line(t), "claimed")
		for range pauses.IntN(5) {
			say(creating.line(t), "created")
		}
		for _, line := range claiming.drain() {
			say(line, "claimed")
		}
		for _, line := range creating.drain() {
			say(line, "created")
		}
	}
	for text, did := range answered {
		id, err := ParseID(text)
		if err != nil {
			continue // a line cut short by the kill
		}
		run := byID(t, s, id)
		if did == "claimed" && run.State.Type != Running {
			t.Errorf("run %s was claimed, and is %s", id, run.State.Name)
		}
	}
	if len(answered) < 12 {
		t.Errorf("only %d answers: the processes did not work", len(answered))
	}
	sound(t, s)
}

func TestABusyFileNamesItsHolder(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	holder := play(t, "hold", s.Path())
	if got := holder.line(t); got != "held" {
		t.Fatal(got)
	}
	s.giveUp = 50 * time.Millisecond
	_, _, err := s.CreateRun(context.Background(), NewRun{Deployment: "nightly"})
	wantError(t, err, Busy, "another process has been writing to", "for 50ms",
		fmt.Sprintf("process %d (", holder.cmd.Process.Pid), ".test", "ps -o")
	if err != nil && strings.Contains(err.Error(), "locked") {
		t.Errorf("it speaks of locks: %v", err)
	}
	// A reader does not wait.
	byID(t, s, insertedLater(t, s, holder))
}

// insertedLater waits as a patient writer does, while another process holds
// the lock, and lets that go once the waiting has begun.
func insertedLater(t *testing.T, s *Store, holder *process) ID {
	t.Helper()
	patient := New(s.Path())
	patient.Patient, patient.giveUp = true, 0
	must(t, patient.Open(context.Background()))
	defer func() { must(t, patient.Close()) }()
	done := make(chan ID)
	go func() {
		run, _, err := patient.CreateRun(context.Background(), NewRun{Deployment: "nightly"})
		if err != nil {
			t.Error(err)
		}
		done <- run.ID
	}()
	select {
	case <-done:
		t.Fatal("a writer passed another's lock")
	case <-time.After(100 * time.Millisecond): // far longer than giveUp
	}
	must(t, holder.in.Close())
	return <-done
}

func TestWaitingForTheLockEndsWithItsContext(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	holder := play(t, "hold", s.Path())
	holder.line(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	s.Patient = true
	if _, _, err := s.CreateRun(ctx, NewRun{Deployment: "nightly"}); err != context.DeadlineExceeded {
		t.Errorf("error %v", err)
	}
	holder.kill()
	create(t, s, "nightly", nil)
}

// A change that has begun is not cut in half by a Ctrl-C.
func TestAChangeOnceBegunIsNotCancelled(t *testing.T) {
	s := open(t)
	deploy(t, s, nil)
	ctx, cancel := context.WithCancel(context.Background())
	s.fault = func(string) error { cancel(); return nil }
	run, _, err := s.CreateRun(ctx, NewRun{Deployment: "nightly"})
	must(t, err)
	wantState(t, s, run.ID, "Scheduled")
}

// Opening to write waits for nobody's lock and writes nothing: a command pays
// for its own change alone.
func TestOpeningToWriteNeitherWaitsNorWrites(t *testing.T) {
	s := openDurable(t)
	deploy(t, s, nil)
	holder := play(t, "hold", s.Path())
	holder.line(t)
	wal := fileSize(t, s.Path()+"-wal")
	other := New(s.Path())
	must(t, other.Open(context.Background()))
	other.mu.Lock()
	err := other.openWriter(context.Background()) // the holder never lets go
	other.mu.Unlock()
	must(t, err)
	if now := fileSize(t, s.Path()+"-wal"); now != wal {
		t.Errorf("opening wrote %d bytes", now-wal)
	}
	must(t, other.Close())
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}
