package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"runnel/store"
)

// rig is a real Prefect: its own server on SQLite, and a process worker.
type rig struct {
	bin, api       string
	env            []string
	server, worker *exec.Cmd
}

// prefectPackages are pinned as far as Prefect's own pins leave room for what it
// does not start with: its server passes arguments that later FastAPIs refuse.
var prefectPackages = []string{"prefect", "fastapi<0.145"}

// havePrefect finds the environment of an earlier run, or makes it.
func (b *bench) havePrefect() (bin string, found bool) {
	for _, venv := range []string{os.Getenv("RUNNEL_BENCH_PREFECT_VENV"), filepath.Join(tools(), "prefect")} {
		bin := filepath.Join(venv, "bin")
		if exec.CommandContext(b.ctx, filepath.Join(bin, "prefect"), "version").Run() == nil {
			return bin, true
		}
	}
	venv := filepath.Join(tools(), "prefect")
	ctx, stop := context.WithTimeout(b.ctx, buildTime)
	defer stop()
	fmt.Fprintln(os.Stderr, "  installing Prefect from PyPI, at most", buildTime)
	if text, err := exec.CommandContext(ctx, "python3", "-m", "venv", venv).CombinedOutput(); err != nil {
		b.skip("Prefect", "no virtual environment: "+lastLine(string(text), err))
		return "", false
	}
	pip := exec.CommandContext(ctx, filepath.Join(venv, "bin", "pip"), append([]string{"install", "--quiet", "--disable-pip-version-check"}, prefectPackages...)...)
	if text, err := pip.CombinedOutput(); err != nil {
		b.skip("Prefect", "pip cannot install it: "+lastLine(string(text), err))
		return "", false
	}
	return filepath.Join(venv, "bin"), true
}

// prefect measures the same work on Prefect and on runnel.
func (b *bench) prefect() error {
	bin, found := b.havePrefect()
	if !found {
		return nil
	}
	s, err := b.newStamps()
	if err != nil {
		return err
	}
	defer s.file.Close() //nolint:errcheck // only read
	db, err := b.newDatabase("prefect")
	if err != nil {
		return err
	}
	return b.withStore(db, func(opened *store.Store) error {
		for _, name := range []string{"stamp", "nothing"} {
			if _, err := b.pythonFlow(opened, name); err != nil {
				return err
			}
		}
		r, err := b.newRig(bin, s.env())
		if r != nil {
			defer r.stop()
		}
		if err != nil {
			b.skip("Prefect", "it does not start here: "+err.Error())
			return nil
		}
		w, err := b.startWorker(db, []string{s.env()}, "--limit", "4")
		if err != nil {
			return err
		}
		defer w.stop() //nolint:errcheck // it has done its work
		for _, part := range []struct {
			name string
			do   func() error
		}{
			{"Prefect's start-up", func() error { return b.prefectStartup(r, db) }},
			{"Prefect idle", func() error { return b.prefectIdle(r, w) }},
			{"Prefect's trigger", func() error { return b.prefectTrigger(r, s, opened) }},
			{"Prefect's throughput", func() error { return b.prefectThroughput(r, opened) }},
		} {
			if err := part.do(); err != nil {
				b.skip(part.name, fmt.Sprintf("%v; its worker said: %s", err, b.said("worker")))
			}
		}
		return nil
	})
}

// newRig starts server and worker and deploys both flows.
func (b *bench) newRig(bin, stamps string) (*rig, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := listener.Close(); err != nil {
		return nil, err
	}
	r := &rig{bin: bin, api: "http://" + address + "/api"}
	r.env = append(os.Environ(), "PREFECT_HOME="+filepath.Join(b.folder, "prefect-home"), "PREFECT_API_URL="+r.api,
		"PREFECT_SERVER_ANALYTICS_ENABLED=false", "DO_NOT_TRACK=1", "PREFECT_LOGGING_LEVEL=ERROR", stamps)
	if r.server, err = b.background(r, "server", "server", "start", "--host", "127.0.0.1", "--port", port); err != nil {
		return r, err
	}
	up := time.Now().Add(2 * time.Minute)
	for r.call("GET", "/health", nil, nil) != nil {
		if time.Now().After(up) || r.server.ProcessState != nil {
			return r, errors.New("its server does not answer: " + b.said("server"))
		}
		time.Sleep(200 * time.Millisecond)
	}
	commands := [][]string{{"work-pool", "create", poolName, "--type", "process"}}
	for _, name := range []string{"stamp", "nothing"} {
		commands = append(commands, []string{"deploy", "bench_flow.py:" + name, "-n", poolName, "--pool", poolName})
	}
	for _, arguments := range commands {
		cmd := b.command(r, append([]string{"--no-prompt"}, arguments...)...)
		if text, err := cmd.CombinedOutput(); err != nil {
			return r, fmt.Errorf("prefect %s: %s", strings.Join(arguments, " "), lastLine(string(text), err))
		}
	}
	if r.worker, err = b.background(r, "worker", "worker", "start", "--pool", poolName, "--limit", "4"); err != nil {
		return r, err
	}
	time.Sleep(10 * time.Second) // it imports for seconds
	return r, nil
}

func (b *bench) command(r *rig, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, filepath.Join(r.bin, "prefect"), arguments...)
	cmd.Env, cmd.Dir = r.env, b.folder
	return cmd
}

func (b *bench) background(r *rig, log string, arguments ...string) (*exec.Cmd, error) {
	cmd := b.command(r, arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	file, err := os.Create(filepath.Join(b.folder, "prefect-"+log+".log"))
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // the process has its own copy
	cmd.Stdout, cmd.Stderr = file, file
	return cmd, cmd.Start()
}

func (b *bench) said(log string) string {
	text, err := os.ReadFile(filepath.Join(b.folder, "prefect-"+log+".log"))
	return lastLine(string(text), err)
}

// stop ends server and worker, and all that they started.
func (r *rig) stop() {
	for _, cmd := range []*exec.Cmd{r.worker, r.server} {
		if cmd == nil || cmd.Process == nil {
			continue
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait()
		kill.Stop()
	}
}

// call asks the server.
func (r *rig) call(method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, r.api+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(response.Body)
	if response.StatusCode == http.StatusServiceUnavailable {
		return errBusy
	}
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, response.Status, content)
	}
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(content, answer)
}

var errBusy = errors.New("503 Service Unavailable")

// patiently asks again where the server says that it has too much to do.
func (r *rig) patiently(method, path string, body, answer any) (err error) {
	for range 100 {
		if err = r.call(method, path, body, answer); !errors.Is(err, errBusy) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return err
}

func (b *bench) prefectStartup(r *rig, db string) error {
	prefect := filepath.Join(r.bin, "prefect")
	for _, name := range []string{"PREFECT_HOME", "PREFECT_API_URL"} {
		for _, pair := range r.env {
			if value, found := strings.CutPrefix(pair, name+"="); found {
				if err := os.Setenv(name, value); err != nil {
					return err
				}
			}
		}
	}
	times, err := b.turns(3, []string{prefect, "version"}, []string{b.binary, "version"},
		[]string{prefect, "deployment", "ls"}, []string{b.binary, "--db", db, "deployment", "ls"})
	if err != nil {
		return err
	}
	b.show("prefect version", median(times[0]), "ms")
	b.show("version, runnel / Prefect", ratio(times[1], times[0]), "x")
	b.show("prefect deployment ls", median(times[2]), "ms")
	b.show("deployment ls, runnel / Prefect", ratio(times[3], times[2]), "x")
	return nil
}

// prefectIdle watches server and both workers for the same seconds.
func (b *bench) prefectIdle(r *rig, w *worker) error {
	cpu, resident, err := b.watch(20*time.Second, w.cmd.Process.Pid, r.worker.Process.Pid, r.server.Process.Pid)
	if err != nil {
		return err
	}
	for i, name := range []string{"runnel's worker", "Prefect's worker", "Prefect's server"} {
		b.show("idle, "+name+", of a core", exactly(cpu[i]), "%")
		b.show("idle, "+name+", resident", exactly(resident[i]), "MB")
	}
	b.show("idle worker CPU, runnel / Prefect", exactly(cpu[0]/cpu[1]), "x")
	b.show("idle worker resident, runnel / Prefect", exactly(resident[0]/resident[1]), "x")
	// What one waits with: runnel's worker needs nothing beside it.
	b.show("idle CPU, runnel / Prefect's server and worker", exactly(cpu[0]/(cpu[1]+cpu[2])), "x")
	b.show("idle resident, runnel / Prefect's server and worker", exactly(resident[0]/(resident[1]+resident[2])), "x")
	return nil
}

// prefectTrigger is from the start of each one's command to the flow's first line.
func (b *bench) prefectTrigger(r *rig, s *stamps, opened *store.Store) error {
	var ours, theirs []float64
	for range 5 {
		own, err := b.fromCommand(s, opened, "stamp")
		if err != nil {
			return err
		}
		start := monotonic()
		if text, err := b.command(r, "deployment", "run", "stamp/"+poolName).CombinedOutput(); err != nil {
			return errors.New(lastLine(string(text), err))
		}
		other, err := s.within(start, 3*time.Minute)
		if err != nil {
			return err
		}
		ours, theirs = append(ours, own), append(theirs, other)
	}
	b.show("trigger to start, runnel run", median(ours), "ms")
	b.show("trigger to start, prefect deployment run", median(theirs), "ms")
	b.show("trigger to start, runnel / Prefect", ratio(ours, theirs), "x")
	return nil
}

// prefectThroughput gives both the same number of runs of a flow that does nothing.
func (b *bench) prefectThroughput(r *rig, opened *store.Store) error {
	const n = 50
	var deployment struct {
		ID string `json:"id"`
	}
	if err := r.call("GET", "/deployments/name/nothing/"+poolName, nil, &deployment); err != nil {
		return err
	}
	start := time.Now()
	for range n {
		if err := r.patiently("POST", "/deployments/"+deployment.ID+"/create_flow_run", map[string]any{"state": map[string]string{"type": "SCHEDULED"}}, nil); err != nil {
			return err
		}
	}
	filter := map[string]any{
		"deployments": map[string]any{"id": map[string]any{"any_": []string{deployment.ID}}},
		"flow_runs":   map[string]any{"state": map[string]any{"type": map[string]any{"any_": []string{"COMPLETED"}}}},
	}
	for done := 0; done < n; time.Sleep(200 * time.Millisecond) {
		if err := r.patiently("POST", "/flow_runs/count", filter, &done); err != nil {
			return err
		}
		if time.Since(start) > 4*time.Minute {
			b.skip("throughput", fmt.Sprintf("%d of %d runs of Prefect's ended in 4 minutes", done, n))
			return nil
		}
	}
	theirs := n / time.Since(start).Seconds()
	start = time.Now()
	for range n {
		if _, _, err := opened.CreateRun(b.ctx, store.NewRun{Deployment: flowName + "/nothing", CreatedBy: "bench"}); err != nil {
			return err
		}
	}
	for done := 0; done < n; time.Sleep(5 * time.Millisecond) {
		var err error
		if done, err = b.countRuns(opened.Path(), "r.state_type = 'COMPLETED' AND r.deployment_name = 'bench/nothing'"); err != nil {
			return err
		}
	}
	ours := n / time.Since(start).Seconds()
	b.show("50 Python flows, runnel", exactly(ours), "/s")
	b.show("50 Python flows, Prefect", exactly(theirs), "/s")
	b.show("rate, runnel / Prefect", exactly(ours/theirs), "x")
	return nil
}
