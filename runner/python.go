package runner

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"runnel/store"
)

// The Python side: runnel_main.py, what it needs, and the built-in prefect. The
// patterns name *.py, so that no __pycache__ of a developer's gets in.
//
//go:embed python/*.py python/provided.json python/_runnel/*.py
//go:embed python/shim/prefect/*.py python/shim/prefect/*/*.py
var pythonFiles embed.FS

const pythonMain = "runnel_main.py"

// pythonFolderName is "python-" and a hash of all the embedded files, so that
// two versions of runnel on one database never use each other's.
var pythonFolderName = sync.OnceValues(func() (string, error) {
	sum := sha256.New()
	err := eachPythonFile(func(name string, content []byte) error {
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
		return nil
	})
	return "python-" + hex.EncodeToString(sum.Sum(nil))[:12], err
})

// eachPythonFile calls visit with each embedded file, its name relative to the
// installed folder with slashes, in the same order each time.
func eachPythonFile(visit func(name string, content []byte) error) error {
	return fs.WalkDir(pythonFiles, "python", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := pythonFiles.ReadFile(path)
		if err != nil {
			return err
		}
		return visit(strings.TrimPrefix(path, "python/"), content)
	})
}

// InstallPython writes the Python side into folder, once for each version of
// it, and returns the path of the file to start. Where it is there already it
// costs one stat. Any number of processes may do it at once.
func InstallPython(folder string) (main string, err error) {
	name, err := pythonFolderName()
	if err != nil {
		return "", fmt.Errorf("read the embedded Python files: %w", err)
	}
	final := filepath.Join(folder, name)
	main = filepath.Join(final, pythonMain)
	if _, err := os.Stat(main); err == nil {
		return main, nil
	}
	if err := installPythonAt(folder, final); err != nil {
		return "", fmt.Errorf("install the Python files: %w", err)
	}
	return main, nil
}

// installPythonAt fills a temporary folder and renames it, so that the folder
// is never seen half full.
func installPythonAt(folder, final string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(folder, ".python-*") // 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := writePythonFiles(temporary); err != nil {
		return err
	}
	store.KillPoint("python.renaming")
	err = os.Rename(temporary, final)
	store.KillPoint("python.renamed")
	if _, there := os.Stat(filepath.Join(final, pythonMain)); there == nil {
		return nil // ours, or the same files by another process
	}
	if err == nil {
		return nil
	}
	// What stands there lacks its main file: someone cleaned up by hand.
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	return os.Rename(temporary, final)
}

func writePythonFiles(folder string) error {
	return eachPythonFile(func(name string, content []byte) error {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return writeSynced(path, content)
	})
}

// writeSynced has the content on disk before the folder gets its name: after a
// power cut an empty runnel_main.py would run, do nothing and end with 0.
func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// PythonArgv is the command that runs entrypoint of the project at root: main
// is the path that InstallPython gave, outcome the file that the process
// writes at its end, prefect the job variable: auto (also ""), builtin or
// installed. The process reads RUNNEL_PARAMETERS, RUNNEL_FLOW_RUN_ID,
// RUNNEL_FLOW_RUN_NAME, RUNNEL_DEPLOYMENT, RUNNEL_ATTEMPT and
// RUNNEL_SCHEDULED_FOR from its environment; none is required.
func PythonArgv(interpreter, main, root, entrypoint, outcome, prefect string) []string {
	if prefect == "" {
		prefect = "auto"
	}
	return []string{
		interpreter, main,
		"--root", root, "--entrypoint", entrypoint,
		"--outcome", outcome, "--prefect", prefect,
	}
}

// needsInstalledPrefect is the key of provided.json that lists the packages
// which build on the real Prefect.
const needsInstalledPrefect = "needs the installed one"

var providedPrefect = sync.OnceValue(func() map[string][]string {
	content, err := pythonFiles.ReadFile("python/provided.json")
	if err != nil {
		return nil
	}
	var table map[string][]string
	if json.Unmarshal(content, &table) != nil {
		return nil
	}
	return table
})

// ChoosePrefect says whether the built-in prefect has all of imports, the
// dotted names that a flow's file takes from Prefect ("prefect.flow",
// "prefect.tasks.task_input_hash", "prefect_aws.S3Bucket"), and which it lacks.
// Names of other packages are skipped. _runnel/choose.py is the same at run time.
func ChoosePrefect(imports []string) (builtin bool, missing []string) {
	for _, name := range imports {
		if !hasPrefectName(name) {
			missing = append(missing, name)
		}
	}
	return len(missing) == 0, missing
}

func hasPrefectName(name string) bool {
	table := providedPrefect()
	top, _, _ := strings.Cut(name, ".")
	if slices.Contains(table[needsInstalledPrefect], top) {
		return false
	}
	if _, isModule := table[name]; isModule || top != "prefect" {
		return true
	}
	at := strings.LastIndex(name, ".")
	if names, isModule := table[name[:at]]; isModule {
		return slices.Contains(names, name[at+1:])
	}
	return hasPrefectName(name[:at]) // an attribute of something: there if that is there
}

// Outcome is what a Python flow says about its end. StateType is COMPLETED,
// FAILED or CRASHED; of a result that JSON cannot hold, or that is too long,
// ResultRepr says in at most 500 characters what it was.
type Outcome struct {
	StateType  string          `json:"state_type"`
	Message    string          `json:"message"`
	Exception  string          `json:"exception"`
	Traceback  string          `json:"traceback"`
	Result     json.RawMessage `json:"result"`
	ResultRepr string          `json:"result_repr"`
	// Root is the project root, Modules the files below it that were imported, from
	// there; Python is the interpreter's version.
	Root    string   `json:"root"`
	Modules []string `json:"modules"`
	Python  string   `json:"python"`
}

// maxOutcome is more than a process of ours writes: 256 KiB of result, or 32
// KiB of traceback escaped to six bytes a character.
const maxOutcome = 1 << 20

// ReadOutcome reads an outcome file. One that is not there gives false: the
// flow did not reach its end. One that holds anything else is an error.
func ReadOutcome(path string) (Outcome, bool, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Outcome{}, false, nil
	}
	if err != nil {
		return Outcome{}, false, fmt.Errorf("read outcome: %w", err)
	}
	outcome, err := parseOutcome(content)
	if err != nil {
		return Outcome{}, false, fmt.Errorf("read outcome %s: %w", path, err)
	}
	return outcome, true, nil
}

func parseOutcome(content []byte) (Outcome, error) {
	if len(content) > maxOutcome {
		return Outcome{}, fmt.Errorf("it has %d bytes, more than %d", len(content), maxOutcome)
	}
	var outcome Outcome
	if err := json.Unmarshal(bytes.TrimSpace(content), &outcome); err != nil {
		return Outcome{}, err
	}
	switch outcome.StateType {
	case "COMPLETED", "FAILED", "CRASHED":
		return outcome, nil
	}
	return Outcome{}, fmt.Errorf("unknown state type %q", outcome.StateType)
}
