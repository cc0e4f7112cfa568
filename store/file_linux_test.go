package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Mode().Perm()
}

func TestFilesAreTheOwnersAloneWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o077, 0o777} {
		folder := filepath.Join(t.TempDir(), "deep", "er")
		s := New(filepath.Join(folder, "runnel.db"))
		old := syscall.Umask(umask)
		err := s.Open(context.Background())
		if err == nil {
			_, err = s.CreateWorkPool(context.Background(), WorkPool{Name: "p"})
		}
		syscall.Umask(old)
		must(t, err)
		for path, want := range map[string]os.FileMode{
			filepath.Dir(folder): 0o700, folder: 0o700,
			s.Path(): 0o600, s.Path() + "-wal": 0o600, s.Path() + "-shm": 0o600,
		} {
			if got := mode(t, path); got != want {
				t.Errorf("umask %04o: %s has mode %04o, want %04o", umask, filepath.Base(path), got, want)
			}
		}
		must(t, s.Close())
	}
}

func TestAnotherUsersFileIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make another user's file")
	}
	s := open(t)
	must(t, os.Chown(s.Path(), 65534, 65534))
	_, err := openAt(s.Path())
	wantError(t, err, Unsupported, "belongs to the user nobody", "sudo -u nobody runnel")
	must(t, os.Chown(s.Path(), 987654, 0)) // a user without a name
	_, err = openAt(s.Path())
	wantError(t, err, Unsupported, "belongs to the user 987654")
}

func TestNetworkFileSystemsAreRefusedByTheirNumber(t *testing.T) {
	// The numbers of statfs(2).
	for number, kind := range map[int64]string{
		0x6969: "NFS", 0x517b: "SMB", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x65735546: "FUSE",
		0x01021997: "9p", 0x0bd00bd0: "Lustre",
	} {
		if networkMagic[number] != kind {
			t.Errorf("%#x is %q, want %s", number, networkMagic[number], kind)
		}
	}
	for number, local := range map[int64]string{0xef53: "ext4", 0x58465342: "XFS", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlay"} {
		if kind, found := networkMagic[number]; found {
			t.Errorf("%s is taken for %s", local, kind)
		}
	}
	must(t, checkFileSystem(t.TempDir()))
	wantError(t, networkError("/mnt/share", "NFS"), Unsupported, "/mnt/share is on a network file system (NFS)", "RUNNEL_DB=")
	folder := filepath.Join(t.TempDir(), "not", "there", "yet")
	if got := existing(folder); got != filepath.Dir(filepath.Dir(filepath.Dir(folder))) {
		t.Errorf("the disk of a folder that is to be made is that of %s", got)
	}
}

// locksOf gives the lines of /proc/locks on the database and its shared memory
// that belong to this process.
func locksOf(t *testing.T, path string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile("/proc/locks")
	must(t, err)
	for _, name := range []string{path, path + "-shm"} {
		info, err := os.Stat(name)
		must(t, err)
		inode := info.Sys().(*syscall.Stat_t).Ino
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) >= 8 && f[4] == fmt.Sprint(os.Getpid()) && strings.HasSuffix(f[5], fmt.Sprintf(":%d", inode)) {
				lines = append(lines, strings.Join(f[1:], " ")) // without its number, which varies
			}
		}
	}
	return lines
}

// descriptorsOf counts this process's descriptors of a file.
func descriptorsOf(t *testing.T, path string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && target == path {
			n++
		}
	}
	return n
}

// Closing a descriptor of the file or of its shared memory, whoever opened it,
// drops all of the process's POSIX locks on it: then two may write at once.
func TestNothingButSQLiteOpensTheFile(t *testing.T) {
	ctx, s := context.Background(), open(t)
	deploy(t, s, nil)
	must(t, s.update(ctx, func(x *tx) error {
		if _, err := x.exec("UPDATE meta SET value = value"); err != nil {
			return err
		}
		before := locksOf(t, s.Path())
		if !strings.Contains(strings.Join(before, "\n"), "WRITE") {
			t.Fatalf("a write transaction holds %q: this test cannot see locks", before)
		}
		descriptors := descriptorsOf(t, s.Path()) + descriptorsOf(t, s.Path()+"-shm")
		pid, command := lockHolder(s.Path())
		if pid != os.Getpid() || !strings.Contains(command, "test") {
			t.Errorf("the lock is held by %d (%s), not by us, %d", pid, command, os.Getpid())
		}
		_ = s.busyError()
		other := New(s.Path()) // a second view in one process shares SQLite's own bookkeeping
		must(t, other.Open(ctx))
		_, err := other.Runs(ctx, RunFilter{})
		must(t, err)
		must(t, other.Close())
		after := locksOf(t, s.Path())
		for _, lock := range before {
			if strings.Contains(lock, "WRITE") && !strings.Contains(strings.Join(after, "\n"), lock) {
				t.Errorf("the lock %q is gone: left are %q", lock, after)
			}
		}
		if now := descriptorsOf(t, s.Path()) + descriptorsOf(t, s.Path()+"-shm"); now < descriptors {
			t.Errorf("%d descriptors, %d before", now, descriptors)
		}
		return nil
	}))
}

func TestTheLineOfALockIsRead(t *testing.T) {
	for line, want := range map[string]int{
		"3: POSIX  ADVISORY  WRITE 4012 fd:00:131 120 120":    4012,
		"3: POSIX  ADVISORY  WRITE 4012 fd:00:131 100 EOF":    4012,
		"3: POSIX  ADVISORY  WRITE 4012 fd:00:131 121 127":    0, // another byte
		"3: POSIX  ADVISORY  READ 4012 fd:00:131 120 120":     0,
		"3: FLOCK  ADVISORY  WRITE 4012 fd:00:131 0 EOF":      0,
		"3: POSIX  ADVISORY  WRITE 4012 fd:00:1131 120 120":   0, // another file
		"3: -> POSIX  ADVISORY  WRITE 4012 fd:00:131 120 120": 0, // it waits
		"3: POSIX  ADVISORY  WRITE -1 fd:00:131 120 120":      0, // of another namespace
		"": 0,
	} {
		if got := writeLockOwner(line, 131); got != want {
			t.Errorf("%q is held by %d, want %d", line, got, want)
		}
	}
}
