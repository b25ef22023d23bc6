package route

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

// Policy selects what [Router.Wrap] does with the requests of a route before its handler.
// Policies combine with |.
type Policy uint8

// The policies. A route without one accepts POST requests of the gateway's own pages only, and has
// no limit.
const (
	// CrossSitePost lets other sites send POST requests. It is for routes that authenticate by the
	// request itself, never by a cookie.
	CrossSitePost Policy = 1 << iota
	// Limited limits the requests of anonymous clients: see limits.go.
	Limited
	// LimitedSignedIn limits requests that add rows for signed-in users. Its limits are far above
	// the needs of users.
	LimitedSignedIn
	// Private logs the pattern instead of the path, since the variable part of the path must not be
	// logged.
	Private
)

// Mux is an [http.ServeMux] whose routes have policies. Make it with [NewMux]; it serves requests
// once all routes are registered.
type Mux struct {
	mux      *http.ServeMux
	policies map[string]Policy // by pattern
}

// NewMux returns a Mux without routes.
func NewMux() *Mux { return &Mux{mux: http.NewServeMux(), policies: map[string]Policy{}} }

// Handle registers a route. The pattern is one of [http.ServeMux].
func (m *Mux) Handle(pattern string, handler http.Handler, policies ...Policy) {
	m.mux.Handle(pattern, handler)
	for _, p := range policies {
		m.policies[pattern] |= p
	}
}

// HandleFunc registers a route as [Mux.Handle] does.
func (m *Mux) HandleFunc(pattern string, handler http.HandlerFunc, policies ...Policy) {
	m.Handle(pattern, handler, policies...)
}

// ServeHTTP serves a request by its route. It applies no policy: [Router.Wrap] does.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Policy returns the policies of the route of a request.
func (m *Mux) Policy(r *http.Request) Policy {
	_, pattern := m.mux.Handler(r)
	return m.policies[pattern]
}

// loggedPath returns the path of a request as the log may contain it.
func (m *Mux) loggedPath(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	if m.policies[pattern]&Private == 0 {
		return r.URL.Path
	}
	if _, path, hasMethod := strings.Cut(pattern, " "); hasMethod {
		pattern = path
	}
	public, _, _ := strings.Cut(pattern, "{")
	return public + "…"
}

// Failure is the reason for an error response of the router.
type Failure int

// The failures.
const (
	Panicked    Failure = iota // a handler panicked
	ForeignForm                // a POST request of another site
	TooMany                    // too many requests
)

// Config holds the settings of a [Router]. Origin, Mux and Fail are required.
type Config struct {
	Origin       string         // of the gateway: the cross-origin check trusts it also where a proxy changes Host
	TrustedProxy []netip.Prefix // whose X-Forwarded-For is read; empty = no peer is trusted
	Mux          *Mux           // the routes, whose policies apply
	CookiePrefix []string       // prefixes of the names of cookies that identify browsers; see limits.go
	// name of the session cookie, which identifies a browser before all others; "" = there is none
	SessionCookie string
	Strict        bool // send Strict-Transport-Security for the whole host

	Fail   func(http.ResponseWriter, *http.Request, Failure) // responds with the error
	Logger *slog.Logger                                      // nil = discards
	Now    func() time.Time                                  // nil = time.Now
}

// Router wraps a [Mux]. Make it with [New]; it is safe for concurrent use.
type Router struct {
	cfg     Config
	foreign *http.CrossOriginProtection
	limits  *limits
	warned  atomic.Bool // about X-Forwarded-For of an untrusted peer
}

// maxBody is the limit of request bodies; forms are far smaller.
const maxBody = 64 << 10

// New validates the configuration.
func New(cfg Config) (*Router, error) {
	if cfg.Fail == nil || cfg.Mux == nil {
		return nil, errors.New("route: Config.Fail and Config.Mux are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Router{cfg: cfg, foreign: http.NewCrossOriginProtection(), limits: newLimits()}
	if err := r.foreign.AddTrustedOrigin(cfg.Origin); err != nil {
		return nil, fmt.Errorf("route: Config.Origin: %w", err)
	}
	return r, nil
}

type (
	requestIDKey struct{}
	addressKey   struct{}
)

// RequestID returns the id of the request, short enough to be read out on the telephone; "" outside
// of [Router.Wrap].
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Address returns the client's address: the peer's, or what trusted proxies report. It is the zero
// Addr when it cannot be read.
func Address(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(addressKey{}).(netip.Addr); ok {
		return a
	}
	return peer(r)
}

// Wrap wraps next, which serves the routes of Config.Mux.
func (rt *Router) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:10])
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		ctx = context.WithValue(ctx, addressKey{}, rt.address(r))
		r = r.WithContext(ctx)
		seen := &response{ResponseWriter: w}
		defer rt.recovered(seen, r)
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
		header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if rt.cfg.Strict {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(seen, r.Body, maxBody)
		policy := rt.cfg.Mux.Policy(r)
		if policy&CrossSitePost == 0 && rt.foreign.Check(r) != nil {
			rt.cfg.Logger.WarnContext(ctx, "form from another site rejected", "path", rt.cfg.Mux.loggedPath(r),
				"request_id", id)
			rt.cfg.Fail(seen, r, ForeignForm)
			return
		}
		if rt.limited(r, policy) {
			rt.cfg.Logger.WarnContext(ctx, "rate limit exceeded, request rejected", "path", rt.cfg.Mux.loggedPath(r),
				"request_id", id)
			rt.cfg.Fail(seen, r, TooMany)
			return
		}
		next.ServeHTTP(seen, r)
	})
}

// recovered responds for a handler that panicked. http.ErrAbortHandler is left to net/http.
func (rt *Router) recovered(w *response, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	// The cause may contain parts of the request, so only its type goes to the log, with the stack.
	rt.cfg.Logger.ErrorContext(r.Context(), "handler panicked", "path", rt.cfg.Mux.loggedPath(r), "request_id",
		RequestID(r.Context()),
		"cause", fmt.Sprintf("%T", cause), "stack", frames(debug.Stack()))
	if w.began {
		panic(http.ErrAbortHandler) // a partial response must not look complete
	}
	rt.cfg.Fail(w, r, Panicked)
}

// frames returns the positions in a stack trace, without the arguments of the functions, which may
// contain secrets.
func frames(stack []byte) []string {
	var out []string
	for line := range strings.SplitSeq(string(stack), "\n") {
		if strings.HasPrefix(line, "\t") {
			place, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			out = append(out, place)
		}
	}
	return out[:min(len(out), 20)]
}

// response records whether a status or a body was sent.
type response struct {
	http.ResponseWriter
	began bool
}

func (a *response) WriteHeader(status int) {
	a.began = a.began || status >= http.StatusOK
	a.ResponseWriter.WriteHeader(status)
}

func (a *response) Write(b []byte) (int, error) {
	a.began = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is called by http.ResponseController.
func (a *response) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// address returns the client's address. X-Forwarded-For is read only from trusted proxies, and from
// the right: each proxy appends the address of its peer, so the last address that does not belong
// to a trusted proxy is the first one that a client cannot forge.
func (rt *Router) address(r *http.Request) netip.Addr {
	from := peer(r)
	header := r.Header.Values("X-Forwarded-For")
	if len(header) == 0 {
		return from
	}
	if !rt.trusted(from) {
		if rt.warned.CompareAndSwap(false, true) {
			rt.cfg.Logger.WarnContext(r.Context(), "X-Forwarded-For of an untrusted peer ignored", "peer",
				from.String(),
				"hint", "behind a proxy, add it to trusted_proxies, or all clients have its address")
		}
		return from
	}
	hops := strings.Split(strings.Join(header, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return from // the nearest proxy wrote something else; what is further left is less reliable
		}
		from = hop.Unmap()
		if !rt.trusted(from) {
			return from
		}
	}
	return from
}

func (rt *Router) trusted(a netip.Addr) bool {
	for _, p := range rt.cfg.TrustedProxy {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// Cookie returns a session cookie of the gateway without a value. Its name follows the rules of
// package login. No other host, and no page on plain http, can set a "__Host-" cookie. When the
// gateway has a path, the prefix is "__Secure-", and the cookie is limited to that path. On plain
// http there is no prefix, and the name contains the port, since cookies do not distinguish ports.
func Cookie(own *url.URL, name string) http.Cookie {
	c := http.Cookie{Path: strings.TrimSuffix(own.EscapedPath(), "/"), Secure: own.Scheme == "https", HttpOnly: true,
		SameSite: http.SameSiteLaxMode}
	switch {
	case c.Secure && c.Path == "":
		c.Name = "__Host-weigate-" + name
	case c.Secure:
		c.Name = "__Secure-weigate-" + name
	default:
		c.Name = "weigate" + own.Port() + "-" + name
	}
	if c.Path == "" {
		c.Path = "/"
	}
	return c
}

// SeeOther redirects with status 303: the browser requests address by GET, whatever method it used.
func SeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
