package app

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// services are the parts that several features share. The features are the packages that serve
// routes: signin, scan, oidc, relay (WeChat's own protocol for apps) and forwardauth.
type services struct {
	site     *web.Site
	saved    *savedrequest.Requests // requests that are too long for a cookie
	sessions *session.Manager
	policy   access.Policy  // which users may use which apps
	appIDs   gateway.AppIDs // of the connectors
	signIn   *signin.Handler
	requests *accessrequest.Requests // who wants to use which app

	administrationServices
}

// build builds the handler for one configuration: the routes, and the router around them.
func (a *App) build(c *config.Config) (http.Handler, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(c.URL, "/") {
		return nil, fmt.Errorf("app: url %q: want scheme, host and perhaps a path, without a slash at the end", c.URL)
	}
	mux, s, err := a.mount(c, u)
	if err != nil {
		return nil, err
	}
	router, err := route.New(route.Config{
		Origin: u.Scheme + "://" + u.Host, TrustedProxies: c.TrustedProxies, Mux: mux,
		// The names of the gateway's cookies begin with these. The router removes all other cookies.
		CookiePrefixes: []string{"__Host-weigate", "__Secure-weigate", "weigate"},
		Limits:         a.limits, Browser: s.sessions.BrowserKey, OnHidingProxy: a.notices.hidingProxy,
		// Strict-Transport-Security applies to the whole host. If the gateway's URL has a path, the
		// host also serves other pages, and the gateway must not decide for them.
		HSTS: u.Scheme == "https" && u.Path == "",
		Fail: failureResponse(s.api, failurePage(s.site)), Logger: a.options.Logger, Now: a.options.Now,
	})
	if err != nil {
		return nil, err
	}
	return router.Wrap(a.options.Metrics.HTTP(mux)), nil
}

// mount builds the services and the features that use them, and registers the routes of the
// features. u is the gateway's URL.
func (a *App) mount(c *config.Config, u *url.URL) (*route.Mux, *services, error) {
	site, err := web.New(web.Config{
		Texts: siteTexts(c.Site), TextsIn: siteTextsIn(c.Site), TimeZone: c.Site.TimeZone,
		Look: web.Look{Logo: c.Site.Logo, LogoDark: c.Site.LogoDark, Icon: c.Site.Icon, Color: c.Site.Color,
			Police: c.Site.PoliceIcon},
		Pictures: pictureOrigins(c.WeChat), Home: c.URL + "/", RequestID: route.RequestID, Logger: a.options.Logger,
	})
	if err != nil {
		return nil, nil, err
	}
	s := &services{
		site: site, policy: access.Rules{Identities: a.store}, appIDs: appIDs(c.WeChat),
		sessions: &session.Manager{
			Sessions: a.store, Grants: a.store, Cookies: cookie.For(u, "weigate"), AppIDs: appIDs(c.WeChat),
			Keys: a.options.Sealer.Derive("session cookie"), Idle: c.Session.Idle, Max: c.Session.Max,
			Now: a.options.Now, OnError: a.logSessionError, Agreement: agreementOf(c.Site).Hash,
		},
	}
	s.saved, err = savedrequest.New(savedrequest.Config{
		URL: c.URL, Keys: a.options.Sealer.Derive("saved request"), Store: a.store, Site: site, Limits: a.limits,
		Now: a.options.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	if s.requests, err = a.newAccessRequests(c, s); err != nil {
		return nil, nil, err
	}
	// Package signin redirects desktop browsers to packages scan and chat, and these two create sessions
	// through signin. So scan and chat are built first. They get the handler of signin when Mount
	// registers their routes.
	scanHandler, err := a.newScan(c, s)
	if err != nil {
		return nil, nil, err
	}
	chats, err := a.newChats(c, s)
	if err == nil {
		s.signIn, err = a.newSignIn(c, s, scanHandler, chats)
	}
	if err != nil {
		return nil, nil, err
	}
	relayHandler, err := a.newRelay(c, s)
	if err != nil {
		return nil, nil, err
	}
	oidcHandler, err := a.newOIDC(c, s)
	if err != nil {
		return nil, nil, err
	}
	forwardAuthHandler, err := a.newForwardAuth(c, s)
	if err == nil {
		err = a.addAPI(c, s)
	}
	if err != nil {
		return nil, nil, err
	}
	invitations, err := a.newInvitations(c, s)
	if err != nil {
		return nil, nil, err
	}
	mux := route.NewMux()
	mountFiles(mux, site, u.EscapedPath())
	s.saved.Mount(mux)
	s.requests.Mount(mux)
	invitations.Mount(mux)
	s.signIn.Mount(mux)
	scanHandler.Mount(mux, s.signIn)
	chats.mount(mux, s, u.EscapedPath())
	oidcHandler.Mount(mux)
	relayHandler.Mount(mux)
	forwardAuthHandler.Mount(mux)
	s.api.Mount(mux)
	if err := a.mountPages(c, s, mux); err != nil {
		return nil, nil, err
	}
	a.mountHealth(mux, u.EscapedPath())
	a.mountNotFound(mux, site, u, c)
	return mux, s, nil
}

// failurePage returns the function that serves the error page for a request that the router
// rejects.
func failurePage(site *web.Site) func(http.ResponseWriter, *http.Request, route.Failure) {
	kinds := map[route.Failure]web.Kind{
		route.Panicked: web.Fault, route.ForeignForm: web.ForeignForm, route.TooMany: web.TooMany,
	}
	return func(w http.ResponseWriter, r *http.Request, f route.Failure) { site.Fail(w, r, kinds[f]) }
}

func (a *App) newScan(c *config.Config, s *services) (*scan.Handler, error) {
	return scan.New(scan.Config{
		URL: c.URL, Keys: a.options.Sealer.Derive("scan"), InWeChat: inWeChat(c.WeChat), Apps: appsByID(c.Apps),
		Site: s.site, Phone: simulatorControl(c.WeChat), Sessions: s.sessions, Tickets: a.store, Limits: a.limits,
		TicketLimits: a.options.ticketLimits,
		Users:        a.store, Events: a.store, Stopping: a.draining, Address: route.Address, RequestID: route.RequestID,
		Observe: a.observeScan, Logger: a.options.Logger, Now: a.options.Now,
	})
}

func (a *App) newSignIn(c *config.Config, s *services, scanHandler *scan.Handler, chats *chats) (
	*signin.Handler, error) {
	cfg := signin.Config{
		URL: c.URL, Insecure: c.Insecure, Keys: a.options.Sealer.Derive("login flow"), Connectors: a.connectors(c),
		Users: a.store, Attempts: a.store, Events: a.store, Sessions: s.sessions, Site: s.site, Saved: s.saved,
		Limits:        a.limits,
		ProfileMaxAge: c.ProfileMaxAge, Pictures: pictureOrigins(c.WeChat),
		RequestID: route.RequestID, Observe: a.observeSignIn, Logger: a.options.Logger, Now: a.options.Now,
	}
	cfg.Agreement, cfg.Agreements = agreementOf(c.Site), a.store
	// Sign-in by QR code needs an official account: the phone that scans the code signs in there.
	if hasOfficialAccount(c.WeChat) {
		cfg.Scan = scanHandler.Begin
	}
	if chats.handler != nil {
		cfg.Chat = chats.handler.Begin
	}
	return signin.New(cfg)
}

func (a *App) newOIDC(c *config.Config, s *services) (*oidc.Handler, error) {
	clients, err := oidc.NewRegistry(oidcClients(c.Apps))
	if err != nil {
		return nil, err
	}
	return oidc.New(oidc.Config{
		Issuer: c.URL, Insecure: c.Insecure, Clients: func() *oidc.Registry { return clients },
		SignIn: s.signIn, Access: s.policy, Site: s.site, Saved: s.saved, Requests: s.requests,
		Users: a.store, AppIDs: s.appIDs,
		Subjects: a.store, Grants: a.store, Events: a.store, Keys: a.signingKeys, Sealer: a.options.Sealer,
		Limits: a.limits, SignInOrigins: openOrigins(c.WeChat),
		RequestID: route.RequestID, Observe: a.observeOIDC, Logger: a.options.Logger, Now: a.options.Now,
	})
}

func (a *App) newRelay(c *config.Config, s *services) (*relay.Handler, error) {
	return relay.New(relay.Config{
		URL: c.URL, Apps: relayApps(c.Apps), VerifyFiles: c.VerifyFiles,
		SignIn: s.signIn, Access: s.policy, Site: s.site, Saved: s.saved, Requests: s.requests,
		Users: a.store, AppIDs: s.appIDs,
		Grants: a.store,
		Sealer: a.options.Sealer,
		// relay must know the actual browser, even with a simulator. The reason: WeChat's browser
		// treats the fragment of a redirect differently from other browsers.
		InWeChat: useragent.InWeChat, Limits: a.limits,
		RequestID: route.RequestID, Observe: a.observeRelay, Logger: a.options.Logger, Now: a.options.Now,
	})
}

func (a *App) newForwardAuth(c *config.Config, s *services) (*forwardauth.Handler, error) {
	return forwardauth.New(forwardauth.Config{
		URL: c.URL, Insecure: c.Insecure, TrustedProxies: c.TrustedProxies, Apps: forwardAuthApps(c.Apps),
		Cache: c.VerifyCache, SessionMax: c.Session.Max,
		SignIn: s.signIn, Sessions: s.sessions, Access: s.policy, Site: s.site, Saved: s.saved,
		Requests: s.requests, Users: a.store,
		AppIDs:   s.appIDs,
		Grants:   a.store,
		Attempts: a.store, Subjects: a.store, Events: a.store, Keys: a.signingKeys, Sealer: a.options.Sealer,
		OtherHosts: hostsOfClients(c.Apps),
		RequestID:  route.RequestID, Observe: a.observeForwardAuth, Logger: a.options.Logger, Now: a.options.Now,
	})
}

// The functions below convert parts of the configuration to the types of the features.

// connectors returns the connectors for package signin, each with its WeChat client.
func (a *App) connectors(c *config.Config) []signin.Connector {
	var out []signin.Connector
	for _, conn := range c.WeChat {
		client := a.wechatClient(conn)
		out = append(out, signin.Connector{
			Name: conn.Name, Website: conn.Kind == config.Website, ChatOnly: conn.Kind == config.SubscriptionAccount,
			Message: slices.Contains(conn.Methods(), config.MethodMessage),
			Follow:  slices.Contains(conn.Methods(), config.MethodFollow), Client: client, AnyBrowser: conn.AnyBrowser,
			OpenPlatform: conn.OpenPlatform, Group: c.AppIDsSharingUnionIDs(conn),
			ExchangesPerMinute: cmp.Or(c.Limits.WeChatCalls, limit.WeChatCalls),
		})
	}
	return out
}

// appIDs returns the appid of each connector.
func appIDs(connectors []config.Connector) gateway.AppIDs {
	out := gateway.AppIDs{}
	for _, c := range connectors {
		out[c.Name] = c.AppID
	}
	return out
}

func hasOfficialAccount(connectors []config.Connector) bool {
	return slices.ContainsFunc(connectors, func(c config.Connector) bool { return c.Kind == config.OfficialAccount })
}

// inWeChat returns a function that reports whether a request comes from WeChat's browser. Official
// accounts work only in this browser. With any_browser, a simulator serves its pages to every
// browser. The function then returns true for every request.
func inWeChat(connectors []config.Connector) func(*http.Request) bool {
	if slices.ContainsFunc(connectors, func(c config.Connector) bool { return c.AnyBrowser }) {
		return func(*http.Request) bool { return true }
	}
	return useragent.InWeChat
}

// simulatorControl returns the URL of the simulator's control page, which shows the simulated
// phones, or "" without a simulator.
func simulatorControl(connectors []config.Connector) string {
	for _, c := range connectors {
		if c.Control != "" {
			return c.Control
		}
	}
	return ""
}

// openOrigins returns the origins of the pages at which users sign in: the pages of WeChat, or of
// simulators.
func openOrigins(connectors []config.Connector) []string {
	var origins []string
	for _, c := range connectors {
		u, err := url.Parse(c.Open)
		if err != nil || u.Host == "" {
			continue
		}
		origin := u.Scheme + "://" + u.Host
		if !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	return origins
}

// pictureOrigins returns the origins of simulators. A simulator serves the avatars of its users, so
// the gateway's pages must be allowed to load pictures from it. WeChat's own hosts for avatars are
// always allowed.
func pictureOrigins(connectors []config.Connector) []string {
	return slices.DeleteFunc(openOrigins(connectors), func(origin string) bool {
		return strings.HasSuffix(origin, ".weixin.qq.com")
	})
}

// oidcClients returns the apps of kind oidc.
func oidcClients(apps []config.App) []oidc.Client {
	var out []oidc.Client
	for _, a := range apps {
		if a.Kind == gateway.AppOIDC {
			out = append(out, oidc.Client{
				App: a.App, Secrets: secretHashes(a.Secrets), Public: a.Public, RedirectURIs: a.RedirectURIs,
				PostLogoutRedirectURIs: a.PostLogoutRedirectURIs, ResponseModes: a.ResponseModes,
				BackchannelLogoutURI: a.BackchannelLogoutURI,
				Subject:              a.Subject, Email: oidc.EmailPolicy(a.Email),
				RequirePKCE: a.RequirePKCE, OmitIss: a.OmitIss, Origins: a.Origins, EmailVerified: a.EmailVerified,
				IDTokenAlg: a.IDTokenAlg, IDTokenClaims: a.IDTokenClaims, OldIDClaim: a.OldIDClaim, Claims: a.Claims,
				Lifetimes: oidc.Lifetimes(a.Lifetimes),
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
				App: a.App, AppID: a.AppID, Secrets: secretHashes(a.Secrets), Connector: a.Connector,
				WebsiteConnector: a.WebsiteConnector, ReturnURLs: a.ReturnURLs,
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
			out = append(out, forwardauth.App{App: a.App, Hosts: a.Hosts, Subject: a.Subject,
				Preflight: a.Preflight})
		}
	}
	return out
}

// hostsOfClients returns the names of the hosts at which apps of the kinds oidc and relay receive
// codes.
func hostsOfClients(apps []config.App) []string {
	var out []string
	for _, a := range apps {
		for _, address := range slices.Concat(a.RedirectURIs, a.PostLogoutRedirectURIs, a.ReturnURLs) {
			if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
				out = append(out, strings.ToLower(u.Hostname()))
			}
		}
	}
	return out
}

func secretHashes(secrets []wechat.Secret) []route.SecretHash {
	var out []route.SecretHash
	for _, s := range secrets {
		out = append(out, route.HashSecret(string(s)))
	}
	return out
}

// appsByID returns a function that finds an app of any kind by its id.
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
