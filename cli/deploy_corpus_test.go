package cli

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/discover"
)

// deserves are the errors that entries of real project files deserve, when the
// flows that they name are there, all variables are set and the pools are made.
var deserves = []*regexp.Regexp{
	regexp.MustCompile(`has no (name|entrypoint|work pool)$`),
	regexp.MustCompile(`a step of (the package|your own)`),
	regexp.MustCompile(`runnel (has no blocks|does not read remote storage)`),
	regexp.MustCompile(`\{\{ .* \}\} (has no value|is a block of Prefect's|is not a template)`),
	regexp.MustCompile(`entrypoint: /.*: no such file`),                        // of another machine
	regexp.MustCompile(`job variable "env": \[.* is not an object of strings`), // Kubernetes'
	regexp.MustCompile(`is on line \d+ already`),
}

// TestCorpusPlans plans each deployment of the real project files by the way
// that a line of deploy goes.
func TestCorpusPlans(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", "..", "shared", "corpus", "prefect_yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "*.y*ml"))
	if err != nil || len(files) == 0 {
		t.Skip("LEFT OUT: no real project files at " + root)
	}
	planned, refused, unread, unnamed := 0, map[string]int{}, 0, 0
	for _, file := range files {
		j, folder, err := corpusJob(t, file)
		if err != nil {
			unread++
			if !unreadable.MatchString(err.Error()) {
				t.Errorf("%s does not deserve: %v", strings.TrimPrefix(file, root), err)
			}
			continue
		}
		if err := plans(j); err == nil { // all at once is quicker
			planned += len(j.orders)
			unnamed += len(j.file.Deployments) - len(j.orders)
			continue
		}
		for _, o := range j.orders {
			one := &deployJob{app: j.app, c: j.c, project: j.project, file: j.file, orders: []order{o}}
			err := plans(one)
			if err == nil {
				planned++
				continue
			}
			i := slices.IndexFunc(deserves, func(r *regexp.Regexp) bool { return r.MatchString(err.Error()) })
			if i < 0 {
				t.Errorf("%s: %s does not deserve: %v", strings.TrimPrefix(file, root), o.entry.FullName(), strings.ReplaceAll(err.Error(), folder, ""))
				continue
			}
			refused[deserves[i].String()]++
		}
		unnamed += len(j.file.Deployments) - len(j.orders)
	}
	t.Logf("%d files, %d of them not read; %d deployments planned, %d have no name", len(files), unread, planned, unnamed)
	for _, why := range slices.Sorted(maps.Keys(refused)) {
		t.Logf("%d refused: %s", refused[why], why)
	}
	if planned == 0 {
		t.Error("nothing was planned")
	}
}

func plans(j *deployJob) error {
	if err := j.wish(); err != nil {
		return err
	}
	_, err := j.plan()
	return err
}

// unreadable are the errors that whole files deserve.
var unreadable = regexp.MustCompile(`has no deployments with a name|" holds a /$`)

var askedEnv = regexp.MustCompile(`\{\{\s*\$(\w+)\s*\}\}`)

// corpusJob makes a folder with the file, and the flows that it names.
func corpusJob(t *testing.T, file string) (*deployJob, string, error) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "prefect.yaml")
	write(t, path, string(raw))
	environ := []string{"HOME=" + folder}
	for _, found := range askedEnv.FindAllStringSubmatch(string(raw), -1) {
		environ = append(environ, found[1]+"=1")
	}
	var out bytes.Buffer
	a := &app{ctx: context.Background(), path: filepath.Join(folder, "state", "runnel.db"), IO: &IO{
		In: strings.NewReader(""), Out: &out, Err: &out, Width: 80, Dir: folder, Clock: time.Now, Environ: environ,
		Env: func(string) string { return "" },
	}}
	j := &deployJob{app: a, c: deployCmd{All: true, DryRun: true, File: path, outputFlag: asTable}}
	if err := j.find(); err != nil {
		return nil, folder, err
	}
	makeFlows(t, folder, j.file)
	return j, folder, nil
}

// makeFlows writes the flow of each entry whose entrypoint names a file.
func makeFlows(t *testing.T, folder string, p *discover.Project) {
	t.Helper()
	parameters := map[string]map[string]map[string]bool{} // by file and function
	for _, e := range p.Deployments {
		file, function, named := cutEntrypoint(e.Entrypoint)
		if !named || filepath.IsAbs(file) || strings.HasPrefix(file, "..") {
			continue
		}
		if looksLikeModule(file, named) {
			file = strings.ReplaceAll(file, ".", "/") + ".py"
		}
		if parameters[file] == nil {
			parameters[file] = map[string]map[string]bool{}
		}
		if parameters[file][function] == nil {
			parameters[file][function] = map[string]bool{}
		}
		for name := range e.Parameters {
			parameters[file][function][name] = true
		}
		if e.Schedules != nil {
			for _, s := range *e.Schedules {
				for name := range s.Parameters {
					parameters[file][function][name] = true
				}
			}
		}
	}
	for file, functions := range parameters {
		text := "from prefect import flow\n"
		for function, names := range functions {
			list := strings.Join(slices.Sorted(maps.Keys(names)), "=None, ")
			if list != "" {
				list += "=None"
			}
			text += fmt.Sprintf("\n@flow\ndef %s(%s): ...\n", function, list)
		}
		write(t, filepath.Join(folder, filepath.FromSlash(file)), text)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
