package runner

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// startNice starts a process with a nice value that is so much above ours, as
// far as the system allows, from its first instruction on: all that it starts
// has it, too. Linux keeps it for each thread, and a fork takes its thread's.
func startNice(spec Spec, nice int) (*Process, error) {
	if nice == 0 {
		return Start(spec)
	}
	type result struct {
		p   *Process
		err error
	}
	started := make(chan result)
	go func() {
		// Never unlocked: the thread, which cannot be made less nice again,
		// ends with its goroutine.
		runtime.LockOSThread()
		raw, _ := unix.Getpriority(unix.PRIO_PROCESS, 0) // the call itself gives 20 less the value
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 20-raw+nice)
		p, err := Start(spec)
		started <- result{p, err}
	}()
	r := <-started
	return r.p, r.err
}

// oomKills is how many processes of our control group the kernel has killed
// for want of memory, and what memory the group may have, 0 where it has no
// limit. Without such a group it is all that the kernel has killed.
func oomKills() (count int, limit int64) {
	g := memoryGroup()
	return counted(g.events, "oom_kill"), fileNumber(g.limit)
}

// memoryFiles are where the kernel counts, and where a limit stands.
type memoryFiles struct{ events, limit string }

// memoryGroup finds the files of this process's control group, of either
// version. A process stays in its group but by hands from outside.
var memoryGroup = sync.OnceValue(func() memoryFiles {
	const root = "/sys/fs/cgroup"
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), ":")
		kind, group, _ := strings.Cut(line, ":")
		files := memoryFiles{filepath.Join(root, group, "memory.events"), filepath.Join(root, group, "memory.max")}
		if kind == "memory" {
			folder := filepath.Join(root, "memory", group)
			files = memoryFiles{filepath.Join(folder, "memory.oom_control"), filepath.Join(folder, "memory.limit_in_bytes")}
		} else if kind != "" {
			continue
		}
		if _, err := os.Stat(files.events); err == nil {
			return files
		}
	}
	return memoryFiles{events: "/proc/vmstat"}
})

// counted reads one line, "name number", of a file of them.
func counted(path, name string) int {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}

// unlimited is what version 1 says where there is no limit, and a page less.
const unlimited = 1 << 62

// fileNumber is the number that a file holds; "max" and none at all are 0.
func fileNumber(path string) int64 {
	text, _ := os.ReadFile(path)
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}
