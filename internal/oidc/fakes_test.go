package oidc_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// sharedKeys are signing keys that all tests use: making RSA keys takes longer than everything else
// here.
var sharedKeys = sync.OnceValue(func() gateway.Keys {
	return &keyRows{}
})

type keyRows struct {
	mu   sync.Mutex
	rows []gateway.Key
}

func (k *keyRows) Keys(context.Context) ([]gateway.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.rows), nil
}

func (k *keyRows) PutKey(_ context.Context, key gateway.Key) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.ContainsFunc(k.rows, func(o gateway.Key) bool { return o.ID == key.ID || o.Slot == key.Slot }) {
		return gateway.ErrConflict
	}
	k.rows = append(k.rows, key)
	return nil
}

func (k *keyRows) SetKeyEnd(context.Context, string, time.Time, time.Time) error { return nil }

func (k *keyRows) ReplaceSealed(context.Context, string, []byte, []byte) error { return nil }

// switchable is a store that can be away.
type switchable struct {
	store
	down atomic.Bool
}

var errDown = fmt.Errorf("%w: connection refused", gateway.ErrUnavailable)

func (s *switchable) PutCode(ctx context.Context, c gateway.Code) error {
	if s.down.Load() {
		return errDown
	}
	return s.store.PutCode(ctx, c)
}

func (s *switchable) Code(ctx context.Context, hash [32]byte) (gateway.Code, error) {
	if s.down.Load() {
		return gateway.Code{}, errDown
	}
	return s.store.Code(ctx, hash)
}

func (s *switchable) Token(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant, error) {
	if s.down.Load() {
		return gateway.Token{}, gateway.Grant{}, errDown
	}
	return s.store.Token(ctx, hash, now)
}

func (s *switchable) Redeem(ctx context.Context, code [32]byte, now time.Time, i gateway.TokenIssue) (gateway.Grant,
	error) {
	if s.down.Load() {
		return gateway.Grant{}, errDown
	}
	return s.store.Redeem(ctx, code, now, i)
}

func (s *switchable) TokenUser(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant,
	gateway.User, error) {
	if s.down.Load() {
		return gateway.Token{}, gateway.Grant{}, gateway.User{}, errDown
	}
	return s.store.TokenUser(ctx, hash, now)
}

func (s *switchable) Grant(ctx context.Context, id string) (gateway.Grant, error) {
	if s.down.Load() {
		return gateway.Grant{}, errDown
	}
	return s.store.Grant(ctx, id)
}

func (s *switchable) PinSubject(ctx context.Context, a, app, c string, now time.Time) (string, error) {
	if s.down.Load() {
		return "", errDown
	}
	return s.store.PinSubject(ctx, a, app, c, now)
}

func (s *switchable) UserSubjects(ctx context.Context, a string) ([]gateway.Pin, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.store.UserSubjects(ctx, a)
}

func (s *switchable) Revoke(ctx context.Context, what gateway.Revocation, now time.Time) (int, error) {
	if s.down.Load() {
		return 0, errDown
	}
	return s.store.Revoke(ctx, what, now)
}

// ruling answers the same for everybody.
type ruling struct {
	mu       sync.Mutex
	decision access.Decision
	err      error
}

func (a *ruling) set(d access.Decision, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.decision, a.err = d, err
}

func (a *ruling) Decide(context.Context, gateway.User, gateway.App) (access.Decision, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.decision, a.err
}

// signIn stands in for the WeChat leg: Begin signs the browser in at once as next, or shows a page
// when next is nobody.
type signIn struct {
	e             *fixture
	mu            sync.Mutex
	sessions      map[string]session.Browser
	next          *gateway.User
	method        string
	loginRequests []session.LoginRequest
	down          bool
}

const sessionCookie = "test-session"

func (s *signIn) Session(r *http.Request) (session.Browser, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return session.Browser{}, false, errDown
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return session.Browser{}, false, nil
	}
	b, ok := s.sessions[c.Value]
	return b, ok, nil
}

func (s *signIn) Begin(w http.ResponseWriter, r *http.Request, d session.LoginRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loginRequests = append(s.loginRequests, d)
	if s.next == nil {
		fmt.Fprintln(w, "please sign in")
		return nil
	}
	identities, err := s.e.store.Identities(r.Context(), s.next.ID)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("session-%d", numbers.Add(1))
	method := s.method
	if method == "" {
		method = "wechat"
	}
	i := identities[0]
	created := session.Browser{User: *s.next, LoginRequestID: d.ID,
		Session: gateway.Session{Hash: sha256.Sum256([]byte(id)), First: sha256.Sum256([]byte(id)), UserID: s.next.ID,
			Connector: i.Connector, AppID: i.AppID, OpenID: i.OpenID, Method: method, AuthTime: s.e.clock.now(),
			CreatedAt: s.e.clock.now(), ExpiresAt: s.e.clock.now().Add(24 * time.Hour)}}
	if err := s.e.store.PutSession(r.Context(), created.Session, s.e.clock.now()); err != nil {
		return err
	}
	s.sessions[id] = created
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: id, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, d.ReturnURL, http.StatusSeeOther)
	return nil
}

// AskProfile asks nobody.
func (*signIn) AskAgreement(http.ResponseWriter, *http.Request, session.Browser, string) bool {
	return false
}

func (s *signIn) AskProfile(http.ResponseWriter, *http.Request, session.Browser, string) bool {
	return false
}

func (s *signIn) End(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1})
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	hash := s.sessions[c.Value].Hash
	delete(s.sessions, c.Value)
	return s.e.store.DeleteSession(r.Context(), hash, s.e.clock.now())
}

// as sets the user of the following sign-ins.
func (s *signIn) as(a *gateway.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = a
}

func (s *signIn) lastLoginRequest() session.LoginRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.loginRequests) == 0 {
		return session.LoginRequest{}
	}
	return s.loginRequests[len(s.loginRequests)-1]
}

func (s *signIn) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.loginRequests)
}
