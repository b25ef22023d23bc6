package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// Options are what [New] makes an [App] from. Config, Store and Master are required.
type Options struct {
	Config    *config.Config
	Store     gateway.Store // the owner closes it, after Close
	Sealer    *keys.Sealer
	Metrics   *metrics.Metrics  // nil counts nothing
	Logger    *slog.Logger      // nil = discards
	Now       func() time.Time  // nil = time.Now
	Transport http.RoundTripper // for calls to WeChat; nil = a private one that honours HTTPS_PROXY
}

// App is the gateway, ready to serve. It is safe for concurrent use.
type App struct {
	o       Options
	store   gateway.Store // o.Store, counted
	ring    *keys.Set
	served  atomic.Pointer[http.Handler]
	keep    atomic.Int64 // Config.Events.Keep, for the sweeper
	ready   readiness
	stop    context.CancelFunc
	running sync.WaitGroup

	drain    sync.Once
	draining chan struct{} // closed by Drain
}

// New wires the gateway and starts its work in the background (keys that rotate, rows that expire). ctx bounds the start, which makes the signing keys
// when the store has none. All problems of the settings are reported at once, joined.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Config == nil || o.Store == nil || o.Sealer == nil {
		return nil, errors.New("app: Options.Config, Store and Master are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ring, err := keys.OpenSet(ctx, keys.SetConfig{Store: o.Store, Sealer: o.Sealer, Keep: KeepKeys(o.Config), Now: o.Now, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("app: signing keys: %w", err)
	}
	a := &App{o: o, ring: ring, store: o.Metrics.Store(o.Store), draining: make(chan struct{})}
	if err := a.Reload(o.Config); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	a.running.Go(func() { ring.Run(background) })
	a.running.Go(func() { a.sweep(background) })
	return a, nil
}

// Handler serves everything that people and apps ask for, /healthz and /readyz included.
func (a *App) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*a.served.Load()).ServeHTTP(w, r) })
}

// Keys are the signing keys, for the commands that list and rotate them.
func (a *App) Keys() *keys.Set { return a.ring }

// Drain answers the requests that wait for something to happen, and lets no further one wait, so that a server that is told to stop need not wait for
// them. It is for the moment before the server stops; what is short goes on.
func (a *App) Drain() { a.drain.Do(func() { close(a.draining) }) }

// Close ends the work in the background, and waits for it until ctx ends. The server in front must have stopped before.
func (a *App) Close(ctx context.Context) error {
	a.stop()
	done := make(chan struct{})
	go func() {
		a.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reload puts a new configuration in place, whole or not at all. Requests that are under way end by the old one; sessions, pending sign-ins and signing
// keys go on. It is for what config's Changes lets change while serving; url, listen, metrics, store and master key stay as they were at the start.
func (a *App) Reload(c *config.Config) error {
	if c.URL != a.o.Config.URL {
		return errors.New("app: url cannot be changed while serving: cookies and tokens hold it; restart for that")
	}
	h, err := a.build(c)
	if err != nil {
		return err
	}
	a.ring.SetKeep(KeepKeys(c))
	a.keep.Store(int64(c.Events.Keep))
	a.served.Store(&h)
	return nil
}

// build wires the rooms, from those that need nobody to those that need all.
func (a *App) build(c *config.Config) (http.Handler, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(c.URL, "/") {
		return nil, fmt.Errorf("app: url %q: want scheme, host and perhaps a path, without a slash at the end", c.URL)
	}
	origin := u.Scheme + "://" + u.Host
	requestID := route.RequestID
	var pictures []string // the simulator shows its own
	for _, e := range c.WeChat {
		if p := originOf(e.Open); p != "" && !slices.Contains(pictures, p) {
			pictures = append(pictures, p)
		}
	}

	site, err := web.New(web.Config{Names: siteNames(c.Names), Pictures: pictures, RequestID: requestID, Logger: a.o.Logger})
	if err != nil {
		return nil, err
	}
	sessions := &session.Manager{
		Sessions: a.store, Grants: a.store, Cookies: cookie.For(u, "weigate"),
		Idle: c.Session.Idle, Max: c.Session.Max, Now: a.o.Now, OnError: a.unrecorded,
	}
	rules := access.Rules{Identities: a.store}
	apps, err := oidc.NewRegistry(clients(c.Apps))
	if err != nil {
		return nil, err
	}

	var provider *oidc.Handler
	var old *relay.Handler
	var proxies *forwardauth.Handler
	var phones *scan.Handler
	var byPhone func(http.ResponseWriter, *http.Request, session.LoginRequest) error
	if hasAccount(c.WeChat) {
		byPhone = func(w http.ResponseWriter, r *http.Request, d session.LoginRequest) error {
			return phones.Begin(w, r, d)
		}
	}
	people, err := signin.New(signin.Config{
		URL: c.URL, Insecure: c.Insecure, Keys: a.o.Sealer.Derive("login flow"), Connectors: a.connectors(c.WeChat),
		Users: a.store, Attempts: a.store, Events: a.store, Sessions: sessions, Site: site,
		Scan: byPhone, Agreement: agreement(c.Names), ProfileMaxAge: c.ProfileMaxAge, Pictures: pictures,
		RequestID: requestID, Observe: a.observeSignIn, Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return nil, err
	}
	provider, err = oidc.New(oidc.Config{
		Issuer: c.URL, Insecure: c.Insecure, Clients: func() *oidc.Registry { return apps },
		SignIn: people, Access: rules, Pages: oidcPages{site, u.EscapedPath() + "/"},
		Users: a.store, Subjects: a.store, Grants: a.store, Events: a.store, Keys: a.ring, Sealer: a.o.Sealer,
		Address: route.Address, RequestID: requestID, Observe: a.observeOIDC, Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return nil, err
	}
	old, err = relay.New(relay.Config{
		URL: c.URL, Apps: relayApps(c.Apps), VerifyFiles: c.VerifyFiles,
		SignIn: people, Access: rules, Pages: relayPages{site, u.EscapedPath() + "/"},
		Users: a.store, Grants: a.store, Sealer: a.o.Sealer,
		InWeChat: inWeChatBrowser, Address: route.Address, RequestID: requestID, Observe: a.observeRelay, Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return nil, err
	}

	proxies, err = forwardauth.New(forwardauth.Config{
		URL: c.URL, Insecure: c.Insecure, TrustedProxies: c.TrustedProxies, Apps: sites(c.Apps), Cache: c.VerifyCache, SessionMax: c.Session.Max,
		SignIn: people, Sessions: sessions, Access: rules, Pages: forwardPages{site},
		Users: a.store, Grants: a.store, Attempts: a.store, Subjects: a.store, Events: a.store, Keys: a.ring, Sealer: a.o.Sealer,
		RequestID: requestID, Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return nil, err
	}

	phones, err = scan.New(scan.Config{
		URL: c.URL, Keys: a.o.Sealer.Derive("scan"), InWeChat: inWeChat(c.WeChat), Apps: configured(c.Apps), Site: site, Phone: simulatedPhone(c.WeChat),
		SignIn: people, Sessions: sessions, Tickets: a.store, Users: a.store, Events: a.store, Stopping: a.draining,
		Address: route.Address, RequestID: requestID, Observe: a.observeScan, Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return nil, err
	}

	mux := route.NewMux()
	people.Mount(mux)
	phones.Mount(mux)
	provider.Mount(mux)
	old.Mount(mux)
	proxies.Mount(mux)
	health{a, u.EscapedPath()}.Mount(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { site.Fail(w, r, web.NotFound) })
	front, err := route.New(route.Config{
		Origin: origin, TrustedProxy: c.TrustedProxies, Mux: mux,
		CookiePrefix: []string{"__Host-weigate", "__Secure-weigate", "weigate"}, SessionCookie: people.SessionCookie(), Strict: u.Scheme == "https" && u.Path == "",
		Fail: failure(site), Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return nil, err
	}
	return front.Wrap(a.o.Metrics.HTTP(mux)), nil
}

// entries makes the clients of the official accounts and website apps, each with the appids that it shares unionids with.
func (a *App) connectors(all []config.Connector) []signin.Connector {
	var out []signin.Connector
	for _, e := range all {
		c := &wechat.Client{AppID: e.AppID, Secret: e.Secret, APIURL: e.API, OpenURL: e.Open}
		if a.o.Transport != nil {
			c.HTTPClient = &http.Client{Transport: a.o.Transport}
		}
		if a.o.Metrics != nil {
			c.OnCall = a.o.Metrics.WeChat
		}
		connector := signin.Connector{Name: e.Name, Website: e.Kind == config.Website, Client: c, OpenPlatform: e.OpenPlatform, AnyBrowser: e.AnyBrowser}
		for _, other := range all {
			if other.AppID == e.AppID || e.OpenPlatform != "" && other.OpenPlatform == e.OpenPlatform {
				connector.Group = append(connector.Group, other.AppID)
			}
		}
		out = append(out, connector)
	}
	return out
}

// clients are the apps of kind oidc in the words of OpenID Connect.
func clients(apps []config.App) []oidc.Client {
	var out []oidc.Client
	for _, c := range apps {
		if c.Kind != gateway.AppOIDC {
			continue
		}
		client := oidc.Client{
			App: c.App, Public: c.Public, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, Subject: c.Subject,
			Email: oidc.EmailPolicy(c.Email), IDTokenAlg: c.IDTokenAlg, IDTokenClaims: c.IDTokenClaims, Lifetimes: oidc.Lifetimes(c.Lifetimes),
		}
		for _, s := range c.Secrets {
			client.Secrets = append(client.Secrets, oidc.HashSecret(string(s)))
		}
		out = append(out, client)
	}
	return out
}

// names are the operator's words on the pages.
func siteNames(n config.Names) web.Names {
	return web.Names{Title: n.Title, Footer: n.Footer, PrivacyURL: n.PrivacyURL, ICP: n.ICP}
}

// agreement is what people agree to before they sign in; "" = nothing.
func agreement(n config.Names) string {
	if n.Agreement {
		return n.PrivacyURL
	}
	return ""
}

// originOf is where an address is, or "" for WeChat's own.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.HasSuffix(u.Hostname(), ".weixin.qq.com") {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
