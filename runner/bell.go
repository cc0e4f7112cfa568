package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// maxSocketPath is the longest path that a socket is bound to. The kernel's
// limit is 108 bytes on Linux and 104 on macOS.
const maxSocketPath = 100

// Bell is a doorbell: a unix datagram socket that wakes its owner. A lost ring
// costs the owner one fallback look, so ringing never waits and never fails
// for want of a listener.
type Bell struct {
	path string
	made os.FileInfo // the socket file, to know it from a successor's
	conn *net.UnixConn
	c    chan struct{}
	done chan struct{}
	once sync.Once
	err  error
}

// BellPath is where the bell of an id hangs: <folder>/<id>.sock or, where that
// is too long, under a hash in $XDG_RUNTIME_DIR or the temporary folder.
func BellPath(folder, id string) string { return bellPaths(folder, id)[0] }

// bellPaths lists where a listener may have put the socket. There are several
// only for long paths: listener and ringer may differ in their environment
// (cron sets no XDG_RUNTIME_DIR), so the ringer tries all.
func bellPaths(folder, id string) []string {
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	path := filepath.Join(folder, id+".sock")
	if len(path) <= maxSocketPath {
		return []string{path}
	}
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		path = filepath.Join(real, id+".sock") // two ways to one folder, one hash
	}
	hash := sha256.Sum256([]byte(path))
	name := hex.EncodeToString(hash[:10]) + ".sock"
	var paths []string
	for _, parent := range socketFolders() {
		path := filepath.Join(parent, name)
		if len(path) <= maxSocketPath {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return []string{filepath.Join("/tmp", "runnel-"+strconv.Itoa(os.Getuid()), name)}
	}
	return paths
}

func socketFolders() []string {
	uid := strconv.Itoa(os.Getuid())
	own := "runnel-" + uid
	var folders []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		folders = append(folders, filepath.Join(dir, "runnel"))
	}
	if dir := filepath.Join("/run/user", uid); isFolder(dir) {
		folders = append(folders, filepath.Join(dir, "runnel"))
	}
	return append(folders, filepath.Join(os.TempDir(), own), filepath.Join("/tmp", own))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Listen hangs up the bell of an id, in place of one that a dead process left.
func Listen(folder, id string) (*Bell, error) {
	path := BellPath(folder, id)
	makeFolder := ownFolder
	if filepath.Base(path) == id+".sock" { // beside the database
		makeFolder = func(folder string) error { return os.MkdirAll(folder, 0o700) }
	}
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("make socket folder: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace socket: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen on bell: %w", err)
	}
	bell := &Bell{path: path, conn: conn, c: make(chan struct{}, 1), done: make(chan struct{})}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on bell: %w", err), conn.Close())
	}
	if bell.made, err = os.Lstat(path); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on bell: %w", err), conn.Close())
	}
	go bell.run()
	return bell, nil
}

// ownFolder makes a fallback folder, 0700, and refuses a link or somebody
// else's folder that stands in the temporary one under its name.
func ownFolder(folder string) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", folder)
	}
	return os.Chmod(folder, 0o700) // fails where it is somebody else's
}

// C carries a token when the bell was rung; many rings may be one token.
func (b *Bell) C() <-chan struct{} { return b.c }

func (b *Bell) run() {
	defer close(b.done)
	var buf [8]byte
	for {
		if _, err := b.conn.Read(buf[:]); err != nil {
			return
		}
		select {
		case b.c <- struct{}{}:
		default:
		}
	}
}

// Close takes the bell down and waits for its goroutine.
func (b *Bell) Close() error {
	b.once.Do(func() {
		// Looked at while the socket is open, which keeps its inode number from
		// a successor's file.
		if info, err := os.Lstat(b.path); err == nil && os.SameFile(info, b.made) {
			b.err = os.Remove(b.path)
		}
		b.err = errors.Join(b.err, b.conn.Close())
		<-b.done
	})
	return b.err
}

// Ring wakes whoever listens for the id. It does not wait, and nobody
// listening is no error.
func Ring(folder, id string) error {
	var errs []error
	for _, path := range bellPaths(folder, id) {
		if err := sendDatagram(path); err != nil {
			errs = append(errs, fmt.Errorf("ring bell: %w", err))
		}
	}
	return errors.Join(errs...)
}
