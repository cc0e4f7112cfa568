package discover

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// textLines is a file by lines, each with its end. Lines count from 0 here, in
// nodes from 1.
type textLines struct {
	lines []string
	eol   string
}

func newText(raw []byte) *textLines {
	t := &textLines{lines: splitLines(string(raw)), eol: "\n"}
	if len(t.lines) > 0 && strings.HasSuffix(t.lines[0], "\r\n") {
		t.eol = "\r\n"
	}
	return t
}

// wholeLines ends the last line of a file, so that something can follow it. A
// text block that ends with the file would gain that line end: it is marked to
// have none.
func wholeLines(raw []byte) []byte {
	t := newText(raw)
	if len(t.lines) == 0 || strings.HasSuffix(t.lines[len(t.lines)-1], "\n") {
		return raw
	}
	var doc yaml.Node
	if yaml.Unmarshal(raw, &doc) != nil {
		return raw
	}
	var last *yaml.Node
	walkNodes(&doc, func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			last = n
		}
	})
	t.lines[len(t.lines)-1] += t.eol
	if last == nil || last.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 || strings.HasSuffix(last.Value, "\n") {
		return t.bytes()
	}
	line := t.lines[last.Line-1]
	if before, ok := runePrefix(line, last.Column-1); ok && strings.ContainsAny(line[len(before):][:1], "|>") {
		if rest := line[len(before)+1:]; !strings.HasPrefix(rest, "-") && !strings.HasPrefix(rest, "+") {
			t.lines[last.Line-1] = line[:len(before)+1] + "-" + rest
		}
	}
	return t.bytes()
}

// splitLines cuts where YAML counts a line: beside the usual ends it has a lone
// CR, NEL and the separators of Unicode.
func splitLines(s string) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if r == '\r' && i < len(s) && s[i] == '\n' {
			continue
		}
		if r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			out = append(out, s[start:i])
			start = i
		}
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}

func (t *textLines) bytes() []byte { return []byte(strings.Join(t.lines, "")) }

// insert puts text before a line. A last line without an end gets one.
func (t *textLines) insert(at int, text string) { t.replace(at, at, text) }

func (t *textLines) replace(from, to int, text string) {
	if from > 0 && strings.TrimRight(t.lines[from-1], "\r\n") == t.lines[from-1] {
		t.lines[from-1] += t.eol
	}
	t.lines = slices.Replace(t.lines, from, to, splitLines(text)...)
}

// removeLines takes out a part that begins on its own line.
func (t *textLines) removeLines(from, limit, indent int) ([]byte, error) {
	line := t.lines[from]
	trimmed := strings.TrimLeft(line, " ")
	if len(line)-len(trimmed) != indent {
		return nil, errors.New("what goes stands behind a dash")
	}
	t.lines = slices.Delete(t.lines, from, t.end(from, limit, indent))
	return t.bytes(), nil
}

// end is where a part that begins on line from ends, before limit: empty lines
// and comments after it, no further in than it, belong to what follows.
func (t *textLines) end(from, limit, indent int) int {
	for limit > from+1 || limit > 0 && from == 0 && indent <= 0 {
		line := strings.TrimRight(t.lines[limit-1], " \t\r\n")
		comment := strings.TrimLeft(line, " ")
		switch {
		case comment == "":
		case comment[0] == '#' && len(line)-len(comment) <= indent:
		case line == "...":
		default:
			return limit
		}
		limit--
	}
	return limit
}

// pairEnd is the line where the pair after the k-th begins, else the mapping's end.
func (t *textLines) pairEnd(m *yaml.Node, k, end int) int {
	if k+2 < len(m.Content) {
		return m.Content[k+2].Line - 1
	}
	return end
}

// columnOf is the column of a block mapping's keys; the node's own is that of its
// anchor, where it has one.
func columnOf(m *yaml.Node) int {
	if len(m.Content) > 0 {
		return m.Content[0].Column
	}
	return m.Column
}

// dashes is the column of a block list's dashes, likewise.
func (t *textLines) dashes(list *yaml.Node) int {
	if list.Anchor == "" || len(list.Content) == 0 {
		return list.Column
	}
	for at := min(list.Content[0].Line, len(t.lines)) - 1; at >= list.Line; at-- {
		if line := strings.TrimLeft(t.lines[at], " "); strings.HasPrefix(line, "-") {
			return len(t.lines[at]) - len(line) + 1
		}
	}
	return list.Column
}

// itemStart is the line of an item's dash, which may stand above its content.
func (t *textLines) itemStart(list *yaml.Node, i int) int {
	column := t.dashes(list)
	for at := min(list.Content[i].Line, len(t.lines)) - 1; at >= 0; at-- {
		line := t.lines[at]
		if len(line) >= column && line[column-1] == '-' && strings.Trim(line[:column-1], " -") == "" {
			return at
		}
	}
	return list.Content[i].Line - 1
}

func (t *textLines) itemEnd(list *yaml.Node, i, end int) int {
	if i+1 < len(list.Content) {
		return t.itemStart(list, i+1)
	}
	return end
}

// appendPair adds a key at the end of a mapping.
func (t *textLines) appendPair(m *yaml.Node, end int, key string, value *yaml.Node) {
	at := t.end(m.Line-1, end, columnOf(m)-1)
	t.insert(at, render(pairOf(key, value), strings.Repeat(" ", columnOf(m)-1), t.eol))
}

// appendItem adds an item at the end of a list, with an empty line before it
// where the items before have one.
func (t *textLines) appendItem(list *yaml.Node, end int, item *yaml.Node) {
	at := t.end(list.Line-1, end, t.dashes(list)-1)
	text := render(listOf(item), strings.Repeat(" ", t.dashes(list)-1), t.eol)
	if n := len(list.Content); n > 1 {
		if above := t.itemStart(list, n-1) - 1; above > 0 && strings.TrimSpace(t.lines[above]) == "" {
			text = t.eol + text
		}
	}
	t.insert(at, text)
}

// replacePair writes a key and its value anew. What stands before the key on its
// line, such as a dash, stays.
func (t *textLines) replacePair(m *yaml.Node, k, end int, value *yaml.Node) ([]byte, error) {
	key, old := m.Content[k], m.Content[k+1]
	var err error
	walkNodes(old, func(n *yaml.Node) {
		if n.Anchor != "" {
			err = errors.New(key.Value + " has the anchor &" + n.Anchor)
		}
	})
	if err != nil {
		return nil, err
	}
	from := key.Line - 1
	before, ok := runePrefix(t.lines[from], key.Column-1)
	if !ok {
		return nil, errors.New("a key is not where it should be")
	}
	text := render(pairOf(key.Value, value), strings.Repeat(" ", key.Column-1), t.eol)
	t.replace(from, t.end(from, end, key.Column-1), before+strings.TrimLeft(text, " "))
	return t.bytes(), nil
}

// runePrefix is the first n characters: YAML's columns count those.
func runePrefix(line string, n int) (string, bool) {
	at := 0
	for ; n > 0; n-- {
		_, size := utf8.DecodeRuneInString(line[at:])
		if size == 0 {
			return "", false
		}
		at += size
	}
	return line[:at], true
}

// inline replaces a value of one line within it, so that the rest of the line, a
// comment say, stays; false where that cannot be done.
func (t *textLines) inline(key, old, value *yaml.Node, end int) bool {
	if old.Anchor != "" || old.Style&yaml.TaggedStyle != 0 || t.end(key.Line-1, end, key.Column-1) > key.Line {
		return false
	}
	line := t.lines[key.Line-1]
	styled := *value
	if old.Tag == "!!str" && value.Tag == "!!str" {
		styled.Style = old.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
	}
	text := strings.TrimSuffix(render(&styled, "", "\n"), "\n")
	if strings.ContainsAny(text, "\r\n") {
		return false
	}
	column := old.Column
	if old.Value == "" && old.Tag == "!!null" { // name: with nothing behind it
		column = key.Column + utf8.RuneCountInString(key.Value) + 1
		text = " " + text
	}
	before, ok := runePrefix(line, column-1)
	if !ok {
		return false
	}
	length := tokenLength(line[len(before):], old)
	if length < 0 || text[0] == ' ' && !strings.HasSuffix(before, ":") {
		return false
	}
	t.lines[key.Line-1] = before + text + line[len(before)+length:]
	return true
}

// tokenLength is how long a scalar is as written, in bytes; -1 when unknown.
func tokenLength(s string, n *yaml.Node) int {
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0:
		if n.Style == 0 && strings.HasPrefix(s, n.Value) {
			return len(n.Value)
		}
		return -1
	case s == "" || s[0] != '"' && s[0] != '\'':
		return -1
	}
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\', quote == '\'' && s[i] == '\'' && strings.HasPrefix(s[i+1:], "'"):
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return -1
}

// render writes a node as text, each line indented.
func render(n *yaml.Node, indent, eol string) string {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return ""
	}
	_ = enc.Close()
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" {
			out.WriteString(indent)
		}
		out.WriteString(line + eol)
	}
	return out.String()
}
