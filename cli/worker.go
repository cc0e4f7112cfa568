package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

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
}

// Help ends with examples.
func (workerStartCmd) Help() string {
	return "The first Ctrl-C takes no new runs and waits for those that run; the second cancels them.\n\n" +
		"Examples:\n  runnel worker start --pool my-process-pool\n  runnel worker start -p etl -q high -q default --limit 4"
}

func (c workerStartCmd) Run(a *app) error {
	if err := runner.Supported(); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	s, err := a.settled()
	if err != nil {
		return err
	}
	s.Patient = true
	if err := c.ensurePool(a, s); err != nil {
		return err
	}
	c.missingQueues(a, s)
	c.saidPaused(a, s)
	if c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s-%d", strings.ReplaceAll(orDash(host), "/", "-"), os.Getpid())
	}
	terminal := &workerTerminal{app: a, store: s}
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

// workerTerminal shows what a worker does. Logs are read from their files by
// goroutines of their own: a terminal that does not read holds nothing up.
type workerTerminal struct {
	*app
	store   *store.Store
	mu      sync.Mutex // whole lines
	streams map[store.ID]*follower
	pending sync.WaitGroup // ends that wait for the last of their output
	lines   chan string
	done    chan struct{}
}

// heldLines is how many lines wait for a slow terminal before they are left out.
const heldLines = 1024

func (t *workerTerminal) notify(n runner.Notice) {
	if t.lines == nil {
		t.open()
	}
	switch {
	case n.Text != "":
		t.line(n.Text)
	case n.End == nil:
		t.line(fmt.Sprintf("%s  %s started%s", t.stamp(), n.Run.Name, of(n.Run)))
		if t.streamsOutput(n.Run) {
			f := &follower{}
			f.start(t.ctx, n.Log, logPrinter{w: t, prefix: n.Run.Name + " | ", terminal: t.ErrTerminal})
			t.streams[n.Run.ID] = f
		}
	default:
		t.ended(n.Run)
	}
}

func (t *workerTerminal) open() {
	t.streams = map[store.ID]*follower{}
	t.lines, t.done = make(chan string, heldLines), make(chan struct{})
	go func() {
		defer close(t.done)
		for line := range t.lines {
			_, _ = t.Write([]byte(line + "\n"))
		}
	}()
}

// Write keeps lines whole where several write.
func (t *workerTerminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Err.Write(b)
}

func (t *workerTerminal) line(text string) {
	select {
	case t.lines <- safe(text):
	default: // the terminal does not read; what happened is in the database
	}
}

func (t *workerTerminal) ended(run store.Run) {
	f := t.streams[run.ID]
	delete(t.streams, run.ID)
	text := fmt.Sprintf("%s  %s %s", t.stamp(), run.Name, t.colour(t.ErrTerminal, stateColours[string(run.State.Type)], run.State.Name))
	if run.StartTime != nil && run.EndTime != nil {
		text += " after " + duration(run.EndTime.Sub(*run.StartTime))
	}
	if run.State.Message != "" {
		text += ": " + clean(run.State.Message)
	}
	if f == nil {
		t.line(text)
		return
	}
	// The end is shown after the last of the output, without waiting here.
	f.ended.Store(true)
	lines := t.lines
	t.pending.Add(1)
	go func() {
		defer t.pending.Done()
		<-f.done
		select {
		case lines <- safe(text):
		default:
		}
	}()
}

func (t *workerTerminal) stamp() string { return t.Clock().Local().Format("15:04:05") }

func of(run store.Run) string {
	if run.Deployment != nil {
		return " (" + *run.Deployment + ")"
	}
	return ""
}

// streamsOutput follows the job variable stream_output: true unless it says no.
func (t *workerTerminal) streamsOutput(run store.Run) bool {
	layers := []store.Values{run.JobVariables}
	if run.Deployment != nil {
		if d, err := t.store.Deployment(t.ctx, *run.Deployment); err == nil {
			layers = append([]store.Values{d.JobVariables}, layers...)
		}
	}
	v, err := store.MergeJobVariables(layers...)
	return err != nil || v.StreamOutput == nil || *v.StreamOutput // an error: it is a template's, known when it runs
}

// closeTime is how long a worker waits for a slow terminal when it ends.
const closeTime = 2 * time.Second

func (t *workerTerminal) close() {
	if t.lines == nil {
		return
	}
	shown := make(chan struct{})
	go func() {
		t.pending.Wait()
		close(t.lines)
		<-t.done
		close(shown)
	}()
	select {
	case <-shown:
	case <-time.After(closeTime):
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
