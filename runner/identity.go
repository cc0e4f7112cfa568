package runner

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// Identity names one process for as long as the store lives: a pid alone is
// used again, by a later process, after a reboot or in another pid namespace.
type Identity struct {
	Host         string `json:"host"`
	BootID       string `json:"boot_id"`
	PIDNamespace string `json:"pid_namespace"`
	PID          int    `json:"pid"`
	StartTime    int64  `json:"start_time"` // Linux: ticks since boot; macOS: microseconds since 1970
}

// procInfo is what the process table says of one process.
type procInfo struct {
	pid, parent, group, session int

	state byte // as in ps: R, S, D, T, Z, …
	start int64
	ticks int64 // on processors, its own and of children that it waited for; Linux
}

func (p procInfo) dead() bool    { return p.state == 'Z' || p.state == 'X' }
func (p procInfo) stopped() bool { return p.state == 'T' || p.state == 't' }

// place is where this process runs, which does not change while it does.
var place = sync.OnceValue(func() Identity {
	host, _ := os.Hostname() // without a name, the boot id decides alone
	return Identity{Host: host, BootID: bootID(), PIDNamespace: pidNamespace()}
})

// Self is the identity of this process.
func Self() Identity {
	id, err := IdentityOf(os.Getpid())
	if err != nil {
		id = place()
		id.PID = os.Getpid()
	}
	return id
}

// IdentityOf is the identity of a process of this pid namespace.
func IdentityOf(pid int) (Identity, error) {
	info, err := lookUp(pid)
	if err != nil {
		return Identity{}, err
	}
	id := place()
	id.PID, id.StartTime = pid, info.start
	return id, nil
}

// Alive says whether the process still is. A stopped one is alive, a zombie is
// not. It is not known where this process cannot see it: on another host or in
// another pid namespace.
func (id Identity) Alive() (alive, known bool) {
	info, known := id.find()
	return info.pid != 0 && !info.dead(), known
}

// Stopped says whether the process is alive and was stopped, by SIGSTOP or by
// a debugger.
func (id Identity) Stopped() bool {
	info, known := id.find()
	return known && info.pid != 0 && info.stopped()
}

// find returns the process's row of the table, or an empty one where it is
// known to be gone.
func (id Identity) find() (info procInfo, known bool) {
	here := place()
	switch {
	case id.PID <= 0:
		return procInfo{}, false
	case id.BootID != here.BootID:
		// Another boot of this host ended it; another host's is its own affair.
		return procInfo{}, id.Host == here.Host
	case here.BootID == "" && id.Host != here.Host:
		return procInfo{}, false
	case id.PIDNamespace != here.PIDNamespace:
		return procInfo{}, false
	}
	info, err := lookUp(id.PID)
	if errors.Is(err, fs.ErrNotExist) {
		return procInfo{}, true
	}
	if err != nil {
		return procInfo{}, false
	}
	if id.StartTime != 0 && info.start != id.StartTime {
		return procInfo{}, true // its number was used again
	}
	return info, true
}
