package discover

import (
	"strings"
	"unicode"
)

// docstring is the cleaned docstring of a body, "" where there is none.
func (m *module) docstring(body []*stmt) string {
	if len(body) == 0 || body[0].kind != stmtExpr || body[0].value.kind != exprString {
		return ""
	}
	value, _ := m.literal(body[0].value, nil)
	text, _ := value.(string)
	return cleanDoc(text)
}

// cleanDoc takes off the indentation that all lines but the first share, and
// blank lines at both ends, as inspect.cleandoc does.
func cleanDoc(doc string) string {
	lines := strings.Split(expandTabs(doc), "\n")
	margin := -1
	for _, line := range lines[1:] {
		content := len(strings.TrimLeftFunc(line, unicode.IsSpace))
		if content > 0 && (margin < 0 || len(line)-content < margin) {
			margin = len(line) - content
		}
	}
	lines[0] = strings.TrimLeftFunc(lines[0], unicode.IsSpace)
	for i := 1; i < len(lines) && margin > 0; i++ {
		lines[i] = lines[i][min(margin, len(lines[i])):]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	return strings.Join(lines, "\n")
}

// expandTabs is str.expandtabs, which cleandoc applies before it counts margins.
func expandTabs(s string) string {
	if strings.IndexByte(s, '\t') < 0 {
		return s
	}
	var b strings.Builder
	col := 0
	for _, r := range s {
		switch r {
		case '\t':
			n := tabSize - col%tabSize
			b.WriteString(strings.Repeat(" ", n))
			col += n
		case '\n', '\r':
			b.WriteRune(r)
			col = 0
		default:
			b.WriteRune(r)
			col++
		}
	}
	return b.String()
}

// firstParagraph is the text up to the first blank line, on one line.
func firstParagraph(doc string) string {
	doc = strings.TrimSpace(doc)
	var words []string
	for _, line := range strings.Split(doc, "\n") {
		if strings.TrimSpace(line) == "" {
			break
		}
		words = append(words, strings.Fields(line)...)
	}
	return strings.Join(words, " ")
}

// parameterDocs reads the descriptions of parameters from a cleaned docstring in
// Google's, NumPy's or Sphinx's form.
func parameterDocs(doc string) map[string]string {
	out := map[string]string{}
	lines := strings.Split(doc, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case isGoogleHeader(line):
			i = googleSection(lines, i+1, indentOf(lines[i]), out) - 1
		case line == "Parameters" || line == "Other Parameters":
			if i+1 < len(lines) && isRule(lines[i+1]) {
				i = numpySection(lines, i+2, out) - 1
			}
		case strings.HasPrefix(line, ":param ") || strings.HasPrefix(line, ":parameter "):
			i = sphinxField(lines, i, out)
		}
	}
	return out
}

// isGoogleHeader takes the headers that griffe, and so Prefect, reads as parameters.
func isGoogleHeader(line string) bool {
	switch line {
	case "Args:", "Arguments:", "Parameters:", "Params:", "Keyword Args:", "Keyword Arguments:", "Other Parameters:":
		return true
	}
	return false
}

// isRule recognises the dashes below a NumPy heading.
func isRule(line string) bool {
	line = strings.TrimSpace(line)
	return len(line) >= 3 && strings.Trim(line, "-") == ""
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// googleSection reads "name (type): text" entries, indented below the header,
// each with further lines indented below it. It returns the line after.
func googleSection(lines []string, i, header int, out map[string]string) int {
	for i < len(lines) && strings.TrimSpace(lines[i]) == "" {
		i++
	}
	if i >= len(lines) || indentOf(lines[i]) <= header {
		return i
	}
	base := indentOf(lines[i])
	for i < len(lines) {
		if strings.TrimSpace(lines[i]) == "" {
			i++
			continue
		}
		if indentOf(lines[i]) < base {
			return i
		}
		block, next := docEntry(lines, i, base)
		name, text, ok := strings.Cut(block, ":")
		if ok {
			name, _, _ = strings.Cut(name, "(")
			out[strings.TrimLeft(strings.TrimSpace(name), "*")] = strings.TrimSpace(text)
		}
		i = next
	}
	return i
}

// docEntry joins line i with the lines indented deeper than base after it, the
// common indentation of which is taken off.
func docEntry(lines []string, i, base int) (text string, next int) {
	first := strings.TrimSpace(lines[i])
	j := i + 1
	for j < len(lines) && (strings.TrimSpace(lines[j]) == "" || indentOf(lines[j]) > base) {
		j++
	}
	rest := strings.TrimRight(cleanDoc("\n"+strings.Join(lines[i+1:j], "\n")), "\n ")
	if rest == "" {
		return first, j
	}
	return first + "\n" + rest, j
}

// numpySection reads "name : type" lines with the text indented below.
func numpySection(lines []string, i int, out map[string]string) int {
	if i >= len(lines) {
		return i
	}
	base := indentOf(lines[i])
	for i < len(lines) {
		if strings.TrimSpace(lines[i]) == "" {
			i++
			continue
		}
		if indentOf(lines[i]) < base || i+1 < len(lines) && isRule(lines[i+1]) {
			return i
		}
		block, next := docEntry(lines, i, base)
		head, text, _ := strings.Cut(block, "\n")
		head, _, _ = strings.Cut(head, ":")
		for _, name := range strings.Split(head, ",") {
			if name = strings.TrimLeft(strings.TrimSpace(name), "*"); name != "" && text != "" {
				out[name] = strings.TrimSpace(text)
			}
		}
		i = next
	}
	return i
}

// sphinxField reads ":param type name: text" and returns its last line.
func sphinxField(lines []string, i int, out map[string]string) int {
	block, next := docEntry(lines, i, indentOf(lines[i]))
	_, rest, _ := strings.Cut(block, " ")
	head, text, ok := strings.Cut(rest, ":")
	words := strings.Fields(head)
	if ok && len(words) > 0 {
		out[strings.TrimLeft(words[len(words)-1], "*")] = strings.TrimSpace(text)
	}
	return next - 1
}
