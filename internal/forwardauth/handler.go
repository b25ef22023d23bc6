package forwardauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// App is an app of kind forward_auth.
type App struct {
	gateway.App
	// at least one host name, in lower case, with the port if it is not 443 or 80; no host belongs to
	// two apps. "*.apps.example.com" stands for all hosts with one label in place of the "*", except
	// those in Config.OtherHosts and those that any app lists itself. All of them must lead to your
	// proxy: the server of such a host receives sign-ins of users.
	Hosts []string
	// allows CORS preflights without a session: OPTIONS requests with Origin and
	// Access-Control-Request-Method, which browsers send without cookies
	Preflight bool
	// the kind of id in the header X-Weigate-User: access.SubjectUser (or ""), access.SubjectUnionID,
	// or access.SubjectOpenID followed by the name of a connector (a WeChat app in the configuration)
	Subject string
}

// Sessions finds sessions of the gateway by their hash. Its method is safe for concurrent use.
type Sessions interface {
	// Find returns a session that is live at now, with its user. It records that the session was used.
	// It returns gateway.ErrNotFound if the session has ended, or if its user has been deleted or
	// blocked. Any other error means that the store has failed.
	Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error)
	// MustAgree reports whether the user must agree to documents of the administrator first. method is
	// the sign-in method of the session.
	MustAgree(method string, user gateway.User) bool
}

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL            string         // the gateway's URL; may have a path, no slash at the end
	Insecure       bool           // optional: hosts of apps may use plain http; loopback hosts always may
	TrustedProxies []netip.Prefix // the proxies that may request /verify and whose forwarded headers are read
	Apps           []App          // optional
	OtherHosts     []string       // optional: names of hosts that no wildcard of an app matches
	Cache          time.Duration  // optional: how old a decision of /verify may be; 0 = every request reads the store
	SessionMax     time.Duration  // how long a session on a host lasts at most

	SignIn   session.Authenticator
	Sessions Sessions
	Access   access.Policy
	Users    access.Users
	AppIDs   gateway.AppIDs // optional: the appids of the connectors
	Site     *web.Site
	Saved    *savedrequest.Requests  // saves handoffs whose return paths are too long for a cookie
	Requests accessrequest.Responder // responds to users whom the access rule of an app does not admit
	Grants   gateway.Grants
	Attempts gateway.Attempts
	Subjects gateway.Subjects
	Events   gateway.Events
	Keys     *keys.Set    // signs the assertion
	Sealer   *keys.Sealer // derives the key that authenticates the cookies of host sessions

	RequestID func(context.Context) string // optional: for events and logs
	Observe   func(Observation)            // optional: called with every Observation
	Logger    *slog.Logger                 // optional: nil discards
	Now       func() time.Time             // optional: nil = time.Now
}

// Observation is one response of an endpoint, for metrics. It contains no secret and only values
// from small sets.
type Observation struct {
	Endpoint string // "verify", "forward-auth", "finish"
	App      string // id of a configured app; "" = the request identified none
	Outcome  string // "ok", "preflight", "sign_in", the kind of the page, or why finish rejected a token
}

// Handler serves proxies and signs users in on the hosts of apps. A host session is the session of
// a user on one host. Make a Handler with [New]; it is safe for concurrent use.
type Handler struct {
	cfg        Config
	host, path string // of Config.URL; the path is "" at the root
	sites      *siteIndex
	cookieKeys [][]byte // keys for the cookies of host sessions, the current one first
	cache      *cache
	events     audit.Recorder

	// header values that all responses of /verify share, to save allocations; net/http only reads them
	emptyValue, noStore []string

	warnedLoop atomic.Bool // the error about a redirect loop was logged
}

const (
	// Paths at the gateway, relative to the path of Config.URL.
	pathVerify  = "/verify"
	pathHandoff = "/forward-auth"
	pathJWKS    = "/forward-auth/jwks"

	// Paths at the root of each host of an app. The host's proxy passes them to the gateway.
	hostPrefix  = "/.weigate/"
	pathStart   = hostPrefix + "start"
	pathFinish  = hostPrefix + "finish"
	pathSignOut = hostPrefix + "sign-out"
	pathDenied  = hostPrefix + "refused" // the configurations of nginx name this path
)

// New validates the configuration and makes a Handler. It returns all problems, joined.
func New(cfg Config) (*Handler, error) {
	var problems []error
	if len(cfg.Apps) > 0 && len(cfg.TrustedProxies) == 0 {
		problems = append(problems, errors.New("forwardauth: apps of kind forward_auth need Config.TrustedProxies"))
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(cfg.URL, "/") {
		problems = append(problems,
			fmt.Errorf("forwardauth: Config.URL %q: want scheme, host and perhaps a path, without a slash at the end",
				cfg.URL))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Observation) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{
		cfg:        cfg,
		host:       u.Host,
		path:       u.EscapedPath(),
		cookieKeys: cfg.Sealer.Derive("forward auth host session"),
		cache:      newCache(),
		events:     audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID},
		emptyValue: []string{""},
		noStore:    []string{"no-store"},
	}
	h.sites, err = newSiteIndex(cfg, u.Hostname())
	return h, err
}

// Mount registers the routes. /verify has the highest rate limit: a proxy sends a request there for
// each request of each user. The responses are cheap, since decisions are cached. /verify accepts
// cross-site POST requests: a proxy may use the method of the original request. This is
// harmless, since /verify changes nothing.
func (h *Handler) Mount(mux *route.Mux) {
	mux.HandleFunc(h.path+pathVerify, h.verify, route.CrossSitePost, route.Subrequest, route.LimitedVerify)
	mux.HandleFunc("GET "+h.path+pathHandoff, h.serveHandoff, route.Limited)
	mux.HandleFunc("GET "+h.path+pathJWKS, h.serveKeySet, route.LimitedApp)
	mux.HandleFunc("GET "+pathStart, h.onHost(h.start), route.Limited)
	mux.HandleFunc("GET "+pathFinish, h.onHost(h.finish), route.Limited)
	mux.HandleFunc("GET "+pathSignOut, h.onHost(h.askSignOut), route.Limited)
	mux.HandleFunc("POST "+pathSignOut, h.onHost(h.signOut), route.Limited)
	// nginx requests this path after each denied request, including the requests of programs.
	mux.HandleFunc("GET "+pathDenied, h.serveDenied, route.LimitedVerify)
}

// startURL returns the address that begins a sign-in on this host. After the sign-in, the browser
// continues at the path returnTo of the host.
func (s *site) startURL(returnTo string) string {
	return s.origin + pathStart + "?" + returnParameter(returnTo)
}
