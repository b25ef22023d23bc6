package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// maxSessionCookies is how many sessions one sign-out ends. A browser has one, or a few
// where another host set some. A header can contain thousands, and each is a call to the store.
const maxSessionCookies = 32

// askSignOut renders a page with a button, for users who follow a link: GET changes nothing.
func (h *Handler) askSignOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	p := Page{Kind: PageSignOut, SignOutURL: h.address(pathSignOut), Return: returnTo}
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		redirect(w, r, h.returns.Absolute(returnTo))
		return
	case err == nil:
		p.Nickname = s.Nickname
	}
	h.show(w, r, p)
}

// signOut serves the form of that page.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.PostForm.Get("return"))
	if !ok {
		return
	}
	if err := h.SignOut(w, r); err != nil {
		h.fail(w, r, err)
		return
	}
	seeOther(w, h.returns.Absolute(returnTo))
}

// SignOut does what POST /sign-out does, for a program that answers the request itself: it ends the
// session and every pending sign-in of the browser that sent r. It sets cookies on w and writes
// neither status nor body. It succeeds when no user is signed in. An error is the store's; then the
// session may still exist.
//
// The caller must verify that the user wants to sign out: that the request is a POST from the
// program's own page.
func (h *Handler) SignOut(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, h.cookies.Clear(flow.CookieSession))
	for _, c := range h.engine.ClearCookies(r) {
		http.SetCookie(w, c)
	}
	ended := map[string]bool{}
	for _, cookie := range r.CookiesNamed(h.cookies.Name(flow.CookieSession)) {
		if len(cookie.Value) != flow.SessionIDLength || ended[cookie.Value] {
			continue
		}
		if len(ended) == maxSessionCookies {
			break
		}
		ended[cookie.Value] = true
		if err := h.cfg.Store.DeleteSession(r.Context(), flow.Hash("session", cookie.Value)); err != nil {
			return fmt.Errorf("login: end the session: %w", err)
		}
	}
	return nil
}
