package cli

import "runnel/discover"

type schemaCmd struct{}

// Help ends with examples.
func (schemaCmd) Help() string {
	return "An editor completes and checks a project file by it. With the YAML language server the first line of the " +
		"file names it: # yaml-language-server: $schema=runnel.schema.json\n\n" +
		"Examples:\n  runnel schema\n  runnel schema > runnel.schema.json"
}

func (schemaCmd) Run(a *app) error {
	_, err := a.Out.Write(discover.Schema())
	return err
}
