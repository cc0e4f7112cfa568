//go:build unix

package runner

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// silentHost takes connections and says nothing; each is told of.
func silentHost(t *testing.T) (address string, taken <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	told := make(chan struct{}, 99)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			told <- struct{}{}
		}
	}()
	return listener.Addr().String(), told
}

// shortSilence has git given up soon.
func shortSilence(t *testing.T) {
	t.Helper()
	before := gitSilence
	gitSilence = 300 * time.Millisecond
	t.Cleanup(func() { gitSilence = before })
}

// TestASilentHostIsGivenUp by name, over each transport, and asked once.
func TestASilentHostIsGivenUp(t *testing.T) {
	r := newRemote(t)
	shortSilence(t)
	t.Setenv("GIT_SSH_COMMAND", "ssh -F none -o BatchMode=yes")
	host, _ := silentHost(t)
	for _, scheme := range []string{"git", "http", "https", "ssh"} {
		if _, err := exec.LookPath("ssh"); scheme == "ssh" && err != nil {
			continue
		}
		url := scheme + "://" + host + "/tls.git" // which reads like trouble of a network
		_, out, err := r.clone(t, url, `, "branch": "main"`)
		if !errors.As(err, new(silentError)) || !strings.Contains(err.Error(), "nothing came from "+url+" for 300ms") ||
			!strings.Contains(err.Error(), "no earlier commit runs in place") || strings.Contains(out, "is tried again") {
			t.Errorf("%s: %v\n%s", scheme, err, out)
		}
	}
}

// TestAFetchThatFallsSilent: it is given up in the middle of a pack, and the next
// has all of it.
func TestAFetchThatFallsSilent(t *testing.T) {
	r := newRemote(t)
	pinned := r.token() + `, "commit_sha": "` + r.pushBig(1000000) + `"`
	release := r.holdBack()
	before := gitSilence
	shortSilence(t)
	_, out, err := r.clone(t, r.url+"/r.git", pinned)
	if !errors.As(err, new(silentError)) || !strings.Contains(err.Error(), r.url) || !strings.Contains(out, "runnel: nothing came from "+r.url) {
		t.Errorf("%v\n%s", err, out)
	}
	release()
	gitSilence = before
	if folder, out, err := r.clone(t, r.url+"/r.git", pinned); err != nil || len(content(t, folder, "big")) < 900000 {
		t.Errorf("afterwards: %v\n%s", err, out)
	}
}

// TestProgressIsHeardAndNotShown: it is how a fetch that goes on is told from a
// silent one.
func TestProgressIsHeardAndNotShown(t *testing.T) {
	r := newRemote(t)
	commit := r.pushBig(1000000)
	var shown bytes.Buffer
	console := &console{stdout: &shown, stderr: &shown}
	step := &stepRun{cache: r.state, env: os.Environ(), say: func(string) {}}
	c := &clone{gitRun: gitRun{stepRun: step, login: login{host: r.url, user: r.user, password: r.password}, url: r.url + "/r.git"}}
	var heard output
	step.exec = func(c command) (output, error) {
		out, err := console.exec(t.Context(), c, step)
		if slices.Contains(c.argv, "fetch") {
			heard = out
			if c.silence != gitSilence {
				t.Errorf("it may be silent for %s", c.silence)
			}
		}
		return out, err
	}
	check(t, os.Mkdir(r.state, 0o700))
	check(t, c.withMirror(func() error { return c.fetch(commit) }))
	for _, want := range []string{"remote: ", "Receiving objects: 100%"} {
		if !strings.Contains(string(heard.stderr.head), want) {
			t.Errorf("%q was not heard in %q", want, heard.stderr.head)
		}
	}
	if shown.Len() > 0 {
		t.Errorf("shown: %s", shown.String())
	}
	heard.stderr.tail = []byte("remote: a\nReceiving objects: 10%\rReceiving objects: 20%\rfatal: early EOF\r\n\nfatal: b\n")
	if got := heard.lastLines(); got != "remote: a\nfatal: early EOF\nfatal: b" {
		t.Errorf("its last lines: %q", got)
	}
}

// TestSilenceIsCountedFromTheLastByte: whoever writes in time goes on.
func TestSilenceIsCountedFromTheLastByte(t *testing.T) {
	process, err := Start(Spec{Argv: []string{"sleep", "1000"}, Env: os.Environ()})
	check(t, err)
	t.Cleanup(process.killGroup)
	synctest.Test(t, func(t *testing.T) {
		var out output
		h := command{silence: time.Minute}.listen(&out)
		stop := h.watch(process.PID, process.killGroup)
		defer stop()
		for range 10 {
			time.Sleep(50 * time.Second)
			out.stderr.add([]byte("x"))
		}
		if h.over.Load() {
			t.Error("it was taken for silent")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !h.over.Load() {
			t.Error("its silence was not noticed")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// Who was stopped for longer than that has yet to read what was said meanwhile.
		var out output
		h := command{silence: time.Minute}.listen(&out)
		h.began = h.began.Add(-time.Hour)
		ended := make(chan struct{})
		go func() {
			time.Sleep(time.Second)
			out.stdout.add([]byte("x"))
			time.Sleep(50 * time.Second)
			close(ended)
		}()
		if h.falls(process.PID, ended) {
			t.Error("it was taken for silent without a second look")
		}
	})
	if exit := process.Reap(); exit.Signal != int(syscall.SIGKILL) {
		t.Errorf("it ended with %+v", exit)
	}
}
