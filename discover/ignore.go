package discover

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ignoreNames are the files that list what is no part of a project, in
// .gitignore's form, in the scanned folder.
var ignoreNames = [...]string{".runnelignore", ".prefectignore"}

// ignoreRule is one line of such a file.
type ignoreRule struct {
	pattern  []string // segments; "**" matches any number of them
	negate   bool
	dirOnly  bool
	anchored bool
}

type ignorer []ignoreRule

// readIgnore joins the rules of all ignore files in dir; later ones win.
func readIgnore(dir string) ignorer {
	var rules ignorer
	for _, name := range ignoreNames {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(raw), "\n") {
			if rule, ok := parseIgnore(line); ok {
				rules = append(rules, rule)
			}
		}
	}
	return rules
}

// parseIgnore reads one line; ok is false for blank lines and comments.
func parseIgnore(line string) (ignoreRule, bool) {
	line = strings.TrimRight(line, " \t\r")
	if line == "" || line[0] == '#' {
		return ignoreRule{}, false
	}
	var rule ignoreRule
	if line[0] == '!' {
		rule.negate = true
		line = line[1:]
	}
	line = strings.TrimPrefix(line, "\\") // \# and \! are names that start so
	if rest, ok := strings.CutSuffix(line, "/"); ok {
		rule.dirOnly = true
		line = rest
	}
	rule.anchored = strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return ignoreRule{}, false
	}
	rule.pattern = strings.Split(line, "/")
	return rule, true
}

// match reports whether rel, or a folder above it, is ignored.
func (g ignorer) match(rel string, dir bool) bool {
	if len(g) == 0 {
		return false
	}
	parts := strings.Split(rel, "/")
	for i := range parts {
		if g.one(parts[:i+1], dir || i < len(parts)-1) {
			return true
		}
	}
	return false
}

// one decides by the last rule that matches, as git does.
func (g ignorer) one(parts []string, dir bool) bool {
	ignored := false
	for _, rule := range g {
		if rule.dirOnly && !dir {
			continue
		}
		against := parts
		if !rule.anchored {
			against = parts[len(parts)-1:]
		}
		if matchSegments(rule.pattern, against) {
			ignored = !rule.negate
		}
	}
	return ignored
}

// matchSegments matches a path part by part. ** stands for any number of parts.
func matchSegments(pattern, parts []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(parts) + 1 {
				if matchSegments(pattern[1:], parts[i:]) {
					return len(pattern) > 1 || i < len(parts) || len(parts) > 0
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], parts[0]); err != nil || !ok {
			return false
		}
		pattern, parts = pattern[1:], parts[1:]
	}
	return len(parts) == 0
}
