package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/wechat"
)

// Session is a user who is signed in in one browser. A Store stores it, and each request gets its own
// copy.
type Session struct {
	Subject   string // the user's id in the program: what OnSignIn set, else "APPID:OPENID"
	OpenID    string // the user's id at WeChat, within AppID
	UnionID   string // the user's id across the apps of one open platform account; "" when WeChat did not return it
	AppID     string // the app at WeChat that signed the user in
	Nickname  string // "" when not requested or not returned; it identifies nobody; escape it like any text
	AvatarURL string // "" or an https address at WeChat (or at one of Config.AvatarHosts)
	Scopes    []wechat.Scope
	Method    Method
	Extra     string // data of the program, set by OnSignIn; "" = none. Keep it short: each request reads it

	SignedInAt      time.Time
	ProfileAt       time.Time // when WeChat returned nickname and avatar; zero: never
	ProfileDeclined bool      // the user continued without a profile; not asked again in this session
	ExpiresAt       time.Time // extended while the session is used
}

// SignIn is one sign-in that WeChat has confirmed, before its session is created. OnSignIn may
// change Subject, Nickname, AvatarURL, ProfileAt and Extra; other changes have no effect.
type SignIn struct {
	Session
	Return    string // absolute address where the user continues
	Data      []byte // StartOptions.Data of this sign-in
	RequestID string
}

// RefusalError is the error by which OnSignIn refuses a user. The page shows Text; Err goes to the
// log.
type RefusalError struct {
	Text string // for the user, in a language of the program's choice, up to 500 bytes; "" is a general sentence
	Err  error  // may be nil
}

// Error returns the text for logs; the user sees Text.
func (r *RefusalError) Error() string {
	if r.Err != nil {
		return "login: refused by the app: " + r.Err.Error()
	}
	return "login: refused by the app"
}

// Unwrap returns Err.
func (r *RefusalError) Unwrap() error { return r.Err }

type sessionKey struct{}

// FromContext returns the session that Require or RequireProfile added to the request's context,
// and whether there is one.
func FromContext(ctx context.Context) (*Session, bool) {
	s, found := ctx.Value(sessionKey{}).(*Session)
	return s, found
}

// Session returns the session of the browser that sent r. It returns ErrNoSession (errors.Is) when
// the visitor is signed out. Other errors are the store's; then it is unknown whether the visitor is
// signed in.
func (h *Handler) Session(r *http.Request) (*Session, error) {
	s, _, err := h.session(r)
	return s, err
}

// session also returns the id under which the store has the session. It extends the session, but only
// after a tenth of Config.SessionIdle has passed, so that most requests only read.
func (h *Handler) session(r *http.Request) (*Session, string, error) {
	value := h.cookies.Value(r, flow.CookieSession)
	if len(value) != flow.SessionIDLength {
		return nil, "", ErrNoSession
	}
	id, now := flow.Hash("session", value), h.cfg.Now()
	s, err := h.cfg.Store.Session(r.Context(), id, now)
	if err != nil {
		if errors.Is(err, ErrNoSession) {
			return nil, "", ErrNoSession
		}
		return nil, "", fmt.Errorf("login: read the session: %w", err)
	}
	if next := h.expiry(s.SignedInAt, now); next.Sub(s.ExpiresAt) >= h.cfg.SessionIdle/10 {
		err := h.cfg.Store.UpdateSession(r.Context(), id, SessionUpdate{ExpiresAt: next}, now)
		switch {
		case errors.Is(err, ErrNoSession): // signed out a moment ago
			return nil, "", ErrNoSession
		case err != nil:
			return nil, "", fmt.Errorf("login: extend the session: %w", err)
		}
		s.ExpiresAt = next
	}
	return s, id, nil
}

// expiry returns when a session that is used now expires, unless it is used again.
func (h *Handler) expiry(signedIn, now time.Time) time.Time {
	idle, last := now.Add(h.cfg.SessionIdle), signedIn.Add(h.cfg.SessionMax)
	if last.Before(idle) {
		return last
	}
	return idle
}

// freshProfile reports whether nickname and avatar need not be requested again.
func (h *Handler) freshProfile(s *Session) bool {
	return !s.ProfileAt.IsZero() && h.cfg.Now().Sub(s.ProfileAt) < h.cfg.ProfileMaxAge
}
