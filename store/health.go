package store

import "context"

// WALLimit is the size in bytes that the write-ahead log is cut back to.
const WALLimit = walLimit

// Health is what can be told of the file without reading all of it. All sizes
// are bytes.
type Health struct {
	SQLite   string
	Schema   int
	Bytes    int64
	WALBytes int64
}

// Health looks at the file.
func (s *Store) Health(ctx context.Context) (h Health, err error) {
	h.Bytes, h.WALBytes = sizeOnDisk(s.path), sizeOnDisk(s.path+"-wal")
	err = s.reader.QueryRowContext(ctx, "SELECT sqlite_version(), user_version FROM pragma_user_version").
		Scan(&h.SQLite, &h.Schema)
	return h, err
}

// FileSystem is the file system below a folder.
type FileSystem struct {
	Kind        string // "" where it has no name here
	Free, Total int64  // bytes; Free is what this user may fill
}
