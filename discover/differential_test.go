package discover

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// standardLibrary is the folder of Python's own modules.
func standardLibrary(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", "import sysconfig; print(sysconfig.get_paths()['stdlib'])").Output()
	if err != nil {
		t.Skip("no python3: nothing is compared with Python's ast")
	}
	return strings.TrimSpace(string(out))
}

// pythonFiles lists the .py files below dir, without those of other packages.
func pythonFiles(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "site-packages" && path != dir {
			return fs.SkipDir
		}
		if d.Type().IsRegular() && strings.HasSuffix(path, ".py") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// compareFolder asserts that every function of every file is seen alike, and
// that what ast refuses we refuse too, but for grammar newer than this Python.
func compareFolder(t *testing.T, dir string, least int) {
	t.Helper()
	py := startPython(t)
	files := pythonFiles(t, dir)
	functions, refused, newer := 0, 0, 0
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := py.see(t, raw), seeOurs(raw)
		switch {
		case theirs.Error != "" && ours.Error != "":
			refused++
		case theirs.Error != "":
			newer++
			t.Logf("%s: only ast refuses it: %s", path, theirs.Error)
		case ours.Error != "":
			t.Errorf("%s: only we refuse it: %s", path, ours.Error)
		default:
			functions += len(theirs.Functions)
			if d := compareSeen(ours, theirs); d != "" {
				t.Errorf("%s: %s", path, d)
			}
		}
	}
	if len(files) < least {
		t.Errorf("compared %d files, want %d or more", len(files), least)
	}
	t.Logf("%d files, %d functions alike, %d refused by both, %d by ast alone", len(files), functions, refused, newer)
}

// Every function of Python's standard library, its tests included, is seen as
// ast sees it.
func TestStandardLibraryLikeAST(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	compareFolder(t, standardLibrary(t), 500)
}

// So is every function of the packages around Prefect.
func TestSitePackagesLikeAST(t *testing.T) {
	venv := os.Getenv(prefectVenv)
	if venv == "" || testing.Short() {
		t.Skipf("%s is not set: its packages are not compared with ast", prefectVenv)
	}
	found, err := filepath.Glob(filepath.Join(venv, "lib", "python3*", "site-packages"))
	if err != nil || len(found) != 1 {
		t.Fatalf("no site-packages in %s", venv)
	}
	compareFolder(t, found[0], 1000)
}

func TestTrickyFilesLikeAST(t *testing.T) {
	compareFolder(t, filepath.Join("testdata", "tricky"), 10)
}
