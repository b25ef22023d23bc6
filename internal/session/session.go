// Package session knows the signed-in browsers: which account a session belongs to, and how sessions end.
//
// The names to know are [Book], made of the stores' contracts, and its [Book.Find], [Book.Live], [Book.End] and [Book.EndEverywhere]; and the words in
// which the features speak of browsers with sign-in: [Browser], [Demand], [Established], [SignIn]. The package knows nothing of cookies: whoever set the
// cookie turns its value into the hash that is asked for.
//
// Each question goes to the store, so that a sign-out, a block or an approval on one replica counts on all of them at once.
package session

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Revoker ends what apps were given. gateway.Grants is one.
type Revoker interface {
	// Revoke is gateway.Grants.Revoke.
	Revoke(ctx context.Context, r gateway.Revocation, now time.Time) (int, error)
}

// Book looks sessions up. All fields are required; it is safe for concurrent use.
type Manager struct {
	Sessions gateway.Sessions
	Grants   Revoker
	Idle     time.Duration // a session that was not used for that long is over
	Max      time.Duration // every session is over after that
	// Trouble hears of an error that keeps nobody out: a use of a session that could not be recorded.
	OnError func(ctx context.Context, err error)
}

// touchAfter is how old SeenAt may be. Stores write no more often than once a minute, so asking them sooner is in vain.
const touchAfter = time.Minute

// Find returns the session under hash and its account, and records that it was used. gateway.ErrNotFound: there is none, it is over, or its account is
// gone or blocked. Any other error is the store's.
func (b *Manager) Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error) {
	s, a, err := b.Sessions.SessionUser(ctx, hash, now)
	if err != nil {
		return gateway.Session{}, gateway.User{}, err
	}
	if a.Status == gateway.Blocked {
		return gateway.Session{}, gateway.User{}, gateway.ErrNotFound
	}
	if now.Sub(s.SeenAt) >= touchAfter {
		// A disk that is full keeps nobody out who is in: the session just ends earlier than it could.
		if err := b.Sessions.TouchSession(ctx, hash, now, b.Expiry(s.CreatedAt, now)); err != nil && ctx.Err() == nil {
			b.OnError(ctx, err)
		}
	}
	return s, a, nil
}

// Ends is when a session that was made at created and is used now is over, unless it is used again.
func (b *Manager) Expiry(created, now time.Time) time.Time {
	idle, last := now.Add(b.Idle), created.Add(b.Max)
	if last.Before(idle) {
		return last
	}
	return idle
}

// Live lists the account's sessions, the one used last first.
func (b *Manager) Live(ctx context.Context, userID string, now time.Time) ([]gateway.Session, error) {
	return b.Sessions.UserSessions(ctx, userID, now)
}

// End ends one session, and what apps were given through it: that first, so that a failing store leaves no token behind. One that is gone is no error.
func (b *Manager) End(ctx context.Context, hash [32]byte, now time.Time) error {
	if _, err := b.Grants.Revoke(ctx, gateway.Revocation{Session: hash}, now); err != nil {
		return err
	}
	return b.Sessions.DeleteSession(ctx, hash)
}

// EndEverywhere ends every session of the account, and everything that apps were given in its name, so that an app which holds a refresh token is out
// too. It says how many sessions there were. Both parts are tried, whatever becomes of the other; done twice it does no harm.
func (b *Manager) EndEverywhere(ctx context.Context, userID string, now time.Time) (int, error) {
	n, err := b.Sessions.DeleteUserSessions(ctx, userID)
	_, revoking := b.Grants.Revoke(ctx, gateway.Revocation{UserID: userID}, now)
	return n, errors.Join(err, revoking)
}
