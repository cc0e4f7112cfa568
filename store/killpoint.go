//go:build !killpoints

package store

// KillPoint marks a place at which the tests end the process, by SIGKILL, in a
// build of their own. In any other build it is nothing.
func KillPoint(string) {}
