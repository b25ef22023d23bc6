package forwardauth_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

const (
	gatewayURL = "https://login.example.com"
	wiki       = "wiki.example.com"
	proxyAddr  = "10.0.0.1:4711"
	stranger   = "203.0.113.9:4711"
	sessionFor = 720 * time.Hour
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// env is a gateway with forward auth, on a store of its own.
type fixture struct {
	t       testing.TB
	store   *away
	clock   *clock
	signIn  *signIn
	access  *ruling
	log     *strings.Builder
	config  forwardauth.Config
	saved   *savedrequest.Requests
	handler http.Handler
	feature *forwardauth.Handler
}

// away is a store that can be switched off, and counts.
type away struct {
	gateway.Store
	off    atomic.Bool
	tokens atomic.Int64 // questions about host sessions
	hold   func()       // runs before each of them
	after  func()       // runs after each of them
}

func (a *away) Token(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant, error) {
	a.tokens.Add(1)
	if a.hold != nil {
		a.hold()
	}
	if a.off.Load() {
		return gateway.Token{}, gateway.Grant{}, fmt.Errorf("test: %w", gateway.ErrUnavailable)
	}
	token, grant, err := a.Store.Token(ctx, hash, now)
	if a.after != nil {
		a.after()
	}
	return token, grant, err
}

// signIn is a sign-in whose session is a cookie with the account's id.
type signIn struct {
	e         *fixture
	method    string
	askOnce   atomic.Bool // the next person is asked for a profile
	mustAgree atomic.Bool
	mu        sync.Mutex
	begun     []session.LoginRequest
}

func (s *signIn) Session(r *http.Request) (session.Browser, bool, error) {
	c, err := r.Cookie("__Host-gateway")
	if err != nil {
		return session.Browser{}, false, nil
	}
	found, user, err := sessions{s.e}.Find(r.Context(), sha256.Sum256([]byte(c.Value)), s.e.clock.now())
	if errors.Is(err, gateway.ErrNotFound) {
		return session.Browser{}, false, nil
	}
	return session.Browser{Session: found, User: user, LoginRequestID: string(found.Data)}, err == nil, err
}

func (s *signIn) Begin(w http.ResponseWriter, _ *http.Request, d session.LoginRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = append(s.begun, d)
	fmt.Fprint(w, "sign-in")
	return nil
}

func (s *signIn) last() session.LoginRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.begun) == 0 {
		return session.LoginRequest{}
	}
	return s.begun[len(s.begun)-1]
}

// AskAgreement redirects as package signin does.
func (*signIn) AskAgreement(w http.ResponseWriter, _ *http.Request, b session.Browser, returnTo string) bool {
	if !b.MustAgree {
		return false
	}
	w.Header().Set("Location", session.AgreementPath+"?return="+returnTo)
	w.WriteHeader(http.StatusSeeOther)
	return true
}

func (s *signIn) AskProfile(w http.ResponseWriter, _ *http.Request, _ session.Browser, returnTo string) bool {
	if !s.askOnce.CompareAndSwap(true, false) {
		return false
	}
	w.Header().Set("Location", returnTo)
	w.WriteHeader(http.StatusSeeOther)
	return true
}

type sessions struct{ e *fixture }

func (s sessions) Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error) {
	found, err := s.e.store.Session(ctx, hash, now)
	if err != nil {
		return gateway.Session{}, gateway.User{}, err
	}
	a, err := s.e.store.User(ctx, found.UserID)
	if err == nil && a.Status == gateway.Blocked {
		err = gateway.ErrNotFound
	}
	return found, a, err
}

func (s sessions) MustAgree(string, gateway.User) bool { return s.e.signIn.mustAgree.Load() }

// access is a rule that tests change while everything runs.
type ruling struct{ says atomic.Int64 }

func (a *ruling) Decide(context.Context, gateway.User, gateway.App) (access.Decision, error) {
	return access.Decision(a.says.Load()), nil
}

var master = sync.OnceValue(func() *keys.Sealer {
	m, err := keys.NewSealer([]byte(leaktest.Secret + strings.Repeat("m", 32)))
	if err != nil {
		panic(err)
	}
	return m
})

func newFixture(t testing.TB, change ...func(*forwardauth.Config)) *fixture {
	t.Helper()
	inner, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	e := &fixture{t: t, store: &away{Store: inner}, clock: &clock{t: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)},
		access: &ruling{}, log: &strings.Builder{}}
	e.signIn = &signIn{e: e, method: "wechat"}
	e.access.says.Store(int64(access.Allowed))
	ring, err := keys.OpenSet(t.Context(), keys.SetConfig{Store: inner, Sealer: master(), Algs: []string{keys.ES256},
		Now: e.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(e.log, nil))
	requestID := func(context.Context) string { return "req1" }
	site, err := web.New(web.Config{Logger: logger, RequestID: requestID})
	if err != nil {
		t.Fatal(err)
	}
	if e.saved, err = savedrequest.New(savedrequest.Config{URL: gatewayURL, Keys: master().Derive("saved request"),
		Store: inner, Site: site, Now: e.clock.now}); err != nil {
		t.Fatal(err)
	}
	requests, err := accessrequest.New(accessrequest.Config{URL: gatewayURL, Store: inner, Access: e.access, Site: site,
		Sessions: &session.Manager{},
		Apps:     func(string) (gateway.App, bool) { return gateway.App{}, false }, Now: e.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	e.config = forwardauth.Config{
		URL: gatewayURL, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Cache: 5 * time.Second,
		SessionMax: sessionFor,
		Apps: []forwardauth.App{
			{App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth, Name: "Wiki"},
				Hosts: []string{wiki, "docs.example.com:8443"}},
			{App: gateway.App{ID: "public", Kind: gateway.AppForwardAuth, Name: "Public"},
				Hosts: []string{"public.example.com"}},
			{App: gateway.App{ID: "local", Kind: gateway.AppForwardAuth, Name: "Local"},
				Hosts: []string{"local.localhost:8082"}},
		},
		SignIn: e.signIn, Sessions: sessions{e}, Access: e.access, Site: site, Saved: e.saved, Users: e.store,
		Requests: requests,
		Grants:   e.store, Attempts: e.store, Subjects: e.store,
		Events: e.store, Keys: ring, Sealer: master(), Logger: logger,
		RequestID: requestID,
		Now:       e.clock.now,
	}
	for _, f := range change {
		f(&e.config)
	}
	e.handler, e.feature = e.replica()
	return e
}

// replica is another process on the same store.
func (e *fixture) replica() (http.Handler, *forwardauth.Handler) {
	e.t.Helper()
	h, err := forwardauth.New(e.config)
	if err != nil {
		e.t.Fatal(err)
	}
	mux := route.NewMux()
	h.Mount(mux)
	e.saved.Mount(mux)
	return mux, h
}

// person creates a user and a session at the gateway; it returns the gateway's cookie.
func (e *fixture) person(openID string) (gateway.User, string) {
	e.t.Helper()
	a, _, err := e.store.RecordSignIn(e.t.Context(), gateway.SignIn{Connector: "main", AppID: "wx1", OpenID: openID,
		UnionID: "union of " + openID, At: e.clock.now(),
		InitialStatus: gateway.Active, Profile: &gateway.Profile{Nickname: "小明 & “" + openID + "”"}})
	if err != nil {
		e.t.Fatal(err)
	}
	if a, err = e.store.UpdateUser(e.t.Context(), a.ID, e.clock.now(), func(a *gateway.User) error {
		a.Groups = []string{"a,b", "staff"}
		return nil
	}); err != nil {
		e.t.Fatal(err)
	}
	return a, e.session(a, openID, "")
}

// session signs an account in at the gateway.
func (e *fixture) session(a gateway.User, openID, loginRequest string) string {
	e.t.Helper()
	cookie := gateway.NewID()
	if err := e.store.PutSession(e.t.Context(), gateway.Session{Hash: sha256.Sum256([]byte(cookie)), UserID: a.ID,
		Connector: "main", AppID: "wx1", OpenID: openID,
		Method: e.signIn.method, AuthTime: e.clock.now(), CreatedAt: e.clock.now(), SeenAt: e.clock.now(),
		ExpiresAt: e.clock.now().Add(24 * time.Hour),
		Data:      []byte(loginRequest)}, e.clock.now()); err != nil {
		e.t.Fatal(err)
	}
	return cookie
}

func want(t *testing.T, what string, w *httptest.ResponseRecorder, status int, page string) {
	t.Helper()
	if w.Code != status || string(webtest.Kind(w.Body.String())) != page {
		t.Errorf("%s: %d, page %q, want %d, page %q; %s", what, w.Code, string(webtest.Kind(w.Body.String())), status,
			page, w.Body)
	}
}

// identity is every header that must be on every answer of /verify.
var identity = []string{"X-Weigate-User", "X-Weigate-Name", "X-Weigate-Openid", "X-Weigate-Unionid", "X-Weigate-Groups",
	"X-Weigate-Assertion"}

// nobody fails if a response of /verify contains an identity, or lacks an identity header.
func nobody(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for _, name := range identity {
		if v, has := w.Header()[name]; !has || len(v) != 1 || v[0] != "" {
			t.Errorf("header %s is %q, %v", name, v, has)
		}
	}
}

// replaced is the master key after a new one was put in front.
func replaced(t *testing.T) *keys.Sealer {
	t.Helper()
	m, err := keys.NewSealer([]byte(strings.Repeat("n", 32)), []byte(leaktest.Secret+strings.Repeat("m", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
