package cli

import (
	"fmt"
	"strings"

	"runnel/store"
)

// poolReason says what keeps a pool from starting runs, or that nothing does.
func (a *app) poolReason(s *store.Store, name string) (reason, error) {
	p, err := s.WorkPool(a.ctx, name)
	if err != nil {
		return reason{}, err
	}
	r := reason{Kind: kindPool, ID: p.ID, Name: p.Name}
	queues, err := s.WorkQueues(a.ctx, name)
	if err != nil {
		return r, err
	}
	looks := make([]queueLook, len(queues))
	for i, q := range queues {
		if looks[i], err = a.lookAt(s, p, q); err != nil {
			return r, err
		}
	}
	r.Why = a.poolText(p, looks)
	return r, nil
}

// queueReason says the same of one queue.
func (a *app) queueReason(s *store.Store, name string) (reason, error) {
	q, err := s.FindQueue(a.ctx, "", name)
	if err != nil {
		return reason{}, err
	}
	p, err := s.WorkPool(a.ctx, q.WorkPoolName)
	if err != nil {
		return reason{}, err
	}
	l, err := a.lookAt(s, p, q)
	return reason{Kind: kindQueue, ID: q.ID, Name: p.Name + "/" + q.Name, Why: a.queueText(p, l)}, err
}

// queueLook is a queue with what its runs would wait for now.
type queueLook struct {
	store.WorkQueue
	store.Load
	wait    store.Wait
	stopped string // of its workers, where they are
}

func (a *app) lookAt(s *store.Store, p store.WorkPool, q store.WorkQueue) (l queueLook, err error) {
	l.WorkQueue = q
	if l.Load, err = s.QueueLoad(a.ctx, q); err != nil {
		return l, err
	}
	if l.wait, err = s.QueueWaits(a.ctx, p, q); err != nil {
		return l, err
	}
	l.stopped = a.stoppedWorker(s, store.Run{WorkPoolName: p.Name, WorkQueueName: q.Name}, l.wait)
	return l, nil
}

func (l queueLook) stuck() bool { return l.wait.For != store.WaitClaim }

// poolText says what holds all queues in one sentence, else that of each queue
// that is held.
func (a *app) poolText(p store.WorkPool, queues []queueLook) string {
	var all store.Load
	var parts []string
	same := true
	for _, q := range queues {
		all.Running += q.Running
		all.Waiting += q.Waiting
		if q.Next != nil && (all.Next == nil || q.Next.Before(*all.Next)) {
			all.Next = q.Next
		}
		same = same && q.wait == queues[0].wait
		if q.stuck() && (q.Waiting > 0 || q.IsPaused || q.wait.For == store.WaitWorker) {
			parts = append(parts, "queue "+q.Name+": "+a.queueText(p, q))
		}
	}
	first := queues[0] // a pool has one at least
	switch {
	case p.Workers == 0 && !p.IsPaused:
		first.wait = store.Wait{For: store.WaitWorker}
		first.Load, first.Name = all, store.DefaultQueue
		return a.queueText(p, first) + heldToo(p, queues)
	case !same && len(parts) > 0:
		return strings.Join(parts, "; ")
	case !same:
		first.wait, first.stopped = store.Wait{For: store.WaitClaim}, ""
	}
	first.Load, first.Name = all, store.DefaultQueue
	return a.queueText(p, first)
}

// heldToo names what a worker alone would not help: a limit of 0, queues that are
// paused.
func heldToo(p store.WorkPool, queues []queueLook) (text string) {
	if p.ConcurrencyLimit != nil && *p.ConcurrencyLimit == 0 {
		text = fmt.Sprintf("; the limit on the work pool %q is 0, too: runnel work-pool update %s --no-concurrency-limit", p.Name, p.Name)
	}
	for _, q := range queues {
		if q.IsPaused {
			text += fmt.Sprintf("; the queue %s is paused, too: runnel work-queue resume %s/%[1]s", q.WorkQueue.Name, p.Name)
		}
	}
	return text
}

// queueText is one sentence for what a queue's runs would meet.
func (a *app) queueText(p store.WorkPool, q queueLook) string {
	held := ""
	if q.Waiting > 0 {
		held = "; " + waitingText(q.Waiting)
	}
	switch q.wait.For {
	case store.WaitPoolPaused:
		return fmt.Sprintf("nothing starts, since the work pool is paused: runnel work-pool resume %s%s%s", p.Name, unpolledToo(p, true), held)
	case store.WaitQueuePaused:
		return fmt.Sprintf("nothing starts, since the work queue is paused: runnel work-queue resume %s/%s%s%s",
			p.Name, q.WorkQueue.Name, unpolledToo(p, false), held)
	case store.WaitWorker:
		if q.stopped != "" {
			return "nothing starts: " + q.stopped + held
		}
		return fmt.Sprintf("nothing will run: no worker polls %s; start one: %s%s", polled(p, q), startWorker(p, q), held)
	case store.WaitPoolLimit, store.WaitQueueLimit, store.WaitWorkerLimit:
		return a.limitText(p, q) + held
	}
	return a.fineText(p, q)
}

func waitingText(n int) string {
	if n == 1 {
		return "1 run waits"
	}
	return fmt.Sprintf("%d runs wait", n)
}

// polled is what a worker is wanted for: the pool, unless only some queues of
// it are looked after.
func polled(p store.WorkPool, q queueLook) string {
	if p.Workers > 0 {
		return p.Name + "/" + q.WorkQueue.Name
	}
	return p.Name
}

func startWorker(p store.WorkPool, q queueLook) string {
	command := "runnel worker start --pool " + p.Name
	if p.Workers > 0 {
		command += " -q " + q.WorkQueue.Name
	}
	return command
}

// changeLimit begins the command that changes the limit of a pool or a queue.
func changeLimit(w store.Wait, pool string) string {
	if w.For == store.WaitQueueLimit {
		return "runnel work-queue update " + pool + "/" + w.Name
	}
	return "runnel work-pool update " + pool
}

func (a *app) limitText(p store.WorkPool, q queueLook) string {
	change := changeLimit(q.wait, p.Name)
	if q.wait.Limit == 0 {
		return fmt.Sprintf("nothing starts, since the limit on %s %q is 0: %s --no-concurrency-limit", q.wait.For, q.wait.Name, change)
	}
	text := fmt.Sprintf("it is full: the limit of %d on %s %q is reached, and the next starts when a run ends", q.wait.Limit, q.wait.For, q.wait.Name)
	if q.wait.For == store.WaitWorkerLimit {
		return text + ", or with a further worker: runnel worker start --pool " + p.Name
	}
	return text + fmt.Sprintf(", or with more room: %s --concurrency-limit %d", change, q.wait.Limit+1)
}

// fineText is what there is to say of a queue that works.
func (a *app) fineText(p store.WorkPool, q queueLook) string {
	text := fmt.Sprintf("nothing is wrong: %s, %d running", plural(p.Workers, "worker"), q.Running)
	switch {
	case q.Waiting > 0:
		return text + "; " + waitingText(q.Waiting) + " for a worker's next look"
	case q.Next != nil:
		return text + "; the next run is due " + a.ago(*q.Next)
	}
	return text + "; nothing waits"
}
