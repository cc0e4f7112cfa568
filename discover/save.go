package discover

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// SaveError says that a project file is written in a way in which runnel does not
// dare to change it. Nothing was written.
type SaveError struct {
	Path   string
	Reason string
	Text   string // the deployment, to be put into the file by hand
}

func (e *SaveError) Error() string {
	return fmt.Sprintf("%s: not changed: %s; write this by hand:\n%s", e.Path, e.Reason, e.Text)
}

// newProjectFile begins a project file that SaveDeployment makes.
const newProjectFile = `# The deployments of this folder. Deploy them all with: runnel deploy --all
`

// SaveEntry is the file's text with one deployment added or changed; the file is
// not written. An entry that was read replaces itself, any other the one of the
// same name and entrypoint. Only the lines that say something else are changed,
// so that comments, order, anchors, quotes and line ends stay. What the entry
// does not say (nil, empty) stays too.
//
// The result is read again: when it does not say exactly what was meant, or a
// neighbour changed through a shared anchor, the error is a *SaveError.
func (p *Project) SaveEntry(e Entry) ([]byte, error) {
	after, _, err := p.Saved(e)
	if err != nil {
		return nil, err
	}
	return after.raw, nil
}

// Saved is the file as SaveEntry makes it, read, and the deployment's place in
// it.
func (p *Project) Saved(e Entry) (after *Project, at int, err error) {
	raw, at, err := p.edit(e)
	if err == nil {
		after, err = p.verify(raw, e, at)
	}
	if err != nil {
		return nil, at, &SaveError{p.Path, err.Error(), render(listOf(e.encode()), "", "\n")}
	}
	return after, at, nil
}

func (p *Project) edit(e Entry) (after []byte, at int, err error) {
	at = p.find(e)
	raw := p.raw
	p = &Project{Path: p.Path, raw: wholeLines(p.raw), doc: p.doc, Deployments: p.Deployments}
	if at < 0 {
		after, err = p.appendEntry(e)
		return after, len(p.Deployments), err
	}
	before, err := parseProject(p.Path, raw) // again: the caller may have changed a list in place
	if err != nil {
		return nil, at, err
	}
	changes := e.changes(before.Deployments[at])
	if len(changes) == 0 {
		return raw, at, nil
	}
	after = p.raw
	place := p.Deployments[at].Index
	for _, c := range changes {
		if after, err = setInEntry(after, place, c); err != nil {
			return nil, at, err
		}
	}
	return after, at, nil
}

// WithoutSteps is an entry that has no build and push steps, and does not take
// over the file's own pull steps, where it says no word of them.
func (p *Project) WithoutSteps(e Entry) Entry {
	var before Entry
	if at := p.find(e); at >= 0 {
		before = p.Deployments[at]
	}
	refuse := func(now *Steps, before, top Steps) {
		if now.Origin == StepsAbsent && len(before.List)+len(top.List) > 0 {
			*now = Steps{Origin: StepsOwn, List: []Step{}}
		}
	}
	refuse(&e.Build, before.Build, p.Build)
	refuse(&e.Push, before.Push, p.Push)
	refuse(&e.Pull, Steps{}, p.Pull)
	return e
}

// find is the place in Deployments of the entry that e replaces; -1 for a new one.
func (p *Project) find(e Entry) int {
	for i, other := range p.Deployments {
		if e.node != nil && e.file == p.Path && e.Index == other.Index {
			return i
		}
	}
	for i, other := range p.Deployments {
		if e.node == nil && other.Name == e.Name && (other.Entrypoint == "" || cleanEntrypoint(other.Entrypoint) == cleanEntrypoint(e.Entrypoint)) {
			return i
		}
	}
	return -1
}

// verify reads what would be written.
func (p *Project) verify(after []byte, e Entry, at int) (*Project, error) {
	q, err := parseProject(p.Path, after)
	if err != nil {
		return nil, fmt.Errorf("what would be written cannot be read: %w", err)
	}
	if at >= len(q.Deployments) || len(q.Deployments) < len(p.Deployments) {
		return nil, errors.New("a deployment would be lost")
	}
	for i, other := range q.Deployments {
		if i == at {
			if len(e.changes(other)) > 0 {
				return nil, errors.New("its form does not allow the change")
			}
			continue
		}
		if !sameNode(other.node, p.Deployments[i].node) {
			return nil, fmt.Errorf("the deployment on line %d would change with it", p.Deployments[i].Line)
		}
	}
	for i := 0; q.root != nil && p.root != nil && i+1 < len(q.root.Content); i += 2 {
		key := q.root.Content[i].Value
		if key != "deployments" && !sameNode(q.root.Content[i+1], child(p.root, key)) {
			return nil, fmt.Errorf("%s would change with it", key)
		}
	}
	return q, nil
}

func sameNode(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, errX := nodeJSON(a)
	y, errY := nodeJSON(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// appendEntry puts a new entry behind the last one.
func (p *Project) appendEntry(e Entry) ([]byte, error) {
	t := newText(p.raw)
	item := e.encode()
	if p.doc == nil || isNull(p.doc.Content[0]) {
		t.insert(len(t.lines), render(pairOf("deployments", listOf(item)), "", t.eol))
		return t.bytes(), nil
	}
	root := p.doc.Content[0]
	if root.Style&yaml.FlowStyle != 0 {
		return nil, errors.New("it is written in braces")
	}
	k := keyIndex(root, "deployments")
	if k < 0 {
		t.insert(t.end(0, len(t.lines), -1), t.eol+render(pairOf("deployments", listOf(item)), strings.Repeat(" ", columnOf(root)-1), t.eol))
		return t.bytes(), nil
	}
	list, limit := root.Content[k+1], t.pairEnd(root, k, len(t.lines))
	switch {
	case list.Kind == yaml.AliasNode:
		return nil, errors.New("deployments is an alias")
	case list.Kind != yaml.SequenceNode || len(list.Content) == 0:
		return t.replacePair(root, k, limit, listOf(item))
	case list.Style&yaml.FlowStyle != 0:
		block := *list
		block.Style &^= yaml.FlowStyle
		block.Content = append(append([]*yaml.Node{}, list.Content...), item)
		return t.replacePair(root, k, limit, &block)
	}
	t.appendItem(list, limit, item)
	return t.bytes(), nil
}

// SaveDeployment adds or changes one deployment in a project file and writes it
// whole or not at all. It makes the file where there is none.
func SaveDeployment(path string, e Entry) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays a link
	}
	p, err := ReadProject(path)
	mode := fs.FileMode(0o644)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p = &Project{Path: path, raw: []byte(newProjectFile)}
	case err != nil:
		return err
	default:
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		mode = info.Mode().Perm()
	}
	after, err := p.SaveEntry(e)
	if err != nil {
		return err
	}
	return replaceFile(path, p.raw, after, mode)
}

// replaceFile writes beside the file and renames, so that a reader and a crash
// see the old text or the new. What an editor wrote meanwhile is not lost.
func replaceFile(path string, before, text []byte, mode fs.FileMode) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if now, errRead := os.ReadFile(path); errRead == nil && !bytes.Equal(now, before) {
		err = errors.Join(err, errors.New("it changed while this was saved; try again"))
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
