//go:build !linux

package runner

import "os"

// selfBinary is this program's file.
func selfBinary() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
