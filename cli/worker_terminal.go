package cli

import (
	"sync"
	"time"

	"runnel/runner"
	"runnel/store"
)

// workerTerminal shows what a worker does. Logs are read from their files by
// goroutines of their own: a terminal that does not read holds nothing up.
type workerTerminal struct {
	*app
	store   *store.Store
	log     *jsonLog // nil: for people
	name    string
	pool    string
	mu      sync.Mutex // whole lines
	streams map[store.ID]*follower
	pending sync.WaitGroup // ends that wait for the last of their output
	lines   chan shownLine
	done    chan struct{}
}

// shownLine is a line, and what is closed when it has been shown.
type shownLine struct {
	text  string
	shown chan struct{}
}

// heldLines is how many lines wait for a slow terminal before they are left out.
const heldLines = 1024

func (t *workerTerminal) notify(n runner.Notice) {
	if t.lines == nil {
		t.open()
	}
	switch {
	case n.Text != "":
		t.line(t.entry("note", nil, n.Text), n.Text)
	case n.End == nil:
		text := n.Run.Name + " started" + of(n.Run)
		started := t.line(t.entry("run_started", &n.Run, text), t.stamp()+"  "+text)
		if streamsOutput(n.Variables) {
			f := &follower{}
			f.startAfter(t.ctx, firstOutput, n.Log, after(started, t.output(n.Run)))
			t.streams[n.Run.ID] = f
		}
	default:
		t.ended(n.Run, n.Quiet)
	}
}

// firstOutput is how long a run has before its log is looked for: most that end
// sooner print nothing, and of those none is.
const firstOutput = 10 * time.Millisecond

// after shows a run's output after the line that it started.
func after(started <-chan struct{}, visit func(runner.Record) error) func(runner.Record) error {
	return func(r runner.Record) error {
		<-started
		return visit(r)
	}
}

func (t *workerTerminal) open() {
	t.streams = map[store.ID]*follower{}
	t.lines, t.done = make(chan shownLine, heldLines), make(chan struct{})
	go func() {
		defer close(t.done)
		for line := range t.lines {
			_, _ = t.Write([]byte(line.text + "\n"))
			close(line.shown)
		}
	}()
}

// Write keeps lines whole where several write.
func (t *workerTerminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != nil {
		return t.log.raw(b)
	}
	return t.Err.Write(b)
}

// line shows what happened: as JSON, or as the text for people. It gives what is
// closed when that is done.
func (t *workerTerminal) line(entry logEntry, text string) <-chan struct{} {
	line := shownLine{t.shown(entry, text), make(chan struct{})}
	select {
	case t.lines <- line:
	default: // the terminal does not read; what happened is in the database
		close(line.shown)
	}
	return line.shown
}

func (t *workerTerminal) shown(entry logEntry, text string) string {
	if t.log == nil {
		return safe(text)
	}
	return entry.line()
}

// output shows what a run prints, as it is read from its log.
func (t *workerTerminal) output(run store.Run) func(runner.Record) error {
	if t.log == nil {
		out := logPrinter{w: t, prefix: run.Name + " | ", terminal: t.ErrTerminal}
		return out.visit
	}
	return func(r runner.Record) error {
		entry := t.entry("output", &run, string(r.Text))
		entry.Time, entry.Stream, entry.Partial = r.Time, r.Stream, r.Partial
		_, err := t.Write([]byte(entry.line() + "\n"))
		return err
	}
}

func (t *workerTerminal) ended(run store.Run, quiet bool) {
	f := t.streams[run.ID]
	delete(t.streams, run.ID)
	after := ""
	if d, ok := run.Took(t.Clock()); ok && run.EndTime != nil {
		after = " after " + duration(d)
	}
	if run.State.Message != "" {
		after += ": " + clean(run.State.Message)
	}
	entry := t.entry("run_ended", &run, run.Name+" "+run.State.Name+after)
	text := t.stamp() + "  " + run.Name + " " + t.colour(t.ErrTerminal, stateColours[string(run.State.Type)], run.State.Name) + after
	waits := f != nil && f.first.Stop()
	if f == nil || waits && quiet {
		t.line(entry, text)
		return
	}
	// The end is shown after the last of the output, without waiting here.
	f.ended.Store(true)
	if waits {
		f.first.Reset(0)
	}
	t.pending.Add(1)
	go func() {
		defer t.pending.Done()
		<-f.done
		t.line(entry, text)
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
func streamsOutput(layers []store.Values) bool {
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
