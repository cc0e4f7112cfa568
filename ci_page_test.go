package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestCIPageIsPlayed reads the pipelines that docs/ci.md shows, and plays each
// line of deploy in them, in the example's folder with a project file.
func TestCIPageIsPlayed(t *testing.T) {
	if testing.Short() {
		t.Skip("in full without -short")
	}
	if findPython() == "" {
		t.Skip("no python3 on PATH: the example is a Python flow")
	}
	page, err := os.ReadFile("docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	if len(blocks) != 2 {
		t.Errorf("%d pipelines, not 2", len(blocks))
	}
	folder := exampleFolder(t)
	play(t, folder, "$ runnel init\n")
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		var jobs map[string]any
		if err := yaml.Unmarshal([]byte(block), &jobs); err != nil {
			t.Errorf("%v in\n%s", err, block)
		}
		for _, line := range regexp.MustCompile(`runnel deploy[^'\n]*`).FindAllString(block, -1) {
			shown := play(t, folder, "$ export CI=true\n$ "+line+" || echo FAILED\n")
			if strings.Contains(strings.ReplaceAll(shown, "echo FAILED", ""), "FAILED") || !strings.Contains(shown, "unchanged") {
				t.Errorf("%s", shown)
			}
		}
	}
}
