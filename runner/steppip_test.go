//go:build unix

package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRequirementsAreReadAsPipReadsThem: an environment is shared by those alone for
// whom they mean the same.
func TestRequirementsAreReadAsPipReadsThem(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		check(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write("more.txt", "of-more\n")
	for text, want := range map[string]struct{ more, folders bool }{
		"six":                                {},
		"six==1.0 # see file:///x or ./x":    {},
		"# -r gone.txt":                      {},
		"six>=1; python_version >= '3'":      {},
		"x @ https://example.org/x.whl":      {},
		"git+https://example.org/x@v1#egg=x": {},
		"--find-links ./wheels\nsix":         {},
		"-r more.txt":                        {more: true},
		"-r more.txt # those":                {more: true},
		"-rmore.txt\t# those":                {more: true},
		"--requirement=more.txt  #":          {more: true},
		"-c more.txt":                        {more: true},
		"-r ${FOLDER}/more.txt":              {folders: true},
		"-r https://example.org/more.txt":    {folders: true},
		"-e .":                               {folders: true},
		"./x":                                {folders: true},
		"libs/x":                             {folders: true},
		"libs/x[extra] ; python_version >= '3' # mine": {folders: true},
		"x-1.0-py3-none-any.whl":                       {folders: true},
		"x @ file:///tmp/x":                            {folders: true},
	} {
		write("requirements.txt", text+"\n")
		var q requirements
		err := q.read(filepath.Join(folder, "requirements.txt"))
		if more := strings.Contains(string(q.text), "of-more"); err != nil || more != want.more || q.folders != want.folders {
			t.Errorf("%q: more %v, folders %v, %v", text, more, q.folders, err)
		}
	}
}
