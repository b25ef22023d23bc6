package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file has the wrappers that count: HTTP wraps the mux, and Tokens wraps the store.

// httpMethods are the methods of the gateway's routes. PATCH, PUT and DELETE are the HTTP API's.
var httpMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodPatch, http.MethodPut,
	http.MethodDelete,
}

// HTTP wraps the mux of the gateway, and counts requests by the pattern of their route. It must
// wrap the mux directly. The mux writes the pattern into the *http.Request that it receives, and a
// middleware in between might pass a copy.
func (m *Metrics) HTTP(mux http.Handler) http.Handler {
	if m == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		response := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		returned := false
		defer func() {
			if !returned && !response.wrote { // a panic: package route responds with 500 after this
				response.status = http.StatusInternalServerError
			}
			route := r.Pattern
			if route == "" {
				route = other // the label "other": no route matches
			}
			method := known(r.Method, httpMethods)
			m.requests.WithLabelValues(route, method, strconv.Itoa(response.status)).Inc()
			m.requestTime.WithLabelValues(route).Observe(time.Since(start).Seconds())
		}()
		mux.ServeHTTP(response, r)
		returned = true
	})
}

// statusWriter records the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool // the final status was sent
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote && status >= 200 { // a status below 200 is informational: the final status follows
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// Unwrap is called by http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Store counts one operation of the store. It is the Observe hook of a store.
func (m *Metrics) Store(operation string, d time.Duration, err error) {
	if m == nil {
		return
	}
	m.storeCalls.WithLabelValues(operation, storeOutcome(err)).Inc()
	m.storeTime.WithLabelValues(operation).Observe(d.Seconds())
}

// storeOutcome returns the value of the label "outcome": "ok" or the name of the error.
func storeOutcome(err error) string {
	if err == nil {
		return "ok"
	}
	return nameOf(err, storeErrors())
}

func storeErrors() []namedError {
	return []namedError{
		{context.Canceled, "cancelled"},
		{context.DeadlineExceeded, "timeout"},
		{gateway.ErrUnavailable, "unavailable"},
		{gateway.ErrNotFound, "not_found"},
		{gateway.ErrConflict, "conflict"},
		{gateway.ErrBlocked, "blocked"},
		{gateway.ErrReplay, "replay"},
		{gateway.ErrFull, "full"},
		{gateway.ErrLastAdmin, "last_admin"},
		{gateway.ErrRefused, "refused"},
		{gateway.ErrUnionIDRequired, "unionid_required"},
	}
}

// Tokens wraps a store, and counts the codes and tokens that are stored. A nil Metrics returns s.
func (m *Metrics) Tokens(s gateway.Store) gateway.Store {
	if m == nil {
		return s
	}
	return tokenCounter{Store: s, metrics: m}
}

// tokenCounter is a store that counts codes and tokens.
type tokenCounter struct {
	gateway.Store
	metrics *Metrics
}

// count counts a code or token that was stored, and nothing if err is not nil. kind is the value of
// the label "kind".
func (t tokenCounter) count(kind string, err error) {
	if err == nil {
		t.metrics.tokens.WithLabelValues(kind).Inc()
	}
}

// PutCode stores a code and counts it.
func (t tokenCounter) PutCode(ctx context.Context, c gateway.Code) error {
	err := t.Store.PutCode(ctx, c)
	t.count("code", err)
	return err
}

// Redeem redeems a code and counts its tokens.
func (t tokenCounter) Redeem(ctx context.Context, code [32]byte, now time.Time,
	issue gateway.TokenIssue) (gateway.Grant, error) {
	grant, err := t.Store.Redeem(ctx, code, now, issue)
	t.count("access", err)
	if issue.Refresh != ([32]byte{}) { // zero = no refresh token
		t.count("refresh", err)
	}
	return grant, err
}

// Rotate replaces a refresh token and counts the new tokens.
func (t tokenCounter) Rotate(ctx context.Context, r gateway.Rotation) (gateway.RotatedGrant, error) {
	rotated, err := t.Store.Rotate(ctx, r)
	t.count("access", err)
	if !rotated.Repeated { // a repeated request returns a refresh token that was counted before
		t.count("refresh", err)
	}
	return rotated, err
}
