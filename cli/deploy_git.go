package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// pullsFromGit is what the flags say of where runs take the code from; nil
// where they say nothing.
func (c deployCmd) pullsFromGit() *bool {
	if c.FromGit == nil && (c.Branch != "" || c.Commit != "" || c.AccessToken != "") {
		yes := true
		return &yes
	}
	return c.FromGit
}

// checkGit refuses flags of git that contradict each other.
func (c deployCmd) checkGit() error {
	if err := c.checkToken(); err != nil {
		return err
	}
	if c.FromGit != nil && !*c.FromGit && c.Branch+c.Commit+c.AccessToken != "" {
		return usage("--no-from-git uses this folder: --branch, --commit and --access-token say from where it is cloned")
	}
	if c.Branch != "" && c.Commit != "" {
		return usage("--branch is followed and --commit stays: give one of both")
	}
	if c.Branch != "" {
		if err := discover.CheckGitRef(c.Branch); err != nil {
			return usage("--branch: %s", err)
		}
	}
	if c.Commit != "" && c.Commit != "HEAD" && !(discover.GitSource{Ref: c.Commit}).MayBeCommit() {
		return usage("--commit: %q is no commit: 4 to 64 hex digits, or HEAD", c.Commit)
	}
	return nil
}

// gitOrder is what a checkout gives for --from-git: where runs get the code.
type gitOrder struct {
	steps   []discover.Step
	version string // the commit that they get, as far as it is known here
}

// gitOrder reads the checkout of the project, and says what of it runs lack.
func (j *deployJob) gitOrder() (o gitOrder, err error) {
	if j.fromGit != nil {
		return *j.fromGit, nil
	}
	checkout, ok := j.checkoutOf(j.project.root)
	if !ok {
		e := usage("--from-git: %s is no checkout with a remote", j.project.root)
		e.hint = []string{"without it runs use this folder"}
		return o, e
	}
	if store.HoldsLogin(checkout.Remote) {
		return o, &exitError{
			code: exitRefused, message: "--from-git: the address of the remote holds a login, which would be stored and shown",
			hint: []string{
				"take it out of the address: git remote set-url " + store.Quote(checkout.RemoteName) + " …",
				"keep it as a secret: runnel variable set git-token - --secret",
				"and name that: --access-token '{{ prefect.blocks.secret.git-token }}'",
			},
		}
	}
	published := ""
	switch {
	case j.c.Commit != "":
		if published = j.pin(&checkout, j.c.Commit); published == "" {
			err = &exitError{
				code: exitNotFound, message: fmt.Sprintf("--commit: this checkout has no commit %q", j.c.Commit),
				hint: []string{"see: git log --oneline", "of another repository: runnel deploy git+https://host/repo.git@COMMIT"},
			}
		}
	case j.c.Branch != "":
		published = j.follow(&checkout, j.c.Branch)
	case checkout.Branch != "":
		published, _ = discover.GitCommit(j.ctx, j.project.root, "refs/remotes/"+checkout.RemoteName+"/"+checkout.Branch, checkout.RemoteName)
	default:
		published = checkout.Commit
		j.notes.add("the checkout has no branch that %s has too: runs stay at commit %s", checkout.Remote, shortCommit(published))
	}
	if err != nil {
		return o, err
	}
	j.noteUnpublished(checkout)
	o.version = shortCommit(published)
	o.steps = clone(checkout, j.c.AccessToken)
	j.fromGit = &o
	return o, nil
}

// pin makes the checkout's commit the one that runs stay at, and gives it in
// full; "" where it is not here.
func (j *deployJob) pin(c *discover.Checkout, name string) string {
	commit, published := discover.GitCommit(j.ctx, c.Top, name, c.RemoteName)
	if commit == "" {
		return ""
	}
	if commit != c.Commit {
		j.notes.add("the flow was read from this folder, which has commit %s; runs use %s", shortCommit(c.Commit), shortCommit(commit))
	}
	c.Branch, c.Commit = "", commit
	c.Unpushed = nil
	if !published {
		c.Unpushed = []string{shortCommit(commit)}
	}
	return commit
}

// follow makes the branch that runs follow this one, and gives its commit as far
// as it is known here.
func (j *deployJob) follow(c *discover.Checkout, branch string) string {
	own := c.Branch
	c.Branch = branch
	commit, _ := discover.GitCommit(j.ctx, c.Top, "refs/remotes/"+c.RemoteName+"/"+c.Branch, c.RemoteName)
	if commit == "" {
		commit, _ = discover.GitCommit(j.ctx, c.Top, "refs/tags/"+c.Branch, c.RemoteName)
	}
	if own != c.Branch {
		c.Unpushed = nil // of another branch
	}
	switch {
	case commit == "":
		j.notes.add("no branch or tag %q of %s is known here: push it before a run", c.Branch, c.Remote)
	case own != c.Branch && commit != c.Commit:
		j.notes.add("the flow was read from this folder, which has commit %s; runs use %s, now at %s",
			shortCommit(c.Commit), c.Branch, shortCommit(commit))
	}
	return commit
}

// overlayPull sets the pull steps that --from-git stands for.
func (j *deployJob) overlayPull(e *discover.Entry) error {
	fromGit := j.c.pullsFromGit()
	if fromGit == nil || j.orders[0].source != nil {
		return nil
	}
	e.Pull = discover.Steps{Origin: discover.StepsOwn, List: []discover.Step{}}
	if !*fromGit {
		return nil
	}
	o, err := j.gitOrder()
	e.Pull.List = o.steps
	return err
}

// checkoutOf describes the git checkout of a root, asked once.
func (j *deployJob) checkoutOf(root string) (discover.Checkout, bool) {
	known, asked := j.checkouts[root]
	if !asked {
		known.Checkout, known.ok = discover.GitCheckout(j.ctx, root)
		if j.checkouts == nil {
			j.checkouts = map[string]checkoutOf{}
		}
		j.checkouts[root] = known
	}
	return known.Checkout, known.ok
}

// checkoutOf is a checkout, where there is one.
type checkoutOf struct {
	discover.Checkout
	ok bool
}

// cloned is the commit that runs get from this checkout's own remote, and it
// says what they lack; "" for those that use a folder or another repository.
func (j *deployJob) cloned(root string, pull discover.Steps) string {
	for _, s := range pull.List {
		if s.Name != store.GitClone {
			continue
		}
		c, ok := j.checkoutOf(root)
		if !ok || place(s.Text("repository")) != place(c.Remote) {
			continue
		}
		key := [...]string{root, s.Text("branch"), s.Text("commit_sha")}
		commit, asked := j.clones[key]
		if !asked {
			commit = j.clonedBy(s, c)
			if j.clones == nil {
				j.clones = map[[3]string]string{}
			}
			j.clones[key] = commit
		}
		return commit
	}
	return ""
}

// clonedBy is what a step that clones the checkout's remote brings, as far as it
// is known here.
func (j *deployJob) clonedBy(s discover.Step, c discover.Checkout) string {
	if store.HoldsLogin(c.Remote) {
		c.Remote = place(c.Remote)
	}
	commit := c.Published
	switch branch, pinned := s.Text("branch"), s.Text("commit_sha"); {
	case store.HasTemplate(s.Arguments["branch"]), store.HasTemplate(s.Arguments["commit_sha"]):
		return "" // the run knows
	case pinned != "":
		if commit = j.pin(&c, pinned); commit == "" {
			return "" // a later one, most likely
		}
	case branch != "" && branch != c.Branch:
		commit = j.follow(&c, branch)
	}
	j.noteUnpublished(c)
	return shortCommit(commit)
}

// place is where a repository lies, however its address is written.
func place(address string) string {
	if _, path, scp := strings.Cut(address, ":"); scp && !strings.HasPrefix(path, "//") {
		address = "ssh://" + strings.Replace(address, ":", "/", 1)
	}
	if u, err := url.Parse(address); err == nil && u.Scheme != "" {
		address = strings.ToLower(u.Host) + "/" + strings.TrimLeft(u.Path, "/")
	}
	return strings.TrimSuffix(strings.TrimRight(address, "/"), ".git")
}

// clone are the steps by which a run fetches what the remote has.
func clone(c discover.Checkout, token string) []discover.Step {
	step := discover.Step{Name: store.GitClone, ID: "clone", Arguments: map[string]json.RawMessage{"repository": jsonText(c.Remote)}}
	if c.Branch != "" {
		step.Arguments["branch"] = jsonText(c.Branch)
	} else {
		step.Arguments["commit_sha"] = jsonText(c.Commit)
	}
	if token != "" {
		step.Arguments["access_token"] = jsonText(token)
	}
	steps := []discover.Step{step}
	if c.Folder != "" {
		steps = append(steps, discover.Step{
			Name:      store.SetWorkingDirectory,
			Arguments: map[string]json.RawMessage{"directory": jsonText("{{ clone.directory }}/" + c.Folder)},
		})
	}
	return steps
}

// jsonText is text as JSON, with &, < and > as they are.
func jsonText(text string) json.RawMessage {
	var b strings.Builder
	if err := encodeJSON(&b, text, ""); err != nil {
		panic(fmt.Sprintf("text: %v", err)) // text always encodes
	}
	return json.RawMessage(strings.TrimSpace(b.String()))
}

// noteUnpublished says what of this folder runs do not get.
func (j *deployJob) noteUnpublished(c discover.Checkout) {
	if lost := unpublished(c); lost != "" {
		j.notes.add("runs use what %s has, which lacks %s", c.Remote, lost)
	}
}

// unpublished names the work that a clone will not have, or "".
func unpublished(c discover.Checkout) string {
	var parts []string
	if len(c.Uncommitted) > 0 {
		parts = append(parts, note{"what is not committed", c.Uncommitted}.String())
	}
	if len(c.Unpushed) > 0 {
		parts = append(parts, note{"what is not pushed", c.Unpushed}.String())
	}
	return strings.Join(parts, "; and ")
}
