package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// held starts servers with one request in progress, like the poll of the QR page. The request ends
// when its context ends, or, if stubborn is not nil, when stubborn is closed.
func held(t *testing.T, patience time.Duration, stubborn <-chan struct{}) (stop func() error, answered <-chan error) {
	t.Helper()
	run := &servers{out: printer{out: io.Discard, err: io.Discard}, shutdownTimeout: patience}
	l, err := run.listenFlag("--addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	run.handle(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		if stubborn != nil {
			<-stubborn
		}
		io.WriteString(w, "the end")
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run.run(ctx) }()
	got := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + l.Addr().String())
		if err == nil {
			var body []byte
			body, err = io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil && string(body) != "the end" {
				err = errors.New("the body is " + string(body))
			}
		}
		got <- err
	}()
	<-began
	return func() error { cancel(); return <-ended }, got
}

// TestStopEndsWaitingRequests checks that a stop cancels a request that waits for an event, and that
// the request gets its response.
func TestStopEndsWaitingRequests(t *testing.T) {
	t.Parallel()
	stop, answered := held(t, time.Minute, nil)
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took >= time.Minute {
		t.Errorf("stopping took %v: the request did not end with the program", took)
	}
	if err := <-answered; err != nil {
		t.Errorf("the held request: %v", err)
	}
}

// TestStopClosesConnections checks that a request that never ends does not prevent the stop.
func TestStopClosesConnections(t *testing.T) {
	t.Parallel()
	never := make(chan struct{})
	stop, answered := held(t, 50*time.Millisecond, never)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("the request got a response, although its handler had not returned")
	}
	close(never)
}

// TestGracefulStop checks that requests in progress finish after a stop, and their contexts are
// not cancelled.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	run := &servers{out: printer{out: io.Discard, err: io.Discard}, shutdownTimeout: time.Minute, graceful: true}
	l, err := run.listenFlag("--addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, told := make(chan struct{}), make(chan struct{})
	run.handle(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-told
		for { // until new connections are refused: the stop has begun
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				break
			}
			c.Close()
		}
		if r.Context().Err() != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, "done")
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run.run(ctx) }()
	answered := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer res.Body.Close()
		answered <- res.Status
	}()
	<-began
	cancel()
	close(told)
	if got := <-answered; got != "200 OK" {
		t.Errorf("the request in flight: %s", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStopServesLateConnections checks that a connection that was opened just before the stop gets a
// response and is not reset.
func TestStopServesLateConnections(t *testing.T) {
	t.Parallel()
	run := &servers{out: printer{out: io.Discard, err: io.Discard}, graceful: true}
	l, err := run.listenFlag("--addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	run.stopping = func() { close(told) }
	// the handler returns only after the stop has begun
	run.handle(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-told }))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- run.run(ctx) }()
	res, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestFailingServer checks that the failure of one server stops the others, and that the error is
// returned.
func TestFailingServer(t *testing.T) {
	t.Parallel()
	run := &servers{out: printer{out: io.Discard, err: io.Discard}}
	var both []net.Listener
	for range 2 {
		l, err := run.listenFlag("--addr", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		run.handle(l, http.NotFoundHandler())
		both = append(both, l)
	}
	both[0].Close()
	err := run.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "serve on "+both[0].Addr().String()+": ") {
		t.Errorf("got %v", err)
	}
	if res, err := http.Get("http://" + both[1].Addr().String()); err == nil {
		res.Body.Close()
		t.Error("the other server still answers")
	}
}
