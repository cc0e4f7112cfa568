package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// errForeignProc: /proc shows another pid namespace than ours (unshare --pid
// without a mount of its own), so its numbers mean other processes.
var errForeignProc = errors.New("/proc belongs to another pid namespace")

// errHiddenProc: there is such a process, and /proc does not show it (hidepid=).
var errHiddenProc = errors.New("/proc hides the process")

var ownProc = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
})

func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

func pidNamespace() string {
	name, _ := os.Readlink("/proc/self/ns/pid")
	return name
}

// lookUp reads one process's row. Where there is none it is fs.ErrNotExist.
func lookUp(pid int) (procInfo, error) {
	if !ownProc() {
		return procInfo{}, errForeignProc
	}
	info, err := readStat(strconv.Itoa(pid))
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return procInfo{}, errHiddenProc
	}
	return info, err
}

func readStat(pid string) (procInfo, error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if errors.Is(err, unix.ESRCH) { // it went between open and read
		err = fs.ErrNotExist
	}
	if err != nil {
		return procInfo{}, err
	}
	return parseStat(text)
}

// userHZ is how many ticks proc_pid_stat(5) counts a second, on every machine.
const userHZ = 100

// parseStat reads fields 1, 3 to 6, 14 to 17 and 22 of proc_pid_stat(5). The name
// in field 2 holds whatever the program likes, spaces and parentheses included,
// so it ends at the last one.
func parseStat(text []byte) (procInfo, error) {
	open, end := bytes.IndexByte(text, ' '), bytes.LastIndexByte(text, ')')
	if open < 0 || end < 0 {
		return procInfo{}, fmt.Errorf("read process table: %q", text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 20 {
		return procInfo{}, fmt.Errorf("read process table: %q", text)
	}
	info := procInfo{state: fields[0][0]}
	var errs [5]error
	info.pid, errs[0] = strconv.Atoi(string(text[:open]))
	info.parent, errs[1] = strconv.Atoi(fields[1])
	info.group, errs[2] = strconv.Atoi(fields[2])
	info.session, errs[3] = strconv.Atoi(fields[3])
	info.start, errs[4] = strconv.ParseInt(fields[19], 10, 64)
	for _, field := range fields[11:15] {
		ticks, _ := strconv.ParseInt(field, 10, 64)
		info.ticks += ticks
	}
	return info, errors.Join(errs[:]...)
}

// listProcesses reads the whole table, without those that go meanwhile.
func listProcesses() ([]procInfo, error) {
	if !ownProc() {
		return nil, errForeignProc
	}
	names, err := readNames("/proc")
	if err != nil {
		return nil, fmt.Errorf("read process table: %w", err)
	}
	var table []procInfo
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		if info, err := readStat(name); err == nil {
			table = append(table, info)
		}
	}
	return table, nil
}
