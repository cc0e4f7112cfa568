package main

import (
	"os"
	"strings"
	"testing"
)

// quotes are the figures of docs/benchmarks.md that README.md quotes, by the
// beginnings of their rows.
var quotes = map[string]string{
	"| from a run's commit to its program's":  "| trigger: /bin/true, from the commit, above bare, p50 |",
	"| from `runnel run` to a Python flow's":  "| prefect: trigger to start, runnel / Prefect |",
	"| runs of `/bin/true` a second":          "| throughput: rate, worker / GNU parallel |",
	"| the same over `xargs -P 4`":            "| throughput: rate, worker / xargs -P 4 |",
	"| a claim and an end in a file of a mil": "| claim: 1000000 / 1000 ended runs |",
}

// TestQuotedFigures holds what README.md says of speed to the last full run of the
// suite; -update takes it over.
func TestQuotedFigures(t *testing.T) {
	read := func(path string) []string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(text), "\n")
	}
	measured, lines := read("docs/benchmarks.md"), read("README.md")
	for quoted, figure := range quotes {
		at, found := startingWith(lines, quoted), startingWith(measured, figure)
		if at < 0 || found < 0 {
			t.Errorf("README.md has no row %q, or docs/benchmarks.md no row %q", quoted, figure)
			continue
		}
		words := strings.Split(lines[at], " | ")
		value := strings.TrimSpace(strings.Split(measured[found], "|")[2])
		if shown := strings.TrimSuffix(words[len(words)-1], " |"); shown != value && !*update {
			t.Errorf("README.md says %s in %q, and %s was measured", shown, quoted, value)
		}
		words[len(words)-1] = value + " |"
		lines[at] = strings.Join(words, " | ")
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func startingWith(lines []string, start string) int {
	for i, line := range lines {
		if strings.HasPrefix(line, start) {
			return i
		}
	}
	return -1
}
