package runner

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/store"
)

// Which code an attempt runs is found out beside it: git is asked when the
// flow's process has been started, so that no start waits for it, and files are
// read when it has ended.

// codePatience is how long the end of a run waits for git, which answers long
// before most flows end.
const codePatience = 2 * time.Second

// codeLook is git being asked about the code of one attempt.
type codeLook struct {
	stop context.CancelFunc
	done chan struct{}
	git  gitState // once done is closed
}

// lookAtCode begins the look. The flow's process has been started.
func (a *attempt) lookAtCode() {
	ctx, stop := context.WithCancel(context.Background())
	l := &codeLook{stop: stop, done: make(chan struct{})}
	a.code = l
	root, file, clone := a.root(), a.job.File, ""
	if a.clone != nil {
		clone = a.clone.Folder
	}
	go func() {
		defer close(l.done)
		// What git_clone brought without git's files is not part of what it lies in.
		if top, gitDir := findCheckout(root); top != "" && (clone == "" || within(clone, top)) {
			l.git = a.slot.checkout.look(ctx, top, gitDir, inFolderOf(root, file))
		}
	}()
}

// end stops the look: a tree is stopped by a process that has no other child.
func (l *codeLook) end() {
	if l != nil {
		l.stop()
		<-l.done
	}
}

// pulledCode says where the code came from that the pull steps went to.
func (a *attempt) pulledCode(done StepOutputs) {
	if done.Dir != "" {
		a.job.Code.Folder = done.Dir
	}
	for _, c := range done.Clones {
		if within(c.Folder, done.Dir) {
			code := &a.job.Code
			code.Folder, code.Repository, code.Branch, code.Commit = "", c.Repository, c.Branch, c.Commit
			a.clone = &c
		}
	}
}

func within(folder, path string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(inside)
}

// root is the project root that the flow was started with.
func (a *attempt) root() string {
	if a.job.Root != "" {
		return a.job.Root
	}
	return a.job.Code.Folder
}

// wait gives what git said. Of a git that is too slow it gives what the files
// of the checkout say.
func (l *codeLook) wait() gitState {
	select {
	case <-l.done:
	case <-time.After(codePatience):
	}
	l.end() // a git that still runs is killed
	return l.git
}

// tellCode tells the worker which code a run that lasts is running, so that it can
// be seen before its end and survives this slot. The look is done.
func (a *attempt) tellCode() {
	code := a.job.Code
	a.code.git.describe(&code)
	a.slot.tell(fromSlot{Code: &code})
}

// codeAtEnd is which code ran, now that the flow's process has ended.
func (a *attempt) codeAtEnd(o Outcome) *store.Code {
	if a.code == nil {
		return nil
	}
	code := a.job.Code
	a.code.wait().describe(&code)
	code.PythonVersion = o.Python
	since := a.began
	if a.clone == nil { // else all of it was written just before
		since = since.Add(-fileTick)
	}
	a.slot.sums.contents(&code, a.root(), append([]string{a.job.File}, o.Modules...), since)
	return &code
}

// adoptedCode is which code ran in an attempt whose slot was killed: what was
// known before, and what can still be read; nil where that is nothing more.
func adoptedCode(job Job, o Outcome) *store.Code {
	root := cmp.Or(o.Root, job.Code.Folder) // git_clone's folder is known to the process alone
	if root == "" {
		return nil
	}
	code := job.Code
	code.PythonVersion = o.Python
	fileSums{}.contents(&code, root, append([]string{job.File}, o.Modules...), job.Started.Add(-fileTick))
	return &code
}

// codeBefore gives a job what is known of the code of an attempt that began earlier.
func (j *Job) codeBefore(p plan, known *store.Code) {
	j.File = entryFile(p.entrypoint, p.kind)
	switch {
	case known != nil:
		j.Code = *known
	case len(p.pull) == 0:
		j.Code.Folder = p.root
	}
}

// entryFile is the file of an entrypoint, from the root; "" for one that is
// named as a module.
func entryFile(entrypoint, kind string) string {
	if kind == "script" {
		return entrypoint
	}
	file, _, _ := strings.Cut(entrypoint, ".py:")
	if file == entrypoint {
		return ""
	}
	return file + ".py"
}

func inFolderOf(root, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(root, file)
}

const (
	// maxHashed bounds the files that are read at the end of a run, and
	// maxHashedSize what is read of one.
	maxHashed     = 1000
	maxHashedSize = 16 << 20
	// fileTick is how far a file's time may lag behind the clock.
	fileTick = 10 * time.Millisecond
	// fileDigits of a hash tell one version of a file from another.
	fileDigits = 16
)

// fileSums are the hashes of files that were read, by path: most runs of a slot
// run the same files.
type fileSums map[string]fileSum

type fileSum struct {
	version fileVersion
	sum     string
}

// contents hashes the files of a run, as they are now.
func (f fileSums) contents(code *store.Code, root string, files []string, since time.Time) {
	sums := map[string]string{}
	for _, file := range files[:min(len(files), maxHashed)] {
		if file == "" || sums[file] != "" {
			continue
		}
		sum, written, err := f.hash(inFolderOf(root, file))
		if err != nil {
			continue
		}
		sums[file] = sum
		if written.After(since) {
			code.Changed = append(code.Changed, file)
		}
	}
	if len(sums) == 0 {
		return
	}
	whole := sha256.New()
	for _, file := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(whole, "%s\x00%s\n", file, sums[file])
		sums[file] = sums[file][:fileDigits]
	}
	code.Content = hex.EncodeToString(whole.Sum(nil))
	slices.Sort(code.Changed)
	if !code.Clean() || len(code.Changed) > 0 {
		code.Files = sums
	}
}

// hash reads a file, unless it is still what was read before.
func (f fileSums) hash(path string) (sum string, written time.Time, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", written, fmt.Errorf("%s is no file: %w", path, err)
	}
	if version, known := versionOf(info); known {
		if read := f[path]; read.version == version {
			return read.sum, info.ModTime(), nil
		}
	}
	return f.read(path)
}

// read hashes a file. What was written in the instant before is not remembered: a
// write in the same one leaves the file's times as they are.
func (f fileSums) read(path string) (sum string, written time.Time, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", written, err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return "", written, err
	}
	version, known := versionOf(info)
	known = known && time.Since(version.changed()) > fileTick
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(file, maxHashedSize)); err != nil {
		return "", written, err
	}
	sum = hex.EncodeToString(hash.Sum(nil))
	if len(f) >= maxHashed {
		clear(f)
	}
	if delete(f, path); known {
		f[path] = fileSum{version, sum}
	}
	return sum, info.ModTime(), nil
}
