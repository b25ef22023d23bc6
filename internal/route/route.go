package route

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/bits"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/limit"
)

// Policy is a rule for the requests of a route, which [Router.Wrap] applies before the route's
// handler. The policies of a route are combined with |.
type Policy uint16

// The policies. Each route has exactly one of those that begin with Limited. Without further
// policies, it rejects POST requests of other sites, its path is logged, and its handler gets the
// cookies of the gateway only.
const (
	// CrossSitePost allows POST requests of other sites. It is for routes that never act on the
	// user's cookie when they receive a POST request.
	CrossSitePost Policy = 1 << iota
	// Private logs the constant beginning of the route's pattern instead of the path, for paths that
	// contain a secret.
	Private
	// Subrequest is for requests that a reverse proxy derives from a request to another site: the
	// Cookie header stays as it is, and a body that Content-Length announces is never waited for,
	// because a proxy may send the header without the body.
	Subrequest

	// Limited limits the rate of requests by network, address and browser, for routes that anyone
	// may request and that begin, continue or end a sign-in.
	Limited
	// LimitedSignedIn is a much higher rate limit, for routes that store rows for signed-in users.
	LimitedSignedIn
	// LimitedApp is a higher rate limit still, for requests of the servers of apps.
	LimitedApp
	// LimitedVerify is the highest rate limit, for subrequests of reverse proxies.
	LimitedVerify
	// LimitedOther is the rate limit of pages and texts that are the same for everybody.
	LimitedOther
)

const limitPolicies = Limited | LimitedSignedIn | LimitedApp | LimitedVerify | LimitedOther

// Mux is an [http.ServeMux] whose routes have policies. Make it with [NewMux]. Register all routes
// before it serves the first request.
type Mux struct {
	mux      *http.ServeMux
	policies map[string]Policy // by pattern
}

// NewMux returns a Mux without routes.
func NewMux() *Mux { return &Mux{mux: http.NewServeMux(), policies: map[string]Policy{}} }

// Handle registers a route. The syntax of the pattern is that of [http.ServeMux]. It panics if the
// route has no rate limit or more than one, as ServeMux does for an invalid pattern.
func (m *Mux) Handle(pattern string, handler http.Handler, policies ...Policy) {
	var all Policy
	for _, p := range policies {
		all |= p
	}
	if bits.OnesCount16(uint16(all&limitPolicies)) != 1 {
		panic("route: " + pattern + ": want exactly one of the policies Limited…")
	}
	m.mux.Handle(pattern, handler)
	m.policies[pattern] = all
}

// HandleFunc registers a route as [Mux.Handle] does.
func (m *Mux) HandleFunc(pattern string, handler http.HandlerFunc, policies ...Policy) {
	m.Handle(pattern, handler, policies...)
}

// Patterns returns the patterns of all routes, sorted.
func (m *Mux) Patterns() []string { return slices.Sorted(maps.Keys(m.policies)) }

// ServeHTTP serves a request by its route. It does not apply the policies: [Router.Wrap] does.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Policy returns the policies of the route of a request. A request without a route has
// LimitedOther.
func (m *Mux) Policy(r *http.Request) Policy {
	_, pattern := m.mux.Handler(r)
	if p := m.policies[pattern]; p != 0 {
		return p
	}
	return LimitedOther
}

// loggedPath returns the path of a request for the log, at most limit.LoggedPath of it; of a route
// with Private, the pattern up to the first wildcard.
func (m *Mux) loggedPath(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	if m.policies[pattern]&Private == 0 {
		return limit.LoggedPath.Cut(r.URL.Path)
	}
	if _, path, hasMethod := strings.Cut(pattern, " "); hasMethod {
		pattern = path
	}
	constant, _, _ := strings.Cut(pattern, "{")
	return constant + "…"
}

// Failure is the reason why the Router responds with an error instead of calling the handler.
type Failure int

// The failures.
const (
	Panicked    Failure = iota // a handler panicked
	ForeignForm                // a POST request of another site
	TooMany                    // too many requests
)

// Config holds the settings of a [Router]. Origin, Mux and Fail are required.
type Config struct {
	Mux *Mux // the routes and their policies
	// the gateway's origin, whose POST requests are always accepted: behind a proxy that changes the
	// Host header, the check by Host would reject them
	Origin         string
	TrustedProxies []netip.Prefix // their X-Forwarded-For is read; empty = no peer is trusted

	// Limits counts the requests; nil allows all. It is kept when the configuration is reloaded.
	Limits *limit.Limiter
	// Browser returns the key by which a browser is counted, or "". It must return the same key for
	// all requests that the same user can make with one session, and none for a cookie that the
	// gateway did not issue: otherwise a client could make up a new browser for each request. nil =
	// browsers are not counted.
	Browser        func(*http.Request) string
	CookiePrefixes []string // prefixes of the names of the gateway's cookies; handlers get no others

	HSTS bool // send Strict-Transport-Security, for the whole host

	Fail   func(http.ResponseWriter, *http.Request, Failure) // responds with an error page
	Logger *slog.Logger                                      // nil discards
	Now    func() time.Time                                  // nil = time.Now
}

// Router wraps a [Mux]. Make it with [New]; it is safe for concurrent use.
type Router struct {
	cfg         Config
	crossOrigin *http.CrossOriginProtection
	warned      atomic.Bool // the warning about X-Forwarded-For of an untrusted peer was logged

	warnedUnreadable atomic.Bool // the warning of warnUnreadable was logged
}

// New validates the configuration and makes a Router.
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
	r := &Router{cfg: cfg, crossOrigin: http.NewCrossOriginProtection()}
	if err := r.crossOrigin.AddTrustedOrigin(cfg.Origin); err != nil {
		return nil, fmt.Errorf("route: Config.Origin: %w", err)
	}
	return r, nil
}

// The keys of the values that Wrap adds to the context of a request.
type (
	requestIDKey struct{}
	addressKey   struct{}
)

// RequestID returns the id of the request whose context ctx is; "" when the request did not pass
// through [Router.Wrap]. Error pages show the id, and the log has it. It is short, so that a user
// can read it out to an administrator.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Address returns the client's IP address: the peer's, or if the peer is a trusted proxy, the address
// that it reports. It is the zero Addr when the address cannot be parsed.
func Address(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(addressKey{}).(netip.Addr); ok {
		return a
	}
	return peer(r)
}

// Wrap returns a handler that assigns the request id and the client's address, sets headers, applies
// the policies of the route, and then calls next. next is Config.Mux, perhaps wrapped for metrics.
func (rt *Router) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:10])
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		ctx = context.WithValue(ctx, addressKey{}, rt.address(r))
		r = r.WithContext(ctx)
		tracked := &trackedWriter{ResponseWriter: w}
		defer rt.handlePanic(tracked, r)
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY") // for browsers that do not support CSP frame-ancestors
		header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if rt.cfg.HSTS {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		policy := rt.cfg.Mux.Policy(r)
		if policy&Subrequest == 0 {
			rt.keepOwnCookies(r)
		}
		if r.Method == http.MethodPost && policy&Subrequest == 0 {
			r.Body = http.MaxBytesReader(w, r.Body, int64(limit.RequestBody.Bytes))
		} else {
			dropBody(w, r)
		}
		// Rate limits come first, so that each request counts, whatever is wrong with it.
		switch {
		case rt.limited(r, policy):
			rt.refuse(tracked, r, TooMany, "rate limit exceeded, request rejected")
			return
		case policy&CrossSitePost == 0 && rt.crossOrigin.Check(r) != nil:
			rt.refuse(tracked, r, ForeignForm, "form from another site rejected")
			return
		}
		next.ServeHTTP(tracked, r)
	})
}

// refuse responds to a request that does not reach its handler. It does not wait for the body.
func (rt *Router) refuse(w *trackedWriter, r *http.Request, f Failure, message string) {
	rt.cfg.Logger.WarnContext(r.Context(), message, "path", rt.cfg.Mux.loggedPath(r),
		"request_id", RequestID(r.Context()))
	dropBody(w, r)
	rt.cfg.Fail(w, r, f)
}

// unreadBodyTime is how long the server still reads a body that no handler reads. If the client has
// sent it, the connection is then closed without a reset, which could destroy the response.
const unreadBodyTime = time.Second

// dropBody makes the server respond without the request's body. By default, net/http reads up to
// 256 kB of it before it sends the response, and waits until the client has sent them: a client that
// announces a body and sends none would occupy the connection until the read timeout. A response
// with "Connection: close" is sent at once.
func dropBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 { // -1 = chunked
		return
	}
	w.Header().Set("Connection", "close")
	// Not supported by writers in tests; the server's read timeout still applies.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadBodyTime))
	r.Body, r.ContentLength = http.NoBody, 0
}

// handlePanic is deferred by Wrap. It recovers from a panic of the handler, logs it and responds with
// an error. http.ErrAbortHandler is the documented way to abort a response: net/http handles it.
func (rt *Router) handlePanic(w *trackedWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, isError := cause.(error); isError && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	// The cause may contain parts of the request, so only its type goes to the log, with the stack.
	rt.cfg.Logger.ErrorContext(r.Context(), "handler panicked", "path", rt.cfg.Mux.loggedPath(r),
		"request_id", RequestID(r.Context()), "cause", fmt.Sprintf("%T", cause), "stack", stackLines(debug.Stack()))
	if w.started {
		panic(http.ErrAbortHandler) // closes the connection, so that the client sees that the response is incomplete
	}
	rt.cfg.Fail(w, r, Panicked)
}

// stackLines returns the file and line of the first 20 calls in a stack trace. It omits the functions'
// arguments, which may be secrets.
func stackLines(stack []byte) []string {
	var out []string
	for line := range strings.SplitSeq(string(stack), "\n") {
		if strings.HasPrefix(line, "\t") { // "\t/path/file.go:12 +0x1d", after a line with function and arguments
			position, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			out = append(out, position)
		}
	}
	return out[:min(len(out), 20)]
}

// trackedWriter records whether the response has started.
type trackedWriter struct {
	http.ResponseWriter
	started bool
}

func (w *trackedWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // responses below 200 are informational: a final response follows
		w.started = true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *trackedWriter) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is called by http.ResponseController.
func (w *trackedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// SeeOther redirects with status 303: the browser requests address by GET, also after a POST request.
// Unlike http.Redirect, it writes no body and sends the address unchanged.
func SeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
