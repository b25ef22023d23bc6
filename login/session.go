package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/wechat"
)

// Session describes a user who is signed in with one browser. Each request gets its own copy. "The
// program" means the program that uses this package.
type Session struct {
	ID        string // the id in the Store: a hash, with which nobody can sign in; set when a session is read
	Subject   string // the user's id in the program: what OnSignIn set, else "APPID:OPENID"
	OpenID    string // the user's id at WeChat, within AppID
	UnionID   string // the user's id across the apps of one open platform account; "" when WeChat did not return it
	AppID     string // the app at WeChat that signed the user in
	Nickname  string // "" when not requested or not returned; not unique; escape it like any user input
	AvatarURL string // "" or an https address at WeChat (or at one of Config.AvatarHosts)
	Scopes    []wechat.Scope
	Method    Method
	UserAgent string // of the browser that signed in, at most 256 bytes; for lists, escape it like any user input

	// Extra is data of the program, set by OnSignIn. Each request reads it, so keep it short. It is
	// valid UTF-8. /sign-in/me returns it to scripts on the program's pages: store no secret in it.
	Extra string

	SignedInAt      time.Time
	ProfileAt       time.Time // when WeChat returned nickname and avatar; zero: never
	ProfileDeclined bool      // the user continued without a profile; not asked again in this session
	ExpiresAt       time.Time // extended while the session is used
}

// SignIn is a sign-in that WeChat has confirmed, before its session is created. OnSignIn may change
// Subject, Nickname, AvatarURL, ProfileAt and Extra; changes of other fields have no effect.
type SignIn struct {
	Session
	Return    string // absolute address where the user continues
	Data      []byte // StartOptions.Data of this sign-in
	RequestID string
}

// RefusalError is the error by which OnSignIn refuses a user. The page shows Text; Err goes to the
// log.
type RefusalError struct {
	Text string // for the user, up to 500 bytes; with "" the page shows a general sentence
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

// sessionKey is the key of the session in a request's context.
type sessionKey struct{}

// FromContext returns the session that Require, RequireAPI or RequireProfile added to the request's
// context, and whether there is one.
func FromContext(ctx context.Context) (*Session, bool) {
	s, found := ctx.Value(sessionKey{}).(*Session)
	return s, found
}

// Session returns the session of the browser that sent r. It returns ErrNoSession (errors.Is) when
// the browser is not signed in. Other errors come from the store; then it is unknown whether the
// browser is signed in.
func (h *Handler) Session(r *http.Request) (*Session, error) {
	s, _, err := h.session(r)
	return s, err
}

// session returns the session of the browser, and the id under which the Store has it: the hash of
// the cookie's value, also in Session.ID. It extends the session at most once in a tenth of
// Config.SessionIdle. Most requests therefore do not write to the store.
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
	s.ID = id
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

// expiry returns the expiry of a session that is used now: Config.SessionIdle from now, but at most
// Config.SessionMax after the sign-in.
func (h *Handler) expiry(signedIn, now time.Time) time.Time {
	idleEnd, latestEnd := now.Add(h.cfg.SessionIdle), signedIn.Add(h.cfg.SessionMax)
	if latestEnd.Before(idleEnd) {
		return latestEnd
	}
	return idleEnd
}

// freshProfile reports whether the session has a profile that is not older than ProfileMaxAge.
func (h *Handler) freshProfile(s *Session) bool {
	return !s.ProfileAt.IsZero() && h.cfg.Now().Sub(s.ProfileAt) < h.cfg.ProfileMaxAge
}

// MinSeed is the least length of Authentication.Seed, in bytes.
const MinSeed = flow.MinSeed

// Authentication is the argument of CreateSession: a user who was authenticated by other means than
// WeChat's callback, such as a QR code that another device confirmed, an administrator's link, or a
// test.
type Authentication struct {
	// Session describes the user. Subject is required. SignedInAt may be zero, which means now;
	// Config.SessionMax counts from it. ExpiresAt is ignored. Method may be any name that the caller
	// chooses.
	Session Session

	// Seed is the secret from which the session id is derived: at least MinSeed random bytes, used
	// for this sign-in only. Everyone who knows the seed can use the session.
	Seed []byte

	// Repeat is true when a session was created for this sign-in before. Then CreateSession creates
	// no session. It returns the cookie again if the earlier session still exists.
	Repeat bool
}

// CreateSession creates a session for the browser that sent r. The caller has authenticated the
// user, and sets the returned session cookie with its response. A session that the browser had
// before is deleted. Config.OnSignIn is not called. created reports whether this call created the
// session.
//
// The session id is derived from Seed. If the session exists already, another call with the same
// Seed only returns the cookie again, in any process. The user, method and app must be the same. Of
// many concurrent calls, one creates the session.
//
// After the session has ended (signed out, expired), a call without Repeat creates it again. A
// repeated request could thus undo a sign-out. If the browser can repeat the request, the caller
// must therefore do this:
//
//   - Store a record of the sign-in.
//   - Call CreateSession, with Repeat if the record is marked as used.
//   - Mark the record as used. If the process stops before this, a repeated request still creates
//     the session.
//
// The caller must verify that the sign-in was started in this browser, for example by a sealed
// cookie. Otherwise an attacker could sign a victim's browser in as the attacker (login CSRF).
//
// Callers can test for two errors. ErrNoSession: Repeat is true and the session has ended.
// ErrSessionExists: a session of another user, method or app was created with this seed. Any other
// error means that a is invalid, or comes from the store. With an error the cookie is nil.
func (h *Handler) CreateSession(r *http.Request, a Authentication) (cookie *http.Cookie, created bool, err error) {
	now := h.cfg.Now()
	s := a.Session
	s.Scopes = slices.Clone(s.Scopes)
	if s.SignedInAt.IsZero() {
		s.SignedInAt = now
	}
	s.AvatarURL, s.ExpiresAt = flow.SafeAvatar(s.AvatarURL, h.avatarOrigins), h.expiry(s.SignedInAt, now)
	s.UserAgent = shortUserAgent(cmp.Or(s.UserAgent, r.UserAgent()))
	switch {
	case s.Subject == "":
		return nil, false, errors.New("login: Authentication.Session.Subject is empty")
	case !s.validTexts():
		return nil, false, errors.New("login: Authentication.Session has a text that is not valid UTF-8")
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
		if err := h.checkSameSession(r, id, s, now); err != nil {
			return nil, false, err
		}
	}
	h.deletePreviousSession(r.Context(), r, id)
	return h.cookies.New(flow.CookieSession, id, h.cfg.SessionMax), created, nil
}

// checkSameSession returns an error unless the session with this id exists and has the user, method
// and app of want.
func (h *Handler) checkSameSession(r *http.Request, id string, want Session, now time.Time) error {
	stored, err := h.cfg.Store.Session(r.Context(), flow.Hash("session", id), now)
	switch {
	case errors.Is(err, ErrNoSession):
		return ErrNoSession
	case err != nil:
		return fmt.Errorf("login: read the session: %w", err)
	case stored.Subject != want.Subject || stored.AppID != want.AppID || stored.OpenID != want.OpenID,
		stored.Method != want.Method:
		return ErrSessionExists
	}
	return nil
}

// CheckReturn validates a return address as /sign-in does and returns it as an absolute URL, for
// programs that use CreateSession. The address must be at the origin of Config.URL or one of
// Config.ReturnHosts, in a form that browsers and servers parse alike. "" is the path of
// Config.URL. The error wraps ErrReturn.
func (h *Handler) CheckReturn(address string) (string, error) {
	checked, err := h.returns.Check(address)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return h.returns.Absolute(checked), nil
}

// AuthenticationSessionID returns the Store's id for the session that CreateSession creates with
// seed. A program can delete that session with Store.DeleteSession. The id is a hash, so nobody can
// sign in with it.
func AuthenticationSessionID(seed []byte) (string, error) {
	id, err := flow.SeedSessionID(seed)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return flow.Hash("session", id), nil
}

// maxSessionCookies is how many sessions one sign-out deletes. A browser usually sends one session
// cookie. It sends a few if other hosts have set some. An attacker could send thousands, and each
// cookie costs a call to the store.
const maxSessionCookies = 32

// showSignOutPage renders a page with a button. A link to /sign-out does not sign the user out,
// because a GET request must not change anything: other sites can send it.
func (h *Handler) showSignOutPage(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.URL.Query().Get("return"))
	if !ok {
		return
	}
	p := Page{
		Kind: PageSignOut, SignOutURL: h.address(pathSignOut), Return: returnTo, CancelURL: h.returns.Absolute(returnTo),
	}
	s, err := h.Session(r)
	switch {
	case errors.Is(err, ErrNoSession):
		redirect(w, r, h.returns.Absolute(returnTo))
		return
	case err == nil:
		p.Nickname = s.Nickname
	}
	// After another error of the store the page is shown without a nickname.
	h.showPage(w, r, p)
}

// serveSignOutForm serves the form of the sign-out page.
func (h *Handler) serveSignOutForm(w http.ResponseWriter, r *http.Request) {
	returnTo, ok := h.checkReturn(w, r, r.PostForm.Get("return"))
	if !ok {
		return
	}
	if err := h.SignOut(w, r); err != nil {
		h.showError(w, r, err)
		return
	}
	h.finishForm(w, r, returnTo)
}

// SignOut deletes the session of the browser that sent r, and ends its pending sign-ins, as POST
// /sign-out does. It is for a program that answers the request itself: SignOut only sets cookies on
// w, and writes neither status nor body. If no user is signed in, SignOut succeeds. An error comes
// from the store; the session may then still exist.
//
// The caller must verify that the request is a POST from the program's own page. Otherwise another
// site could sign the user out.
func (h *Handler) SignOut(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, h.cookies.Clear(flow.CookieSession))
	for _, c := range h.engine.ClearCookies(r) {
		http.SetCookie(w, c)
	}
	deleted := map[string]bool{}
	for cookie := range h.cookies.Named(r, flow.CookieSession) {
		if len(cookie.Value) != flow.SessionIDLength || deleted[cookie.Value] {
			continue
		}
		if len(deleted) == maxSessionCookies {
			break
		}
		deleted[cookie.Value] = true
		if err := h.cfg.Store.DeleteSession(r.Context(), flow.Hash("session", cookie.Value)); err != nil {
			return fmt.Errorf("login: end the session: %w", err)
		}
	}
	return nil
}
