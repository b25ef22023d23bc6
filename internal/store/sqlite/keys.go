package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Keys implements gateway.Keys.
func (s *Store) Keys(ctx context.Context) (all []gateway.Key, err error) {
	const query = `SELECT id, slot, use, alg, sealed, created_at, active_at, retired_at, expires_at FROM keys ORDER BY created_at, id`
	err = s.read(ctx, "list keys", func(t tx) error {
		return t.each(query, nil, func(r *sql.Rows) error {
			var k gateway.Key
			err := r.Scan(&k.ID, &k.Slot, &k.Use, &k.Alg, &k.Sealed, moment{&k.CreatedAt}, moment{&k.ActiveAt},
				moment{&k.RetiredAt}, moment{&k.ExpiresAt})
			all = append(all, k)
			return err
		})
	})
	return all, err
}

// PutKey implements gateway.Keys.
func (s *Store) PutKey(ctx context.Context, k gateway.Key) error {
	if k.ID == "" || k.Slot == "" || len(k.Sealed) == 0 {
		return errors.New("sqlite: a key needs an id, a slot and its sealed secret")
	}
	return s.write(ctx, "store a key", func(t tx) error {
		_, err := t.exec(`INSERT INTO keys (id, slot, use, alg, sealed, created_at, active_at, retired_at, expires_at)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
			k.ID, k.Slot, k.Use, k.Alg, k.Sealed, micros(k.CreatedAt), micros(k.ActiveAt), micros(k.RetiredAt), micros(k.ExpiresAt))
		if taken(err) {
			return gateway.ErrConflict
		}
		return err
	})
}

// RetireKey implements gateway.Keys.
func (s *Store) RetireKey(ctx context.Context, id string, retiredAt, expiresAt time.Time) error {
	return s.write(ctx, "retire a key", func(t tx) error {
		n, err := t.exec(`
			UPDATE keys SET
				retired_at = CASE WHEN ?2 <> 0 AND (retired_at = 0 OR ?2 < retired_at) THEN ?2 ELSE retired_at END,
				expires_at = CASE WHEN ?3 <> 0 AND (expires_at = 0 OR ?3 < expires_at) THEN ?3 ELSE expires_at END
			WHERE id = ?1`, id, micros(retiredAt), micros(expiresAt))
		if err == nil && n == 0 {
			err = gateway.ErrNotFound
		}
		return err
	})
}

// ReplaceSealed implements gateway.Keys.
func (s *Store) ReplaceSealed(ctx context.Context, id string, old, sealed []byte) error {
	if len(sealed) == 0 {
		return errors.New("sqlite: a key needs its sealed secret")
	}
	return s.write(ctx, "seal a key anew", func(t tx) error {
		n, err := t.exec(`UPDATE keys SET sealed = ?3 WHERE id = ?1 AND sealed = ?2`, id, old, sealed)
		if err != nil || n == 1 {
			return err
		}
		var there bool
		if err := t.get(`SELECT 1 FROM keys WHERE id = ?1`, []any{id}, &there); err != nil {
			return err
		}
		return gateway.ErrConflict
	})
}
