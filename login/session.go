package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weigate/weigate/wechat"
)

// Session is a signed-in person in one browser, as the app sees it and as a
// Store keeps it. Handlers get a copy of their own.
type Session struct {
	Subject   string // the person for the app: what OnSignIn set, else "APPID:OPENID"
	OpenID    string // the person for WeChat, within AppID
	UnionID   string // the person across the apps of one open platform account; "" when WeChat did not tell
	AppID     string // the app at WeChat that signed the person in
	Nickname  string // "" when not asked for or not given; never an identity; escape it like any text
	AvatarURL string // "" or an https address at WeChat (or at one of Config.AvatarHosts)
	Scopes    []wechat.Scope
	Method    Method
	Extra     string // the app's own, set by OnSignIn and kept as it is; "" = none. Keep it short: each request reads it

	SignedInAt      time.Time
	ProfileAt       time.Time // when WeChat told nickname and avatar; zero: never
	ProfileDeclined bool      // the person went on without a profile; not asked again in this session
	ExpiresAt       time.Time // end of the session, moved on while it is used
}

// SignIn is one sign-in that WeChat has confirmed, on its way to a session.
// OnSignIn may change Subject, Nickname, AvatarURL, ProfileAt and Extra; other
// changes have no effect.
type SignIn struct {
	Session
	Return    string // absolute address that the person goes to
	Data      []byte // what StartOptions.Data was
	RequestID string
}

// Refusal is the error by which OnSignIn turns a person away. The page shows
// Text; Err goes to the log.
type RefusalError struct {
	Text string // for the person, in a language of the app's choice, up to 500 bytes; "" is a general sentence
	Err  error  // may be nil
}

// Error is for logs; the person sees Text.
func (r *RefusalError) Error() string {
	if r.Err != nil {
		return "login: refused by the app: " + r.Err.Error()
	}
	return "login: refused by the app"
}

// Unwrap returns Err.
func (r *RefusalError) Unwrap() error { return r.Err }

type sessionKey struct{}

// FromContext returns the session that Require or RequireProfile put into the
// request's context, and whether there is one.
func FromContext(ctx context.Context) (*Session, bool) {
	s, found := ctx.Value(sessionKey{}).(*Session)
	return s, found
}

// Session returns the session of the browser that sent r. It is ErrNoSession
// (errors.Is) for a visitor who is not signed in; other errors are the store's,
// and then nobody knows whether the visitor is signed in.
func (h *Handler) Session(r *http.Request) (*Session, error) {
	s, _, err := h.session(r)
	return s, err
}

// session also returns the id under which the store has the session. It moves
// the idle limit on, but writes only after a tenth of it has passed, so that
// most requests read.
func (h *Handler) session(r *http.Request) (*Session, string, error) {
	value := h.cookies.sessionValue(r)
	if len(value) != sessionIDLength {
		return nil, "", ErrNoSession
	}
	id, now := hashed("session", value), h.cfg.Now()
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
			return nil, "", fmt.Errorf("login: prolong the session: %w", err)
		}
		s.ExpiresAt = next
	}
	return s, id, nil
}

// sessionIDLength is 32 bytes in base64.
const sessionIDLength = 43

// expiry is the end of a session that is used now.
func (h *Handler) expiry(signedIn, now time.Time) time.Time {
	idle, last := now.Add(h.cfg.SessionIdle), signedIn.Add(h.cfg.SessionMax)
	if last.Before(idle) {
		return last
	}
	return idle
}

// freshProfile says whether nickname and avatar need not be asked for.
func (h *Handler) freshProfile(s *Session) bool {
	return !s.ProfileAt.IsZero() && h.cfg.Now().Sub(s.ProfileAt) < h.cfg.ProfileMaxAge
}
