package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.APIKeys. Do runs one operation of the store. Exec changes rows, Get
// reads one row, list reads all, and Tx runs a transaction.

const apiKeyColumns = `id, hash, name, scopes, created_by, created_at, expires_at, last_used_at, revoked_at`

func apiKeyFields(k *gateway.APIKey) []any {
	return []any{&k.ID, Hash{&k.Hash}, &k.Name, jsonList{&k.Scopes}, &k.CreatedBy, Time{&k.CreatedAt}, Time{&k.ExpiresAt},
		Time{&k.LastUsedAt}, Time{&k.RevokedAt}}
}

// CreateAPIKey implements gateway.APIKeys.
func (b Base) CreateAPIKey(ctx context.Context, k gateway.APIKey, e gateway.Event) error {
	if k.ID == "" || k.Hash == ([32]byte{}) {
		return errors.New("an API key needs an id and a hash")
	}
	return b.db.Do(ctx, "create_api_key", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			_, err := q.Exec(`INSERT INTO api_keys (`+apiKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)`,
				k.ID, k.Hash[:], fitText(k.Name), JSON(k.Scopes), fitIndex(k.CreatedBy), Micros(k.CreatedAt), Micros(k.ExpiresAt))
			if err != nil {
				return b.conflict(err)
			}
			return appendEvents(q, []gateway.Event{e})
		})
	})
}

// APIKey implements gateway.APIKeys. It records the use, unless a use was recorded in the last
// minute.
func (b Base) APIKey(ctx context.Context, hash [32]byte, now time.Time) (k gateway.APIKey, err error) {
	err = b.db.Do(ctx, "api_key", func(c Conn) error {
		err := c.Get(`SELECT `+apiKeyColumns+` FROM api_keys WHERE hash = $1`, []any{hash[:]}, apiKeyFields(&k)...)
		if err != nil {
			return err
		}
		entitled, err := isEntitled(c, k.CreatedBy) // the creator still has administrator rights
		switch {
		case err != nil:
			return err
		case !entitled, !k.RevokedAt.IsZero(), !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
			return gateway.ErrExpired
		case now.Sub(k.LastUsedAt) < time.Minute:
			return nil
		}
		_, err = c.Exec(`UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2`, k.ID, Micros(now))
		k.LastUsedAt = gateway.StoredTime(now)
		return err
	})
	if err != nil && !errors.Is(err, gateway.ErrExpired) {
		return gateway.APIKey{}, err
	}
	return k, err
}

// APIKeys implements gateway.APIKeys. The condition on created_at is always true. With it, the
// database searches the index of created_at instead of scanning it.
func (b Base) APIKeys(ctx context.Context) (all []gateway.APIKey, err error) {
	err = b.db.Do(ctx, "api_keys", func(c Conn) error {
		all, err = list(c, `SELECT `+apiKeyColumns+` FROM api_keys WHERE created_at >= 0
			ORDER BY created_at DESC, id DESC LIMIT 500`, nil, apiKeyFields)
		return err
	})
	return all, err
}

// RevokeAPIKey implements gateway.APIKeys.
func (b Base) RevokeAPIKey(ctx context.Context, id string, now time.Time, e gateway.Event) error {
	return b.revoke(ctx, "revoke_api_key", `UPDATE api_keys SET
		revoked_at = CASE revoked_at WHEN 0 THEN $2 ELSE revoked_at END WHERE id = $1`, id, now, e)
}

// revoke revokes the API key or invitation with an id, and appends the event, in one transaction.
// op names the operation. statement has the parameters id and time. revoke returns
// gateway.ErrNotFound if no row has this id.
func (b Base) revoke(ctx context.Context, op, statement, id string, now time.Time, e gateway.Event) error {
	return b.db.Do(ctx, op, func(c Conn) error {
		return c.Tx(func(q Querier) error {
			n, err := q.Exec(statement, gateway.CleanText(id), Micros(now))
			if err == nil && n == 0 {
				err = gateway.ErrNotFound
			}
			if err != nil {
				return err
			}
			return appendEvents(q, []gateway.Event{e})
		})
	})
}
