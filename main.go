// Runnel deploys flows and runs them, on one machine, from one SQLite file.
package main

import (
	"os"

	"runnel/cli"
)

func main() { os.Exit(cli.Main(cli.System(), os.Args[1:])) }
