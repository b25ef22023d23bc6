package app

import (
	"errors"
	"net/http"

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
