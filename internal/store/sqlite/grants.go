package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

const grantColumns = `g.family, g.app, g.account_id, g.subject, g.scopes, g.auth_time, g.session, g.entry, g.app_id, g.open_id,
	g.created_at, g.expires_at, g.revoked_at, g.counter, g.rotated_at, g.data`

func grantFields(f *gateway.Grant) []any {
	return []any{&f.ID, &f.App, &f.UserID, &f.Subject, list{&f.Scopes}, moment{&f.AuthTime}, hash{&f.Session}, &f.Connector, &f.AppID,
		&f.OpenID, moment{&f.CreatedAt}, moment{&f.ExpiresAt}, moment{&f.RevokedAt}, &f.Counter, moment{&f.RotatedAt}, &f.Data}
}

// PutCode implements gateway.Grants.
func (s *Store) PutCode(ctx context.Context, c gateway.Code) error {
	if err := c.Check(); err != nil {
		return err
	}
	return s.write(ctx, "store a code", func(t tx) error {
		f := c.Grant
		id, err := admitted(t, f.UserID)
		if err == nil && f.Subject == "" {
			f.Subject, err = pinFor(t, id, c)
		}
		if err != nil {
			return err
		}
		_, err = t.exec(`
			INSERT INTO grants (family, app, account_id, subject, scopes, auth_time, session, entry, app_id, open_id, created_at,
				expires_at, revoked_at, counter, rotated_at, data, code_hash, redirect_uri, challenge, nonce, code_expires, code_taken_at)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, 0, 0, ?13, ?14, ?15, ?16, ?17, ?18, 0)`,
			f.ID, f.App, id, f.Subject, text(f.Scopes), micros(f.AuthTime), nullHash(f.Session), f.Connector, f.AppID, f.OpenID,
			micros(f.CreatedAt), micros(c.End()), f.Data, c.Hash[:], c.RedirectURI, c.Challenge, c.Nonce, micros(c.ExpiresAt))
		if taken(err) {
			return gateway.ErrConflict
		}
		return err
	})
}

// pinFor returns the subject of a user in the app of a code. When none is pinned it pins the code's.
func pinFor(t tx, userID string, c gateway.Code) (subject string, err error) {
	err = t.get(`SELECT subject FROM subjects WHERE account_id = ?1 AND app = ?2`, []any{userID, c.Grant.App}, &subject)
	if !errors.Is(err, gateway.ErrNotFound) || c.PinSubject == "" {
		return subject, err
	}
	_, err = t.exec(`INSERT INTO subjects (account_id, app, subject, created_at) VALUES (?1, ?2, ?3, ?4)`,
		userID, c.Grant.App, c.PinSubject, micros(c.Grant.CreatedAt))
	if taken(err) {
		err = gateway.ErrConflict
	}
	return c.PinSubject, err
}

func code(t tx, h [32]byte) (c gateway.Code, err error) {
	c.Hash = h
	err = t.get(`SELECT `+grantColumns+`, redirect_uri, challenge, nonce, code_expires, code_taken_at FROM grants g WHERE code_hash = ?1`,
		[]any{h[:]}, append(grantFields(&c.Grant), &c.RedirectURI, &c.Challenge, &c.Nonce, moment{&c.ExpiresAt}, moment{&c.RedeemedAt})...)
	return c, err
}

// Code implements gateway.Grants.
func (s *Store) Code(ctx context.Context, h [32]byte) (c gateway.Code, err error) {
	err = s.read(ctx, "read a code", func(t tx) error {
		c, err = code(t, h)
		return err
	})
	if err != nil {
		return gateway.Code{}, err
	}
	return c, nil
}

// revoke ends one family.
func revoke(t tx, grant string, now time.Time) error {
	_, err := t.exec(`UPDATE grants SET revoked_at = ?2 WHERE family = ?1 AND revoked_at = 0`, grant, micros(now))
	return err
}

func putToken(t tx, grant string, a gateway.Token) error {
	_, err := t.exec(`INSERT INTO tokens (hash, family, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)`,
		a.Hash[:], grant, micros(a.CreatedAt), micros(a.ExpiresAt))
	if taken(err) {
		return gateway.ErrConflict
	}
	return err
}

// Redeem implements gateway.Grants.
func (s *Store) Redeem(ctx context.Context, h [32]byte, now time.Time, i gateway.TokenIssue) (f gateway.Grant, err error) {
	replayed := false
	err = s.write(ctx, "redeem a code", func(t tx) error {
		c, err := code(t, h)
		if err != nil {
			return err
		}
		err = c.Redeemable(now)
		if errors.Is(err, gateway.ErrReplay) {
			replayed = true // the revocation is to be kept, so this is no error in here
			if !i.ReplayTolerated {
				if err := revoke(t, c.Grant.ID, now); err != nil {
					return err
				}
			}
			f, err = readGrant(t, c.Grant.ID)
			return err
		}
		if err != nil {
			return err
		}
		counter := 0
		if i.Refresh != ([32]byte{}) {
			counter = 1
		}
		_, err = t.exec(`
			UPDATE grants SET code_taken_at = ?2, expires_at = ?3, refresh = ?4, counter = ?5, rotated_at = CASE ?5 WHEN 0 THEN 0 ELSE ?2 END
			WHERE family = ?1`,
			c.Grant.ID, micros(now), micros(i.End()), nullHash(i.Refresh), counter)
		if err != nil {
			return err
		}
		f = c.Grant
		f.ExpiresAt, f.Counter = gateway.Micro(i.End()), counter
		if counter > 0 {
			f.RotatedAt = gateway.Micro(now)
		}
		return putToken(t, f.ID, i.Access)
	})
	switch {
	case err != nil:
		return gateway.Grant{}, err
	case replayed:
		return f, gateway.ErrReplay
	}
	return f, nil
}

// Token implements gateway.Grants.
func (s *Store) Token(ctx context.Context, h [32]byte, now time.Time) (a gateway.Token, f gateway.Grant, err error) {
	a.Hash = h
	err = s.read(ctx, "read a token", func(t tx) error {
		return t.get(`SELECT `+grantColumns+`, t.family, t.created_at, t.expires_at FROM tokens t JOIN grants g ON g.family = t.family WHERE t.hash = ?1`,
			[]any{h[:]}, append(grantFields(&f), &a.Grant, moment{&a.CreatedAt}, moment{&a.ExpiresAt})...)
	})
	if err == nil && (!now.Before(a.ExpiresAt) || !f.Live(now)) {
		err = gateway.ErrExpired
	}
	if err != nil {
		return gateway.Token{}, gateway.Grant{}, err
	}
	return a, f, nil
}

func readGrant(t tx, id string) (f gateway.Grant, err error) {
	err = t.get(`SELECT `+grantColumns+` FROM grants g WHERE family = ?1`, []any{id}, grantFields(&f)...)
	return f, err
}

// Family implements gateway.Grants.
func (s *Store) Grant(ctx context.Context, id string) (f gateway.Grant, err error) {
	err = s.read(ctx, "read a family", func(t tx) error {
		f, err = readGrant(t, id)
		return err
	})
	if err != nil {
		return gateway.Grant{}, err
	}
	return f, nil
}

// Rotate implements gateway.Grants.
func (s *Store) Rotate(ctx context.Context, r gateway.Rotation) (out gateway.RotatedGrant, err error) {
	replayed := false
	err = s.write(ctx, "rotate a refresh token", func(t tx) error {
		var f gateway.Grant
		var rs gateway.RefreshState
		err := t.get(`SELECT `+grantColumns+`, refresh, previous FROM grants g WHERE family = ?1`,
			[]any{r.Grant}, append(grantFields(&f), hash{&rs.Current}, hash{&rs.Previous})...)
		if err != nil {
			return err
		}
		switch f.Rotate(rs, r) {
		case gateway.RotationMoves:
			f, rs.Current = f.Rotated(r), r.Next
			_, err = t.exec(`UPDATE grants SET previous = refresh, refresh = ?2, counter = counter + 1, rotated_at = ?3, expires_at = ?4 WHERE family = ?1`,
				r.Grant, nullHash(r.Next), micros(r.Now), micros(f.ExpiresAt))
		case gateway.RotationRepeated:
			out.Repeated = true
			f.ExpiresAt = f.EndAfter(r)
			_, err = t.exec(`UPDATE grants SET expires_at = ?2 WHERE family = ?1`, r.Grant, micros(f.ExpiresAt))
		case gateway.RotationReplay:
			replayed = true
			f.RevokedAt = r.Now
			out.Grant = f
			return revoke(t, r.Grant, r.Now)
		default:
			return gateway.ErrExpired
		}
		if err != nil {
			return err
		}
		f.RotatedAt, f.ExpiresAt = gateway.Micro(f.RotatedAt), gateway.Micro(f.ExpiresAt)
		out.Grant, out.Refresh = f, rs.Current
		return putToken(t, r.Grant, r.Access)
	})
	switch {
	case err != nil:
		return gateway.RotatedGrant{}, err
	case replayed:
		return gateway.RotatedGrant{Grant: out.Grant}, gateway.ErrReplay
	}
	return out, nil
}

// Revoke implements gateway.Grants.
func (s *Store) Revoke(ctx context.Context, r gateway.Revocation, now time.Time) (n int, err error) {
	if err := r.Check(); err != nil {
		return 0, err
	}
	err = s.write(ctx, "revoke", func(t tx) error {
		if r.Token != ([32]byte{}) {
			n, err = t.exec(`DELETE FROM tokens WHERE hash = ?1 AND expires_at > ?2`, r.Token[:], micros(now))
			return err
		}
		n, err = t.exec(`
			UPDATE grants SET revoked_at = ?2 WHERE revoked_at = 0 AND expires_at > ?2
			AND (?3 = '' OR family = ?3)
			AND (?1 = '' OR account_id = (SELECT id FROM accounts WHERE `+resolved+`))
			AND (?4 = '' OR app = ?4)
			AND (?5 IS NULL OR session = ?5)`,
			r.UserID, micros(now), r.Grant, r.App, nullHash(r.Session))
		return err
	})
	return n, err
}
