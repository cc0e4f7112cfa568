package store

import "errors"

// DiskOf cannot tell here.
func DiskOf(string) (FileSystem, error) { return FileSystem{}, errors.ErrUnsupported }
