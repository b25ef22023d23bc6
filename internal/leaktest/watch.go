package leaktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
)

// Watch returns a handler that calls h and fails the test when a response header, a trailer or the
// body holds a planted value. It keeps the whole body until h returns. Flush and the rest of
// http.ResponseController still work.
func Watch(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &watched{ResponseWriter: w}
		defer func() {
			where := "the response to " + r.Method + " " + masked(r.URL.Path)
			for name, values := range w.Header() {
				for _, v := range append(values, name) {
					report(t, where+", header "+masked(name), []byte(v))
				}
			}
			report(t, where+", body", seen.body.Bytes())
		}()
		h.ServeHTTP(seen, r)
	})
}

type watched struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (w *watched) Write(b []byte) (int, error) {
	w.body.Write(b)
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher for handlers that assert it.
func (w *watched) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap returns the inner writer for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Logger returns a logger for every level. It fails the test when a record holds a planted value,
// and writes the record to the output of the test.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewJSONHandler(&lines{t: t}, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
}

type lines struct {
	t    testing.TB
	lock sync.Mutex
}

func (l *lines) Write(b []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	report(l.t, "a log line", b)
	_, _ = l.t.Output().Write(b)
	return len(b), nil
}

// Check prints each value with the verbs of package fmt, as JSON and with log/slog, and fails the
// test when the output holds a planted value. It also checks every error that an error wraps.
func Check(t testing.TB, what string, values ...any) {
	t.Helper()
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			report(t, what+" printed with "+verb, fmt.Appendf(nil, verb, v))
		}
		if b, err := json.Marshal(v); err == nil {
			report(t, what+" as JSON", b)
		}
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("value", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("value", "v", v)
		report(t, what+" in a log line", out.Bytes())
		if err, ok := v.(error); ok {
			for _, inner := range unwrapped(err) {
				Check(t, what+", in an error that it wraps", inner)
			}
		}
	}
}

func unwrapped(err error) []any {
	var out []any
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, e)
		}
	} else if one := errors.Unwrap(err); one != nil {
		out = append(out, one)
	}
	return out
}

func report(t testing.TB, where string, text []byte) {
	t.Helper()
	if found := Find(text); found != "" {
		t.Errorf("%s holds %s: %s", where, found, masked(string(text)))
	}
}

var _ io.Writer = (*lines)(nil)
