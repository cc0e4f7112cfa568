//go:build killpoints

package store

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// killPoints counts how often this process has passed each point.
var killPoints = struct {
	sync.Mutex
	passed map[string]int
}{passed: map[string]int{}}

// KillPoint ends the process by SIGKILL where the environment says so:
// RUNNEL_KILL_POINTS lists "point#pass", separated by semicolons, and the first
// process to come there in its so manieth pass makes the file
// RUNNEL_KILL_MARK.point with its role, and dies. RUNNEL_KILL_SEEN is a file to
// which every pass is appended, as "point pass".
func KillPoint(name string) {
	if strings.HasPrefix(name, "store.") {
		name = "store." + writer() + strings.TrimPrefix(name, "store")
	}
	killPoints.Lock()
	defer killPoints.Unlock()
	killPoints.passed[name]++
	role := "command"
	if len(os.Args) > 1 && (os.Args[1] == "slot" || os.Args[1] == "worker") {
		role = os.Args[1]
	}
	if path := os.Getenv("RUNNEL_KILL_SEEN"); path != "" {
		if file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			_, _ = fmt.Fprintln(file, name, killPoints.passed[name])
			_ = file.Close()
		}
	}
	for wanted := range strings.SplitSeq(os.Getenv("RUNNEL_KILL_POINTS"), ";") {
		if wanted == name+"#"+strconv.Itoa(killPoints.passed[name]) {
			die(os.Getenv("RUNNEL_KILL_MARK")+"."+name, role)
		}
	}
}

// die kills this process, if nobody has died there before.
func die(mark, role string) {
	file, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(role)
	_ = file.Close()
	self, _ := os.FindProcess(os.Getpid())
	_ = self.Kill()
	select {}
}

// writer is the exported method of Store whose transaction this is.
func writer() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	found := "schema"
	for {
		frame, more := frames.Next()
		if _, method, ours := strings.Cut(frame.Function, "runnel/store.(*Store)."); ours {
			method, _, _ = strings.Cut(method, ".")
			if unicode.IsUpper(rune(method[0])) && method != "Open" {
				found = method
			}
		}
		if !more {
			return found
		}
	}
}
