package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// shelf is a folder of things that are made once and used by many runs. NAME is
// the thing, a folder. NAME.lock is locked shared by all that use it, and
// exclusively by who makes or removes it; processes inherit the lock, so that a
// killed slot frees nothing that its git or its flow still uses. NAME.made is
// there when the thing is whole: what a killed maker leaves has none, and is
// made anew.
type shelf struct {
	folder string
	rest   func(time.Duration) error
	say    func(string)
}

// recipe is how one thing is made.
type recipe struct {
	what string // as a waiting run names it
	// sound says whether the thing is still as note describes it.
	sound func(path, note string) bool
	// make fills the folder, which is there and empty, and gives the note. held is
	// for the processes to inherit.
	make func(path string, held *os.File) (note string, err error)
}

const (
	lockSuffix = ".lock"
	madeSuffix = ".made"
)

// errSpoiled is a thing that was changed, while another run uses it.
var errSpoiled = errors.New("spoiled")

// take gives the path of a thing, made if need be, and the lock by which it is
// used until that is closed.
func (s shelf) take(name string, r recipe) (path string, held *os.File, err error) {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return "", nil, err
	}
	for n := 0; ; n++ {
		path = filepath.Join(s.folder, name)
		if n > 0 {
			path += fmt.Sprintf(".%d", n)
		}
		held, err = s.use(path, r)
		if !errors.Is(err, errSpoiled) {
			return path, held, err
		}
	}
}

// use waits for whoever makes or removes the thing.
func (s shelf) use(path string, r recipe) (*os.File, error) {
	return waitFor(s.rest, s.say, r.what, func() (*os.File, bool, error) { return s.attempt(path, r) })
}

// waitFor tries until it is done, and says once that it waits.
func waitFor(rest func(time.Duration) error, say func(string), what string, try func() (*os.File, bool, error)) (*os.File, error) {
	for waited := false; ; {
		held, done, err := try()
		if done || err != nil {
			return held, err
		}
		if !waited {
			waited = true
			say("runnel: waits for another run, which is at " + what)
		}
		if err := rest(lockPause()); err != nil {
			return nil, err
		}
	}
}

// lockPause differs from one to the next, or two that wait would meet for ever.
func lockPause() time.Duration { return 5*time.Millisecond + rand.N(20*time.Millisecond) }

func (s shelf) attempt(path string, r recipe) (held *os.File, done bool, err error) {
	lock, shared, err := openLock(path, false)
	if err != nil || !shared {
		return nil, false, err
	}
	defer func() {
		if held == nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	note, made := readNote(path)
	if made && r.sound(path, note) {
		now := time.Now()
		_ = os.Chtimes(lock.Name(), now, now) // the sweep goes by it
		return lock, true, nil
	}
	alone, err := tryLock(lock, true)
	switch {
	case err != nil:
		return nil, false, err
	case !alone && made:
		return nil, false, errSpoiled
	case !alone, !isCurrent(lock):
		return nil, false, nil
	}
	// Between the two locks another may have made it.
	if now, there := readNote(path); there && (!made || now != note) {
		return nil, false, nil
	}
	if made {
		s.say("runnel: " + r.what + " was changed by a run that used it: it is made anew")
	}
	if err := s.make(path, lock, r); err != nil {
		return nil, false, err
	}
	shared, err = tryLock(lock, false)
	if err != nil || !shared || !isCurrent(lock) {
		return nil, false, err
	}
	return lock, true, nil
}

func (s shelf) make(path string, lock *os.File, r recipe) error {
	err := errors.Join(os.RemoveAll(path+madeSuffix), removeTree(path), os.Mkdir(path, 0o700))
	if err != nil {
		return err
	}
	note, err := r.make(path, lock)
	if err == nil {
		err = writeNote(path, note)
	}
	if err != nil {
		_ = removeTree(path) // what is left goes with the next making
	}
	return err
}

// openLock opens the lock of a thing and takes it, shared or alone. got is false
// where another has it, or has removed it meanwhile.
func openLock(path string, alone bool) (lock *os.File, got bool, err error) {
	lock, err = os.OpenFile(path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	got, err = tryLock(lock, alone)
	if err == nil && got && isCurrent(lock) {
		return lock, true, nil
	}
	return nil, false, errors.Join(err, lock.Close())
}

// isCurrent is false for a lock whose file was removed by the sweep.
func isCurrent(lock *os.File) bool {
	ours, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(lock.Name())
	return err == nil && os.SameFile(ours, there)
}

func readNote(path string) (note string, made bool) {
	text, err := os.ReadFile(path + madeSuffix)
	return string(text), err == nil
}

func writeNote(path, note string) error {
	// Under another name first: a note that is there is whole.
	temporary := path + madeSuffix + ".new"
	if err := os.WriteFile(temporary, []byte(note), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path+madeSuffix)
}

// sweepShelf removes what nobody uses, and nobody has used for so long.
func sweepShelf(folder string, unused time.Duration) (removed int) {
	locks, _ := filepath.Glob(filepath.Join(folder, "*"+lockSuffix))
	for _, name := range locks {
		info, err := os.Stat(name)
		if err != nil || time.Since(info.ModTime()) < unused {
			continue
		}
		path := strings.TrimSuffix(name, lockSuffix)
		lock, alone, err := openLock(path, true)
		if err != nil || !alone {
			continue
		}
		if err := errors.Join(os.RemoveAll(path+madeSuffix), removeTree(path)); err == nil {
			_ = os.Remove(name) // last: as long as it is there, the sweep comes back
			removed++
		}
		_ = lock.Close()
	}
	return removed
}

// removeTree removes a folder, also one whose folders were made read-only.
func removeTree(path string) error {
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // a folder of ours, about to go
		}
		return nil
	})
	return os.RemoveAll(path)
}
