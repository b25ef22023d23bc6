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
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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

// Browser is a signed-in browser, with its user.
type Browser struct {
	gateway.Session
	User            gateway.User // the user that Session.UserID belongs to now, after any join
	LoginRequestID  string       // ID of the LoginRequest that the last sign-in answered; "" = none
	ProfileDeclined bool         // the user continued without nickname and avatar; not asked again in this session
	Scopes          []string     // that WeChat granted at the sign-in
}

// Data is what signin stores in gateway.Session.Data.
type Data struct {
	LoginRequestID  string   `json:"login_request,omitempty"`
	ProfileDeclined bool     `json:"declined,omitempty"`
	Scopes          []string `json:"scopes,omitempty"`
}

// Bytes returns the form in which a session stores the data.
func (d Data) Bytes() []byte {
	b, err := json.Marshal(d)
	if err != nil {
		panic("session: " + err.Error()) // strings and a bool: cannot happen
	}
	return b
}

// ReadData reads what Bytes returned. Data that cannot be read (another version wrote it) counts as
// empty: at worst the user is asked once more.
func ReadData(b []byte) (d Data) {
	if json.Unmarshal(b, &d) != nil {
		return Data{}
	}
	return d
}

// LoginRequest is what a feature requires of a sign-in. It is kept in a sealed cookie of the browser,
// so the store has nothing of it.
type LoginRequest struct {
	ID             string      // random; the session that answers the request has it as Browser.LoginRequestID
	ReturnURL      string      // where the browser continues: a path and query, at most MaxReturn bytes
	App            gateway.App // its ID, Name and Methods are read; zero = the gateway itself
	Connector      string      // users must sign in through it, since the app knows them by its openid; "" = any
	Reauthenticate bool        // an existing session is not enough, not even that of a phone that scans
	Consent        bool        // WeChat's consent page must be shown even to a user whom WeChat remembers (forcePopup)
	Profile        bool        // the app wants nickname and avatar, and the user may be asked for them
	CancelURL      string      // where a user continues who cancels: a path of this origin; "" = nowhere
	RestartURL     string      // where the same request starts from the beginning; "" = at /sign-in
	UILocales      string      // the app's ui_locales for the language of pages; "" = none
}

// MaxReturn is the greatest length of LoginRequest.ReturnURL, in bytes: it is kept in a cookie.
const MaxReturn = flow.MaxReturn

// CompactRestart returns LoginRequest.RestartURL in a short form for a cookie that also has
// ReturnURL: the lengths of their common beginning and end, and what is between them.
// [ExpandRestart] is the reverse. The two addresses differ by a few parameters only.
func CompactRestart(returnURL, restartURL string) string {
	if restartURL == "" {
		return ""
	}
	head := 0
	for head < min(len(returnURL), len(restartURL)) && returnURL[head] == restartURL[head] {
		head++
	}
	tail := 0
	most := min(len(returnURL), len(restartURL)) - head
	for tail < most && returnURL[len(returnURL)-1-tail] == restartURL[len(restartURL)-1-tail] {
		tail++
	}
	return fmt.Sprintf("%d.%d.%s", head, tail, restartURL[head:len(restartURL)-tail])
}

// ExpandRestart returns the RestartURL for which CompactRestart returned compact, or "".
func ExpandRestart(returnURL, compact string) string {
	parts := strings.SplitN(compact, ".", 3)
	if len(parts) != 3 {
		return ""
	}
	head, errHead := strconv.Atoi(parts[0])
	tail, errTail := strconv.Atoi(parts[1])
	if errHead != nil || errTail != nil || head < 0 || tail < 0 || head+tail > len(returnURL) {
		return ""
	}
	return returnURL[:head] + parts[2] + returnURL[len(returnURL)-tail:]
}

// Authenticator finds the session of a browser, and signs users in. signin.Handler implements it. Its
// methods are safe for concurrent use.
type Authenticator interface {
	// Session returns the browser that sent r. ok is false when no user is signed in; err means
	// that the store could not answer.
	Session(r *http.Request) (b Browser, ok bool, err error)

	// Begin answers the request by sending the browser to sign in, and afterwards to d.ReturnURL.
	// An error means that nothing was written to w.
	Begin(w http.ResponseWriter, r *http.Request, d LoginRequest) error

	// AskProfile redirects the browser to the page that asks for nickname and avatar, if there is a
	// reason to ask, and reports whether it did. The browser continues at returnTo.
	AskProfile(w http.ResponseWriter, r *http.Request, b Browser, returnTo string) bool
}

// Authentication is a sign-in of this browser that was confirmed by other means than WeChat's
// callback, such as a scan.
type Authentication struct {
	UserID         string    // an id that was joined into another stands for that user
	Connector      string    // the connector and the identity with which WeChat confirmed the user
	AppID          string    //
	OpenID         string    //
	Method         string    // the sign-in method
	AuthTime       time.Time // when WeChat confirmed the user
	App            string    // id of the app that required the sign-in, for the event; "" = none
	LoginRequestID string    // ID of the LoginRequest that this answers; "" = none
	Seed           []byte    // the session id is derived from it: the same seed is the same session
	Repeat         bool      // a session was created before: return it while it lives, and create none
}
