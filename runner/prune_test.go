//go:build unix

package runner

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/store"
)

// TestAWorkerPrunesByPolicy moves the clock, and waits for old runs to go.
func TestAWorkerPrunesByPolicy(t *testing.T) {
	world := newWorld(t)
	ctx := context.Background()
	var ahead atomic.Int64
	s := world.open()
	defer func() { check(t, s.Close()) }()
	s.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	check(t, s.SetRetention(ctx, store.Retention{KeepSeconds: 3600}))
	world.script("quick", "true", nil)
	old := world.run("quick").ID
	w := newWorker(s, "w", nil)
	said := make(chan string, 64)
	w.Notify = func(n Notice) {
		if n.Text != "" {
			said <- n.Text
		}
	}
	stops, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- w.Run(ctx, stops) }()
	world.await(old, terminal)
	unused := filepath.Join(world.Folder(), "git", "code", "unused")
	check(t, os.MkdirAll(unused, 0o700))
	check(t, os.WriteFile(unused+lockSuffix, nil, 0o600))
	check(t, os.Chtimes(unused+lockSuffix, time.Unix(0, 0), time.Unix(0, 0)))
	ahead.Store(int64(24 * time.Hour))
	select {
	case text := <-said:
		if !strings.Contains(text, "deleted 1 run") {
			t.Errorf("it said %q", text)
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing was pruned")
	}
	if _, err := world.RunByID(ctx, old); err == nil {
		t.Error("the old run is still there")
	}
	if isThere(unused) {
		t.Error("the old checkout is still there")
	}
	stops <- os.Interrupt
	check(t, <-ended)
}
