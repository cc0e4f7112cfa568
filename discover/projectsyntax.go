package discover

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// probe is how many lines after a failing one are tried: text in quotes and
// lists in brackets may go over several lines, and fail in their middle.
const probe = 12

// maxProbed bounds the files that are searched so, in bytes: each step of the
// search parses the file.
const maxProbed = 256 << 10

// syntaxProblem says where a file stops being YAML. The library names the line
// where the surrounding block begins, so the place is found by parsing the file
// up to each line: what follows the longest good beginning is what is wrong.
func syntaxProblem(path string, raw []byte, err error) *Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(message, "line %d:", &line); n == 1 {
		_, message, _ = strings.Cut(message, ": ")
	}
	p := &Problem{File: path, Line: max(line, 1), Column: 1, Message: "not YAML: " + message}
	lines := strings.SplitAfter(string(raw), "\n")
	if len(raw) <= maxProbed {
		p.Line = min(goodLines(lines)+1, len(lines))
	}
	if p.Line <= len(lines) {
		p.Column, p.Hint = badColumn(lines[p.Line-1])
		if p.Hint == "" && strings.HasPrefix(message, "mapping values are not allowed") {
			p.Hint = "check the indentation: this line is further in than the one before, which has its value already"
		}
	}
	return p
}

// goodLines is the length of the longest beginning that parses, in lines. A
// beginning that holds the mistake never parses, so halving finds it.
func goodLines(lines []string) int {
	low, high := 0, len(lines)
	for low < high {
		middle := (low + high + 1) / 2
		good := -1
		for n := middle; n < min(middle+probe, high+1); n++ {
			if parses(strings.Join(lines[:n], "")) {
				good = n
				break
			}
		}
		if good >= 0 {
			low = good
		} else {
			high = middle - 1
		}
	}
	return low
}

func parses(text string) bool {
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// badColumn is where in a line the mistake most likely is, and how to mend it.
func badColumn(line string) (column int, hint string) {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	if strings.HasPrefix(line[indent:], "\t") {
		return indent + 1, "YAML is indented with spaces, not tabs"
	}
	for _, before := range []string{": {{", "- {{"} {
		if i := strings.Index(line, before); i >= 0 {
			return len([]rune(line[:i])) + 3, `put a value that begins with {{ in quotes: "{{ … }}"`
		}
	}
	return indent + 1, ""
}
