// Package signin signs users in at WeChat for the gateway: it sends browsers to WeChat, records users
// and creates sessions. It uses package flow for the authorization at WeChat, so a callback may be
// repeated, and another replica may serve it.
//
// The names to know are [New] with its [Config], [Handler.Mount], and what the features call:
// [Handler.Session] (who is this browser), [Handler.Begin] (sign in), [Handler.AskProfile]
// (nickname and avatar), [Handler.CreateSession] (a user was authenticated by other means) and
// [Handler.End] (sign out).
//
// Which sign-in method (登录方式) a browser gets:
//
//	in WeChat                   wechat, through an official account; else a page that says to open another browser
//	elsewhere                   scan or website, as the app accepts; the user chooses where there are both
//	a phone outside WeChat      scan; without it, a page with the link for WeChat
//
// Its addresses:
//
//	GET  /                      the user's own page, or a button that signs in
//	GET  /sign-in?return=/x     starts a sign-in
//	     …&method=scan|website    remembers the method for some minutes, then starts; choose forgets it
//	     ?method=…&restart=…      the same, and then starts the app's request from the beginning
//	GET  /wechat/callback       code redeemed, user recorded, session created, 303 to the return address;
//	                            also /wechat/callback/CONNECTOR for each connector but the first
//	GET  /sign-in/lost          a callback that belongs to no sign-in of this browser
//	GET  /sign-in/ended         a callback that failed
//	POST /sign-in/agreement     remembers in the browser that the user agreed, then starts the sign-in
//	GET  /sign-in/profile       asks for nickname and avatar (头像昵称)
//	POST /sign-in/profile       "continue without", remembered for the session
//	GET  /sign-out              a page with a button
//	POST /sign-out              ends the session of this browser
//	POST /sign-out/everywhere   ends every session of the user, and revokes the grants of apps
//	GET  /sign-in/me            who is signed in, as JSON
//
// When WeChat does not return nickname and avatar although the user agreed, the user is signed in
// without them, and is asked again in the next session. Virtual users of snapshot pages (快照页)
// are never signed in. WeChat's tokens are not stored.
//
// The package does not decide who may use which app, and contains nothing of OpenID Connect.
package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// Connector is an official account (服务号) or a website app (网站应用) through which users sign in.
type Connector struct {
	Name         string // as in the configuration; identities and events refer to it
	Client       *wechat.Client
	Website      bool     // a website app: WeChat shows a QR code, in browsers that are not WeChat's
	OpenPlatform string   // name of the group of connectors that share unionids; "" = none
	Group        []string // appids of that group, this one included
	AnyBrowser   bool     // development: every browser counts as WeChat's
}

// Config is the configuration of a [Handler]. Fields are required unless marked optional.
type Config struct {
	URL        string      // the gateway's own address; may have a path
	Insecure   bool        // optional: plain http at a private address
	Keys       [][]byte    // seal the flow cookies: the first seals, all open
	Connectors []Connector // users sign in through the first, unless a login request names another
	Users      gateway.Users
	Attempts   gateway.Attempts
	Sessions   *session.Manager
	Events     gateway.Events
	Site       *web.Site

	// Scan sends a browser that is not WeChat's to the page where the user scans the gateway's QR
	// code with a phone. It always answers the request; an error means that nothing was written to w. Optional:
	// nil disables the method.
	Scan func(w http.ResponseWriter, r *http.Request, d session.LoginRequest) error

	// Agreement is the address of the terms that users accept, by ticking a box, before their
	// browser is sent to WeChat for the first time. When it changes, every user is asked again.
	// Optional: with "" nobody is asked.
	Agreement string

	ProfileMaxAge time.Duration // optional: the age at which nickname and avatar are requested again; 0 = 720 h
	Pictures      []string      // optional: origins, besides WeChat's, of avatars

	RequestID func(context.Context) string      // optional
	Observe   func(context.Context, flow.Event) // optional
	Logger    *slog.Logger                      // optional
	Now       func() time.Time                  // optional
}

// Handler signs users in. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg        Config
	connectors []*connector
	returns    flow.ReturnPolicy
	origin     string
	path       string // of the gateway's own address; "" at the root
	cookies    cookie.Set
	restarts   *seal.Sealer
	events     audit.Recorder
	agreed     agreement
	prefer     preference
}

// connector is a Connector with its engine. The engines share sessions and pending sign-ins. Each has
// its own callback, so that a code is redeemed with the secret of the appid that it was issued for.
type connector struct {
	Connector
	engine   *flow.Engine
	callback string
}

// New checks the configuration and returns a Handler. The error joins all problems.
func New(cfg Config) (*Handler, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ProfileMaxAge == 0 {
		cfg.ProfileMaxAge = 720 * time.Hour
	}
	u, err := address(cfg)
	if err != nil {
		return nil, fmt.Errorf("signin: Config.URL: %w", err)
	}
	h := &Handler{cfg: cfg, origin: origin.Of(u), path: u.EscapedPath(), cookies: cookie.For(u, "weigate")}
	h.events = audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID}
	h.returns = flow.ReturnPolicy{
		Origin: h.origin, Prefix: h.path, ReservedPaths: []string{pathSignIn + "/", pathCallback + "/", pathSignOut},
	}
	h.agreed, h.prefer = newAgreement(cfg.Agreement, h.cookies), preference{h.cookies}
	if h.restarts, err = seal.New(cfg.Keys, "signin restart"); err != nil {
		return nil, fmt.Errorf("signin: Config.Keys: %w", err)
	}
	for i, c := range cfg.Connectors {
		conn, err := h.newConnector(i, c)
		if err != nil {
			return nil, fmt.Errorf("signin: connector %q: %w", c.Name, err)
		}
		h.connectors = append(h.connectors, conn)
	}
	return h, nil
}

// check returns all problems of a configuration.
func check(cfg Config) error {
	var problems []error
	require := func(field string, set bool) {
		if !set {
			problems = append(problems, fmt.Errorf("signin: Config.%s is missing", field))
		}
	}
	require("URL", cfg.URL != "")
	require("Keys", len(cfg.Keys) > 0)
	require("Connectors", len(cfg.Connectors) > 0)
	require("Users", cfg.Users != nil)
	require("Attempts", cfg.Attempts != nil)
	require("Sessions", cfg.Sessions != nil)
	require("Events", cfg.Events != nil)
	require("Site", cfg.Site != nil)
	for _, c := range cfg.Connectors {
		if c.Client == nil || c.Client.AppID == "" || c.Client.Secret == "" {
			problems = append(problems, fmt.Errorf("signin: connector %q: appid and secret are both required", c.Name))
		}
	}
	return errors.Join(problems...)
}

// address returns the gateway's own address without a slash at its end.
func address(cfg Config) (*url.URL, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || origin.Of(u) == "" {
		return nil, errors.New("is not an absolute http or https address")
	}
	if _, err := origin.Canonical(u.Scheme + "://" + u.Host); err != nil {
		return nil, err
	}
	if u.Scheme == "http" && !cfg.Insecure && !origin.IsLoopback(u.Hostname()) {
		return nil, errors.New("is plain http at an address that is not loopback")
	}
	if len(u.Path) > 0 && u.Path[len(u.Path)-1] == '/' {
		u.Path = u.Path[:len(u.Path)-1]
	}
	return u, nil
}

// newConnector returns a connector with its engine. The first has the callback /wechat/callback; the
// others add their name to the path.
func (h *Handler) newConnector(i int, from Connector) (*connector, error) {
	c := &connector{Connector: from, callback: pathCallback}
	if i > 0 {
		c.callback += "/" + from.Name
	}
	cfg := flow.Config{
		Callback: h.origin + h.path + c.callback, Cookies: h.cookies, Keys: h.cfg.Keys, Attempts: attempts{h.cfg.Attempts},
		AvatarHosts: map[string]bool{}, OnEvent: h.cfg.Observe, Logger: h.cfg.Logger, Now: h.cfg.Now,
	}
	if from.Website {
		cfg.WebsiteApp = from.Client
	} else {
		cfg.OfficialAccount = from.Client
	}
	for _, host := range h.cfg.Pictures {
		canonical, err := origin.Canonical(host)
		if err != nil {
			return nil, fmt.Errorf("Config.Pictures %q: %w", host, err)
		}
		cfg.AvatarHosts[canonical] = true
	}
	var err error
	c.engine, err = flow.New(cfg)
	return c, err
}

// connector returns a connector by its name, or nil.
func (h *Handler) connector(name string) *connector {
	i := slices.IndexFunc(h.connectors, func(c *connector) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return h.connectors[i]
}

// Paths below the path of Config.URL.
const (
	pathHome       = "/{$}"
	pathSignIn     = "/sign-in"
	pathLost       = "/sign-in/lost"
	pathEnded      = "/sign-in/ended"
	pathMe         = "/sign-in/me"
	pathProfile    = "/sign-in/profile"
	pathAgreement  = "/sign-in/agreement"
	pathCallback   = "/wechat/callback"
	pathSignOut    = "/sign-out"
	pathEverywhere = "/sign-out/everywhere"
)

// Mount registers the routes on mux, under the path of the gateway's own address.
func (h *Handler) Mount(mux *route.Mux) {
	mux.HandleFunc("GET "+h.path+pathHome, h.own)
	mux.HandleFunc(h.path+pathSignIn, h.get(h.signIn), route.Limited)
	mux.HandleFunc(h.path+pathLost, h.get(h.lost), route.Limited)
	mux.HandleFunc(h.path+pathEnded, h.get(h.ended), route.Limited)
	mux.HandleFunc(h.path+pathMe, h.get(h.me), route.Limited)
	mux.HandleFunc(h.path+pathProfile, h.getOrPost(h.askProfile, h.declineProfile), route.Limited)
	mux.HandleFunc(h.path+pathAgreement, h.getOrPost(nil, h.agree), route.Limited)
	mux.HandleFunc(h.path+pathSignIn+"/", h.notFound, route.Limited)
	mux.HandleFunc(h.path+pathSignOut, h.getOrPost(h.askSignOut, h.signOut))
	mux.HandleFunc(h.path+pathEverywhere, h.getOrPost(nil, h.endEverywhere))
	for _, c := range h.connectors {
		serve := func(w http.ResponseWriter, r *http.Request) { h.callback(w, r, c) }
		mux.HandleFunc(h.path+c.callback, h.get(serve), route.Limited)
	}
}

func (h *Handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.cfg.Site.Fail(w, r, web.NotFound)
}

// get serves GET and HEAD.
func (h *Handler) get(serve http.HandlerFunc) http.HandlerFunc { return h.getOrPost(serve, nil) }

// getOrPost serves GET and HEAD by one handler and POST by another; nil serves neither. Package
// route rejects POST requests of other sites. No response may be cached: each is for one visitor at
// one moment. No address may be sent to another site in the Referer header: the callback's contains
// a code.
func (h *Handler) getOrPost(get, post http.HandlerFunc) http.HandlerFunc {
	allow := "GET, HEAD, POST"
	switch {
	case get == nil:
		allow = "POST"
	case post == nil:
		allow = "GET, HEAD"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case read && get != nil:
			get(w, r)
		case r.Method == http.MethodPost && post != nil:
			post(w, r)
		default:
			w.Header().Set("Allow", allow)
			h.cfg.Site.Fail(w, r, web.MethodNotAllowed)
		}
	}
}

// SessionCookie returns the name of the session cookie.
func (h *Handler) SessionCookie() string { return h.cookies.Name(flow.CookieSession) }
