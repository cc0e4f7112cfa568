package store

import "errors"

// DiskOf cannot tell here.
func DiskOf(string) (Disk, error) { return Disk{}, errors.ErrUnsupported }
