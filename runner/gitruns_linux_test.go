package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/store"
)

// pulled deploys the script of a repository, with the pull steps that are
// given as JSON. A token of theirs becomes a secret: it is refused in plain words.
func (w *world) pulled(name, steps string) {
	w.t.Helper()
	var list []store.Step
	check(w.t, json.Unmarshal([]byte(steps), &list))
	for _, step := range list {
		token := step.Arguments["access_token"]
		if token == nil || bytes.Contains(token, []byte("{{")) {
			continue
		}
		_, err := w.SetVariable(context.Background(), "of-the-remote", token, true)
		check(w.t, err)
		step.Arguments["access_token"] = json.RawMessage(`"{{ prefect.blocks.secret.of-the-remote }}"`)
	}
	w.script(name, "", func(wish *store.Wish) { wish.Entrypoint, wish.PullSteps = "flow.sh", &list })
}

// commit is a git_clone step of one commit.
func (r *remote) commit(commit string) string {
	return r.steps(r.url+"/r.git", r.token()+`, "commit_sha": "`+commit+`"`)
}

// removeCode has the world's checkouts, which are read-only, removed with it.
func (w *world) removeCode() {
	w.t.Cleanup(func() { check(w.t, removeTree(filepath.Join(w.Folder(), "git"))) })
}

// TestSixteenRunsOfFourCommits at once: each commit is fetched and checked out
// once, and each run has its own's code.
func TestSixteenRunsOfFourCommits(t *testing.T) {
	r := newRemote(t)
	w := newWorld(t)
	w.removeCode()
	const commits, each = 4, 4
	for i := range commits {
		w.pulled(fmt.Sprint("c", i), r.commit(r.push(fmt.Sprint("content ", i))))
	}
	r.calls()
	var ids [commits][each]store.ID
	for n := range each {
		for i := range commits {
			ids[i][n] = w.run(fmt.Sprint("c", i)).ID
		}
	}
	w.workInBackground(commits * each)
	for i := range commits {
		for _, id := range ids[i] {
			run := w.await(id, terminal)
			if out := w.output(id); run.State.Type != store.Completed || !strings.Contains(out, fmt.Sprintf("\ncontent %d", i)) {
				t.Errorf("%s: %s\n%s", run.State.Name, run.State.Message, out)
			}
		}
	}
	if calls := r.calls(); calls["checkout"] != commits || calls["fetch"] != commits || calls["init"] != commits+1 {
		t.Errorf("git was called for %v", calls)
	}
}

// processes are those of a run.
func (w *world) processes(run store.ID) (pids []int) {
	for _, stray := range Strays(w.Path()) {
		if stray.Run == run {
			pids = append(pids, stray.PID)
		}
	}
	return pids
}

// killSlot kills the slot of a run.
func (w *world) killSlot(id store.ID) {
	w.t.Helper()
	run, err := w.RunByID(context.Background(), id)
	check(w.t, err)
	if proof, err := ParseProof(run.Owner.Proof); err == nil {
		_ = syscall.Kill(proof.Identity.PID, syscall.SIGKILL)
	}
}

// killAll kills the slot of a run and all that it started.
func (w *world) killAll(id store.ID) {
	w.t.Helper()
	w.killSlot(id)
	for pids := w.processes(id); len(pids) > 0; pids = w.processes(id) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// completes runs a deployment, and holds it to its output.
func (w *world) completes(name, want string) (output string) {
	w.t.Helper()
	run := w.await(w.run(name).ID, terminal)
	output = w.output(run.ID)
	if run.State.Type != store.Completed || !strings.HasSuffix(strings.TrimSpace(output), want) {
		w.t.Errorf("%s: %s: %s\n%s", name, run.State.Name, run.State.Message, output)
	}
	return output
}

// TestAFetchThatIsKilled: kill -9 of everything at a fetch, and of the slot
// alone, whose git goes on and keeps the mirror for itself meanwhile.
func TestAFetchThatIsKilled(t *testing.T) {
	r := newRemote(t)
	w := newWorld(t)
	w.removeCode()
	w.workInBackground(4)
	w.pulled("other", r.commit(r.shell("cat one")))
	for _, kill := range []string{"all", "slot"} {
		w.pulled(kill, r.commit(r.pushBig(1000000)))
		release := r.holdBack()
		run := w.run(kill)
		r.isHeld()
		var next store.Run
		if kill == "all" {
			w.killAll(run.ID)
		} else {
			w.killSlot(run.ID)
			next = w.waits(kill)
			w.cancelled(w.waits("other").ID)
		}
		release()
		ended := w.await(run.ID, terminal)
		if ended.State.Type != store.Crashed || !strings.Contains(ended.State.Message, "in the pull step git_clone") {
			t.Errorf("kill %s: %s: %s", kill, ended.State.Name, ended.State.Message)
		}
		if kill == "slot" {
			if next = w.await(next.ID, terminal); next.State.Type != store.Completed {
				t.Errorf("the run that waited: %s: %s\n%s", next.State.Name, next.State.Message, w.output(next.ID))
			}
		}
		w.completes(kill, "two")
	}
}

// TestASilentFetchWhoseSlotWasKilled is ended as if its slot still lived: the run
// that waits for its mirror goes on.
func TestASilentFetchWhoseSlotWasKilled(t *testing.T) {
	t.Setenv("RUNNER_TEST_GIT_SILENCE", "3s")
	r := newRemote(t)
	w := newWorld(t)
	w.removeCode()
	w.workInBackground(2)
	w.pulled("silent", r.commit(r.pushBig(1000000)))
	r.holdBack()
	run := w.run("silent")
	r.isHeld()
	w.killSlot(run.ID)
	next := w.waits("silent")
	ended := w.await(run.ID, terminal)
	if out := w.output(run.ID); ended.State.Type != store.Crashed || !strings.Contains(ended.State.Message, "its slot was killed in the pull step git_clone") ||
		!strings.Contains(out, "runnel: nothing came from the remote for 3s, so git was ended") {
		t.Errorf("%s: %s\n%s", ended.State.Name, ended.State.Message, out)
	}
	if next = w.await(next.ID, terminal); next.State.Type != store.Completed {
		t.Errorf("the run that waited: %s: %s\n%s", next.State.Name, next.State.Message, w.output(next.ID))
	}
}

// waits starts a run that comes to wait for another's git.
func (w *world) waits(name string) store.Run {
	w.t.Helper()
	run := w.run(name)
	w.await(run.ID, func(store.Run) bool { return strings.Contains(w.output(run.ID), "waits for another run") })
	return run
}

// cancelled ends a run that waits.
func (w *world) cancelled(id store.ID) {
	w.t.Helper()
	_, err := w.Cancel(context.Background(), id, "", "test")
	check(w.t, err)
	if run := w.await(id, terminal); run.State.Type != store.Cancelled || !strings.Contains(run.State.Message, "in the pull step git_clone") {
		w.t.Errorf("%s: %s", run.State.Name, run.State.Message)
	}
}

// TestASilentFetchIsCancelledAtOnce: git needs none of its grace.
func TestASilentFetchIsCancelledAtOnce(t *testing.T) {
	r := newRemote(t)
	host, taken := silentHost(t)
	w := newWorld(t)
	w.removeCode()
	w.pulled("silent", r.steps("git://"+host+"/r.git", `, "branch": "main"`))
	w.workInBackground(1)
	run := w.run("silent")
	<-taken
	w.cancelled(run.ID)
	if run = w.await(run.ID, terminal); run.State.Message != "stopped by SIGTERM, in the pull step git_clone" {
		t.Error(run.State.Message)
	}
	if pids := w.processes(run.ID); len(pids) > 0 {
		t.Errorf("left: %v", pids)
	}
}

// TestACheckoutThatIsKilled kills everything while a file is half written.
func TestACheckoutThatIsKilled(t *testing.T) {
	r := newRemote(t)
	up, goOn := filepath.Join(r.folder, "up"), filepath.Join(r.folder, "go")
	filter := fmt.Sprintf("[filter \"slow\"]\n\tsmudge = \"echo up >%s; while [ ! -e %s ]; do sleep 0.01; done; cat\"\n\trequired\n", up, goOn)
	check(t, os.WriteFile(filepath.Join(r.folder, "config"), []byte(filter), 0o600))
	commit := r.shell("cd work; echo 'a/file filter=slow' >.gitattributes; git add .; git commit -qm slow; git push -q origin HEAD:main; git rev-parse HEAD")
	w := newWorld(t)
	w.removeCode()
	w.pulled("slow", r.commit(commit))
	w.workInBackground(2)
	run := w.run("slow")
	eventually(t, "the checkout is under way", func() bool { return isThere(up) })
	w.killAll(run.ID)
	check(t, os.WriteFile(goOn, nil, 0o600))
	if run = w.await(run.ID, terminal); run.State.Type != store.Crashed {
		t.Errorf("%s: %s", run.State.Name, run.State.Message)
	}
	w.completes("slow", "two")
	if out := w.completes("slow", "two"); strings.Contains(out, "fetches") {
		t.Errorf("the third run:\n%s", out)
	}
}

// TestGitKilledAtAnyMoment: whatever a killed run leaves, the next has its code.
func TestGitKilledAtAnyMoment(t *testing.T) {
	r := newRemote(t)
	w := newWorld(t)
	w.removeCode()
	w.workInBackground(4)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 16
	if testing.Short() {
		kills = 6
	}
	for i := range kills {
		name, text := fmt.Sprint("k", i), fmt.Sprint("content ", i)
		w.pulled(name, r.commit(r.push(text)))
		run := w.run(name)
		time.Sleep(time.Duration(random.Int64N(int64(150 * time.Millisecond))))
		w.killAll(run.ID)
		w.await(run.ID, terminal)
		w.completes(name, text)
	}
}

// TestAFullDiskOfCode: what finds no room says so and leaves nothing, and what
// is small enough goes on.
func TestAFullDiskOfCode(t *testing.T) {
	r := newRemote(t)
	disk := smallDisk(t, 3)
	r.state = filepath.Join(disk, "state")
	t.Cleanup(func() { check(t, removeTree(r.state)) })
	small := r.shell("git -C work rev-parse HEAD")
	for _, size := range []int{1800000, 4000000} { // at the checkout, and at the fetch
		_, out, err := r.clone(t, r.url+"/r.git", r.token()+`, "commit_sha": "`+r.pushBig(size)+`"`)
		if err == nil || !hasAny(err, "No space left on device", "Out of diskspace") {
			t.Errorf("%d bytes: %v\n%s", size, err, out)
		}
		// The end of the run is recorded on the same disk.
		if half, _ := filepath.Glob(filepath.Join(r.state, "git", "mirrors", "*", "objects", "pack", "tmp_*")); len(half) > 0 {
			t.Errorf("%d bytes: left are %v", size, half)
		}
	}
	folder, out, err := r.clone(t, r.url+"/r.git", r.token()+`, "commit_sha": "`+small+`"`)
	if err != nil || content(t, folder, "a/file") != "two" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestACheckoutOnAnotherDisk: what cannot be shared with the mirror is copied.
func TestACheckoutOnAnotherDisk(t *testing.T) {
	r := newRemote(t)
	r.state = filepath.Join(smallDisk(t, 3), "state")
	t.Cleanup(func() { check(t, removeTree(r.state)) })
	folder, out, err := r.clone(t, r.url+"/r.git", r.token()+`, "branch": "main", "writable": true`)
	if err != nil || folder != filepath.Join(r.folder, "r-main") || content(t, folder, "a/file") != "two" {
		t.Fatalf("%s: %v\n%s", folder, err, out)
	}
	if log := r.shell("git -C r-main log --format=%s; git -C r-main branch --show-current"); log != "two\nmain" {
		t.Errorf("its history and branch: %s", log)
	}
}

// TestATokenIsNowhere looks for a token while git uses it, and afterwards, in
// all that anybody can read.
func TestATokenIsNowhere(t *testing.T) {
	r := newRemote(t)
	r.password = "t0ken-of-nobodys-business/+%41"
	forms := []string{
		r.password, url.QueryEscape(r.password), url.PathEscape(r.password), url.UserPassword("x", r.password).String()[2:],
		base64.StdEncoding.EncodeToString([]byte(r.password)), base64.StdEncoding.EncodeToString([]byte(r.user + ":" + r.password)),
	}
	wrong := "wr0ng-" + r.password
	w := newWorld(t)
	w.removeCode()
	for name, value := range map[string]string{"token": r.password, "wrong": wrong} {
		text, err := json.Marshal(value)
		check(t, err)
		_, err = w.SetVariable(context.Background(), name, text, true)
		check(t, err)
	}
	r.shell(`cd work; git -c protocol.file.allow=always submodule --quiet add ../sub sub
git config -f .gitmodules submodule.sub.url ../sub.git; git add .; git commit -qm sub`)
	r.pushBig(100000)
	address := r.url + "/r.git"
	within := strings.Replace(address, "http://", "http://x-access-token:{{ prefect.blocks.secret.token }}@", 1)
	w.pulled("right", r.steps(address, `, "include_submodules": true, "access_token": "{{ prefect.blocks.secret.token }}"`))
	w.pulled("object", r.steps(address, `, "writable": true, "credentials": {"username": "x-access-token", "password": "{{ prefect.blocks.secret.token }}"}`))
	w.pulled("wrong", r.steps(address, `, "access_token": "{{ prefect.blocks.secret.wrong }}"`))
	w.pulled("within", r.steps(within, ``)) // not encoded: no URL that can be read
	w.workInBackground(4)
	release := r.holdBack()
	run := w.run("right")
	r.isHeld()
	for _, found := range inProcesses(forms) {
		// The git that was given it answers itself by its environment.
		if !found.environ || !strings.HasPrefix(found.name, "git") {
			t.Errorf("it is in process %d, %s (environment: %v)", found.pid, found.name, found.environ)
		}
	}
	release()
	if run = w.await(run.ID, terminal); run.State.Type != store.Completed {
		t.Errorf("%s: %s\n%s", run.State.Name, run.State.Message, w.output(run.ID))
	}
	for name, want := range map[string]store.StateType{"object": store.Completed, "wrong": store.Crashed, "within": store.Crashed} {
		run := w.await(w.run(name).ID, terminal)
		text := fmt.Sprintf("%+v %s", run, w.output(run.ID))
		if run.State.Type != want || strings.Contains(text, "nobodys") {
			t.Errorf("%s: %s", name, text)
		}
		if name == "wrong" && !strings.Contains(run.State.Message, "uthentication failed") {
			t.Errorf("a wrong token: %s", run.State.Message)
		}
	}
	w.noneHas(forms)
}

// noneHas greps all files of the world.
func (w *world) noneHas(forms []string) {
	w.t.Helper()
	patterns := filepath.Join(w.t.TempDir(), "patterns")
	check(w.t, os.WriteFile(patterns, []byte(strings.Join(forms, "\n")), 0o600))
	out, _ := exec.Command("grep", "-rlaF", "-f", patterns, w.folder).Output()
	if len(out) > 0 {
		w.t.Errorf("it is in\n%s", out)
	}
	check(w.t, os.WriteFile(filepath.Join(w.folder, "probe"), []byte("x"+forms[0]), 0o600))
	if out, _ := exec.Command("grep", "-rlaF", "-f", patterns, w.folder).Output(); len(out) == 0 {
		w.t.Error("grep finds nothing at all")
	}
}

type foundIn struct {
	pid     int
	name    string
	environ bool
}

// inProcesses looks through command lines and environments of all processes.
func inProcesses(forms []string) (found []foundIn) {
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range paths {
		for _, file := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(filepath.Join(path, file))
			for _, form := range forms {
				if bytes.Contains(text, []byte(form)) {
					name, _ := os.ReadFile(filepath.Join(path, "comm"))
					f := foundIn{name: strings.TrimSpace(string(name)), environ: file == "environ"}
					_, _ = fmt.Sscan(filepath.Base(path), &f.pid)
					found = append(found, f)
					break
				}
			}
		}
	}
	return found
}

// BenchmarkPinnedCommit is what a commit that is there adds to a run, over the
// same script in a folder: it may be 10 ms.
func BenchmarkPinnedCommit(b *testing.B) {
	r := newRemote(b)
	w := newWorld(b)
	w.removeCode()
	w.pulled("pinned", r.commit(r.shell("git -C work rev-parse HEAD")))
	w.pulled("branch", r.steps(r.url+"/r.git", r.token()))
	w.script("folder", "cat "+filepath.Join(r.folder, "work", "a", "file")+"\n", nil)
	w.workInBackground(1)
	for _, name := range []string{"pinned", "branch", "folder"} {
		w.completes(name, "two")
	}
	took := map[string]time.Duration{}
	for b.Loop() {
		for _, name := range []string{"folder", "pinned", "branch"} {
			run := w.await(w.run(name).ID, terminal)
			took[name] += run.EndTime.Sub(*run.StartTime)
		}
	}
	each := func(name string) float64 { return float64(took[name].Microseconds()) / float64(b.N) / 1000 }
	b.ReportMetric(each("folder"), "ms/folder")
	b.ReportMetric(each("pinned")-each("folder"), "ms/pinned-adds")
	b.ReportMetric(each("branch")-each("folder"), "ms/branch-adds")
}
