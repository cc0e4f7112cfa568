package discover

import "gopkg.in/yaml.v3"

// Bounds of a project file once its aliases are followed: a few lines of aliases
// of aliases would otherwise fill the memory.
const (
	maxProjectNodes = 200_000
	maxProjectDepth = 100
)

// expander copies a file's nodes with aliases followed and merge keys applied,
// so that nothing after it has to know of them. Places stay those of the text.
type expander struct {
	r      *reader
	left   int
	said   bool                // that there is too much
	within map[*yaml.Node]bool // the anchors that are being followed
}

func newExpander(r *reader) *expander {
	return &expander{r: r, left: maxProjectNodes, within: map[*yaml.Node]bool{}}
}

func (x *expander) expand(n *yaml.Node, path string, depth int) *yaml.Node {
	x.left--
	if x.left < 0 || depth > maxProjectDepth {
		if !x.said {
			x.r.fail(n, path, "", "nested too deeply, or too much by its aliases")
		}
		x.said, x.left = true, -1 // nothing more is followed
		return nullNode(n)
	}
	if n.Anchor != "" {
		x.within[n] = true
		defer delete(x.within, n)
	}
	switch n.Kind {
	case yaml.AliasNode:
		if x.endless(n, path) {
			return nullNode(n)
		}
		return x.expand(n.Alias, path, depth+1)
	case yaml.MappingNode:
		return x.mapping(n, path, depth)
	case yaml.SequenceNode:
		out := copyNode(n)
		for i, item := range n.Content {
			out.Content = append(out.Content, x.expand(item, indexPath(path, i), depth+1))
		}
		return out
	}
	return x.scalar(n, path)
}

// endless refuses an alias that stands within its own anchor.
func (x *expander) endless(n *yaml.Node, path string) bool {
	if n.Kind != yaml.AliasNode || !x.within[n.Alias] {
		return false
	}
	x.r.fail(n, path, "", "the alias *%s stands within what it stands for", n.Value)
	return true
}

func (x *expander) scalar(n *yaml.Node, path string) *yaml.Node {
	out := copyNode(n)
	switch out.Tag = n.ShortTag(); out.Tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null":
	case "!!timestamp": // a date is the text that it is written as
		out.Tag = "!!str"
	case "!!merge":
		out.Tag = "!!str"
	default:
		x.r.fail(n, path, "write the value itself", "the tag %s is not read", out.Tag)
		out.Tag = "!!str"
	}
	return out
}

func (x *expander) mapping(n *yaml.Node, path string, depth int) *yaml.Node {
	out := copyNode(n)
	lines := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if isMerge(key) {
			merged = append(merged, value)
			continue
		}
		name, ok := x.key(key, path)
		if !ok {
			continue
		}
		if first, twice := lines[name]; twice {
			x.r.fail(key, joinPath(path, name), "", "given twice; the first is on line %d", first)
			continue
		}
		lines[name] = key.Line
		out.Content = append(out.Content, keyNode(key, name), x.expand(value, joinPath(path, name), depth+1))
	}
	for _, value := range merged {
		x.merge(out, value, path, depth, lines)
	}
	return out
}

// key is a mapping's key as text; any scalar may be one.
func (x *expander) key(key *yaml.Node, path string) (string, bool) {
	if key.Kind == yaml.AliasNode {
		key = key.Alias
	}
	if key.Kind == yaml.ScalarNode {
		return key.Value, true
	}
	hint := ""
	message := "a key is a list or a mapping; it must be text"
	if key.Kind == yaml.MappingNode && key.Style&yaml.FlowStyle != 0 {
		message, hint = "{{ … }} without quotes is not text in YAML", `put it in quotes: "{{ … }}"`
	}
	x.r.fail(key, path, hint, "%s", message)
	return "", false
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && (key.Tag == "!!merge" || key.Tag == "")
}

// merge adds the keys of << that the mapping does not give itself. Of a list the
// first mapping that has a key wins.
func (x *expander) merge(out, value *yaml.Node, path string, depth int, lines map[string]int) {
	if x.endless(value, path) {
		return
	}
	from := x.expand(value, path, depth+1)
	sources := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sources = from.Content
	}
	for _, source := range sources {
		if source.Kind != yaml.MappingNode {
			x.r.fail(value, path, "merge an alias of a mapping: <<: *name", "<< merges mappings only")
			return
		}
		for i := 0; i+1 < len(source.Content); i += 2 {
			name := source.Content[i].Value
			if _, own := lines[name]; !own {
				lines[name] = source.Content[i].Line
				out.Content = append(out.Content, source.Content[i], source.Content[i+1])
			}
		}
	}
}
