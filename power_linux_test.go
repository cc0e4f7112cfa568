package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/store"
)

// What a power cut leaves is played from a trace: workers and commands share
// one database under strace, and from their writes and syncs come images as a
// disk could hold them at any moment. A sync makes durable what was written
// before it; of what was not synced, anything may be there and anything not.

// powerDriver does a bit of everything, and says in a line what was
// acknowledged: the trace has that line in its place among the writes.
const powerDriver = `
set -e
runnel deploy work.sh -n d -p p --create-pools >/dev/null 2>&1
echo ack:deployed:work/d
runnel worker start -p p --log-format human --limit 2 >/dev/null 2>worker.1 &
worker=$!
for i in $FIRST; do runnel run work/d --name r$i >/dev/null 2>&1; echo ack:made:r$i; done
kill -KILL $worker
wait $worker || true
runnel run work/d --name later --in 1h >/dev/null 2>&1; echo ack:made:later
runnel flow-run cancel later >/dev/null 2>&1; echo ack:cancelled:later
for i in $SECOND; do runnel run work/d --name r$i >/dev/null 2>&1; echo ack:made:r$i; done
runnel worker start -p p --log-format human --run-once >/dev/null 2>worker.2
`

const powerFlow = "#!/bin/sh\necho ack:started:$RUNNEL_FLOW_RUN_NAME\n"

// ack is something that somebody was told, or that began, at a place of the
// trace: from there on it must be on the disk.
type ack struct{ kind, name string }

// ackPattern finds acks in what was written: the driver's and the flow's own
// lines, and a worker's line on a run's end.
var ackPattern = regexp.MustCompile(`ack:(\w+):(\S+)|(?m)  (\S+) (Completed) after`)

// raced is true in a build with the race detector, which opens files ten
// times as slowly.
var raced bool

// TestPowerLoss plays power cuts. RUNNEL_TEST_POWER sets how many.
func TestPowerLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("in full without -short")
	}
	images := 300
	if raced {
		images = 20
	}
	if text := os.Getenv("RUNNEL_TEST_POWER"); text != "" {
		images = atoi(text)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	binary := filepath.Join(t.TempDir(), "runnel")
	if err := os.Symlink(os.Args[0], binary); err != nil {
		t.Fatal(err)
	}
	trace := powerTrace(t, binary)
	report := trace.cut(t, images, seed)
	t.Logf("%d images of %d events, acknowledged %v: %s", images, len(trace.events), trace.acks, report)
	for _, problem := range report.problems {
		t.Error(problem)
	}
	if report.lost == 0 || len(trace.acks) < 5 {
		t.Errorf("the cuts lost no write, or not everything was acknowledged: nothing is proven")
	}
}

// TestPowerLossIsSeenWithoutSyncs is the control: a build that does not sync
// fails the same test.
func TestPowerLossIsSeenWithoutSyncs(t *testing.T) {
	if testing.Short() {
		t.Skip("in full without -short")
	}
	trace := powerTrace(t, buildRunnel(t, "-X runnel/store.synchronous=OFF"))
	report := trace.cut(t, 20, 1)
	t.Logf("without syncs: %s", report)
	if len(report.problems) == 0 {
		t.Error("20 images without syncs lost nothing: the test cannot fail")
	}
}

// buildRunnel builds the program with linker flags, without the race detector.
func buildRunnel(t *testing.T, flags string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "runnel")
	cmd := exec.Command("go", "build", "-ldflags", flags, "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// powerTrace runs the driver under strace.
func powerTrace(t *testing.T, binary string) *powerLog {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("LEFT OUT: power cuts: no strace on PATH")
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "work.sh"), []byte(powerFlow), 0o700); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(folder, "trace")
	cmd := exec.Command(strace, "-f", "-qq", "-y", "-xx", "-s", "8192", "-o", out, "-e", "trace=?open,openat,"+
		"pwrite64,write,ftruncate,fsync,fdatasync,?unlink,unlinkat,?mkdir,mkdirat,?rename,renameat,renameat2",
		"/bin/sh", "-c", powerDriver)
	cmd.Dir = folder
	for name, value := range scriptEnv(folder, os.Getenv("PATH"), "") {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	first, second := "1 2 3 4", "5 6 7 8"
	if testing.Short() {
		first, second = "1 2", "3 4"
	}
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "FIRST="+first, "SECOND="+second)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, text)
	}
	return readTrace(t, out, filepath.Join(folder, ".state", "runnel.db"))
}

// traceEvent is one call of the trace that a disk or a reader could notice.
type traceEvent struct {
	call   string // "write", "truncate", "sync", "create", "remove", "ack"
	path   string
	offset int64
	data   []byte
	since  int // of a sync: the event at which it was called
	ack    ack
}

type powerLog struct {
	database string
	events   []traceEvent
	acks     map[string]int // by kind
}

var (
	tracePattern   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)`)
	startPattern   = regexp.MustCompile(`^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$`)
	resumedPattern = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*\) += -?\d+.*)$`)
	stringPattern  = regexp.MustCompile(`["<]((?:\\x[0-9a-f]{2})*)[">]`)
)

// readTrace keeps of the trace what is about the database and its
// acknowledgements. A call counts when it returned; a sync only for what was
// written before it was called.
func readTrace(t *testing.T, path, database string) *powerLog {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	p := &powerLog{database: database, acks: map[string]int{}}
	type begun struct {
		text string
		at   int
	}
	open := map[string]begun{} // by thread
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line, since := lines.Text(), len(p.events)
		if m := startPattern.FindStringSubmatch(line); m != nil {
			open[m[1]] = begun{fmt.Sprintf("%s %s(%s", m[1], m[2], m[3]), len(p.events)}
			continue
		}
		if m := resumedPattern.FindStringSubmatch(line); m != nil {
			line, since = open[m[1]].text+m[3], open[m[1]].at
		}
		if m := tracePattern.FindStringSubmatch(line); m != nil && m[4] != "-1" {
			p.add(m[2], m[3], since)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// ours is true for the database, its journals and the folders that hold them.
func (p *powerLog) ours(path string) bool {
	switch path {
	case p.database, p.database + "-wal", p.database + "-journal", filepath.Dir(p.database), filepath.Dir(filepath.Dir(p.database)):
		return true
	}
	return false
}

func (p *powerLog) add(call, args string, since int) {
	var words []string // paths and data, in order
	for _, m := range stringPattern.FindAllStringSubmatch(args, -1) {
		words = append(words, unhex(m[1]))
	}
	if len(words) == 0 {
		return
	}
	e := traceEvent{path: words[0], since: since}
	switch call {
	case "pwrite64":
		e.call, e.data, e.offset = "write", []byte(words[1]), lastNumber(args)
	case "ftruncate":
		e.call, e.offset = "truncate", lastNumber(args)
	case "fsync", "fdatasync":
		e.call = "sync"
	case "open", "openat", "mkdir", "mkdirat":
		e.call, e.path = "create", words[len(words)-1]
		if call == "open" || call == "openat" {
			// The string is the second of openat's, and what follows is the result's.
			e.path = wordOfPath(args)
		}
		if strings.HasPrefix(call, "open") && !strings.Contains(args, "O_CREAT") {
			return
		}
	case "unlink", "unlinkat":
		e.call, e.path = "remove", wordOfPath(args)
	case "write":
		p.addAcks(words[len(words)-1])
		return
	default:
		return
	}
	if p.ours(e.path) {
		p.events = append(p.events, e)
	}
}

func (p *powerLog) addAcks(text string) {
	for _, m := range ackPattern.FindAllStringSubmatch(text, -1) {
		a := ack{m[1], m[2]}
		if m[4] != "" {
			a = ack{"ended", m[3]}
		}
		p.events = append(p.events, traceEvent{call: "ack", ack: a})
		p.acks[a.kind]++
	}
}

var quotedPattern = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)

func wordOfPath(args string) string {
	if m := quotedPattern.FindStringSubmatch(args); m != nil {
		return unhex(m[1])
	}
	return ""
}

func lastNumber(args string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(args[strings.LastIndexByte(args, ',')+1:]), 10, 64)
	return n
}

func unhex(text string) string {
	var b strings.Builder
	for i := 0; i+3 < len(text); i += 4 {
		n, _ := strconv.ParseUint(text[i+2:i+4], 16, 8)
		b.WriteByte(byte(n))
	}
	return b.String()
}

// powerFile is one file: what is surely on the disk, and what may be.
type powerFile struct {
	durable []byte
	pending []numbered
}

type numbered struct {
	traceEvent
	at int
}

// powerDisk is the disk at one moment of the trace.
type powerDisk struct {
	now     map[string]*powerFile // by name, as processes see it
	durable map[string]*powerFile // by name, as surely on the disk
	names   []numbered            // entries made and removed since
	files   map[int]*powerFile    // of the entries made, by event
	acks    []ack
}

func newPowerDisk() *powerDisk {
	return &powerDisk{now: map[string]*powerFile{}, durable: map[string]*powerFile{}, files: map[int]*powerFile{}}
}

func (d *powerDisk) play(e traceEvent, at int) {
	switch e.call {
	case "ack":
		d.acks = append(d.acks, e.ack)
	case "create":
		if d.now[e.path] == nil {
			d.now[e.path] = &powerFile{}
			d.files[at] = d.now[e.path]
			d.names = append(d.names, numbered{e, at})
		}
	case "remove":
		delete(d.now, e.path)
		d.names = append(d.names, numbered{e, at})
	case "write", "truncate":
		if f := d.now[e.path]; f != nil {
			f.pending = append(f.pending, numbered{e, at})
		}
	case "sync":
		d.sync(e)
	}
}

func (d *powerDisk) sync(e traceEvent) {
	if f := d.now[e.path]; f != nil {
		for len(f.pending) > 0 && f.pending[0].at < e.since {
			f.durable = apply(f.durable, f.pending[0].traceEvent)
			f.pending = f.pending[1:]
		}
	}
	var left []numbered
	for _, n := range d.names {
		if filepath.Dir(n.path) == e.path && n.at < e.since {
			d.enter(d.durable, n)
		} else {
			left = append(left, n)
		}
	}
	d.names = left
}

func (d *powerDisk) enter(names map[string]*powerFile, n numbered) {
	if n.call == "remove" {
		delete(names, n.path)
		return
	}
	names[n.path] = d.files[n.at]
}

func apply(content []byte, e traceEvent) []byte {
	end := e.offset + int64(len(e.data))
	if e.call == "truncate" {
		return append(content[:min(int64(len(content)), e.offset)], make([]byte, max(0, e.offset-int64(len(content))))...)
	}
	if grow := end - int64(len(content)); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	copy(content[e.offset:end], e.data)
	return content
}

// keeping is how much of what was not synced an image has.
type keeping int

const (
	nothing keeping = iota
	everything
	someWrites
	someSectors
	keepings
)

// image writes the files as the disk could hold them, and says how many
// writes it lost.
func (d *powerDisk) image(random *rand.Rand, database, folder string) (lost int, err error) {
	how := keeping(random.IntN(int(keepings)))
	names := map[string]*powerFile{}
	for name, f := range d.durable {
		names[name] = f
	}
	// Entries come to the disk in their order, by the file system's journal.
	kept := random.IntN(len(d.names) + 1)
	switch how {
	case nothing:
		kept = 0
	case everything:
		kept = len(d.names)
	}
	for _, n := range d.names[:kept] {
		d.enter(names, n)
	}
	if names[filepath.Dir(database)] == nil {
		return len(d.names) - kept, nil // not even its folder
	}
	for name, f := range names {
		if !strings.HasPrefix(name, database) {
			continue
		}
		content, missing := f.image(random, how)
		lost += missing
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(name)), content, 0o600); err != nil {
			return lost, err
		}
	}
	return lost, nil
}

const sector = 512

func (f *powerFile) image(random *rand.Rand, how keeping) (content []byte, lost int) {
	content = bytes.Clone(f.durable)
	size := len(content)
	for _, n := range f.pending {
		size = max(size, int(n.offset)+len(n.data))
		switch {
		case how == nothing, how != everything && random.IntN(2) == 0:
			lost++
		case how == someSectors && n.call == "write":
			for at := 0; at < len(n.data); at += sector {
				if random.IntN(4) > 0 {
					part := n.data[at:min(at+sector, len(n.data))]
					content = apply(content, traceEvent{call: "write", offset: n.offset + int64(at), data: part})
				}
			}
		default:
			content = apply(content, n.traceEvent)
		}
	}
	// A file's size may be on the disk before what stands in it.
	if how > everything && random.IntN(2) == 0 {
		content = append(content, make([]byte, max(0, size-len(content)))...)
	}
	return content, lost
}

// cutReport is what a number of images told.
type cutReport struct {
	lost     int // writes that did not reach the disk
	checked  int // acknowledgements that were looked for
	problems []string
}

func (r cutReport) String() string {
	return fmt.Sprintf("%d writes lost, %d acknowledged things looked for, %d of the images are wrong",
		r.lost, r.checked, len(r.problems))
}

// cut plays the trace once, and makes the images on the way.
func (p *powerLog) cut(t *testing.T, images int, seed uint64) (r cutReport) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	at := map[int]int{} // event to the number of images after it
	for range images {
		at[random.IntN(len(p.events))]++
	}
	d := newPowerDisk()
	d.durable[filepath.Dir(filepath.Dir(p.database))] = &powerFile{}
	folder := t.TempDir()
	for i, e := range p.events {
		d.play(e, i)
		for range at[i] {
			_ = os.RemoveAll(folder)
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			lost, err := d.image(random, p.database, folder)
			if err != nil {
				t.Fatal(err)
			}
			r.lost += lost
			r.checked += len(d.acks)
			if err := checkImage(filepath.Join(folder, filepath.Base(p.database)), d.acks); err != nil {
				r.problems = append(r.problems, fmt.Sprintf("cut after event %d of %d: %v", i, len(p.events), err))
			}
		}
	}
	return r
}

// checkImage opens an image as after a power cut.
func checkImage(path string, acks []ack) (err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if len(acks) > 0 {
			return fmt.Errorf("no database, and %v was acknowledged", acks)
		}
		return nil
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	var verdict string
	err = db.QueryRow("PRAGMA integrity_check").Scan(&verdict)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("integrity check: %s", verdict)
	}
	s := store.New(path)
	if err := s.Open(context.Background()); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, a := range acks {
		if err := holds(s, a); err != nil {
			return fmt.Errorf("%s of %s was acknowledged: %w", a.kind, a.name, err)
		}
	}
	return nil
}

// holds looks for what was acknowledged.
func holds(s *store.Store, a ack) error {
	ctx := context.Background()
	if a.kind == "deployed" {
		_, err := s.Deployment(ctx, a.name)
		return err
	}
	run, err := s.OneRun(ctx, a.name)
	if err != nil {
		return err
	}
	state := run.State.Type
	switch {
	case a.kind == "started" && (run.RunCount != 1 || state == store.Scheduled),
		a.kind == "ended" && state != store.Completed,
		a.kind == "cancelled" && state != store.Cancelled:
		return fmt.Errorf("it is %s after %d attempts", run.State.Name, run.RunCount)
	}
	return nil
}
