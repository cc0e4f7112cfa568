package cli

import (
	"fmt"
	"strings"

	"runnel/store"
)

type workQueueCmd struct {
	Create  queueCreateCmd  `cmd:"" help:"Make a work queue in a pool."`
	Ls      queueLsCmd      `cmd:"" aliases:"list" help:"List the work queues, and whether each is healthy."`
	Inspect queueInspectCmd `cmd:"" help:"Show one work queue."`
	Update  queueUpdateCmd  `cmd:"" help:"Change its priority, limit or description."`
	Pause   queuePauseCmd   `cmd:"" help:"Start no runs of it until it is resumed."`
	Resume  queueResumeCmd  `cmd:"" help:"Lift a pause."`
	Delete  queueDeleteCmd  `cmd:"" aliases:"rm" help:"Delete a work queue; what it holds goes to the default one."`
	Preview queuePreviewCmd `cmd:"" help:"List the runs that are due soon, the next first."`
}

// queueTarget names a queue: pool/queue, or with --pool, or alone where only
// one pool has it.
type queueTarget struct {
	Queue string `arg:"" help:"The work queue: POOL/QUEUE, or its name alone where one pool has it."`
	Pool  string `short:"p" env:"RUNNEL_POOL" placeholder:"NAME" help:"Its work pool."`
}

func (c queueTarget) find(a *app) (*store.Store, store.WorkQueue, error) {
	s, err := a.settled()
	if err != nil {
		return nil, store.WorkQueue{}, err
	}
	q, err := s.FindQueue(a.ctx, c.Pool, c.Queue)
	return s, q, err
}

type queueCreateCmd struct {
	Name             string `arg:"" help:"Its name, or POOL/NAME."`
	Pool             string `short:"p" env:"RUNNEL_POOL" placeholder:"NAME" help:"Its work pool."`
	Priority         *int   `placeholder:"N" help:"1 is the highest (default: the lowest). One that is taken moves down."`
	ConcurrencyLimit *int   `short:"l" aliases:"limit" placeholder:"N" help:"At most so many runs at once."`
	Description      string `short:"d" placeholder:"TEXT" help:"What it is for."`
	Paused           bool   `help:"Start nothing until it is resumed."`
	outputFlag
}

// Help ends with examples.
func (queueCreateCmd) Help() string {
	return "Runs of a higher queue start before any of a lower one.\n\n" +
		"Examples:\n  runnel work-queue create urgent -p etl --priority 1\n  runnel work-queue create etl/slow --concurrency-limit 2"
}

func (c queueCreateCmd) Run(a *app) error {
	pool, name := store.SplitQueue(c.Pool, c.Name)
	if pool == "" {
		return &exitError{
			code: exitUsage, message: "--pool NAME is missing: the work pool of the queue",
			hint: []string{"list them: runnel work-pool ls"},
		}
	}
	q := store.WorkQueue{Name: name, Description: c.Description, ConcurrencyLimit: c.ConcurrencyLimit, IsPaused: c.Paused}
	s, err := a.store()
	if err != nil {
		return err
	}
	if q, err = s.CreateWorkQueue(a.ctx, pool, q, c.Priority); err != nil {
		return err
	}
	a.ring(s, pool)
	if c.Priority != nil {
		a.sayOrder(s, pool)
	}
	return a.printChanged(q, pool+"/"+q.Name, c.outputFlag, fmt.Sprintf("created work queue %s/%s with priority %d", pool, q.Name, q.Priority))
}

type queueLsCmd struct {
	Pool string `short:"p" env:"RUNNEL_POOL" placeholder:"NAME" help:"Only of this work pool."`
	outputFlag
}

// Help ends with examples.
func (queueLsCmd) Help() string {
	return "Examples:\n  runnel work-queue ls\n  runnel work-queue ls -p my-process-pool -o json"
}

func (c queueLsCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	queues, err := s.WorkQueues(a.ctx, c.Pool)
	if err != nil {
		return err
	}
	return list[store.WorkQueue]{
		items:   queues,
		name:    func(q store.WorkQueue) string { return q.WorkPoolName + "/" + q.Name },
		columns: []string{"Pool", "Name", "Priority", "Status", "Limit", "Last Polled", "Late", "Healthy"},
		row: func(q store.WorkQueue) []string {
			polled := "never"
			if q.LastPolled != nil {
				polled = a.ago(*q.LastPolled)
			}
			return []string{
				q.WorkPoolName, q.Name, fmt.Sprint(q.Priority), statusText(q.Status),
				limitText(q.ConcurrencyLimit), polled, fmt.Sprint(q.Late), yesNo(q.Healthy),
			}
		},
		empty: "no work queues: each work pool has one called \"default\"; make a pool: runnel work-pool create my-process-pool",
	}.print(a.IO, c.outputFlag)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type queueInspectCmd struct {
	queueTarget
	outputFlag
}

// Help ends with examples.
func (queueInspectCmd) Help() string {
	return "Examples:\n  runnel work-queue inspect my-process-pool/default\n  runnel work-queue inspect urgent -p etl -o json"
}

func (c queueInspectCmd) Run(a *app) error {
	_, q, err := c.find(a)
	if err != nil {
		return err
	}
	full := q.WorkPoolName + "/" + q.Name
	if c.plain() {
		return a.printChanged(q, full, c.outputFlag, "")
	}
	a.pairs([][2]string{
		{"name", q.Name},
		{"id", q.ID.String()},
		{"work pool", q.WorkPoolName},
		{"status", statusText(q.Status)},
		{"health", a.health(q)},
		{"priority", fmt.Sprint(q.Priority)},
		{"concurrency limit", limitText(q.ConcurrencyLimit)},
		{"description", clean(q.Description)},
		{"created", a.local(q.Created)},
	})
	if q.IsPaused {
		a.say("it starts nothing: runnel work-queue resume %s", full)
	}
	return nil
}

// health says in words why a queue is healthy or not.
func (a *app) health(q store.WorkQueue) string {
	polled := "never polled"
	if q.LastPolled != nil {
		polled = "polled " + a.ago(*q.LastPolled)
	}
	word := "unhealthy"
	if q.Healthy {
		word = "healthy"
	}
	return fmt.Sprintf("%s: %s, %s", word, polled, plural(q.Late, "late run"))
}

type queueUpdateCmd struct {
	queueTarget
	limitFlags
	Priority    *int    `placeholder:"N" help:"1 is the highest. One that is taken moves down."`
	Description *string `short:"d" placeholder:"TEXT" help:"What it is for."`
	outputFlag
}

// Help ends with examples.
func (queueUpdateCmd) Help() string {
	return "What is not given stays.\n\n" +
		"Examples:\n  runnel work-queue update etl/slow --concurrency-limit 1\n  runnel work-queue update urgent -p etl --priority 1"
}

func (c queueUpdateCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.ConcurrencyLimit == nil && !c.NoLimit && c.Description == nil && c.Priority == nil {
		return nothingGiven("--priority, --concurrency-limit, --no-concurrency-limit or --description")
	}
	s, q, err := c.find(a)
	if err != nil {
		return err
	}
	q, err = s.UpdateWorkQueue(a.ctx, q.WorkPoolName, q.Name, store.QueueChange{
		Description: c.Description, Priority: c.Priority, ConcurrencyLimit: c.ConcurrencyLimit, NoLimit: c.NoLimit,
	})
	if err != nil {
		return err
	}
	a.ring(s, q.WorkPoolName)
	full := q.WorkPoolName + "/" + q.Name
	if c.Priority != nil {
		a.sayOrder(s, q.WorkPoolName)
	}
	return a.printChanged(q, full, c.outputFlag, "updated work queue "+full)
}

// sayOrder tells the priorities of a pool's queues, of which one has changed
// its place: others may have made room for it.
func (a *app) sayOrder(s *store.Store, pool string) {
	queues, err := s.WorkQueues(a.ctx, pool)
	if err != nil || len(queues) < 2 {
		return
	}
	var order []string
	for _, q := range queues {
		order = append(order, fmt.Sprintf("%d %s", q.Priority, q.Name))
	}
	a.say("the order in %s is now: %s", pool, strings.Join(order, ", "))
}

type queuePauseCmd struct {
	queueTarget
	outputFlag
}

// Help ends with examples.
func (queuePauseCmd) Help() string {
	return "What runs goes on.\n\nExamples:\n  runnel work-queue pause etl/slow\n  runnel queue pause slow -p etl"
}

func (c queuePauseCmd) Run(a *app) error { return c.setPaused(a, true, c.outputFlag) }

type queueResumeCmd struct {
	queueTarget
	outputFlag
}

// Help ends with examples.
func (queueResumeCmd) Help() string {
	return "Examples:\n  runnel work-queue resume etl/slow\n  runnel queue resume slow -p etl"
}

func (c queueResumeCmd) Run(a *app) error { return c.setPaused(a, false, c.outputFlag) }

func (c queueTarget) setPaused(a *app, paused bool, f outputFlag) error {
	s, q, err := c.find(a)
	if err != nil {
		return err
	}
	full := q.WorkPoolName + "/" + q.Name
	touched, err := s.HeldByQueue(a.ctx, q)
	if err != nil {
		return err
	}
	if paused {
		a.sayHeld("pausing the work queue "+full, touched)
	}
	if q, err = s.PauseWorkQueue(a.ctx, q.WorkPoolName, q.Name, paused); err != nil {
		return err
	}
	if paused {
		err = a.printChanged(q, full, f, "paused work queue "+full)
		a.say("lift it: runnel work-queue resume %s", full)
		return err
	}
	err = a.printChanged(q, full, f, "resumed work queue "+full)
	a.ring(s, q.WorkPoolName)
	a.sayFreed(touched)
	return err
}

type queueDeleteCmd struct {
	queueTarget
	yesFlag
}

// Help ends with examples.
func (queueDeleteCmd) Help() string {
	return "Its deployments and runs go to the default queue of the pool.\n\n" +
		"Examples:\n  runnel work-queue delete etl/slow\n  runnel work-queue delete slow -p etl --yes"
}

func (c queueDeleteCmd) Run(a *app) error {
	s, q, err := c.find(a)
	if err != nil {
		return err
	}
	full := q.WorkPoolName + "/" + q.Name
	touched, err := s.TouchedByQueue(a.ctx, q.WorkPoolName, q.Name)
	if err != nil {
		return err
	}
	if !touched.Nothing() {
		a.say("to the default queue of %q will go:", q.WorkPoolName)
		a.sayTouched(touched, "due as before")
	}
	if err := a.confirm(fmt.Sprintf("delete the work queue %s?", full), c.yesFlag); err != nil {
		return err
	}
	if _, err := s.DeleteWorkQueue(a.ctx, q.WorkPoolName, q.Name); err != nil {
		return err
	}
	a.ring(s, q.WorkPoolName)
	a.print("deleted work queue %s", full)
	return nil
}

type queuePreviewCmd struct {
	queueTarget
	previewFlags
}

// Help ends with examples.
func (queuePreviewCmd) Help() string {
	return "Examples:\n  runnel work-queue preview etl/slow\n  runnel work-queue preview slow -p etl --hours 12 -o json"
}

func (c queuePreviewCmd) Run(a *app) error {
	_, q, err := c.find(a)
	if err != nil {
		return err
	}
	return c.preview(a, q.WorkPoolName, q.Name)
}
