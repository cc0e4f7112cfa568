package runner

import (
	"fmt"
	"strings"
	"time"
)

// leftLook is the first pause between two looks at what is about to end. The pauses
// grow: each look reads the whole process table.
const leftLook = 2 * time.Millisecond

// leftAt is what the flow left running at a time, nil as soon as nothing is:
// Python's helper processes, say, end a moment after it.
func (p *Process) leftAt(deadline time.Time) []int {
	for pause := leftLook; ; pause *= 2 {
		left, _ := p.Children()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(min(pause, time.Until(deadline)+time.Millisecond))
	}
}

// namedLeft is how many processes a message names.
const namedLeft = 5

// withLeft adds to the message of an end what goes on: nobody else would know.
func withLeft(message string, pids []int) string {
	if len(pids) == 0 {
		return message
	}
	named := strings.Trim(fmt.Sprint(pids[:min(len(pids), namedLeft)]), "[]")
	if more := len(pids) - namedLeft; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	text := fmt.Sprintf("it left %d processes running: %s", len(pids), named)
	if len(pids) == 1 {
		text = "it left a process running: " + named
	}
	return also(message, text)
}

// also adds to a message, which may be empty.
func also(message, more string) string {
	return strings.TrimPrefix(message+"; "+more, "; ")
}
