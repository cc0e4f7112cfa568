//go:build unix

package runner

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func testBell(t testing.TB, folder string) *Bell {
	t.Helper()
	bell, err := Listen(folder, "slot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bell.Close() })
	return bell
}

func ring(t testing.TB, folder string) {
	t.Helper()
	if err := Ring(folder, "slot"); err != nil {
		t.Fatal(err)
	}
}

func TestBell(t *testing.T) {
	defer goleak.VerifyNone(t)
	folder := filepath.Join(t.TempDir(), "bells")
	ring(t, folder) // neither folder nor listener
	bell := testBell(t, folder)
	info, err := os.Stat(BellPath(folder, "slot"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket is %v, %v; want 0600", info.Mode(), err)
	}
	for range 5000 { // more than any socket holds: ringing does not wait
		ring(t, folder)
	}
	<-bell.C()
	if err := bell.Close(); err != nil {
		t.Fatal(err)
	}
	tokens := 0
	for {
		select {
		case <-bell.C():
			tokens++
			continue
		default:
		}
		break
	}
	if tokens > 1 {
		t.Errorf("%d tokens waited, want one for all rings", tokens)
	}
	if _, err := os.Stat(BellPath(folder, "slot")); !os.IsNotExist(err) {
		t.Errorf("socket is there after Close: %v", err)
	}
	ring(t, folder)
}

// TestBellReplacesAStaleSocket: a killed listener leaves its file, which
// refuses datagrams; and a replaced listener leaves its successor's alone.
func TestBellReplacesAStaleSocket(t *testing.T) {
	folder := t.TempDir()
	killed, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: BellPath(folder, "slot"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	ring(t, folder)
	first, second := testBell(t, folder), testBell(t, folder)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	ring(t, folder)
	<-second.C()
}

func TestBellOnALongPath(t *testing.T) {
	for name, runtime := range map[string]string{"runtime folder": t.TempDir(), "temporary folder": ""} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_RUNTIME_DIR", runtime)
			t.Setenv("TMPDIR", t.TempDir())
			folder := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			path := BellPath(folder, "slot")
			if len(path) > maxSocketPath || runtime != "" && !strings.HasPrefix(path, runtime) {
				t.Errorf("bell is at %s", path)
			}
			bell := testBell(t, folder)
			if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("folder is %v, %v; want 0700", info.Mode(), err)
			}
			link := filepath.Join(t.TempDir(), strings.Repeat("link", 30))
			if err := os.Symlink(folder, link); err != nil {
				t.Fatal(err)
			}
			t.Setenv("XDG_RUNTIME_DIR", "/nowhere") // cron's environment differs
			if runtime == "" {
				ring(t, link)
				<-bell.C()
			}
		})
	}
}

func TestBellRefusesALinkInTheTemporaryFolder(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	folder := "/" + strings.Repeat("long", 30)
	if err := os.Symlink(t.TempDir(), filepath.Dir(BellPath(folder, "slot"))); err != nil {
		t.Fatal(err)
	}
	if bell, err := Listen(folder, "slot"); err == nil {
		_ = bell.Close()
		t.Error("listened behind a link")
	}
}

func BenchmarkRing(b *testing.B) {
	folder := b.TempDir()
	bell := testBell(b, folder)
	for b.Loop() {
		ring(b, folder)
		<-bell.C()
	}
}
