//go:build race

package runner

func init() { raced = true }
