package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// What a template asks for that is filled in when a run starts.
const (
	variablePrefix = "prefect.variables."
	secretPrefix   = "prefect.blocks.secret."
)

// VariableOf gives the variable that a template's name asks for.
func VariableOf(name string) (variable string, secret, ok bool) {
	if variable, ok = strings.CutPrefix(name, secretPrefix); ok {
		return variable, true, true
	}
	variable, ok = strings.CutPrefix(name, variablePrefix)
	return variable, false, ok
}

// HasTemplate says whether a value may hold a template at all.
func HasTemplate(raw json.RawMessage) bool { return bytes.Contains(raw, []byte("{{")) }

// FillTemplates puts values in place of the templates, such as
// {{ prefect.variables.x }}, in every text of a JSON value. value is asked by the
// name between the braces; where it knows none the template stays. A template
// that stands alone takes the type of its value, within other text it becomes
// text. What comes in is not looked at again.
func FillTemplates(raw json.RawMessage, value func(name string) (json.RawMessage, bool, error)) (json.RawMessage, error) {
	if !HasTemplate(raw) {
		return raw, nil
	}
	var tree any
	read := json.NewDecoder(bytes.NewReader(raw))
	read.UseNumber() // a float64 would round a large integer
	if err := read.Decode(&tree); err != nil {
		return nil, err
	}
	tree, err := fillTree(tree, value)
	if err != nil {
		return nil, err
	}
	return plainJSON(tree)
}

func fillTree(tree any, value func(string) (json.RawMessage, bool, error)) (_ any, err error) {
	switch v := tree.(type) {
	case string:
		return fillText(v, value)
	case []any:
		for i := range v {
			if v[i], err = fillTree(v[i], value); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = fillTree(v[key], value); err != nil {
				return nil, err
			}
		}
	}
	return tree, nil
}

func fillText(text string, value func(string) (json.RawMessage, bool, error)) (any, error) {
	var out strings.Builder
	last := 0
	for _, p := range placeholders(text) {
		got, known, err := value(p.name)
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		if p.start == 0 && p.end == len(text) {
			return got, nil
		}
		out.WriteString(text[last:p.start])
		out.WriteString(TextOf(got))
		last = p.end
	}
	return out.String() + text[last:], nil
}

// TextOf is a JSON value within other text: a string as it is, else its JSON.
func TextOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// placeholder is one {{ name }} in a text.
type placeholder struct {
	start, end int // in bytes, the braces included
	name       string
}

func placeholders(text string) (found []placeholder) {
	for at := 0; ; {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			return found
		}
		open += at
		length := strings.Index(text[open:], "}}")
		if length < 0 {
			return found
		}
		at = open + length + 2
		found = append(found, placeholder{open, at, strings.TrimSpace(text[open+2 : at-2])})
	}
}

// templatesIn lists the names of all templates in a JSON value.
func templatesIn(raw json.RawMessage) (names []string, err error) {
	_, err = FillTemplates(raw, func(name string) (json.RawMessage, bool, error) {
		names = append(names, name)
		return nil, false, nil
	})
	return names, err
}

// plainJSON is JSON that leaves <, > and & as they are.
func plainJSON(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	if err := encode.Encode(value); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
