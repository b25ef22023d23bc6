package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Grants except Redeem: each store implements Redeem with its own
// statements. Do runs one operation of the store. Exec changes rows, Get reads one row, list reads
// all, and Tx runs a transaction. Micros and NullHash convert arguments; Time, Hash and jsonList
// convert results.

// GrantColumns are the columns of a grant in a statement that calls the table g. GrantFields
// returns where to scan them.
const GrantColumns = `g.id, g.app, g.user_id, g.subject, g.scopes, g.auth_time, g.session,
	g.connector, g.app_id, g.open_id, g.method, g.created_at, g.expires_at, g.revoked_at, g.counter, g.rotated_at, g.data`

// GrantFields returns where to scan GrantColumns.
func GrantFields(g *gateway.Grant) []any {
	return []any{&g.ID, &g.App, &g.UserID, &g.Subject, jsonList{&g.Scopes}, Time{&g.AuthTime}, Hash{&g.Session},
		&g.Connector, &g.AppID, &g.OpenID, &g.Method, Time{&g.CreatedAt}, Time{&g.ExpiresAt}, Time{&g.RevokedAt}, &g.Counter,
		Time{&g.RotatedAt}, &g.Data}
}

// insertCode returns the statement that stores a code and its grant in one row of table grants. It
// stores nothing in two cases:
//
//   - The user ($2, in userAdmitted) is missing, blocked, or joined into another user.
//   - The grant has no subject ($4), and no subject is pinned, that is, stored for this user in
//     this app before.
//
// The statement locks the user's row, so that the user cannot be blocked at the same time. $13 is
// the end of the grant, and also the time from which a sweep looks at the grant (sweep_at).
func (b Base) insertCode() string {
	return `
	INSERT INTO grants (id, app, user_id, subject, scopes, auth_time, session, connector, app_id, open_id, method,
		created_at, expires_at, sweep_at, revoked_at, counter, rotated_at, data,
		code_hash, redirect_uri, challenge, nonce, code_expires_at, code_redeemed_at)
	SELECT $1, $3, id, CASE $4 WHEN '' THEN s.subject ELSE $4 END, $5, $6, $7, $8, $9, $10, $11,
		$12, $13, $13, 0, 0, 0, $14, $15, $16, $17, $18, $19, 0
	FROM users LEFT JOIN subjects s ON s.user_id = id AND s.app = $3
	WHERE ` + userAdmitted + ` AND ($4 <> '' OR s.subject IS NOT NULL) ` + b.dialect.ForShare
}

// PutCode implements gateway.Grants. Usually one statement is enough. When it stores nothing, a
// transaction follows. The transaction either determines the error, or pins the subject and stores
// the code.
func (b Base) PutCode(ctx context.Context, code gateway.Code) error {
	if err := code.Check(); err != nil {
		return err
	}
	g := code.Grant
	args := []any{g.ID, g.UserID, g.App, g.Subject, JSON(g.Scopes), Micros(g.AuthTime), NullHash(g.Session),
		g.Connector, g.AppID, g.OpenID, g.Method, Micros(g.CreatedAt), Micros(code.GrantExpiry()), g.Data,
		code.Hash[:], code.RedirectURI, code.Challenge, []byte(code.Nonce), Micros(code.ExpiresAt)}
	return b.db.Do(ctx, "put_code", func(c Conn) error {
		if code.LogoutSessionID == "" || g.Session == ([32]byte{}) { // no app session has to be stored
			n, err := c.Exec(b.insertCode(), args...)
			if err != nil || n == 1 {
				return b.conflict(err)
			}
		}
		return c.Tx(func(q Querier) error { return b.putCode(q, code, args) })
	})
}

// putCode pins the subject if that is necessary, and stores a code, its grant, and the app session
// (the record by which an app gets a logout token when the user's session ends).
func (b Base) putCode(q Querier, code gateway.Code, args []any) error {
	g := code.Grant
	id, err := b.lockAdmittedUser(q, g.UserID)
	if err != nil {
		return err
	}
	if g.Subject == "" && code.PinSubject != "" {
		if _, err := q.Exec(insertPin, id, g.App, code.PinSubject, Micros(g.CreatedAt)); err != nil {
			return b.conflict(err)
		}
	}
	argsOfUser := slices.Clone(args)
	argsOfUser[1] = id // the older user, if g.UserID was joined into it
	n, err := q.Exec(b.insertCode(), argsOfUser...)
	switch {
	case err != nil:
		return b.conflict(err)
	case n == 0:
		return gateway.ErrNotFound // there is no subject: neither given nor pinned
	case code.LogoutSessionID != "" && g.Session != ([32]byte{}):
		return b.putAppSession(q, code)
	}
	return nil
}

// ReadCode returns the code with this hash.
func ReadCode(q Querier, h [32]byte) (c gateway.Code, err error) {
	c.Hash = h
	const query = `SELECT ` + GrantColumns +
		`, redirect_uri, challenge, nonce, code_expires_at, code_redeemed_at FROM grants g WHERE code_hash = $1`
	into := append(GrantFields(&c.Grant), &c.RedirectURI, &c.Challenge, bytesText{&c.Nonce}, Time{&c.ExpiresAt},
		Time{&c.RedeemedAt})
	if err := q.Get(query, []any{h[:]}, into...); err != nil {
		return gateway.Code{}, err
	}
	return c, nil
}

// SessionLives is a condition on table grants: the session of the grant, or a session that renewed
// it, exists and has not expired at $2. A grant without a session fulfills it. s.first_hash <>
// s.hash repeats the condition of a partial index.
const SessionLives = `(session IS NULL OR
	EXISTS (SELECT 1 FROM sessions s WHERE s.hash = grants.session AND s.expires_at > $2) OR
	EXISTS (SELECT 1 FROM sessions s
		WHERE s.first_hash = grants.session AND s.first_hash <> s.hash AND s.expires_at > $2))`

// Code implements gateway.Grants.
func (b Base) Code(ctx context.Context, h [32]byte) (code gateway.Code, err error) {
	err = b.db.Do(ctx, "code", func(c Conn) error {
		code, err = ReadCode(c, h)
		return err
	})
	return code, err
}

// PutToken stores an access token of a grant.
func (b Base) PutToken(q Querier, grant string, t gateway.Token) error {
	_, err := q.Exec(`INSERT INTO tokens (hash, grant_id, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
		t.Hash[:], grant, Micros(t.CreatedAt), Micros(t.ExpiresAt))
	return b.conflict(err)
}

const tokenColumns = `t.grant_id, t.created_at, t.expires_at`

func tokenFields(t *gateway.Token) []any {
	return []any{&t.Grant, Time{&t.CreatedAt}, Time{&t.ExpiresAt}}
}

// checkLive returns gateway.ErrExpired when the token or its grant is not valid at now.
func checkLive(t gateway.Token, g gateway.Grant, now time.Time) error {
	if !now.Before(t.ExpiresAt) || !g.Live(now) {
		return gateway.ErrExpired
	}
	return nil
}

// Token implements gateway.Grants.
func (b Base) Token(ctx context.Context, h [32]byte, now time.Time) (t gateway.Token, g gateway.Grant, err error) {
	t.Hash = h
	const query = `SELECT ` + GrantColumns + `, ` + tokenColumns +
		` FROM tokens t JOIN grants g ON g.id = t.grant_id WHERE t.hash = $1`
	err = b.db.Do(ctx, "token", func(c Conn) error {
		if err := c.Get(query, []any{h[:]}, append(GrantFields(&g), tokenFields(&t)...)...); err != nil {
			return err
		}
		return checkLive(t, g, now)
	})
	if err != nil {
		return gateway.Token{}, gateway.Grant{}, err
	}
	return t, g, nil
}

// TokenUser implements gateway.Grants.
func (b Base) TokenUser(ctx context.Context, h [32]byte, now time.Time) (t gateway.Token, g gateway.Grant,
	u gateway.User, err error) {
	t.Hash = h
	const query = `SELECT ` + GrantColumns + `, ` + tokenColumns + `, ` + prefixedUserColumns + `
		FROM tokens t JOIN grants g ON g.id = t.grant_id JOIN users u ON u.id = g.user_id WHERE t.hash = $1`
	err = b.db.Do(ctx, "token_user", func(c Conn) error {
		if err := c.Get(query, []any{h[:]}, slices.Concat(GrantFields(&g), tokenFields(&t),
			userFields(&u))...); err != nil {
			return err
		}
		return checkLive(t, g, now)
	})
	if err != nil {
		return gateway.Token{}, gateway.Grant{}, gateway.User{}, err
	}
	return t, g, u, nil
}

// Grant implements gateway.Grants.
func (b Base) Grant(ctx context.Context, id string) (g gateway.Grant, err error) {
	err = b.db.Do(ctx, "grant", func(c Conn) error {
		return c.Get(`SELECT `+GrantColumns+` FROM grants g WHERE id = $1`, []any{id}, GrantFields(&g)...)
	})
	if err != nil {
		return gateway.Grant{}, err
	}
	return g, nil
}

// Rotate implements gateway.Grants.
func (b Base) Rotate(ctx context.Context, r gateway.Rotation) (out gateway.RotatedGrant, err error) {
	var replayed bool
	err = b.db.Do(ctx, "rotate", func(c Conn) error {
		err := c.Tx(func(q Querier) error {
			out, replayed, err = b.rotate(q, r)
			return err
		})
		if err == nil && replayed {
			err = gateway.ErrReplay
		}
		return err
	})
	if err != nil && !errors.Is(err, gateway.ErrReplay) {
		return gateway.RotatedGrant{}, err
	}
	return out, err
}

// rotate applies the decision of Grant.DecideRotation. For a replay it returns replayed = true and
// no error, because an error would roll back the revocation of the grant.
func (b Base) rotate(q Querier, r gateway.Rotation) (out gateway.RotatedGrant, replayed bool, err error) {
	var stored gateway.RefreshHashes
	g := &out.Grant
	err = q.Get(`SELECT `+GrantColumns+`, refresh_hash, previous_hash FROM grants g WHERE id = $1 `+b.dialect.LockRow,
		[]any{r.Grant}, append(GrantFields(g), Hash{&stored.Current}, Hash{&stored.Previous})...)
	if err != nil {
		return out, false, err
	}
	switch g.DecideRotation(stored, r) {
	case gateway.RotationAccepted:
		*g, out.Refresh = g.Rotated(r), r.Next
		_, err = q.Exec(`
			UPDATE grants
			SET previous_hash = refresh_hash, refresh_hash = $2, counter = counter + 1, rotated_at = $3, expires_at = $4
			WHERE id = $1`, r.Grant, NullHash(r.Next), Micros(r.Now), Micros(g.ExpiresAt))
	case gateway.RotationRepeated: // the client lost the response: it gets the same refresh token again
		out.Repeated, out.Refresh = true, stored.Current
		g.ExpiresAt = g.ExpiryAfter(r)
		_, err = q.Exec(`UPDATE grants SET expires_at = $2 WHERE id = $1`, r.Grant, Micros(g.ExpiresAt))
	case gateway.RotationReplay:
		g.RevokedAt = gateway.StoredTime(r.Now)
		_, err = q.Exec(`UPDATE grants SET revoked_at = $2 WHERE id = $1`, r.Grant, Micros(r.Now))
		if err != nil || g.Session == ([32]byte{}) {
			return out, true, err
		}
		// A replay revokes the app's access, so the app gets a logout token.
		return out, true, queueLogouts(q, r.Now, func(c *conditions) {
			c.add(`session = ?`, g.Session[:])
			c.add(`app = ?`, g.App)
		})
	default:
		return out, false, gateway.ErrExpired
	}
	if err != nil {
		return out, false, err
	}
	g.RotatedAt, g.ExpiresAt = gateway.StoredTime(g.RotatedAt), gateway.StoredTime(g.ExpiresAt)
	return out, false, b.PutToken(q, r.Grant, r.Access)
}

// Revoke implements gateway.Grants.
func (b Base) Revoke(ctx context.Context, r gateway.Revocation, now time.Time) (n int, err error) {
	if err := r.Check(); err != nil {
		return 0, err
	}
	query, args := revocation(r, now)
	err = b.db.Do(ctx, "revoke", func(c Conn) error {
		n, err = c.Exec(query, args...)
		return err
	})
	return n, err
}

// UserGrants implements gateway.Grants.
func (b Base) UserGrants(ctx context.Context, userID string, now time.Time) (all []gateway.AppGrants, err error) {
	const query = `
		SELECT app, max(created_at), sum(CASE WHEN revoked_at = 0 AND expires_at > $2 THEN 1 ELSE 0 END) FROM grants
		WHERE user_id = (SELECT id FROM users WHERE ` + userResolved + `)
		GROUP BY app ORDER BY app`
	err = b.db.Do(ctx, "user_grants", func(c Conn) error {
		all, err = list(c, query, []any{userID, Micros(now)}, func(g *gateway.AppGrants) []any {
			return []any{&g.App, Time{&g.LastAt}, &g.Live}
		})
		return err
	})
	return all, err
}

// revocation returns the statement that revokes what r selects.
func revocation(r gateway.Revocation, now time.Time) (query string, args []any) {
	if r.Token != ([32]byte{}) {
		return `DELETE FROM tokens WHERE hash = $1 AND expires_at > $2`, []any{r.Token[:], Micros(now)}
	}
	// The condition on the user comes first, because userResolved takes the user id from $1. It
	// selects this user, or the older user that this user was joined into.
	var where conditions
	if r.UserID != "" {
		where.add(`user_id = (SELECT id FROM users WHERE `+userResolved+`)`, r.UserID)
	}
	if r.Grant != "" {
		where.add(`id = ?`, r.Grant)
	}
	if r.App != "" {
		where.add(`app = ?`, r.App)
	}
	if r.Session != ([32]byte{}) {
		where.add(`session = ?`, r.Session[:])
	}
	where.add(`revoked_at = 0 AND expires_at > ?`, Micros(now))
	query = `UPDATE grants SET revoked_at = ` + where.arg(Micros(now)) + ` WHERE ` + where.where()
	return query, where.args
}
