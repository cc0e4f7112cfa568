package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"runnel/store"
)

// Worker claims the runs of one pool and hands them to its slots. Fields are
// set before Run.
type Worker struct {
	Store   *store.Store
	Name    string
	Pool    string
	Queues  []string // empty: all
	Limit   *int     // nil: as many as are due
	RunOnce bool     // take what is due at the start, wait for it, end
	Version string
	Maker   Maker
	// Notify is told what happens, in order, on the worker's own goroutine;
	// it must not block.
	Notify func(Notice)

	self     store.Worker
	lock     *os.File // proves that this process lives
	bell     *Bell
	events   chan slotEvent
	lastWord *slotEvent // the end of a slot that is still to be heard; nil: none
	hands    map[store.ID]*hand
	starting int         // slots that have not said hello
	ends     []store.End // reported, not yet in the database
	pids     []store.Pid
	codes    []store.AttemptCode
	wrote    bool             // since the last checkpoint
	flush    bool             // the pids have waited long enough for an end to go with
	adopted  map[store.ID]int // by run: the attempt that another slot ends
	mode     mode
	hurry    <-chan time.Time // fires when a container's time is up
	storage  string           // the trouble with the disk that was said last
	spawning string           // the same, with starting slots
	hooking  string           // and with hooks
	started  time.Time
	beat     time.Time
	swept    time.Time
	clock    clockWatch
	tidied   time.Time
	empty    bool      // the last claim left nothing that could be taken
	rung     bool      // since the last claim: what fell due need not be looked for
	next     time.Time // when a run falls due, as the last look or claim saw it; zero: none
	pruner   pruner
	round    time.Time // when the last transaction was over
	alone    int       // rounds to come in which no end waits for others
}

// mode is how far a worker is on its way out.
type mode int

const (
	working mode = iota
	draining
	cancelling
)

// Notice is something that a worker's terminal shows.
type Notice struct {
	Run     store.Run
	Attempt int
	Log     string // path, when it starts
	// Variables are the job variables that it starts with, the run's last.
	Variables []store.Values
	End       *store.End // when it ended
	Quiet     bool       // it ended, and nothing is in its log
	Text      string     // anything else
}

// Run works until the context ends (leave at once; the slots finish), or a
// stop has been asked for and every run has ended. Each value on stops is one
// more Ctrl-C: the first drains, the second cancels.
func (w *Worker) Run(ctx context.Context, stops <-chan os.Signal) (err error) {
	if err := w.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	tellManager("READY=1")
	defer tellManager("STOPPING=1")
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		w.gather(ctx)
		err := w.trouble(w.runOnce(ctx))
		if ctx.Err() != nil {
			return nil // the slots finish
		}
		if err != nil {
			return err
		}
		if w.lastWord != nil {
			w.hearAll(ctx)
			continue
		}
		if w.finished() {
			return nil
		}
		next := w.untilDue()
		select {
		case <-ctx.Done():
			return nil
		case signal := <-stops:
			if err := w.trouble(w.stop(ctx, signal)); err != nil && ctx.Err() == nil {
				return err
			}
		case <-w.hurry:
			w.force()
		case e := <-w.events:
			w.hear(ctx, e)
		case <-w.bell.C():
			w.empty, w.rung = false, true
		case <-next:
			w.empty = false
		case <-ticker.C:
			w.empty = false
			if err := w.trouble(w.look(ctx)); err != nil && ctx.Err() == nil {
				return err
			}
		}
		w.hearAll(ctx)
	}
}

func (w *Worker) open(ctx context.Context) (err error) {
	if err := makeFolders(w.Store.Folder()); err != nil {
		return fmt.Errorf("make folders: %w", err)
	}
	if _, err := InstallPython(w.Store.Folder()); err != nil {
		return fmt.Errorf("write runnel's Python files: %w", err)
	}
	proof := Proof{ID: store.NewID(), Identity: Self()}
	lock, err := TakeLock(lockPath(w.Store.Folder(), proof.ID))
	if err != nil {
		return err
	}
	w.lock = lock
	store.KillPoint("worker.locked")
	if w.bell, err = Listen(bellFolder(w.Store.Folder()), proof.ID.String()); err != nil {
		return err
	}
	store.KillPoint("worker.listening")
	w.events, w.hands = make(chan slotEvent, 64), map[store.ID]*hand{}
	w.adopted = map[store.ID]int{}
	w.started = w.Store.Clock()
	w.beat = w.started
	w.pruner.next = w.started.Add(pruneFirst)
	w.self, err = w.Store.RegisterWorker(ctx, store.Worker{
		ID: proof.ID, Name: w.Name, WorkPoolName: w.Pool, Queues: w.Queues, ConcurrencyLimit: w.Limit,
		Host: proof.Identity.Host, PID: os.Getpid(), Version: w.Version, Proof: proof.text(),
	})
	if err != nil {
		return err
	}
	w.clock = watchClock()
	if err := w.replan(ctx); err != nil {
		return err
	}
	if err := Settle(ctx, w.Store, "worker "+w.Name); err != nil {
		return err
	}
	runs, err := w.Store.LiveRuns(ctx)
	if err != nil {
		return err
	}
	sweepFolder(w.Store.Folder(), runs)
	w.tidied = w.started
	return w.warm()
}

// warm keeps one slot standing ready, so that a run starts without waiting
// for a process to be made.
func (w *Worker) warm() error {
	if len(w.hands) > 0 || w.mode != working {
		return nil
	}
	return w.addSlot()
}

func (w *Worker) addSlot() error {
	h, err := startSlot(w.Store, w.events)
	if err != nil {
		return err
	}
	w.hands[h.id] = h
	w.starting++
	return nil
}

// runOnce records what ended, claims for the slots that stand ready, hands
// out, and makes more slots where more is due.
func (w *Worker) runOnce(ctx context.Context) error {
	if ready, _ := w.standing(); len(w.ends) == 0 && !w.flush && !w.wants(ctx, len(ready)) {
		return nil
	}
	w.flush = false
	round := store.Round{Worker: w.self, NoClaim: w.mode != working}
	if w.RunOnce {
		round.Until = w.started
	}
	var ready []*hand
	var logs []string
	var offers sync.WaitGroup
	round.Begun = func(r *store.Round) {
		w.hearEnds(ctx)
		ready, r.Owners = w.standing()
		r.Ends, r.Pids, r.Codes = w.ends, w.pids, w.codes
		logs = make([]string, len(ready))
		if len(w.ends) == 0 {
			// Nothing else is to be done while the claim is committed: the slots are
			// told their jobs.
			r.Offer = func(i int, c store.Claimed) {
				offers.Go(func() { logs[i] = w.offer(ready[i], c) })
			}
		}
	}
	result, err := w.Store.Claim(ctx, round)
	offers.Wait()
	if err != nil {
		return w.claimError(err)
	}
	w.wrote, w.rung, w.round = true, false, time.Now()
	w.next = result.Next
	w.overcome(&w.storage)
	ended, hooks := w.acknowledge()
	started := make([]Notice, len(result.Claimed))
	for i, c := range result.Claimed {
		started[i] = w.handOut(ready[i], c, logs[i])
	}
	for _, h := range w.hands {
		h.acknowledge()
	}
	// What is shown waits for what is to run.
	for _, n := range ended {
		w.notifyEnd(ctx, n, result.Left)
	}
	for _, n := range started {
		w.Notify(n)
	}
	if hooks {
		w.tellHooks(ctx, false)
	}
	for _, owner := range result.Ring {
		RingOwner(w.Store, owner)
	}
	w.empty = !result.More
	if result.More && w.starting == 0 {
		return w.grow(len(result.Claimed))
	}
	return nil
}

// standing are the slots that can be given a run, where one may be claimed.
func (w *Worker) standing() (ready []*hand, owners []store.Owner) {
	if w.mode != working || w.empty {
		return nil, nil
	}
	for _, h := range w.hands {
		// A slot whose end this round records can have the next run in it.
		if h.ready && (h.claimed == nil || h.again) {
			ready, owners = append(ready, h), append(owners, h.owner)
		}
	}
	return ready, owners
}

const (
	// gatherTime is how long ends that were reported wait for more, so that one
	// transaction records them. A short flow takes as long.
	gatherTime = 500 * time.Microsecond
	// busyRounds is how soon a round follows the last where flows are that short.
	busyRounds = 5 * time.Millisecond
	// gatherAgain is how many rounds gathering is left out when nothing came of it.
	gatherAgain = 4
)

// gather waits for the ends of half the slots where ends come fast: what a
// transaction costs by itself is then shared, and the cores have other runs to do.
func (w *Worker) gather(ctx context.Context) {
	if w.alone > 0 {
		w.alone--
		return
	}
	var late <-chan time.Time
	for len(w.ends) > 0 && 2*len(w.ends) < w.busy() && w.mode == working {
		if late == nil {
			if time.Since(w.round) > busyRounds {
				return
			}
			timer := time.NewTimer(gatherTime)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case e := <-w.events:
			w.hear(ctx, e)
		case <-late:
			w.alone = gatherAgain
			return
		}
	}
}

// claimError tells a pool that is gone from other trouble: there is no work
// any more, and never will be.
func (w *Worker) claimError(err error) error {
	var known *store.Error
	if errors.As(err, &known) && known.Code == store.NotFound {
		return fmt.Errorf("the work pool was deleted: %w", err)
	}
	return fmt.Errorf("claim: %w", err)
}

// wants is true where something is due and a claim might take it: a slot
// stands ready or could be made. A full worker claims, too: it takes nothing,
// but what is due may collide with what runs.
func (w *Worker) wants(ctx context.Context, ready int) bool {
	if w.mode != working || w.empty {
		return false
	}
	full := w.Limit != nil && w.busy() >= *w.Limit
	mayGrow := w.starting == 0 && (w.Limit == nil || len(w.hands) < *w.Limit)
	return (ready > 0 || mayGrow || full) && (w.rung || w.due(ctx))
}

// due is true where a look finds a run that a claim might take.
func (w *Worker) due(ctx context.Context) bool {
	at, err := w.Store.NextDue(ctx, w.self)
	w.empty = err == nil && (at.IsZero() || at.After(w.Store.Clock()))
	w.next = at
	return !w.empty
}

// growAtOnce bounds how many slots are made between two claims.
const growAtOnce = 8

// grow makes slots, up to the limit, in step with how many were just used.
func (w *Worker) grow(used int) error {
	n := min(max(used, 1), growAtOnce)
	if w.Limit != nil {
		n = min(n, *w.Limit-len(w.hands))
	}
	for range n {
		if err := w.addSlot(); err != nil {
			// With fewer slots the work goes on.
			w.sayOnce(&w.spawning, fmt.Sprintf("cannot start a further slot, and tries on: %v", err))
			return nil
		}
		w.overcome(&w.spawning)
	}
	return nil
}

// hearAll takes what else the slots have said, so that one transaction
// records it.
func (w *Worker) hearAll(ctx context.Context) {
	if e := w.lastWord; e != nil {
		w.lastWord = nil
		w.hear(ctx, *e)
	}
	for {
		select {
		case e := <-w.events:
			w.hear(ctx, e)
		default:
			return
		}
	}
}

// hearEnds does so within a transaction, which others may have kept waiting: the
// more who wait for the file, the more each records when its turn comes. It leaves
// what needs the file itself.
func (w *Worker) hearEnds(ctx context.Context) {
	for w.lastWord == nil {
		select {
		case e := <-w.events:
			if e.gone {
				w.lastWord = &e
				return
			}
			w.hear(ctx, e)
		default:
			return
		}
	}
}

func (w *Worker) hear(ctx context.Context, e slotEvent) {
	h := e.hand
	switch {
	case e.gone:
		w.lost(ctx, h)
	case e.said.Hello != nil:
		h.hello(*e.said.Hello)
		w.starting--
		w.empty = false
	case e.said.PID != 0 && h.claimed != nil:
		w.pids = append(w.pids, store.Pid{Run: h.claimed.Run.ID, Attempt: h.claimed.Attempt, PID: e.said.PID})
	case e.said.Code != nil && h.claimed != nil:
		w.codes = append(w.codes, store.AttemptCode{Run: h.claimed.Run.ID, Attempt: h.claimed.Attempt, Code: *e.said.Code})
	case e.said.End != nil:
		store.KillPoint("worker.told")
		w.ends = append(w.ends, *e.said.End)
		h.again, h.quiet = e.said.Again, e.said.Quiet
		w.empty = false
	}
}

// lost settles the run of a slot that died with it, and makes room.
func (w *Worker) lost(ctx context.Context, h *hand) {
	delete(w.hands, h.id)
	if !h.ready && h.claimed == nil && h.owner.Proof == "" {
		w.starting--
	}
	w.empty = false
	if h.claimed == nil {
		return
	}
	if err := w.settle(ctx, h); err != nil {
		w.Notify(Notice{Text: fmt.Sprintf("cannot settle %s: %v", h.claimed.Run.Name, err)})
		return
	}
	run, err := w.Store.RunByID(ctx, h.claimed.Run.ID)
	switch {
	case err != nil:
	case run.State.Type.Live():
		w.adopted[run.ID] = h.claimed.Attempt
		w.Notify(Notice{Text: fmt.Sprintf("the slot of %s was killed; a new one looks after its process", run.Name)})
	default:
		w.Notify(Notice{Run: run, Attempt: h.claimed.Attempt, End: &store.End{Run: run.ID, State: run.State}})
	}
}

// settle ends the run of a slot that is dead. What that told before it died is the
// end; the next round finds it recorded.
func (w *Worker) settle(ctx context.Context, h *hand) error {
	if i := slices.IndexFunc(w.ends, h.did); i >= 0 {
		return ignoreSuperseded(w.Store.End(ctx, w.ends[i], "worker "+w.Name))
	}
	run, err := w.Store.RunByID(ctx, h.claimed.Run.ID)
	if err == nil && run.State.Type.Live() && run.Owner.Proof == h.owner.Proof {
		err = SettleRun(ctx, w.Store, run, "worker "+w.Name)
	}
	return err
}

// untilDue fires when the next run of the pool falls due, if that is sooner
// than the next look.
func (w *Worker) untilDue() <-chan time.Time {
	if w.mode != working || w.next.IsZero() {
		return nil
	}
	wait := w.next.Sub(w.Store.Clock())
	if wait <= 0 || wait > lookEvery {
		return nil
	}
	return time.After(wait)
}

// busy counts the slots that have a run.
func (w *Worker) busy() (n int) {
	for _, h := range w.hands {
		if h.claimed != nil {
			n++
		}
	}
	return n
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
