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

// Authentication is a sign-in that was confirmed by other means than this package's callback: a
// code that the user scanned, an administrator's link, a test.
type Authentication struct {
	// Session describes the user. Subject is required. A zero SignedInAt is now; the session ends
	// Config.SessionMax after it. ExpiresAt is not read. Method may be any name of the caller's.
	Session Session

	// Seed is what the session id is derived from: at least MinSeed random bytes, which belong to
	// this one sign-in and are known to the caller only. Whoever knows the seed has the session.
	Seed []byte

	// Repeat says that a session was created for this sign-in before. Then none is created: the
	// cookie is returned again if the session still lives.
	Repeat bool
}

// CreateSession creates a session for the browser that sent r, after the caller has authenticated
// its user, and returns the session cookie, which the caller sets with its response. The session
// that the browser had before ends. Config.OnSignIn is not called. created reports whether this
// call created the session; it is false for a repeat.
//
// The same Seed is the same session, in every process and however often: while that session lives,
// of the same user, method and app, a further call only returns the cookie again. Of many calls at
// once one creates it.
//
// A session that has ended (signed out, expired) is not remembered: without Repeat a further call
// would create it again and undo the sign-out. So a caller whose request can be sent twice stores a
// record of the sign-in, calls CreateSession first, then marks the record as used, and sets Repeat
// from then on: a process that dies in between loses no sign-in, and after the mark a sign-out is
// final.
//
// The caller has verified that the user of this browser wants to sign in and started the sign-in in
// it, for example by a sealed cookie. Otherwise an attacker could sign a victim's browser in as the
// attacker (login CSRF).
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

// sameSession returns an error unless the session with this id lives and is of the same user,
// method and app as want.
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

// CheckReturn reports whether a user may be sent to an address after signing in, by the rules of
// /sign-in for its parameter "return": Config.URL, Config.ReturnHosts, and no spelling that
// browsers read differently than servers. It returns the absolute address; "" is the path of
// Config.URL. The error wraps ErrReturn. It is for programs that use CreateSession.
func (h *Handler) CheckReturn(address string) (string, error) {
	checked, err := h.returns.Check(address)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return h.returns.Absolute(checked), nil
}

// AuthenticationSessionID returns the id under which a Store has the session that CreateSession
// creates of seed, before or after it is created: with it another browser can end that session by
// Store.DeleteSession. It is a hash; nobody can sign in with it.
func AuthenticationSessionID(seed []byte) (string, error) {
	id, err := flow.SeedSessionID(seed)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return flow.Hash("session", id), nil
}
