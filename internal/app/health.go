package app

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/route"
)

// health serves the health checks: /healthz reports that the process runs, /readyz that it can
// serve.
type health struct {
	a    *App
	path string
}

// Mount registers the routes at the root, for a load balancer beside the gateway, and below its
// path, for one that sees only that.
func (h health) Mount(mux *route.Mux) {
	paths := []string{""}
	if h.path != "" {
		paths = append(paths, h.path)
	}
	for _, path := range paths {
		mux.HandleFunc("GET "+path+"/healthz", h.alive)
		mux.HandleFunc("GET "+path+"/readyz", h.ready)
	}
}

func (health) alive(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") }

func (h health) ready(w http.ResponseWriter, r *http.Request) {
	switch err := h.a.Ready(r.Context()); {
	case errors.Is(err, errStopping):
		writeText(w, http.StatusServiceUnavailable, "stopping\n")
	case err != nil:
		if r.Context().Err() == nil {
			h.a.o.Logger.WarnContext(r.Context(), "readiness check failed", "error", err)
		}
		writeText(w, http.StatusServiceUnavailable, "the store is unavailable\n")
	default:
		writeText(w, http.StatusOK, "ok\n")
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // fails when the client has disconnected
}

const (
	readyLimit = 2 * time.Second // for one check of the store
	readyKeep  = time.Second     // a result is valid for all requests in that time
)

// errStopping is the result of the readiness check while the gateway stops: a load balancer then
// sends no new requests.
var errStopping = errors.New("the gateway is stopping")

// readiness checks whether the store works. The endpoint is public and the check writes to the
// store, so there is one check at a time, and its result is cached for readyKeep.
type readiness struct {
	stopping atomic.Bool

	mu     sync.Mutex
	until  time.Time // the result is valid
	err    error
	flight chan struct{} // closed when the check in progress ends; nil = none
}

// Ready returns nil when requests can be served, else the error of the store, or that
// [App.Stopping] was called.
func (a *App) Ready(ctx context.Context) error {
	r := &a.ready
	if r.stopping.Load() {
		return errStopping
	}
	r.mu.Lock()
	if now := a.o.Now(); now.Before(r.until) && now.After(r.until.Add(-2*readyKeep)) { // else the clock jumped
		defer r.mu.Unlock()
		return r.err
	}
	if r.flight == nil {
		r.flight = make(chan struct{})
		// Not in the request's context: a client that disconnects must not decide for the others.
		go a.checkStore(context.WithoutCancel(ctx), r.flight)
	}
	flight := r.flight
	r.mu.Unlock()
	select {
	case <-flight:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (a *App) checkStore(ctx context.Context, flight chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	err := a.o.Store.Ping(ctx)
	r := &a.ready
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.until, r.flight = err, a.o.Now().Add(readyKeep), nil
	close(flight)
}

// Stopping makes /readyz respond with 503 from now on. Everything else continues.
func (a *App) Stopping() { a.ready.stopping.Store(true) }
