// Package session finds, lists and ends the sessions of signed-in browsers, and defines the types
// by which the features request a sign-in.
//
// The names to know are [Manager] with [Manager.Current] (who is this browser),
// [Manager.UserSessions], [Manager.End] and [Manager.EndEverywhere]; and [Browser], [LoginRequest],
// [Authenticator] and [Authentication].
//
// Every call reads the store, so that a sign-out, a block or an approval on one replica takes
// effect on all of them at once.
package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
)

// Revoker revokes grants. gateway.Grants implements it.
type Revoker interface {
	// Revoke is gateway.Grants.Revoke.
	Revoke(ctx context.Context, r gateway.Revocation, now time.Time) (int, error)
}

// Manager finds and ends sessions. All fields are required; it is safe for concurrent use.
type Manager struct {
	Sessions gateway.Sessions
	Grants   Revoker
	Cookies  cookie.Set    // has the session cookie
	Idle     time.Duration // a session that was not used for that long has expired
	Max      time.Duration // every session expires after that
	Now      func() time.Time
	OnError  func(ctx context.Context, err error) // called when a use could not be recorded
}

// touchAfter is how old SeenAt may be before Find calls TouchSession, which writes at most once a
// minute.
const touchAfter = time.Minute

// Hash returns the form in which a session id is stored. The id has 256 random bits, so a plain
// hash is enough.
func Hash(id string) [32]byte { return sha256.Sum256([]byte("weigate session\x00" + id)) }

// Current returns the browser that sent r, by its session cookie. It returns false for one that is
// not signed in; an error means that the store could not answer.
func (m *Manager) Current(r *http.Request) (Browser, bool, error) {
	hash, sent := m.CurrentHash(r)
	if !sent {
		return Browser{}, false, nil
	}
	s, user, err := m.Find(r.Context(), hash, m.Now())
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return Browser{}, false, nil
	case err != nil:
		return Browser{}, false, err
	}
	data := ReadData(s.Data)
	return Browser{
		Session: s, User: user,
		LoginRequestID: data.LoginRequestID, ProfileDeclined: data.ProfileDeclined, Scopes: data.Scopes,
	}, true, nil
}

// CurrentHash returns the hash of the session id that the browser sent. The session need not exist.
func (m *Manager) CurrentHash(r *http.Request) (hash [32]byte, sent bool) {
	id := m.Cookies.Value(r, flow.CookieSession)
	if len(id) != flow.SessionIDLength {
		return hash, false
	}
	return Hash(id), true
}

// Find returns the session with this hash and its user, and records that it was used. It returns
// gateway.ErrNotFound when there is none, it has expired, or its user is gone or blocked. Any other
// error is the store's.
func (m *Manager) Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error) {
	s, user, err := m.Sessions.SessionUser(ctx, hash, now)
	if err != nil {
		return gateway.Session{}, gateway.User{}, err
	}
	if user.Status == gateway.Blocked {
		return gateway.Session{}, gateway.User{}, gateway.ErrNotFound
	}
	if now.Sub(s.SeenAt) >= touchAfter {
		// Where the store cannot write (a full disk), the user stays signed in until ExpiresAt.
		if err := m.Sessions.TouchSession(ctx, hash, now, m.Expiry(s.CreatedAt, now)); err != nil && ctx.Err() == nil {
			m.OnError(ctx, err)
		}
	}
	return s, user, nil
}

// Expiry returns when a session that was created at created and is used now expires, unless it is
// used again.
func (m *Manager) Expiry(created, now time.Time) time.Time {
	idle, last := now.Add(m.Idle), created.Add(m.Max)
	if last.Before(idle) {
		return last
	}
	return idle
}

// UserSessions returns the user's sessions, the one used last first.
func (m *Manager) UserSessions(ctx context.Context, userID string, now time.Time) ([]gateway.Session, error) {
	return m.Sessions.UserSessions(ctx, userID, now)
}

// DeclineProfile records that the user of a session continues without nickname and avatar. It
// returns gateway.ErrNotFound when the session has ended.
func (m *Manager) DeclineProfile(ctx context.Context, hash [32]byte) error {
	return m.Sessions.UpdateSession(ctx, hash, m.Now(), func(s *gateway.Session) error {
		data := ReadData(s.Data)
		data.ProfileDeclined = true
		s.Data = data.Bytes()
		return nil
	})
}

// End ends one session, and revokes the grants that were made through it. It revokes first, so that
// no token stays valid when the store fails in between. It succeeds when the session has ended
// already.
func (m *Manager) End(ctx context.Context, hash [32]byte, now time.Time) error {
	if _, err := m.Grants.Revoke(ctx, gateway.Revocation{Session: hash}, now); err != nil {
		return err
	}
	return m.Sessions.DeleteSession(ctx, hash)
}

// maxSessionCookies is how many sessions one sign-out ends. A browser has one, or a few
// where another host set some. A header can contain thousands, and each is a call to the store.
const maxSessionCookies = 32

// SignOut deletes the session of the browser that sent r and returns the cookie that removes its
// session cookie. It succeeds when the browser is not signed in. Grants of apps are not revoked.
func (m *Manager) SignOut(r *http.Request) (*http.Cookie, error) {
	ended := map[string]bool{}
	for _, c := range r.CookiesNamed(m.Cookies.Name(flow.CookieSession)) {
		if len(c.Value) != flow.SessionIDLength || ended[c.Value] {
			continue
		}
		if len(ended) == maxSessionCookies {
			break
		}
		ended[c.Value] = true
		if err := m.Sessions.DeleteSession(r.Context(), Hash(c.Value)); err != nil {
			return m.Cookies.Clear(flow.CookieSession), err
		}
	}
	return m.Cookies.Clear(flow.CookieSession), nil
}

// EndEverywhere ends every session of the user and revokes all their grants, so that an app that has
// a refresh token is signed out too. It returns how many sessions there were. When one part fails,
// the other is still done; it can be called again.
func (m *Manager) EndEverywhere(ctx context.Context, userID string, now time.Time) (int, error) {
	n, err := m.Sessions.DeleteUserSessions(ctx, userID)
	_, revoking := m.Grants.Revoke(ctx, gateway.Revocation{UserID: userID}, now)
	return n, errors.Join(err, revoking)
}
