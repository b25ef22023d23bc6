package login

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/flow"
)

// MinSeed is the least length of Authentication.Seed, in bytes.
const MinSeed = flow.MinSeed

// Authentication is a sign-in that was confirmed by other means than this package's callback, such
// as a code that the user scanned, an administrator's link, or a test.
type Authentication struct {
	// Session describes the user. Subject is required. A zero SignedInAt is now; the session ends
	// Config.SessionMax after it. ExpiresAt is ignored. Method may be any name that the caller
	// chooses.
	Session Session

	// Seed is the secret from which the session id is derived: at least MinSeed random bytes, used
	// for this sign-in only. Everyone who knows the seed can use the session.
	Seed []byte

	// Repeat is true when a session was created for this sign-in before. Then CreateSession creates
	// none, and returns the cookie again if the session still lives.
	Repeat bool
}

// CreateSession creates a session for the browser that sent r, after the caller has authenticated
// its user, and returns the session cookie, which the caller sets with its response. The session
// that the browser had before ends. Config.OnSignIn is not called. created reports whether this
// call created the session; it is false for a repeat.
//
// The session id is derived from Seed. While that session lives and has the same user, method and
// app, another call with the Seed, in any process, only returns the cookie again. Of many concurrent
// calls one creates the session.
//
// After the session has ended (signed out, expired), a call without Repeat creates it again, which
// would undo a sign-out. So a caller whose request can be sent twice stores a record of the sign-in,
// calls CreateSession, then marks the record as used, and sets Repeat from then on. When the process
// dies in between, no sign-in is lost; after the mark, a sign-out is final.
//
// The caller must verify that the sign-in was started in this browser, for example by a sealed
// cookie. Otherwise an attacker could sign a victim's browser in as the attacker (login CSRF).
//
// Errors to test for: ErrNoSession, with Repeat, when the session has ended; ErrSessionExists when
// a live session of another user has this seed; other errors are the store's. With an error there
// is no cookie.
func (h *Handler) CreateSession(r *http.Request, a Authentication) (cookie *http.Cookie, created bool, err error) {
	now := h.cfg.Now()
	s := a.Session
	s.Scopes = slices.Clone(s.Scopes)
	if s.SignedInAt.IsZero() {
		s.SignedInAt = now
	}
	s.AvatarURL, s.ExpiresAt = flow.SafeAvatar(s.AvatarURL, h.avatars), h.expiry(s.SignedInAt, now)
	switch {
	case s.Subject == "":
		return nil, false, errors.New("login: Authentication.Session.Subject is empty")
	case !s.ExpiresAt.After(now):
		return nil, false, errors.New("login: Authentication.Session.SignedInAt is longer ago than Config.SessionMax")
	}
	id, err := flow.SeedSessionID(a.Seed)
	if err != nil {
		return nil, false, fmt.Errorf("login: Authentication.Seed: %w", err)
	}
	if !a.Repeat {
		err = h.cfg.Store.CreateSession(r.Context(), flow.Hash("session", id), s, now)
		created = err == nil
		if err != nil && !errors.Is(err, ErrSessionExists) {
			return nil, false, fmt.Errorf("login: create the session: %w", err)
		}
	}
	if !created {
		if err := h.sameSession(r, id, s, now); err != nil {
			return nil, false, err
		}
	}
	h.endPrevious(r.Context(), r, id)
	return h.cookies.New(flow.CookieSession, id, h.cfg.SessionMax), created, nil
}

// sameSession returns an error unless the session with this id lives and has the user, method and
// app of want.
func (h *Handler) sameSession(r *http.Request, id string, want Session, now time.Time) error {
	live, err := h.cfg.Store.Session(r.Context(), flow.Hash("session", id), now)
	switch {
	case errors.Is(err, ErrNoSession):
		return ErrNoSession
	case err != nil:
		return fmt.Errorf("login: read the session: %w", err)
	case live.Subject != want.Subject || live.AppID != want.AppID || live.OpenID != want.OpenID,
		live.Method != want.Method:
		return ErrSessionExists
	}
	return nil
}

// CheckReturn checks a return address as /sign-in does, and returns it in absolute form: it must be
// at Config.URL or one of Config.ReturnHosts, and in a form that browsers and servers parse alike.
// "" is the path of Config.URL. The error wraps ErrReturn. It is for programs that use
// CreateSession.
func (h *Handler) CheckReturn(address string) (string, error) {
	checked, err := h.returns.Check(address)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return h.returns.Absolute(checked), nil
}

// AuthenticationSessionID returns the id under which a Store has, or will have, the session that
// CreateSession creates with seed. A program can end that session with it, by Store.DeleteSession.
// The id is a hash; nobody can sign in with it.
func AuthenticationSessionID(seed []byte) (string, error) {
	id, err := flow.SeedSessionID(seed)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return flow.Hash("session", id), nil
}
