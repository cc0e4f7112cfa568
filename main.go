// Runnel deploys flows and runs them, on one machine, from one SQLite file.
package main

import (
	"embed"
	"io/fs"
	"os"

	"runnel/cli"
)

// The project that `runnel quickstart` plays.
//
//go:embed testdata/projects/report
var projects embed.FS

func main() {
	example, err := fs.Sub(projects, "testdata/projects/report")
	if err != nil {
		panic(err) // the embedded path is a constant
	}
	os.Exit(cli.Main(cli.System(example), os.Args[1:]))
}
