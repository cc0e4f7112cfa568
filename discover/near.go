package discover

import (
	"maps"
	"slices"
	"strings"
)

func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// maxNear is how many suggestions an error makes.
const maxNear = 3

// near lists the names that a mistyped one most likely meant, best first.
func near(name string, names []string) []string {
	type scored struct {
		name string
		cost int
	}
	var found []scored
	limit := min(max(2, len(name)/3), len(name)-1) // something of it must be left
	for _, other := range names {
		cost := distance(fold(name), fold(other))
		if cost <= limit || len(name) > 2 && strings.Contains(fold(other), fold(name)) {
			found = append(found, scored{other, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return a.cost - b.cost })
	var out []string
	for _, f := range found[:min(maxNear, len(found))] {
		out = append(out, f.name)
	}
	return out
}

// fold makes my-flow and My_Flow alike.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance is how many characters to add, drop or change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal = row[j+1]
			row[j+1] = cost
		}
	}
	return row[len(b)]
}
