package store

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// networkMagic is the file systems whose locks are not the kernel's own
// (statfs(2), and the kernel's magic.h).
var networkMagic = map[int64]string{
	0x6969:     "NFS",
	0x517b:     "SMB",
	0xff534d42: "CIFS",
	0xfe534d42: "SMB2",
	0x65735546: "FUSE",
	0x01021997: "9p",
	0x0bd00bd0: "Lustre",
	0x00c36400: "Ceph",
	0x5346414f: "AFS",
	0x47504653: "GPFS",
}

// checkFileSystem refuses a folder on a network file system.
func checkFileSystem(folder string) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return folderError(folder, err)
	}
	// Some architectures have a signed 32-bit type: the upper half is noise.
	if kind, found := networkMagic[int64(uint32(stat.Type))]; found { //nolint:gosec // bits, not a number
		return networkError(folder, kind)
	}
	return nil
}

// walWriteLock is the byte of the -shm file whose lock is the write lock
// (SQLite, wal.c: UNIX_SHM_BASE 120).
const walWriteLock = 120

// lockHolder finds who holds the write lock of a database, 0 where it cannot
// be told. It never opens the -shm file: closing that would drop our locks.
func lockHolder(path string) (pid int, command string) {
	var stat syscall.Stat_t
	if syscall.Stat(path+"-shm", &stat) != nil {
		return 0, ""
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0, ""
	}
	defer locks.Close() //nolint:errcheck // only read
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		if pid := writeLockOwner(lines.Text(), stat.Ino); pid != 0 {
			return pid, commandOf(pid)
		}
	}
	return 0, ""
}

// writeLockOwner reads a line such as
// "3: POSIX  ADVISORY  WRITE 4012 fd:00:131 120 120".
func writeLockOwner(line string, inode uint64) int {
	f := strings.Fields(line)
	if len(f) < 8 || f[1] != "POSIX" || f[3] != "WRITE" || !strings.HasSuffix(f[5], fmt.Sprintf(":%d", inode)) {
		return 0
	}
	first, _ := strconv.Atoi(f[6])
	last, err := strconv.Atoi(f[7])
	if first > walWriteLock || (err == nil && last < walWriteLock) {
		return 0
	}
	pid, _ := strconv.Atoi(f[4])
	return max(pid, 0)
}

func commandOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		return "already gone"
	}
	return strings.TrimRight(strings.ReplaceAll(string(text), "\x00", " "), " ")
}
