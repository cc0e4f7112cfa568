package cli

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// askPool chooses a work pool, or makes one on the way.
func (w *wizard) askPool() error {
	if w.c.Entrypoint == "" {
		return nil
	}
	pools, err := w.pools()
	if err != nil {
		return err
	}
	if settled, err := w.askGivenPool(pools); settled || err != nil {
		return err
	}
	if len(pools) == 0 {
		return w.newPool("There is none yet. It is made with the deployment; a worker then polls it.")
	}
	q := question{title: "Which work pool?"}
	for _, p := range pools {
		q.rows = append(q.rows, row{text: fmt.Sprintf("%s  %s  %s  %s online",
			column(p.Name, 20), p.Type, column(statusText(p.Status), 9), plural(p.Workers, "worker")), value: p.Name})
	}
	q.rows = append(q.rows, row{text: "Create a new pool", value: rowNew})
	if d, there := w.existing(w.c.Name[0]); there {
		q.value = d.WorkPoolName
	}
	answer, err := w.ask(q)
	switch {
	case err != nil:
		return err
	case answer == rowNew:
		return w.newPool("It is made with the deployment; a worker then polls it.")
	}
	w.c.Pool = answer
	return nil
}

// askGivenPool is true where the pool is the one that the line names. One that is
// not there is made, or another is chosen: nobody answers all the rest in vain.
func (w *wizard) askGivenPool(pools []store.WorkPool) (settled bool, err error) {
	there := slices.ContainsFunc(pools, func(p store.WorkPool) bool { return p.Name == w.c.Pool })
	if w.c.Pool == "" || there || w.c.CreatePools || strings.Contains(w.c.Pool, "{{") {
		return w.c.Pool != "", nil
	}
	w.c.CreatePools, err = w.askYes(question{
		title: fmt.Sprintf("There is no work pool %s. Make it?", store.Quote(w.c.Pool)),
		rows:  yesNoRows(": with the deployment; a worker then polls it", ": choose another"),
	}, true)
	if err == nil && !w.c.CreatePools {
		w.c.Pool = ""
	}
	return w.c.CreatePools, err
}

func (w *wizard) newPool(note string) error {
	name, err := w.ask(question{
		title: "Name of the new work pool", notes: []string{note}, value: "my-process-pool", below: 1,
		check: func(text string) ([]string, error) {
			if err := store.CheckPoolName(text); err != nil {
				return nil, withHint(err)
			}
			return nil, nil
		},
	})
	if err == nil {
		w.c.Pool, w.c.CreatePools = name, true
	}
	return err
}

// askGit asks where runs take the code from, in a checkout that has a remote.
func (w *wizard) askGit() error {
	if w.c.Entrypoint == "" || w.source != nil || w.c.pullsFromGit() != nil {
		return nil
	}
	checkout, ok := discover.GitCheckout(w.ctx, w.project.root)
	if !ok || store.HoldsLogin(checkout.Remote) { // which is refused
		return nil
	}
	d, _ := w.existing(w.c.Name[0])
	if len(d.PullSteps) > 0 && !clonesLike(d, checkout) {
		return nil // somebody chose them: they are kept
	}
	cloned := "runs use " + orCommit(checkout) + " of " + checkout.Remote + ", never this folder"
	q := question{
		title: "Pull the code from its git remote?",
		notes: []string{"Yes: " + cloned + "."},
		rows:  yesNoRows("", ": runs use this folder, and edits count at once"),
	}
	if lost := unpublished(checkout); lost != "" {
		q.notes = append(q.notes, "It lacks "+lost+".")
	}
	fromGit, err := w.askYes(q, len(d.PullSteps) > 0)
	if w.code = cloned; !fromGit {
		w.code = "runs use this folder, " + w.project.root + ": edits count at once"
	}
	if err == nil && (fromGit || len(d.PullSteps) > 0) {
		w.c.FromGit = &fromGit
	}
	if err == nil && fromGit && checkout.Branch == "" {
		w.c.Commit = checkout.Commit // the line means the same when the checkout has moved on
	}
	return err
}

// clonesLike is true for the pull steps that --from-git itself would make.
func clonesLike(d store.Deployment, c discover.Checkout) bool {
	return slices.EqualFunc(entrySteps(d.PullSteps), clone(c, ""), func(a, b discover.Step) bool {
		return a.Name == b.Name && len(a.Arguments) == len(b.Arguments) &&
			!slices.ContainsFunc(slices.Collect(maps.Keys(b.Arguments)), func(name string) bool { return a.Text(name) != b.Text(name) })
	})
}

// orCommit is what a clone takes: the remote's branch, else the commit.
func orCommit(c discover.Checkout) string {
	if c.Branch != "" {
		return "branch " + c.Branch
	}
	return "commit " + c.Commit[:min(8, len(c.Commit))]
}

// askSave asks whether the project file keeps the deployment.
func (w *wizard) askSave() error {
	if w.c.Entrypoint == "" || w.source != nil || w.c.Save != nil {
		return nil
	}
	title, rows := "Save it to a new runnel.yaml?", yesNoRows(": runnel deploy --all makes it again", "")
	if w.path != "" {
		title, rows = "Save it to "+filepath.Base(w.path)+"?", yesNoRows(": comments and order stay", "")
	}
	save, err := w.askYes(question{title: title, rows: rows}, w.path != "")
	if err == nil && save {
		w.c.Save = &save
	}
	return err
}
