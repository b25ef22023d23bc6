package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

const (
	sweepEvery = 5 * time.Minute
	sweepBatch = 500
	sweepPause = 50 * time.Millisecond // between two batches, so that writers get their turn
)

// sweep removes what is over, until ctx ends.
func (a *App) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			now := a.o.Now()
			n, err := a.store.Sweep(ctx, now, now.Add(-time.Duration(a.keep.Load())), sweepBatch)
			if err != nil && ctx.Err() == nil {
				a.o.Logger.WarnContext(ctx, "expired rows could not be removed; the next round tries again", "error", err)
			}
			if more = err == nil && n > 0; more {
				pause(ctx, sweepPause)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// health answers for those who watch the process: /healthz says that it runs, /readyz that it can serve.
type health struct {
	a    *App
	path string
}

// Mount registers the routes, at the root for a load balancer beside us and under the path for one that sees only that.
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

func (health) alive(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok\n") }

func (h health) ready(w http.ResponseWriter, r *http.Request) {
	switch err := h.a.Ready(r.Context()); {
	case errors.Is(err, errStopping):
		say(w, http.StatusServiceUnavailable, "stopping\n")
	case err != nil:
		if r.Context().Err() == nil {
			h.a.o.Logger.WarnContext(r.Context(), "not ready", "error", err)
		}
		say(w, http.StatusServiceUnavailable, "the store is unavailable\n")
	default:
		say(w, http.StatusOK, "ok\n")
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a failure here is a watcher that has gone
}

// failure chooses the page for what route stopped.
func failure(site *web.Site) func(http.ResponseWriter, *http.Request, route.Failure) {
	return func(w http.ResponseWriter, r *http.Request, f route.Failure) {
		kind := web.Fault
		switch f {
		case route.ForeignForm:
			kind = web.ForeignForm
		case route.TooMany:
			kind = web.TooMany
		}
		site.Fail(w, r, kind)
	}
}

func (a *App) unrecorded(ctx context.Context, err error) {
	a.o.Logger.WarnContext(ctx, "the use of a session could not be recorded", "error", err, "request_id", route.RequestID(ctx))
}

// observeSignIn counts what becomes of sign-ins, in the words of the metrics. A repeat and a stray callback end nothing.
func (a *App) observeSignIn(_ context.Context, o flow.Event) {
	method := string(o.Method)
	switch o.Outcome {
	case flow.EventStarted:
		a.o.Metrics.SignInBegan(method)
	case flow.EventRepeat, flow.EventLost:
	case flow.EventDenied, flow.OutcomeSnapshot:
		a.o.Metrics.SignInEnded(method, o.Outcome)
	case flow.OutcomeSignedIn:
		a.o.Metrics.SignInEnded(method, "ok")
	case flow.OutcomeRefused:
		a.o.Metrics.SignInEnded(method, "blocked")
	case flow.OutcomeUserRestricted:
		a.o.Metrics.SignInEnded(method, "refused")
	case flow.OutcomeCodeRefused:
		a.o.Metrics.SignInEnded(method, "start_again")
	default:
		a.o.Metrics.SignInEnded(method, "failed")
	}
}

func (a *App) observeOIDC(o oidc.Observation) {
	a.o.Metrics.OIDC(o.Endpoint, o.Grant, o.App, o.Outcome)
}
