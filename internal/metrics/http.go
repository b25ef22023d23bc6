package metrics

import (
	"net/http"
	"strconv"
	"time"
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
