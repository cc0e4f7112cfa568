package discover

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
)

// prefectVenv names a virtual environment with Prefect in it.
const prefectVenv = "RUNNEL_TEST_PREFECT_VENV"

// differing are the signatures where runnel's schema is not Prefect's on
// purpose. docs/discovery.md gives the reasons by these headings; a signature
// that stops differing must leave the list.
var differing = map[string]string{
	"d014": "infinity",
	"d017": "computed default", "d015": "computed default", "d020": "computed default", "d027": "computed default",
	"d018": "computed default", "d019": "computed default",
	"f004": "Annotated description", "f005": "Field constraints", "f006": "Field constraints", "f007": "Field title and examples",
	"f015": "default_factory",
	"q004": "forward reference inside a container",
	"n003": "*args and **kwargs", "n004": "*args and **kwargs", "n005": "*args and **kwargs", "w005": "*args and **kwargs",
	"n008": "leading underscore",
}

func signatureSchemas(t *testing.T) map[string]any {
	t.Helper()
	result, err := File(filepath.Join("testdata", "signatures"), "signatures.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, skip := range result.Skipped {
		t.Fatalf("skipped %s:%d: %s", skip.File, skip.Line, skip.Reason)
	}
	out := map[string]any{}
	for _, flow := range result.Flows {
		out[flow.Function] = decodeJSON(t, flow.Parameters)
	}
	return out
}

func decodeJSON(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("schema is no JSON: %v\n%s", err, raw)
	}
	return v
}

// Prefect's own schemas and ours say the same of every signature, but for the
// differences above.
func TestSchemasLikePrefect(t *testing.T) {
	venv := os.Getenv(prefectVenv)
	if venv == "" {
		t.Skipf("%s is not set: schemas are not compared with Prefect's", prefectVenv)
	}
	python := filepath.Join(venv, "bin", "python")
	cmd := exec.Command(python, "prefect_schemas.py", "signatures.py")
	cmd.Dir = filepath.Join("testdata", "signatures")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("prefect: %v\n%s", err, stderr.Bytes())
	}
	// JSON has no infinity, though Python writes one.
	out = bytes.ReplaceAll(out, []byte(": Infinity"), []byte(`: "Infinity"`))
	out = bytes.ReplaceAll(out, []byte("#/definitions/"), []byte("#/$defs/"))
	var theirs map[string]map[string]any
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	if len(theirs) < 150 {
		t.Fatalf("Prefect described %d signatures, want 150 or more", len(theirs))
	}
	ours := signatureSchemas(t)
	equal := 0
	for name, want := range theirs {
		if defs, ok := want["definitions"].(map[string]any); ok && len(defs) > 0 {
			want["$defs"] = defs
		}
		delete(want, "definitions")
		diffs := diff("", ours[name], any(want))
		switch {
		case len(diffs) == 0 && differing[name] != "":
			t.Errorf("%s no longer differs: take it off the list", name)
		case len(diffs) > 0 && differing[name] == "":
			t.Errorf("%s\n  %s", name, strings.Join(diffs, "\n  "))
		case len(diffs) == 0:
			equal++
		default:
			t.Logf("%s (%s)\n  %s", name, differing[name], strings.Join(diffs, "\n  "))
		}
	}
	t.Logf("%d signatures, %d equal, %d differ on purpose", len(theirs), equal, len(differing))
}

// diff lists the paths where two JSON values differ, ours first.
func diff(path string, ours, theirs any) []string {
	a, okA := ours.(map[string]any)
	b, okB := theirs.(map[string]any)
	if !okA || !okB {
		if reflect.DeepEqual(ours, theirs) {
			return nil
		}
		x, _ := json.Marshal(ours)
		y, _ := json.Marshal(theirs)
		return []string{path + ": ours " + string(x) + ", Prefect " + string(y)}
	}
	var out []string
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	for k := range keys {
		x, okX := a[k]
		y, okY := b[k]
		switch {
		case !okX:
			v, _ := json.Marshal(y)
			out = append(out, path+"/"+k+": only Prefect "+string(v))
		case !okY:
			v, _ := json.Marshal(x)
			out = append(out, path+"/"+k+": only ours "+string(v))
		default:
			out = append(out, diff(path+"/"+k, x, y)...)
		}
	}
	sort.Strings(out)
	return out
}
