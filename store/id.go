package store

import (
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// ID is a UUIDv7: 16 bytes that sort by the time they were made.
type ID [16]byte

// NewID makes an ID. Within a process each is greater than the one before.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// ParseID reads the 36-character form.
func ParseID(text string) (ID, error) {
	id, err := uuid.Parse(text)
	return ID(id), err
}

// String is the 36-character form.
func (id ID) String() string { return uuid.UUID(id).String() }

// Short is the last eight hex digits: the beginnings of UUIDv7s made on one
// day are all alike.
func (id ID) Short() string { return hex.EncodeToString(id[12:]) }

// next is a greater UUIDv7 of the same millisecond: of its 62 random bits, which
// do not run over in a lifetime.
func (id ID) next() ID {
	const random = 1<<62 - 1
	low := binary.BigEndian.Uint64(id[8:])
	binary.BigEndian.PutUint64(id[8:], low&^random|(low+1)&random)
	return id
}

// IsZero is true for an ID that was never set.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText gives the 36-character form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the 36-character form.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// Value stores the 16 bytes; the zero ID is NULL.
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id[:], nil
}

// Scan reads 16 bytes, or NULL as the zero ID.
func (id *ID) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*id = ID{}
	case []byte:
		if len(v) != len(id) {
			return fmt.Errorf("scan id: %d bytes", len(v))
		}
		copy(id[:], v)
	default:
		return fmt.Errorf("scan id: %T", value)
	}
	return nil
}

// tail is the short id reversed, so that an index finds an ending as a prefix.
func (id ID) tail() string { return reverse(id.Short()) }

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
