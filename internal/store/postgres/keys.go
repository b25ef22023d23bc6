package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func keyFields(k *gateway.Key) []any {
	return []any{&k.ID, &k.Slot, &k.Use, &k.Alg, &k.Sealed, moment{&k.CreatedAt}, moment{&k.ActiveAt}, moment{&k.RetiredAt}, moment{&k.ExpiresAt}}
}

// Keys implements gateway.Keys.
func (s *Store) Keys(ctx context.Context) ([]gateway.Key, error) {
	const query = `SELECT id, slot, use, alg, sealed, created_at, active_at, retired_at, expires_at FROM keys ORDER BY created_at, id`
	all, err := list(ctx, s.pool, query, nil, keyFields)
	return all, failed("list keys", err)
}

// PutKey implements gateway.Keys.
func (s *Store) PutKey(ctx context.Context, k gateway.Key) error {
	if k.ID == "" || k.Slot == "" || len(k.Sealed) == 0 {
		return errors.New("postgres: a key needs an id, a slot and its sealed secret")
	}
	_, err := s.exec(ctx, `INSERT INTO keys (id, slot, use, alg, sealed, created_at, active_at, retired_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		k.ID, k.Slot, k.Use, k.Alg, k.Sealed, micros(k.CreatedAt), micros(k.ActiveAt), micros(k.RetiredAt), micros(k.ExpiresAt))
	if taken(err) {
		return gateway.ErrConflict
	}
	return failed("store a key", err)
}

// RetireKey implements gateway.Keys.
func (s *Store) RetireKey(ctx context.Context, id string, retiredAt, expiresAt time.Time) error {
	done, err := s.exec(ctx, `
		UPDATE keys SET
			retired_at = CASE WHEN $2::bigint <> 0 AND (retired_at = 0 OR $2 < retired_at) THEN $2 ELSE retired_at END,
			expires_at = CASE WHEN $3::bigint <> 0 AND (expires_at = 0 OR $3 < expires_at) THEN $3 ELSE expires_at END
		WHERE id = $1`, id, micros(retiredAt), micros(expiresAt))
	if err == nil && done.RowsAffected() == 0 {
		err = gateway.ErrNotFound
	}
	return failed("retire a key", err)
}

// ReplaceSealed implements gateway.Keys.
func (s *Store) ReplaceSealed(ctx context.Context, id string, old, sealed []byte) error {
	if len(sealed) == 0 {
		return errors.New("postgres: a key needs its sealed secret")
	}
	done, err := s.exec(ctx, `UPDATE keys SET sealed = $3 WHERE id = $1 AND sealed = $2`, id, old, sealed)
	if err == nil && done.RowsAffected() == 0 {
		var there bool
		if err = s.get(ctx, `SELECT true FROM keys WHERE id = $1`, []any{id}, &there); err == nil {
			err = gateway.ErrConflict
		}
	}
	return failed("seal a key anew", err)
}
