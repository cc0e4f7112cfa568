package runner

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"runnel/store"
)

// Stray is a process that belongs to a run, by its environment.
type Stray struct {
	PID     int
	Run     store.ID
	Command string
}

// Strays lists the living processes that carry this database and a run of it
// in their environment. It needs /proc, and finds nothing elsewhere.
func Strays(database string) (list []Stray) {
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range paths {
		env, err := os.ReadFile(filepath.Join(path, "environ"))
		if err != nil || !bytes.Contains(env, []byte("RUNNEL_DB="+database+"\x00")) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(path))
		info, err := lookUp(pid)
		if err != nil || info.dead() || pid == os.Getpid() {
			continue
		}
		for pair := range bytes.SplitSeq(env, []byte{0}) {
			text, found := bytes.CutPrefix(pair, []byte("RUNNEL_FLOW_RUN_ID="))
			if !found {
				continue
			}
			if id, err := store.ParseID(string(text)); err == nil {
				line, _ := os.ReadFile(filepath.Join(path, "cmdline"))
				command := string(bytes.TrimSpace(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
				list = append(list, Stray{PID: pid, Run: id, Command: command})
			}
		}
	}
	return list
}

// Hears is true where somebody listens for the bell of a worker.
func Hears(folder string, worker store.ID) bool {
	for _, path := range bellPaths(bellFolder(folder), worker.String()) {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
		if err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}
