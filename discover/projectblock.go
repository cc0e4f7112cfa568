package discover

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// block reads one mapping of a project file key by key. It remembers what it was
// asked for, so that what is left over is known and what was meant can be
// suggested from the same list.
type block struct {
	r     *reader
	node  *yaml.Node
	path  string
	asked []string
	kept  []string // keys that are no suggestion for a mistyped one
}

func (r *reader) block(n *yaml.Node, path string) *block { return &block{r: r, node: n, path: path} }

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// take is the value of a key; nil when it is not there.
func (b *block) take(key string) *yaml.Node {
	b.asked = append(b.asked, key)
	value := child(b.node, key)
	if value != nil {
		b.r.account[joinPath(b.path, key)] = "used"
	}
	return value
}

// keep passes over a key for a reason.
func (b *block) keep(key, reason string) {
	b.kept = append(b.kept, key)
	if child(b.node, key) != nil {
		b.r.account[joinPath(b.path, key)] = "kept: " + reason
	}
}

// quote is a value for a message: the template where the value came from one.
func (b *block) quote(n *yaml.Node, path string) string {
	if shown, ok := b.r.shown[path]; ok {
		return strconv.Quote(shown)
	}
	return strconv.Quote(n.Value)
}

// scalar is a value that is neither null nor a list or mapping.
func (b *block) scalar(key, want string) *yaml.Node {
	n := b.take(key)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.ScalarNode {
		b.r.fail(n, joinPath(b.path, key), "", "must be %s, not a %s", want, kindName(n))
		return nil
	}
	return n
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	}
	return "value"
}

// text is a value as it is written: version: 1.10 is the text 1.10.
func (b *block) text(key string) *string {
	if n := b.scalar(key, "text"); n != nil {
		return &n.Value
	}
	return nil
}

func (b *block) plain(key string) string {
	if s := b.text(key); s != nil {
		return *s
	}
	return ""
}

// trueWords are what counts as true and false: YAML's, YAML 1.1's (which Prefect
// reads) and what comes as text from the environment.
var trueWords = map[string]bool{
	"true": true, "yes": true, "on": true, "1": true, "y": true, "t": true,
	"false": false, "no": false, "off": false, "0": false, "n": false, "f": false,
}

// flag is true or false; nil for null and for a template that is not filled yet.
func (b *block) flag(key string) *bool {
	n := b.scalar(key, "true or false")
	if n == nil || hasTemplate(n.Value) {
		return nil
	}
	value, ok := trueWords[strings.ToLower(n.Value)]
	if !ok {
		path := joinPath(b.path, key)
		b.r.fail(n, path, "", "must be true or false, not %s", b.quote(n, path))
		return nil
	}
	return &value
}

// whole is a whole number of least or more.
func (b *block) whole(key string, least int) *int {
	n := b.scalar(key, "a whole number")
	if n == nil || hasTemplate(n.Value) {
		return nil
	}
	return b.wholeOf(n, joinPath(b.path, key), least)
}

func (b *block) wholeOf(n *yaml.Node, path string, least int) *int {
	value, err := strconv.Atoi(n.Value)
	if err != nil || value < least {
		b.r.fail(n, path, "", "must be a whole number of %d or more, not %s", least, b.quote(n, path))
		return nil
	}
	return &value
}

// number is a number of 0 or more.
func (b *block) number(n *yaml.Node, path string) (float64, bool) {
	value, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || !(value >= 0 && value < 1e15) {
		b.r.fail(n, path, "", "must be a number of seconds, 0 or more, not %s", b.quote(n, path))
		return 0, false
	}
	return value, true
}

// mapping is a value that must be a mapping; nil for null and for a template
// that is not filled yet.
func (b *block) mapping(key, hint string) *yaml.Node {
	n := b.take(key)
	if isNull(n) || n.Kind == yaml.ScalarNode && hasTemplate(n.Value) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		b.r.fail(n, joinPath(b.path, key), hint, "must be a mapping")
		return nil
	}
	return n
}

// values is a mapping of free values, such as parameters.
func (b *block) values(key string) map[string]json.RawMessage {
	n := b.mapping(key, "write it as name: value")
	if n == nil {
		return nil
	}
	return b.r.values(n, joinPath(b.path, key))
}

func (r *reader) values(n *yaml.Node, path string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		r.oldWords(n.Content[i+1], joinPath(path, key))
		if raw := r.json(n.Content[i+1], joinPath(path, key)); raw != nil {
			out[key] = raw
		}
	}
	return out
}

// json is any value; nil and a problem for what JSON does not have.
func (r *reader) json(n *yaml.Node, path string) json.RawMessage {
	raw, err := nodeJSON(n)
	if err != nil {
		r.fail(n, path, "", "%s", err)
		return nil
	}
	return raw
}

// oldWords warns of what is text in YAML 1.2 and something else to Prefect, which
// reads YAML 1.1.
func (r *reader) oldWords(n *yaml.Node, path string) {
	for i, item := range n.Content {
		if n.Kind == yaml.SequenceNode {
			r.oldWords(item, indexPath(path, i))
		} else if i%2 == 1 {
			r.oldWords(item, joinPath(path, n.Content[i-1].Value))
		}
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || n.Style != 0 {
		return
	}
	if other := otherInYAML11(n.Value); other != "" {
		r.note(n, path, "write "+other+", or put it in quotes", "%s is text here; Prefect reads it as %s", n.Value, other)
	}
}

// anchors keeps the unknown keys whose anchors are used elsewhere.
func (b *block) anchors(root *yaml.Node) {
	used := map[*yaml.Node]bool{}
	walkNodes(root, func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode {
			used[n.Alias] = true
		}
	})
	if root.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i].Value
		if slices.Contains(b.asked, key) {
			continue
		}
		home := false
		walkNodes(root.Content[i+1], func(n *yaml.Node) { home = home || used[n] })
		if home {
			b.keep(key, "a home for anchors")
		}
	}
}

// walkNodes visits the nodes of the text; it does not follow aliases.
func walkNodes(n *yaml.Node, visit func(*yaml.Node)) {
	visit(n)
	for _, c := range n.Content {
		walkNodes(c, visit)
	}
}

// rest warns of the keys that nobody asked for. foreign has the keys of other
// systems, with what to write instead.
func (b *block) rest(foreign map[string]string) {
	if b.node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(b.node.Content); i += 2 {
		n := b.node.Content[i]
		key := n.Value
		if slices.Contains(b.asked, key) || slices.Contains(b.kept, key) {
			continue
		}
		path := joinPath(b.path, key)
		if hint, ok := foreign[strings.ToLower(key)]; ok {
			b.r.warn(n, path, hint, "not a key that runnel reads here")
			continue
		}
		b.r.warn(n, path, b.suggest(key), "unknown key")
	}
}

func (b *block) suggest(key string) string {
	if close := near(key, append(slices.Clone(b.asked), b.kept...)); len(close) > 0 {
		return "did you mean " + close[0] + "?"
	}
	known := slices.Sorted(slices.Values(b.asked))
	return "known here: " + strings.Join(known, ", ")
}
