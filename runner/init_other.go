//go:build !linux

package runner

// reapAsInit is for containers, which are Linux.
func reapAsInit(map[int]bool) {}
