package runner

import (
	"errors"

	"golang.org/x/sys/unix"
)

// reapAsInit takes away the zombies that came to us because we are process 1
// of a container. Our own slots are waited for where they are held.
func reapAsInit(slots map[int]bool) {
	pids, err := children()
	if err != nil {
		return
	}
	for _, pid := range pids {
		if slots[pid] {
			continue
		}
		for {
			_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
}
