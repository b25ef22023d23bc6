package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// SignIn finds and ends the session of a browser, and redirects browsers to sign in. signin.Handler
// implements it.
type SignIn interface {
	session.Authenticator

	// End ends the session of the browser that sent r, and clears its cookies with headers on w. It
	// writes neither status nor body. A browser that is not signed in is not an error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Config holds the settings of a [Handler]. Every field is required unless its comment begins with
// "optional".
type Config struct {
	// the gateway's URL, perhaps with a path, without a slash at the end. It must be https,
	// except on a loopback address or with Insecure.
	Issuer   string
	Insecure bool             // optional: allows plain http on any host
	Clients  func() *Registry // returns the current apps; called once per request
	SignIn   SignIn
	Access   access.Policy
	Site     *web.Site               // renders pages
	Saved    *savedrequest.Requests  // keeps requests that are too long for a cookie
	Requests accessrequest.Responder // responds to users whom the access rule of an app does not admit
	Users    access.Users
	AppIDs   gateway.AppIDs   // optional: the appid at WeChat of each connector
	Subjects gateway.Subjects // stores the sub of each user in each app
	Grants   gateway.Grants   // stores codes, tokens, and the grants that they belong to
	Events   gateway.Events
	Keys     *keys.Set    // signs ID tokens
	Sealer   *keys.Sealer // derives the key that authenticates refresh tokens

	// optional: origins to which a sign-in redirects, such as WeChat's; for the
	// Content-Security-Policy of a response by form_post
	SignInOrigins []string

	Address   func(*http.Request) netip.Addr // optional: returns the client's IP address; nil = route.Address
	RequestID func(context.Context) string   // optional: for events and logs
	Observe   func(Observation)              // optional: called with every Observation
	Limits    *limit.Limiter                 // optional: counts wrong secrets; nil counts nothing
	Logger    *slog.Logger                   // optional: nil discards
	Now       func() time.Time               // optional: nil = time.Now
}

// Observation describes one response of an endpoint, for metrics. It contains no secret and only
// values from small sets.
type Observation struct {
	Endpoint string // "authorize", "token", "userinfo", "revoke", "introspect", "logout"
	Grant    string // the grant_type at the token endpoint: "authorization_code", "refresh_token"
	App      string // id of a configured app; "" = the request identified none
	Outcome  string // "ok", the error code, or "no_token" for a userinfo request without a token
}

// Handler serves an OpenID provider. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg         Config
	path        string // of Config.Issuer; "" at the root
	origin      string // of Config.Issuer
	events      audit.Recorder
	failures    route.Failures              // wrong secrets of clients
	crossOrigin *http.CrossOriginProtection // checks that the sign-out form was sent by the gateway's own page
	codes       codeCache                   // codes of this process that are not redeemed yet; saves reads of the store
}

// New checks the issuer and makes a Handler.
func New(cfg Config) (*Handler, error) {
	u, err := url.Parse(cfg.Issuer)
	if err == nil {
		err = checkIssuer(u, cfg.Insecure)
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: issuer %q: %w", cfg.Issuer, err)
	}
	if cfg.Address == nil {
		cfg.Address = route.Address
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
		cfg:         cfg,
		path:        u.EscapedPath(),
		origin:      u.Scheme + "://" + u.Host,
		events:      audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID},
		failures:    route.Failures{Limits: cfg.Limits},
		crossOrigin: http.NewCrossOriginProtection(),
	}
	// Without this, the check compares the origin of the form with the Host header, and rejects
	// the form behind a proxy that changes the header.
	if err := h.crossOrigin.AddTrustedOrigin(h.origin); err != nil {
		return nil, fmt.Errorf("oidc: issuer %q: %w", cfg.Issuer, err)
	}
	return h, nil
}

// checkIssuer validates Config.Issuer.
func checkIssuer(u *url.URL, insecure bool) error {
	host := u.Hostname()
	switch {
	case host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("want scheme, host and perhaps a path, and nothing else")
	case strings.HasSuffix(u.Path, "/"):
		return errors.New("must not end in a slash")
	case u.Scheme != "https" && (u.Scheme != "http" || !origin.IsLoopback(host) && !insecure):
		return errors.New("must be https")
	}
	return nil
}

// The paths of the endpoints, relative to the path of the issuer.
const (
	pathDiscovery     = "/.well-known/openid-configuration"
	pathJWKS          = "/oauth2/jwks"
	pathAuthorize     = "/oauth2/authorize"
	pathToken         = "/oauth2/token"
	pathUserinfo      = "/oauth2/userinfo"
	pathRevoke        = "/oauth2/revoke"
	pathIntrospect    = "/oauth2/introspect"
	pathLogout        = "/oauth2/logout"
	pathLogoutConfirm = "/oauth2/logout/confirm"
)

// Mount registers the routes, under the path of the issuer. The routes with CrossSitePost accept
// POST requests of other sites. This is safe, because these requests change nothing by a cookie:
//   - A client authenticates with its secret or a token.
//   - A POST to authorize or logout only redirects to the same request by GET.
func (h *Handler) Mount(mux *route.Mux) {
	// The patterns have no HTTP method, except that of the sign-out form. The handlers reject
	// other methods with JSON, because clients expect JSON. authorize has LimitedSignedIn,
	// because it stores a row for each code.
	mux.HandleFunc(h.path+pathDiscovery, h.discovery, route.LimitedApp)
	mux.HandleFunc(h.path+pathJWKS, h.jwks, route.LimitedApp)
	mux.HandleFunc(h.path+pathAuthorize, h.authorize, route.CrossSitePost, route.LimitedSignedIn)
	mux.HandleFunc(h.path+pathToken, h.token, route.CrossSitePost, route.LimitedApp)
	mux.HandleFunc(h.path+pathUserinfo, h.userinfo, route.CrossSitePost, route.LimitedApp)
	mux.HandleFunc(h.path+pathRevoke, h.revoke, route.CrossSitePost, route.LimitedApp)
	mux.HandleFunc(h.path+pathIntrospect, h.introspect, route.CrossSitePost, route.LimitedApp)
	mux.HandleFunc(h.path+pathLogout, h.logout, route.CrossSitePost, route.Limited)
	mux.HandleFunc("POST "+h.path+pathLogoutConfirm, h.logoutConfirm, route.Limited)
}

// observe reports a response to Config.Observe. client is nil when the request identified none; err
// is nil for a successful response.
func (h *Handler) observe(endpoint, grantType string, client *Client, err error) {
	o := Observation{Endpoint: endpoint, Grant: grantType, Outcome: "ok"}
	if client != nil {
		o.App = client.ID
	}
	if err != nil {
		e := protocolError(err)
		if client == nil {
			o.App = e.app // of a known client that sent a wrong secret
		}
		o.Outcome = e.Code
		if o.Outcome == "" { // only errNoToken has no code
			o.Outcome = "no_token"
		}
	}
	h.cfg.Observe(o)
}

// writeJSON responds with v as JSON. v is a value of this package that can always be encoded. The
// response must not be cached, unless the caller has set Cache-Control.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("oidc: " + err.Error())
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-store")
		header.Set("Pragma", "no-cache")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has disconnected is not an error
}

// notAllowed responds to a request with an HTTP method that the endpoint does not accept.
func notAllowed(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": codeInvalidRequest,
		"error_description": "use " + methods})
}

// setPrivate forbids caching of the response. It also keeps the request's address out of the
// Referer header of the browser's next request, because the address may contain a token.
func setPrivate(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}
