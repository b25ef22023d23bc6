package route

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
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

// Policy is a rule for the requests of a route. [Router.Wrap] applies it before the route's
// handler. Policies are combined with |.
type Policy uint16

// The policies. Each route has exactly one of the policies that begin with Limited. A route without
// further policies rejects POST requests of other sites. Its path is logged, and its handler gets
// the gateway's cookies only.
const (
	// CrossSitePost allows POST requests of other sites. It is for routes that never act on the
	// user's cookie when they receive a POST request.
	CrossSitePost Policy = 1 << iota
	// Private is for paths that contain a secret. Instead of the path, the log has the route's
	// pattern up to the first wildcard.
	Private
	// Subrequest is for requests that a reverse proxy derives from a request to another site
	// (forward auth). The Cookie header stays unchanged. The server does not wait for a body,
	// because a proxy may send the Content-Length of the request without its body.
	Subrequest

	// Limited limits the rate of requests by network, address and browser, for routes that anyone
	// may request and that begin, continue or end a sign-in.
	Limited
	// LimitedSignedIn is a much higher rate limit, for routes that signed-in users request often,
	// such as the authorize endpoint of OpenID Connect.
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

// Handle registers a route. The pattern has the syntax of [http.ServeMux]. It panics if the
// policies have no rate limit or more than one, and for an invalid pattern.
//
// The handler, the log and the metrics get a [http.Request] whose Pattern has no method. So a route
// has the same name there, whether its pattern has a method or not.
func (m *Mux) Handle(pattern string, handler http.Handler, policies ...Policy) {
	var all Policy
	for _, p := range policies {
		all |= p
	}
	if bits.OnesCount16(uint16(all&limitPolicies)) != 1 {
		panic("route: " + pattern + ": want exactly one of the policies Limited…")
	}
	path := withoutMethod(pattern)
	m.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = path
		handler.ServeHTTP(w, r)
	})
	m.policies[pattern] = all
}

// withoutMethod returns a pattern without its method: "/healthz" for "GET /healthz".
func withoutMethod(pattern string) string {
	if _, path, hasMethod := strings.Cut(pattern, " "); hasMethod {
		return path
	}
	return pattern
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

// loggedPath returns the path of a request for the log, cut to limit.LoggedPath. For a route with
// Private, it returns the pattern up to the first wildcard.
func (m *Mux) loggedPath(r *http.Request) string {
	_, pattern := m.mux.Handler(r)
	if m.policies[pattern]&Private == 0 {
		return limit.LoggedPath.Cut(r.URL.Path)
	}
	constant, _, _ := strings.Cut(withoutMethod(pattern), "{")
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
	// the gateway's origin. POST requests from this origin are always accepted. Without it, they
	// are compared with the Host header, and rejected behind a proxy that changes this header.
	Origin         string
	TrustedProxies []netip.Prefix // X-Forwarded-For of these peers is read; empty = no peer is trusted

	// Limits counts the requests; nil allows all. It is kept when the configuration is reloaded.
	Limits *limit.Limiter
	// Browser returns the key by which a browser is counted. It must return one key for all
	// requests with one session, and "" for a cookie that the gateway did not issue. Otherwise a
	// client could make up a new browser for each request. nil = browsers are not counted.
	Browser func(*http.Request) string
	// OnHidingProxy is called when a proxy hides the addresses of many browsers, at most once an
	// hour for each proxy. It must not block. nil = hiding proxies are not counted.
	OnHidingProxy  func(HidingProxy)
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

	hiding hidingProxies // for Config.OnHidingProxy
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

// RequestID returns the id of the request that has the context ctx. It is "" for a request that did
// not pass through [Router.Wrap]. Error pages show the id, and the log has it. The id is short, so
// that a user can read it out to an administrator.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Wrap returns a handler that assigns the request id and the client's address, sets headers,
// applies the policies of the route, and then calls next. next is Config.Mux, perhaps wrapped for
// metrics.
func (rt *Router) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:10])
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		from := rt.client(r)
		r = r.WithContext(context.WithValue(ctx, addressKey{}, from))
		tracked := &trackedWriter{ResponseWriter: w, request: r}
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
		rt.watchProxy(r, policy, from)
		if hasBody(r.Method) && policy&Subrequest == 0 {
			tracked.body = &trackedBody{ReadCloser: http.MaxBytesReader(w, r.Body, int64(limit.RequestBody.Bytes))}
			r.Body = tracked.body
		} else {
			dropBody(w, r)
		}
		// The rate limit is checked first. So each request counts, even if another check would
		// reject it.
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

// hasBody reports whether the body of a request with this method reaches its handler. Forms have
// POST; the HTTP API also has PATCH and PUT.
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPatch || method == http.MethodPut
}

// refuse responds to a request that does not reach its handler. It does not wait for the body.
func (rt *Router) refuse(w *trackedWriter, r *http.Request, f Failure, message string) {
	rt.cfg.Logger.WarnContext(r.Context(), message, "path", rt.cfg.Mux.loggedPath(r),
		"request_id", RequestID(r.Context()))
	dropBody(w, r)
	rt.cfg.Fail(w, r, f)
}

// unreadBodyTime is how long the server still reads a body that no handler reads. A client has time
// to send the rest. If unread data remains when the connection is closed, TCP resets it, and the
// client may lose the response.
const unreadBodyTime = time.Second

// dropBody makes the server respond without the request's body. By default, net/http reads up to
// 256 kB of the body before it sends the response. A client that announces a body and sends none
// would occupy the connection until the read timeout. A response with "Connection: close" is sent
// at once.
func dropBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 { // -1 = chunked
		return
	}
	w.Header().Set("Connection", "close")
	// Not supported by writers in tests; the server's read timeout still applies.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadBodyTime))
	r.Body, r.ContentLength = http.NoBody, 0
}

// WithoutBody returns a handler for routes that read no body, and are served without a [Router]:
// the response does not wait for the body of a request.
func WithoutBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dropBody(w, r)
		next.ServeHTTP(w, r)
	})
}

// handlePanic is deferred by Wrap. It recovers from a panic of the handler, logs it and responds
// with an error. It passes on http.ErrAbortHandler: a handler panics with it to abort the response,
// and net/http expects it.
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

// stackLines returns the file and line of the first 20 calls in a stack trace. It omits the
// arguments of the functions, since they may be secrets.
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

// trackedWriter records whether the response has started. If the handler has not read the body of
// the request by then, the response does not wait for the body.
type trackedWriter struct {
	http.ResponseWriter
	request *http.Request
	body    *trackedBody // nil = the request has no body for its handler
	started bool
}

func (w *trackedWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // responses below 200 are informational: a final response follows
		w.start()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *trackedWriter) Write(b []byte) (int, error) {
	w.start()
	return w.ResponseWriter.Write(b)
}

func (w *trackedWriter) start() {
	if !w.started && w.body != nil && !w.body.read {
		dropBody(w.ResponseWriter, w.request)
	}
	w.started = true
}

// trackedBody records whether the handler has read the body.
type trackedBody struct {
	io.ReadCloser
	read bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	b.read = true
	return b.ReadCloser.Read(p)
}

// Unwrap is called by http.ResponseController.
func (w *trackedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Unshared returns a handler that sets headers which keep responses out of caches, and their URLs
// out of the Referer header. It responds to a HEAD request itself: link previews send HEAD, and
// next would treat it as GET, which may complete a sign-in.
func Unshared(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusOK)
			return
		}
		next(w, r)
	}
}

// SeeOther redirects with status 303. The browser then requests address by GET, even after a POST
// request. Unlike http.Redirect, it writes no body and sends the address unchanged.
func SeeOther(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}
