package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
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
