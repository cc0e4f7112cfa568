package cli

import (
	"fmt"
	"strings"

	"runnel/discover"
)

// warnings notes what the reader of the project file found odd, a line a kind:
// the first place with what mends it, and the lines of the others.
func (j *deployJob) warnings() {
	first := map[string]string{}
	lines := map[string][]string{}
	var kinds []string
	for _, p := range j.file.Warnings {
		if !j.concerns(p) {
			continue
		}
		kind := p.Path[strings.LastIndexByte(p.Path, '.')+1:] + p.Message + p.Hint
		if first[kind] == "" {
			kinds = append(kinds, kind)
			p.File = j.near(p.File)
			first[kind] = p.Error()
			if p.Hint != "" {
				first[kind] += "; " + strings.ReplaceAll(p.Hint, "\n", "; ")
			}
			continue
		}
		lines[kind] = append(lines[kind], fmt.Sprint(p.Line))
	}
	for _, kind := range kinds {
		text := first[kind]
		if more := lines[kind]; len(more) == 1 {
			text += " (also line " + more[0] + ")"
		} else if len(more) > shownItems {
			text += fmt.Sprintf(" (also lines %s and %d more)", strings.Join(more[:shownItems], ", "), len(more)-shownItems)
		} else if len(more) > 1 {
			text += " (also lines " + strings.Join(more, ", ") + ")"
		}
		j.notes.about(text)
	}
}

// concerns is true for a warning of an entry that is chosen, or of none.
func (j *deployJob) concerns(p discover.Problem) bool {
	var entry int
	if n, _ := fmt.Sscanf(p.Path, "deployments[%d]", &entry); n == 0 || j.c.All {
		return true
	}
	for _, o := range j.orders {
		if o.entry.Index == entry {
			return true
		}
	}
	return false
}
