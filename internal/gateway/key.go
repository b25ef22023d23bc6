package gateway

import (
	"context"
	"time"
)

// Key is a signing key, or another secret that all replicas share. A store has it only sealed:
// encrypted with the master key, which is not in the database.
type Key struct {
	ID        string // kid: opaque, unique
	Slot      string // use, algorithm and generation, such as "sign/RS256/3"; unique
	Use       string // such as "sign"
	Alg       string // such as "RS256"; "" = none
	Sealed    []byte // the secret, encrypted
	CreatedAt time.Time
	ActiveAt  time.Time // signs from this time on; published earlier, so that apps know it in time
	RetiredAt time.Time // signs until this time; zero = not planned
	ExpiresAt time.Time // published until this time; zero = not planned
}

// Keys stores the keys that all replicas share.
type Keys interface {
	// Keys returns every key, oldest first (CreatedAt, then ID).
	Keys(ctx context.Context) ([]Key, error)

	// PutKey stores a new key. It returns ErrConflict when the id or the slot exists already. When
	// two replicas create the key of one slot at once, one succeeds and the other calls Keys again.
	PutKey(ctx context.Context, k Key) error

	// RetireKey sets RetiredAt and ExpiresAt of a key. Each changes only from zero or to an earlier
	// time, so that two replicas that plan the same rotation agree on the earlier one. It returns
	// ErrNotFound for an unknown key.
	RetireKey(ctx context.Context, id string, retiredAt, expiresAt time.Time) error

	// ReplaceSealed replaces the sealed secret of a key after the master key has changed. It
	// returns ErrConflict when the stored secret differs from old, because another replica was
	// first, and ErrNotFound for an unknown key.
	ReplaceSealed(ctx context.Context, id string, old, sealed []byte) error
}
