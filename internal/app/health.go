package app

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/proxycheck"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// This file serves the health checks: /healthz reports that the process runs, /readyz that it can
// serve requests. It also serves the check of proxies, and the page of all other paths.

// mountHealth registers the health checks at two places. A load balancer on the internal network
// calls them at the root of the host. Some proxies forward only requests below path, the path of
// the gateway's URL, so the health checks are there too.
func (a *App) mountHealth(mux *route.Mux, path string) {
	prefixes := []string{""}
	if path != "" {
		prefixes = append(prefixes, path)
	}
	for _, prefix := range prefixes {
		mux.HandleFunc("GET "+prefix+"/healthz", serveHealthz, route.LimitedOther)
		mux.HandleFunc("GET "+prefix+"/readyz", a.serveReadyz, route.LimitedOther)
	}
}

// mountNotFound registers the page of all other paths, and the path that "weigate check" requests. Without
// the master key, that path does not exist either.
func (a *App) mountNotFound(mux *route.Mux, site *web.Site, u *url.URL, c *config.Config) {
	notFound := func(w http.ResponseWriter, r *http.Request) { site.Fail(w, r, web.NotFound) }
	mux.HandleFunc("/", notFound, route.LimitedOther)
	mux.Handle("GET "+u.EscapedPath()+proxycheck.Path, proxycheck.Handler(a.options.Sealer, c.ConnectorsDigest(),
		u.Scheme == "https", a.options.Now, notFound), route.LimitedOther)
}

func serveHealthz(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") }

func (a *App) serveReadyz(w http.ResponseWriter, r *http.Request) {
	err := a.Ready(r.Context())
	switch {
	case err == nil:
		writeText(w, http.StatusOK, "ok\n")
	case errors.Is(err, errStopping):
		writeText(w, http.StatusServiceUnavailable, "stopping\n")
	default:
		if r.Context().Err() == nil { // not because the client has disconnected
			a.options.Logger.WarnContext(r.Context(), "readiness check failed", "error", err)
		}
		writeText(w, http.StatusServiceUnavailable, "the store is unavailable\n")
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // fails only if the client has disconnected
}

const (
	readyTimeout  = 2 * time.Second // of one check of the store
	readyCacheAge = time.Second     // how long the result of a check is used again
)

// errStopping is the result of [App.Ready] after [App.Stopping]. A load balancer then sends no new
// requests.
var errStopping = errors.New("the gateway is stopping")

// readiness is the state of the readiness check. Anyone can call the public endpoint, and each
// check writes to the store. So two measures limit the checks. Only one check runs at a time, and
// requests that arrive meanwhile wait for its result. The result is cached for readyCacheAge.
type readiness struct {
	stopping atomic.Bool

	mu         sync.Mutex
	err        error         // result of the last check
	validUntil time.Time     // until then err is used again
	inProgress chan struct{} // closed when the check in progress ends; nil = no check is in progress
}

// Ready returns nil if the gateway can serve requests. After [App.Stopping] it returns errStopping.
// Otherwise it returns the error of the store, or of ctx.
func (a *App) Ready(ctx context.Context) error {
	r := &a.readiness
	if r.stopping.Load() {
		return errStopping
	}
	r.mu.Lock()
	if r.cached(a.options.Now()) {
		defer r.mu.Unlock()
		return r.err
	}
	if r.inProgress == nil {
		r.inProgress = make(chan struct{})
		// The check does not use the request's context, which ends when this client disconnects:
		// other requests wait for the same result.
		go a.checkStore(context.WithoutCancel(ctx), r.inProgress)
	}
	done := r.inProgress
	r.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// cached reports whether the last result is still valid. If the system clock was set back after the
// check, validUntil is far in the future. Such a result does not count.
func (r *readiness) cached(now time.Time) bool {
	clockSetBack := r.validUntil.Sub(now) >= 2*readyCacheAge
	return now.Before(r.validUntil) && !clockSetBack
}

// checkStore checks the store, stores the result and closes done.
func (a *App) checkStore(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := a.options.Store.Ping(ctx)
	r := &a.readiness
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.validUntil = err, a.options.Now().Add(readyCacheAge)
	r.inProgress = nil
	close(done)
}

// Stopping makes /readyz respond with 503 from now on. All other requests are served as before.
func (a *App) Stopping() { a.readiness.stopping.Store(true) }
