//go:build unix

package runner

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/store"
)

// TestAWorkerTellsItsManager listens as systemd does. What a flow starts shall
// not be able to speak in the worker's name.
func TestAWorkerTellsItsManager(t *testing.T) {
	world := newWorld(t)
	socket := filepath.Join(world.folder, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	check(t, err)
	defer conn.Close() //nolint:errcheck // a test's
	t.Setenv(notifyVariable, socket)
	heard := func() string {
		buffer := make([]byte, 100)
		check(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
		n, err := conn.Read(buffer)
		check(t, err)
		return string(buffer[:n])
	}
	world.script("tells", `echo "socket: $`+notifyVariable+`."`, nil)
	w := newWorker(world.open(), "w", nil)
	defer func() { check(t, w.Store.Close()) }()
	stops, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- w.Run(context.Background(), stops) }()
	if text := heard(); text != "READY=1" {
		t.Errorf("it said %q", text)
	}
	workers, err := world.Workers(context.Background(), "p")
	check(t, err)
	if len(workers) != 1 || workers[0].Status != store.Online {
		t.Errorf("it was ready as %+v", workers)
	}
	run := world.run("tells")
	world.await(run.ID, terminal)
	if text := world.output(run.ID); !strings.Contains(text, "socket: .") {
		t.Errorf("the flow was given the socket: %q", text)
	}
	stops <- os.Interrupt
	if text := heard(); text != "STOPPING=1" {
		t.Errorf("it said %q", text)
	}
	check(t, <-ended)
}
