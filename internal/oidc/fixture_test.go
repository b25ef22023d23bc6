package oidc_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/web"
)

// store is what an oidc.Handler needs of a gateway.Store.
type store interface {
	gateway.Users
	gateway.Subjects
	gateway.Grants
	gateway.Sessions
	gateway.Deliveries
	gateway.Keys
	gateway.Events
	gateway.SavedRequests
	gateway.AccessRequests
}

// newMemory opens a store of its own in memory.
func newMemory(t testing.TB) store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

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

const (
	redirectURI = "https://app.example.com/callback"
	signedOut   = "https://app.example.com/bye"
	secret      = "a secret that is long enough, with % and + and /"
)

// numbers make app ids and openids that no other test in the same store uses.
var numbers atomic.Int64

// env is one provider over TLS, with apps and users of its own.
type fixture struct {
	t       testing.TB
	store   *switchable
	clock   *clock
	server  *httptest.Server
	issuer  string
	handler *oidc.Handler
	cfg     oidc.Config
	signIn  *signIn
	access  *ruling
	clients []oidc.Client
	app     string // id of the confidential app that requests name by default
	other   string // another confidential app
	spa     string // a public app
	alice   gateway.User
	bob     gateway.User

	mu       sync.Mutex
	observed []oidc.Observation
}

type option func(*fixture, *oidc.Config)

func newFixture(t testing.TB, s store, alg string, options ...option) *fixture {
	t.Helper()
	e := &fixture{t: t, store: &switchable{store: s}, clock: &clock{t: time.Now().UTC().Truncate(time.Second)},
		access: &ruling{decision: access.Allowed}}
	n := numbers.Add(1)
	e.app, e.other, e.spa = fmt.Sprintf("app-%d", n), fmt.Sprintf("other-%d", n), fmt.Sprintf("spa-%d", n)
	e.alice, e.bob = e.createUser("alice"), e.createUser("bob")
	e.clients = []oidc.Client{
		{App: gateway.App{ID: e.app, Name: "App"}, Secrets: []route.SecretHash{route.HashSecret(secret),
			route.HashSecret("the next secret")}, IDTokenAlg: alg,
			RedirectURIs: []string{redirectURI, redirectURI + "?own=1"}, PostLogoutRedirectURIs: []string{signedOut},
			Email: oidc.EmailPolicy{Policy: oidc.EmailSynthetic, Domain: "people.example.com"}},
		{App: gateway.App{ID: e.other, Name: "Other"}, Secrets: []route.SecretHash{route.HashSecret("other's secret")},
			IDTokenAlg:   alg,
			RedirectURIs: []string{redirectURI}},
		{App: gateway.App{ID: e.spa, Name: "Page"}, Public: true, IDTokenAlg: alg,
			RedirectURIs: []string{"https://page.example.com/", "http://127.0.0.1/cb"}},
	}
	mux := route.NewMux()
	e.server = httptest.NewUnstartedServer(mux)
	e.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	e.server.StartTLS()
	t.Cleanup(e.server.Close)
	e.issuer = e.server.URL
	e.signIn = &signIn{e: e, sessions: map[string]session.Browser{}}
	master, err := keys.NewSealer([]byte(strings.Repeat("m", 32)))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.OpenSet(context.Background(), keys.SetConfig{Store: sharedKeys(), Sealer: master,
		Now: e.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Config{})
	if err != nil {
		t.Fatal(err)
	}
	saved, err := savedrequest.New(savedrequest.Config{URL: e.issuer, Keys: master.Derive("saved request"),
		Store: e.store, Site: site, Now: e.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	saved.Mount(mux)
	requests, err := accessrequest.New(accessrequest.Config{URL: e.issuer, Store: e.store, Access: e.access, Site: site,
		Sessions: &session.Manager{},
		Apps:     func(string) (gateway.App, bool) { return gateway.App{}, false }, Now: e.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	cfg := oidc.Config{SignIn: e.signIn, Access: e.access, Site: site, Saved: saved, Requests: requests,
		Users: e.store, Subjects: e.store,
		Grants: e.store, Events: e.store,
		Keys: ring, Sealer: master, Limits: limit.NewLimiter(nil), Now: e.clock.now, Observe: e.observe}
	for _, o := range options {
		o(e, &cfg)
	}
	cfg.Issuer = e.issuer
	registry, err := oidc.NewRegistry(e.clients)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Clients = func() *oidc.Registry { return registry }
	e.cfg = cfg
	e.handler, err = oidc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.handler.Mount(mux)
	return e
}

// withClient changes the default app.
func withClient(change func(*oidc.Client)) option {
	return func(e *fixture, _ *oidc.Config) { change(&e.clients[0]) }
}

// withOwnKeys makes signing keys that no other test uses.
func withOwnKeys(e *fixture, cfg *oidc.Config) {
	ring, err := keys.OpenSet(context.Background(), keys.SetConfig{Store: &keyRows{}, Sealer: cfg.Sealer,
		Now: e.clock.now})
	if err != nil {
		e.t.Fatal(err)
	}
	cfg.Keys = ring
}

// atPath puts the provider under a path.
func atPath(path string) option { return func(e *fixture, _ *oidc.Config) { e.issuer += path } }

func (e *fixture) observe(o oidc.Observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observed = append(e.observed, o)
}

// createUser creates a user with an openid of its own.
func (e *fixture) createUser(name string) gateway.User {
	e.t.Helper()
	id := fmt.Sprintf("o%s%d", name, numbers.Add(1))
	a, _, err := e.store.RecordSignIn(context.Background(), gateway.SignIn{Connector: "main",
		AppID: "wx0000000000000001", OpenID: id, UnionID: "u" + id,
		OpenPlatform: "one", GroupAppIDs: []string{"wx0000000000000001"}, At: e.clock.now(), InitialStatus: gateway.Active,
		Profile: &gateway.Profile{Nickname: strings.ToUpper(name[:1]) + name[1:] + " 小明",
			AvatarURL: "https://thirdwx.qlogo.cn/" + id, Locale: "zh-CN"}})
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}
