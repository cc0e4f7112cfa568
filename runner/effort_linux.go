package runner

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// effortOf adds up what /proc tells of a group; what is hidden there is none.
func effortOf(group int) (sum effort) {
	table, err := listProcesses()
	if err != nil || group == 0 { // which the kernel's own are in
		return sum
	}
	for _, info := range table {
		if info.group != group {
			continue
		}
		sum.cpu += time.Duration(info.ticks) * time.Second / userHZ
		sum.disk = sum.disk || info.state == 'D'
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(info.pid) + "/io")
		for line := range strings.Lines(string(text)) {
			switch name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); name {
			case "rchar", "wchar", "read_bytes", "write_bytes":
				n, _ := strconv.ParseInt(value, 10, 64)
				sum.bytes += n
			}
		}
	}
	return sum
}
