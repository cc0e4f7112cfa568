package discover

import (
	_ "embed"
	"slices"
)

//go:embed projectfile.schema.json
var projectSchema []byte

// Schema is the JSON Schema (draft 2020-12) of a project file, for editors. It
// knows every key that ReadProject reads and calls every other one an error,
// where ReadProject warns.
func Schema() []byte { return slices.Clone(projectSchema) }
