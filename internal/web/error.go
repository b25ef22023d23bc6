package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// Error responds to a request that failed. The text of the error never reaches the browser: users
// get a sentence and the request id, programs get JSON, the log gets the cause.
//
//	gateway.ErrUnavailable, a deadline      503, with Retry-After
//	the client has disconnected             503, and nothing in the log
//	gateway.ErrBlocked                      403
//	gateway.ErrNotFound                     404
//	a body over its limit                   413
//	anything else                           500
func (s *Site) Error(w http.ResponseWriter, r *http.Request, err error) {
	kind, ours := classify(err)
	switch {
	case r.Context().Err() != nil:
	case ours:
		s.cfg.Logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err, "request_id",
			s.cfg.RequestID(r.Context()))
	default:
		s.cfg.Logger.InfoContext(r.Context(), "request rejected", "path", r.URL.Path, "error", err, "request_id",
			s.cfg.RequestID(r.Context()))
	}
	s.Fail(w, r, kind)
}

// Fail responds with an error of a kind, as a page or, to a program, as JSON.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, kind Kind) {
	if !isProgram(r) {
		s.Show(w, r, Page{Kind: kind})
		return
	}
	header := w.Header()
	setRetryAfter(header, kind)
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(kind.Status())
	// Fails when the client has disconnected.
	_ = json.NewEncoder(w).Encode(struct {
		Error     string `json:"error"`
		RequestID string `json:"request_id,omitempty"`
	}{string(kind), s.cfg.RequestID(r.Context())})
}

func setRetryAfter(header http.Header, kind Kind) {
	switch kind {
	case Busy:
		header.Set("Retry-After", "5")
	case TooMany:
		header.Set("Retry-After", "60")
	}
}

// KindOf returns the page for an error: see [Site.Error].
func KindOf(err error) Kind {
	kind, _ := classify(err)
	return kind
}

func classify(err error) (kind Kind, ours bool) {
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, gateway.ErrUnavailable), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled):
		return Busy, true
	case errors.Is(err, gateway.ErrBlocked):
		return Blocked, false
	case errors.Is(err, gateway.ErrNotFound):
		return NotFound, false
	case errors.As(err, &large):
		return TooLarge, false
	}
	return Fault, true
}

// isProgram reports whether a program sent the request, and not a browser that opens a page.
// Browsers send Sec-Fetch-Mode since 2020 (iOS since 2023).
func isProgram(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode != "navigate"
	}
	return !strings.Contains(r.Header.Get("Accept"), "text/html")
}
