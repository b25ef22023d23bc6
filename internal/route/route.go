package route

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

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
