package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"runnel/store"
)

// timed runs a whole process and gives its time in milliseconds.
func (b *bench) timed(argv ...string) (float64, error) {
	argv = b.recorded(argv)
	cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	var talk strings.Builder
	cmd.Stderr = &talk
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close() //nolint:errcheck // nothing was written to it
	cmd.Stdout = null
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, talk.String())
	}
	return ms(time.Since(start)), nil
}

// turns runs several commands by turns, after a warm-up, and gives the times
// of each in milliseconds.
func (b *bench) turns(rounds int, commands ...[]string) ([][]float64, error) {
	const warm = 3
	times := make([][]float64, len(commands))
	for round := range warm + rounds {
		for i := range commands {
			// Each goes first as often as any other.
			k := (i + round) % len(commands)
			t, err := b.timed(commands[k]...)
			if err != nil {
				return nil, err
			}
			if round >= warm {
				times[k] = append(times[k], t)
			}
		}
	}
	return times, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// worker is a runnel worker under measurement.
type worker struct {
	cmd      *exec.Cmd
	talk     string // path of what it says
	recorded func() // ends its profile
}

// startWorker starts a worker and waits until its first slot stands ready.
func (b *bench) startWorker(db string, env []string, flags ...string) (*worker, error) {
	w := &worker{talk: db + ".worker.log"}
	talk, err := os.Create(w.talk)
	if err != nil {
		return nil, err
	}
	defer talk.Close() //nolint:errcheck // the worker has its own copy
	w.cmd = exec.Command(b.binary, append([]string{"--db", db, "worker", "start", "--pool", poolName}, flags...)...)
	w.cmd.Env = append(os.Environ(), env...)
	w.cmd.Stderr = talk
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		time.Sleep(20 * time.Millisecond)
		// Its own lock, and that of its slot.
		locks, _ := filepath.Glob(db + ".d/locks/*")
		if len(locks) >= 2 {
			time.Sleep(300 * time.Millisecond)
			w.recorded = b.attached(w.cmd.Process.Pid)
			return w, nil
		}
	}
	return nil, errors.Join(errors.New("the worker has no slot after 10 s: "+w.said()), w.stop())
}

func (w *worker) said() string {
	text, _ := os.ReadFile(w.talk)
	return string(text)
}

func (w *worker) stop() error {
	if w.recorded != nil {
		w.recorded()
	}
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("worker: %w: %s", err, w.said())
	}
	return nil
}

// usage is what a process has used of a core, and what it holds in memory.
type usage struct {
	cpu      time.Duration
	resident float64 // MB
}

var errNoProc = errors.New("/proc is not there")

// usageOf adds up the threads of a process, to the nanosecond where the
// kernel counts so.
func usageOf(pid int) (u usage, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return u, errNoProc
	}
	for _, task := range tasks {
		ns, err := strconv.ParseInt(firstWords(task, 1), 10, 64)
		if err != nil {
			continue // the thread has just ended
		}
		u.cpu += time.Duration(ns)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(text)) {
		if kb, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			u.resident = n * 1024 / 1e6
			return u, err
		}
	}
	return u, errNoProc
}

// children are the processes whose parent is pid.
func children(pid int) (list []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// idle is a worker that has nothing to do, and the slot that it keeps warm.
func (b *bench) idle() error {
	db, err := b.newDatabase("idle")
	if err != nil {
		return err
	}
	w, err := b.startWorker(db, nil, "--limit", "4")
	if err != nil {
		return err
	}
	defer w.stop() //nolint:errcheck // it has done nothing
	slots := children(w.cmd.Process.Pid)
	if len(slots) == 0 {
		b.skip("all of it", "the system does not tell a process's children")
		return nil
	}
	time.Sleep(2 * time.Second) // what the start left behind
	return b.watchIdle(w.cmd.Process.Pid, slots[0])
}

// watchIdle watches by the piece: what the machine does once, such as taking back
// memory, is in one of them.
func (b *bench) watchIdle(worker, slot int) error {
	names := []string{"worker", "slot"}
	shares, memory := make([][]float64, len(names)), make([][]float64, len(names))
	for range b.rounds(8, 5) {
		cpu, resident, err := b.watch(4*time.Second, worker, slot)
		if err != nil {
			return err
		}
		for i := range names {
			shares[i], memory[i] = append(shares[i], cpu[i]), append(memory[i], resident[i])
		}
	}
	for i, name := range names {
		b.show(name+", of a core", median(shares[i]), "%")
		b.show(name+", resident", median(memory[i]), "MB")
	}
	return nil
}

// watch gives what processes use of a core during a pause, in percent, and what
// they hold in memory at its end, in MB.
func (b *bench) watch(pause time.Duration, pids ...int) (cpu, resident []float64, err error) {
	before, start := make([]usage, len(pids)), time.Now()
	for i, pid := range pids {
		if before[i], err = usageOf(pid); err != nil {
			return nil, nil, err
		}
	}
	select {
	case <-time.After(pause):
	case <-b.ctx.Done():
		return nil, nil, b.ctx.Err()
	}
	for i, pid := range pids {
		u, err := usageOf(pid)
		if err != nil {
			return nil, nil, err
		}
		cpu = append(cpu, 100*float64(u.cpu-before[i].cpu)/float64(time.Since(start)))
		resident = append(resident, u.resident)
	}
	return cpu, resident, nil
}

// loaded is a worker with flows that sleep, and all its slots.
func (b *bench) loaded() error {
	script := filepath.Join(b.folder, "sleep.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil { //nolint:gosec // it is to be executed
		return err
	}
	for _, n := range []int{4, 64} {
		if err := b.loadedWith(script, n); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) loadedWith(script string, n int) error {
	db, err := b.newDatabase(fmt.Sprint("busy-", n))
	if err != nil {
		return err
	}
	if err := b.withStore(db, func(s *store.Store) error { return b.deploy(s, "sleep", script, nil) }); err != nil {
		return err
	}
	if err := b.fill(db, dueRuns("sleep"), n, time.Now().Add(-time.Minute).UnixMilli(), 0); err != nil {
		return err
	}
	w, err := b.startWorker(db, nil, "--limit", strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer func() {
		_ = w.cmd.Process.Signal(syscall.SIGTERM) // the second one, after this, cancels
		time.Sleep(100 * time.Millisecond)
		_ = w.stop()
	}()
	for range 500 {
		if running, err := b.countRuns(db, "r.state_type = 'RUNNING'"); err != nil || running == n {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // what the starts left behind
	pids := append(children(w.cmd.Process.Pid), w.cmd.Process.Pid)
	cpu, resident, err := b.watch(10*time.Second, pids...)
	if err != nil {
		return err
	}
	b.show(fmt.Sprintf("%d runs, worker and slots, of a core", n), exactly(sum(cpu)), "%")
	b.show(fmt.Sprintf("%d runs, worker and slots, resident, what they share counted in each", n), exactly(sum(resident)), "MB")
	return nil
}

func sum(list []float64) (total float64) {
	for _, v := range list {
		total += v
	}
	return total
}

// lines is a reader of n lines, as xargs takes them.
func lines(n int) io.Reader {
	var text strings.Builder
	for i := range n {
		fmt.Fprintln(&text, i)
	}
	return strings.NewReader(text.String())
}
