package store

import "syscall"

// localFlag is set for a local file system (sys/mount.h: MNT_LOCAL).
const localFlag = 0x1000

// checkFileSystem refuses a folder on a network file system.
func checkFileSystem(folder string) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return folderError(folder, err)
	}
	if stat.Flags&localFlag != 0 {
		return nil
	}
	kind := []byte{}
	for _, c := range stat.Fstypename {
		if c == 0 {
			break
		}
		kind = append(kind, byte(c))
	}
	return networkError(folder, string(kind))
}

// lockHolder cannot be told here: macOS lists no locks.
func lockHolder(string) (int, string) { return 0, "" }
