package discover

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are the hand-made files: whatever Python may meet.
func seeds(f *testing.F) {
	f.Helper()
	for _, folder := range []string{"tricky", "flows"} {
		paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.py"))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds in %s", folder)
		}
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
}

// Whatever the bytes, tokenizing ends without a panic, and the tokens cover the
// text in order: each starts where the one before ended, or later.
func FuzzTokenize(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := decode(raw)
		if err != nil {
			return
		}
		toks, lexErr := tokenize(text)
		last := int32(0)
		for i, tok := range toks {
			if tok.start < last || tok.end < tok.start || int(tok.end) > len(text) {
				t.Fatalf("token %d %+v after offset %d", i, tok, last)
			}
			last = tok.end
		}
		if len(toks) == 0 || toks[len(toks)-1].kind != tokEOF {
			t.Fatal("the tokens do not end")
		}
		if lexErr != nil && (lexErr.pos < 0 || lexErr.pos > len(text)) {
			t.Fatalf("error at %d of %d", lexErr.pos, len(text))
		}
	})
}

// Whatever the bytes, scanning ends without a panic, in a skip with a reason or
// in flows that stand in the file; and what Python's ast accepts is seen alike.
func FuzzScan(f *testing.F) {
	seeds(f)
	var py *python
	if _, err := exec.LookPath("python3"); err == nil {
		py = startPython(f)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, skip := openPython(newProject(t.TempDir()), "x.py", raw)
		if skip != nil && skip.Reason == "" {
			t.Fatal("a skip without a reason")
		}
		if skip == nil {
			flows, _ := file.flows()
			for _, flow := range flows {
				if flow.Line < 1 || flow.EndLine < flow.Line || flow.EndLine > len(file.mod.lines) || !utf8.Valid(flow.Parameters) {
					t.Fatalf("flow %+v", flow)
				}
				decodeJSON(t, flow.Parameters)
			}
		}
		if py == nil {
			return
		}
		theirs := py.see(t, raw)
		if theirs.Error != "" {
			return // grammar newer than this Python, or no Python at all
		}
		ours := seeOurs(raw)
		if strings.Contains(ours.Error, "unknown encoding") || strings.Contains(ours.Error, ": not valid ") {
			return // Python has a hundred codecs, and some take more bytes than ours
		}
		if ours.Error != "" {
			t.Fatalf("only we refuse it: %s", ours.Error)
		}
		if d := compareSeen(ours, theirs); d != "" {
			t.Fatal(d)
		}
	})
}
