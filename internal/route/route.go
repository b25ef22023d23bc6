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

// Failure says why a request did not get through.
type Failure int

// The failures.
const (
	Panicked    Failure = iota // our own fault
	ForeignForm                // a form from another site
	TooMany                    // requests
)

// Config is what a [Router] is made of. Origin, Mux and Fail are required.
type Config struct {
	Origin        string         // of the gateway's own address: the cross-origin check trusts it also where a proxy changes Host
	TrustedProxy  []netip.Prefix // whose X-Forwarded-For is believed; empty = nobody's
	Mux           *Mux           // the routes, whose policies apply
	CookiePrefix  []string       // beginnings of the names of cookies that tell browsers apart; see limits.go
	SessionCookie string         // name of the cookie without which nobody is signed in: where it is sent, it alone tells; "" = there is none
	Strict        bool           // browsers are told to keep to https on the whole host

	Fail   func(http.ResponseWriter, *http.Request, Failure) // shows the error
	Logger *slog.Logger                                      // nil = discards
	Now    func() time.Time                                  // nil = time.Now
}

// Router wraps a mux. Make it with [New]; it is safe for concurrent use.
type Router struct {
	cfg     Config
	foreign *http.CrossOriginProtection
	limits  *limits
	warned  atomic.Bool // about X-Forwarded-For from a peer that nobody named
}

// maxBody is the most that any of our addresses takes; forms are far smaller.
const maxBody = 64 << 10

// New checks the configuration.
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

// RequestID returns the name of the request, short enough to be read out on the telephone; "" outside of [Router.Wrap].
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Address returns the visitor's address: the peer's, or what trusted proxies say. The zero Addr when it cannot be read.
func Address(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(addressKey{}).(netip.Addr); ok {
		return a
	}
	return peer(r)
}

// Wrap puts everything around next, which serves by the routes of Config.Mux.
func (rt *Router) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:10])
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		ctx = context.WithValue(ctx, addressKey{}, rt.address(r))
		r = r.WithContext(ctx)
		seen := &answer{ResponseWriter: w}
		defer rt.recovered(seen, r)
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if rt.cfg.Strict {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(seen, r.Body, maxBody)
		policy := rt.cfg.Mux.Policy(r)
		if policy&CrossSitePost == 0 && rt.foreign.Check(r) != nil {
			rt.cfg.Logger.WarnContext(ctx, "form from another site refused", "path", rt.cfg.Mux.loggedPath(r), "request_id", id)
			rt.cfg.Fail(seen, r, ForeignForm)
			return
		}
		if rt.limited(r, policy) {
			rt.cfg.Logger.WarnContext(ctx, "too many requests", "path", rt.cfg.Mux.loggedPath(r), "request_id", id)
			rt.cfg.Fail(seen, r, TooMany)
			return
		}
		next.ServeHTTP(seen, r)
	})
}

// recovered answers for a handler that panicked. http.ErrAbortHandler is no accident: net/http knows it.
func (rt *Router) recovered(w *answer, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	// The cause may hold what the request said, so only its type goes to the log; the stack says where.
	rt.cfg.Logger.ErrorContext(r.Context(), "panic", "path", rt.cfg.Mux.loggedPath(r), "request_id", RequestID(r.Context()),
		"cause", fmt.Sprintf("%T", cause), "stack", frames(debug.Stack()))
	if w.began {
		panic(http.ErrAbortHandler) // a half answer must not look whole
	}
	rt.cfg.Fail(w, r, Panicked)
}

// frames keeps the functions of a stack and drops their arguments, which may be pointers today and texts tomorrow.
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

// answer remembers whether anything was sent.
type answer struct {
	http.ResponseWriter
	began bool
}

func (a *answer) WriteHeader(status int) {
	a.began = a.began || status >= http.StatusOK
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.began = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
