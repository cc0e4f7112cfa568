package discover

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestAheadReadsTheSame: files that import each other's types, read at once,
// give the flows that they give one by one; a wrong entrypoint keeps its error.
func TestAheadReadsTheSame(t *testing.T) {
	folder := t.TempDir()
	var entrypoints []string
	const files = 40
	for i := range files {
		text := fmt.Sprintf("from prefect import flow\nfrom m%02d import C%d as Other\nimport enum\n\nclass C%d(enum.Enum):\n    A = %d\n\n@flow\ndef f%d(x: Other, y: C%d = C%d.A):\n    pass\n",
			(i+1)%files, (i+1)%files, i, i, i, i, i)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("m%02d.py", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		entrypoints = append(entrypoints, fmt.Sprintf("m%02d.py:f%d", i, i))
	}
	entrypoints = append(entrypoints, "m00.py:nope", "nope.py:x", "m00.py")
	together := NewReader(folder)
	together.Ahead(entrypoints)
	for _, entrypoint := range entrypoints {
		want, wantErr := Entrypoint(folder, entrypoint)
		got, err := together.Entrypoint(entrypoint)
		if !reflect.DeepEqual(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: %+v, %v\nnot %+v, %v", entrypoint, got, err, want, wantErr)
		}
	}
}
