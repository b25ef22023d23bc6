package gateway

import (
	"context"
	"time"
)

// Key is a signing key, sealed with the master key, or another secret that all
// replicas share.
type Key struct {
	ID        string // kid: opaque, unique
	Slot      string // what the key is for, once: use, algorithm and generation, such as "sign/RS256/3"; unique
	Use       string // such as "sign"
	Alg       string // such as "RS256"; "" where it has none
	Sealed    []byte
	CreatedAt time.Time
	ActiveAt  time.Time // signs from then on; published before
	RetiredAt time.Time // signs until then; zero = not planned
	ExpiresAt time.Time // published until then; zero = not planned
}

// Keys keeps the keys that all replicas share.
type Keys interface {
	// Keys lists every key, oldest first (CreatedAt, then ID).
	Keys(ctx context.Context) ([]Key, error)

	// PutKey stores a new key. ErrConflict when the id or the slot is taken:
	// of two replicas that make the same key at once one wins, and the other
	// reads Keys again.
	PutKey(ctx context.Context, k Key) error

	// RetireKey sets RetiredAt and ExpiresAt of a key. Each moves only from
	// zero or to an earlier time, so that two replicas that plan the same
	// rotation agree on the earlier one. ErrNotFound.
	RetireKey(ctx context.Context, id string, retiredAt, expiresAt time.Time) error

	// ReplaceSealed stores the key's secret sealed anew, after the master key
	// was changed. ErrConflict when it is not old any more (another replica
	// was first), ErrNotFound.
	ReplaceSealed(ctx context.Context, id string, old, sealed []byte) error
}
