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

// This file looks for planted values in the output of a program: in HTTP responses, in log records,
// and in what package fmt, encoding/json or log/slog prints.

// Watch returns a handler that calls h and checks the response. The test fails if a header, a
// trailer or the body contains a planted value: [Secret], which tests use as a secret, or [Mark],
// which is at the end of the simulator's codes and tokens. Watch keeps a copy of the whole body
// until h returns. Flush and the other functions of http.ResponseController still work.
func Watch(t testing.TB, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &recordingWriter{ResponseWriter: w}
		defer func() {
			where := "the response to " + r.Method + " " + masked(r.URL.Path)
			for name, values := range w.Header() {
				for _, v := range append(values, name) { // also check the name of the header
					report(t, where+", header "+masked(name), []byte(v))
				}
			}
			report(t, where+", body", recorder.body.Bytes())
		}()
		h.ServeHTTP(recorder, r)
	})
}

// recordingWriter is a ResponseWriter that also stores the body.
type recordingWriter struct {
	http.ResponseWriter
	body bytes.Buffer
}

// Write stores a part of the body and passes it on.
func (w *recordingWriter) Write(b []byte) (int, error) {
	w.body.Write(b)
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher. Some handlers convert their ResponseWriter to http.Flusher.
func (w *recordingWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap returns the inner writer for http.ResponseController.
func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Logger returns a logger that writes records of all levels to the output of the test. It fails the
// test if a record contains a planted value.
func Logger(t testing.TB) *slog.Logger {
	const all = slog.LevelDebug - 4 // below slog's lowest named level
	return slog.New(slog.NewJSONHandler(&logChecker{t: t}, &slog.HandlerOptions{Level: all}))
}

// logChecker is the writer of a logger. Each call of Write is one record.
type logChecker struct {
	t    testing.TB
	lock sync.Mutex
}

// Write checks one record and writes it to the output of the test.
func (l *logChecker) Write(b []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	report(l.t, "a log line", b)
	_, _ = l.t.Output().Write(b)
	return len(b), nil
}

// Check prints each value with the verbs of package fmt, as JSON and with log/slog. It fails the
// test if the output contains a planted value. If a value is an error, Check also checks the errors
// inside. what describes the values in messages.
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

// unwrapped returns the errors that err wraps directly.
func unwrapped(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if inner := errors.Unwrap(err); inner != nil {
		return []error{inner}
	}
	return nil
}

// report fails the test if text contains a planted value.
func report(t testing.TB, where string, text []byte) {
	t.Helper()
	if found := Find(text); found != "" {
		t.Errorf("%s contains %s: %s", where, found, masked(string(text)))
	}
}

var _ io.Writer = (*logChecker)(nil)
