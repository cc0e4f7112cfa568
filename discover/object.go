package discover

import (
	"bytes"
	"encoding/json"
)

// object is a JSON object that keeps the order of its members, so that a schema
// reads in the order of the signature.
type object []member

type member struct {
	key   string
	value any
}

// with sets a member in place, or appends it.
func (o object) with(key string, value any) object {
	for i := range o {
		if o[i].key == key {
			o[i].value = value
			return o
		}
	}
	return append(o, member{key, value})
}

func (o object) get(key string) (any, bool) {
	for _, m := range o {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

func (o object) has(key string) bool {
	_, ok := o.get(key)
	return ok
}

// without is a copy that lacks key.
func (o object) without(key string) object {
	out := make(object, 0, len(o))
	for _, m := range o {
		if m.key != key {
			out = append(out, m)
		}
	}
	return out
}

// clone lets a caller add members without changing o.
func (o object) clone() object { return append(make(object, 0, len(o)+4), o...) }

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := o.encode(&b)
	return b.Bytes(), err
}

func (o object) encode(b *bytes.Buffer) error {
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encode(b, m.key); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := encode(b, m.value); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// encode leaves <, > and & as they are: a schema is no HTML. Objects within
// objects go straight into b: encoding/json would read each level again.
func encode(b *bytes.Buffer, v any) error {
	if o, ok := v.(object); ok && o != nil {
		return o.encode(b)
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder ends each value with a newline
	return nil
}

// same compares two schemas by what they say.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
