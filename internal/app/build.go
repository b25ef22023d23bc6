package app

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// services are the values that several features use.
type services struct {
	url      *url.URL // of the gateway
	site     *web.Site
	sessions *session.Manager
	policy   access.Policy
	signIn   *signin.Handler
}

// build makes the handler of a configuration: the services, then the features that use them, then
// the routes.
func (a *App) build(c *config.Config) (http.Handler, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(c.URL, "/") {
		return nil, fmt.Errorf("app: url %q: want scheme, host and perhaps a path, without a slash at the end", c.URL)
	}
	site, err := web.New(web.Config{
		Names:    web.Names{Title: c.Site.Title, Footer: c.Site.Footer, PrivacyURL: c.Site.PrivacyURL, ICP: c.Site.ICP},
		Pictures: pictureOrigins(c.WeChat), RequestID: route.RequestID, Logger: a.o.Logger,
	})
	if err != nil {
		return nil, err
	}
	sessions := &session.Manager{
		Sessions: a.store, Grants: a.store, Cookies: cookie.For(u, "weigate"), Idle: c.Session.Idle, Max: c.Session.Max,
		Now: a.o.Now, OnError: a.sessionUseNotRecorded,
	}
	s := &services{url: u, site: site, sessions: sessions, policy: access.Rules{Identities: a.store}}
	byScan, err := a.newScan(c, s)
	if err != nil {
		return nil, err
	}
	if s.signIn, err = a.newSignIn(c, s, byScan); err != nil {
		return nil, err
	}
	provider, err := a.newOIDC(c, s)
	if err != nil {
		return nil, err
	}
	relays, err := a.newRelay(c, s)
	if err != nil {
		return nil, err
	}
	forwardAuth, err := a.newForwardAuth(c, s)
	if err != nil {
		return nil, err
	}
	mux := route.NewMux()
	s.signIn.Mount(mux)
	byScan.Mount(mux, s.signIn)
	provider.Mount(mux)
	relays.Mount(mux)
	forwardAuth.Mount(mux)
	health{a, u.EscapedPath()}.Mount(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { site.Fail(w, r, web.NotFound) })
	router, err := route.New(route.Config{
		Origin: u.Scheme + "://" + u.Host, TrustedProxy: c.TrustedProxies, Mux: mux,
		CookiePrefix:  []string{"__Host-weigate", "__Secure-weigate", "weigate"},
		SessionCookie: s.signIn.SessionCookie(),
		Strict:        u.Scheme == "https" && u.Path == "", Fail: failWith(site), Logger: a.o.Logger, Now: a.o.Now,
	})
	if err != nil {
		return nil, err
	}
	return router.Wrap(a.o.Metrics.HTTP(mux)), nil
}

func (a *App) newSignIn(c *config.Config, s *services, byScan *scan.Handler) (*signin.Handler, error) {
	cfg := signin.Config{
		URL: c.URL, Insecure: c.Insecure, Keys: a.o.Sealer.Derive("login flow"), Connectors: a.connectors(c.WeChat),
		Users: a.store, Attempts: a.store, Events: a.store, Sessions: s.sessions, Site: s.site,
		Agreement: agreementURL(c.Site), ProfileMaxAge: c.ProfileMaxAge, Pictures: pictureOrigins(c.WeChat),
		RequestID: route.RequestID, Observe: a.observeSignIn, Logger: a.o.Logger, Now: a.o.Now,
	}
	if hasOfficialAccount(c.WeChat) {
		cfg.Scan = byScan.Begin
	}
	return signin.New(cfg)
}

func (a *App) newScan(c *config.Config, s *services) (*scan.Handler, error) {
	return scan.New(scan.Config{
		URL: c.URL, Keys: a.o.Sealer.Derive("scan"), InWeChat: inWeChat(c.WeChat), Apps: appsByID(c.Apps), Site: s.site,
		Phone: simulatedPhone(c.WeChat), Sessions: s.sessions, Tickets: a.store, Users: a.store, Events: a.store,
		Stopping: a.draining, Address: route.Address, RequestID: route.RequestID, Observe: a.observeScan,
		Logger: a.o.Logger, Now: a.o.Now,
	})
}

func (a *App) newOIDC(c *config.Config, s *services) (*oidc.Handler, error) {
	apps, err := oidc.NewRegistry(oidcClients(c.Apps))
	if err != nil {
		return nil, err
	}
	return oidc.New(oidc.Config{
		Issuer: c.URL, Insecure: c.Insecure, Clients: func() *oidc.Registry { return apps },
		SignIn: s.signIn, Access: s.policy, Site: s.site, Users: a.store, Subjects: a.store, Grants: a.store,
		Events: a.store,
		Keys:   a.signingKeys, Sealer: a.o.Sealer,
		RequestID: route.RequestID, Observe: a.observeOIDC, Logger: a.o.Logger, Now: a.o.Now,
	})
}

func (a *App) newRelay(c *config.Config, s *services) (*relay.Handler, error) {
	return relay.New(relay.Config{
		URL: c.URL, Apps: relayApps(c.Apps), VerifyFiles: c.VerifyFiles,
		SignIn: s.signIn, Access: s.policy, Site: s.site, Users: a.store, Grants: a.store, Sealer: a.o.Sealer,
		InWeChat: flow.FromWeChat, RequestID: route.RequestID, Observe: a.observeRelay, Logger: a.o.Logger,
		Now: a.o.Now,
	})
}

func (a *App) newForwardAuth(c *config.Config, s *services) (*forwardauth.Handler, error) {
	return forwardauth.New(forwardauth.Config{
		URL: c.URL, Insecure: c.Insecure, TrustedProxies: c.TrustedProxies, Apps: forwardAuthApps(c.Apps),
		Cache:      c.VerifyCache,
		SessionMax: c.Session.Max, SignIn: s.signIn, Sessions: s.sessions, Access: s.policy, Site: s.site,
		Users: a.store, Grants: a.store,
		Attempts: a.store, Subjects: a.store, Events: a.store, Keys: a.signingKeys, Sealer: a.o.Sealer,
		RequestID: route.RequestID, Logger: a.o.Logger, Now: a.o.Now,
	})
}

// agreementURL returns the address of the terms to which users agree before they sign in; "" = none.
func agreementURL(n config.Site) string {
	if n.Agreement {
		return n.PrivacyURL
	}
	return ""
}

// failWith returns the function that responds to requests that the router rejects.
func failWith(site *web.Site) func(http.ResponseWriter, *http.Request, route.Failure) {
	kinds := map[route.Failure]web.Kind{route.Panicked: web.Fault, route.ForeignForm: web.ForeignForm,
		route.TooMany: web.TooMany}
	return func(w http.ResponseWriter, r *http.Request, f route.Failure) { site.Fail(w, r, kinds[f]) }
}

// connectors returns the connectors for package signin, each with its WeChat client and the appids
// that share unionids with it.
func (a *App) connectors(all []config.Connector) []signin.Connector {
	var out []signin.Connector
	for _, c := range all {
		client := &wechat.Client{AppID: c.AppID, Secret: c.Secret, APIURL: c.API, OpenURL: c.Open}
		if a.o.Transport != nil {
			client.HTTPClient = &http.Client{Transport: a.o.Transport}
		}
		if a.o.Metrics != nil {
			client.OnCall = a.o.Metrics.WeChat
		}
		connector := signin.Connector{
			Name: c.Name, Website: c.Kind == config.Website, Client: client, OpenPlatform: c.OpenPlatform,
			AnyBrowser: c.AnyBrowser,
		}
		for _, other := range all {
			if other.AppID == c.AppID || c.OpenPlatform != "" && other.OpenPlatform == c.OpenPlatform {
				connector.Group = append(connector.Group, other.AppID)
			}
		}
		out = append(out, connector)
	}
	return out
}

// hasOfficialAccount reports whether an official account is configured. Phones need one to confirm
// a scan.
func hasOfficialAccount(connectors []config.Connector) bool {
	return slices.ContainsFunc(connectors, func(c config.Connector) bool { return c.Kind == config.OfficialAccount })
}

// inWeChat returns the function by which sign-in recognizes WeChat's browser. With AnyBrowser (for
// a simulator) every browser counts as WeChat's.
func inWeChat(connectors []config.Connector) func(*http.Request) bool {
	if slices.ContainsFunc(connectors, func(c config.Connector) bool { return c.AnyBrowser }) {
		return func(*http.Request) bool { return true }
	}
	return flow.FromWeChat
}

// simulatedPhone returns the address of the simulator's control page, on which its phones are; "" =
// no simulator.
func simulatedPhone(connectors []config.Connector) string {
	for _, c := range connectors {
		if c.Control != "" {
			return c.Control
		}
	}
	return ""
}

// pictureOrigins returns the origins, besides WeChat's, from which pages may load pictures: a
// simulator serves its own.
func pictureOrigins(connectors []config.Connector) []string {
	var out []string
	for _, c := range connectors {
		if o := foreignOrigin(c.Open); o != "" && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// foreignOrigin returns the origin of an address, or "" for WeChat's own.
func foreignOrigin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.HasSuffix(u.Hostname(), ".weixin.qq.com") {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// oidcClients returns the apps of kind oidc.
func oidcClients(apps []config.App) []oidc.Client {
	var out []oidc.Client
	for _, a := range apps {
		if a.Kind == gateway.AppOIDC {
			out = append(out, oidc.Client{
				App: a.App, Secrets: secretHashes(a), Public: a.Public, RedirectURIs: a.RedirectURIs,
				PostLogoutRedirectURIs: a.PostLogoutRedirectURIs,
				Subject:                a.Subject, Email: oidc.EmailPolicy(a.Email), IDTokenAlg: a.IDTokenAlg,
				IDTokenClaims: a.IDTokenClaims,
				Lifetimes:     oidc.Lifetimes(a.Lifetimes),
			})
		}
	}
	return out
}

// relayApps returns the apps of kind relay.
func relayApps(apps []config.App) []relay.App {
	var out []relay.App
	for _, a := range apps {
		if a.Kind == gateway.AppRelay {
			out = append(out, relay.App{
				App: a.App, AppID: a.AppID, Secrets: secretHashes(a), Connector: a.Connector,
				WebsiteConnector: a.WebsiteConnector, ReturnHosts: a.ReturnHosts,
			})
		}
	}
	return out
}

// forwardAuthApps returns the apps of kind forward_auth.
func forwardAuthApps(apps []config.App) []forwardauth.App {
	var out []forwardauth.App
	for _, a := range apps {
		if a.Kind == gateway.AppForwardAuth {
			out = append(out, forwardauth.App{App: a.App, Hosts: a.Hosts, Subject: a.Subject})
		}
	}
	return out
}

func secretHashes(a config.App) []route.SecretHash {
	var out []route.SecretHash
	for _, s := range a.Secrets {
		out = append(out, route.HashSecret(string(s)))
	}
	return out
}

// appsByID returns the lookup of an app of any kind by its id.
func appsByID(apps []config.App) func(id string) (gateway.App, bool) {
	byID := map[string]gateway.App{}
	for _, a := range apps {
		byID[a.ID] = a.App
	}
	return func(id string) (gateway.App, bool) {
		a, found := byID[id]
		return a, found
	}
}
