//go:build unix

package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func (s shelf) quiet() shelf {
	s.say = func(string) {}
	s.rest = func(pause time.Duration) error { time.Sleep(pause / 10); return nil }
	return s
}

// TestAThingIsMadeOnce by many at once, each of which asks for it twice, and
// beside a sweep that would remove whatever nobody holds.
func TestAThingIsMadeOnce(t *testing.T) {
	s := shelf{folder: t.TempDir()}.quiet()
	for i := range 40 {
		name := fmt.Sprint("thing ", i)
		var made, using atomic.Int32
		r := recipe{
			sound: func(path, note string) bool { return note == "made" && isThere(filepath.Join(path, "content")) },
			make: func(path string, _ *os.File) (string, error) {
				made.Add(1)
				if n := using.Load(); n > 0 {
					t.Errorf("%s is made while %d use it", name, n)
				}
				return "made", os.WriteFile(filepath.Join(path, "content"), nil, 0o600)
			},
		}
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 16 {
			all.Go(func() {
				<-start
				path, held, err := s.take(name, r)
				if err != nil || !isThere(filepath.Join(path, "content")) {
					t.Errorf("%s: %v", path, err)
					return
				}
				using.Add(1)
				sweepShelf(s.folder, time.Hour)
				using.Add(-1)
				_ = held.Close()
			})
		}
		close(start)
		all.Wait()
		if made.Load() != 1 {
			t.Errorf("%s was made %d times", name, made.Load())
		}
	}
}

// TestAThingThatCannotBeMade is tried again, and stands in nobody's way.
func TestAThingThatCannotBeMade(t *testing.T) {
	s := shelf{folder: t.TempDir()}.quiet()
	fail := errors.New("no")
	r := recipe{
		sound: func(string, string) bool { return true },
		make: func(path string, _ *os.File) (string, error) {
			check(t, os.WriteFile(filepath.Join(path, "half"), nil, 0o600))
			return "", fail
		},
	}
	for range 2 {
		if _, _, err := s.take("x", r); !errors.Is(err, fail) {
			t.Errorf("%v", err)
		}
	}
	r.make = func(string, *os.File) (string, error) { return "", nil }
	path, held, err := s.take("x", r)
	if err != nil || isThere(filepath.Join(path, "half")) {
		t.Errorf("%s: %v", path, err)
	}
	if n := sweepShelf(s.folder, -time.Hour); n != 0 {
		t.Error("it was swept while it is used")
	}
	check(t, held.Close())
	if n := sweepShelf(s.folder, -time.Hour); n != 1 || isThere(path) {
		t.Errorf("%d were swept", n)
	}
}
