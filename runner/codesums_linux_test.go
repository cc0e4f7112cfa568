package runner

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"runnel/store"
)

// What a slot remembers of files is never an older content: a write that keeps
// size and time of the content is seen, as is a file that takes its place.
func TestARememberedSumIsOfThisContent(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "flow.py")
	old := time.Now().Add(-time.Hour)
	write := func(name, content string) {
		check(t, os.WriteFile(name, []byte(content), 0o600))
		check(t, os.Chtimes(name, old, old))
	}
	// settle waits until the file's inode is older than an instant.
	settle := func() {
		for {
			info, err := os.Stat(path)
			check(t, err)
			if version, _ := versionOf(info); time.Since(version.changed()) > fileTick {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	sums := fileSums{}
	content := func() string {
		t.Helper()
		kept, fresh := store.Code{}, store.Code{}
		sums.contents(&kept, folder, []string{"flow.py"}, time.Now())
		fileSums{}.contents(&fresh, folder, []string{"flow.py"}, time.Now())
		if kept.Content != fresh.Content {
			t.Fatalf("remembered %s, and it is %s", kept.Content, fresh.Content)
		}
		return kept.Content
	}
	write(path, "one")
	settle()
	first := content()
	if len(sums) != 1 || content() != first {
		t.Fatalf("%d files are remembered, and their sum is %s, not %s", len(sums), content(), first)
	}
	write(path, "two")
	content() // in the instant of the write
	write(path, "six")
	content()
	settle()
	write(filepath.Join(folder, "other"), "ten")
	content()
	check(t, os.Rename(filepath.Join(folder, "other"), path))
	content()
	write(path, "one")
	if content() != first {
		t.Error("the same content has another sum")
	}
}

// changedAt is a file whose inode was changed then.
type changedAt struct {
	os.FileInfo
	at syscall.Timespec
}

func (c changedAt) Size() int64 { return 1 }
func (c changedAt) Sys() any    { return &syscall.Stat_t{Ctim: c.at} }

// TestWholeSecondsTellNoVersions: two writes within one look alike on a file system
// that counts them.
func TestWholeSecondsTellNoVersions(t *testing.T) {
	for nanoseconds, want := range map[int64]bool{0: false, 1: true} {
		if _, known := versionOf(changedAt{at: syscall.NsecToTimespec(1700000000*1e9 + nanoseconds)}); known != want {
			t.Errorf("with %d ns: %v", nanoseconds, known)
		}
	}
}
