package sqlstore

import (
	"encoding/json"
	"fmt"
	"time"
)

// Micros returns a time as the databases have it: microseconds since 1970, 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time scans a time that Micros returned.
type Time struct{ To *time.Time }

// Scan implements sql.Scanner.
func (t Time) Scan(v any) error {
	n, ok := v.(int64)
	switch {
	case !ok:
		return fmt.Errorf("a time is %T", v)
	case n == 0:
		*t.To = time.Time{}
	default:
		*t.To = time.UnixMicro(n).UTC()
	}
	return nil
}

// Hash scans a SHA-256; NULL is the zero hash.
type Hash struct{ To *[32]byte }

// Scan implements sql.Scanner.
func (h Hash) Scan(v any) error {
	*h.To = [32]byte{}
	switch b := v.(type) {
	case nil:
		return nil
	case []byte:
		if len(b) == len(h.To) {
			copy(h.To[:], b)
			return nil
		}
	}
	return fmt.Errorf("a hash is %T of another length", v)
}

// NullHash returns a hash as the databases have it: NULL for the zero hash.
func NullHash(h [32]byte) any {
	if h == ([32]byte{}) {
		return nil
	}
	return h[:]
}

// bytesText scans bytes into a string.
type bytesText struct{ to *string }

// Scan implements sql.Scanner.
func (s bytesText) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok && v != nil { // SQLite returns an empty value as NULL
		return fmt.Errorf("bytes are %T", v)
	}
	*s.to = string(b)
	return nil
}

// jsonList scans a JSON array of strings; an empty one is nil.
type jsonList struct{ to *[]string }

// Scan implements sql.Scanner.
func (l jsonList) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("a list is %T", v)
	}
	*l.to = nil
	if s == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(s), l.to)
}

// JSON returns a list of strings as a JSON array.
func JSON(l []string) string {
	if len(l) == 0 {
		return "[]"
	}
	b, err := json.Marshal(l)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(b)
}
