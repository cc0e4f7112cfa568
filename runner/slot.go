package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"runnel/store"
)

// A slot is the parent of flow processes, one at a time. It outlives the
// worker that made it. The two talk in JSON over a pair of stream sockets;
// what the database must know goes through the worker while that lives.

// toSlot is what a worker says.
type toSlot struct {
	// Job is what to do next. One that is an Offer, told while the claim is being
	// committed, waits for Begin, and another may come in its place.
	Job   *Job `json:"job,omitempty"`
	Offer bool `json:"offer,omitempty"`
	Begin bool `json:"begin,omitempty"`
	// Ack says that the end of the last attempt is in the database, or never
	// will be, because somebody else has taken the run.
	Ack bool `json:"ack,omitempty"`
	// Cancel says that the run is Cancelling.
	Cancel bool `json:"cancel,omitempty"`
	// Force says to leave out the rest of the grace.
	Force bool `json:"force,omitempty"`
}

// fromSlot is what a slot says.
type fromSlot struct {
	Hello *Proof     `json:"hello,omitempty"`
	PID   int        `json:"pid,omitempty"` // the process has started
	End   *store.End `json:"end,omitempty"`
	// Code is which code a run that lasts is running.
	Code *store.Code `json:"code,omitempty"`
	// Again is said with the end: the slot can be given another run.
	Again bool `json:"again,omitempty"`
	// Quiet is said with the end of an attempt whose log is empty.
	Quiet bool `json:"quiet,omitempty"`
}

// ackTime is how long a slot waits for its worker to record an end before it
// does so itself.
const ackTime = time.Second

// slot is one slot process.
type slot struct {
	proof   Proof
	folder  string
	path    string // of the database
	store   *store.Store
	control net.Conn
	send    *json.Encoder
	inbox   chan toSlot // closed when the worker is gone
	offered *Job        // may come to nothing
	next    *Job        // to be begun
	place   *workplace
	bell    *Bell
	rung    bool // while no run was under way
	term    chan os.Signal
	// checkout and sums are what earlier runs found out of their code.
	checkout checkout
	sums     fileSums
}

// RunSlot is the whole life of a slot process: control is its end of the pair,
// open the database's path. It returns the process's exit code.
func RunSlot(database string, id store.ID, control *os.File) int {
	s := &slot{path: database, folder: store.New(database).Folder(), sums: fileSums{}}
	if err := s.run(id, control); err != nil {
		// The slots' own log: nobody else is there to be told.
		fmt.Fprintf(os.Stderr, "%s slot %s: %v\n", time.Now().UTC().Format(time.RFC3339), id.Short(), err)
		return 1
	}
	return 0
}

func (s *slot) run(id store.ID, control *os.File) (err error) {
	// The worker's terminal is not ours: its Ctrl-C and its end do not reach
	// the flows. They are caught, not ignored: a flow would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP)
	// One thing is done at a time; more threads would only wake each other.
	runtime.GOMAXPROCS(1)
	// SIGTERM means us.
	s.term = make(chan os.Signal, 1)
	signal.Notify(s.term, syscall.SIGTERM)
	if err := BecomeReaper(); err != nil {
		return err
	}
	s.proof = Proof{ID: id, Identity: Self()}
	store.KillPoint("slot.begun")
	lock, err := TakeLock(lockPath(s.folder, id))
	if err != nil {
		return err
	}
	// The file goes before its lock does: a file that is there and free means
	// a slot that was killed.
	defer func() {
		store.KillPoint("slot.unlocking")
		err = errors.Join(err, os.Remove(lock.Name()))
		store.KillPoint("slot.unlocked")
		err = errors.Join(err, lock.Close())
	}()
	store.KillPoint("slot.locked")
	if s.bell, err = Listen(bellFolder(s.folder), id.String()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.bell.Close()) }()
	if s.control, err = net.FileConn(control); err != nil {
		return err
	}
	if err := control.Close(); err != nil {
		return err
	}
	s.place = newWorkplace(s.folder, id)
	defer s.place.remove()
	s.send = json.NewEncoder(s.control)
	s.inbox = make(chan toSlot)
	go s.listen()
	store.KillPoint("slot.listening")
	s.tell(fromSlot{Hello: &s.proof})
	s.place.warm()
	store.KillPoint("slot.ready")
	s.serve()
	store.KillPoint("slot.leaving")
	if s.store != nil { // it wrote an end itself: there may be no worker to look
		err = tellHooks(context.Background(), s.store, leftToWorkers)
	}
	return errors.Join(err, s.closeStore())
}

// listen passes on what the worker says until it is gone.
func (s *slot) listen() {
	defer close(s.inbox)
	decoder := json.NewDecoder(s.control)
	var env []string
	for {
		var m toSlot
		if err := decoder.Decode(&m); err != nil {
			return
		}
		if m.Job != nil {
			env = wholeEnv(env, m.Job.Env, m.Job.OldEnv)
			m.Job.Env, m.Job.OldEnv = env, nil
		}
		s.inbox <- m
	}
}

// databaseGone is how long a slot goes on trying to record an end in a
// database whose file is not there: somebody may be putting it back.
const databaseGone = 2 * time.Second

// tell says something to the worker. It is false where the worker is gone, or
// does not read.
func (s *slot) tell(m fromSlot) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(tellTime))
	return s.send.Encode(m) == nil
}

// serve takes jobs until the worker is gone or the slot is told to end.
func (s *slot) serve() {
	for {
		if job := s.next; job != nil {
			s.next = nil
			if !s.attempt(*job) {
				return
			}
			continue
		}
		select {
		case <-s.term:
			return
		case <-s.bell.C():
			s.rung = true // for a run that has ended meanwhile, or that is about to begin
		case m, open := <-s.inbox:
			if !open {
				return
			}
			s.hear(m)
		}
	}
}

// hear takes a job, and the word to begin it. A worker whose program was replaced
// since it began may be of before there were offers.
func (s *slot) hear(m toSlot) {
	if m.Job != nil {
		s.offered = m.Job
	}
	if m.Begin || m.Job != nil && !m.Offer {
		s.next, s.offered = s.offered, nil
	}
}

// attempt does one job to its recorded end. It is true where the slot can be
// given another.
func (s *slot) attempt(job Job) (again bool) {
	a := &attempt{slot: s, job: job, ooms: -1}
	end, clean := a.run()
	store.KillPoint("attempt.reporting")
	heard := s.record(end, clean, a.log.Empty())
	store.KillPoint("attempt.recorded")
	// What is in the database is no longer needed beside it.
	if s.place.putAway(s.next != nil); job.Adopt {
		_ = os.RemoveAll(job.Folder)
	}
	store.KillPoint("attempt.cleaned")
	return clean && heard
}

// record has the worker write the end; without an answer in time, or without
// a worker, the slot writes it itself. It never gives an end up. It is true
// where the worker was told.
func (s *slot) record(end store.End, again, quiet bool) (heard bool) {
	heard = s.inbox != nil && s.tell(fromSlot{End: &end, Again: again, Quiet: quiet})
	store.KillPoint("attempt.reported")
	s.place.look()
	if again {
		s.place.readyLog()
	}
	if heard && s.acknowledged(ackTime) {
		return true
	}
	tried := time.Now()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := s.writeEnd(end)
		if err == nil || errors.Is(err, store.ErrSuperseded) {
			return heard && s.inbox != nil
		}
		if _, missing := os.Stat(s.path); errors.Is(missing, os.ErrNotExist) && time.Since(tried) > databaseGone {
			return false // deleted: nobody is left to ask how the run ended
		}
		// An error at the commit proves nothing: the next try reads the row
		// through a file opened anew.
		_ = s.closeStore()
		fmt.Fprintf(os.Stderr, "%s slot %s: record the end of %s: %v\n",
			time.Now().UTC().Format(time.RFC3339), s.proof.ID.Short(), end.Run, err)
		// A full disk, most likely: it may pass, and the worker be the first to see it.
		if s.acknowledged(pause) {
			return true
		}
	}
}

// acknowledged waits for the worker's word that the end is recorded.
func (s *slot) acknowledged(within time.Duration) bool {
	timeout := time.After(within)
	for {
		select {
		case m, open := <-s.inbox:
			if !open {
				s.inbox = nil
				return false
			}
			if s.hear(m); m.Ack {
				return true
			}
		case <-timeout:
			return false
		}
	}
}

func (s *slot) writeEnd(end store.End) error {
	if err := s.openStore(); err != nil {
		return err
	}
	return s.store.End(context.Background(), end, "slot")
}

// openStore opens the database when the slot first needs it: most never do.
func (s *slot) openStore() error {
	if s.store != nil {
		return nil
	}
	opened, err := openExisting(s.path)
	if err == nil {
		s.store = opened
	}
	return err
}

// openExisting opens a database that never gives up where the file is busy.
// Opening alone would make a new file, which nobody wants of a helper.
func openExisting(path string) (*store.Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	opened := store.New(path)
	opened.Patient = true
	return opened, opened.Open(context.Background())
}

func (s *slot) closeStore() error {
	if s.store == nil {
		return nil
	}
	opened := s.store
	s.store = nil
	return opened.Close()
}

// asked looks at the run's row: whether it is being cancelled, and whether
// without its grace.
func (s *slot) asked(job Job) (cancel, force bool) {
	if s.openStore() != nil {
		return false, false
	}
	run, err := s.store.RunByID(context.Background(), job.Run)
	cancel = err == nil && run.Fence == job.Fence && run.State.Type == store.Cancelling
	return cancel, cancel && run.ForceStop
}
