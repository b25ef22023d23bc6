package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

const grantColumns = `g.family, g.app, g.account_id, g.subject, g.scopes, g.auth_time, g.session, g.entry, g.app_id, g.open_id,
	g.created_at, g.expires_at, g.revoked_at, g.counter, g.rotated_at, g.data`

func grantFields(f *gateway.Grant) []any {
	return []any{&f.ID, &f.App, &f.UserID, &f.Subject, words{&f.Scopes}, moment{&f.AuthTime}, hash{&f.Session}, &f.Connector, &f.AppID,
		&f.OpenID, moment{&f.CreatedAt}, moment{&f.ExpiresAt}, moment{&f.RevokedAt}, &f.Counter, moment{&f.RotatedAt}, &f.Data}
}

// PutCode implements gateway.Grants.
func (s *Store) PutCode(ctx context.Context, c gateway.Code) error {
	if err := c.Check(); err != nil {
		return err
	}
	f := c.Grant
	const insert = `
		INSERT INTO grants (family, app, account_id, subject, scopes, auth_time, session, entry, app_id, open_id, created_at,
			expires_at, sweep_at, revoked_at, counter, rotated_at, data, code_hash, redirect_uri, challenge, nonce, code_expires, code_taken_at)
		SELECT $1, $3, id, CASE $4 WHEN '' THEN s.subject ELSE $4 END, $5, $6, $7, $8, $9, $10, $11,
			$12, $12, 0, 0, 0, $13, $14, $15, $16, $17, $18, 0
		FROM accounts LEFT JOIN subjects s ON s.account_id = id AND s.app = $3
		WHERE id = $2 AND joined_into = '' AND status <> 'blocked' AND ($4 <> '' OR s.subject IS NOT NULL)
		FOR SHARE OF accounts` // as welcome says
	args := []any{f.ID, f.UserID, f.App, f.Subject, texts(f.Scopes), micros(f.AuthTime), nullHash(f.Session), f.Connector, f.AppID, f.OpenID,
		micros(f.CreatedAt), micros(c.End()), f.Data, c.Hash[:], c.RedirectURI, c.Challenge, []byte(c.Nonce), micros(c.ExpiresAt)}
	done, err := s.exec(ctx, insert, args...)
	if err == nil && done.RowsAffected() == 0 { // blocked, joined, nobody, or not pinned
		err = s.write(ctx, "store a code", func(tx pgx.Tx) error {
			id, err := admitted(ctx, tx, f.UserID)
			if err != nil {
				return err
			}
			args[1] = id
			if f.Subject == "" && c.PinSubject != "" {
				_, err := tx.Exec(ctx, `
					INSERT INTO subjects (account_id, app, subject, created_at) VALUES ($1, $2, $3, $4)
					ON CONFLICT (account_id, app) DO NOTHING`, id, f.App, c.PinSubject, micros(f.CreatedAt))
				if err != nil {
					return err
				}
			}
			done, err := tx.Exec(ctx, insert, args...)
			if err == nil && done.RowsAffected() == 0 {
				err = gateway.ErrNotFound
			}
			return err
		})
	}
	if taken(err) { // the hash, the grant's id, or the subject that was to be pinned
		return gateway.ErrConflict
	}
	return failed("store a code", err)
}

// Code implements gateway.Grants.
func (s *Store) Code(ctx context.Context, h [32]byte) (c gateway.Code, err error) {
	c.Hash = h
	var nonce []byte
	err = s.get(ctx, `SELECT `+grantColumns+`, redirect_uri, challenge, nonce, code_expires, code_taken_at FROM grants g WHERE code_hash = $1`,
		[]any{h[:]}, append(grantFields(&c.Grant), &c.RedirectURI, &c.Challenge, &nonce, moment{&c.ExpiresAt}, moment{&c.RedeemedAt})...)
	if err != nil {
		return gateway.Code{}, failed("read a code", err)
	}
	c.Nonce = string(nonce)
	return c, nil
}

// Redeem implements gateway.Grants. One statement takes the code and stores the
// token: the row of the grant decides who is first.
func (s *Store) Redeem(ctx context.Context, h [32]byte, now time.Time, i gateway.TokenIssue) (f gateway.Grant, err error) {
	counter := 0
	if i.Refresh != ([32]byte{}) {
		counter = 1
	}
	err = s.get(ctx, `
		WITH g AS (
			UPDATE grants SET code_taken_at = $2, expires_at = $3, refresh = $4, counter = $5::integer, rotated_at = CASE $5::integer WHEN 0 THEN 0 ELSE $2 END
			WHERE code_hash = $1 AND code_taken_at = 0 AND revoked_at = 0 AND code_expires > $2 AND expires_at > $2
			RETURNING *
		), issued AS (
			INSERT INTO tokens (hash, family, created_at, expires_at) SELECT $6, family, $7, $8 FROM g
		)
		SELECT `+grantColumns+` FROM g`,
		[]any{h[:], micros(now), micros(i.End()), nullHash(i.Refresh), counter, i.Access.Hash[:], micros(i.Access.CreatedAt), micros(i.Access.ExpiresAt)},
		grantFields(&f)...)
	switch {
	case taken(err):
		return gateway.Grant{}, gateway.ErrConflict
	case err == nil:
		return f, nil
	case !errors.Is(err, gateway.ErrNotFound):
		return gateway.Grant{}, failed("redeem a code", err)
	}
	err = s.get(ctx, `
		UPDATE grants g SET revoked_at = CASE WHEN revoked_at = 0 AND NOT $3 THEN $2 ELSE revoked_at END
		WHERE code_hash = $1 AND code_taken_at <> 0 RETURNING `+grantColumns, []any{h[:], micros(now), i.ReplayTolerated}, grantFields(&f)...)
	if err == nil {
		return f, gateway.ErrReplay
	}
	if errors.Is(err, gateway.ErrNotFound) {
		var there bool
		if err = s.get(ctx, `SELECT true FROM grants WHERE code_hash = $1`, []any{h[:]}, &there); err == nil {
			err = gateway.ErrExpired
		}
	}
	return gateway.Grant{}, failed("redeem a code", err)
}

// Token implements gateway.Grants.
func (s *Store) Token(ctx context.Context, h [32]byte, now time.Time) (a gateway.Token, f gateway.Grant, err error) {
	a.Hash = h
	err = s.get(ctx, `SELECT `+grantColumns+`, t.family, t.created_at, t.expires_at FROM tokens t JOIN grants g ON g.family = t.family WHERE t.hash = $1`,
		[]any{h[:]}, append(grantFields(&f), &a.Grant, moment{&a.CreatedAt}, moment{&a.ExpiresAt})...)
	if err == nil && (!now.Before(a.ExpiresAt) || !f.Live(now)) {
		err = gateway.ErrExpired
	}
	if err != nil {
		return gateway.Token{}, gateway.Grant{}, failed("read a token", err)
	}
	return a, f, nil
}

// Family implements gateway.Grants.
func (s *Store) Grant(ctx context.Context, id string) (f gateway.Grant, err error) {
	err = s.get(ctx, `SELECT `+grantColumns+` FROM grants g WHERE family = $1`, []any{id}, grantFields(&f)...)
	if err != nil {
		return gateway.Grant{}, failed("read a family", err)
	}
	return f, nil
}

// Rotate implements gateway.Grants.
func (s *Store) Rotate(ctx context.Context, r gateway.Rotation) (out gateway.RotatedGrant, err error) {
	replayed := false
	err = s.write(ctx, "rotate a refresh token", func(tx pgx.Tx) error {
		out, replayed = gateway.RotatedGrant{}, false
		var rs gateway.RefreshState
		f := &out.Grant
		err := get(ctx, tx, `SELECT `+grantColumns+`, refresh, previous FROM grants g WHERE family = $1 FOR UPDATE`,
			[]any{r.Grant}, append(grantFields(f), hash{&rs.Current}, hash{&rs.Previous})...)
		if err != nil {
			return err
		}
		switch f.Rotate(rs, r) {
		case gateway.RotationMoves:
			*f, out.Refresh = f.Rotated(r), r.Next
			_, err = tx.Exec(ctx, `UPDATE grants SET previous = refresh, refresh = $2, counter = counter + 1, rotated_at = $3, expires_at = $4 WHERE family = $1`,
				r.Grant, nullHash(r.Next), micros(r.Now), micros(f.ExpiresAt))
		case gateway.RotationRepeated:
			out.Repeated, out.Refresh = true, rs.Current
			f.ExpiresAt = f.EndAfter(r)
			_, err = tx.Exec(ctx, `UPDATE grants SET expires_at = $2 WHERE family = $1`, r.Grant, micros(f.ExpiresAt))
		case gateway.RotationReplay:
			replayed = true // the revocation is to be kept, so this is no error in here
			f.RevokedAt = gateway.Micro(r.Now)
			_, err = tx.Exec(ctx, `UPDATE grants SET revoked_at = $2 WHERE family = $1`, r.Grant, micros(r.Now))
			return err
		default:
			return gateway.ErrExpired
		}
		if err != nil {
			return err
		}
		f.RotatedAt, f.ExpiresAt = gateway.Micro(f.RotatedAt), gateway.Micro(f.ExpiresAt)
		_, err = tx.Exec(ctx, `INSERT INTO tokens (hash, family, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
			r.Access.Hash[:], r.Grant, micros(r.Access.CreatedAt), micros(r.Access.ExpiresAt))
		if taken(err) {
			return gateway.ErrConflict
		}
		return err
	})
	switch {
	case err != nil:
		return gateway.RotatedGrant{}, err
	case replayed:
		return out, gateway.ErrReplay
	}
	return out, nil
}

// Revoke implements gateway.Grants.
func (s *Store) Revoke(ctx context.Context, r gateway.Revocation, now time.Time) (int, error) {
	if err := r.Check(); err != nil {
		return 0, err
	}
	if r.Token != ([32]byte{}) {
		done, err := s.exec(ctx, `DELETE FROM tokens WHERE hash = $1 AND expires_at > $2`, r.Token[:], micros(now))
		return int(done.RowsAffected()), failed("revoke", err)
	}
	done, err := s.exec(ctx, `
		UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND expires_at > $2
		AND ($3 = '' OR family = $3)
		AND ($1 = '' OR account_id = (SELECT id FROM accounts WHERE `+resolved+`))
		AND ($4 = '' OR app = $4)
		AND ($5::bytea IS NULL OR session = $5)`,
		r.UserID, micros(now), r.Grant, r.App, nullHash(r.Session))
	return int(done.RowsAffected()), failed("revoke", err)
}
