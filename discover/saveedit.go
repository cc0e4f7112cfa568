package discover

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// setInEntry makes one change in the text of an entry. A change of a mapping or
// a list goes down to the keys and items that differ, one at a time; the text is
// parsed again for each, so that no place is ever stale.
func setInEntry(raw []byte, index int, c change) ([]byte, error) {
	if c.node == nil {
		return dropPath(raw, index, c.path)
	}
	if len(c.path) == 1 && c.path[0] == "schedules" {
		return setSchedules(raw, index, c)
	}
	return setPath(raw, index, c)
}

// dropPath takes a key out of an entry; one that comes with a merge, or stands
// within another, becomes null.
func dropPath(raw []byte, index int, path []string) ([]byte, error) {
	s, err := openEntry(raw, index)
	if err != nil {
		return nil, err
	}
	if len(path) == 1 && keyIndex(s.item, path[0]) >= 0 {
		without, err := setPath(raw, index, change{path, nil})
		if err == nil {
			s, err = openEntry(without, index)
		}
		if err == nil && isNull(child(s.expanded, path[0])) {
			return without, nil
		}
	}
	null := nullNode(&yaml.Node{})
	null.Value = "null"
	return setPath(raw, index, change{path, null})
}

// setSchedules minds the older key: one schedule stays under it.
func setSchedules(raw []byte, index int, c change) ([]byte, error) {
	s, err := openEntry(raw, index)
	if err != nil {
		return nil, err
	}
	old := child(s.expanded, "schedule")
	if isNull(old) {
		return setPath(raw, index, c)
	}
	if len(c.node.Content) == 1 && old.Kind == yaml.MappingNode && isNull(child(s.expanded, "schedules")) {
		return setPath(raw, index, change{[]string{"schedule"}, c.node.Content[0]})
	}
	if s.listSchedule() {
		return setPath(s.t.bytes(), index, c)
	}
	if keyIndex(s.item, "schedule") < 0 { // it comes with a merge
		raw, err = setPath(raw, index, change{[]string{"schedule"}, nullNode(&yaml.Node{})})
	} else {
		raw, err = setPath(raw, index, change{[]string{"schedule"}, nil})
	}
	if err != nil {
		return nil, err
	}
	return setPath(raw, index, c)
}

// listSchedule makes schedule: with keys below it the one item of schedules:,
// comments and all; false where it is not written so.
func (s *site) listSchedule() bool {
	k := keyIndex(s.item, "schedule")
	if k < 0 || keyIndex(s.item, "schedules") >= 0 {
		return false
	}
	key, value := s.item.Content[k], s.item.Content[k+1]
	if !isBlock(value) || value.Kind != yaml.MappingNode || value.Anchor != "" || value.Content[0].Line == key.Line {
		return false
	}
	lines := s.t.lines
	first, end := value.Content[0].Line-1, s.t.pairEnd(s.item, k, s.end)
	for i := first; i < s.t.end(first, end, columnOf(value)-1); i++ {
		indent, ok := runePrefix(lines[i], columnOf(value)-1)
		switch {
		case !ok || strings.TrimSpace(indent) != "":
			continue
		case i == first:
			lines[i] = indent + "- " + lines[i][len(indent):]
		default:
			lines[i] = indent + "  " + lines[i][len(indent):]
		}
	}
	before, ok := runePrefix(lines[key.Line-1], key.Column-1)
	rest, found := strings.CutPrefix(lines[key.Line-1][len(before):], "schedule:")
	if !ok || !found {
		return false
	}
	lines[key.Line-1] = before + "schedules:" + rest
	return true
}

// site is a text with the nodes of one entry in it.
type site struct {
	t        *textLines
	item     *yaml.Node // as written
	expanded *yaml.Node
	end      int // the line after the entry's last, from 0
}

func openEntry(raw []byte, index int) (*site, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil || len(doc.Content) == 0 {
		return nil, fmt.Errorf("the change leaves no YAML: %w", err)
	}
	root := doc.Content[0]
	t := newText(raw)
	k := keyIndex(root, "deployments")
	if k < 0 || root.Style&yaml.FlowStyle != 0 {
		return nil, errors.New("its deployments are not a block of their own")
	}
	list := root.Content[k+1]
	if list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 || index >= len(list.Content) {
		return nil, errors.New("its deployments are not a list with dashes")
	}
	item := list.Content[index]
	if item.Kind != yaml.MappingNode || item.Style&yaml.FlowStyle != 0 {
		return nil, errors.New("the deployment is written in braces or as an alias")
	}
	s := &site{t: t, item: item, expanded: expandAlone(item)}
	s.end = t.itemEnd(list, index, t.pairEnd(root, k, len(t.lines)))
	return s, nil
}

// expandAlone follows aliases in a part of a file that has been read before.
func expandAlone(n *yaml.Node) *yaml.Node {
	x := newExpander(newReader(""))
	return x.expand(n, "", 0)
}

// setPath sets what a path leads to, or removes it where the change has no node.
func setPath(raw []byte, index int, c change) ([]byte, error) {
	s, err := openEntry(raw, index)
	if err != nil {
		return nil, err
	}
	m, end := s.item, s.end
	for depth, key := range c.path {
		last := depth == len(c.path)-1
		if i, ok := itemIndex(key); ok {
			if last {
				return s.setItem(raw, index, m, i, end, c)
			}
			end = s.t.itemEnd(m, i, end)
			m = m.Content[i]
			continue
		}
		k := keyIndex(m, key)
		if k < 0 {
			if c.node == nil {
				return raw, nil
			}
			added := nested(c.path[depth+1:], c.node)
			if merged := child(expandAlone(m), key); !last && merged != nil && merged.Kind == yaml.MappingNode {
				merged.Style = 0 // what came with a merge is written out: here it says more
				putNode(merged, c.path[depth+1:], c.node)
				added = merged
			}
			s.t.appendPair(m, end, key, added)
			return s.t.bytes(), nil
		}
		value, pairEnd := m.Content[k+1], s.t.pairEnd(m, k, end)
		if last {
			return s.setPair(raw, index, m, k, pairEnd, c)
		}
		if !isBlock(value) {
			full := expandAlone(value)
			if full.Kind != yaml.MappingNode {
				full = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			}
			full.Style = 0
			putNode(full, c.path[depth+1:], c.node)
			return s.t.replacePair(m, k, pairEnd, full)
		}
		m, end = value, pairEnd
	}
	return raw, nil
}

// putNode sets a path in a tree that is of no text.
func putNode(n *yaml.Node, path []string, value *yaml.Node) {
	if old := child(n, path[0]); old != nil && len(path) == 1 && value != nil {
		*old = *value
		return
	} else if old != nil && len(path) > 1 && old.Kind == yaml.MappingNode {
		putNode(old, path[1:], value)
		return
	}
	if value != nil {
		setNode(n, path, value)
	}
}

func itemIndex(key string) (int, bool) {
	number, ok := strings.CutPrefix(key, "[")
	if !ok {
		return 0, false
	}
	i, err := strconv.Atoi(strings.TrimSuffix(number, "]"))
	return i, err == nil
}

// nested wraps a node into the mappings of a path.
func nested(path []string, n *yaml.Node) *yaml.Node {
	for _, key := range slices.Backward(path) {
		n = pairOf(key, n)
	}
	return n
}

// isBlock is whether a value can be changed line by line.
func isBlock(n *yaml.Node) bool {
	return (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
}

func (s *site) setPair(raw []byte, index int, m *yaml.Node, k, end int, c change) ([]byte, error) {
	old := m.Content[k+1]
	if c.node == nil {
		return s.t.removeLines(m.Content[k].Line-1, end, columnOf(m)-1)
	}
	if inner, ok := finer(old, c); ok {
		return setAll(raw, index, inner)
	}
	if old.Kind == yaml.ScalarNode && c.node.Kind == yaml.ScalarNode && s.t.inline(m.Content[k], old, c.node, end) {
		return s.t.bytes(), nil
	}
	return s.t.replacePair(m, k, end, c.node)
}

func (s *site) setItem(raw []byte, index int, list *yaml.Node, i, end int, c change) ([]byte, error) {
	if i >= len(list.Content) {
		s.t.appendItem(list, end, c.node)
		return s.t.bytes(), nil
	}
	itemEnd := s.t.itemEnd(list, i, end)
	start := s.t.itemStart(list, i)
	if c.node == nil {
		return s.t.removeLines(start, itemEnd, s.t.dashes(list)-1)
	}
	if inner, ok := finer(list.Content[i], c); ok {
		return setAll(raw, index, inner)
	}
	s.t.replace(start, s.t.end(start, itemEnd, s.t.dashes(list)-1), render(listOf(c.node), strings.Repeat(" ", s.t.dashes(list)-1), s.t.eol))
	return s.t.bytes(), nil
}

func setAll(raw []byte, index int, list []change) (_ []byte, err error) {
	for _, c := range list {
		if raw, err = setPath(raw, index, c); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

// finer breaks a change of a block into those of its parts; ok is false where the
// block is better written anew.
func finer(old *yaml.Node, c change) (parts []change, ok bool) {
	if !isBlock(old) || old.Kind != c.node.Kind || len(c.node.Content) == 0 {
		return nil, false
	}
	if old.Kind == yaml.SequenceNode {
		return finerList(old, c), true
	}
	// The first key stands behind the dash of a list item and cannot go alone.
	if isMerge(old.Content[0]) || child(c.node, old.Content[0].Value) == nil {
		return nil, false
	}
	was := expandAlone(old)
	for i := 0; i+1 < len(was.Content); i += 2 {
		key := was.Content[i].Value
		if child(c.node, key) != nil {
			continue
		}
		if keyIndex(old, key) < 0 {
			return nil, false // it came with a merge
		}
		parts = append(parts, change{join(c.path, key), nil})
	}
	for i := 0; i+1 < len(c.node.Content); i += 2 {
		key, value := c.node.Content[i].Value, c.node.Content[i+1]
		if before := child(was, key); before == nil || !sameNode(before, value) {
			parts = append(parts, change{join(c.path, key), value})
		}
	}
	return parts, true
}

func finerList(old *yaml.Node, c change) (parts []change) {
	for i, item := range c.node.Content {
		if i >= len(old.Content) || !sameNode(expandAlone(old.Content[i]), item) {
			parts = append(parts, change{join(c.path, indexPath("", i)), item})
		}
	}
	for i := len(old.Content) - 1; i >= len(c.node.Content); i-- {
		parts = append(parts, change{join(c.path, indexPath("", i)), nil})
	}
	return parts
}

func join(path []string, key string) []string { return append(slices.Clone(path), key) }

func keyIndex(m *yaml.Node, key string) int {
	for i := 0; m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key && !isMerge(m.Content[i]) {
			return i
		}
	}
	return -1
}

func pairOf(key string, value *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value}}
}

func listOf(items ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: items}
}
