package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Keys. Do runs one operation of the store. Exec changes rows, Get
// reads one row, list reads all, and Tx runs a transaction. Micros converts arguments; Time
// converts results.

// keyColumns are the columns of a gateway.Key. slot is its use, algorithm and generation; no two
// keys have the same slot. sealed is the secret of the key, encrypted with the master key.
const keyColumns = `id, slot, use, alg, sealed, created_at, active_at, retired_at, expires_at`

// Keys implements gateway.Keys.
func (b Base) Keys(ctx context.Context) (all []gateway.Key, err error) {
	err = b.db.Do(ctx, "keys", func(c Conn) error {
		all, err = list(c, `SELECT `+keyColumns+` FROM keys ORDER BY created_at, id`, nil, func(k *gateway.Key) []any {
			return []any{&k.ID, &k.Slot, &k.Use, &k.Alg, &k.Sealed, Time{&k.CreatedAt}, Time{&k.ActiveAt}, Time{&k.ReplacedAt},
				Time{&k.ExpiresAt}}
		})
		return err
	})
	return all, err
}

// PutKey implements gateway.Keys.
func (b Base) PutKey(ctx context.Context, k gateway.Key) error {
	if k.ID == "" || k.Slot == "" || len(k.Sealed) == 0 {
		return errors.New("a key needs an id, a slot and its sealed secret")
	}
	return b.db.Do(ctx, "put_key", func(c Conn) error {
		_, err := c.Exec(`INSERT INTO keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			k.ID, k.Slot, k.Use, k.Alg, k.Sealed, Micros(k.CreatedAt), Micros(k.ActiveAt), Micros(k.ReplacedAt),
			Micros(k.ExpiresAt))
		return b.conflict(err)
	})
}

// SetKeyEnd implements gateway.Keys. If a parameter is compared with 0, PostgreSQL assumes
// that it is a 32-bit integer. The casts prevent this.
func (b Base) SetKeyEnd(ctx context.Context, id string, replacedAt, expiresAt time.Time) error {
	return b.db.Do(ctx, "retire_key", func(c Conn) error {
		n, err := c.Exec(`
			UPDATE keys SET
				retired_at = CASE WHEN CAST($2 AS bigint) <> 0 AND (retired_at = 0 OR $2 < retired_at) THEN $2 ELSE retired_at END,
				expires_at = CASE WHEN CAST($3 AS bigint) <> 0 AND (expires_at = 0 OR $3 < expires_at) THEN $3 ELSE expires_at END
			WHERE id = $1`, id, Micros(replacedAt), Micros(expiresAt))
		if err == nil && n == 0 {
			err = gateway.ErrNotFound
		}
		return err
	})
}

// ReplaceSealed implements gateway.Keys.
func (b Base) ReplaceSealed(ctx context.Context, id string, old, sealed []byte) error {
	if len(sealed) == 0 {
		return errors.New("a key needs its sealed secret")
	}
	return b.db.Do(ctx, "replace_sealed", func(c Conn) error {
		n, err := c.Exec(`UPDATE keys SET sealed = $3 WHERE id = $1 AND sealed = $2`, id, old, sealed)
		if err != nil || n == 1 {
			return err
		}
		var found string
		if err := c.Get(`SELECT id FROM keys WHERE id = $1`, []any{id}, &found); err != nil {
			return err
		}
		return gateway.ErrConflict
	})
}
