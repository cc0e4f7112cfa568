package discover

import (
	"regexp"
	"strings"
	"sync"
)

// placeholderKind is what a {{ … }} asks for.
type placeholderKind int

const (
	unknownPlaceholder  placeholderKind = iota
	envPlaceholder                      // $NAME
	variablePlaceholder                 // prefect.variables.NAME
	secretPlaceholder                   // prefect.blocks.secret.NAME
	blockPlaceholder                    // prefect.blocks.TYPE.NAME
	contextPlaceholder                  // ctx.flow_run.…: Prefect's workers
	stepPlaceholder                     // ID.KEY of a step before
	barePlaceholder                     // KEY of any step before
)

// placeholder is one {{ … }} in a text.
type placeholder struct {
	start, end int // in bytes, the braces included
	kind       placeholderKind
	body       string // what stands between the braces
	name, key  string // the variable, or the step and its output
}

// written is the placeholder in its usual form, as messages and plans show it.
func (p placeholder) written() string { return "{{ " + p.body + " }}" }

var (
	placeholders = lazily(`(?s)\{\{(.*?)\}\}`)
	envName      = lazily(`^\$[A-Za-z_][A-Za-z0-9_]*$`)
	// pathName is what Prefect fills in; other text between braces, such as
	// event.payload['item'], is no template of a project file.
	pathName = lazily(`^[\w.\-\[\]]+$`)
)

// hasTemplate says whether a value holds something to be filled in.
func hasTemplate(value string) bool { return placeholders().MatchString(value) }

func findPlaceholders(text string) []placeholder {
	var out []placeholder
	for _, at := range placeholders().FindAllStringSubmatchIndex(text, -1) {
		p := placeholder{start: at[0], end: at[1], body: strings.TrimSpace(text[at[2]:at[3]])}
		p.kind, p.name, p.key = classify(p.body)
		out = append(out, p)
	}
	return out
}

func classify(body string) (kind placeholderKind, name, key string) {
	if envName().MatchString(body) {
		return envPlaceholder, body[1:], ""
	}
	if !pathName().MatchString(body) {
		return unknownPlaceholder, "", ""
	}
	if rest, ok := strings.CutPrefix(body, "prefect.variables."); ok {
		return variablePlaceholder, rest, ""
	}
	if rest, ok := strings.CutPrefix(body, "prefect.blocks.secret."); ok {
		return secretPlaceholder, rest, ""
	}
	switch first, rest, dotted := strings.Cut(body, "."); {
	case strings.HasPrefix(body, "prefect."):
		return blockPlaceholder, body, ""
	case first == "ctx":
		return contextPlaceholder, body, ""
	case dotted:
		return stepPlaceholder, first, rest
	}
	return barePlaceholder, body, ""
}

// secretRef is how a secret stands in what is stored: by its name.
func secretRef(name string) string { return "{{ prefect.blocks.secret." + name + " }}" }

// lazily compiles a pattern when it is first needed: all of them at once would
// cost every command most of a millisecond at its start.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
