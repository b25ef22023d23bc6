package gateway

import (
	"context"
	"time"
)

// Key is a signing key, or another secret that all replicas share. A store contains only its sealed
// form: the secret, encrypted with the master key. The master key is not in the database.
type Key struct {
	ID         string // kid: opaque, unique
	Slot       string // use, algorithm and generation, such as "sign/RS256/3"; unique
	Use        string // such as "sign"
	Alg        string // such as "RS256"; "" = none
	Sealed     []byte // the secret, encrypted
	CreatedAt  time.Time
	ActiveAt   time.Time // signs from this time on; the public key is published earlier, so that apps have it
	ReplacedAt time.Time // signs until this time, then a newer key does; zero = not planned
	ExpiresAt  time.Time // published until this time; zero = not planned
}

// Keys stores the keys that all replicas share.
type Keys interface {
	// Keys returns every key, oldest first (CreatedAt, then ID).
	Keys(ctx context.Context) ([]Key, error)

	// PutKey stores a new key. It returns ErrConflict when the id or the slot exists already. When
	// two replicas create the key of one slot at once, one succeeds and the other calls Keys again.
	PutKey(ctx context.Context, k Key) error

	// SetKeyEnd sets ReplacedAt and ExpiresAt of a key. A stored time changes only when it is zero
	// or becomes earlier. So two replicas that plan one rotation agree on the earlier times. It
	// returns ErrNotFound for an unknown key.
	SetKeyEnd(ctx context.Context, id string, replacedAt, expiresAt time.Time) error

	// ReplaceSealed replaces the sealed secret of a key after the master key has changed. When the
	// stored secret differs from old, another replica was first, and ReplaceSealed returns
	// ErrConflict. It returns ErrNotFound for an unknown key.
	ReplaceSealed(ctx context.Context, id string, old, sealed []byte) error
}
