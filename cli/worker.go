package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"runnel/runner"
	"runnel/store"
)

type workerCmd struct {
	Start workerStartCmd `cmd:"" help:"Work: claim the runs of a work pool and run them here."`
	Ls    workerLsCmd    `cmd:"" aliases:"list" help:"List the workers."`

	Install   workerInstallCmd   `cmd:"" help:"Keep a worker running: as a service of systemd or launchd."`
	Uninstall workerUninstallCmd `cmd:"" help:"Stop such a service and remove it."`
}

type workerStartCmd struct {
	Pool       string   `short:"p" env:"RUNNEL_POOL" required:"" placeholder:"NAME" help:"The work pool to work for."`
	Name       string   `short:"n" placeholder:"NAME" help:"Its name (default: the host's name and its number)."`
	WorkQueue  []string `short:"q" sep:"none" placeholder:"NAME" help:"Only this queue of the pool; repeatable."`
	Limit      *int     `short:"l" placeholder:"N" help:"At most so many runs at once."`
	RunOnce    bool     `help:"Take what is due now, wait for it, and end."`
	Type       string   `short:"t" default:"process" help:"What its runs are: process."`
	CreatePool bool     `help:"Make the pool where it is missing."`
	logFlag
}

// Help ends with examples.
func (workerStartCmd) Help() string {
	return "The first Ctrl-C takes no new runs and waits for those that run; the second cancels them.\n\n" +
		"Its log goes to stderr: for people on a terminal, elsewhere a JSON object a line, unless --log-format says otherwise. " +
		"Whoever collects it rotates it. What flows print is kept apart (flow-run logs).\n\n" +
		"Examples:\n  runnel worker start --pool my-process-pool\n  runnel worker start -p etl -q high -q default --limit 4"
}

func (c workerStartCmd) Run(a *app) error {
	if err := runner.Supported(); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	log := c.open(a)
	s, err := a.settled()
	if err != nil {
		return err
	}
	s.Patient = true
	// A worker does one short thing after another: with more threads at hand the
	// runtime wakes some for each, which takes from the flows what it gives nobody.
	// With one alone it wakes another whenever a sync waits for the disk.
	runtime.GOMAXPROCS(2)
	if err := c.ensurePool(a, s); err != nil {
		return err
	}
	c.missingQueues(a, s)
	c.saidPaused(a, s)
	if c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s-%d", strings.ReplaceAll(orDash(host), "/", "-"), os.Getpid())
	}
	terminal := &workerTerminal{app: a, store: s, log: log, name: c.Name, pool: c.Pool}
	w := &runner.Worker{
		Store: s, Name: c.Name, Pool: c.Pool, Queues: c.WorkQueue, Limit: c.Limit, RunOnce: c.RunOnce,
		Version: Version, Maker: a.maker(s), Notify: terminal.notify,
	}
	ctx, stops, done := workerSignals(a.ctx)
	defer done()
	a.say("worker %s started: pool %s, %s", c.Name, c.Pool, c.describe())
	err = w.Run(ctx, stops)
	terminal.close()
	if err == nil {
		a.say("worker %s stopped", c.Name)
	}
	return err
}

func (c workerStartCmd) check() error {
	if c.Limit != nil && *c.Limit < 1 {
		return usage("--limit: %d; it is 1 or more", *c.Limit)
	}
	for _, known := range store.PoolTypes {
		if c.Type == known {
			return nil
		}
	}
	return &exitError{
		code: exitRefused, message: fmt.Sprintf("no worker of type %q", c.Type),
		hint: []string{"the types that exist: " + strings.Join(store.PoolTypes, ", ")},
	}
}

func (c workerStartCmd) describe() string {
	text := "all queues"
	if len(c.WorkQueue) > 0 {
		text = "queues " + strings.Join(c.WorkQueue, ", ")
	}
	if c.Limit != nil {
		text += fmt.Sprintf(", %s at once", plural(*c.Limit, "run"))
	}
	return text
}

// ensurePool makes the pool when there is none at all, or when it was asked
// for. A name that is close to one that exists is most likely a slip.
func (c workerStartCmd) ensurePool(a *app, s *store.Store) error {
	_, err := s.WorkPool(a.ctx, c.Pool)
	var known *store.Error
	if !errors.As(err, &known) || known.Code != store.NotFound {
		return err
	}
	pools, listErr := s.WorkPools(a.ctx)
	if listErr != nil {
		return listErr
	}
	if len(pools) > 0 && !c.CreatePool {
		known.Hint = append(known.Hint, "or make it on the way: --create-pool")
		return known
	}
	if _, err := s.CreateWorkPool(a.ctx, store.WorkPool{Name: c.Pool, Type: c.Type}); err != nil {
		return err
	}
	a.say("created work pool %q", c.Pool)
	return nil
}

// missingQueues warns of queues that no deployment has made yet: most likely
// a slip, but a worker may be started before them.
func (c workerStartCmd) missingQueues(a *app, s *store.Store) {
	for _, name := range c.WorkQueue {
		_, err := s.WorkQueue(a.ctx, c.Pool, name)
		var known *store.Error
		if errors.As(err, &known) && known.Code == store.NotFound {
			a.say("%s yet: %s", known.Message, strings.Join(append(known.Hint, "it is waited for; make it: runnel work-queue create "+name+" -p "+c.Pool), " "))
		}
	}
}

// saidPaused tells of a pool that starts nothing.
func (c workerStartCmd) saidPaused(a *app, s *store.Store) {
	if p, err := s.WorkPool(a.ctx, c.Pool); err == nil && p.IsPaused {
		a.say("the work pool %q is paused: nothing starts until: runnel work-pool resume %s", p.Name, p.Name)
	}
}

// workerSignals gives a context that ends at SIGHUP, and a channel of the
// stops. A hang-up that was ignored at the start (nohup) stays ignored.
func workerSignals(parent context.Context) (context.Context, <-chan os.Signal, func()) {
	ctx, leave := context.WithCancel(parent)
	stops := make(chan os.Signal, 8)
	signal.Notify(stops, os.Interrupt, syscall.SIGTERM)
	hangup := make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(hangup, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-hangup:
			leave()
		case <-ctx.Done():
		}
	}()
	return ctx, stops, func() {
		signal.Stop(stops)
		signal.Stop(hangup)
		leave()
	}
}

type workerLsCmd struct {
	Pool string `short:"p" env:"RUNNEL_POOL" placeholder:"NAME" help:"Only of this work pool."`
	outputFlag
}

// Help ends with examples.
func (workerLsCmd) Help() string {
	return "Examples:\n  runnel worker ls\n  runnel worker ls -p my-process-pool -o json"
}

func (c workerLsCmd) Run(a *app) error {
	s, err := a.settled()
	if err != nil {
		return err
	}
	workers, err := s.Workers(a.ctx, c.Pool)
	if err != nil {
		return err
	}
	err = list[store.Worker]{
		items:   workers,
		name:    func(w store.Worker) string { return w.Name },
		columns: []string{"Name", "Pool", "Host", "PID", "Status", "Running", "Last Seen"},
		row: func(w store.Worker) []string {
			return []string{w.Name, w.WorkPoolName, w.Host, fmt.Sprint(w.PID), w.Status, fmt.Sprint(w.Running), a.ago(w.LastSeen)}
		},
		empty: "no workers; start one: runnel worker start --pool my-process-pool",
	}.print(a.IO, c.outputFlag)
	for _, w := range workers {
		if w.Status == store.Stopped {
			a.say("%s", stoppedText(w))
		}
	}
	return err
}
