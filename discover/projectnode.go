package discover

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// copyNode copies a node without its content.
func copyNode(n *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style, Line: n.Line, Column: n.Column}
}

func keyNode(at *yaml.Node, name string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: at.Line, Column: at.Column}
}

func nullNode(at *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: at.Line, Column: at.Column}
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == 0 || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// isEmpty is whether a node says nothing: null, [], {} or a mapping of nulls.
func isEmpty(n *yaml.Node) bool {
	if isNull(n) {
		return true
	}
	if n.Kind == yaml.ScalarNode {
		return false
	}
	for i, item := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if n.Kind == yaml.SequenceNode || !isNull(item) {
			return false
		}
	}
	return true
}

func joinPath(path, key string) string {
	if path == "" || key == "" || strings.HasPrefix(key, "[") {
		return path + key
	}
	return path + "." + key
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// child is a mapping's value; nil when it has no such key.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// nodeAt finds what a path such as schedules[0].cron leads to. Keys may hold
// dots, so the path is matched against the keys that are there.
func nodeAt(n *yaml.Node, path string) *yaml.Node {
	if path == "" || n == nil {
		return n
	}
	if rest, ok := strings.CutPrefix(path, "["); ok {
		number, rest, _ := strings.Cut(rest, "]")
		i, err := strconv.Atoi(number)
		if err != nil || n.Kind != yaml.SequenceNode || i < 0 || i >= len(n.Content) {
			return nil
		}
		return nodeAt(n.Content[i], strings.TrimPrefix(rest, "."))
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		rest, ok := strings.CutPrefix(path, n.Content[i].Value)
		if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
			continue
		}
		if found := nodeAt(n.Content[i+1], strings.TrimPrefix(rest, ".")); found != nil {
			return found
		}
	}
	return nil
}

// nodeJSON is an expanded node as JSON, keys in the file's order.
func nodeJSON(n *yaml.Node) (json.RawMessage, error) {
	value, err := nodeValue(n)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := encode(&b, value); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func nodeValue(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		out := make(object, 0, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			value, err := nodeValue(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			out = append(out, member{n.Content[i].Value, value})
		}
		return out, nil
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			value, err := nodeValue(item)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	}
	return scalarValue(n)
}

func scalarValue(n *yaml.Node) (any, error) {
	switch n.Tag {
	case "!!null":
		return nil, nil
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value), nil // 604800.0 stays as it is written
		}
	case "!!bool":
	default:
		return n.Value, nil
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, fmt.Errorf("%s is not a value that YAML knows", n.Value)
	}
	if _, err := json.Marshal(value); err != nil {
		return nil, fmt.Errorf("%s has no place in JSON", n.Value)
	}
	return value, nil
}

// jsonNode is JSON as a node in block style, all of it at the place of at.
func jsonNode(raw json.RawMessage, at *yaml.Node) (*yaml.Node, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	return valueNode(value, at), nil
}

func valueNode(value any, at *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.ScalarNode, Line: at.Line, Column: at.Column}
	switch v := value.(type) {
	case nil:
		out.Tag, out.Value = "!!null", "null"
	case bool:
		out.Tag, out.Value = "!!bool", strconv.FormatBool(v)
	case json.Number:
		out.Tag, out.Value = "!!int", v.String()
		if strings.ContainsAny(out.Value, ".eE") {
			out.Tag = "!!float"
		}
	case []any:
		out.Kind, out.Tag = yaml.SequenceNode, "!!seq"
		for _, item := range v {
			out.Content = append(out.Content, valueNode(item, at))
		}
	case map[string]any:
		out.Kind, out.Tag = yaml.MappingNode, "!!map"
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out.Content = append(out.Content, textNode(key, at), valueNode(v[key], at))
		}
	default:
		return textNode(fmt.Sprint(v), at)
	}
	return out
}

// textNode is text that stays text for readers of YAML 1.1, too.
func textNode(text string, at *yaml.Node) *yaml.Node {
	out := keyNode(at, text)
	if otherInYAML11(text) != "" {
		out.Style = yaml.DoubleQuotedStyle
	}
	return out
}

// sexagesimal is a number to base 60: 12:30 is 750.
var sexagesimal = lazily(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)

// otherInYAML11 says what text is in YAML 1.1, which Prefect reads: true or
// false, or a number; "" where it is text there, too.
func otherInYAML11(text string) string {
	switch strings.ToLower(text) {
	case "yes", "no", "on", "off":
		return "true or false"
	}
	if sexagesimal().MatchString(text) {
		return "a number"
	}
	return ""
}
