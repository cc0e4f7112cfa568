package discover

import (
	"errors"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func projectSeeds(f *testing.F) {
	f.Helper()
	archive, err := txtar.ParseFile("testdata/project/problems.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Add([]byte(kept))
	f.Add([]byte(pulls))
}

// Whatever a file holds: reading and resolving end, and saving an entry changes
// nothing, or that entry alone, or says that it is for a person.
func FuzzProject(f *testing.F) {
	projectSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parseProject("p.yaml", raw)
		if err != nil {
			var bad *ProjectError
			if !errors.As(err, &bad) || len(bad.Problems) == 0 || bad.Problems[0].Line == 0 {
				t.Fatalf("no place: %v", err)
			}
			return
		}
		for i, e := range p.Deployments {
			_, _ = e.Resolve(Lookup{Pending: true})
			same, err := p.SaveEntry(e)
			if err != nil || string(same) != string(raw) {
				t.Fatalf("entry %d as read changes the file: %v", i, err)
			}
			for name, edit := range edits {
				changed := p.Deployments[i]
				edit(&changed)
				after, err := p.SaveEntry(changed)
				var byHand *SaveError
				if err != nil && !errors.As(err, &byHand) {
					t.Fatalf("%s: %v", name, err)
				}
				if err == nil {
					if _, err := p.verify(after, changed, i); err != nil {
						t.Fatalf("%s: %v\n%s", name, err, after)
					}
				}
			}
		}
		_, _ = p.SaveEntry(Entry{Name: "brand new", Entrypoint: "n.py:n"})
	})
}
