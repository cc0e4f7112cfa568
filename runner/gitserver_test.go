//go:build unix

package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// remote serves repositories on loopback: over http to who has the password, by
// git's own daemon, and over ssh. A git of ours notes its arguments first.
type remote struct {
	t                   testing.TB
	url, user, password string
	refuses             atomic.Bool // whoever asks
	folder, arguments   string
	state               string // beside the database
	// cut ends that many answers with packs in their middle, hold keeps each back
	// until it is closed.
	cut  atomic.Int32
	hold atomic.Pointer[chan struct{}]
	held chan struct{} // told of each that is kept back
}

func newRemote(t testing.TB) *remote {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("LEFT OUT: git: there is none on PATH")
	}
	r := &remote{t: t, folder: t.TempDir(), user: "x-access-token", password: "s3cr3t t0ken/%41", held: make(chan struct{}, 99)}
	r.arguments, r.state = filepath.Join(r.folder, "arguments"), filepath.Join(r.folder, "state")
	t.Cleanup(func() { check(t, removeTree(r.state)) })
	before := clonePause
	clonePause = time.Millisecond
	t.Cleanup(func() { clonePause = before })
	r.shell(`
mkdir sub; cd sub; git init -qb main; echo sub >file; git add .; git commit -qm sub; cd ..
git clone -q --bare sub served/sub.git
git init -qb main work; cd work; mkdir a b; echo a >a/file; echo b >b/file; printf '#!/bin/sh\ncat a/file\n' >flow.sh; chmod +x flow.sh; git add .; git commit -qm one
git rev-parse HEAD >../one; git tag -am v1 v1; echo two >a/file; git commit -qam two; cd ..
git clone -q --bare work served/r.git; git -C work remote add origin ../served/r.git`)
	r.shell(fmt.Sprintf(`mkdir bin; printf '#!/bin/sh\necho "$@" >>%s\nexec %s "$@"\n' >bin/git; chmod +x bin/git`, r.arguments, git))
	t.Setenv("PATH", filepath.Join(r.folder, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(r.folder, "config"))
	backend := &cgi.Handler{
		Path: git, Args: []string{"http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Join(r.folder, "served"), "GIT_HTTP_EXPORT_ALL=1"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if user, password, _ := q.BasicAuth(); user != r.user || password != r.password || r.refuses.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		q.Header.Del("Authorization")
		backend.ServeHTTP(&packWriter{ResponseWriter: w, r: r, asked: q}, q)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// packWriter passes an answer on, and breaks one with a pack where it is told to.
type packWriter struct {
	http.ResponseWriter
	r     *remote
	asked *http.Request
	sent  int
}

// packBegins is behind all that is no pack, in bytes.
const packBegins = 20 << 10

func (w *packWriter) Write(chunk []byte) (int, error) {
	before := w.sent
	w.sent += len(chunk)
	if before < packBegins && w.sent >= packBegins {
		if hold := w.r.hold.Load(); hold != nil {
			w.flush()
			w.r.held <- struct{}{}
			select {
			case <-*hold:
			case <-w.asked.Context().Done(): // the client was killed
			}
		}
		if w.r.cut.Add(-1) >= 0 {
			w.flush()
			panic(http.ErrAbortHandler)
		}
	}
	return w.ResponseWriter.Write(chunk)
}

func (w *packWriter) flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// holdBack has the next answer with a pack stop in its middle until it is released.
func (r *remote) holdBack() (release func()) {
	hold := make(chan struct{})
	release = sync.OnceFunc(func() { close(hold) })
	r.t.Cleanup(release)
	r.hold.Store(&hold)
	return release
}

// isHeld waits for an answer to be held back; those after it are not.
func (r *remote) isHeld() {
	r.t.Helper()
	select {
	case <-r.held:
		r.hold.Store(nil)
	case <-time.After(20 * time.Second):
		r.t.Fatal("no pack was asked for")
	}
}

// shell runs a script where the repositories are, with git's own settings.
func (r *remote) shell(script string) string {
	r.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = r.folder
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org",
		"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org")
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("%v: %s\n%s", err, err.(*exec.ExitError).Stderr, script)
	}
	return strings.TrimSpace(string(out))
}

// push commits a new content of a/file, and gives the commit.
func (r *remote) push(content string) string {
	r.t.Helper()
	return r.shell(fmt.Sprintf("cd work; printf %%s '%s' >a/file; git commit -qam '%s'; git push -q origin HEAD:main; git rev-parse HEAD", content, content))
}

// pushBig commits a file that makes a pack of that many bytes.
func (r *remote) pushBig(size int) string {
	r.t.Helper()
	return r.shell(fmt.Sprintf("cd work; head -c %d", size) + " /dev/urandom >big; git add big; git commit -qm big; git push -q origin HEAD:main; git rev-parse HEAD")
}

// steps is a git_clone step as JSON, with the arguments that are given beside
// the repository.
func (r *remote) steps(repository, arguments string) string {
	address, err := json.Marshal(repository)
	check(r.t, err)
	return fmt.Sprintf(`[{"name": "git_clone", "arguments": {"repository": %s%s}}]`, address, arguments)
}

// clone clones as a run does, and lets go at once.
func (r *remote) clone(t *testing.T, repository, arguments string) (folder, out string, err error) {
	t.Helper()
	done, out, err := r.keep(t, repository, arguments)
	done.Release()
	return done.Dir, out, err
}

// keep clones and goes on using the checkout.
func (r *remote) keep(t *testing.T, repository, arguments string) (done StepOutputs, out string, err error) {
	t.Helper()
	return build(t, context.Background(), r.folder, r.steps(repository, arguments), func(o *StepOptions) {
		o.Folder, o.Shared = r.state, true
	})
}

// calls counts what git was called for since the last time.
func (r *remote) calls() map[string]int {
	r.t.Helper()
	text, _ := os.ReadFile(r.arguments)
	_ = os.Remove(r.arguments)
	count := map[string]int{}
	for line := range strings.Lines(string(text)) {
		for _, name := range []string{"ls-remote", "fetch", "checkout", "init", "submodule update"} {
			if strings.Contains(" "+strings.TrimSpace(line)+" ", " "+name+" ") {
				count[name]++
			}
		}
	}
	return count
}

// freePort is a port of loopback that nobody listens at.
func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	check(t, err)
	return port
}

// serve starts a server, and gives what stops it.
func (r *remote) serve(port string, argv ...string) (stop func()) {
	r.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = r.t.Output()
	check(r.t, cmd.Start())
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
		}
	}
	r.t.Cleanup(stop)
	eventually(r.t, argv[0]+" listens", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return stop
}

// daemon serves by git's own protocol.
func (r *remote) daemon() (url string, stop func()) {
	port := freePort(r.t)
	stop = r.serve(port, "git", "daemon", "--base-path="+filepath.Join(r.folder, "served"), "--export-all",
		"--listen=127.0.0.1", "--port="+port, "--reuseaddr")
	return "git://127.0.0.1:" + port + "/r.git", stop
}

// ssh serves over ssh, to who has the key that GIT_SSH_COMMAND names.
func (r *remote) ssh(t *testing.T) (url string, stop func()) {
	t.Helper()
	sshd := "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		t.Skip("LEFT OUT: git over ssh: there is no " + sshd)
	}
	if os.Getuid() == 0 {
		_ = os.MkdirAll("/run/sshd", 0o755)
	}
	port := freePort(t)
	r.shell(fmt.Sprintf(`mkdir ssh; cd ssh; chmod 700 .
ssh-keygen -qt ed25519 -N '' -f host; ssh-keygen -qt ed25519 -N '' -f key; cp key.pub allowed
echo "[127.0.0.1]:%[1]s $(cut -d' ' -f1,2 host.pub)" >known
cat >config <<CONFIG
Port %[1]s
ListenAddress 127.0.0.1
HostKey $PWD/host
PidFile none
AuthorizedKeysFile $PWD/allowed
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
AcceptEnv GIT_PROTOCOL
CONFIG`, port))
	at := filepath.Join(r.folder, "ssh")
	t.Setenv("GIT_SSH_COMMAND", fmt.Sprintf("ssh -F none -i %[1]s/key -o UserKnownHostsFile=%[1]s/known -o IdentitiesOnly=yes -o BatchMode=yes", at))
	stop = r.serve(port, sshd, "-D", "-e", "-f", filepath.Join(at, "config"))
	user := strings.TrimSpace(r.shell("id -un"))
	return fmt.Sprintf("ssh://%s@127.0.0.1:%s%s/served/r.git", user, port, r.folder), stop
}
