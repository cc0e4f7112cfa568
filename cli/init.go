package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"runnel/discover"
	"runnel/store"
)

type initCmd struct{}

// Help ends with examples.
func (initCmd) Help() string {
	return "It writes runnel.yaml with an entry for each flow that it finds here, and never writes over a project file.\n\n" +
		"Examples:\n  runnel init\n  runnel init && runnel deploy --all --dry-run"
}

func (initCmd) Run(a *app) error {
	known, _, err := discover.FindProjectFile(a.Dir)
	if err != nil {
		return err
	}
	if known != "" {
		return &exitError{
			code: exitRefused, message: filepath.Base(known) + " is there already, and is not written over",
			hint: []string{"see what it would deploy: runnel deploy --all --dry-run"},
		}
	}
	result, err := discover.Walk(a.ctx, a.Dir, discover.Options{})
	if err != nil {
		return err
	}
	text, count := projectText(result.Flows)
	if count == 0 {
		return &exitError{
			code: exitNotFound, message: "no flows here to write a project file of",
			hint: []string{`a flow is a Python function with @flow, or a script with a "# /// flow" block`, "see what was read: runnel discover --explain"},
		}
	}
	const name = "runnel.yaml"
	if err := writeNew(filepath.Join(a.Dir, name), text); err != nil {
		return err
	}
	a.print("wrote %s with %s", name, plural(count, "deployment"))
	a.say("see what it deploys: runnel deploy --all --dry-run")
	a.say("deploy it and work for it: runnel up")
	return nil
}

// writeNew makes a file, and fails where one is there.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a project's file is for all to read
	if errors.Is(err, fs.ErrExist) {
		return &exitError{code: exitRefused, message: filepath.Base(path) + " is there already, and is not written over"}
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

const projectHead = `# What runnel deploys of this folder.
#   runnel deploy --all      deploys all of it, and shows what changes
#   runnel up                does so, makes the work pools and works for them
# An editor completes it by the schema: runnel schema > runnel.schema.json

deployments:
`

// projectText is a project file with an entry for each flow that can be deployed.
func projectText(flows []discover.Flow) (text string, count int) {
	var b strings.Builder
	b.WriteString(projectHead)
	taken := map[string]bool{}
	for _, flow := range flows {
		if !flow.Deployable {
			continue
		}
		if count++; count > 1 {
			b.WriteString("\n")
		}
		writeEntry(&b, flow, entryName(flow, taken))
	}
	return b.String(), count
}

// entryName is the name that a serve or deploy call gives, else default. Two
// flows of one name are told apart by their files.
func entryName(flow discover.Flow, taken map[string]bool) string {
	name := "default"
	for _, hint := range flow.Hints {
		if given, ok := hint.Arguments["name"].Text(); ok && given != "" && !strings.ContainsAny(given, "/\n") {
			name = given
			break
		}
	}
	stem := strings.TrimSuffix(filepath.Base(flow.File), filepath.Ext(flow.File))
	for n := 1; taken[flow.FlowName+"/"+name]; n++ {
		if name = stem; n > 1 {
			name = fmt.Sprintf("%s-%d", stem, n)
		}
	}
	taken[flow.FlowName+"/"+name] = true
	return name
}

func writeEntry(b *strings.Builder, flow discover.Flow, name string) {
	if flow.Description != "" {
		fmt.Fprintf(b, "  # %s\n", flow.Description)
	}
	fmt.Fprintf(b, "  - name: %s\n    entrypoint: %s\n    work_pool:\n      name: default\n", inYAML(name), inYAML(flow.Entrypoint))
	writeParameters(b, flow)
	b.WriteString("    # schedules:\n    #   - cron: \"30 6 * * 1-5\"\n    #     timezone: Europe/Berlin\n")
}

// writeParameters lists the parameters as comments: what has a default needs no
// line, and what has none is for the reader to fill in.
func writeParameters(b *strings.Builder, flow discover.Flow) {
	schema, err := store.ParseParameterSchema(flow.Parameters)
	if err != nil || len(schema.Properties) == 0 {
		return
	}
	b.WriteString("    # parameters:\n")
	defaults := schema.Defaults()
	for _, name := range schema.Names() {
		value := string(defaults[name])
		switch {
		case schema.Requires(name):
			value = " # needed: " + schema.Describe(name)
		case value == "" || !json.Valid([]byte(value)):
			value = " # " + schema.Describe(name)
		}
		fmt.Fprintf(b, "    #   %s: %s\n", inYAML(name), strings.TrimPrefix(value, " "))
	}
}

// inYAML writes text so that YAML reads it as that text.
func inYAML(text string) string {
	b, err := yaml.Marshal(text)
	if err != nil || strings.Count(string(b), "\n") > 1 {
		return string(jsonText(text))
	}
	return strings.TrimSuffix(string(b), "\n")
}
