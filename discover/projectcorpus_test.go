package discover

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// projectCorpus lists real project files: those of public repositories, then the
// snippets of Prefect's documentation.
func projectCorpus(t *testing.T) (files []string) {
	t.Helper()
	root := filepath.Join("..", "..", "shared", "corpus")
	for _, pattern := range []string{"prefect_yaml/*/*.y*ml", "prefect_yaml_reference/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("LEFT OUT: no real project files at " + root)
	}
	return files
}

// deserved are the files of the corpus that are not loaded, and why: one real
// file, whose name Prefect refuses too, and snippets that are no project files.
var deserved = map[string]string{
	"prefect_yaml/cuddebtj__prefect-orchestration/prefect.yaml": `:22:9: deployments[0].name: "yahoo-flow/off-pre-season" holds a /`,

	"docs__integrations__prefect-aws__ecs-worker__manual-deployment__2.yaml":          ":26:5: not YAML: mapping values are not allowed",
	"docs__integrations__prefect-gcp__api-ref__prefect_gcp-workers-cloud_run__1.yaml": ":4:3: not YAML",
	"docs__v3__api-ref__python__prefect-deployments-steps-pull__10.yaml":              ":4:14: not YAML: did not find expected key\n  put a value that begins with {{ in quotes",
	"docs__v3__concepts__slas__1.yaml":                                                ":2:3: deployments: must be a list",
	"docs__v3__how-to-guides__deployment_infra__kubernetes__1.yaml":                   ":23:1: not YAML: could not find expected ':'",
	"docs__v3__how-to-guides__deployments__create-schedules__1.yaml":                  ":3:3: not YAML",
	"docs__v3__how-to-guides__deployments__create-schedules__3.yaml":                  ":2:3: deployments: must be a list",
	"docs__v3__how-to-guides__deployments__prefect-yaml__18.yaml":                     `:1:8: build: must be a list of steps, not "..."`,
	"docs__v3__how-to-guides__deployments__prefect-yaml__2.yaml":                      ":3:3: build[0].requires: requires (line 3), image_name (line 4), tag (line 5), dockerfile (line 6) stand beside build_docker_image",
	"docs__v3__how-to-guides__deployments__prefect-yaml__20.yaml":                     `:1:8: build: must be a list of steps, not "..."`,
	"docs__v3__how-to-guides__deployments__prefect-yaml__21.yaml":                     ":5:5: not YAML",
	"docs__v3__how-to-guides__deployments__store-flow-code__12.yaml":                  ":21:5: not YAML",
	"docs__v3__how-to-guides__deployments__store-flow-code__3.yaml":                   ":2:7: pull[0].pull_from_blob_storage: no such step",
}

func deservedBy(file string) string {
	for name, want := range deserved {
		if strings.HasSuffix(filepath.ToSlash(file), name) {
			return want
		}
	}
	return ""
}

func TestCorpusLoads(t *testing.T) {
	files := projectCorpus(t)
	loaded, entries, warnings, refused := 0, 0, 0, 0
	for _, file := range files {
		p, err := ReadProject(file)
		if err != nil {
			refused++
			if want := deservedBy(file); want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("refused: %v", err)
			}
			continue
		}
		if deservedBy(file) != "" {
			t.Errorf("%s loads", file)
		}
		loaded++
		entries += len(p.Deployments)
		warnings += len(p.Warnings)
	}
	t.Logf("%d files: %d loaded with %d deployments and %d warnings, %d refused", len(files), loaded, entries, warnings, refused)
}

// freeForm are the parts whose keys are the user's own, or are kept whole.
var freeForm = regexp.MustCompile(`^(definitions|deployments\[\d+\]\.(parameters|work_pool\.job_variables|triggers|sla|schedules?(\[\d+\])?\.parameters)|(.*\.)?(build|push|pull)(\[\d+\])?\.\w+\.\w+)([.\[]|$)`)

func TestCorpusAccountsForEveryKey(t *testing.T) {
	keys := map[string]int{}
	for _, file := range projectCorpus(t) {
		p, err := ReadProject(file)
		if err != nil || p.root == nil {
			continue
		}
		accountFor(t, p, p.root, "", keys)
	}
	t.Logf("keys: %v", keys)
}

// accountFor walks the file as it is written and asks what became of each key.
func accountFor(t *testing.T, p *Project, n *yaml.Node, path string, keys map[string]int) {
	for i, c := range n.Content {
		if n.Kind == yaml.SequenceNode {
			accountFor(t, p, c, indexPath(path, i), keys)
			continue
		}
		if i%2 == 0 {
			continue
		}
		key := n.Content[i-1].Value
		at := joinPath(path, key)
		if regexp.MustCompile(`(^|\.)(build|push|pull)(\[\d+\])?$`).MatchString(path) {
			short, _ := shortStep(key)
			at = joinPath(path, short)
		}
		what, known := p.account[at]
		if !known {
			t.Errorf("%s:%d: nothing became of %s", p.Path, n.Content[i-1].Line, at)
			continue
		}
		what, _, _ = strings.Cut(what, ":")
		keys[what]++
		if what == "used" && !freeForm.MatchString(at) {
			accountFor(t, p, c, at, keys)
		}
	}
}

func TestCorpusSavedUnchanged(t *testing.T) {
	for _, file := range projectCorpus(t) {
		p, err := ReadProject(file)
		if err != nil {
			continue
		}
		for _, e := range p.Deployments {
			after, err := p.SaveEntry(e)
			if err != nil || string(after) != string(p.raw) {
				t.Errorf("%s: entry %d as read changes the file: %v", file, e.Index, err)
			}
		}
	}
}

// edits are what a person changes in a deployment, one at a time.
var edits = map[string]func(*Entry){
	"description": func(e *Entry) { e.Description = ptr("it's new: # 1\nand more") },
	"pool":        func(e *Entry) { e.WorkPool.Name, e.WorkPool.WorkQueueName = "other pool", "quick" },
	"schedules":   func(e *Entry) { e.Schedules = &[]ScheduleEntry{{Cron: "0 6 * * *", Timezone: "Europe/Paris"}} },
	"no schedule": func(e *Entry) { e.Schedules = &[]ScheduleEntry{} },
	"more schedules": func(e *Entry) {
		var list []ScheduleEntry
		if e.Schedules != nil {
			list = slices.Clone(*e.Schedules)
		}
		list = append(list, ScheduleEntry{Interval: "3600", AnchorDate: "2026-01-01T00:00:00Z", Active: ptr(false)})
		e.Schedules = &list
	},
	"parameters": func(e *Entry) {
		values := map[string]json.RawMessage{"added": json.RawMessage(`{"a":[1,"two",null,"{{ $X }}"]}`)}
		for key, value := range e.Parameters {
			values[key] = value
		}
		e.Parameters = values
	},
	"job variables": func(e *Entry) {
		e.WorkPool.JobVariables = map[string]json.RawMessage{"env": json.RawMessage(`{"A":"yes","B":"1"}`)}
	},
	"tags":  func(e *Entry) { e.Tags = &[]string{"one", "two: 2"} },
	"limit": func(e *Entry) { e.Concurrency = &Concurrency{Limit: ptr(3), CollisionStrategy: "CANCEL_NEW"} },
	"own": func(e *Entry) {
		e.Retries, e.RetryDelaySeconds, e.Catchup, e.Paused = ptr(2), []float64{1, 2.5}, "all", ptr(true)
	},
	"pull": func(e *Entry) {
		e.Pull = Steps{StepsOwn, []Step{{Name: "git_clone", Arguments: map[string]json.RawMessage{"repository": json.RawMessage(`"https://example.com/r.git"`)}}}}
	},
}

func ptr[T any](v T) *T { return &v }

func TestCorpusSavedWithAChange(t *testing.T) {
	saved, byHand, files := 0, 0, 0
	for _, file := range projectCorpus(t) {
		p, err := ReadProject(file)
		if err != nil {
			continue
		}
		files++
		for name, edit := range edits {
			for _, e := range p.Deployments[:min(len(p.Deployments), 2)] {
				edit(&e)
				after, err := p.SaveEntry(e)
				if err != nil {
					byHand++
					t.Logf("%s: %s of entry %d: %v", filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), name, e.Index, strings.SplitN(err.Error(), ";", 2)[0])
					continue
				}
				saved++
				sameComments(t, file+": "+name, p, after, e.Index)
			}
		}
		after, err := p.SaveEntry(Entry{Name: "brand new", Entrypoint: "flows/new.py:new", WorkPool: WorkPool{Name: "p"}})
		if err != nil {
			t.Errorf("%s: a new entry: %v", file, err)
			continue
		}
		sameComments(t, file+": new", p, after, -1)
		saved++
	}
	t.Logf("%d files: %d changes saved and read again, %d left to be written by hand", files, saved, byHand)
	if byHand*20 > saved {
		t.Error("more than one change in twenty cannot be saved")
	}
}

// replacing are the edits that take lines away, and their comments with them.
var replacing = regexp.MustCompile(`: (job variables|pull|limit|schedules|no schedule)$`)

// sameComments holds that no comment goes, and no line end changes.
func sameComments(t *testing.T, what string, p *Project, after []byte, entry int) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(after, &doc); err != nil {
		t.Fatal(err)
	}
	have, own := comments(&doc), map[string]int{}
	if replacing.MatchString(what) {
		root := p.doc.Content[0]
		own = comments(root.Content[keyIndex(root, "deployments")+1].Content[entry])
	}
	for c, n := range comments(p.doc) {
		if have[c]+own[c] < n {
			t.Errorf("%s: the comment %q is gone", what, c)
		}
	}
	if strings.Contains(string(p.raw), "\r\n") && strings.Count(string(after), "\n") != strings.Count(string(after), "\r\n") {
		t.Errorf("%s: line ends are mixed", what)
	}
}

func comments(root *yaml.Node) map[string]int {
	out := map[string]int{}
	if root == nil {
		return out
	}
	walkNodes(root, func(n *yaml.Node) {
		for _, text := range []string{n.HeadComment, n.FootComment, n.LineComment} {
			for line := range strings.Lines(text) {
				out[strings.TrimSpace(line)]++
			}
		}
	})
	return out
}

// unresolved is what entries of the corpus deserve to be refused for, when every
// variable and secret is there.
var unresolved = regexp.MustCompile(`^(has no name|a step of (the package|your own)|runnel has no blocks|\{\{ .* \}\} (has no value|is a block of Prefect's))`)

func TestCorpusResolves(t *testing.T) {
	all := Lookup{
		Env:      func(string) (string, bool) { return "from-the-environment", true },
		Variable: func(string) (json.RawMessage, bool) { return json.RawMessage(`"v"`), true },
		Secret:   func(string) (string, bool) { return "hush", true },
		Pending:  true,
	}
	good, bad := 0, map[string]int{}
	for _, file := range projectCorpus(t) {
		p, err := ReadProject(file)
		if err != nil {
			continue
		}
		for _, e := range p.Deployments {
			out, problems := e.Resolve(all)
			if len(problems) == 0 {
				good++
				noTemplateLeft(t, file, out)
				continue
			}
			bad[problems[0].Message]++
		}
	}
	t.Logf("%d entries resolve", good)
	for message, n := range bad {
		t.Logf("%d: %s", n, message)
		if !unresolved.MatchString(message) {
			t.Error("that is not deserved")
		}
	}
}

func noTemplateLeft(t *testing.T, file string, e Entry) {
	t.Helper()
	raw, err := json.Marshal(struct {
		P map[string]json.RawMessage
		J map[string]json.RawMessage
	}{e.Parameters, e.WorkPool.JobVariables})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range findPlaceholders(string(raw)) {
		if p.kind != secretPlaceholder && !(p.kind == stepPlaceholder) {
			t.Errorf("%s: %s of %s is left", file, p.written(), e.Name)
		}
	}
	if strings.Contains(string(raw), "hush") {
		t.Errorf("%s: the value of a secret is in %s", file, e.Name)
	}
}
