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
	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// SignIn finds and ends the session of a browser, and sends browsers to sign in. signin.Handler
// implements it.
type SignIn interface {
	session.Authenticator

	// End signs this browser out and clears its cookies with headers on w; it writes no status and
	// no body. Being signed out already is not an error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	// the gateway's URL: https except on loopback or with Insecure; may have a path, without a
	// slash at the end
	Issuer   string
	Insecure bool             // optional: plain http at a private address
	Clients  func() *Registry // the apps as they are now; called once per request
	SignIn   SignIn
	Access   access.Policy
	Site     *web.Site
	Users    access.Users
	Subjects gateway.Subjects
	Grants   gateway.Grants
	Events   gateway.Events
	Keys     *keys.Set
	Sealer   *keys.Sealer // derives refresh tokens

	Address   func(*http.Request) netip.Addr // optional: the client's address; nil = the peer's
	RequestID func(context.Context) string   // optional: for events and logs
	Observe   func(Observation)              // optional: called for every response, for metrics
	Logger    *slog.Logger                   // optional: nil discards
	Now       func() time.Time               // optional: nil = time.Now
}

// Observation is one response, for metrics. It contains no secret and only values from small sets.
type Observation struct {
	Endpoint string // "authorize", "token", "userinfo", "revoke", "introspect", "logout"
	Grant    string // at token: "authorization_code", "refresh_token"
	App      string // a configured app's id; "" = none was recognized
	Outcome  string // "ok", the error code, or "no_token" at userinfo
}

// Handler serves an OpenID provider. It is safe for concurrent use.
type Handler struct {
	cfg      Config
	path     string // of the issuer; "" at the root
	origin   string // of the issuer
	events   audit.Recorder
	failures *route.Failures
	foreign  *http.CrossOriginProtection
	recent   recent
}

// graceAfterRotation is how long a refresh token that was just exchanged still gets the same
// successor: a client that lost the response sends it twice.
const graceAfterRotation = 30 * time.Second

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
		cfg: cfg, path: u.EscapedPath(), origin: u.Scheme + "://" + u.Host, failures: route.NewFailures(),
		foreign: http.NewCrossOriginProtection(),
		events:  audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID},
	}
	return h, h.foreign.AddTrustedOrigin(h.origin)
}

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

// Paths below the issuer's.
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

// Mount registers the routes, under the path of the issuer. What other sites may POST to is
// authenticated by the request itself, never by a cookie.
func (h *Handler) Mount(mux *route.Mux) {
	// Without a method in the pattern: the handlers answer other methods themselves, in the form
	// that their clients understand.
	mux.HandleFunc(h.path+pathDiscovery, h.discovery)
	mux.HandleFunc(h.path+pathJWKS, h.jwks)
	mux.HandleFunc(h.path+pathAuthorize, h.authorize, route.CrossSitePost, route.LimitedSignedIn)
	mux.HandleFunc(h.path+pathToken, h.token, route.CrossSitePost)
	mux.HandleFunc(h.path+pathUserinfo, h.userinfo, route.CrossSitePost)
	mux.HandleFunc(h.path+pathRevoke, h.revoke, route.CrossSitePost)
	mux.HandleFunc(h.path+pathIntrospect, h.introspect, route.CrossSitePost)
	mux.HandleFunc(h.path+pathLogout, h.logout, route.CrossSitePost)
	mux.HandleFunc("POST "+h.path+pathLogoutConfirm, h.logoutConfirm)
}

func (h *Handler) observe(endpoint, grant string, c *Client, err error) {
	o := Observation{Endpoint: endpoint, Grant: grant, Outcome: "ok"}
	if c != nil {
		o.App = c.ID
	}
	if err != nil {
		if o.Outcome = protocolError(err).Code; o.Outcome == "" {
			o.Outcome = "no_token"
		}
	}
	h.cfg.Observe(o)
}

// A script in a browser is a public client. Only scripts from the origins of its redirect URIs may
// send requests. No response allows credentials, since no endpoint here authenticates by a cookie.

// preflight responds to OPTIONS requests and reports whether it did. A preflight contains no
// client_id, so it is allowed for the origins of all public clients; the response to the request
// itself is readable only for the origins of its client.
func (h *Handler) preflight(w http.ResponseWriter, r *http.Request, methods string) bool {
	if r.Method != http.MethodOptions {
		return false
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); h.cfg.Clients().origins[origin] {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		header.Set("Access-Control-Max-Age", "600")
	}
	header.Set("Allow", methods+", OPTIONS")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// allowOrigin allows scripts of a public client to read the response. Without a known client the
// response contains only an error or public data, which scripts of all public clients may read.
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request, client *Client) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if client == nil && h.cfg.Clients().origins[origin] || client != nil && client.hasOrigin(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// Only values of this package come here, and all of them can be encoded.
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

func notAllowed(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"error": codeInvalidRequest,
		"error_description": "use " + methods})
}
