package store

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func steps(list ...Step) *[]Step { return &list }

func clone(arguments string) Step {
	return Step{Name: GitClone, ID: "clone", Arguments: values(arguments)}
}

func values(text string) (v Values) {
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

func TestPullStepsAreKeptComparedAndRemoved(t *testing.T) {
	s := open(t)
	pull := steps(
		clone(`{"repository": "https://example.org/r.git", "access_token": "{{ prefect.blocks.secret.token }}"}`),
		Step{Name: RunShellScript, Arguments: values(`{"script": "make <all> && x", "env": {"A": 1}, "directory": "{{ clone.directory }}"}`)},
	)
	apply(t, s, func(w *Wish) { w.PullSteps = pull })
	d, err := s.Deployment(context.Background(), "hello/nightly")
	must(t, err)
	if !sameSteps(d.PullSteps, *pull) {
		t.Errorf("read back %+v", d.PullSteps)
	}
	if c := apply(t, s, nil); c.Action != "=" {
		t.Errorf("nil does not keep: %+v", c)
	}
	if c := apply(t, s, func(w *Wish) { w.PullSteps = pull }); c.Action != "=" {
		t.Errorf("the same steps are a change: %+v", c)
	}
	if c := apply(t, s, func(w *Wish) { w.PullSteps = steps() }); fieldNames(c) != "pull_steps" {
		t.Errorf("empty does not remove: %+v", c)
	}
	if n := number(t, s, "SELECT count(*) FROM deployment WHERE pull_steps IS NULL"); n != 1 {
		t.Error("the column is not NULL without steps")
	}
}

func TestHiddenValuesOfStepsAreStoredAndNotShown(t *testing.T) {
	s := open(t)
	step := func(secret string) *[]Step {
		return steps(Step{
			Name: RunShellScript, Arguments: values(`{"script": "true", "env": {"TOKEN": "` + secret + `", "PLAIN": "seen"}}`),
			Shown: map[string]string{"env.TOKEN": "{{ $TOKEN }}"},
		})
	}
	c := apply(t, s, func(w *Wish) { w.PullSteps = step("hunter2") })
	text, err := json.Marshal(c)
	must(t, err)
	if strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), "{{ $TOKEN }}") || !strings.Contains(string(text), "seen") {
		t.Errorf("the plan shows %s", text)
	}
	d, err := s.Deployment(context.Background(), "hello/nightly")
	must(t, err)
	if !strings.Contains(string(d.PullSteps[0].Arguments["env"]), "hunter2") {
		t.Error("the value was not stored")
	}
	if c := apply(t, s, func(w *Wish) { w.PullSteps = step("hunter3") }); fieldNames(c) != "pull_steps" {
		t.Errorf("a changed hidden value is no change: %+v", c)
	}
}

func TestBadPullStepsAreRefused(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		step Step
		want string
	}{
		{Step{Name: "git_clown"}, `pull step 1: no step "git_clown"`},
		{clone(`{}`), "git_clone needs repository"},
		{clone(`{"repository": "r", "brunch": "x"}`), `git_clone takes no argument "brunch"`},
		{clone(`{"repository": ["r"]}`), "repository is not a text"},
		{clone(`{"repository": "r", "include_submodules": "yes"}`), "include_submodules is not true or false"},
		{clone(`{"repository": "r", "branch": "a", "commit_sha": "abcd"}`), "branch and commit_sha exclude"},
		{clone(`{"repository": "r", "access_token": "a", "credentials": "b"}`), "access_token and credentials exclude"},
		{clone(`{"repository": "r", "credentials": {"pass": "b"}}`), "credentials is not"},
		{clone(`{"repository": "http://me:SECRET@h/r"}`), "pull step 1: git_clone: repository holds a login"},
		{clone(`{"repository": "r", "access_token": "LITERAL"}`), "access_token holds a login"},
		{clone(`{"repository": "r", "credentials": {"token": "t"}}`), "credentials holds a login"},
		{clone(`{"repository": "https://ghp_0123456789@h/r"}`), "repository holds a login"},
		{clone(`{"repository": "--upload-pack=x"}`), "repository is no address that is cloned"},
		{clone(`{"repository": "ext::sh -c x"}`), "repository is no address that is cloned"},
		{clone(`{"repository": "r", "branch": "--upload-pack=x"}`), "is no branch or tag"},
		{clone(`{"repository": "r", "directories": ["a", "-c"]}`), `directories "-c" is no directory`},
		{clone(`{"repository": "{{ clone.directory }}"}`), "nothing fills in {{ clone.directory }} of repository"},
		{clone(`{"repository": "r", "access_token": "{{ $TOKEN }}"}`), "nothing fills in {{ $TOKEN }}"},
		{Step{Name: RunShellScript, Arguments: values(`{"script": "x", "env": {"A": [1]}}`)}, "env is not names with values"},
	} {
		_, err := s.Deploy(context.Background(), []Wish{wish(func(w *Wish) { w.PullSteps = steps(c.step) })}, DeployOptions{CreatePools: true})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.step, err, c.want)
		}
	}
	if n := rows(t, s); n != 0 {
		t.Errorf("%d rows after refusals", n)
	}
	good := clone(`{"repository": "r", "include_submodules": "{{ prefect.variables.deep }}", "credentials": {"token": "{{ prefect.blocks.secret.t }}"}}`)
	apply(t, s, func(w *Wish) {
		w.PullSteps = steps(good, Step{Name: SetWorkingDirectory, Arguments: values(`{"directory": "{{ directory }}/sub"}`)})
	})
}

func TestLoginsInAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"https://you:pass@h/r": true, "https://:pass@h/r": true, "https://token:@h/r": true, "ssh://you:pass@h/r": true, "https://you:p@ss@h/r": true,
		"https://ghp_Abc@github.com/r": true, "https://github_pat_11A_b@github.com/r": true, "HTTPS://glpat-x_y@gitlab.com/r": true,
		"https://ATCTT3xFf@bitbucket.org/r": true, "http://0123456789abcdef0123456789abcdef01234567@h/r": true,
		"https://h/r": false, "https://you@h/r": false, "https://john.smith2@h/r": false, "https://a-long-organisation-of-2024@dev.azure.com/r": false,
		"https://averylongnamewithoutdigits@h/r": false, "https://global-team@h/r": false, "https://h/r@0123456789abcdef01234567": false,
		"ssh://git@h/r": false, "git@h:r": false, "ssh://0123456789abcdef01234567@h/r": false, "file:///r": false, "../r": false,
	} {
		if got := HoldsLogin(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestTemplatesAreFilled(t *testing.T) {
	value := func(name string) (json.RawMessage, bool, error) {
		v, ok := values(`{"n": 9007199254740993, "text": "a\"<{{ n }}>", "map": {"b": [1]}}`)[name]
		return v, ok, nil
	}
	for _, c := range [][2]string{
		{`"{{ n }}"`, `9007199254740993`},
		{`"{{n}}!"`, `"9007199254740993!"`},
		{`{"k": ["{{ text }}", "is {{ text }}."]}`, `{"k":["a\"<{{ n }}>","is a\"<{{ n }}>."]}`},
		{`"{{ map }}"`, `{"b": [1]}`},
		{`"x{{ map }}"`, `"x{\"b\": [1]}"`},
		{`"{{ other }} {{ n"`, `"{{ other }} {{ n"`},
		{`{"{{ n }}": 12345678901234567890}`, `{"{{ n }}":12345678901234567890}`},
	} {
		got, err := FillTemplates(json.RawMessage(c[0]), value)
		if err != nil || string(compact(got)) != string(compact(json.RawMessage(c[1]))) {
			t.Errorf("%s: %s, %v; want %s", c[0], got, err, c[1])
		}
	}
}

// TestStepsOfAnAttemptAreInItsHistory, before its end and once, whatever state
// the run is in; the file stays sound.
func TestStepsOfAnAttemptAreInItsHistory(t *testing.T) {
	ctx := context.Background()
	for _, cancel := range []bool{false, true} {
		s := open(t)
		deploy(t, s, nil)
		create(t, s, "nightly", nil)
		c := claimOne(t, s)
		want, end := Running, NewState(Completed, "")
		if cancel {
			_, err := s.Cancel(ctx, c.Run.ID, "enough", "operator")
			must(t, err)
			want, end = Cancelling, NewState(Cancelled, "")
		}
		e := endOf(c, end)
		began := s.Clock().Add(-time.Minute).UTC().Truncate(time.Microsecond)
		e.Steps = []StepEnd{{Time: began, Message: "pull step 1"}, {Time: began.Add(time.Second), Message: "pull step 2"}}
		must(t, s.End(ctx, e, "slot"))
		must(t, s.End(ctx, e, "slot"))
		events, err := s.Events(ctx, c.Run.ID)
		must(t, err)
		steps := events[len(events)-3 : len(events)-1]
		for i, step := range steps {
			if step.State != want || step.Message != e.Steps[i].Message || !step.Time.Equal(e.Steps[i].Time) || step.Attempt != 1 {
				t.Errorf("step %d: %+v", i+1, step)
			}
		}
		if n := number(t, s, "SELECT count(*) FROM event WHERE message LIKE 'pull step%'"); n != 2 {
			t.Errorf("%d lines of steps", n)
		}
		report, err := s.Check(ctx)
		must(t, err)
		if len(report.Violations) > 0 {
			t.Errorf("the file: %+v", report.Violations)
		}
	}
}
