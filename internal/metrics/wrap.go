package metrics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// HTTP counts the requests that mux serves, by the pattern that matched. It must wrap the mux
// directly, because a layer in between that copies the request would hide the pattern.
func (m *Metrics) HTTP(mux http.Handler) http.Handler {
	if m == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		completed := false
		defer func() {
			if !completed && !seen.wrote { // a panic: the layer above serves a 500
				seen.status = http.StatusInternalServerError
			}
			route := r.Pattern
			if route == "" {
				route = other
			}
			method := known(r.Method, []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions})
			m.requests.WithLabelValues(route, method, strconv.Itoa(seen.status)).Inc()
			m.requestTime.WithLabelValues(route).Observe(time.Since(began).Seconds())
		}()
		mux.ServeHTTP(seen, r)
		completed = true
	})
}

// statusWriter records the status.
type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote && status >= 200 {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

// Unwrap returns the wrapped writer to http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Store counts one operation of the store. It is the Observe of a store.
func (m *Metrics) Store(operation string, d time.Duration, err error) {
	if m == nil {
		return
	}
	m.operations.WithLabelValues(operation, outcome(err)).Inc()
	m.operationTime.WithLabelValues(operation).Observe(d.Seconds())
}

// outcome returns the class of an error.
func outcome(err error) string {
	for _, class := range []struct {
		err  error
		name string
	}{
		{context.Canceled, "cancelled"},
		{context.DeadlineExceeded, "timeout"},
		{gateway.ErrUnavailable, "unavailable"},
		{gateway.ErrNotFound, "not_found"},
		{gateway.ErrConflict, "conflict"},
		{gateway.ErrBlocked, "blocked"},
		{gateway.ErrReplay, "replay"},
		{gateway.ErrFull, "full"},
	} {
		if errors.Is(err, class.err) {
			return class.name
		}
	}
	if err != nil {
		return other
	}
	return "ok"
}

// Tokens returns a store that counts the codes and tokens that it stores. A nil Metrics returns s.
func (m *Metrics) Tokens(s gateway.Store) gateway.Store {
	if m == nil {
		return s
	}
	return tokens{s, m}
}

type tokens struct {
	gateway.Store
	m *Metrics
}

// issued counts a code or token if err is nil, that is, if it was stored.
func (t tokens) issued(kind string, err error) {
	if err == nil {
		t.m.tokens.WithLabelValues(kind).Inc()
	}
}

// PutCode stores a code and counts it.
func (t tokens) PutCode(ctx context.Context, c gateway.Code) error {
	err := t.Store.PutCode(ctx, c)
	t.issued("code", err)
	return err
}

// Redeem redeems a code and counts its tokens.
func (t tokens) Redeem(ctx context.Context, code [32]byte, now time.Time, i gateway.TokenIssue) (gateway.Grant, error) {
	g, err := t.Store.Redeem(ctx, code, now, i)
	t.issued("access", err)
	if i.Refresh != ([32]byte{}) {
		t.issued("refresh", err)
	}
	return g, err
}

// Rotate rotates a refresh token and counts the new tokens.
func (t tokens) Rotate(ctx context.Context, r gateway.Rotation) (gateway.RotatedGrant, error) {
	out, err := t.Store.Rotate(ctx, r)
	t.issued("access", err)
	if !out.Repeated {
		t.issued("refresh", err)
	}
	return out, err
}
