package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// overlayPull sets the pull steps that --from-git stands for.
func (j *deployJob) overlayPull(e *discover.Entry) error {
	if j.c.FromGit == nil {
		return nil
	}
	e.Pull = discover.Steps{Origin: discover.StepsOwn, List: []discover.Step{}}
	if !*j.c.FromGit {
		return nil
	}
	checkout, ok := j.checkoutOf(j.project.root)
	if !ok {
		e := usage("--from-git: %s is no checkout with a remote", j.project.root)
		e.hint = []string{"without it runs use this folder"}
		return e
	}
	steps, err := clone(checkout)
	e.Pull.List = steps
	if lost := unpublished(checkout); lost != "" {
		j.notes.add("runs use what %s has, which lacks %s", checkout.Remote, lost)
	}
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

// cloned is the commit that runs get from this checkout's own remote; "" for
// those that use a folder, or another repository or branch.
func (j *deployJob) cloned(root string, pull discover.Steps) string {
	for _, s := range pull.List {
		if s.Name != store.GitClone {
			continue
		}
		c, ok := j.checkoutOf(root)
		branch, commit := s.Text("branch"), s.Text("commit_sha")
		same := commit == "" && (branch == "" || branch == c.Branch) || commit == c.Commit && c.Branch == ""
		if ok && same && s.Text("repository") == c.Remote {
			return c.Published
		}
	}
	return ""
}

// clone are the steps by which a run fetches what the remote has.
func clone(c discover.Checkout) ([]discover.Step, error) {
	if u, err := url.Parse(c.Remote); err == nil && u.User != nil {
		if _, secret := u.User.Password(); secret {
			return nil, &exitError{
				code: exitRefused, message: "--from-git: the address of the remote holds a password, which would be stored and shown",
				hint: []string{"take it out of the address: git remote set-url origin …", "and write the pull step git_clone into the project file, with access_token: \"{{ prefect.blocks.secret.NAME }}\""},
			}
		}
	}
	step := discover.Step{Name: "git_clone", ID: "clone", Arguments: map[string]json.RawMessage{"repository": jsonText(c.Remote)}}
	if c.Branch != "" {
		step.Arguments["branch"] = jsonText(c.Branch)
	} else {
		step.Arguments["commit_sha"] = jsonText(c.Commit)
	}
	steps := []discover.Step{step}
	if c.Folder != "" {
		steps = append(steps, discover.Step{
			Name:      "set_working_directory",
			Arguments: map[string]json.RawMessage{"directory": jsonText("{{ clone.directory }}/" + c.Folder)},
		})
	}
	return steps, nil
}

// jsonText is text as JSON, with &, < and > as they are.
func jsonText(text string) json.RawMessage {
	var b strings.Builder
	if err := encodeJSON(&b, text, ""); err != nil {
		panic(fmt.Sprintf("text: %v", err)) // text always encodes
	}
	return json.RawMessage(strings.TrimSpace(b.String()))
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
