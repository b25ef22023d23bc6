package postgres

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// micros is a time as the database has it: microseconds since 1970, 0 = never.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment scans a time that micros wrote.
type moment struct{ t *time.Time }

// ScanInt64 implements pgtype.Int64Scanner.
func (m moment) ScanInt64(v pgtype.Int8) error {
	switch {
	case !v.Valid:
		return errors.New("a time is NULL")
	case v.Int64 == 0:
		*m.t = time.Time{}
	default:
		*m.t = time.UnixMicro(v.Int64).UTC()
	}
	return nil
}

// hash scans a SHA-256; NULL is the zero hash.
type hash struct{ h *[32]byte }

// ScanBytes implements pgtype.BytesScanner.
func (h hash) ScanBytes(b []byte) error {
	*h.h = [32]byte{}
	switch len(b) {
	case 0:
		return nil
	case len(h.h):
		copy(h.h[:], b)
		return nil
	}
	return errors.New("a hash has another length")
}

// nullHash is a hash as the database has it: NULL for the zero hash.
func nullHash(h [32]byte) []byte {
	if h == ([32]byte{}) {
		return nil
	}
	return h[:]
}

// texts is a list that is never NULL.
func texts(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// words scans a list; an empty one is nil.
type words struct{ l *[]string }

// SetDimensions implements pgtype.ArraySetter.
func (w words) SetDimensions(d []pgtype.ArrayDimension) error {
	*w.l = nil
	if len(d) > 0 && d[0].Length > 0 {
		*w.l = make([]string, d[0].Length)
	}
	return nil
}

// ScanIndex implements pgtype.ArraySetter.
func (w words) ScanIndex(i int) any { return &(*w.l)[i] }

// ScanIndexType implements pgtype.ArraySetter.
func (w words) ScanIndexType() any { return new(string) }
