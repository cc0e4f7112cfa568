package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tools is where what was installed stays for the next run.
func tools() string { return filepath.Join(os.TempDir(), "runnel-bench-tools") }

// have says whether a program is there. Where it may, it installs its Debian
// package; a quick run installs nothing.
func (b *bench) have(program, debian string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	if !b.quick && os.Getuid() == 0 {
		install := exec.CommandContext(b.ctx, "sh", "-c", "apt-get -qq update; apt-get -qq install -y --no-install-recommends "+debian)
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		_ = install.Run()
	}
	if _, err := exec.LookPath(program); err != nil {
		b.skip(program, "not on PATH, and Debian's "+debian+" was not installed")
		return false
	}
	return true
}

// buildTime bounds what one may wait for another program's build.
const buildTime = 4 * time.Minute

// havePueue finds pueue, or builds it from its registry.
func (b *bench) havePueue() (folder string, found bool) {
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), filepath.Join(tools(), "bin")) {
		if _, err := os.Stat(filepath.Join(folder, "pueued")); err == nil {
			return folder, true
		}
	}
	if b.noPueue != "" {
		b.skip("pueue", b.noPueue)
		return "", false
	}
	fmt.Fprintln(os.Stderr, "  building pueue, at most", buildTime)
	ctx, stop := context.WithTimeout(b.ctx, buildTime)
	defer stop()
	build := exec.CommandContext(ctx, "cargo", "install", "--quiet", "--locked", "--root", tools(), "pueue")
	// What was compiled stays for the next try; without its last optimisations it
	// is built in half the time.
	build.Env = append(os.Environ(), "CARGO_TARGET_DIR="+filepath.Join(tools(), "target"),
		"CARGO_PROFILE_RELEASE_LTO=off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16")
	if text, err := build.CombinedOutput(); err != nil {
		b.noPueue = "cargo cannot build it here: " + lastLine(string(text), err)
		b.skip("pueue", b.noPueue)
		return "", false
	}
	return filepath.Join(tools(), "bin"), true
}

func lastLine(text string, err error) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}

// tsp is a spooler of its own for this run, four jobs at a time.
type tsp struct{ env []string }

func (b *bench) newTsp() (*tsp, error) {
	t := &tsp{env: append(os.Environ(), "TS_SOCKET="+filepath.Join(b.folder, "tsp"), "TS_MAXCONN=5000", "TS_ONFINISH=", "TMPDIR="+b.folder)}
	return t, t.do(b.ctx, "-S", "4")
}

func (t *tsp) do(ctx context.Context, arguments ...string) error {
	cmd := exec.CommandContext(ctx, "tsp", arguments...)
	cmd.Env = t.env
	return cmd.Run()
}

// drain gives it n jobs and waits for the last, in milliseconds.
func (t *tsp) drain(ctx context.Context, n int) (float64, error) {
	start := time.Now()
	for range n {
		if err := t.do(ctx, "-n", "/bin/true"); err != nil {
			return 0, err
		}
	}
	if err := t.do(ctx, "-w"); err != nil {
		return 0, err
	}
	took := ms(time.Since(start))
	return took, t.do(ctx, "-C")
}

func (t *tsp) stop() { _ = t.do(context.Background(), "-K") }

// pueue is a daemon of its own for this run, four jobs at a time.
type pueue struct {
	folder, config string
	env            []string
	daemon         *exec.Cmd
}

func (b *bench) newPueue(folder string, env ...string) (*pueue, error) {
	home := filepath.Join(b.folder, "pueue-"+b.figure)
	p := &pueue{folder: folder, config: filepath.Join(home, "pueue.yml"), env: append(os.Environ(), env...)}
	config := fmt.Sprintf("shared:\n  pueue_directory: %[1]s\n  runtime_directory: %[1]s\n  use_unix_socket: true\ndaemon: {}\nclient: {}\n", home)
	if err := errors.Join(os.MkdirAll(home, 0o700), os.WriteFile(p.config, []byte(config), 0o600)); err != nil {
		return nil, err
	}
	p.daemon = exec.Command(filepath.Join(folder, "pueued"), "-c", p.config)
	p.daemon.Env = p.env
	if err := p.daemon.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		if p.do(b.ctx, "parallel", "4") == nil {
			return p, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.stop()
	return nil, errors.New("pueued does not answer")
}

func (p *pueue) do(ctx context.Context, arguments ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.folder, "pueue"), append([]string{"-c", p.config}, arguments...)...)
	cmd.Env = p.env
	return cmd.Run()
}

func (p *pueue) drain(ctx context.Context, n int) (float64, error) {
	start := time.Now()
	for range n {
		if err := p.do(ctx, "add", "--", "/bin/true"); err != nil {
			return 0, err
		}
	}
	if err := p.do(ctx, "wait", "--all", "--quiet"); err != nil {
		return 0, err
	}
	took := ms(time.Since(start))
	return took, p.do(ctx, "clean")
}

func (p *pueue) stop() {
	_ = p.do(context.Background(), "shutdown")
	done := time.AfterFunc(5*time.Second, func() { _ = p.daemon.Process.Kill() })
	defer done.Stop()
	_ = p.daemon.Wait()
}
