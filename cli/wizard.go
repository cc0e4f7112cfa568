package cli

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"

	"runnel/discover"
	"runnel/store"
)

// wizard asks for what a line of deploy lacks. An answer is a flag of that
// line, so what it makes is what the printed line makes.
type wizard struct {
	*app
	prompter prompter
	c        *deployCmd
	given    deployCmd // the line as it was typed
	project  project
	source   *source           // where the flow is in a repository
	path     string            // of the project file, "" where there is none
	file     *discover.Project // nil where it does not matter
	found    *discover.Result  // what the folder holds, once it was read
	flow     discover.Flow
	schema   store.ParameterSchema
	code     string // where runs take the code from, as the plan says it, where that was asked
	// answers are the last to each question, by its title: who goes back finds
	// them again.
	answers map[string]answerTo
	// asked are the questions answered so far, in order, and at is how many of
	// them this passage has come by.
	asked []answered
	at    int
}

// answerTo is an answer, and what Enter alone would have said: another flow
// offers something else, and is not answered by it.
type answerTo struct{ preset, answer string }

// answered is a question, by its title, and what was said to it.
type answered struct{ title, answer string }

// interactive is true where there is somebody who can be asked.
func (a *app) interactive() bool {
	return a.InTerminal && a.ErrTerminal && !a.noPrompt && !a.isOn("CI")
}

// isOn reads a switch of the environment, as people set them.
func (s *IO) isOn(name string) bool {
	switch strings.ToLower(s.Env(name)) {
	case "", "0", "false", "no", "off":
		return false
	}
	return true
}

// prompter is how this terminal is asked.
func (a *app) prompter() prompter {
	file, isFile := a.In.(*os.File)
	if !isFile || a.isOn("ACCESSIBLE") || a.Env("TERM") == "dumb" {
		return newPlainPrompter(a.ctx, a.IO)
	}
	return &huhPrompter{IO: a.IO, keys: newKeyboard(a.ctx, file)}
}

// wizard fills in what the line lacks, shows the plan, and asks before it is
// carried out.
func (c deployCmd) wizard(a *app, p prompter) error {
	w := &wizard{app: a, prompter: p, c: &c, given: c, answers: map[string]answerTo{}}
	if err := w.begin(); err != nil {
		return err
	}
	j, err := w.pass()
	for errors.Is(err, errBack) {
		w.asked = w.asked[:max(0, len(w.asked)-1)] // back from the first question asks it again
		j, err = w.pass()
	}
	if err != nil {
		return err
	}
	if c.DryRun {
		return j.run()
	}
	plan, err := j.apply()
	if err != nil {
		return err
	}
	for _, change := range plan.Changes {
		if change.Action != "=" {
			a.print("deployed %s", change.Deployment)
		}
	}
	if plan.Same() {
		a.say("it is deployed like this already")
	}
	if j.save != nil {
		a.say("%s", savedIn(j.save.path))
	}
	a.say("the same without questions: %s", c.line())
	return j.next()
}

// begin judges what was typed before anything is asked.
func (w *wizard) begin() error {
	c := w.given
	if _, err := c.specs(); err != nil {
		return err
	}
	if _, err := lengthOrNone("--max-late", c.MaxLate); err != nil {
		return err
	}
	if _, err := lengthOrNone("--jitter", c.Jitter); err != nil {
		return err
	}
	if _, err := jobVariables(nil, c.JobVariable); err != nil {
		return err
	}
	if c.Pool != "" {
		if err := store.CheckPoolName(c.Pool); err != nil {
			return err
		}
	}
	if c.Entrypoint != "" && len(c.Name) > 0 {
		if err := store.CheckDeploymentName(c.Name[0]); err != nil {
			return err
		}
	}
	return w.open()
}

// asks is true for a line that does not say enough.
func (c deployCmd) asks(a *app) bool {
	if c.check() != nil || c.Params == "-" { // stdin is for the parameters then
		return false
	}
	if c.Entrypoint != "" {
		return c.missing() != nil
	}
	if c.All || len(c.Name) == 0 {
		return !c.All
	}
	j := &deployJob{app: a, c: c}
	var err error
	if j.project, err = a.project(c.Root); err != nil {
		return false
	}
	path, err := j.projectFile()
	return err == nil && path == ""
}

// shown is a plan as it is printed, for the terminal where the question is:
// stdout may be a file.
func (w *wizard) shown(j *deployJob, plan store.Plan) (string, error) {
	var text strings.Builder
	streams := *w.IO
	streams.Out, streams.OutTerminal, streams.Err = &text, w.ErrTerminal, &text
	talk := *w.app
	talk.IO = &streams
	j.app = &talk
	err := j.show(plan)
	j.app = w.app
	return strings.TrimSuffix(text.String(), "\n"), err
}

// pass leads from the line as it was typed to the plan, past the questions that
// are answered. Who goes back loses the last answer, and passes once more: so
// every question leads back to the one before it, wherever that is asked.
func (w *wizard) pass() (*deployJob, error) {
	*w.c, w.at = w.given, 0
	w.flow, w.schema, w.code = discover.Flow{}, store.ParameterSchema{}, ""
	for _, step := range []func() error{
		w.askFlow, w.readFlow, w.askName, w.askSchedule, w.askPool, w.askGit, w.askRequired, w.askDefaults,
		w.keepParameters, w.askSave, w.askMissingPools,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return w.confirm()
}

// ask asks one question, with the answer that it had before as the default.
func (w *wizard) ask(q question) (string, error) {
	if w.at < len(w.asked) && w.asked[w.at].title == q.title {
		w.at++
		return w.asked[w.at-1].answer, nil
	}
	w.asked = w.asked[:w.at] // another came instead: what is deployed has changed meanwhile
	preset := q.value
	if before, had := w.answers[q.title]; had && before.preset == preset && q.admits(before.answer) {
		q.value = before.answer
	}
	answer, err := w.prompter.ask(q)
	if err == nil {
		w.answers[q.title] = answerTo{preset, answer}
		w.asked = append(w.asked, answered{q.title, answer})
		w.at++
	}
	return answer, err
}

// askYes asks for a yes or no; preset is what Enter alone answers.
func (w *wizard) askYes(q question, preset bool) (bool, error) {
	q.value = no
	if preset {
		q.value = yes
	}
	if q.rows == nil {
		q.rows = yesNoRows("", "")
	}
	answer, err := w.ask(q)
	return answer == yes, err
}

// open reads where we are: the root, and the project file where there is one.
func (w *wizard) open() (err error) {
	if g, is, err := w.c.asSource(); is || err != nil {
		if err == nil {
			w.source, err = w.readSource(g, w.c.AccessToken)
		}
		return err
	}
	if w.project, err = w.app.project(w.c.Root); err != nil {
		return err
	}
	j := &deployJob{app: w.app, c: *w.c, project: w.project}
	if w.path, err = j.projectFile(); err != nil || w.path == "" || w.c.Entrypoint != "" {
		return err
	}
	w.project = j.project
	w.file, err = w.readProject(w.path)
	return err
}

// existing is the deployment that the answers so far name, where there is one.
func (w *wizard) existing(name string) (store.Deployment, bool) {
	if !w.hasDatabase() {
		return store.Deployment{}, false
	}
	s, err := w.store()
	if err != nil {
		return store.Deployment{}, false // deploying says what is wrong
	}
	d, err := s.Deployment(w.ctx, w.flow.FlowName+"/"+name)
	return d, err == nil && d.Name == name
}

// pools are the work pools that there are. Looking makes no database.
func (w *wizard) pools() ([]store.WorkPool, error) {
	if !w.hasDatabase() {
		return nil, nil
	}
	s, err := w.settled()
	if err != nil {
		return nil, err
	}
	return s.WorkPools(w.ctx)
}

// confirm shows the plan, and asks. It gives what is to be applied.
func (w *wizard) confirm() (*deployJob, error) {
	j, err := w.c.prepare(w.app)
	if err != nil || w.c.DryRun {
		return j, err
	}
	if w.code != "" {
		j.notes.add("%s", w.code)
	}
	if w.given.Entrypoint == "" { // the flow was chosen here, and so was not to save it
		j.notes = slices.DeleteFunc(j.notes, func(n note) bool { return strings.HasSuffix(n.text, notRead) })
	}
	plan, err := j.plan()
	if err != nil {
		return nil, err
	}
	above, err := w.shown(j, plan)
	if err != nil {
		return nil, err
	}
	if plan.Same() && j.save == nil {
		w.say("%s", above)
		return j, nil
	}
	delete(w.answers, confirmTitle) // another plan, another answer
	agreed, err := w.askYes(question{title: confirmTitle, above: above}, true)
	if err == nil && !agreed {
		err = errLeft
	}
	return j, err
}

const confirmTitle = "Deploy this?"

// askMissingPools is for entries of the file: what they name may not be there.
func (w *wizard) askMissingPools() error {
	if w.c.CreatePools || w.c.Entrypoint != "" {
		return nil
	}
	j, err := w.c.prepare(w.app)
	if err != nil {
		return err
	}
	pools, err := w.pools()
	if err != nil {
		return err
	}
	missing := map[string]bool{}
	for _, wish := range j.wishes {
		missing[wish.Pool] = wish.Pool != ""
	}
	for _, p := range pools {
		delete(missing, p.Name)
	}
	delete(missing, "")
	if len(missing) == 0 {
		return nil
	}
	w.c.CreatePools, err = w.askYes(question{
		title: "Make the work pools that are missing?",
		notes: slices.Sorted(maps.Keys(missing)),
	}, true)
	return err
}
