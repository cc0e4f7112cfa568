//go:build unix

package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helpers run in a process of their own (this test binary again), which has no
// other children and may be killed.
var helpers = map[string]func(arg string){
	"slot": slotHelper,
	"fifo": fifoHelper,
	"full": fullHelper,
	"race": raceHelper,
}

func TestHelper(*testing.T) {
	if run := helpers[os.Getenv("RUNNER_TEST_HELPER")]; run != nil {
		run(os.Getenv("RUNNER_TEST_ARGUMENT"))
		os.Exit(0) // before the test prints anything
	}
}

type helperProcess struct {
	t   testing.TB
	cmd *exec.Cmd
	out *bufio.Reader
}

func helper(t testing.TB, name, arg string) *helperProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$")
	cmd.Env = append(os.Environ(), "RUNNER_TEST_HELPER="+name, "RUNNER_TEST_ARGUMENT="+arg)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code > 0 {
			t.Errorf("the helper %s ended by itself, with %d", name, code)
		}
	})
	return &helperProcess{t, cmd, bufio.NewReader(out)}
}

// untilKilled keeps a helper there for its test. Go's runtime takes a select
// without cases, where nothing else waits, for a deadlock, and ends the process.
func untilKilled() { time.Sleep(time.Minute) }

func (h *helperProcess) line() string {
	h.t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		h.t.Fatalf("helper ended: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// answer reads the line of JSON that a helper ends with.
func (h *helperProcess) answer(into any) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.line()), into); err != nil {
		h.t.Fatal(err)
	}
}

func say(answer any) {
	text := must(json.Marshal(answer))
	fmt.Println(string(text))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// eventually looks until it is so; the limit is only for a test that fails.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func (p *Process) kill() error { return unix.Kill(p.PID, unix.SIGKILL) }

func start(t testing.TB, spec Spec) *Process {
	t.Helper()
	if spec.Env == nil {
		spec.Env = os.Environ()
	}
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-p.PID, unix.SIGKILL)
		p.Reap()
	})
	return p
}

func TestExit(t *testing.T) {
	spin := "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
	for _, test := range []struct {
		script string
		want   Exit
	}{
		{"exit 0", Exit{}},
		{"exit 7", Exit{Code: 7}},
		{"exit 137", Exit{Code: 137}},
		{spin + "kill -KILL $$", Exit{Code: 137, Signal: 9}},
		{"ulimit -c 0; kill -SEGV $$", Exit{Code: 139, Signal: 11}},
	} {
		p := start(t, Spec{Argv: []string{"sh", "-c", test.script}})
		peeked, err := p.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Getpgid(p.PID); err != nil {
			t.Errorf("%s: no zombie after Wait: %v", test.script, err)
		}
		exit := p.Reap()
		if again := p.Reap(); again != exit {
			t.Errorf("%s: reaped twice: %+v, %+v", test.script, exit, again)
		}
		if waited, err := p.Wait(t.Context()); err != nil || waited != exit {
			t.Errorf("%s: waited after Reap: %+v, %v", test.script, waited, err)
		}
		for _, exit := range []Exit{peeked, exit} {
			if exit.MaxRSS < 100<<10 || exit.MaxRSS > 1<<30 {
				t.Errorf("%s: %d bytes resident", test.script, exit.MaxRSS)
			}
			if strings.HasPrefix(test.script, spin) && exit.UserTime <= 0 {
				t.Errorf("%s: %v of user time", test.script, exit.UserTime)
			}
			exit.MaxRSS, exit.UserTime, exit.SystemTime = 0, 0, 0
			if exit != test.want {
				t.Errorf("%s: %+v, want %+v", test.script, exit, test.want)
			}
		}
	}
	if SignalName(9) != "SIGKILL" || SignalName(40) != "signal 40" {
		t.Error(SignalName(9), SignalName(40))
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	p := start(t, Spec{Argv: []string{"sleep", "30"}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waited: %v", err)
	}
	if left, err := p.Children(); err != nil || !slices.Equal(left, []int{p.PID}) {
		t.Errorf("left %v, %v; want the flow %d", left, err, p.PID)
	}
}

// TestStartSets: group, directory, environment, PATH, descriptors.
func TestStartSets(t *testing.T) {
	dir := must(filepath.EvalSymlinks(t.TempDir()))
	out := must(os.Create(filepath.Join(dir, "out")))
	extra := must(os.Open(os.DevNull))
	defer out.Close()
	defer extra.Close()
	log := must(CreateLog(filepath.Join(dir, "secret.log")))
	defer log.Close()
	lock := must(TakeLock(filepath.Join(dir, "secret.lock")))
	defer lock.Close()
	fifo := must(MakeFifo(filepath.Join(dir, "secret.fifo")))
	defer fifo.Read.Close()
	defer fifo.Write.Close()
	script := "#!/bin/sh\npwd; echo $ONE; cat; readlink /proc/self/fd/3; ls -l /proc/self/fd | grep -c secret"
	must(0, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	must(0, os.WriteFile(filepath.Join(dir, "bin", "mine"), []byte(script), 0o700))
	p := start(t, Spec{
		Argv: []string{"mine"}, Dir: dir, Stdout: out, Extra: []*os.File{extra},
		Env: []string{"ONE=1 and more", "PATH=bin:" + os.Getenv("PATH")},
	})
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if group, err := unix.Getpgid(p.PID); err != nil || group != p.PID {
		t.Errorf("group %d of %d, %v", group, p.PID, err)
	}
	text := string(must(os.ReadFile(out.Name())))
	want := fmt.Sprintf("%s\n1 and more\n", dir)
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		want += "/dev/null\n0\n" // nothing of ours that it was not given
	} else {
		text = strings.Join(strings.SplitAfter(text, "\n")[:2], "")
	}
	if text != want {
		t.Errorf("it says %q, want %q", text, want)
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		must(0, os.WriteFile(path, []byte(text), mode))
		return path
	}
	gone := file("gone.sh", "#!/no/such/python -u\n", 0o700)
	crlf := file("crlf.sh", "#!/bin/sh\r\necho\r\n", 0o700)
	text := file("text", "just text\n", 0o700)
	plain := file("it's plain.sh", "#!/bin/sh\n", 0o600)
	inside := file("inside.sh", "#!"+dir+"\n", 0o700)
	long := strings.Repeat("x", 200_000)
	many := make([]string, 200)
	for i := range many {
		many[i] = fmt.Sprintf("V%d=%s", i, long[:100_000])
	}
	for _, test := range []struct {
		name string
		spec Spec
		kind error
		says string
	}{
		{"no program", Spec{}, ErrNotFound, "no program is named"},
		{"no file", Spec{Argv: []string{dir + "/none"}}, ErrNotFound, "no such file"},
		{"no folder on the way", Spec{Argv: []string{plain + "/x"}}, ErrNotFound, "no such file"},
		{"not on PATH", Spec{Argv: []string{"surely-none"}}, ErrNotFound, `no program "surely-none" on PATH`},
		{"not executable", Spec{Argv: []string{plain}}, ErrNotExecutable, `chmod +x '` + dir + `/it'\''s plain.sh'`},
		{"not executable on PATH", Spec{Argv: []string{"it's plain.sh"}, Env: []string{"PATH=" + dir}}, ErrNotExecutable, "chmod +x"},
		{"a folder", Spec{Argv: []string{dir}}, ErrNotExecutable, "it is a folder"},
		{"text", Spec{Argv: []string{text}}, ErrNotExecutable, "nor a script with a #! line"},
		{"interpreter", Spec{Argv: []string{gone}}, ErrInterpreter, "asks for /no/such/python, which does not exist"},
		{"line ends", Spec{Argv: []string{crlf}}, ErrInterpreter, `asks for "/bin/sh\r": the file has Windows line ends`},
		{"interpreter is a folder", Spec{Argv: []string{inside}}, ErrNotExecutable, "asks for " + dir + ", which cannot be executed"},
		{"directory", Spec{Argv: []string{"/bin/sh"}, Dir: dir + "/none"}, ErrNoFolder, dir + "/none does not exist"},
		{"directory is a file", Spec{Argv: []string{"/bin/sh"}, Dir: plain}, ErrNoFolder, "is no folder"},
		{"NUL in an argument", Spec{Argv: []string{"/bin/sh", "a\x00b"}}, ErrBadArgument, "argument 1 holds a NUL byte"},
		{"NUL in a variable", Spec{Argv: []string{"/bin/sh"}, Env: []string{"A=\x00"}}, ErrBadArgument, `"A" holds a NUL`},
		{"long argument", Spec{Argv: []string{"/bin/sh", long}}, ErrTooLong, "argument 1 has 200000 bytes"},
		{"long variable", Spec{Argv: []string{"/bin/sh"}, Env: []string{"LONG=" + long}}, ErrTooLong, "the variable LONG has 200005 bytes"},
		{"long environment", Spec{Argv: []string{"/bin/sh"}, Env: many}, ErrTooLong, "bytes together"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Start(test.spec)
			var started *StartError
			if !errors.As(err, &started) || !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v (kind %v), want %q", err, errors.Is(err, test.kind), test.says)
			}
		})
	}
	if len(flows.pids) != 0 {
		t.Errorf("flows left: %v", flows.pids)
	}
}

// TestStartRacesReap: flows that end at once, and starts that fail, while
// other goroutines wait and reap.
func TestStartRacesReap(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	must(0, os.WriteFile(text, []byte("no program\n"), 0o700))
	var failures string
	if helper(t, "race", text).answer(&failures); failures != "" {
		t.Error(failures)
	}
}

func raceHelper(text string) {
	must(0, BecomeReaper())
	done := make(chan error)
	for range 4 {
		go func() {
			var errs error
			for i := range 60 {
				if _, err := Start(Spec{Argv: []string{text}}); !errors.Is(err, ErrNotExecutable) {
					errs = errors.Join(errs, fmt.Errorf("bad start: %w", err))
				}
				argv := []string{"sh", "-c", fmt.Sprintf("(sleep 0.00$((%d %% 7)) &) ; exit %d", i, i)}
				p, err := Start(Spec{Argv: argv})
				if err != nil {
					errs = errors.Join(errs, err)
					continue
				}
				exit, err := p.Wait(context.Background())
				if reaped := p.Reap(); err != nil || exit.Code != i || reaped.Code != i {
					errs = errors.Join(errs, fmt.Errorf("exit %d was %+v, %+v, %w", i, exit, reaped, err))
				}
			}
			done <- errs
		}()
	}
	failures := ""
	for range 4 {
		if err := <-done; err != nil {
			failures += err.Error() + "\n"
		}
	}
	say(failures)
}

// TestFifoOutlivesItsReader: the slot that reads is killed in the middle, the
// flow prints on to nobody, and another reader reads on; no line is lost.
func TestFifoOutlivesItsReader(t *testing.T) {
	folder := t.TempDir()
	slot := helper(t, "fifo", folder)
	first := slot.line()
	_ = slot.cmd.Process.Kill()
	_ = slot.cmd.Wait()
	must(0, os.WriteFile(filepath.Join(folder, "go"), nil, 0o600))
	eventually(t, "all is written", func() bool {
		_, err := os.Stat(filepath.Join(folder, "written"))
		return err == nil
	})
	read, err := OpenFifo(filepath.Join(folder, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	must(0, os.WriteFile(filepath.Join(folder, "end"), nil, 0o600))
	log, path := testLog(t)
	pumpTo(read, log)
	text := first + "\n" + raw(t, path)
	want := ""
	for i := range 40 {
		want += fmt.Sprintf("line %d\n", i)
	}
	if text != want+"end 0\n" {
		t.Errorf("the two readers have %q", text)
	}
}

func fifoHelper(folder string) {
	fifo := must(MakeFifo(filepath.Join(folder, "out")))
	script := `i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1))
		while [ $i = 20 -a ! -e go ]; do sleep 0.01; done; done
		: >written; while [ ! -e end ]; do sleep 0.01; done; echo end $?`
	must(Start(Spec{Argv: []string{"sh", "-c", script}, Dir: folder, Stdout: fifo.Write, Stderr: fifo.Write}))
	_ = fifo.Write.Close()
	var line []byte // a byte each, or the first read takes more than the test sees
	for one := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; line = append(line, one...) {
		must(fifo.Read.Read(one))
	}
	fmt.Print(string(line))
	untilKilled()
}

// TestPumpDrains: the flow has ended, a grandchild keeps the FIFO and writes
// for ever; all that the flow wrote is there, and the pump ends.
func TestPumpDrains(t *testing.T) {
	fifo := must(MakeFifo(filepath.Join(t.TempDir(), "out")))
	defer fifo.Read.Close()
	noise := `yes noise & ` // outlives the shell, in its group
	script := noise + `i=0; while [ $i -lt 300 ]; do echo flow $i; i=$((i+1)); done`
	p := start(t, Spec{Argv: []string{"sh", "-c", script}, Stdout: fifo.Write})
	_ = fifo.Write.Close()
	log, path := testLog(t)
	pumped := make(chan struct{})
	go func() {
		pumpTo(fifo.Read, log)
		close(pumped)
	}()
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(0, fifo.Read.SetReadDeadline(time.Now()))
	<-pumped
	if n := strings.Count(raw(t, path), "flow "); n != 300 {
		t.Errorf("%d lines of the flow's 300 are in the log", n)
	}
}

// TestLogGoesOnAfterAFullDisk: a limit of the file's size stands for the disk.
func TestLogGoesOnAfterAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var answer struct{ Failed, Went string }
	helper(t, "full", path).answer(&answer)
	if !strings.Contains(answer.Failed, "file too large") || answer.Went != "" {
		t.Errorf("error while full %q, after %q", answer.Failed, answer.Went)
	}
	lines := strings.Split(strings.TrimSuffix(raw(t, path), "\n"), "\n")
	if lines[0] != "before" || lines[len(lines)-1] != "after" {
		t.Errorf("log begins %q and ends %q", lines[0], lines[len(lines)-1])
	}
	for i, line := range lines[1 : len(lines)-1] {
		if line != fmt.Sprintf("%032d", i) { // whole lines, none half
			t.Fatalf("line %d is %q", i, line)
		}
	}
}

func fullHelper(path string) {
	log := must(CreateLog(path))
	must(0, log.Append("stdout", []byte("before\n"), noon))
	var limit unix.Rlimit
	must(0, unix.Getrlimit(unix.RLIMIT_FSIZE, &limit))
	must(0, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10_000, Max: limit.Max}))
	var chunk []byte
	for i := range 1000 {
		chunk = fmt.Appendf(chunk, "%032d\n", i)
	}
	_ = log.Append("stdout", chunk, noon)
	failed := log.Append("stdout", []byte(strings.Repeat("more ", 1000)+"\n"), noon)
	must(0, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	answer := struct{ Failed, Went string }{Failed: errors.Join(log.Err(), failed).Error()}
	if err := log.Append("stdout", []byte("after\n"), noon); err != nil {
		answer.Went = err.Error()
	}
	say(answer)
}

// pumpTo is how an attempt reads a stream into its log.
func pumpTo(fifo *os.File, log *Log) {
	Pump(fifo, func(chunk []byte) { _ = log.Append("stdout", chunk, time.Now()) })
	_ = log.Flush("stdout")
}
