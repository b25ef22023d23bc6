package app_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// Each code is a row, whatever the kind of the app. A signed-in browser gets as many as a user may
// need, and fewer than a loop would add, even if it sends made-up cookies of the gateway.
func TestFloodOfCodesForOneUserEnds(t *testing.T) {
	t.Parallel()
	w := newFixture(t, everyKind, stoppedClock)
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	alice.Must(alice.Open(t.Context(), w.url+"/sign-in?scope=profile&return=/"))
	alice.Must(alice.Allow(t.Context())) // so that nobody is asked for it here
	cookies := alice.Cookies(w.url)
	handoff := w.url + "/forward-auth?" +
		url.Values{"to": {"http://wiki.localhost:8099"}, "challenge": {strings.Repeat("A", 43)}, "return": {"/"}}.Encode()
	for _, k := range []struct {
		name, address, prefix string
		status, atLeast       int
	}{
		{"OpenID Connect", w.authorize("sample"), w.app.URL, http.StatusSeeOther, 250},
		{"old code", w.shopAddress("snsapi_base"), w.app.URL, http.StatusFound, 250},
		{"forward auth", handoff, "http://wiki.localhost:8099/.weigate/finish?", http.StatusSeeOther, 60},
	} {
		w.clock.Advance(time.Minute) // nothing is left of what was counted before
		got := map[int]int{}
		for n := range 600 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, k.address, nil)
			r.RemoteAddr = "127.0.0.1:1"
			r.AddCookie(&http.Cookie{Name: "weigate-d", Value: fmt.Sprintf("made up, number %06d", n)})
			for _, c := range cookies {
				r.AddCookie(c)
			}
			rec := httptest.NewRecorder()
			w.replicas[0].Handler().ServeHTTP(rec, r)
			got[rec.Code]++
			if rec.Code == k.status && !strings.HasPrefix(rec.Header().Get("Location"), k.prefix) {
				t.Fatalf("%s: sent to %s", k.name, rec.Header().Get("Location"))
			}
		}
		if got[k.status] < k.atLeast || got[http.StatusTooManyRequests] < 100 || len(got) != 2 {
			t.Errorf("%s: 600 requests were answered %v", k.name, got)
		}
	}
}

// everyKind adds an app of each other kind, so that every feature has its routes.
func everyKind(w *gatewayFixture) {
	withShop(w)
	w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w.config.VerifyFiles = []string{"MP_verify_0123456789abcdef.txt"}
	w.config.Apps = append(w.config.Apps, config.App{
		App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth, Name: "Wiki",
			Access: gateway.AccessRule{Rule: gateway.AccessSignedIn}},
		Hosts: []string{"wiki.localhost:8099"},
	})
}

// routeCase is a route of the gateway, and a request that reaches it.
type routeCase struct{ pattern, method, path string }

func routeCases(t *testing.T, w *gatewayFixture) []routeCase {
	t.Helper()
	patterns, err := w.replicas[0].Routes()
	if err != nil {
		t.Fatal(err)
	}
	if len(patterns) < 40 {
		t.Fatalf("only %d routes: %v", len(patterns), patterns)
	}
	var cases []routeCase
	for _, pattern := range patterns {
		method, path, hasMethod := strings.Cut(pattern, " ")
		if !hasMethod {
			method, path = http.MethodGet, pattern
		}
		cases = append(cases, routeCase{pattern: pattern, method: method, path: wildcard.ReplaceAllString(
			strings.ReplaceAll(path, "{$}", ""), "made-up")})
	}
	return cases
}

// wildcard is a wildcard in the pattern of a route, such as {ticket} or {file...}.
var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// TestFloodAtEveryRouteEnds sends requests to every route of the gateway from one address, until the
// first one is refused.
func TestFloodAtEveryRouteEnds(t *testing.T) {
	t.Parallel()
	// Without a log: each rejected request has a line, and writing it would take longer than the request.
	w := newFixture(t, everyKind, stoppedClock,
		func(w *gatewayFixture) { w.options.Logger = slog.New(slog.DiscardHandler) })
	for _, c := range routeCases(t, w) {
		last, sent := 0, 0
		for ; last != http.StatusTooManyRequests && sent < 25_000; sent++ {
			r := httptest.NewRequestWithContext(t.Context(), c.method, w.url+c.path, nil)
			r.RemoteAddr = "203.0.113.7:1"
			rec := httptest.NewRecorder()
			w.replicas[0].Handler().ServeHTTP(rec, r)
			last = rec.Code
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("%s: the last of %d requests was answered %d", c.pattern, sent, last)
		}
	}
}

// stoppedClock makes the clock of the gateway move only by w.clock.Advance, so that no bucket refills
// and no cached result expires because the machine is slow.
func stoppedClock(w *gatewayFixture) { w.clock.Freeze() }

// TestReloadKeepsCounts: a client that has used up its share does not get a new one when the
// configuration is loaded again, as happens with each change of an app.
func TestReloadKeepsCounts(t *testing.T) {
	t.Parallel()
	w := newFixture(t, stoppedClock)
	passed := func() int { // until the first one is refused
		for n := range 2 * limit.OtherPerAddress.Burst {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/healthz", nil)
			r.RemoteAddr = "203.0.113.7:1"
			rec := httptest.NewRecorder()
			w.replicas[0].Handler().ServeHTTP(rec, r)
			if rec.Code == http.StatusTooManyRequests {
				return n
			}
		}
		return 2 * limit.OtherPerAddress.Burst
	}
	if n := passed(); n < limit.OtherPerAddress.Burst {
		t.Fatalf("only %d requests pass at once", n)
	}
	for range 3 {
		if err := w.replicas[0].Reload(w.config); err != nil {
			t.Fatal(err)
		}
		if n := passed(); n > 0 {
			t.Errorf("after a reload %d requests pass", n)
		}
	}
}

// TestMissingBodyIsNotWaitedFor sends requests that announce a body, and never sends it, to every route.
// net/http would wait for the body before it sends the response, and the client could keep the
// connection and its goroutine for as long as the read timeout allows.
func TestMissingBodyIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	w := newFixture(t, everyKind)
	addr := strings.TrimPrefix(w.url, "http://")
	var requests []string
	for _, c := range routeCases(t, w) {
		methods := []string{http.MethodGet, http.MethodHead}
		if !strings.Contains(c.pattern, " ") {
			methods = append(methods, http.MethodPut)
		}
		for _, method := range methods {
			for _, header := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
				requests = append(requests, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", method, c.path, addr, header))
			}
		}
	}
	requests = append(requests,
		"POST /verify HTTP/1.1\r\nHost: "+addr+"\r\nContent-Length: 5\r\n\r\n",
		"POST /no-such-page HTTP/1.1\r\nHost: "+addr+"\r\nContent-Length: 5\r\n\r\n",
		"POST /.weigate/refused HTTP/1.1\r\nHost: "+addr+"\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /cgi-bin/menu/create HTTP/1.1\r\nHost: "+addr+"\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n",
		"POST /sign-out HTTP/1.1\r\nHost: "+addr+"\r\nOrigin: https://evil.example\r\nContent-Length: 5\r\n\r\n")
	var wg sync.WaitGroup
	slots := make(chan struct{}, 20)
	for _, text := range requests {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			line, _, _ := strings.Cut(text, "\r\n")
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute)) // without the response, this is the failure
			if _, err := c.Write([]byte(text)); err != nil {
				t.Error(err)
				return
			}
			res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: strings.Fields(line)[0]})
			if err != nil {
				t.Errorf("%s: %v", line, err)
				return
			}
			res.Body.Close()
		})
	}
	wg.Wait()
}
