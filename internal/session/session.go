// Package session finds, lists and ends the sessions of signed-in browsers. It also defines the
// types of a sign-in request. The features (packages that serve apps, such as oidc) request
// sign-ins.
//
// [Manager] finds and ends sessions: see [Manager.Current], which returns the signed-in [Browser]
// that sent a request, [Manager.UserSessions], [Manager.End] and [Manager.EndEverywhere]. A feature
// requests a sign-in with a [LoginRequest] from an [Authenticator]. [Authentication] is a sign-in
// that was not confirmed by WeChat's callback in this browser, but for example by a phone (scan).
//
// Every call reads the store, so that a sign-out, a block or an approval on one replica takes
// effect on all of them at once.
package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
)

// Revoker revokes grants: authorizations of apps by a user, with their tokens. gateway.Grants
// implements it.
type Revoker interface {
	// Revoke revokes the grants that r selects, and returns their number.
	Revoke(ctx context.Context, r gateway.Revocation, now time.Time) (int, error)
}

// Manager finds and ends sessions. All fields but AppIDs are required; it is safe for concurrent
// use.
type Manager struct {
	Sessions gateway.Sessions
	Grants   Revoker
	Cookies  cookie.Set     // the gateway's cookies; flow.CookieSession is the session cookie
	Keys     [][]byte       // authenticate session cookies: the first signs, all verify
	Idle     time.Duration  // a session expires when it was not used for this time
	Max      time.Duration  // a session expires this time after the sign-in, even if it is used
	AppIDs   gateway.AppIDs // of the connectors (apps at WeChat); a session with another appid counts as ended
	Now      func() time.Time
	// Agreement is the Hash of what users must have agreed to; "" = nothing. See Browser.MustAgree.
	Agreement string
	OnError   func(ctx context.Context, err error) // called when Find could not record that a session was used
}

// touchAfter limits the writes of Find. Find updates the time of the last use (Session.SeenAt) at
// most once a minute.
const touchAfter = time.Minute

// Hash returns the form in which a session id is stored. The id has 256 random bits, so a plain
// hash is enough.
func Hash(id string) [32]byte { return sha256.Sum256([]byte("weigate session\x00" + id)) }

// tagLength is the length of the tag in a session cookie: 16 bytes in base64.
const tagLength = 22

// NewCookie returns the session cookie with a session id. Its value is the id, a dot, and the tag.
// The tag is a MAC of the id. With the tag, the gateway recognizes forged cookies without reading
// the store.
func (m *Manager) NewCookie(id string) *http.Cookie {
	return m.Cookies.New(flow.CookieSession, id+"."+tag(m.Keys[0], id), m.Max)
}

// tag returns the tag of a session id: HMAC-SHA-256, shortened to 16 bytes.
func tag(key []byte, id string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("weigate session cookie\x00" + id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// id returns the session id in the value of a session cookie; "" if the gateway did not issue it.
func (m *Manager) id(value string) string {
	id, sentTag, _ := strings.Cut(value, ".")
	if len(id) != flow.SessionIDLength || len(sentTag) != tagLength {
		return ""
	}
	for _, key := range m.Keys {
		if hmac.Equal([]byte(tag(key, id)), []byte(sentTag)) {
			return id
		}
	}
	return ""
}

// BrowserKey returns the session id that the browser sent, as a key for the rate limit: a browser
// is counted by its session. The session may have ended. Without a session cookie, or with a forged
// cookie, BrowserKey returns "".
func (m *Manager) BrowserKey(r *http.Request) string {
	return m.id(m.Cookies.Value(r, flow.CookieSession))
}

// Current returns the signed-in browser that sent r, found by its session cookie. It returns false
// if no user is signed in. An error is the store's.
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
		Session: s, User: user, MustAgree: m.MustAgree(s.Method, user),
		LoginRequestID: data.LoginRequestID, ProfileDeclined: data.ProfileDeclined, Scopes: data.Scopes,
	}, true, nil
}

// MustAgree reports whether the user has not agreed to the present documents of the administrator.
// method is the sign-in method of the session. The session of a link is for administrators in an
// emergency, and no app accepts it: its user is not asked.
func (m *Manager) MustAgree(method string, user gateway.User) bool {
	return m.Agreement != "" && user.Agreement.Hash != m.Agreement && method != gateway.MethodLink
}

// CurrentHash returns the hash of the session id that the browser sent. The session may have ended.
func (m *Manager) CurrentHash(r *http.Request) (hash [32]byte, sent bool) {
	id := m.BrowserKey(r)
	if id == "" {
		return hash, false
	}
	return Hash(id), true
}

// Find returns the session with this hash and its user, and records that the session was used. It
// returns gateway.ErrNotFound in these cases:
//
//   - The session does not exist, or has expired.
//   - The user is blocked or does not exist any more.
//   - The session's connector (an app at WeChat) has another appid now. The openid of the session
//     belongs to the former appid, so the user must sign in again.
//
// Any other error is the store's.
func (m *Manager) Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error) {
	s, user, err := m.Sessions.SessionUser(ctx, hash, now)
	if err != nil {
		return gateway.Session{}, gateway.User{}, err
	}
	if user.Status == gateway.Blocked || !m.AppIDs.Current(s.Connector, s.AppID) {
		return gateway.Session{}, gateway.User{}, gateway.ErrNotFound
	}
	if now.Sub(s.SeenAt) >= touchAfter {
		// If the store cannot write, for example because the disk is full, the user stays signed
		// in.
		if err := m.Sessions.TouchSession(ctx, hash, now, m.expiry(s, now)); err != nil && ctx.Err() == nil {
			m.OnError(ctx, err)
		}
	}
	return s, user, nil
}

// Expiry returns the expiry of a session that is used now: Idle from now, but at most Max after the
// session was created.
func (m *Manager) Expiry(created, now time.Time) time.Time {
	idleEnd, latestEnd := now.Add(m.Idle), created.Add(m.Max)
	if latestEnd.Before(idleEnd) {
		return latestEnd
	}
	return idleEnd
}

// LinkMax is the longest life of a session that an administrator's link created
// (gateway.MethodLink). Using the session does not extend it.
const LinkMax = time.Hour

// expiry returns the result of Expiry for the session s. A session of a link expires at most
// LinkMax after its creation.
func (m *Manager) expiry(s gateway.Session, now time.Time) time.Time {
	expires := m.Expiry(s.CreatedAt, now)
	if latest := s.CreatedAt.Add(LinkMax); s.Method == gateway.MethodLink && latest.Before(expires) {
		return latest
	}
	return expires
}

// NewLinkSession returns a session of the method gateway.MethodLink, and its id for NewCookie. The
// caller sets UserID and stores it. The session has no connector and no openid.
func (m *Manager) NewLinkSession(now time.Time) (id string, s gateway.Session, err error) {
	seed := make([]byte, 32)
	rand.Read(seed)
	if id, err = flow.SeedSessionID(seed); err != nil {
		return "", gateway.Session{}, err
	}
	s = gateway.Session{
		Hash: Hash(id), Method: gateway.MethodLink, AuthTime: now, CreatedAt: now, SeenAt: now, Data: Data{}.Bytes(),
	}
	s.ExpiresAt = m.expiry(s, now)
	return id, s, nil
}

// maxClockDifference is how much the clocks of two replicas may differ.
const maxClockDifference = time.Minute

// IsFresh reports whether WeChat has authenticated the user of the browser within age before now,
// at a sign-in of this browser. Important actions, such as making a user an administrator, require
// a fresh session. These sessions are never fresh:
//   - a session that a link created: its holder has proven nothing at WeChat;
//   - a session by scan, message or follow: the user may have confirmed an attacker's QR code or number;
//   - a session from the future: the clock was wrong at its sign-in, or is wrong now.
func (b Browser) IsFresh(now time.Time, age time.Duration) bool {
	direct := b.Method == gateway.MethodWeChat || b.Method == gateway.MethodWebsite
	since := now.Sub(b.AuthTime)
	return direct && !b.AuthTime.IsZero() && since <= age && since >= -maxClockDifference
}

// UserSessions returns the user's sessions, the one used last first.
func (m *Manager) UserSessions(ctx context.Context, userID string, now time.Time) ([]gateway.Session, error) {
	return m.Sessions.UserSessions(ctx, userID, now)
}

// DeclineProfile records that the user of a session continues without nickname and avatar. It
// returns gateway.ErrNotFound when the session has ended.
func (m *Manager) DeclineProfile(ctx context.Context, hash [32]byte) error {
	return m.updateData(ctx, hash, func(d *Data) { d.ProfileDeclined = true })
}

// DeclineName records that the user of a session waits for approval without giving a name. It
// returns gateway.ErrNotFound when the session has ended.
func (m *Manager) DeclineName(ctx context.Context, hash [32]byte) error {
	return m.updateData(ctx, hash, func(d *Data) { d.NameDeclined = true })
}

func (m *Manager) updateData(ctx context.Context, hash [32]byte, change func(*Data)) error {
	return m.Sessions.UpdateSession(ctx, hash, m.Now(), func(s *gateway.Session) error {
		data := ReadData(s.Data)
		change(&data)
		s.Data = data.Bytes()
		return nil
	})
}

// End ends one session. It also revokes the grants that were made in this session and in the
// earlier sessions that it renewed. It revokes first. If the store then fails, the session remains
// and the caller can try again. An ended session is not an error.
func (m *Manager) End(ctx context.Context, hash [32]byte, now time.Time) error {
	s, err := m.Sessions.Session(ctx, hash, now)
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		return err
	}
	grantSessions := [][32]byte{hash} // values of gateway.Grant.Session
	if err == nil && s.First != hash {
		grantSessions = append(grantSessions, s.First)
	}
	for _, grantSession := range grantSessions {
		if _, err := m.Grants.Revoke(ctx, gateway.Revocation{Session: grantSession}, now); err != nil {
			return err
		}
	}
	return m.Sessions.DeleteSession(ctx, hash, now)
}

// SignOut deletes the session of the browser that sent r. It returns a cookie that makes the
// browser delete its session cookie. A browser without a session is not an error. SignOut
// revokes no grants.
func (m *Manager) SignOut(r *http.Request) (*http.Cookie, error) {
	ended := map[string]bool{}
	for c := range m.Cookies.Named(r, flow.CookieSession) {
		id := m.id(c.Value)
		if id == "" || ended[id] {
			continue
		}
		ended[id] = true
		if err := m.Sessions.DeleteSession(r.Context(), Hash(id), m.Now()); err != nil {
			return m.Cookies.Clear(flow.CookieSession), err
		}
	}
	return m.Cookies.Clear(flow.CookieSession), nil
}

// EndEverywhere ends every session of the user, and revokes all their grants. So the refresh tokens
// of apps become invalid too. It returns the number of ended sessions. If ending the sessions
// fails, the grants are still revoked, and vice versa. The caller can repeat the call.
func (m *Manager) EndEverywhere(ctx context.Context, userID string, now time.Time) (int, error) {
	n, deleteErr := m.Sessions.DeleteUserSessions(ctx, userID, now)
	_, revokeErr := m.Grants.Revoke(ctx, gateway.Revocation{UserID: userID}, now)
	return n, errors.Join(deleteErr, revokeErr)
}

// Browser is a signed-in browser, with its user.
type Browser struct {
	gateway.Session
	User            gateway.User // the user Session.UserID, or the user into which that user was joined
	MustAgree       bool         // the user has not agreed to the present documents: see Authenticator.AskAgreement
	LoginRequestID  string       // ID of the LoginRequest that the last sign-in answered; "" = none
	ProfileDeclined bool         // the user continued without nickname and avatar; not asked again in this session
	Scopes          []string     // that WeChat granted at the sign-in
}

// Data is the content of gateway.Session.Data, which the store does not interpret.
type Data struct {
	LoginRequestID  string   `json:"login_request,omitempty"`
	ProfileDeclined bool     `json:"declined,omitempty"`
	NameDeclined    bool     `json:"name_declined,omitempty"` // the user waits for approval without giving a name
	Scopes          []string `json:"scopes,omitempty"`
	Browser         string   `json:"browser,omitempty"` // name of the browser, if it signed in itself
	Scan            *Scan    `json:"scan,omitempty"`    // if a phone signed it in
}

// Scan describes a browser that a phone has signed in. The user sees this description on the phone
// and on their own page, and can sign the browser out there.
type Scan struct {
	Ticket   string `json:"ticket"`            // identifies the ticket: the row in the store for one QR code
	App      string `json:"app,omitempty"`     // id of the app that required the sign-in; "" = none
	Browser  string `json:"browser,omitempty"` // name of the browser
	MaskedIP string `json:"ip,omitempty"`      // its IP address without the last part
}

// FormID returns a value that identifies a session in forms of its user. It does not reveal the
// hash by which the store finds the session.
func FormID(hash [32]byte) string {
	sum := sha256.Sum256(append([]byte("weigate session form\x00"), hash[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Bytes returns the form in which a session stores the data.
func (d Data) Bytes() []byte {
	b, err := json.Marshal(d)
	if err != nil {
		panic("session: " + err.Error()) // cannot happen: Data contains only strings and booleans
	}
	return b
}

// ReadData is the reverse of Bytes. Data that cannot be read, because another version of the
// program wrote it, counts as empty: the user may be asked for something once more.
func ReadData(b []byte) (d Data) {
	if json.Unmarshal(b, &d) != nil {
		return Data{}
	}
	return d
}
