package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// The columns of an account and of a session, as accountFields and
// sessionFields take them, in statements with several tables. What is joined
// into an older account has no session and no grant, so these find the account
// by its own id.
const (
	sessionUserColumns = `a.id, a.nickname, a.avatar_url, a.locale, a.profile_at, a.status, a.admin, a.groups, a.old_id, a.created_at, a.updated_at`
	tokenUserColumns   = `s.hash, s.account_id, s.entry, s.app_id, s.open_id, s.door, s.auth_time, s.created_at, s.seen_at, s.expires_at, s.data`
)

// SessionHolder implements gateway.Holders.
func (s *Store) SessionUser(ctx context.Context, h [32]byte, now time.Time) (n gateway.Session, who gateway.User, err error) {
	const query = `SELECT ` + tokenUserColumns + `, ` + sessionUserColumns + ` FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.hash = $1`
	err = s.get(ctx, query, []any{h[:]}, append(sessionFields(&n), userFields(&who)...)...)
	if err == nil && !now.Before(n.ExpiresAt) {
		err = gateway.ErrExpired
	}
	if err != nil {
		return gateway.Session{}, gateway.User{}, failed("read a session", err)
	}
	return n, who, nil
}

// TokenHolder implements gateway.Holders.
func (s *Store) TokenUser(ctx context.Context, h [32]byte, now time.Time) (a gateway.Token, f gateway.Grant, who gateway.User, err error) {
	a.Hash = h
	const query = `SELECT ` + grantColumns + `, t.family, t.created_at, t.expires_at, ` + sessionUserColumns + `
		FROM tokens t JOIN grants g ON g.family = t.family JOIN accounts a ON a.id = g.account_id WHERE t.hash = $1`
	into := slices.Concat(grantFields(&f), []any{&a.Grant, moment{&a.CreatedAt}, moment{&a.ExpiresAt}}, userFields(&who))
	err = s.get(ctx, query, []any{h[:]}, into...)
	if err == nil && (!now.Before(a.ExpiresAt) || !f.Live(now)) {
		err = gateway.ErrExpired
	}
	if err != nil {
		return gateway.Token{}, gateway.Grant{}, gateway.User{}, failed("read a token", err)
	}
	return a, f, who, nil
}
