package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"runnel/discover"
	"runnel/runner"
	"runnel/store"
)

// source is a repository that was read for a deployment: it is cloned into a
// temporary folder by the same step as for a run, and nothing of it is run.
type source struct {
	discover.GitSource
	token          string // the template that --access-token gives
	temporary      string
	folder         string           // the top of the clone
	commit, branch string           // branch: or tag; "" where a commit was asked for
	found          *discover.Result // once it was looked through
}

// asSource is the repository that the entrypoint of the line names, if it does.
func (c deployCmd) asSource() (s discover.GitSource, is bool, err error) {
	s, is, err = discover.ParseGitSource(c.Entrypoint)
	if !is || err != nil {
		return s, is, sourceError(err)
	}
	if store.HoldsLogin(s.Repository) {
		return s, true, &exitError{
			code: exitUsage, message: "the address of the repository holds a login, which would be stored and shown",
			hint: []string{"keep it as a secret (runnel variable set NAME - --secret), and name that: --access-token '{{ prefect.blocks.secret.NAME }}'"},
		}
	}
	for flag, given := range map[string]bool{
		"--file": c.File != "", "--root": c.Root != "", "--save": c.Save != nil && *c.Save, "--no-from-git": c.FromGit != nil && !*c.FromGit,
	} {
		if given {
			return s, true, usage("%s is about this folder, and the line deploys from a repository", flag)
		}
	}
	given := c.Branch + c.Commit
	if c.Commit == "HEAD" { // what the address leads to now, and pull stays at it
		given = ""
	}
	if given != "" {
		if s.Ref != "" {
			return s, true, usage("the address says @%s already: leave --branch and --commit out", s.Ref)
		}
		s.Ref = given
	}
	return s, true, nil
}

func sourceError(err error) error {
	var known *discover.GitSourceError
	if errors.As(err, &known) {
		return &exitError{code: exitUsage, message: known.Message, hint: known.Hint}
	}
	return err
}

// secretTemplate is a template that is one secret and nothing else.
var secretTemplate = lazily(`^\{\{ *prefect\.blocks\.secret\.([A-Za-z0-9._-]+) *\}\}$`)

// checkToken refuses a token that is no reference.
func (c deployCmd) checkToken() error {
	if c.AccessToken == "" || secretTemplate().MatchString(c.AccessToken) {
		return nil
	}
	return &exitError{
		code: exitUsage, message: "--access-token takes the name of a secret, not the token itself, which would be stored and shown",
		hint: []string{"runnel variable set git-token - --secret", "--access-token '{{ prefect.blocks.secret.git-token }}'"},
	}
}

// secretOf is the secret that a template names.
func (a *app) secretOf(template string) (string, error) {
	name := secretTemplate().FindStringSubmatch(template)[1]
	missing := &exitError{
		code: exitNotFound, message: fmt.Sprintf("--access-token: there is no secret %q", name),
		hint: []string{"set it: runnel variable set " + name + " - --secret"},
	}
	if !a.hasDatabase() {
		return "", missing
	}
	s, err := a.store()
	if err != nil {
		return "", err
	}
	text, err := s.Secret(a.ctx, name)
	if isNotFound(err) {
		return "", missing
	}
	return text, err
}

// readSource clones a repository, once for each command.
func (a *app) readSource(g discover.GitSource, token string) (*source, error) {
	if s := a.source; s != nil && s.Repository == g.Repository && s.Ref == g.Ref && s.token == token {
		s.Entrypoint = g.Entrypoint
		return s, nil
	}
	a.forgetSource()
	temporary, err := os.MkdirTemp("", "runnel-read-")
	if err != nil {
		return nil, err
	}
	s := &source{GitSource: g, token: token, temporary: temporary}
	a.source = s
	a.say("reading %s", g.Repository)
	ctx, stop := stoppable(a.ctx)
	defer stop()
	err = a.cloneSource(ctx, s, s.step(!g.IsCommit()))
	if err != nil && ctx.Err() == nil && !g.IsCommit() && g.MayBeCommit() {
		var known *exitError
		if a.cloneSource(ctx, s, s.step(false)) == nil { // the beginning of a commit
			err = nil
		} else if errors.As(err, &known) {
			known.hint = append(known.hint, "nor has it a commit that begins so")
		}
	}
	if err != nil {
		return nil, err
	}
	branch := ""
	if s.commit, branch, err = discover.GitHead(a.ctx, s.folder); err != nil {
		return nil, err
	}
	if s.branch == "" {
		s.branch = branch
	}
	return s, nil
}

// forgetSource removes what was cloned.
func (a *app) forgetSource() {
	if a.source != nil {
		_ = os.RemoveAll(a.source.temporary) // the system cleans its temporary folder
		a.source = nil
	}
}

// step is the pull step that brings the code: by a branch or tag, which is
// followed, or by a commit.
func (s *source) step(byName bool) discover.Step {
	arguments := map[string]json.RawMessage{"repository": jsonText(s.Repository)}
	switch {
	case s.Ref != "" && byName:
		arguments["branch"] = jsonText(s.Ref)
	case s.Ref != "":
		arguments["commit_sha"] = jsonText(s.Ref)
	}
	if s.token != "" {
		arguments["access_token"] = jsonText(s.token)
	}
	return discover.Step{Name: store.GitClone, ID: "clone", Arguments: arguments}
}

// pull are the pull steps of the deployment. A commit is named in full; stay makes
// one of what was read.
func (s *source) pull(stay bool) discover.Steps {
	step := s.step(true)
	if stay || s.MayBeCommit() && strings.HasPrefix(s.commit, strings.ToLower(s.Ref)) {
		delete(step.Arguments, "branch")
		step.Arguments["commit_sha"] = jsonText(s.commit)
	}
	return discover.Steps{Origin: discover.StepsOwn, List: []discover.Step{step}}
}

func (a *app) cloneSource(ctx context.Context, s *source, step discover.Step) error {
	var secrets []string
	if s.token != "" {
		token, err := a.secretOf(s.token)
		if err != nil {
			return err
		}
		step.Arguments["access_token"], secrets = jsonText(token), []string{token}
	}
	done, err := runner.RunSteps(ctx, []store.Step{storeStep(step)}, runner.StepOptions{
		Dir: s.temporary, Env: withoutLinks(a.Environ), Stdout: io.Discard, Stderr: io.Discard,
		Fill: func(int, runner.StepOutputs) (store.Step, []string, error) { return storeStep(step), secrets, nil },
	})
	s.folder = done.Dir
	for _, clone := range done.Clones {
		s.branch = clone.Branch
	}
	return s.cloneError(ctx, err)
}

// withoutLinks is an environment in which git writes a symbolic link as a plain
// file: what is read of a repository that is not known yet lies in it.
func withoutLinks(environ []string) []string {
	n := 0
	for _, pair := range environ {
		if count, found := strings.CutPrefix(pair, "GIT_CONFIG_COUNT="); found {
			n = atoiOr(count)
		}
	}
	return append(environ[:len(environ):len(environ)], fmt.Sprintf("GIT_CONFIG_COUNT=%d", n+1),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=core.symlinks", n), fmt.Sprintf("GIT_CONFIG_VALUE_%d=false", n))
}

func (s *source) cloneError(ctx context.Context, err error) error {
	var failed *runner.StepError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &exitError{code: exitInterrupted, message: "interrupted: nothing was deployed"}
	case !errors.As(err, &failed):
		return err
	}
	why, hints, _ := strings.Cut(failed.Err.Error(), "\n")
	why = strings.TrimSuffix(why, ":")
	if rest, is := strings.CutPrefix(why, s.Repository+" "); is {
		why = "it " + rest
	}
	e := &exitError{code: exitFailed, message: fmt.Sprintf("cannot read %s: %s", s.Repository, why)}
	for hint := range strings.SplitSeq(hints, "\n") {
		if hint != "" && !strings.HasPrefix(hint, "Cloning into") {
			e.hint = append(e.hint, hint)
		}
	}
	return e
}

// fromSource makes the one order of a flow in a repository.
func (j *deployJob) fromSource(g discover.GitSource) error {
	if err := j.c.missing(); err != nil {
		return err
	}
	s, err := j.readSource(g, j.c.AccessToken)
	if err != nil {
		return err
	}
	flow, err := j.flowOf(s)
	if err != nil {
		return err
	}
	entry := discover.Entry{Name: j.c.Name[0], Entrypoint: flow.Entrypoint, Flow: flow.FlowName, Pull: s.pull(j.c.Commit == "HEAD")}
	j.project = project{}
	j.orders = []order{{entry: entry, flow: flow, source: s}}
	return nil
}

// flowOf is the flow that a source names, or its only one.
func (j *deployJob) flowOf(s *source) (flow discover.Flow, err error) {
	if s.Entrypoint != "" {
		flow, err = j.reader(s.folder).Entrypoint(s.Entrypoint)
		return flow, s.lacking(err)
	}
	flows, err := j.flowsOf(s)
	switch {
	case err != nil:
		return flow, err
	case len(flows) == 1:
		return flows[0], nil
	case len(flows) == 0:
		return flow, s.empty()
	}
	e := usage("%s has %s: which one?", s.Repository, plural(len(flows), "flow"))
	for _, f := range flows {
		e.hint = append(e.hint, "runnel deploy "+store.Quote(s.at(f.Entrypoint)))
	}
	return flow, e
}

// lacking says of a file that is not there where it was looked for.
func (s *source) lacking(err error) error {
	var unknown *discover.EntrypointError
	missing := errors.As(err, &unknown) && unknown.Kind == discover.FileMissing
	_, err = found(discover.Flow{}, err)
	var told *exitError
	if missing && errors.As(err, &told) {
		told.message = fmt.Sprintf("commit %s of %s: %s", shortCommit(s.commit), s.Repository, told.message)
		told.hint = []string{"list its flows: runnel deploy " + store.Quote(s.at(""))}
	}
	return err
}

func (s *source) empty() error {
	return &exitError{
		code: exitNotFound, message: fmt.Sprintf("no flow was found in %s, at commit %s", s.Repository, shortCommit(s.commit)),
		hint: []string{"name a file of it: " + s.at("path/file.py:function")},
	}
}

// at is the source with an entrypoint, as it is typed.
func (s *source) at(entrypoint string) string {
	g := s.GitSource
	g.Entrypoint = entrypoint
	return g.String()
}

// flowsOf looks a repository through.
func (a *app) flowsOf(s *source) (flows []discover.Flow, err error) {
	if s.found == nil {
		result, err := discover.Walk(a.ctx, s.folder, discover.Options{})
		if err != nil {
			return nil, err
		}
		s.found = &result
	}
	for _, f := range s.found.Flows {
		if f.Deployable {
			flows = append(flows, f)
		}
	}
	return flows, nil
}

// place says in the plan's first line which code was read.
func (s *source) place() string {
	text := "repository " + s.Repository
	if s.branch != "" {
		text += " · " + s.branch
	}
	return text + " · commit " + s.commit
}
