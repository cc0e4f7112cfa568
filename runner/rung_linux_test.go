package runner

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"testing"
	"time"

	"runnel/store"
)

func init() { helpers["rung"] = rungHelper }

// TestACancelThatCameBeforeItsJob: a run is cancelled between its claim and the
// moment at which its slot is told of it. The slot was rung while it had no run;
// nobody rings again, and its worker says nothing.
func TestACancelThatCameBeforeItsJob(t *testing.T) {
	w := newWorld(t)
	w.script("long", "while [ -e long.sh ]; do sleep 0.01; done\n", func(wish *store.Wish) {
		wish.JobVariables = store.Values{"grace_seconds": []byte("0.1")}
	})
	run := w.run("long")
	var end store.End
	helper(t, "rung", w.Path()).answer(&end)
	if end.Run != run.ID || end.State.Type != store.Cancelled {
		t.Errorf("it ended %s: %s", end.State.Name, end.State.Message)
	}
	check(t, w.End(context.Background(), end, "test"))
	if got := w.await(run.ID, terminal); got.State.Type != store.Cancelled {
		t.Errorf("it is %s", got.State.Name)
	}
}

// rungTime is how long the slot has to stop a flow that it was told of.
const rungTime = 20 * time.Second

// rungHelper is a slot that takes one step after the other: the claim, its cancel,
// the ring, the job. It says with what end it would come to its worker.
func rungHelper(database string) {
	ctx := context.Background()
	db := must(openExisting(database))
	s, worker := steppedSlot(db)
	defer must(TakeLock(lockPath(s.folder, s.proof.ID))).Close() //nolint:errcheck // the process ends
	owner := store.Owner{Kind: "slot", Host: s.proof.Identity.Host, Proof: s.proof.text()}
	claimed := must(db.Claim(ctx, store.Round{Worker: store.Worker{Name: "t", WorkPoolName: "p"}, Owners: []store.Owner{owner}})).Claimed[0]
	RingOwner(db, must(db.Cancel(ctx, claimed.Run.ID, "test", "test")))
	waits := func(rings int) {
		for len(s.bell.C()) != rings {
			time.Sleep(time.Millisecond)
		}
	}
	waits(1)
	go s.serve()
	waits(0)
	s.inbox <- toSlot{} // it has done with the ring when it takes this
	job := Maker{Store: db, Env: os.Environ()}.Job(claimed)
	s.inbox <- toSlot{Job: &job}
	_ = worker.SetReadDeadline(time.Now().Add(rungTime))
	end := store.End{Run: job.Run} // none where it does not stop
	for decoder := json.NewDecoder(worker); ; {
		var m fromSlot
		if err := decoder.Decode(&m); err != nil {
			break
		}
		if m.End != nil {
			end = *m.End
			break
		}
	}
	say(end)
	for _, o := range must(Orphans(job.Run.String(), job.Attempt, Identity{}, job.Log)) {
		_ = o.Signal(9)
	}
}

// steppedSlot is a slot that does not serve yet, and its worker's end of the pair.
func steppedSlot(db *store.Store) (*slot, net.Conn) {
	if err := makeFolders(db.Folder()); err != nil {
		panic(err)
	}
	id := store.NewID()
	worker, control, err := socketPair()
	if err != nil {
		panic(err)
	}
	s := &slot{
		path: db.Path(), folder: db.Folder(), sums: fileSums{}, place: newWorkplace(db.Folder(), id),
		proof: Proof{ID: id, Identity: Self()}, bell: must(Listen(bellFolder(db.Folder()), id.String())),
		control: must(net.FileConn(control)), inbox: make(chan toSlot), term: make(chan os.Signal, 1),
	}
	s.send = json.NewEncoder(s.control)
	return s, worker
}
