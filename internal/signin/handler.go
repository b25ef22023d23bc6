// Package signin signs users in at WeChat for the gateway: it sends browsers to WeChat, records
// users and creates sessions. Package flow runs the authorization at WeChat itself: state, sealed
// cookie, and redemption of the code. A browser may send the callback several times, to several
// replicas of the gateway. Only one of these requests redeems the code.
//
// [New] creates a [Handler] from a [Config], and [Handler.Mount] registers its pages. The features
// (packages that serve apps, such as oidc) call [Handler.Session] (is the user signed in),
// [Handler.Begin] (sign in), [Handler.AskAgreement] (the documents of the administrator),
// [Handler.AskProfile] (nickname and avatar), [Handler.NewSession] and [Handler.ResumeSession] (a
// user was authenticated by other means), and [Handler.End] (sign out).
//
// Which sign-in method (登录方式) a browser gets:
//
//	in WeChat                   wechat: through an official account. If it is not available: message or follow,
//	                            or else a page with a link to open in another browser
//	elsewhere, on a computer    scan (the gateway shows a QR code) or website (WeChat's page shows one); the
//	                            user chooses if both are configured and the app accepts both
//	elsewhere, on a phone       scan; if it is not available: a page with a link to open in WeChat
//	elsewhere                   also message (the user sends a number to an account) and follow (the user scans
//	                            a QR code that follows the account), if they are configured
//
// Its addresses:
//
//	GET  /sign-in?return=/x     starts a sign-in that ends at /x
//	     …&method=scan            the same with this method, remembered in the browser for ten minutes;
//	                              method=choose forgets the remembered method
//	     ?method=…&restart=…      remembers or forgets the method, then redirects to the app's request
//	GET  /wechat/callback       redeems the code, records the user, creates the session, redirects to the
//	                            return address. It belongs to the first connector; the others have
//	                            /wechat/callback/CONNECTOR
//	GET  /sign-in/lost          a callback that belongs to no sign-in of this browser
//	GET  /sign-in/ended         a callback that failed
//	GET  /sign-in/consent       continues a sign-in for which the user has to agree in WeChat
//	GET  /sign-in/agreement     asks a signed-in user to agree to documents that have changed
//	POST /sign-in/agreement     stores the agreement of a signed-in user; without a session, keeps it in the
//	                            browser until the sign-in that it starts has named the user
//	GET  /sign-in/profile       asks the user to share nickname and avatar (头像昵称)
//	POST /sign-in/profile       "Continue without": the user is not asked again in this session
//	GET  /sign-out              a page with a button
//	POST /sign-out              ends the session of this browser
//	GET  /sign-in/me            who is signed in, as JSON
//
// A connector is an official account or a website app in the configuration. If several connectors
// share an Open Platform account, users are signed in only with a unionid. Otherwise a blocked user
// could sign in through another connector. WeChat returns the unionid with the scope
// snsapi_userinfo, so the user has to agree on WeChat's page once.
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
	"strings"
	"time"

	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// Connector is an official account (服务号, 订阅号) or a website app (网站应用) through which users sign in.
type Connector struct {
	Name         string // as in the configuration; identities and events refer to it
	Client       *wechat.Client
	Website      bool     // a website app: WeChat shows a QR code, in browsers that are not WeChat's
	OpenPlatform string   // name of the open platform account (开放平台) that it is bound to; "" = none
	Group        []string // appids of all connectors bound to that account, which share unionids; includes its own
	AnyBrowser   bool     // for development: every browser is treated as WeChat's

	// ChatOnly is true for an account without web sign-in (订阅号): users sign in through its chat. Its
	// Client has no secret and makes no calls.
	ChatOnly bool
	Message  bool // users can sign in by sending a number to the account (Config.Chat)
	Follow   bool // users can sign in by a QR code that follows the account (Config.Chat)

	// ExchangesPerMinute limits how many codes this process sends to WeChat; 0 = no limit.
	ExchangesPerMinute int
}

// Config is the configuration of a [Handler]. Fields are required unless marked optional.
type Config struct {
	URL        string      // the gateway's own base URL; may have a path
	Insecure   bool        // optional: plain http at a private address
	Keys       [][]byte    // seal the flow cookies: the first key seals, all keys open
	Connectors []Connector // the first of each type is used, unless a login request names another
	Users      gateway.Users
	Attempts   gateway.Attempts
	Sessions   *session.Manager
	Events     gateway.Events
	Site       *web.Site              // renders the pages
	Saved      *savedrequest.Requests // keeps return addresses that are too long for a cookie

	// Scan redirects a browser outside WeChat to the page with the gateway's QR code, which the
	// user scans with a phone. An error means that nothing was written to w. Optional: nil disables
	// the method. The gateway sets it to scan.Handler.Begin. Package scan creates sessions with the
	// Handler, so this package cannot import scan. Scan is therefore a function.
	Scan func(w http.ResponseWriter, r *http.Request, login session.LoginRequest) error

	// Chat redirects a browser to the page of a sign-in through the chat of an official account.
	// method is MethodMessage or MethodFollow. connector is the name of a connector that has this
	// method. An error means that nothing was written to w. Optional: nil disables both methods.
	// The gateway sets it to chat.Handler.Begin, for the same reason as Scan.
	Chat func(w http.ResponseWriter, r *http.Request, login session.LoginRequest, connector, method string) error

	// Agreement is what users agree to, by ticking a box, before their browser is sent to WeChat for
	// the first time: gateway.NewAgreement returns it. When it changes, every user is asked again.
	// Optional: with the zero value nobody is asked. Sessions.Agreement must be its Hash.
	Agreement gateway.Agreement

	// Agreements stores the agreement of a signed-in user. Required with Agreement.
	Agreements Agreements

	Limits *limit.Limiter // optional: counts refused codes, exchanges and new users; nil = no limits

	ProfileMaxAge time.Duration // optional: the age at which nickname and avatar are requested again; 0 = 720 h
	Pictures      []string      // optional: origins of avatars besides WeChat's, for the simulator

	RequestID func(context.Context) string      // optional
	Observe   func(context.Context, flow.Event) // optional: for metrics
	Logger    *slog.Logger                      // optional
	Now       func() time.Time                  // optional
}

// Agreements stores the agreements of signed-in users. gateway.UserAdministration implements it.
type Agreements interface {
	// ChangeUser is gateway.UserAdministration.ChangeUser.
	ChangeUser(ctx context.Context, c gateway.UserChange) (gateway.User, error)
}

// Handler signs users in. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg        Config
	connectors []*connector
	returns    flow.ReturnPolicy // which return addresses are accepted
	origin     string            // of Config.URL
	path       string            // of Config.URL; "" at the root
	cookies    cookie.Set        // names and attributes of the gateway's cookies
	restarts   *seal.Sealer      // seals the query parameter restart, see methodURL
	events     audit.Recorder
	agreement  agreement
	preference preference
}

// connector is a Connector with the engine that runs its authorizations. Each connector has its own
// callback. A code can be redeemed only with the secret of its appid, and the path of the callback
// identifies the appid. All engines use the same cookies and the same store of attempts
// (redemptions of codes). A task for all connectors, such as clearing cookies, therefore uses the
// engine of the first.
type connector struct {
	Connector
	engine   *flow.Engine
	callback string // path, below Handler.path
}

// New checks the configuration and returns a Handler. The error joins all problems.
func New(cfg Config) (*Handler, error) {
	if err := validate(cfg); err != nil {
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
	u, err := baseURL(cfg)
	if err != nil {
		return nil, fmt.Errorf("signin: Config.URL: %w", err)
	}
	h := &Handler{cfg: cfg, origin: origin.Of(u), path: u.EscapedPath(), cookies: cookie.For(u, "weigate")}
	h.events = audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID}
	h.returns = flow.ReturnPolicy{
		Origin: h.origin, Prefix: h.path, ReservedPaths: []string{pathSignIn + "/", pathCallback + "/", pathSignOut},
		MaxLength: limit.RequestAddress.Bytes, // longer than a cookie can keep: see shortenReturn
	}
	h.preference = preference{h.cookies}
	if h.agreement, err = newAgreement(cfg.Agreement, cfg.Keys, h.cookies, cfg.Now); err != nil {
		return nil, err
	}
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

// validate returns all problems of a configuration.
func validate(cfg Config) error {
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
	require("Saved", cfg.Saved != nil)
	require("Agreements", cfg.Agreement.IsZero() || cfg.Agreements != nil)
	for _, c := range cfg.Connectors {
		if c.Client == nil || c.Client.AppID == "" || c.Client.Secret == "" && !c.ChatOnly {
			problems = append(problems, fmt.Errorf("signin: connector %q: appid and secret are both required", c.Name))
		}
	}
	return errors.Join(problems...)
}

// baseURL returns the gateway's own address without a slash at its end.
func baseURL(cfg Config) (*url.URL, error) {
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
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// newConnector returns the connector number i with its engine. The path of the first connector's
// callback is /wechat/callback. The other connectors add their name to this path.
func (h *Handler) newConnector(i int, from Connector) (*connector, error) {
	c := &connector{Connector: from, callback: pathCallback}
	if i > 0 {
		c.callback += "/" + from.Name
	}
	cfg := flow.Config{
		Callback: h.origin + h.path + c.callback, Cookies: h.cookies, Keys: h.cfg.Keys,
		Attempts:    &attempts{store: h.cfg.Attempts, logger: h.cfg.Logger},
		Limits:      newLimits(h.cfg.Limits, from.ExchangesPerMinute),
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
	pathSignIn    = session.SignInPath
	pathLost      = "/sign-in/lost"
	pathEnded     = "/sign-in/ended"
	pathConsent   = "/sign-in/consent"
	pathMe        = "/sign-in/me"
	pathProfile   = session.ProfilePath
	pathAgreement = session.AgreementPath
	pathCallback  = "/wechat/callback"
	pathSignOut   = "/sign-out"
)

// Mount registers the routes on mux, under the path of the gateway's own base URL.
func (h *Handler) Mount(mux *route.Mux) {
	mux.HandleFunc(h.path+pathSignIn, h.get(h.signIn), route.Limited)
	mux.HandleFunc(h.path+pathLost, h.get(h.lost), route.Limited)
	mux.HandleFunc(h.path+pathEnded, h.get(h.ended), route.Limited)
	mux.HandleFunc(h.path+pathConsent, h.get(h.continueWithConsent), route.Limited)
	mux.HandleFunc(h.path+pathMe, h.get(h.me), route.Limited)
	mux.HandleFunc(h.path+pathProfile, h.getOrPost(h.askProfile, h.declineProfile), route.Limited)
	mux.HandleFunc(h.path+pathAgreement, h.getOrPost(h.showAgreement, h.agree), route.Limited)
	mux.HandleFunc(h.path+pathSignIn+"/", h.notFound, route.Limited)
	mux.HandleFunc(h.path+pathSignOut, h.getOrPost(h.askSignOut, h.signOut), route.Limited)
	for _, c := range h.connectors {
		if c.ChatOnly {
			continue // no callback: WeChat sends no browser back
		}
		serve := func(w http.ResponseWriter, r *http.Request) { h.callback(w, r, c) }
		mux.HandleFunc(h.path+c.callback, h.get(serve), route.Limited)
	}
}

// notFound serves unknown paths below /sign-in/.
func (h *Handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.cfg.Site.Fail(w, r, web.NotFound)
}

// get serves GET and HEAD.
func (h *Handler) get(serve http.HandlerFunc) http.HandlerFunc { return h.getOrPost(serve, nil) }

// getOrPost serves GET and HEAD with the handler get, and POST with the handler post. A method
// whose handler is nil gets status 405. Package route has already rejected POST requests from other
// sites (cross-site request forgery). Responses are not cached, because they depend on the user.
// The Referer header is suppressed, because the address of the callback contains a code.
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
		isRead := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case isRead && get != nil:
			get(w, r)
		case r.Method == http.MethodPost && post != nil:
			post(w, r)
		default:
			w.Header().Set("Allow", allow)
			h.cfg.Site.Fail(w, r, web.MethodNotAllowed)
		}
	}
}
