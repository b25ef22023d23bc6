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

// held starts servers with one request that is held as the QR page's poll is: until its
// context ends, or for as long as the client likes when stubborn.
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

// TestStopDoesNotWaitForAPhone: who presses Ctrl-C while a page waits for a phone is not
// kept waiting, and the page gets its answer.
func TestStopDoesNotWaitForAPhone(t *testing.T) {
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

// TestStopCutsOffWhoDoesNotEnd: a request that never ends does not keep the program alive.
func TestStopCutsOffWhoDoesNotEnd(t *testing.T) {
	t.Parallel()
	never := make(chan struct{})
	stop, answered := held(t, 50*time.Millisecond, never)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("the request was answered, and nobody let it")
	}
	close(never)
}

// TestStopLosesNothingInFlight: requests in progress finish after a stop, and their contexts are
// not cancelled.
func TestStopLosesNothingInFlight(t *testing.T) {
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
		for { // until nobody new is let in: the stop is under way
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

// TestStopTakesWhoIsJustArriving: a request that a proxy sent while the program was told to stop is
// answered, not reset.
func TestStopTakesWhoIsJustArriving(t *testing.T) {
	t.Parallel()
	run := &servers{out: printer{out: io.Discard, err: io.Discard}, graceful: true}
	l, err := run.listenFlag("--addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	run.stopping = func() { close(told) }
	// nobody arrives before the stop is told
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

// TestAServerThatFails ends the program with the reason, and the other servers with it.
func TestAServerThatFails(t *testing.T) {
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
	if c, err := net.Dial("tcp", both[1].Addr().String()); err == nil {
		c.Close()
		t.Error("the other server still listens")
	}
}
