package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// limitedServer serves "ok" with a limit of connections, and returns the address and the count of
// connections that were closed because of the limit.
func limitedServer(t *testing.T, limit int) (addr string, exceeded *atomic.Int64) {
	t.Helper()
	run := &servers{out: printer{out: io.Discard, err: io.Discard}}
	l, err := run.listenFlag("--addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	exceeded = &atomic.Int64{}
	run.handle(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost { // answers, and then waits for the body
			_ = http.NewResponseController(w).EnableFullDuplex()
			_ = http.NewResponseController(w).Flush()
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}))
	run.limitConnections(l, limit, func() { exceeded.Add(1) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), exceeded
}

// open opens a connection and sends text.
func open(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, text) // fails when the server has closed the connection already
	return c
}

// status reads a response and returns its status line, or the error.
func status(c net.Conn) string {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "no response"
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return "no response"
	}
	return res.Status
}

const request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

// TestIdleConnectionsLockNobodyOut opens ten times as many connections as are allowed, and keeps them
// open after one request each. Every request gets its response.
func TestIdleConnectionsLockNobodyOut(t *testing.T) {
	t.Parallel()
	const limit = 20
	addr, exceeded := limitedServer(t, limit)
	for i := range 10 * limit {
		if got := status(open(t, addr, request)); got != "200 OK" {
			t.Fatalf("request %d: %s", i, got)
		}
	}
	if exceeded.Load() == 0 {
		t.Error("no connection was closed")
	}
}

// TestSilentConnectionsLockNobodyOut opens as many connections as are allowed, and sends nothing, or the
// beginning of a request, on each. Those that have waited for the longest time are closed for others.
func TestSilentConnectionsLockNobodyOut(t *testing.T) {
	t.Parallel()
	const limit = 20
	for _, text := range []string{"", "GET / HTTP/1.1\r\nHost: local"} {
		addr, exceeded := limitedServer(t, limit)
		for range limit {
			open(t, addr, text)
		}
		for i := range limit {
			c := open(t, addr, request)
			if got := status(c); got != "200 OK" {
				t.Fatalf("after %q, request %d: %s", text, i, got)
			}
			open(t, addr, text) // the attacker replaces the connection
		}
		if exceeded.Load() < limit {
			t.Errorf("after %q, %d connections were closed", text, exceeded.Load())
		}
	}
}

// TestBusyConnectionsAreBounded has as many requests in progress as connections are allowed. A further
// connection is closed, and no request is interrupted. When they have ended, new ones are accepted.
func TestBusyConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 20
	addr, exceeded := limitedServer(t, limit)
	const beginning = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"
	var busy []net.Conn
	for range limit {
		c := open(t, addr, beginning)
		busy = append(busy, c)
		buffered := bufio.NewReader(c)
		if line, err := buffered.ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("%q, %v", line, err) // the handler has begun, and waits for the body
		}
	}
	for range 5 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue // it was closed at once
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(c, request)
		if got := status(c); got != "no response" {
			t.Errorf("beyond the limit: %s", got)
		}
		c.Close()
	}
	if n := exceeded.Load(); n != 5 {
		t.Errorf("%d connections were counted", n)
	}
	for _, c := range busy {
		c.Close()
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); { // until the server has seen it
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		_ = c.SetDeadline(end)
		_, _ = io.WriteString(c, request)
		got := status(c)
		c.Close()
		if got == "200 OK" {
			return
		}
	}
	t.Error("no connection is accepted after the others were closed")
}

// TestHugeHeadersAreRefused sends many header fields, each of which costs much more memory than its
// bytes.
func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	addr, _ := limitedServer(t, 20)
	fields := func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, "a%d: b\r\n", i)
		}
		return "GET / HTTP/1.1\r\nHost: localhost\r\n" + b.String() + "\r\n"
	}
	if got := status(open(t, addr, fields(20<<10))); got != "200 OK" {
		t.Errorf("20 kB: %s", got)
	}
	if got := status(open(t, addr, fields(25<<10))); got != "431 Request Header Fields Too Large" {
		t.Errorf("25 kB: %s", got)
	}
}

// TestHandshakesWithoutDataLockNobodyOut opens connections to a server with TLS and sends nothing. Each
// counts against the limit, and is closed when another client connects. Old versions of TLS are refused.
func TestHandshakesWithoutDataLockNobodyOut(t *testing.T) {
	t.Parallel()
	const limit = 4
	source := httptest.NewTLSServer(nil) // for its certificate
	defer source.Close()
	run := &servers{out: printer{out: io.Discard, err: io.Discard}}
	l, err := run.listenFlag("--addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run.handleTLS(l, &tls.Config{Certificates: source.TLS.Certificates, MinVersion: tls.VersionTLS12},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	var exceeded atomic.Int64
	run.limitConnections(l, limit, func() { exceeded.Add(1) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run.run(ctx) }()
	for range 3 * limit {
		open(t, l.Addr().String(), "")
	}
	client := source.Client()
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	for range 3 {
		res, err := client.Get("https://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != "HTTP/2.0" {
			t.Errorf("%q, %v", body, err)
		}
	}
	if n := exceeded.Load(); n < 2*limit+1 {
		t.Errorf("%d connections were closed because of the limit, want at least %d", n, 2*limit+1)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if c, err := tls.Dial("tcp", l.Addr().String(), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 was accepted")
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
